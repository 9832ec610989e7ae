"""Which files a user means, and their text: unpacked and in UTF-8, whatever they were."""

from __future__ import annotations

import codecs
import io
import os
import re
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
    b"ARROW1": "is an Arrow or Feather file; convert it to Parquet",
    b"\x89HDF": "is an HDF5 file; convert it to Parquet",
    b"\x93NUMPY": "is an array of numpy; save it as CSV or Parquet",
    b"7z\xbc\xaf": "is a 7-Zip archive; unpack it first",
    b"Rar!": "is a RAR archive; unpack it first",
    b"%PDF": "is a PDF document; export the table as CSV",
}
_WEB_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
UTF32_MARKS = (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")


def find_sources(inputs: Iterable[str]) -> list[Source]:
    """The files behind paths, globs, directories and URLs, sorted by path.

    :raises ScanError: a path without files, a file that cannot be read or is given twice
    """
    names = [os.fspath(name) for name in inputs]
    if names.count("-") > 1:
        raise ScanError("- is given twice, and standard input can be read once")
    found = [source for name in names for source in _with_rows(store_of(name).find(name))]
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
    if _WEB_PAGE.match(begins):
        raise ScanError(f"{source.shown} is a web page or XML and no table; open it to see what was downloaded")
    return next((name for mark, name in COMPRESSED.items() if begins.startswith(mark)), None)


def read_pieces(source: Source, size: int, encoding: str = "utf-8") -> Iterator[bytes]:
    """The text of a file in UTF-8, unpacked, in pieces of about `size` bytes.

    :raises ScanError: a file that cannot be read, is cut short, or is not in this encoding
    """
    packed = compression(source)
    decoder = None if codecs.lookup(encoding).name == "utf-8" else codecs.getincrementaldecoder(encoding)()
    line, newlines = 1, io.IncrementalNewlineDecoder(None, translate=True)
    try:
        with store_of(source.path).open_stream(source) as raw:
            stream = pa.input_stream(raw, compression=packed) if packed else raw
            while piece := stream.read(size):
                if decoder is None:
                    yield piece
                    continue
                text = decoder.decode(piece)
                line += newlines.decode(text).count("\n")
                yield text.encode("utf-8")
            if decoder is not None:
                decoder.decode(b"", True)
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode(error.encoding, "replace")
        line += newlines.decode(before, True).count("\n")
        bad = "0x" + error.object[error.start : error.end].hex()
        raise ScanError(
            f"{source.shown}, line {line}: {bad} is not text in the encoding {encoding}; give another --encoding"
        ) from None
    except UnicodeError as error:
        raise ScanError(f"{source.shown} is not in the encoding {encoding}: {error}; give another --encoding") from None
    except (OSError, pa.ArrowException) as error:
        hint = "; it is cut short or damaged, make or copy it again" if packed else ""
        reason = getattr(error, "strerror", None) or error
        raise ScanError(f"{source.shown} cannot be read: {reason}{hint}") from None


def check_unicode(source: Source, encoding: str) -> None:
    """:raises ScanError: text that says by its first bytes that it is in another encoding"""
    begins = next(read_pieces(source, 4), b"") if encoding == "utf-8" else b""
    if begins.startswith(UTF32_MARKS):
        raise ScanError(f"{source.shown} is UTF-32 text; give --encoding utf-32")
    if begins.startswith(UTF16_MARKS):
        raise ScanError(f"{source.shown} is UTF-16 text; give --encoding utf-16")
