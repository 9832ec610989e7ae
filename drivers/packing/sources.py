"""Which files a user means, and their text: unpacked and in UTF-8, whatever they were."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterable, Iterator

import pyarrow as pa

from drivers.packing.stores import store_of
from drivers.packing.stores.source import Source
from jobs.errors import ScanError

# How the first bytes of a compressed file begin; by them, not by its name, is one known.
COMPRESSED = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
# What cannot be read here, and what to do about it.
REFUSED = {
    b"PK\x03\x04": "is a ZIP archive or an Excel workbook; unpack it, or save the sheet as CSV",
    b"\xfd7zXZ\x00": "is compressed by xz; unpack it first, or use gzip, bzip2 or zstd",
    b"\xd0\xcf\x11\xe0": "is an old Excel or Word file; save the sheet as CSV",
    b"Obj\x01": "is an Avro file; convert it to Parquet",
    b"ORC": "is an ORC file; convert it to Parquet",
    b"SQLite format": "is a database of SQLite; export the table as CSV",
}
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


def find_sources(inputs: Iterable[str]) -> list[Source]:
    """The files behind paths, globs, directories and URLs, sorted by path.

    :raises ScanError: a path without files, a file that cannot be read or is given twice
    """
    found = [source for name in inputs for source in _with_rows(store_of(os.fspath(name)).find(os.fspath(name)))]
    if not found:
        raise ScanError("no input was given; name a file, a directory or a pattern")
    seen: set[str] = set()
    for source in found:
        path = source.path if "://" in source.path else os.path.realpath(source.path)
        if path in seen:
            raise ScanError(f"{source.shown} is given twice; its rows would count twice")
        seen.add(path)
    return sorted(found, key=lambda source: source.path)


def _with_rows(found: list[Source]) -> list[Source]:
    """The files behind one name without those of no bytes, which jobs leave where they had nothing to write.

    :raises ScanError: when none is left
    """
    filled = [source for source in found if source.size]
    if found and not filled:
        raise ScanError(f"{found[0].shown} is empty")
    return filled


def first_bytes(source: Source, n: int = 16) -> bytes:
    """The first bytes of a file as it lies there."""
    try:
        with store_of(source.path).open_stream(source) as stream:
            return stream.read(n) or b""
    except OSError as error:
        raise ScanError(f"{source.shown} cannot be read: {error.strerror or error}") from None


def compression(source: Source) -> str | None:
    """The compression of a file, None of a plain one.

    :raises ScanError: a kind of file that cannot be read here
    """
    begins = first_bytes(source)
    for mark, why in REFUSED.items():
        if begins.startswith(mark):
            raise ScanError(f"{source.shown} {why}")
    return next((name for mark, name in COMPRESSED.items() if begins.startswith(mark)), None)


def read_pieces(source: Source, size: int, encoding: str = "utf-8") -> Iterator[bytes]:
    """The text of a file in UTF-8, unpacked, in pieces of about `size` bytes.

    :raises ScanError: a file that cannot be read, is cut short, or is not in this encoding
    """
    packed = compression(source)
    decoder = None if codecs.lookup(encoding).name == "utf-8" else codecs.getincrementaldecoder(encoding)()
    try:
        with store_of(source.path).open_stream(source) as raw:
            stream = pa.input_stream(raw, compression=packed) if packed else raw
            while piece := stream.read(size):
                yield piece if decoder is None else decoder.decode(piece).encode("utf-8")
            if decoder is not None:
                decoder.decode(b"", True)
    except UnicodeError as error:
        raise ScanError(f"{source.shown} is not in the encoding {encoding}: {error}") from None
    except OSError as error:
        raise ScanError(f"{source.shown} cannot be read: {error.strerror or error}") from None
