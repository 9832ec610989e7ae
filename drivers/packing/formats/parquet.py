"""Parquet: the rows of a file in batches, so that its size does not matter; types by its schema, not by its cells.

A file from elsewhere is copied once, for Parquet is read from its end. Whole numbers stay exact where the statistics of the
row groups (or the cells, where a writer left the statistics out) say that float64 would not tell some apart.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from drivers.packing.formats.chunk_parser import Parsed, Reject, Types
from drivers.packing.formats.options import InputOptions
from drivers.packing.formats.parquet_cells import (
    BOOLS,
    DATES,
    NOTHING,
    TEXTS,
    ZONED,
    as_text,
    bad_cells,
    complaint,
    convert,
    is_bytes,
    is_whole_type,
    kind_of_cells,
    plain_cells,
    plain_type,
)
from drivers.packing.kinds import DAY_TYPE, EXACT, TEXT_TYPE, to_arrays
from drivers.packing.sources import COMPRESSED
from drivers.packing.stores import standard_input, store_of
from drivers.packing.stores.source import Source
from drivers.wording import listed
from jobs.errors import ScanError

BATCH_BYTES = 16 << 20  # of a batch as a dense table
FEWEST_ROWS, MOST_ROWS = 64, 1 << 17
BUFFER_BYTES = 1 << 20
# Batches that another thread may still ask for, since it was overtaken.
OVERTAKEN = 8
PLAIN, ENCRYPTED = b"PAR1", b"PARE"
INDEX = "__index_level_"  # how pandas names an index without a name


class File:
    """A Parquet file on this machine: a source itself, or a copy, removed when nobody holds this object any more."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.path = source.copy or source.path
        if not source.copy and "://" in source.path:
            with store_of(source.path).open_stream(source) as stream:
                self.path = standard_input.copy_stream(stream, source.path).copy
            weakref.finalize(self, _remove, self.path)

    def open(self) -> pq.ParquetFile:
        """
        :raises ScanError: what is no Parquet file, or cannot be read
        """
        try:
            self._check_marks()
            return pq.ParquetFile(
                self.path,
                # Pages one after another, not a whole row group at once.
                buffer_size=BUFFER_BYTES,
                pre_buffer=False,
                page_checksum_verification=True,
                # In nanoseconds, which is what it would be, the years end in 2262.
                coerce_int96_timestamp_unit="us",
            )
        except (pa.ArrowException, OSError) as error:
            raise self.unreadable(error) from None

    def unreadable(self, error: Exception, where: str = "") -> ScanError:
        """What to say where Arrow cannot read the file."""
        message = str(error).split("\n")[0].rstrip(".")
        if "ncrypt" in message or "decrypt" in message:
            return ScanError(f"{self.source.shown} is encrypted; write it again without encryption")
        return ScanError(f"{self.source.shown}{where} cannot be read as Parquet, it may be damaged: {message}")

    def _check_marks(self) -> None:
        shown = self.source.shown
        with open(self.path, "rb") as f:
            begin = f.read(4)
            f.seek(max(0, os.path.getsize(self.path) - 4))
            end = f.read()
        if begin == ENCRYPTED:
            raise ScanError(f"{shown} is encrypted; write it again without encryption")
        if begin == PLAIN and end != PLAIN:
            raise ScanError(f"{shown} is cut short: it does not end as a Parquet file ends; copy or write it again")
        if begin != PLAIN:
            packed = next((name for mark, name in COMPRESSED.items() if begin.startswith(mark)), "")
            hint = f", but compressed by {packed}; unpack it first" if packed else "; name its format with --format"
            raise ScanError(f"{shown} is not a Parquet file{hint}")


def _remove(path: str) -> None:
    with suppress(OSError):
        os.remove(path)


@dataclass
class Footer:
    """What a file says of itself: columns with their types, whole-number columns with the largest magnitude in them (None
    where it does not say), the rows of its row groups, and the bytes of a row before it was compressed."""

    types: dict[str, pa.DataType]
    largest: dict[str, int | None]
    row_groups: list[int]
    row_bytes: int


class Piece(NamedTuple):
    """Rows of one row group: `n_rows` of them from row `first` of the file on, counted from 0."""

    row_group: int
    first: int
    n_rows: int


@dataclass
class Rows:
    """A piece of a file that is not read yet; `plan` are all pieces of it in order, of which this is number `number`."""

    file: File
    plan: list[Piece]
    number: int
    n_bytes: int

    @property
    def piece(self) -> Piece:
        return self.plan[self.number]


class ParquetReader:
    """The Parquet files of one table. `names` are its columns, or those of `columns`."""

    unit = "row"
    delimiter = ","
    text = None  # a task reads delimited text only

    def __init__(self, sources: list[Source], options: InputOptions) -> None:
        self.sources, self.options = sources, options
        self.notes: list[str] = []
        self._first = sources[0]
        # The file that is being read, lest it be copied again.
        self._held: File | None = File(sources[0])
        footer = footer_of(self._held)
        self._types, self._largest = footer.types, footer.largest
        if not self._types:
            raise ScanError(f"{self._first.shown} has no columns")
        n_rows, all_known = sum(footer.row_groups), True
        for source in sources[1:]:
            # What lies elsewhere is not copied before its turn comes.
            if "://" in source.path:
                all_known = False
            else:
                n_rows += sum(self._join(source, footer_of(File(source))).row_groups)
        if all_known and not n_rows:
            raise ScanError(f"{self._first.shown} holds no rows of data")
        self.names = self._names()

    def chunks(self, source: Source) -> Iterator[Rows]:
        """The rows of a file, in pieces that are light until they are parsed.

        :raises ScanError: a file that cannot be read, or has other columns than the first one
        """
        file = self._file(source)
        self._held = file
        footer = self._join(source, footer_of(file))
        n_in_file = sum(footer.row_groups)
        row_bytes = max(8 * len(footer.types), footer.row_bytes)
        plan = pieces_of(footer.row_groups, min(MOST_ROWS, max(FEWEST_ROWS, BATCH_BYTES // row_bytes)))
        for number, (_, first, n_rows) in enumerate(plan):
            # All together they are as long as the file.
            before, after = (source.size * rows // n_in_file for rows in (first, first + n_rows))
            yield Rows(file, plan, number, after - before)
        self._held = None

    def look(self, wanted: list[str]) -> Types:
        """The type of each wanted column; None for one of lists, records, times or bytes."""
        return {name: self._look(name) for name in wanted}

    def parser(self, types: Types) -> ParquetParser:
        """Parses chunks to columns of these types."""
        return ParquetParser(types, self.options.missing_tokens)

    def _file(self, source: Source) -> File:
        return self._held if self._held is not None and self._held.source == source else File(source)

    def _names(self) -> list[str]:
        names = list(self._types)
        if self.options.columns is None:
            indices = [name for name in names if name.startswith(INDEX)]
            if indices and len(indices) < len(names):
                self.notes.append(f"{self._first.shown}: the index that pandas wrote ({listed(indices)}) is not read")
                return [name for name in names if name not in indices]
            return names
        for name in self.options.columns:
            if name not in names:
                raise ScanError(f"{self._first.shown} has no column {name!r}; its columns are {listed(names)}")
        return list(self.options.columns)

    def _join(self, source: Source, footer: Footer) -> Footer:
        """Takes in what another file says.

        :raises ScanError: other columns than the first file's, or columns of another kind
        """
        for ours, theirs, here, there in (
            (footer.types, self._types, source.shown, self._first.shown),
            (self._types, footer.types, self._first.shown, source.shown),
        ):
            extra = [name for name in ours if name not in theirs]
            if extra:
                raise ScanError(f"{here} has the column {extra[0]!r}, but {there} has not")
        for name, arrow in footer.types.items():
            known = kind_of_cells(self._types[name])
            kind = kind_of_cells(arrow)
            if known == NOTHING:
                self._types[name] = arrow
            elif kind not in (known, NOTHING):
                raise ScanError(
                    f"the column {name!r} holds {kind or 'no single values'} in {source.shown}, "
                    f"but {known or 'no single values'} in {self._first.shown}"
                )
        for name, largest in footer.largest.items():
            before = self._largest.get(name, 0)
            self._largest[name] = None if largest is None or before is None else max(largest, before)
        return footer

    def _look(self, name: str) -> pa.DataType | None:
        arrow = self._types[name]
        kind = kind_of_cells(arrow)
        if not kind or (is_bytes(arrow) and not self._is_utf8(name)):
            return None
        if kind == TEXTS or name in self.options.text:
            return TEXT_TYPE
        if kind == BOOLS:
            return pa.bool_()
        if kind in (DATES, ZONED):
            return DAY_TYPE if pa.types.is_date(arrow) else pa.timestamp("us", getattr(arrow, "tz", None))
        if name not in self._largest:
            return pa.float64()
        largest = self._largest[name]
        if largest is None:
            largest = max((_magnitude(column) for column in self._pieces(name)), default=0)
        return pa.float64() if largest < EXACT else pa.int64() if largest < 1 << 63 else TEXT_TYPE

    def _is_utf8(self, name: str) -> bool:
        """Whether the first bytes of a column that is not said to be text are text."""
        first = next(self._pieces(name), pa.array([], pa.string()))
        try:
            first.cast(pa.string())
        except pa.ArrowInvalid:
            return False
        return True

    def _pieces(self, name: str) -> Iterator[pa.Array]:
        """The cells of one column, of the files that lie here."""
        for source in self.sources:
            file = self._file(source) if "://" not in source.path or source == self._first else None
            if file is not None:
                try:
                    for batch in file.open().iter_batches(batch_size=MOST_ROWS, columns=[name]):
                        yield plain_cells(batch.column(name))
                except (pa.ArrowException, OSError) as error:
                    raise file.unreadable(error) from None


class ParquetParser:
    """Parses chunks of Parquet files to columns."""

    def __init__(self, types: Types, missing_tokens: Sequence[str]) -> None:
        self.types = types
        self._tokens = pa.array(missing_tokens, pa.string())
        self._streams: weakref.WeakKeyDictionary[File, Stream] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def parse(self, chunk: Rows, max_bad_rows: int = 0) -> Parsed:
        """The rows of a chunk in order, with its bad records set aside; none of it once they are too many."""
        columns, _, bad = self._read(chunk, max_bad_rows)
        return Parsed([to_arrays(pa.chunked_array([c]), arrow) for c, arrow in zip(columns, self.types.values())], bad)

    def line_of(self, chunk: Rows, row: int) -> int:
        """The row of the file, counted from 1, that is the chunk's row number `row`, counted from 0 without bad records."""
        return chunk.piece.first + 1 + int(self._read(chunk, chunk.piece.n_rows)[1][row])

    def _read(self, chunk: Rows, max_bad_rows: int) -> tuple[list[pa.Array], np.ndarray, list[Reject]]:
        """The columns of a chunk without its bad records, which of its rows they are, and the bad records."""
        table = self._take(chunk)
        cells = {name: plain_cells(table.column(name).combine_chunks()) for name in self.types}
        every = np.arange(chunk.piece.n_rows)
        try:
            return self._convert(cells), every, []
        except pa.ArrowException:
            bad = self._bad(chunk, cells, max_bad_rows)
        rows = np.delete(every, list(bad)) if len(bad) <= max_bad_rows else every[:0]
        good = self._convert({name: column.take(pa.array(rows)) for name, column in cells.items()})
        return good, rows, [bad[row] for row in sorted(bad)]

    def _take(self, chunk: Rows) -> pa.Table:
        # One at a time, for rows are decoded in order, by Arrow's own threads.
        with self._lock:
            stream = self._streams.get(chunk.file)
            if stream is None:
                stream = self._streams[chunk.file] = Stream(chunk.file.open(), list(self.types), chunk.plan)
            try:
                return stream.take(chunk.number)
            except (pa.ArrowException, OSError) as error:
                raise chunk.file.unreadable(error, f", from row {chunk.piece.first + 1} on,") from None

    def _convert(self, cells: dict[str, pa.Array]) -> list[pa.Array]:
        return [convert(cells[name], arrow, self._tokens) for name, arrow in self.types.items()]

    def _bad(self, chunk: Rows, cells: dict[str, pa.Array], most: int) -> dict[int, Reject]:
        """The bad records of a chunk by their row in it, each for its first bad cell; not many more than `most`."""
        bad: dict[int, Reject] = {}
        for name, arrow in self.types.items():
            for row in bad_cells(cells[name], arrow, self._tokens, most + 1):
                value = as_text(cells[name].slice(row, 1))
                place = (chunk.file.source.shown, chunk.piece.first + row + 1, name, value)
                bad.setdefault(row, Reject(*place, complaint(value, arrow), "row"))
        return bad


class Stream:
    """The pieces of a file in order. Threads overtake one another, so those just read stay at hand."""

    def __init__(self, parquet: pq.ParquetFile, names: list[str], plan: list[Piece]) -> None:
        self._parquet, self._names, self._plan = parquet, names, plan
        self._tables: Iterator[pa.Table] = iter(())
        self._next = len(plan)
        self._read: dict[int, pa.Table] = {}

    def take(self, number: int) -> pa.Table:
        """The rows of a piece."""
        if number not in self._read and number < self._next:
            self._next = next(n for n, piece in enumerate(self._plan) if piece.row_group == self._plan[number].row_group)
            self._tables = self._from(self._next)
        while self._next <= number:
            table = next(self._tables, None)
            if table is None:  # it failed before
                self._next = len(self._plan)
                return self.take(number)
            self._read[self._next] = table
            self._read.pop(self._next - OVERTAKEN, None)
            self._next += 1
        return self._read.pop(number)

    def _from(self, number: int) -> Iterator[pa.Table]:
        for row_group, pieces in groupby(self._plan[number:], key=lambda piece: piece.row_group):
            sizes = [piece.n_rows for piece in pieces]
            batches = self._parquet.iter_batches(batch_size=max(sizes), row_groups=[row_group], columns=self._names)
            rest = self._parquet.schema_arrow.empty_table().select(self._names)
            for size in sizes:
                while rest.num_rows < size:
                    batch = next(batches, None)
                    if batch is None:
                        raise pa.ArrowInvalid("it has fewer rows than it says")
                    rest = pa.concat_tables([rest, pa.Table.from_batches([batch]).select(self._names)])
                yield rest.slice(0, size)
                rest = rest.slice(size)


def pieces_of(row_groups: list[int], most: int) -> list[Piece]:
    """The pieces of a file whose row groups have so many rows, none of more than `most`."""
    firsts = [0, *accumulate(row_groups)]
    return [
        Piece(row_group, firsts[row_group] + start, min(most, n_rows - start))
        for row_group, n_rows in enumerate(row_groups)
        for start in range(0, n_rows, most)
    ]


# -- what a file says --------------------------------------------------------------------------------------------------


def footer_of(file: File) -> Footer:
    """
    :raises ScanError: what is no Parquet file, or a column that stands in it twice
    """
    parquet = file.open()
    names = parquet.schema_arrow.names
    name, count = Counter(names).most_common(1)[0] if names else ("", 1)
    if count > 1:
        raise ScanError(f"{file.source.shown} has the column {name!r} {count} times; give each a name of its own")
    types = dict(zip(names, map(plain_type, parquet.schema_arrow.types)))
    groups = [parquet.metadata.row_group(i) for i in range(parquet.metadata.num_row_groups)]
    paths = [parquet.schema.column(j).path for j in range(len(parquet.schema))]
    largest = {
        # A record's path may be a column's name.
        name: _largest(groups, paths.index(name)) if paths.count(name) == 1 else None
        for name, arrow in types.items()
        if is_whole_type(arrow)
    }
    n_bytes, n_rows = sum(group.total_byte_size for group in groups), parquet.metadata.num_rows
    return Footer(types, largest, [group.num_rows for group in groups], n_bytes // max(1, n_rows))


def _largest(groups: list[pq.RowGroupMetaData], j: int) -> int | None:
    """The largest magnitude in a column of whole numbers by the statistics of its row groups."""
    found = 0
    for group in groups:
        statistics = group.column(j).statistics
        if statistics is None or not statistics.has_min_max:
            if statistics is not None and statistics.has_null_count and statistics.null_count == group.num_rows:
                continue
            return None
        found = max(found, abs(int(statistics.min)), abs(int(statistics.max)))
    return found


def _magnitude(column: pa.Array) -> int:
    extremes = pc.min_max(column)
    return max(abs(int(end.as_py() or 0)) for end in (extremes["min"], extremes["max"]))
