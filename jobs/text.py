"""Plain delimited text on the nodes: lines to blocks with numpy alone, for jobs that read a table without a pack.

The parser of a pack is faster and names the file and line of a bad cell; here a bad row is named by its own text.
"""

from __future__ import annotations

import csv
import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from jobs.blocks import Block, listed
from jobs.errors import BadRecord, BadRow, ScanError, quoted
from jobs.records import Record

# Cells that count as missing in any column. NaN is no such word: in a column of numbers it is a missing number, in one of
# text it is a text.
MISSING_TOKENS = ("", "NA", "N/A", "n/a", "na", "null", "NULL", "None", "?")
BLOCK_ROWS = 16384


@dataclass
class TextFormat(Record):
    """How the lines of a delimited text are read."""

    columns: list[str]
    delimiter: str = ","
    header: str = ""  # a line to skip wherever it stands; empty when the files have none
    missing_tokens: list[str] = None  # type: ignore[assignment]
    max_bad_rows: int = 0

    def __post_init__(self) -> None:
        if self.missing_tokens is None:
            self.missing_tokens = list(MISSING_TOKENS)
        super().__post_init__()
        if len(self.delimiter) != 1 or self.delimiter in '"\r\n':
            raise BadRecord(
                f"the delimiter of a text is one character, and neither a quote nor a line end: {quoted(self.delimiter)}"
            )


class TextReader:
    """Gathers lines and makes blocks of the wanted columns (all when None). `split` names the task's piece of input, for
    the numbering of blocks."""

    def __init__(self, text_format: TextFormat, split: str, wanted: Sequence[str] | None = None) -> None:
        self.format = text_format
        self.part = int.from_bytes(hashlib.sha256(split.encode()).digest()[:7], "little")
        self.number = 0
        self.n_rejected = 0
        self._header = text_format.header.encode("utf-8", "surrogatepass")
        self.wanted = list(wanted or text_format.columns)
        for name in self.wanted:
            if name not in text_format.columns:
                raise ScanError(f"the text has no column {quoted(name)}; its columns are {listed(text_format.columns)}")
        self._places = [text_format.columns.index(name) for name in self.wanted]
        self._lines: list[str] = []
        # A token that is a number would pass for one in the fast way.
        self._fast = not any(map(_is_finite_number, text_format.missing_tokens))

    def read(self, line: bytes) -> Iterator[Block]:
        """Takes a line in; yields a block when enough have come."""
        if line.strip() and line.rstrip(b"\r") != self._header:
            self._lines.append(line.decode("utf-8", "replace"))
            if len(self._lines) >= BLOCK_ROWS:
                yield from self.flush()

    def flush(self) -> Iterator[Block]:
        """Yields what has been gathered."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        matrix = self.parse_all(lines) if self._fast else None
        if matrix is None:
            matrix = self._parse_each(lines)
        if len(matrix):
            columns = {name: matrix[:, j].copy() for j, name in enumerate(self.wanted)}
            yield Block(self.part, self.number, len(matrix), columns)
            self.number += 1

    def parse_all(self, lines: list[str]) -> np.ndarray | None:
        """The fast way, for lines that hold nothing but finite numbers; None when they hold anything else."""
        delimiter = self.format.delimiter
        # loadtxt would not miss cells beyond the columns it is asked for.
        if any(line.count(delimiter) != len(self.format.columns) - 1 for line in lines):
            return None
        try:
            matrix = np.loadtxt(lines, delimiter=delimiter, comments=None, ndmin=2, usecols=self._places)
        except ValueError:
            return None
        plain = len(matrix) == len(lines) and bool(np.isfinite(matrix).all())
        return matrix if plain else None

    def _parse_each(self, lines: list[str]) -> np.ndarray:
        rows = []
        for line in lines:
            try:
                rows.append(self.parse_line(line))
            except BadRow:
                self.n_rejected += 1
                if self.n_rejected > self.format.max_bad_rows:
                    raise
        return np.array(rows, dtype=float).reshape(len(rows), len(self.wanted))

    def parse_line(self, line: str) -> list[float]:
        """The wanted cells of a line.

        :raises BadRow: a line of another length, or with a cell that is no number
        """
        return self.numbers(cells_of(line, self.format.delimiter, len(self.format.columns)), line)

    def numbers(self, cells: list[str], line: str) -> list[float]:
        """The wanted ones of the cells of a line.

        :raises BadRow: a cell that is no number
        """
        return [self._number(cells[j].strip(), name, line) for j, name in zip(self._places, self.wanted)]

    def _number(self, cell: str, name: str, line: str) -> float:
        if cell in self.format.missing_tokens or cell.lower().lstrip("+-") == "nan":
            return math.nan
        if not _is_finite_number(cell):
            raise BadRow(f"column {name!r} holds {cell[:40]!r}, which is not a finite number, in the row {line[:80]!r}")
        return float(cell)


def cells_of(line: str, delimiter: str, n_columns: int) -> list[str]:
    """The cells of a line of delimited text.

    :raises BadRow: a line of another number of cells
    """
    try:
        cells = next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error as error:
        raise BadRow(f"a row that cannot be cut into cells ({error}): {line[:80]!r}") from None
    if len(cells) != n_columns:
        raise BadRow(f"a row of {len(cells)} cells where {n_columns} columns are expected: {line[:80]!r}")
    return cells


def _is_finite_number(cell: str) -> bool:
    try:
        return "_" not in cell and math.isfinite(float(cell))
    except ValueError:
        return False
