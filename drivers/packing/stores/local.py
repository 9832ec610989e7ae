"""Files on this machine: a path, a directory, a pattern; a pipe such as a shell's <(...) is copied like standard input."""

from __future__ import annotations

import glob
import os
import stat
from typing import BinaryIO

from drivers.packing.stores.source import Source
from drivers.packing.stores.standard_input import copy_stream
from jobs.errors import ScanError


def find(name: str) -> list[Source]:
    """The files behind a path, a directory or a pattern.

    In a directory, and where a pattern does not ask for them, names that begin with "." or "_" are left out, as in Hadoop.

    :raises ScanError: when there is none, or one that cannot be read
    """
    if not name:
        raise ScanError("the name of an input is empty; is a variable of the shell not set?")
    if os.path.isdir(name):
        try:
            entries = sorted(os.scandir(name), key=lambda entry: entry.name)
        except OSError as error:
            raise ScanError(f"the directory {name} cannot be read: {error.strerror}") from None
        inside = [entry.path for entry in entries if entry.is_file() and entry.name[0] not in "._"]
        if not inside:
            deeper = (
                f"; '{os.path.join(name, '**')}' takes those in its directories"
                if any(map(os.DirEntry.is_dir, entries))
                else ""
            )
            raise ScanError(f"the directory {name} holds no files{deeper}")
        return [_source(path) for path in inside]
    if os.path.lexists(name):
        return [_source(name)]
    found = sorted(path for path in glob.glob(name, recursive=True) if os.path.isfile(path))
    if not os.path.basename(name).startswith("_"):
        found = [path for path in found if not os.path.basename(path).startswith("_")]
    if not found:
        raise ScanError(f"no such file: {name}" if not glob.has_magic(name) else f"no file matches {name}")
    return [_source(path) for path in found]


def _source(path: str) -> Source:
    try:
        status = os.stat(path)
        with open(path, "rb") as stream:
            if stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode):
                return copy_stream(stream, path)
    except OSError as error:
        raise ScanError(f"{path} cannot be read: {error.strerror}") from None
    return Source(os.path.abspath(path), status.st_size, str(status.st_mtime_ns))


def open_stream(source: Source) -> BinaryIO:
    """The bytes of a file, from its beginning."""
    return open(source.copy or source.path, "rb", buffering=0)


def version(source: Source) -> str:
    """The word for the file's content now; size and time of change."""
    if source.copy:
        return source.version
    try:
        status = os.stat(source.path)
    except OSError:
        return "gone"
    return str(status.st_mtime_ns) if status.st_size == source.size else "other size"
