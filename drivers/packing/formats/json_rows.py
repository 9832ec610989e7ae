"""JSON: lines of objects or of arrays, or one array of them in a file of any size, cut at its elements.

Arrow reads the objects of a chunk where that is sound: where it holds whole objects, one a record, whose values are the
literals seen in the table's first chunk. All else the standard library reads, a record at a time, and what it cannot read
either is a bad record. Both ways give the same rows.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import compress

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as pajson

from drivers.packing.chunks import BYTE_ORDER_MARK, Chunk, chunks, line_ends
from drivers.packing.formats.chunk_parser import Parsed, Reject, Types, has_infinity
from drivers.packing.formats.json_literals import (
    MINUS_ZERO,
    Literal,
    as_text,
    decode,
    is_missing,
    literal_array,
    literal_type,
    reads,
    settle_literals,
    to_column,
    why,
)
from drivers.packing.formats.json_records import Record, elements, records_of, shape_of
from drivers.packing.formats.options import InputOptions
from drivers.packing.kinds import TEXT_TYPE, to_arrays
from drivers.packing.sources import check_unicode, read_pieces
from drivers.packing.stores.source import Source
from drivers.wording import count, listed
from jobs.design import MISSING_INTEGER
from jobs.errors import ScanError

SNIFFED_BYTES = 1 << 16
SHOWN = 1000  # characters of a bad record that its message keeps
# A chunk that cannot be read at once is tried again in so many pieces: mostly a single record is at fault.
PIECES = 16
# A literal to Arrow, and none to JSON.
_SHORT_INFINITY = re.compile(rb"[:\[,]\s*-?Inf\s*[,}\]]")


class JsonReader:
    """The JSON files of one table. `names` are all its columns; `notes` say what was found and not given.

    The columns of objects are the keys in the first chunk, and another key later on is a bad record; or they are those of
    `columns`, and other keys are passed over.
    """

    unit = "line"
    delimiter = ","
    text = None  # a task reads delimited text only

    def __init__(self, sources: list[Source], options: InputOptions) -> None:
        self.sources, self.options = sources, options
        self.notes: list[str] = []
        self._shapes = {source.path: shape_of(self._begin(source)) for source in sources}
        self.of_lists = self._one_kind_of_record()
        rows = self._first_rows()
        self.n_first = len(rows)
        self.names = self._names(rows)
        self._take_notes()
        cells = {name: [row.get(name) for row in rows] for name in self.names}
        tokens = frozenset(options.missing_tokens)
        self._types = {name: settle_literals(found, tokens, name in options.text) for name, found in cells.items()}
        self._literals = {name: literal_type(found) for name, found in cells.items()}

    def chunks(self, source: Source) -> Iterator[Chunk]:
        """The records of a file.

        :raises ScanError: an array that does not end, or is not all that its file holds
        """
        if self._shapes[source.path].is_array:
            return elements(source, self.options.encoding)
        return chunks(source, line_ends, self.options.encoding)

    def look(self, wanted: list[str]) -> Types:
        """The type of each wanted column, from the first chunk; None for one of lists or objects."""
        return {name: self._types[name] for name in wanted}

    def parser(self, types: Types) -> JsonParser:
        """Parses chunks to columns of these types."""
        return JsonParser(self, types)

    def literals(self, types: Types) -> pa.Schema | None:
        """What Arrow is told of the objects' values: those of all columns, that it finds an unknown key, or of the wanted
        ones where keys are passed over; None where a column holds lists or objects of several kinds."""
        found = {name: self._literals[name] for name in self.names if name in types or not self.options.columns}
        if any(literal is None for literal in found.values()):
            return None
        exact = {name for name, arrow in types.items() if arrow in (pa.int64(), TEXT_TYPE)}
        return pa.schema(
            [
                (name, pa.float64() if literal == pa.int64() and name not in exact else literal)
                for name, literal in found.items()
            ]
        )

    # -- what the files are --------------------------------------------------------------------------------------------

    def _begin(self, source: Source) -> bytes:
        """The first bytes of a file's text.

        :raises ScanError: when it is not text
        """
        check_unicode(source, self.options.encoding)
        begin = next(read_pieces(source, SNIFFED_BYTES, self.options.encoding), b"").removeprefix(BYTE_ORDER_MARK)
        if b"\x00" in begin[:4096]:
            raise ScanError(f"{source.shown} is not text: it has zero bytes")
        return begin

    def _one_kind_of_record(self) -> bool:
        """Whether the records are arrays.

        :raises ScanError: files of arrays beside files of objects, no records at all
        """
        known = [source for source in self.sources if self._shapes[source.path].of_lists is not None]
        if not known:
            raise ScanError(f"{self.sources[0].shown} holds no rows of data")
        first = self._shapes[known[0].path].of_lists
        for source in known:
            if self._shapes[source.path].of_lists != first:
                kinds = ("arrays", "objects") if first else ("objects", "arrays")
                raise ScanError(
                    f"the records of {known[0].shown} are {kinds[0]}, but those of {source.shown} are {kinds[1]}"
                )
        return bool(first)

    def _first_rows(self) -> list[dict[str, Literal]]:
        """The records of the first chunk that has good ones, those that are arrays under the names of their columns.

        :raises ScanError: no record in the first chunk of any file is good
        """
        fault = ""
        for source in self.sources:
            found = records_of(next(self.chunks(source), Chunk(source, 1, b"")))
            values = [value for _, record in found if (value := _plain(record)) is not None]
            rows = self._named([v for v in values if isinstance(v, list)]) if self.of_lists else values
            rows = [row for row in rows if isinstance(row, dict)]
            if rows:
                return rows
            if found and not fault:
                fault = str(_fault(source, *found[0]))
        raise ScanError(fault or f"{self.sources[0].shown} holds no rows of data")

    def _named(self, rows: list[list[Literal]]) -> list[dict[str, Literal]]:
        if not rows:
            return []
        width = Counter(map(len, rows)).most_common(1)[0][0]
        names = self.options.columns or [f"c{j + 1}" for j in range(width)]
        return [dict(zip(names, row)) for row in rows if len(row) == len(names)] or [dict.fromkeys(names)]

    def _names(self, rows: list[dict[str, Literal]]) -> list[str]:
        """
        :raises ScanError: records without any cells, a name of `columns` that is no key
        """
        shown = self.sources[0].shown
        keys = list(dict.fromkeys(key for row in rows for key in row))
        if not keys:
            raise ScanError(f"{shown}: the first records are empty, so there are no columns")
        absent = [name for name in self.options.columns or () if name not in keys]
        if absent:
            raise ScanError(
                f"{shown}: none of the first {len(rows)} records has the key {absent[0]!r}; they have {listed(keys)}"
            )
        return list(self.options.columns or keys)

    def _take_notes(self) -> None:
        what = "arrays" if self.of_lists else "objects"
        arrays = [source.shown for source in self.sources if self._shapes[source.path].is_array]
        self.notes += [f"{shown}: a JSON array of {what}" for shown in arrays]
        if self.of_lists and not self.options.columns:
            self.notes.append(
                f"{self.sources[0].shown}: the records are arrays, so their columns are c1 to c{len(self.names)}; "
                "name them with --columns"
            )


class JsonParser:
    """Parses chunks of JSON records to columns."""

    def __init__(self, reader: JsonReader, types: Types) -> None:
        self.types = types
        self.of_lists, self.names, self.n_first = reader.of_lists, reader.names, reader.n_first
        self._known = frozenset(reader.names)
        self._passes_over_keys = reader.options.columns is not None
        self._tokens = frozenset(reader.options.missing_tokens)
        self._token_array = pa.array(reader.options.missing_tokens, pa.string())
        self._literals = reader.literals(types)
        self._schema = pa.schema(list(types.items()))

    def parse(self, chunk: Chunk, max_bad_rows: int = 0) -> Parsed:
        """The rows of a chunk in order, with its bad records set aside; not the rest of it once they are too many."""
        tables, bad, _ = self._read(chunk, max_bad_rows)
        whole = pa.concat_tables(tables) if tables else self._schema.empty_table()
        return Parsed([to_arrays(whole.column(name), arrow) for name, arrow in self.types.items()], bad)

    def line_of(self, chunk: Chunk, row: int) -> int:
        """The physical line on which the chunk's row number `row`, counted from 0 without bad records, begins."""
        return self._read(chunk, chunk.n_bytes)[2][row]

    def _read(self, chunk: Chunk, max_bad_rows: int) -> tuple[list[pa.Table], list[Reject], list[int]]:
        """The rows of a chunk, its bad records, and the line of each row."""
        records = records_of(chunk)
        table = self._read_all(records) if records else None
        if table is not None:
            return [table], [], [line for line, _ in records]
        tables: list[pa.Table] = []
        bad: list[Reject] = []
        lines: list[int] = []
        step = max(1, len(records) // PIECES)
        for start in range(0, len(records), step):
            if len(bad) > max_bad_rows:
                break
            piece = records[start : start + step]
            table = self._read_all(piece) if step < len(records) else None
            if table is None:
                table, piece = self._read_each(chunk.source, piece, bad)
            tables.append(table)
            lines += [line for line, _ in piece]
        return tables, bad, lines

    # -- all records at once -------------------------------------------------------------------------------------------

    def _read_all(self, records: list[Record]) -> pa.Table | None:
        """The rows of records that are plainly one row each; None where any of them asks for a closer look."""
        begin, end, between = (b"[", b"]", b",\n") if self.of_lists else (b"{", b"}", b"\n")
        if not all(record.startswith(begin) and record.endswith(end) for _, record in records):
            return None
        data = between.join(record for _, record in records)
        try:
            if not data.isascii():
                data.decode()
            found = self._arrays(data) if self.of_lists else self._objects(data)
            # No row reaches from one record into the next: what is open behind a "}" does not go on with "{", what is open
            # behind a "]" that ends no row is an array in an array, and no text holds a line end. So each record holds
            # one row or more, and where they are as many as the records, each is one.
            if found is None or found.num_rows != len(records):
                return None
            columns = [self._convert(found.column(name), arrow) for name, arrow in self.types.items()]
        except (pa.ArrowException, ValueError, OverflowError, RecursionError):
            return None
        table = pa.table(columns, schema=self._schema)
        return None if has_infinity(table) else table

    def _objects(self, data: bytes) -> pa.Table | None:
        """The literals of objects behind one another, as Arrow reads them."""
        # -NaN and Inf are literals to Arrow, and none to JSON.
        if self._literals is None or b"-NaN" in data or (b"Inf" in data and _SHORT_INFINITY.search(data)):
            return None
        return pajson.read_json(
            pa.BufferReader(data),
            # One block, for the data are cut already, and chunks are parsed beside one another.
            read_options=pajson.ReadOptions(use_threads=False, block_size=len(data) + 1),
            parse_options=pajson.ParseOptions(
                explicit_schema=self._literals,
                # Not "infer": values nested some thousand levels deep would overflow its stack.
                unexpected_field_behavior="ignore" if self._passes_over_keys else "error",
            ),
        )

    def _arrays(self, data: bytes) -> pa.Table | None:
        """The literals of arrays with commas between them, which Arrow does not read."""
        if MINUS_ZERO.search(data):  # a whole number has no sign of zero
            return None
        rows = json.loads(b"[" + data + b"]")
        if any(len(row) != len(self.names) for row in rows):
            return None
        columns = {}
        for name, cells in zip(self.names, zip(*rows)):
            kinds = set(map(type, cells)) - {type(None)}
            if kinds & {list, dict}:
                return None
            if name in self.types:
                columns[name] = literal_array(cells, kinds)
        return pa.table(columns)

    def _convert(self, column: pa.ChunkedArray, arrow: pa.DataType) -> pa.ChunkedArray:
        """A column of literals as the wanted type.

        :raises ArrowInvalid: where a cell asks for a closer look
        """
        literal = column.type
        if pa.types.is_string(literal):
            column = pc.if_else(pc.is_in(column, self._token_array), pa.scalar(None, literal), column)
            if arrow == TEXT_TYPE:
                return column.dictionary_encode()
            if pa.types.is_timestamp(arrow):
                return column.cast(arrow)
            return _numbers(column, arrow)
        if arrow == TEXT_TYPE and pa.types.is_integer(literal):
            return column.cast(pa.string()).dictionary_encode()
        is_widened = arrow == pa.float64() and pa.types.is_integer(literal)
        if literal != arrow and not is_widened and not pa.types.is_null(literal):
            raise pa.ArrowInvalid("other literals than the column has")
        return _without_missing_code(column.cast(arrow))

    # -- one record at a time ------------------------------------------------------------------------------------------

    def _read_each(self, source: Source, found: list[Record], bad: list[Reject]) -> tuple[pa.Table, list[Record]]:
        """The rows of the good records, and these; the others are added to `bad`."""
        faults: dict[int, Reject] = {}
        rows: list[dict[str, Literal]] = []
        for n, (line, record) in enumerate(found):
            try:
                rows.append(self._cells(decode(record)))
            except (ValueError, RecursionError) as error:
                faults[n] = Reject(source.shown, line, "", _shown(record), why(error, record))
                rows.append({})
        columns = []
        for name, arrow in self.types.items():
            column, reasons = self._column([row.get(name) for row in rows], arrow)
            columns.append(column)
            for n, reason in reasons.items():
                value = as_text(rows[n].get(name))[:SHOWN]
                faults.setdefault(n, Reject(source.shown, found[n][0], name, value, reason))
        bad += [faults[n] for n in sorted(faults)]
        is_good = [n not in faults for n in range(len(found))]
        return pa.table(columns, schema=self._schema).filter(pa.array(is_good)), list(compress(found, is_good))

    def _column(self, literals: list[Literal], arrow: pa.DataType) -> tuple[pa.ChunkedArray | pa.Array, dict[int, str]]:
        """Literals as a column of this type, null where one is missing or bad, and by its place what is wrong with it."""
        try:
            column = pa.chunked_array([literal_array(literals, set(map(type, literals)) - {type(None)})])
            column = self._convert(column, arrow)
            if not has_infinity(pa.table([column], names=[""])):
                return column, {}
        except (pa.ArrowException, ValueError, OverflowError):
            pass
        read, cells, reasons = reads(arrow), [], {}
        for n, literal in enumerate(literals):
            try:
                cells.append(None if is_missing(literal, self._tokens) else read(literal))
            except ValueError as error:
                cells.append(None)
                reasons[n] = str(error)
        return to_column(cells, arrow), reasons

    def _cells(self, record: Literal) -> dict[str, Literal]:
        """
        :raises ValueError: a record that is not an object, or array, of the table's columns
        """
        if self.of_lists:
            if not isinstance(record, list):
                raise ValueError("is not an array, as the other records are")
            if len(record) != len(self.names):
                expected = f"{count(len(self.names), 'column')} {'is' if len(self.names) == 1 else 'are'} expected"
                raise ValueError(f"this row has {count(len(record), 'cell')} where {expected}")
            return dict(zip(self.names, record))
        if not isinstance(record, tuple):
            raise ValueError("is not an object, as the other records are")
        cells = dict(record)
        if not self._passes_over_keys and not cells.keys() <= self._known:
            key = next(key for key in cells if key not in self._known)
            raise ValueError(
                f"has the key {key!r}, which none of the first {self.n_first} records has; "
                "name the keys to be read with --columns"
            )
        if len(cells) < len(record):
            for key, n_times in Counter(key for key, _ in record).items():
                if n_times > 1 and key in self._known:
                    raise ValueError(f"names the key {key!r} twice")
        return cells


def _plain(record: bytes) -> Literal:
    """A record, its objects as dicts; None where it cannot be read."""
    try:
        return json.loads(record.decode())
    except (ValueError, RecursionError):
        return None


def _fault(source: Source, line: int, record: bytes) -> Reject:
    """What is wrong with a record that is no row of any table."""
    try:
        decode(record)
    except (ValueError, RecursionError) as error:
        return Reject(source.shown, line, "", _shown(record), why(error, record))
    return Reject(source.shown, line, "", _shown(record), "is neither an object nor an array, so no row of a table")


def _shown(record: bytes) -> str:
    return record[: 4 * SHOWN].decode("utf-8", "replace")[:SHOWN]


def _numbers(texts: pa.ChunkedArray, arrow: pa.DataType) -> pa.ChunkedArray:
    """Texts that are all written as numbers.

    :raises ArrowInvalid: where one is not, or asks for a closer look
    """
    # Arrow takes nan(0x1) for a number, and 0x1 for a whole one.
    if arrow == pa.int64() and pc.any(pc.match_substring(texts, "x", ignore_case=True)).as_py():
        raise pa.ArrowInvalid("hexadecimal")
    numbers = texts.cast(arrow)
    if arrow == pa.float64() and pc.any(pc.is_nan(numbers)).as_py():
        raise pa.ArrowInvalid("not a number")
    return _without_missing_code(numbers)


def _without_missing_code(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """
    :raises ArrowInvalid: a whole number that means a missing cell
    """
    if column.type == pa.int64() and pc.any(pc.equal(column, MISSING_INTEGER)).as_py():
        raise pa.ArrowInvalid("the code of a missing cell")
    return column
