"""JSON: lines of objects or of arrays, or one array of them in a file of any size, cut at its elements.

Arrow reads the objects of a chunk where that is sound: where it holds whole objects, one a record, whose values are the
literals seen in the table's first chunk. All else the standard library reads, a record at a time, and what it cannot read
either is a bad record. Both ways give the same rows.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as pajson

from drivers.packing.chunks import BYTE_ORDER_MARK, LONGEST_RECORD, Chunk, chunks, count_lines, line_ends
from drivers.packing.formats.chunk_parser import Parsed, Reject, Types, has_infinity
from drivers.packing.formats.delimited import why_not
from drivers.packing.formats.options import InputOptions
from drivers.packing.kinds import EXACT, TEXT_TYPE, is_nan, is_number, to_arrays
from drivers.packing.sources import UTF16_MARKS, read_pieces
from drivers.packing.stores.source import Source
from jobs.design import MISSING_INTEGER
from jobs.errors import ScanError

ARRAY_PIECE = 8 << 20
SNIFFED_BYTES = 1 << 16
BLANK = b" \t\r\n"
SHOWN = 1000  # characters of a bad record that its message keeps
# A chunk that cannot be read at once is tried again in so many pieces: mostly a single record is at fault.
PIECES = 16
LOOKED_AT = 2000  # texts of a column that decide whether it is one of numbers
DEEPEST = 8  # levels of a nested column that Arrow is told of
DATES = [pa.timestamp(unit, zone) for zone in (None, "UTC") for unit in ("us", "ns")]

_SHORT_INFINITY = re.compile(rb"[:\[,]\s*-?Inf\s*[,}\]]")
_MINUS_ZERO = re.compile(rb"-0\s*[,}\]]")
_WHOLE = re.compile(r"\s*[+-]?\d+\s*\Z", re.ASCII)
_COMMA, _QUOTE, _BACKSLASH = b',"\\'
_STEP = np.zeros(256, np.int8)  # how a byte changes the depth
_STEP[list(b"[{")], _STEP[list(b"]}")] = 1, -1
_MARKS = _STEP != 0
_MARKS[[_COMMA, _QUOTE]] = True

Literal = Any  # a value as json.loads gives it; of an object, maybe the tuple of its pairs
Record = tuple[int, bytes]  # its physical line, and its text without the blanks around


@dataclass
class Elements(Chunk):
    """Whole elements of an array with the commas between and behind them; `commas` are the offsets of these."""

    commas: np.ndarray


class Shape(NamedTuple):
    """What a file is: one array, or lines; of arrays (`of_lists`) or objects, None where it is empty."""

    is_array: bool
    of_lists: bool | None


class JsonReader:
    """The JSON files of one table. `names` are all its columns; `notes` say what was found and not given.

    The columns of objects are the keys in the first chunk, and another key later on is a bad record; or they are those of
    `columns`, and other keys are passed over.
    """

    unit = "line"
    text = None  # a task reads delimited text only

    def __init__(self, sources: list[Source], options: InputOptions) -> None:
        self.sources, self.options = sources, options
        self.notes: list[str] = []
        self._shapes = {source.path: _shape(self._begin(source)) for source in sources}
        self.of_lists = self._one_kind_of_record()
        rows = self._first_rows()
        self.n_first = len(rows)
        self.names = self._names(rows)
        self._take_notes()
        cells = {name: [row.get(name) for row in rows] for name in self.names}
        tokens = frozenset(options.missing_tokens)
        self._types = {name: _settle(found, tokens, name in options.text) for name, found in cells.items()}
        self._literals = {name: _literal_type(found) for name, found in cells.items()}

    def chunks(self, source: Source) -> Iterator[Chunk]:
        """The records of a file.

        :raises ScanError: an array that does not end, or is not all that its file holds
        """
        if self._shapes[source.path].is_array:
            return _elements(source, self.options.encoding)
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
        raw = next(read_pieces(source, 4), b"")
        if self.options.encoding == "utf-8" and raw.startswith(UTF16_MARKS):
            raise ScanError(f"{source.shown} is UTF-16 text; give --encoding utf-16")
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
        fault = None
        for source in self.sources:
            records = _records(next(self.chunks(source), Chunk(source, 1, b"")))
            found = [_plain(record) for _, record in records]
            if self.of_lists:
                found = self._named([row for row in found if isinstance(row, list)])
            rows = [row for row in found if isinstance(row, dict)]
            if rows:
                return rows
            if records and fault is None:
                fault = _fault(source, *records[0])
        raise ScanError(str(fault or f"{self.sources[0].shown} holds no rows of data"))

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
                f"{shown}: none of the first {len(rows)} records has the key {absent[0]!r}; they have {', '.join(keys)}"
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
        records = _records(chunk)
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
        if _MINUS_ZERO.search(data):  # a whole number has no sign of zero
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
                columns[name] = _literal_array(cells, kinds)
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

    def _read_each(self, source: Source, records: list[Record], bad: list[Reject]) -> tuple[pa.Table, list[Record]]:
        """The rows of the good records, and these; the others are added to `bad`."""
        good: list[Record] = []
        rows: list[list[Any]] = []
        for line, record in records:
            row = self._row(source, line, record)
            if isinstance(row, Reject):
                bad.append(row)
            else:
                good.append((line, record))
                rows.append(row)
        cells: Sequence[tuple] = list(zip(*rows)) if rows else [()] * len(self.types)
        columns = [_column(values, arrow) for values, arrow in zip(cells, self.types.values())]
        return pa.table(columns, schema=self._schema), good

    def _row(self, source: Source, line: int, record: bytes) -> list[Any] | Reject:
        """The wanted cells of a record, None where one is missing; or what is wrong with it."""
        try:
            cells = self._cells(_loads(record))
        except (ValueError, RecursionError) as error:
            return _reject(source, line, record, error)
        row = []
        for name, arrow in self.types.items():
            literal = cells.get(name)
            try:
                row.append(None if _is_missing(literal, self._tokens) else _cell(literal, arrow))
            except ValueError as error:
                return Reject(source.shown, line, name, _text(literal)[:SHOWN], str(error))
        return row

    def _cells(self, record: Literal) -> dict[str, Literal]:
        """
        :raises ValueError: a record that is not an object, or array, of the table's columns
        """
        _check_kind(record, self.of_lists)
        if self.of_lists:
            if len(record) != len(self.names):
                raise ValueError(f"this row has {len(record)} cells where {len(self.names)} columns are expected")
            return dict(zip(self.names, record))
        cells = dict(record)
        if not self._passes_over_keys and not cells.keys() <= self._known:
            key = next(key for key in cells if key not in self._known)
            raise ValueError(
                f"has the key {key!r}, which none of the first {self.n_first} records has; "
                "name the keys to be read with --columns"
            )
        if len(cells) < len(record):
            for key, count in Counter(key for key, _ in record).items():
                if count > 1 and key in self._known:
                    raise ValueError(f"names the key {key!r} twice")
        return cells


# -- files and records -------------------------------------------------------------------------------------------------


def _shape(begin: bytes) -> Shape:
    text = begin.lstrip(BLANK)
    if not text.startswith(b"["):
        return Shape(False, False if text else None)
    inner = text[1:].lstrip(BLANK)
    if inner[:1] in (b"{", b"["):
        return Shape(True, inner.startswith(b"["))
    if inner[:1] == b"]" and not inner[1:].strip(BLANK):
        return Shape(True, None)
    return Shape(False, True)


def _elements(source: Source, encoding: str) -> Iterator[Elements]:
    """The array that a file is, in pieces cut behind the commas between its elements."""
    pieces = read_pieces(source, ARRAY_PIECE, encoding)
    first = next(pieces, b"").removeprefix(BYTE_ORDER_MARK)
    data = first.lstrip(BLANK)
    line = 1 + count_lines(first[: len(first) - len(data)])
    data, n_cut = data[1:], 0
    while True:
        commas, end = _top_level(data)
        if end is not None:
            break
        cut = int(commas[-1]) + 1 if len(commas) else 0
        if cut:
            yield Elements(source, line, data[:cut], commas)
            line += count_lines(data[:cut])
            n_cut += cut
        piece = next(pieces, b"")
        data = data[cut:] + piece
        if not piece or len(data) > LONGEST_RECORD + ARRAY_PIECE:
            raise ScanError(
                f"{source.shown}, line {line + _leading_lines(data)}: the element that begins here does not end; "
                "is the file cut short, or a quote or bracket not closed?"
            )
    if data[:end].strip(BLANK):
        yield Elements(source, line, data[:end], commas)
    last = data[:end].rstrip(BLANK)[-1:] or (b"," if n_cut else b"[")
    line += count_lines(data[:end])
    if last == b",":
        raise ScanError(f"{source.shown}, line {line}: the array ends, but behind a comma there must be an element")
    if data[end : end + 1] != b"]":
        raise ScanError(f"{source.shown}, line {line}: a closing brace stands where the array goes on or ends by a bracket")
    _check_tail(source, line, data[end + 1 :], pieces)


def _check_tail(source: Source, line: int, tail: bytes, pieces: Iterator[bytes]) -> None:
    """
    :raises ScanError: anything but blanks behind the end of the array
    """
    for piece in (tail, *pieces):
        if piece.strip(BLANK):
            raise ScanError(
                f"{source.shown}, line {line + _leading_lines(piece)}: there is more behind the end of the array; "
                "a JSON file is one array, or one object or array of values a line"
            )
        line += count_lines(piece)


def _leading_lines(data: bytes) -> int:
    """The line ends before the first character that is not blank."""
    return count_lines(data[: len(data) - len(data.lstrip(BLANK))])


def _top_level(data: bytes) -> tuple[np.ndarray, int | None]:
    """The offsets of the commas between the elements of an array, from the first element on, and of what closes it; None
    where nothing does."""
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


def _records(chunk: Chunk) -> list[Record]:
    """The records of a chunk: its elements, or its lines that are not blank."""
    if isinstance(chunk, Elements):
        return list(_cut(chunk))
    data = chunk.data
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    lines = enumerate(data.split(b"\n"), chunk.line)
    return [(line, record) for line, text in lines if (record := text.strip(BLANK))]


def _cut(chunk: Elements) -> Iterator[Record]:
    line, start = chunk.line, 0
    for stop in [*chunk.commas.tolist(), chunk.n_bytes]:
        text = chunk.data[start:stop]
        record = text.strip(BLANK)
        if record or stop < chunk.n_bytes:
            yield line + _leading_lines(text), record
        line += count_lines(text)
        start = stop + 1


# -- literals ----------------------------------------------------------------------------------------------------------


def _whole(text: str) -> int | float:
    """A whole number; as Arrow reads it where Python has no such one (-0), or would not read it for its length."""
    return float(text) if text == "-0" or len(text) > 4000 else int(text)


_DECODER = json.JSONDecoder(object_pairs_hook=tuple)
_ARROW = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
_CAREFUL_DECODER = json.JSONDecoder(object_pairs_hook=tuple, parse_int=_whole)


def _loads(record: bytes) -> Literal:
    """A record, its objects as tuples of their pairs.

    :raises ValueError: what is not UTF-8, or not JSON
    """
    text = record.decode()
    if b"-0" in record and _MINUS_ZERO.search(record):
        return _CAREFUL_DECODER.decode(text)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # more digits than Python reads
        return _CAREFUL_DECODER.decode(text)


def _plain(record: bytes) -> Literal:
    """A record, its objects as dicts; None where it cannot be read."""
    try:
        return json.loads(record.decode())
    except (ValueError, RecursionError):
        return None


def _check_kind(record: Literal, of_lists: bool) -> None:
    """
    :raises ValueError: a record that is not an array, or an object, as all are
    """
    if not isinstance(record, list if of_lists else tuple):
        raise ValueError(f"is not an {'array' if of_lists else 'object'}, as the other records are")


def _fault(source: Source, line: int, record: bytes) -> Reject:
    """What is wrong with a record that is no row of any table."""
    try:
        _loads(record)
    except (ValueError, RecursionError) as error:
        return _reject(source, line, record, error)
    return _reject(source, line, record, ValueError("is neither an object nor an array"))


def _reject(source: Source, line: int, record: bytes, error: Exception) -> Reject:
    shown = record[: 4 * SHOWN].decode("utf-8", "replace")[:SHOWN]
    if isinstance(error, UnicodeDecodeError):
        reason = "is not UTF-8; --encoding latin-1 reads Western European text"
    elif isinstance(error, RecursionError):
        reason = "is nested too deep"
    elif isinstance(error, json.JSONDecodeError):
        if not record:
            reason = "an element is missing between two commas"
        elif error.pos >= len(error.doc) or error.msg.startswith("Unterminated"):
            reason = "does not end; a record stands on one line, or in an array that is the whole file"
        else:
            reason = f"is not JSON: {error.msg} at character {error.pos + 1}"
    else:
        reason = str(error)
    return Reject(source.shown, line, "", shown, reason)


def _is_missing(literal: Literal, tokens: frozenset[str]) -> bool:
    return literal is None or literal != literal or (isinstance(literal, str) and literal in tokens)


def _text(literal: Literal) -> str:
    """A literal as text."""
    if isinstance(literal, str):
        return literal
    if isinstance(literal, bool):
        return "true" if literal else "false"
    if isinstance(literal, (list, dict, tuple)):
        return "[...]" if isinstance(literal, list) else "{...}"
    # Of -0 the sign is lost where whole numbers are read.
    return "0" if literal == 0 and math.copysign(1, literal) < 0 else repr(literal)


def _cell(literal: Literal, arrow: pa.DataType) -> Any:
    """A literal as a value of this type; a date as its text.

    :raises ValueError: with the reason why it is none
    """
    if isinstance(literal, (list, tuple)):
        raise ValueError(f"is an {'array' if isinstance(literal, list) else 'object'}, not a single value")
    if isinstance(literal, float) and arrow == pa.int64() and literal.is_integer() and abs(literal) <= EXACT:
        literal = int(literal)
    text = _text(literal)
    reason = why_not(text, arrow)
    if reason:
        raise ValueError(reason)
    if arrow == TEXT_TYPE:
        if not _is_unicode(text):
            raise ValueError("holds half of a character, a surrogate without the other one")
        return text
    if pa.types.is_timestamp(arrow):
        return text.strip()
    if pa.types.is_boolean(arrow):
        return text.lower() == "true"
    if arrow == pa.float64():
        return float(text)
    if not -(1 << 63) < int(text) < 1 << 63:
        raise ValueError("is beyond the whole numbers of 64 bits")
    return int(text)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _column(values: Sequence[Any], arrow: pa.DataType) -> pa.Array:
    """Cells as they come from `_cell`."""
    if arrow == TEXT_TYPE:
        return pa.array(values, pa.string()).dictionary_encode()
    if pa.types.is_timestamp(arrow):
        return pa.array(values, pa.string()).cast(arrow)
    return pa.array(values, arrow)


def _literal_array(cells: Sequence[Literal], kinds: set[type]) -> pa.Array:
    """
    :raises ArrowInvalid: cells of several kinds
    """
    if kinds == {int, float}:
        kinds = {float}
    if len(kinds) > 1:
        raise pa.ArrowInvalid("literals of several kinds")
    return pa.array(cells, _ARROW[kinds.pop()] if kinds else pa.null())


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


# -- what the columns hold ---------------------------------------------------------------------------------------------


def _settle(cells: list[Literal], tokens: frozenset[str], take_as_text: bool) -> pa.DataType | None:
    """The type to read a column as; None for lists and objects. What at least half of the cells are decides, and the others
    are bad cells."""
    present = [cell for cell in cells if not _is_missing(cell, tokens)]
    n_nested = sum(isinstance(cell, (list, dict)) for cell in present)
    if n_nested and 2 * n_nested >= len(present):
        return None
    if take_as_text:
        return TEXT_TYPE
    n_bools = sum(isinstance(cell, bool) for cell in present)
    if n_bools and 2 * n_bools >= len(present):
        return pa.bool_()
    numbers = [cell for cell in present if isinstance(cell, (int, float)) and not isinstance(cell, bool)]
    texts = [cell for cell in present if isinstance(cell, str)]
    looked_at = texts[:: max(1, len(texts) // LOOKED_AT)]
    share = sum(map(is_number, looked_at)) / len(looked_at) if texts else 0.0
    if 2 * (len(numbers) + share * len(texts)) >= len(present) - n_nested:
        return _number_type(numbers, texts)
    return _date_type(texts) or TEXT_TYPE


def _number_type(numbers: list[int | float], texts: list[str]) -> pa.DataType:
    """Exact whole numbers where all are whole and some beyond what a float holds exactly."""
    written = [text for text in texts if is_number(text) and not is_nan(text)]
    if any(isinstance(number, float) for number in numbers) or not all(map(_WHOLE.match, written)):
        return pa.float64()
    largest = max(map(abs, [*numbers, *map(float, written)]), default=0)
    return pa.int64() if EXACT < largest < 1 << 63 else pa.float64()


def _date_type(texts: list[str]) -> pa.DataType | None:
    """The type of dates that all these texts are; None where they are not."""
    for arrow in DATES:
        try:
            pa.array(texts, pa.string()).cast(arrow)
        except (pa.ArrowException, UnicodeEncodeError):
            continue
        return arrow
    return None


def _literal_type(cells: list[Literal], depth: int = 0) -> pa.DataType | None:
    """How Arrow's reader of JSON is to take a column: as what most of its literals are; None for lists and objects that are
    of several kinds or nested deep."""
    kinds = Counter(type(cell) for cell in cells if cell is not None)
    if not kinds:
        return pa.null() if depth else pa.float64()
    kind = kinds.most_common(1)[0][0]
    if kind in (list, dict) or depth:
        if depth > DEEPEST or len(kinds) > (2 if kinds.keys() == {int, float} else 1):
            return None
        if kind is list:
            inner = _literal_type([item for cell in cells if cell for item in cell], depth + 1)
            return None if inner is None else pa.list_(inner)
        if kind is dict:
            return _object_type([cell for cell in cells if cell], depth)
    if kind in (int, float):
        return pa.int64() if kinds.keys() <= {int, bool, str, list, dict} and not depth else pa.float64()
    return pa.bool_() if kind is bool else pa.string()


def _object_type(objects: list[dict[str, Literal]], depth: int) -> pa.DataType | None:
    keys = dict.fromkeys(key for cell in objects for key in cell)
    fields = [(key, _literal_type([cell.get(key) for cell in objects], depth + 1)) for key in keys]
    return None if any(arrow is None for _, arrow in fields) else pa.struct(fields)
