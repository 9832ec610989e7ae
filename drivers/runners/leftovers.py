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
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import FileIO

from drivers.runners.leftover_kinds import KINDS, Entry, NotOursError
from jobs.errors import ScanError

Say = Callable[[str], None]


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
