"""Which files a user means, and their bytes."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from jobs.errors import ScanError

COMPRESSED = (".gz", ".bz2", ".zst")


@dataclass(frozen=True)
class Source:
    """One input file, as it was when the run began."""

    path: str
    size: int
    mtime_ns: int

    @property
    def is_compressed(self) -> bool:
        return self.path.endswith(COMPRESSED)

    @property
    def shown(self) -> str:
        """The path as a user near the current folder would write it."""
        relative = os.path.relpath(self.path)
        return self.path if relative.startswith("..") else relative


def find_sources(inputs: Iterable[str]) -> list[Source]:
    """The files behind paths, globs and directories, sorted by path.

    In a directory, names that begin with "." or "_" are left out, as Hadoop does.

    :raises ScanError: a path without files, a file that cannot be read or is given twice
    """
    paths = [path for name in inputs for path in _expand(name)]
    if not paths:
        raise ScanError("no input was given; name a file, a directory or a pattern")
    seen: set[str] = set()
    for path in paths:
        if os.path.realpath(path) in seen:
            raise ScanError(f"{path} is given twice; its rows would count twice")
        seen.add(os.path.realpath(path))
    return sorted((_source(path) for path in paths), key=lambda source: source.path)


def _expand(name: str) -> list[str]:
    if os.path.isdir(name):
        inside = sorted(entry.path for entry in os.scandir(name) if entry.is_file() and entry.name[0] not in "._")
        if not inside:
            raise ScanError(f"the directory {name} holds no files")
        return inside
    if os.path.lexists(name):
        return [name]
    found = sorted(path for path in glob.glob(name, recursive=True) if os.path.isfile(path))
    if not found:
        raise ScanError(f"no such file: {name}" if not glob.has_magic(name) else f"no file matches {name}")
    return found


def _source(path: str) -> Source:
    try:
        status = os.stat(path)
        with open(path, "rb"):
            pass
    except OSError as error:
        raise ScanError(f"{path} cannot be read: {error.strerror}") from None
    if status.st_size == 0:
        raise ScanError(f"{path} is empty")
    return Source(os.path.abspath(path), status.st_size, status.st_mtime_ns)


def read_pieces(source: Source, size: int) -> Iterator[bytes]:
    """The bytes of a file, decompressed, in pieces of `size`."""
    try:
        if source.is_compressed:
            with pa.input_stream(source.path, compression="detect") as stream:
                while piece := stream.read(size):
                    yield piece
        else:
            with open(source.path, "rb", buffering=0) as f:
                while piece := f.read(size):
                    yield piece
    except OSError as error:
        raise ScanError(f"{source.shown} cannot be read: {error.strerror or error}") from None
