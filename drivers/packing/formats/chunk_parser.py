"""What the formats share: a chunk is parsed whole; one that fails is cut until its bad records stand alone.

So one parser decides what a number is, and a bad cell costs its chunk a second read, not the file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drivers.packing.buffers import to_numpy
from drivers.packing.chunks import Chunk, count_lines
from drivers.packing.kinds import Column, to_arrays
from jobs.design import MISSING_INTEGER
from jobs.errors import quoted

Types = dict[str, pa.DataType]  # how each wanted column is read
# A chunk of so many bytes is cut at the bad record that the parser names. What stands behind it is read again, which in a
# larger one with many of them would take longer than halving.
SMALL_BYTES = 64 << 10
LEAST_BLOCK = 1 << 20


@dataclass(frozen=True)
class Reject:
    """A record that is not a row of the table, and where it stands: a physical line of a text, a row of other files."""

    path: str
    line: int
    column: str
    value: str
    reason: str
    unit: str = "line"

    def __str__(self) -> str:
        where = f", column {self.column!r}" if self.column else ""
        value = f": {quoted(self.value)}" if self.column or self.value else ":"
        return f"{self.path}, {self.unit} {self.line}{where}{value} {self.reason}"


@dataclass
class Parsed:
    """The rows of a chunk as columns in the order they were asked for, and its bad records."""

    columns: list[Column]
    bad: list[Reject] = field(default_factory=list)

    @property
    def n_rows(self) -> int:
        return len(self.columns[0])


class Unreadable(Exception):
    """A record is bad, or longer than a block. record: a bad one where it is known, counted from 0 without empty ones."""

    def __init__(self, record: int | None = None) -> None:
        super().__init__()
        self.record = record


class ChunkParser(ABC):
    """Parses the chunks of one format."""

    def __init__(self, types: Types) -> None:
        self.types = types

    @abstractmethod
    def ends(self, data: bytes) -> np.ndarray:
        """The offsets after each record end in the data, ascending."""

    @abstractmethod
    def read(self, data: bytes, block_size: int) -> pa.Table:
        """The records of the data, their columns of the wanted types.

        :raises Unreadable: when a record is bad or longer than a block
        """

    @abstractmethod
    def explain(self, chunk: Chunk) -> Reject:
        """What is wrong with a single record."""

    def parse(self, chunk: Chunk, max_bad_rows: int = 0) -> Parsed:
        """The rows of a chunk in order, with its bad records set aside; not the rest of it once they are too many."""
        tables: list[pa.Table] = []
        bad: list[Reject] = []
        self._collect(chunk, max_bad_rows, tables, bad)
        table = pa.concat_tables(tables) if tables else pa.schema(list(self.types.items())).empty_table()
        return Parsed([to_arrays(table.column(name), arrow) for name, arrow in self.types.items()], bad)

    def line_of(self, chunk: Chunk, row: int) -> int:
        """The physical line on which the chunk's row number `row`, counted from 0 without bad records, begins."""
        pieces = self._halves(chunk)
        while len(pieces) == 2:
            n_rows = self.parse(pieces[0], chunk.n_bytes).n_rows
            chunk = pieces[0] if row < n_rows else pieces[1]
            row -= 0 if row < n_rows else n_rows
            pieces = self._halves(chunk)
        return chunk.line

    def _collect(self, chunk: Chunk, max_bad_rows: int, tables: list[pa.Table], bad: list[Reject]) -> None:
        if not chunk.data.strip(b"\r\n") or len(bad) > max_bad_rows:
            return
        try:
            tables.append(self._read(chunk.data, chunk.n_bytes // 4))
            return
        except Unreadable as found:
            pieces = self._around(chunk, found.record) or self._halves(chunk)
        if len(pieces) > 1:
            for piece in pieces:
                self._collect(piece, max_bad_rows, tables, bad)
            return
        if chunk.n_bytes > LEAST_BLOCK:  # it may be longer than the parser's block
            with suppress(Unreadable):
                tables.append(self._read(chunk.data, chunk.n_bytes))
                return
        bad.append(self.explain(chunk))

    def _read(self, data: bytes, block_size: int) -> pa.Table:
        table = self.read(data, max(LEAST_BLOCK, block_size))
        if has_infinity(table) or holds_missing_code(table):
            raise Unreadable
        return table

    def _around(self, chunk: Chunk, record: int | None) -> list[Chunk]:
        """What stands before a record, the record, and what stands behind it; nothing where that is not known, or not worth
        while."""
        if record is None or chunk.n_bytes > SMALL_BYTES:
            return []
        ends = [0, *self.ends(chunk.data).tolist(), chunk.n_bytes]
        whole = [(start, end) for start, end in zip(ends, ends[1:]) if chunk.data[start:end].strip(b"\r\n")]
        return self._cut(chunk, whole[record]) if record < len(whole) else []

    def _halves(self, chunk: Chunk) -> list[Chunk]:
        """The chunk cut at the record end nearest its middle; the chunk alone when it is a single record."""
        ends = self.ends(chunk.data)
        ends = ends[ends < chunk.n_bytes]
        if not len(ends):
            return [chunk]
        return self._cut(chunk, [int(ends[np.argmin(np.abs(ends - chunk.n_bytes // 2))])])

    def _cut(self, chunk: Chunk, places: Sequence[int]) -> list[Chunk]:
        """The chunk cut at some places, without empty pieces."""
        ends = [0, *places, chunk.n_bytes]
        return [
            Chunk(chunk.source, chunk.line + count_lines(chunk.data[:start]), chunk.data[start:end])
            for start, end in zip(ends, ends[1:])
            if start < end
        ]


def has_infinity(table: pa.Table) -> bool:
    """Whether a column of numbers holds an infinity, which passes as a number. A sum is not finite then, nor where a cell
    is missing, so most columns need only be summed."""
    for column in table.itercolumns():
        if pa.types.is_floating(column.type):
            for piece in column.chunks:
                values = to_numpy(piece)
                if not np.isfinite(values.sum()) and np.isinf(values).any():
                    return True
    return False


def holds_missing_code(table: pa.Table) -> bool:
    """Whether a column of whole numbers holds the one that stands for a missing cell."""
    wholes = [column for column in table.itercolumns() if column.type == pa.int64()]
    return any(pc.min(column).as_py() == MISSING_INTEGER for column in wholes)
