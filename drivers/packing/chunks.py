"""Cutting a stream of bytes at record ends, which may be LF, CRLF or CR and do not count between double quotes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from drivers.packing.sources import Source, read_pieces
from jobs.errors import ScanError

CHUNK_BYTES = 8 << 20
LONGEST_RECORD = 256 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass
class Chunk:
    """Whole records of one file. `line` is the physical line, counted from 1, on which the first one begins."""

    source: Source
    line: int
    data: bytes


def chunks(source: Source, size: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """A file as chunks of about `size` bytes.

    :raises ScanError: a quoted cell that never ends
    """
    rest, line, first = b"", 1, True
    for piece in read_pieces(source, size):
        if first:
            piece, first = piece.removeprefix(BYTE_ORDER_MARK), False
        if rest.endswith(b"\r") or b'"' in rest or b'"' in piece:
            rest, piece = b"", rest + piece  # where the record ends depends on both
        end = last_record_end(piece)
        if end:
            data = b"".join([rest, memoryview(piece)[:end]])
            yield Chunk(source, line, data)
            line += count_lines(data)
            rest = piece[end:]
        else:
            rest += piece
            if len(rest) > LONGEST_RECORD:
                raise ScanError(f"{source.shown}, line {line}: a quoted cell that does not end within 256 MiB")
    if rest:
        yield Chunk(source, line, rest)


def last_record_end(data: bytes) -> int:
    """The offset after the last record end in the data; 0 without one. A CR that ends the data may be half a CRLF."""
    if b'"' not in data:
        newline = data.rfind(b"\n") + 1
        return newline or _after_last_cr(data)
    ends = record_ends(data)
    return int(ends[-1]) if len(ends) else 0


def record_ends(data: bytes) -> np.ndarray:
    """The offsets after each record end in the data, ascending."""
    values = np.frombuffer(data, np.uint8)
    line_feed, carriage_return = values == 10, values == 13
    # A CR directly before a LF is part of that end; one at the very end of the data waits for what follows.
    lone = carriage_return.copy()
    lone[:-1] &= ~line_feed[1:]
    lone[-1:] = False
    ends = np.flatnonzero(line_feed | lone)
    if b'"' in data:
        inside = np.logical_xor.accumulate(values == 34)
        ends = ends[~inside[ends]]
    return ends + 1


def count_lines(data: bytes) -> int:
    """Physical line ends in the data: LF, CRLF and CR count one each."""
    n_line_feeds = data.count(b"\n")
    if b"\r" not in data:
        return n_line_feeds
    return n_line_feeds + data.count(b"\r") - data.count(b"\r\n")


def _after_last_cr(data: bytes) -> int:
    return data.rfind(b"\r", 0, len(data) - 1) + 1 if len(data) > 1 else 0
