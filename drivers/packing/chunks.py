"""Cutting a stream of bytes at record ends, which may be LF, CRLF or CR and do not count inside a quoted cell.

A quote opens a quoted cell where a cell begins and nowhere else; in it a doubled quote is one quote, and after the closing
one the rest of the cell is plain: what pyarrow and Python's csv both do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np

from drivers.packing.sources import read_pieces
from drivers.packing.stores.source import Source
from jobs.errors import ScanError

CHUNK_BYTES = 8 << 20
LONGEST_RECORD = 64 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
LF, CR, QUOTE = 10, 13, 34

Ends = Callable[[bytes], np.ndarray]  # the offsets after each record end in the data, ascending


@dataclass
class Chunk:
    """Whole records of one file. `line` is the physical line, counted from 1, on which the first one begins; `is_last`: the
    file ends with them."""

    source: Source
    line: int
    data: bytes
    is_last: bool = field(default=False, kw_only=True)

    @property
    def n_bytes(self) -> int:
        return len(self.data)


def chunks(source: Source, ends: Ends, encoding: str = "utf-8", size: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """A file as chunks of about `size` bytes, cut where `ends` finds the end of a record.

    :raises ScanError: a record that does not end
    """
    rest, line = b"", 1
    pieces = read_pieces(source, size, encoding)
    piece: bytes | None = next(pieces, b"").removeprefix(BYTE_ORDER_MARK)
    while piece is not None:
        following = next(pieces, None)
        if (
            rest.endswith(b"\r")
            or b'"' in rest
            or b'"' in piece
            or ends is not line_ends
            and not isinstance(ends, QuotedEnds)
        ):
            rest, piece = b"", rest + piece  # where a record ends depends on both
        # What is left at the end of the file is a record too.
        end = last_record_end(piece, ends) if following is not None else len(piece)
        if end or following is None and rest:
            data = b"".join([rest, memoryview(piece)[:end]]) if rest or end < len(piece) else piece
            yield Chunk(source, line, data, is_last=following is None)
            line += count_lines(data)
            rest = b""
        rest, piece = rest + piece[end:], following
        if len(rest) > LONGEST_RECORD:
            raise ScanError(
                f"{source.shown}, line {line}: a record that does not end within {LONGEST_RECORD >> 20} MiB; "
                "is there a quote that is not closed?"
            )


def last_record_end(data: bytes, ends: Ends) -> int:
    """The offset after the last record end in the data; 0 without one."""
    if ends is line_ends or (isinstance(ends, QuotedEnds) and b'"' not in data):
        return (data.rfind(b"\n") + 1) or _after_last_cr(data)
    found = ends(data)
    return int(found[-1]) if len(found) else 0


def line_ends(data: bytes) -> np.ndarray:
    """Each line is a record: the offsets after each LF, CRLF and CR. A CR that ends the data may be half a CRLF."""
    values = np.frombuffer(data, np.uint8)
    line_feed = values == LF
    if b"\r" not in data:
        return np.flatnonzero(line_feed) + 1
    lone = values == CR
    lone[:-1] &= ~line_feed[1:]
    lone[-1:] = False
    return np.flatnonzero(line_feed | lone) + 1


@dataclass(frozen=True)
class QuotedEnds:
    """Record ends of delimited text whose cells may be quoted."""

    delimiter: str = ","

    def __call__(self, data: bytes) -> np.ndarray:
        ends = line_ends(data)
        if b'"' not in data:
            return ends
        values = np.frombuffer(data, np.uint8)
        quotes = np.flatnonzero(values == QUOTE)
        if not self._well_quoted(values, quotes):
            return _scan(data, self.delimiter)
        # Inside a quoted cell the number of quotes before is odd.
        return ends[np.searchsorted(quotes, ends) % 2 == 0]

    def leaves_open(self, data: bytes) -> bool:
        """Whether the data end inside a quoted cell, where one more line end ends no record."""
        return b'"' in data and len(self(data + b"\n")) == len(self(data))

    def _well_quoted(self, values: np.ndarray, quotes: np.ndarray) -> bool:
        """Whether quotes stand only around whole cells and doubled inside them, so that counting them tells in from out."""
        borders = np.zeros(256, bool)
        borders[[LF, CR, QUOTE, ord(self.delimiter)]] = True
        before, after = quotes[0::2] - 1, quotes[1::2] + 1
        return bool(borders[values[before[before >= 0]]].all() and borders[values[after[after < len(values)]]].all())


@cache
def _record_pattern(delimiter: str) -> re.Pattern[bytes]:
    d = re.escape(delimiter).encode()
    cell = rb'(?:"(?:[^"]++|"")*+(?:"[^%s\r\n]*+|\Z)|[^%s\r\n]*+)' % (d, d)
    return re.compile(cell + rb"(?:" + d + cell + rb")*+(\r\n|\n|\r(?!\Z))?")


def _scan(data: bytes, delimiter: str) -> np.ndarray:
    """Record ends one after another, for data whose quotes stand anywhere."""
    ends, at, match = [], 0, _record_pattern(delimiter).match
    while (found := match(data, at)) and found.start(1) >= 0:
        at = found.end()
        ends.append(at)
    return np.array(ends, dtype=np.int64)


def count_lines(data: bytes) -> int:
    """Physical line ends in the data: LF, CRLF and CR count one each."""
    # Five times as fast as bytes.count, and every byte of the input passes here.
    n_line_feeds = int(np.count_nonzero(np.frombuffer(data, np.uint8) == LF))
    if b"\r" not in data:
        return n_line_feeds
    return n_line_feeds + data.count(b"\r") - data.count(b"\r\n")


def _after_last_cr(data: bytes) -> int:
    return data.rfind(b"\r", 0, len(data) - 1) + 1 if len(data) > 1 else 0
