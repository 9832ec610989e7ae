"""What runs have outside their own directories, written down so that the next run can remove what a killed one could not:
folders, files on HDFS and S3, applications on YARN, clusters on EMR.

Each run has a file of its own in the cache, locked as long as its process lives, with a line for each thing it made and one
when the thing is gone. A file that nobody holds belongs to a run that was killed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Callable
from typing import Any, TextIO

from jobs.errors import ScanError

Entry = dict[str, Any]
Say = Callable[[str], None]
# By which other programs are asked, seconds each: done when a run of that runner begins, or by drivers/clean.py.
REMOTE = {"hdfs": "hadoop", "application": "hadoop", "s3": "emr", "step": "emr"}


class Leftovers:
    """What one run has outside its directory."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._file: TextIO | None = None
        self._entries: dict[str, Entry] = {}

    def add(self, kind: str, **what: str) -> str:
        """Remembers a thing before it is made; gives the name to forget it by."""
        name = uuid.uuid4().hex[:12]
        self._entries[name] = {"kind": kind, **what}
        self._write({"add": name, **self._entries[name]})
        return name

    def forget(self, name: str) -> None:
        """The thing is gone."""
        if self._entries.pop(name, None) is not None:
            self._write({"gone": name})

    def close(self, kept: bool = False) -> None:
        """Forgets all, unless something could not be removed and is `kept` for the next run."""
        if self._file is not None:
            if not (kept and self._entries):
                os.remove(self._file.name)
            self._file.close()
            self._file = None
        self._entries.clear()

    def _write(self, line: Entry) -> None:
        if self._file is None:
            self._file = _new_file(self.folder)
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def default_folder(cache_dir: str) -> str:
    """Where a cache has the files of its runs."""
    return os.path.join(cache_dir, "leftovers")


def sweep(folder: str, runner: str | None, say: Say) -> int:
    """Removes what killed runs have left, and says what; gives the number of things that could not be removed.

    :param runner: what a run of this runner can reach; None for all there is
    """
    n_kept = 0
    for path in _files(folder):
        with open(path, encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue  # its run is alive
            left = {}
            for name, entry in entries_in(file).items():
                kind = entry["kind"]
                if runner is None or REMOTE.get(kind, runner) == runner:
                    try:
                        said = REMOVERS[kind](entry)
                        if said:
                            say(f"removed what a killed run left: {said}")
                        continue
                    except (ScanError, OSError) as error:
                        say(f"what a killed run left could not be removed: {error}")
                n_kept += 1
                left[name] = entry
            if not left:
                os.remove(path)
    return n_kept


def entries_in(file: TextIO) -> dict[str, Entry]:
    """The things that are there by a run's file; a last line that was cut short is left out."""
    entries: dict[str, Entry] = {}
    for text in file:
        try:
            line = json.loads(text)
        except ValueError:
            break
        if "gone" in line:
            entries.pop(line["gone"], None)
        elif line.get("kind") in REMOVERS:
            entries[line.pop("add")] = line
    return entries


def _files(folder: str) -> list[str]:
    try:
        return sorted(entry.path for entry in os.scandir(folder) if entry.name.endswith(".jsonl"))
    except OSError:  # there is none
        return []


def _new_file(folder: str) -> TextIO:
    os.makedirs(folder, mode=0o700, exist_ok=True)
    while True:
        file = open(os.path.join(folder, f"{uuid.uuid4().hex}.jsonl"), "x", encoding="utf-8")  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:  # else another run has swept it away before it was locked
            return file
        file.close()


# -- one a kind: removes a thing, and gives its name unless it was gone already -----------------------------------------


def _remove_folder(entry: Entry) -> str | None:
    if not os.path.isdir(entry["path"]):
        return None
    shutil.rmtree(entry["path"])
    return entry["path"]


def _remove_on_hdfs(entry: Entry) -> str | None:
    from drivers.runners.hadoop_client import HadoopFileSystem

    HadoopFileSystem(entry["binary"]).remove(entry["path"])
    return entry["path"]


def _kill_application(entry: Entry) -> str | None:
    from drivers.runners.hadoop_client import kill_application

    kill_application(entry["binary"], entry["id"])
    return entry["id"]


REMOVERS: dict[str, Callable[[Entry], str | None]] = {
    "folder": _remove_folder,
    "hdfs": _remove_on_hdfs,
    "application": _kill_application,
}
