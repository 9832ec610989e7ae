"""Standard input, copied once: messages about a cell and a resumed run need to read it again, and a pipe gives it once.

The copy is private, named by its content (so the same bytes find their pack again), and removed when the run has ended.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import time
from typing import BinaryIO

from drivers.packing.stores.source import Source
from jobs.errors import ScanError

PIECE = 1 << 20
# A copy this old belongs to a run that nobody has gone on with.
FORGOTTEN_AFTER = 7 * 86400
folder: str | None = None  # where the copy goes; a driver sets it to its cache


def find(name: str) -> list[Source]:
    """The one source that standard input is.

    :raises ScanError: an empty standard input, a full disk
    """
    if sys.stdin is None or sys.stdin.isatty():
        raise ScanError("- reads standard input, but nothing is piped into it; pipe a table, or name a file")
    return [copy_stream(sys.stdin.buffer, name)]


def copy_stream(stream: BinaryIO, name: str) -> Source:
    """A source that is the copy of what a stream gives.

    :raises ScanError: an empty stream, a full disk
    """
    digest, size, path = hashlib.sha256(), 0, ""
    try:
        if folder:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            _forget_old_copies(folder)
        handle, path = tempfile.mkstemp(prefix="scanlearn-stdin-", dir=folder)
        with open(handle, "wb") as copy:
            while piece := stream.read(PIECE):
                copy.write(piece)
                digest.update(piece)
                size += len(piece)
    except BaseException as error:
        if path:
            os.remove(path)
        if not isinstance(error, OSError):
            raise
        what, where = Source(name, 0, "").shown, folder or tempfile.gettempdir()
        raise ScanError(f"{what} cannot be copied to {where} ({error.strerror}); give another by --cache-dir") from None
    found = Source(name, size, digest.hexdigest(), path)
    if size == 0:
        os.remove(path)
        raise ScanError(f"{found.shown} is empty")
    return found


def _forget_old_copies(folder: str) -> None:
    for entry in os.scandir(folder):
        if time.time() - entry.stat().st_mtime > FORGOTTEN_AFTER:
            os.remove(entry.path)


def open_stream(source: Source) -> BinaryIO:
    """The bytes of the copy."""
    return open(source.copy, "rb", buffering=0)


def version(source: Source) -> str:
    """As it was: nobody writes to the copy."""
    return source.version
