"""What runs have outside their own directories, written down so that the next run can remove what a killed one could not:
folders, files on HDFS and S3, applications on YARN, clusters on EMR.

Each run has a file of its own in the cache, locked as long as its process lives, with a line for each thing it made and one
when the thing is gone. A file that nobody holds belongs to a run that was killed.

A line is data, and others than runs may have written it: what it names is removed only where a run could have made it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import FileIO
from typing import Any

from drivers.run_directory import OPTIONS
from jobs.errors import ScanError

Entry = dict[str, Any]
Say = Callable[[str], None]


class NotOursError(ScanError):
    """A thing that no run can have made: it is left alone, and forgotten."""


@dataclass(frozen=True)
class Kind:
    """A kind of things.

    remove: removes one, and gives its name, None when it was gone already
    :raises NotOursError: one that is none of ours
    :raises ScanError: it cannot be removed now
    runners: those whose programs it takes, seconds each, so that a run of such a runner removes it, or drivers/clean.py;
    none where any run does
    """

    remove: Callable[[Entry], str | None]
    runners: tuple[str, ...] = ()


@dataclass
class Swept:
    """What a sweep has done.

    n_removed, n_kept: the things that are gone, and those that could not be removed and are kept in mind
    silent: places that have not answered, and are not waited for again
    """

    n_removed: int = 0
    n_kept: int = 0
    silent: set[tuple] = field(default_factory=set)


class Leftovers:
    """What one run has outside its directory."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._file: FileIO | None = None
        self._entries: dict[str, Entry] = {}

    def add(self, kind: str, **what: str) -> str:
        """Remembers a thing before it is made; gives the name to forget it by."""
        name = uuid.uuid4().hex[:12]
        self._entries[name] = {"kind": kind, **what}
        if self._file is None:
            self._file = _new_file(self.folder)
        _write(self._file, {"add": name, **self._entries[name]})
        return name

    def forget(self, name: str) -> None:
        """The thing is gone."""
        if self._entries.pop(name, None) is not None and self._file is not None:
            with contextlib.suppress(OSError):  # the next run finds it gone
                _write(self._file, {"gone": name})

    def close(self, kept: bool = False) -> None:
        """Removes what has not been forgotten; what resists is left to the next run, and all of it if something is
        `kept` that could not be removed just now."""
        if self._file is None:
            return
        if not kept:
            _remove_each(self._file, self._entries, None, lambda text: None, Swept())
        if not self._entries:
            _delete(self._file)
        self._file.close()
        self._file = None
        self._entries.clear()


def default_folder(cache_dir: str) -> str:
    """Where a cache has the files of its runs."""
    return os.path.join(cache_dir, "leftovers")


def sweep(folder: str, runner: str | None, say: Say, forget: bool = False) -> Swept:
    """Removes what killed runs have left, and says what.

    :param runner: what a run of this runner can reach; None for all there is
    :param forget: what cannot be removed is not kept in mind
    """
    swept = Swept()
    for file in _abandoned(folder):
        entries = entries_in(file)
        _remove_each(file, entries, runner, say, swept)
        if forget or not entries:
            _delete(file)
        else:
            swept.n_kept += len(entries)
    return swept


def n_alive(folder: str) -> int:
    """How many runs go on."""
    n_runs = len(_files(folder))
    return n_runs - sum(1 for _ in _abandoned(folder))


def left_by_killed_runs(folder: str) -> list[str]:
    """What a sweep of everything would look at, a line each."""
    return [_shown(entry) for file in _abandoned(folder) for entry in entries_in(file).values()]


def entries_in(file: FileIO) -> dict[str, Entry]:
    """The things that are there by a run's file, by name; lines that are damaged, or cut short, are left out."""
    entries: dict[str, Entry] = {}
    file.seek(0)
    for text in file.read().splitlines():
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if not isinstance(line, dict) or not all(isinstance(value, str) for value in line.values()):
            continue
        if "gone" in line:
            entries.pop(line["gone"], None)
        elif {"add", "kind"} <= line.keys():
            entries[line.pop("add")] = line
    return entries


def _remove_each(file: FileIO, entries: dict[str, Entry], runner: str | None, say: Say, swept: Swept) -> None:
    """Removes things and takes them from the entries, those made last first: an application before what it writes."""
    for name, entry in reversed(list(entries.items())):
        kind = KINDS.get(entry["kind"])
        if kind is None:  # of a later version
            if runner is None:
                say(f"could not be removed: {_shown(entry)}: this version does not know what it is")
            continue
        out_of_reach = runner is not None and kind.runners and runner not in kind.runners
        if out_of_reach or _place(entry) in swept.silent:
            continue
        try:
            removed = kind.remove(entry)
        except NotOursError as error:
            say(f"left alone: {error}")
        except KeyError as error:
            say(f"left alone: something of the kind {entry['kind']!r} without its {error}")
        except (ScanError, OSError) as error:
            say(f"what a killed run left could not be removed: {error}")
            if kind.runners:
                swept.silent.add(_place(entry))
            continue
        else:
            if removed:
                swept.n_removed += 1
                say(f"removed what a killed run left: {removed}")
        del entries[name]
        with contextlib.suppress(OSError):  # a full disk, of which this may be the reason
            _write(file, {"gone": name})


def _place(entry: Entry) -> tuple:
    """Where a thing is, without its own name."""
    return tuple(sorted((key, value) for key, value in entry.items() if key not in ("path", "id", "uri", "name", "upload")))


def _shown(entry: Entry) -> str:
    names = (entry.get(key) for key in ("path", "id", "uri", "name"))
    return next(filter(None, names), None) or f"something of the kind {entry['kind']!r}"


# -- the files ---------------------------------------------------------------------------------------------------------


def _abandoned(folder: str) -> Iterator[FileIO]:
    """The files of runs that were killed, locked as long as they are looked at."""
    for path in _files(folder):
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(open(path, "r+b", buffering=0))
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # its run is alive, or it is another sweep's
                continue
            if os.fstat(file.fileno()).st_nlink:  # else another sweep has been here first
                yield file


def _files(folder: str) -> list[str]:
    try:
        return sorted(entry.path for entry in os.scandir(folder) if entry.name.endswith(".jsonl") and entry.is_file())
    except OSError:  # there is none
        return []


def _new_file(folder: str) -> FileIO:
    os.makedirs(folder, mode=0o700, exist_ok=True)
    while True:
        file = open(os.path.join(folder, f"{uuid.uuid4().hex}.jsonl"), "xb", buffering=0)  # noqa: SIM115
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:  # else another run has swept it away before it was locked
            return file
        file.close()


def _write(file: FileIO, line: Entry) -> None:
    file.seek(0, os.SEEK_END)
    # A line end before it too: the line before may have been cut short by a full disk.
    data = f"\n{json.dumps(line)}\n".encode()
    if file.write(data) < len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)


def _delete(file: FileIO) -> None:
    with contextlib.suppress(OSError):  # with its whole cache
        os.remove(file.name)


# -- one a kind --------------------------------------------------------------------------------------------------------


def _remove_folder(entry: Entry) -> str | None:
    """The temporary folder of a run directory, or one of tempfile's by our name."""
    path = entry.get("path", "")
    if not os.path.isabs(path) or os.path.normpath(path) != path:
        raise NotOursError(f"{path!r} is no path of a folder that a run makes")
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    run, name = os.path.split(path)
    in_a_run = name == "tmp" and all(os.path.isfile(os.path.join(run, file)) for file in (".lock", OPTIONS))
    by_tempfile = re.fullmatch(r"scanlearn-\w{8}", name, re.ASCII) and found.st_uid == os.getuid()
    if not stat.S_ISDIR(found.st_mode) or not (in_a_run or by_tempfile):
        raise NotOursError(f"{path} is no folder that a run makes")
    with contextlib.ExitStack() as stack:
        if in_a_run:
            lock = stack.enter_context(open(os.path.join(run, ".lock"), "r+"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # the run goes on, and has removed what was left; this folder is its new one
                return None
        shutil.rmtree(path)
    return path


def _remove_on_hdfs(entry: Entry) -> str | None:
    from drivers.runners.hadoop_leftovers import remove_folder

    return remove_folder(entry)


def _kill_application(entry: Entry) -> str | None:
    from drivers.runners.hadoop_leftovers import end_application

    return end_application(entry)


def _remove_on_s3(entry: Entry) -> str | None:
    from drivers.runners.s3_files import S3Files

    if not re.fullmatch(r"s3://[^/]+/(.+/)?scanlearn/tmp/[^/]+/", entry["uri"]):
        raise NotOursError(f"{entry['uri']} is no folder of a run's passes")
    return entry["uri"] if S3Files(entry["region"]).remove(entry["uri"]) else None


def _abort_upload(entry: Entry) -> str | None:
    from drivers.runners.s3_files import S3Files

    return f"a part of {entry['uri']}" if S3Files(entry["region"]).abort(entry["uri"], entry["upload"]) else None


def _terminate_cluster(entry: Entry) -> str | None:
    from drivers.runners.emr_clusters import terminate_named

    # Those of drivers/cluster.py have no number at the end of their names, and live on.
    if not re.fullmatch(r"scanlearn \S+-[0-9a-f]{8}", entry["name"]):
        raise NotOursError(f"{entry['name']!r} is no name of a run's cluster")
    return " and ".join(terminate_named(entry["region"], entry["name"])) or None


def _cancel_step(entry: Entry) -> str | None:
    from drivers.runners.emr_steps import cancel_named

    if not re.search(r"\.\d{8}\.\d{6}\.\d{6}$", entry["name"]):
        raise NotOursError(f"{entry['name']!r} is no name of a run's step")
    steps = cancel_named(entry["region"], entry["cluster_id"], entry["name"])
    return f"{' and '.join(steps)} on {entry['cluster_id']}" if steps else None


KINDS = {
    "folder": Kind(_remove_folder),
    "hdfs": Kind(_remove_on_hdfs, ("hadoop", "spark")),
    "application": Kind(_kill_application, ("hadoop", "spark")),
    "s3": Kind(_remove_on_s3, ("emr",)),
    "upload": Kind(_abort_upload, ("emr",)),
    "cluster": Kind(_terminate_cluster, ("emr",)),
    "step": Kind(_cancel_step, ("emr",)),
}
