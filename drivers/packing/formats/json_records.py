"""Where the records of a JSON file begin and end: lines, or the elements of an array that is the whole file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from drivers.packing.chunks import BYTE_ORDER_MARK, LONGEST_RECORD, Chunk, count_lines
from drivers.packing.sources import read_pieces
from drivers.packing.stores.source import Source
from jobs.errors import ScanError

PIECE = 8 << 20
BLANK = b" \t\r\n"
_COMMA, _QUOTE, _BACKSLASH = b',"\\'
_STEP = np.zeros(256, np.int8)  # how a byte changes the depth
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1
_MARKS = _STEP != 0
_MARKS[[_COMMA, _QUOTE]] = True

Record = tuple[int, bytes]  # its physical line, and its text without the blanks around


class Shape(NamedTuple):
    """What a file is: one array, or lines; of arrays (`of_lists`) or of objects, None where it is empty."""

    is_array: bool
    of_lists: bool | None


@dataclass
class Elements(Chunk):
    """Whole elements of an array with the commas between and behind them; `commas` are the offsets of these."""

    commas: np.ndarray


def shape_of(begin: bytes) -> Shape:
    """What a file is that begins like this."""
    text = begin.lstrip(BLANK)
    if not text.startswith(b"["):
        return Shape(False, False if text else None)
    inner = text[1:].lstrip(BLANK)
    if inner[:1] in (b"{", b"["):
        return Shape(True, inner.startswith(b"["))
    if inner[:1] == b"]" and not inner[1:].strip(BLANK):
        return Shape(True, None)
    return Shape(False, True)


def records_of(chunk: Chunk) -> list[Record]:
    """The records of a chunk: its elements, or its lines that are not blank."""
    if isinstance(chunk, Elements):
        return list(_between_commas(chunk))
    data = chunk.data
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = enumerate(data.split(b"\n"), chunk.line)
    return [(line, record) for line, text in lines if (record := text.strip(BLANK))]


def _between_commas(chunk: Elements) -> Iterator[Record]:
    line, start = chunk.line, 0
    for stop in [*chunk.commas.tolist(), chunk.n_bytes]:
        text = chunk.data[start:stop]
        record = text.strip(BLANK)
        if record or stop < chunk.n_bytes:
            yield line + _leading_lines(text), record
        line += count_lines(text)
        start = stop + 1


def elements(source: Source, encoding: str) -> Iterator[Elements]:
    """The array that a file is, in pieces cut behind the commas between its elements.

    :raises ScanError: an array that does not end, or is not all that its file holds
    """
    pieces = read_pieces(source, PIECE, encoding)
    begin = b""
    for piece in pieces:
        begin = (begin + piece).removeprefix(BYTE_ORDER_MARK)
        if b"[" in begin:
            break
    line = 1 + _leading_lines(begin)
    data, before = begin.lstrip(BLANK)[1:], b"["
    while True:
        commas, end = top_level(data)
        if end is not None:
            break
        cut = int(commas[-1]) + 1 if len(commas) else 0
        if cut:
            yield Elements(source, line, data[:cut], commas)
            line += count_lines(data[:cut])
            before = b","
        piece = next(pieces, b"")
        data = data[cut:] + piece
        if not piece or len(data) > LONGEST_RECORD + PIECE:
            raise ScanError(
                f"{source.shown}, line {line + _leading_lines(data)}: the element that begins here does not end; "
                "is the file cut short, or a quote or bracket not closed?"
            )
    last = data[:end].rstrip(BLANK)
    if last:
        yield Elements(source, line, data[:end], commas)
    line += count_lines(data[:end])
    if (last or before).endswith(b","):
        raise ScanError(f"{source.shown}, line {line}: the array ends, but an element must follow a comma")
    if data[end : end + 1] != b"]":
        raise ScanError(f"{source.shown}, line {line}: a closing brace stands where the array goes on or ends")
    _check_tail(source, line, data[end + 1 :], pieces)


def _check_tail(source: Source, line: int, tail: bytes, pieces: Iterator[bytes]) -> None:
    """
    :raises ScanError: anything but blanks behind the end of the array
    """
    while tail:
        if tail.strip(BLANK):
            raise ScanError(
                f"{source.shown}, line {line + _leading_lines(tail)}: there is more behind the end of the array; "
                "a JSON file is one array, or one record a line"
            )
        line += count_lines(tail)
        tail = next(pieces, b"")


def _leading_lines(data: bytes) -> int:
    """The line ends before the first character that is not blank."""
    return count_lines(data[: len(data) - len(data.lstrip(BLANK))])


def top_level(data: bytes) -> tuple[np.ndarray, int | None]:
    """The offsets of the commas between the elements of an array, of which the first begins the data, and of what closes
    the array; None where nothing does."""
    values = np.frombuffer(data, np.uint8)
    marks = np.flatnonzero(_MARKS[values])
    if b"\\" in data:
        marks = marks[~_is_escaped(values, marks)]
    kinds = values[marks]
    is_quote = kinds == _QUOTE
    outside = ~is_quote & (np.cumsum(is_quote) % 2 == 0)
    marks, kinds = marks[outside], kinds[outside]
    depth = np.cumsum(_STEP[kinds], dtype=np.int64)
    closed = np.flatnonzero(depth < 0)[:1]
    commas = marks[(kinds == _COMMA) & (depth == 0)]
    if not len(closed):
        return commas, None
    end = int(marks[closed[0]])
    return commas[commas < end], end


def _is_escaped(values: np.ndarray, marks: np.ndarray) -> np.ndarray:
    """Which of these bytes are quotes behind an odd number of backslashes."""
    escaped = (values[marks] == _QUOTE) & (marks > 0) & (values[marks - 1] == _BACKSLASH)
    backslashes = np.flatnonzero(values == _BACKSLASH)
    begins_run = np.diff(backslashes, prepend=-2) > 1
    starts = backslashes[begins_run][np.cumsum(begins_run) - 1]
    last = marks[escaped] - 1
    escaped[escaped] = (last - starts[np.searchsorted(backslashes, last)]) % 2 == 0
    return escaped
