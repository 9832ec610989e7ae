"""What the formats share: a chunk is parsed whole; one that fails is halved until its bad records stand alone.

So one parser decides what a number is, and a bad cell costs its chunk a second read, not the file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
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


class ChunkParser(ABC):
    """Parses the chunks of one format."""

    def __init__(self, types: Types) -> None:
        self.types = types

    @abstractmethod
    def ends(self, data: bytes) -> np.ndarray:
        """The offsets after each record end in the data, ascending."""

    @abstractmethod
    def read(self, data: bytes, block_size: int) -> pa.Table | None:
        """The records of the data, their columns of the wanted types; None when a record is bad or longer than a block."""

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
        table = self._read(chunk.data, chunk.n_bytes // 4)
        if table is not None:
            tables.append(table)
            return
        pieces = self._halves(chunk)
        if len(pieces) == 2:
            for piece in pieces:
                self._collect(piece, max_bad_rows, tables, bad)
            return
        table = self._read(chunk.data, chunk.n_bytes)  # a record longer than the parser's block
        if table is not None:
            tables.append(table)
        else:
            bad.append(self.explain(chunk))

    def _read(self, data: bytes, block_size: int) -> pa.Table | None:
        table = self.read(data, max(1 << 20, block_size))
        return None if table is None or has_infinity(table) or holds_missing_code(table) else table

    def _halves(self, chunk: Chunk) -> list[Chunk]:
        """The chunk cut at the record end nearest its middle; the chunk alone when it is a single record."""
        ends = self.ends(chunk.data)
        ends = ends[ends < chunk.n_bytes]
        if not len(ends):
            return [chunk]
        cut = int(ends[np.argmin(np.abs(ends - chunk.n_bytes // 2))])
        after = Chunk(chunk.source, chunk.line + count_lines(chunk.data[:cut]), chunk.data[cut:])
        return [Chunk(chunk.source, chunk.line, chunk.data[:cut]), after]


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
