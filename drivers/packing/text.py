"""Delimited text to columns: pyarrow parses a chunk whole; a chunk that fails is halved until its bad rows stand alone.

So one parser decides what a number is, and a bad row costs its chunk a second read, not the file.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from pyarrow import csv as pacsv

from drivers.packing.chunks import BYTE_ORDER_MARK, Chunk, count_lines, record_ends
from drivers.packing.sources import Source, read_pieces
from jobs.errors import ScanError
from jobs.text import MISSING_TOKENS


@dataclass(frozen=True)
class TextOptions:
    """How a delimited text is read. `columns` None: the first record of each file names them."""

    columns: tuple[str, ...] | None = None
    delimiter: str = ","
    missing_tokens: tuple[str, ...] = MISSING_TOKENS


@dataclass(frozen=True)
class Reject:
    """A record that is not a row of numbers, and where it stands."""

    path: str
    line: int
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        where = f", column {self.column!r}" if self.column else ""
        value = f": {self.value[:40]!r}" if self.value else ":"
        return f"{self.path}, line {self.line}{where}{value} {self.reason}"


@dataclass
class Parsed:
    """The rows of a chunk as float64 columns, NaN where a cell is missing, and its bad records."""

    columns: list[np.ndarray]
    bad: list[Reject] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        return len(self.columns[0])


def delimiter_of(source: Source, given: str | None) -> str:
    """The delimiter: as given, or a tab for .tsv files and a comma for all others."""
    if given is not None:
        return given
    return "\t" if re.search(r"\.tsv(\.\w+)?$", source.path) else ","


def read_header(source: Source, options: TextOptions) -> list[str]:
    """The names in the first record of a file.

    :raises ScanError: a first record that holds numbers, an empty or a repeated name
    """
    text = first_record(source)
    names = [name.strip() for name in _cells(text, options.delimiter)]
    if any(_is_number(name) for name in names):
        raise ScanError(
            f"{source.shown}, line 1 should name the columns but holds data ({text[:60]!r}); "
            "for a file without header give --columns name,name,..."
        )
    if not names or "" in names:
        raise ScanError(f"{source.shown}, line 1: column {names.index('') + 1 if names else 1} has no name")
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ScanError(f"{source.shown}, line 1: the column name {sorted(twice)[0]!r} stands there twice")
    return names


def first_record(source: Source) -> str:
    """The text of the first record of a file, without its end.

    :raises ScanError: when it is not text
    """
    first = next(read_pieces(source, 1 << 20), b"").removeprefix(BYTE_ORDER_MARK)
    ends = record_ends(first)
    record = first[: int(ends[0])] if len(ends) else first
    try:
        return record.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ScanError(f"{source.shown} is not text: its first line is not UTF-8") from None


class TextParser:
    """Parses chunks. `names` are all columns of the file; `chosen` those that are wanted, all numeric."""

    def __init__(self, names: list[str], chosen: list[str], options: TextOptions) -> None:
        self.names, self.chosen, self.options = names, chosen, options
        self._convert = pacsv.ConvertOptions(
            column_types={name: pa.float64() for name in chosen},
            include_columns=chosen,
            null_values=list(options.missing_tokens),
            quoted_strings_can_be_null=True,
            check_utf8=False,
        )

    def parse(self, chunk: Chunk, max_bad_rows: int = 0) -> Parsed:
        """The rows of a chunk in order, with its bad records set aside; not the rest of it once they are too many."""
        if not chunk.data.strip():
            return Parsed([np.empty(0) for _ in self.chosen])
        columns = self._parse_whole(chunk.data, len(chunk.data) // 4)
        if columns is not None:
            return Parsed(columns)
        pieces = halves(chunk)
        if len(pieces) == 1:
            columns = self._parse_whole(chunk.data, len(chunk.data))
            if columns is not None:  # a record longer than pyarrow's block
                return Parsed(columns)
            return Parsed([np.empty(0) for _ in self.chosen], [self._explain(chunk)])
        parts: list[Parsed] = []
        bad: list[Reject] = []
        for piece in pieces:
            if len(bad) <= max_bad_rows:
                parts.append(self.parse(piece, max_bad_rows - len(bad)))
                bad += parts[-1].bad
        return Parsed([np.concatenate(values) for values in zip(*(part.columns for part in parts))], bad)

    def line_of(self, chunk: Chunk, row: int) -> int:
        """The physical line on which the chunk's row number `row`, counted from 0 without bad records, begins."""
        pieces = halves(chunk)
        while len(pieces) == 2:
            n_rows = self.parse(pieces[0], len(chunk.data)).n_rows
            chunk = pieces[0] if row < n_rows else pieces[1]
            row -= 0 if row < n_rows else n_rows
            pieces = halves(chunk)
        return chunk.line

    def _parse_whole(self, data: bytes, block_size: int) -> list[np.ndarray] | None:
        """The columns of the data, parsed in parallel by blocks; None when a record in it is bad or longer than a block."""
        try:
            table = pacsv.read_csv(
                pa.BufferReader(data),
                read_options=pacsv.ReadOptions(column_names=self.names, block_size=max(1 << 20, block_size)),
                parse_options=pacsv.ParseOptions(
                    delimiter=self.options.delimiter, newlines_in_values=b'"' in data, ignore_empty_lines=True
                ),
                convert_options=self._convert,
            )
        except pa.ArrowInvalid:
            return None
        columns = [table.column(name).to_numpy() for name in self.chosen]
        # An infinity in the text would pass as a number; the sum is not finite then, nor where a cell is missing.
        for values in columns:
            if not np.isfinite(values.sum()) and np.isinf(values).any():
                return None
        return columns

    def _explain(self, chunk: Chunk) -> Reject:
        """What is wrong with a single record."""
        path = chunk.source.shown
        text = chunk.data.decode("utf-8", "replace").strip("\r\n")
        if text.count('"') % 2:
            return Reject(path, chunk.line, "", text, "opens a quoted cell that does not end")
        cells = _cells(text, self.options.delimiter)
        if len(cells) != len(self.names):
            reason = f"this row has {len(cells)} cells where {len(self.names)} columns are expected"
            return Reject(path, chunk.line, "", "", reason)
        for name, cell in zip(self.names, cells):
            if name in self.chosen and cell not in self.options.missing_tokens and not _is_finite(cell):
                reason = "is not a finite number" if _is_number(cell) else "is not a number"
                return Reject(path, chunk.line, name, cell, reason)
        return Reject(path, chunk.line, "", text, "cannot be read")


def halves(chunk: Chunk) -> list[Chunk]:
    """The chunk cut at the record end nearest its middle; the chunk alone when it is a single record."""
    ends = record_ends(chunk.data)
    ends = ends[ends < len(chunk.data)]
    if not len(ends):
        return [chunk]
    cut = int(ends[np.argmin(np.abs(ends - len(chunk.data) // 2))])
    after = Chunk(chunk.source, chunk.line + count_lines(chunk.data[:cut]), chunk.data[cut:])
    return [Chunk(chunk.source, chunk.line, chunk.data[:cut]), after]


def _cells(record: str, delimiter: str) -> list[str]:
    """The cells of one record, for messages; a record that csv cannot read is one cell."""
    try:
        return next(csv.reader(io.StringIO(record, newline=""), delimiter=delimiter), [])
    except csv.Error:
        return [record]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell


def _is_finite(cell: str) -> bool:
    return _is_number(cell) and bool(np.isfinite(float(cell)))
