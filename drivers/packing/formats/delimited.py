"""Delimited text: CSV, TSV and their like, quoted or not, with a header or without."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyarrow import csv as pacsv

from drivers.packing.chunks import BYTE_ORDER_MARK, Chunk, QuotedEnds, chunks, count_lines, last_record_end
from drivers.packing.formats.chunk_parser import ChunkParser, Parsed, Reject, Types, Unreadable
from drivers.packing.formats.options import InputOptions
from drivers.packing.formats.sniffing import NAMES, cells, delimiter_of, has_header, records
from drivers.packing.kinds import TEXT_TYPE, is_finite, is_nan, is_number, is_whole, settle
from drivers.packing.sources import check_unicode, read_pieces
from drivers.packing.stores.source import Source
from drivers.wording import count, listed
from jobs.errors import ScanError, quoted
from jobs.text import TextFormat

SNIFFED_BYTES = 1 << 16
LOOKED_AT_BYTES = 2 << 20  # decide what the columns hold
# An empty cell may hold some blanks.
BLANKS = [" " * n for n in range(1, 9)]
# In an error of Arrow's, where one thread reads: counted from 1, without empty lines.
ROW = re.compile(r"\bRow #(\d+): ")


class DelimitedReader:
    """The delimited text files of one table. `names` are all its columns; `notes` say what was found and not given."""

    unit = "line"

    def __init__(self, sources: list[Source], options: InputOptions) -> None:
        self.sources, self.options = sources, options
        self._found: list[str] = []
        self._headers_inside: set[tuple[str, int, int]] = set()
        begin = self._begin(sources[0])
        self.delimiter = options.delimiter or delimiter_of(sources[0].path, begin)
        if options.delimiter is None and self.delimiter != ",":
            self._found.append(f"{sources[0].shown}: a {NAMES[self.delimiter]} stands between the cells")
        self.ends = QuotedEnds(self.delimiter)
        self.header, self.names = self._header(sources[0], begin)
        self._has_header = {sources[0].path: bool(self.header)}
        for source in sources[1:]:
            self._has_header[source.path] = self._repeats_header(source)

    @property
    def notes(self) -> list[str]:
        """What was found and not given."""
        n = len(self._headers_inside)
        return [*self._found, *([f"lines passed over because they are the header again: {n:,}"] if n else [])]

    @property
    def text(self) -> TextFormat | None:
        """How a task reads the same files where they lie; None where it cannot."""
        if self.options.encoding.lower() not in ("utf-8", "utf8"):
            return None
        return TextFormat(self.names, self.delimiter, self.header, list(self.options.missing_tokens))

    def chunks(self, source: Source) -> Iterator[Chunk]:
        """The chunks of a file without its header records."""
        first = self._has_header[source.path]
        for chunk in chunks(source, self.ends, self.options.encoding):
            if first:
                chunk, first = self._without_first_record(chunk), False
            if self.header:
                self._blank_headers(chunk)
            yield from self._without_open_record(chunk) if chunk.is_last else [chunk]

    def look(self, wanted: list[str]) -> Types:
        """The type of each wanted column, from the first chunk of the table that has rows."""
        for source in self.sources:
            for chunk in self.chunks(source):
                table = self._read_freely(self._some(chunk.data), wanted)
                if table is not None and table.num_rows:
                    return {name: settle(table.column(name), name in self.options.text) for name in wanted}
                break
        return {name: TEXT_TYPE if name in self.options.text else pa.float64() for name in wanted}

    def parser(self, types: Types) -> DelimitedParser:
        """Parses chunks to columns of these types."""
        return DelimitedParser(self.names, types, self.delimiter, self.options.missing_tokens)

    # -- the header --------------------------------------------------------------------------------------------------

    def _begin(self, source: Source) -> bytes:
        """The first bytes of a file's text.

        :raises ScanError: when it is not text
        """
        check_unicode(source, self.options.encoding)
        begin = next(read_pieces(source, SNIFFED_BYTES, self.options.encoding), b"").removeprefix(BYTE_ORDER_MARK)
        if begin[257:262] == b"ustar":
            raise ScanError(f"{source.shown} is a tar archive; unpack it first")
        if b"\x00" in begin[:4096]:
            raise ScanError(
                f"{source.shown} is not text: it has zero bytes; if it is UTF-16, give --encoding utf-16-le or utf-16-be"
            )
        return begin

    def _header(self, source: Source, begin: bytes) -> tuple[str, list[str]]:
        """The header record, "" without one, and the names of the columns."""
        options = self.options
        found = records(begin, self.delimiter)
        if not found:
            raise ScanError(f"{source.shown} holds no rows of data")
        blank = len(begin) - len(begin.lstrip(b"\r\n"))
        place = f"{source.shown}, line {1 + count_lines(begin[:blank])}"
        first = [cell.strip() for cell in cells(found[0], self.delimiter)]
        later = [cells(record, self.delimiter) for record in found[1:]]
        self._check_text(place, found[0])
        if options.header == "auto":
            found_one = has_header(first, later, options.missing_tokens)
            present = first == list(options.columns) if options.columns else found_one
        else:
            present = options.header == "yes"
        if options.columns:
            self._check_columns(place, list(map(len, [first, *later])))
            return (found[0] if present else ""), list(options.columns)
        if not present:
            if options.header == "auto":
                self._found.append(
                    f"{source.shown} has no header line, so its columns are c1 to c{len(first)}; "
                    "name them with --columns, or say --header yes"
                )
            return "", [f"c{j + 1}" for j in range(len(first))]
        self._check_header(place, found[0], first, list(map(len, later)))
        likely = delimiter_of(source.path, begin)
        if options.delimiter and len(first) == 1 and likely in found[0]:
            self._found.append(
                f"{source.shown}: the {NAMES[likely]} seems to stand between the cells, not the --delimiter that is given"
            )
        return found[0], first

    def _check_text(self, place: str, record: str) -> None:
        if "\ufffd" in record:
            raise ScanError(f"{place}: this is not text in UTF-8; give its --encoding, such as latin-1")

    def _check_columns(self, place: str, sizes: list[int]) -> None:
        """:raises ScanError: when no row that is seen whole has as many cells as --columns names"""
        n_names = len(self.options.columns or ())
        if len(sizes) > 1 and n_names not in sizes[:-1]:
            raise ScanError(
                f"{place}: this row has {count(sizes[0], 'cell')}, and --columns names {n_names}; name each column once, "
                "in order"
            )

    def _check_header(self, place: str, record: str, names: list[str], sizes: list[int]) -> None:
        """:raises ScanError: a header that cannot be that of the rows below it, or does not name each column once"""
        if not sizes and '"' in record and re.search(r"[\r\n]", record):
            raise ScanError(f"{place}: the header goes on to the end of the file; is there a quote that is not closed?")
        size = Counter(sizes[:-1]).most_common(1)[0][0] if len(sizes) > 1 else 0
        if len(names) < size and len(names) not in sizes:
            raise ScanError(
                f"{place}: the header has {count(len(names), 'cell')}, but the rows below it have {size}; remove what "
                "stands above the header, and give each column a name"
            )
        if not names or "" in names:
            raise ScanError(
                f"{place}: column {names.index('') + 1 if names else 1} has no name; "
                "name all columns with --columns and --header yes"
            )
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ScanError(
                f"{place}: the column name {quoted(twice[0])} stands there twice; "
                "name all columns with --columns and --header yes"
            )

    def _repeats_header(self, source: Source) -> bool:
        """Whether another file of the table begins with the header too.

        :raises ScanError: when it begins with another one
        """
        found = records(self._begin(source), self.delimiter)
        if not self.header or not found:
            return False
        first, names = ([cell.strip() for cell in cells(record, self.delimiter)] for record in (found[0], self.header))
        if first == names:
            return True
        later = [cells(record, self.delimiter) for record in found[1:]]
        if self.options.header == "auto" and not has_header(first, later, self.options.missing_tokens):
            return False
        if self.options.columns:
            return self.options.header == "yes"
        raise ScanError(
            f"{source.shown} has the columns {listed(first)}, but {self.sources[0].shown} has {listed(self.names)}; "
            "the files of a table have the same columns in the same order"
        )

    def _without_first_record(self, chunk: Chunk) -> Chunk:
        start = 0
        for end in [*map(int, self.ends(chunk.data)), chunk.n_bytes]:
            if chunk.data[start:end].strip(b"\r\n"):
                line = chunk.line + count_lines(chunk.data[:end])
                return Chunk(chunk.source, line, chunk.data[end:], is_last=chunk.is_last)
            start = end
        return chunk

    def _without_open_record(self, chunk: Chunk) -> list[Chunk]:
        """A file's last chunk, its last record apart where a quote was not closed: that may have swallowed many rows."""
        if not self.ends.leaves_open(chunk.data):
            return [chunk]
        end = last_record_end(chunk.data, self.ends)
        closed = Chunk(chunk.source, chunk.line, chunk.data[:end])
        line = chunk.line + count_lines(closed.data)
        return [*([closed] if end else []), OpenRecord(chunk.source, line, chunk.data[end:])]

    def _blank_headers(self, chunk: Chunk) -> None:
        """Puts an empty line where the header stands again, as it does where files were written one behind another."""
        header = self.header.encode()
        at = chunk.data.find(header)
        if at < 0 or b"\n" in header or b"\r" in header:
            return
        ends = self.ends(chunk.data)
        starts, stops = {0, *ends.tolist()}, {*ends.tolist(), chunk.n_bytes}
        pieces, done = [], 0
        while at >= 0:
            after = at + len(header)
            while chunk.data[after : after + 1] in (b"\r", b"\n") and after not in stops:
                after += 1
            if at in starts and after in stops:
                pieces.append(chunk.data[done:at])
                done = at + len(header)
                # The CR before and the LF behind would become one line end.
                pieces.append(b"\n" if chunk.data[at - 1 : done + 1] == b"\r" + header + b"\n" else b"")
                self._headers_inside.add((chunk.source.path, chunk.line, at))
            at = chunk.data.find(header, at + len(header))
        chunk.data = b"".join([*pieces, chunk.data[done:]])

    # -- what the columns hold -----------------------------------------------------------------------------------------

    def _some(self, data: bytes) -> bytes:
        """The first records, in valid UTF-8."""
        if len(data) > LOOKED_AT_BYTES:
            ends = self.ends(data[:LOOKED_AT_BYTES])
            data = data[: int(ends[-1])] if len(ends) else data
        return data.decode("utf-8", "replace").encode("utf-8")

    def _read_freely(self, data: bytes, wanted: list[str]) -> pa.Table | None:
        """The columns as Arrow takes them for, records of another length left out; None when nothing can be read."""
        data = _shielded(data)
        convert = pacsv.ConvertOptions(
            include_columns=wanted,
            null_values=[*self.options.missing_tokens, *BLANKS],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            true_values=["true", "True", "TRUE"],
            false_values=["false", "False", "FALSE"],
        )
        while data:
            try:
                return pacsv.read_csv(
                    pa.BufferReader(data),
                    # One block, since a later block that does not fit the type of the first one is an error.
                    read_options=pacsv.ReadOptions(column_names=self.names, block_size=max(1 << 20, len(data))),
                    parse_options=pacsv.ParseOptions(
                        delimiter=self.delimiter,
                        newlines_in_values=b'"' in data,
                        invalid_row_handler=lambda row: "skip",
                    ),
                    convert_options=convert,
                )
            except pa.ArrowInvalid:
                ends = self.ends(data[: len(data) // 2])
                data = data[: int(ends[-1])] if len(ends) else b""
        return None


class OpenRecord(Chunk):
    """A record that opens a quoted cell and does not end it."""


class DelimitedParser(ChunkParser):
    """Parses chunks of delimited text."""

    def __init__(self, names: list[str], types: Types, delimiter: str, missing_tokens: tuple[str, ...]) -> None:
        super().__init__(types)
        self.names, self.delimiter, self.missing_tokens = names, delimiter, missing_tokens
        self._ends = QuotedEnds(delimiter)
        self._convert = pacsv.ConvertOptions(
            column_types=types,
            include_columns=list(types),
            null_values=[*missing_tokens, *(BLANKS if "" in missing_tokens else [])],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
            true_values=["true", "True", "TRUE"],
            false_values=["false", "False", "FALSE"],
            check_utf8=TEXT_TYPE in types.values(),
        )

    def parse(self, chunk: Chunk, max_bad_rows: int = 0) -> Parsed:
        if not isinstance(chunk, OpenRecord):
            return super().parse(chunk, max_bad_rows)
        none = super().parse(Chunk(chunk.source, chunk.line, b""))
        text = _printable(chunk.data.decode("utf-8", "surrogateescape").strip("\r\n"))
        return Parsed(
            none.columns, [Reject(chunk.source.shown, chunk.line, "", text, "opens a quoted cell that does not end")]
        )

    def ends(self, data: bytes) -> np.ndarray:
        return self._ends(data)

    def read(self, data: bytes, block_size: int) -> pa.Table:
        try:
            return pacsv.read_csv(
                pa.BufferReader(_shielded(data)),
                # A single block is read sooner than a thread is called.
                read_options=pacsv.ReadOptions(
                    column_names=self.names, block_size=block_size, use_threads=len(data) > block_size
                ),
                parse_options=pacsv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=b'"' in data, ignore_empty_lines=True
                ),
                convert_options=self._convert,
            )
        except pa.ArrowInvalid as error:
            row = ROW.search(str(error))
            raise Unreadable(int(row[1]) - 1 if row else None) from None

    def explain(self, chunk: Chunk) -> Reject:
        path = chunk.source.shown
        # A byte that is no UTF-8 becomes half a surrogate, so that a cell can be written as it was.
        text = chunk.data.decode("utf-8", "surrogateescape")
        found = cells(text, self.delimiter)
        if len(found) != len(self.names):
            expected = f"{count(len(self.names), 'column')} {'is' if len(self.names) == 1 else 'are'} expected"
            reason = f"this row has {count(len(found), 'cell')} where {expected}"
            if '"' in text and re.search(r"[\r\n]", text.strip()):
                reason += "; is there a quote that is not closed?"
            return Reject(path, chunk.line, "", "", reason)
        # The rules tell why; whether a cell is bad tells Arrow, which knows other blanks and other signs.
        suspects = [
            (name, cell, why_not(_printable(cell), self.types[name]))
            for name, cell in zip(self.names, found)
            if name in self.types
        ]
        for name, cell, reason in sorted(suspects, key=lambda suspect: not suspect[2]):
            if self._refuses(name, cell):
                reason = reason or complaint(self.types[name])
                # No header was found, or line 1 would be it.
                if chunk.line == 1:
                    reason += "; if line 1 is the header, say --header yes"
                return Reject(path, chunk.line, name, _printable(cell), reason)
        return Reject(path, chunk.line, "", _printable(text.strip("\r\n")), "cannot be read")

    def _refuses(self, name: str, cell: str) -> bool:
        """Whether a cell alone cannot be read as its column's type."""
        alone = DelimitedParser([name], {name: self.types[name]}, self.delimiter, self.missing_tokens)
        record = '"' + cell.replace('"', '""') + '"\n'
        try:
            alone._read(record.encode("utf-8", "surrogateescape"), 1 << 20)
        except Unreadable:
            return True
        return False


def _shielded(data: bytes) -> bytes:
    """The data behind an empty line where they begin as a file with a mark, which Arrow would take off; here it is part of
    a cell, as where files were written one behind another."""
    return b"\n" + data if data.startswith(BYTE_ORDER_MARK) else data


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def why_not(cell: str, arrow: pa.DataType) -> str:
    """Why a cell cannot be read as this type; "" where it can."""
    if "\ufffd" in cell:
        return "is not UTF-8; --encoding latin-1 reads Western European text"
    if arrow == TEXT_TYPE:
        return ""
    if pa.types.is_boolean(arrow):
        return "" if cell.lower() in ("true", "false") else complaint(arrow)
    if pa.types.is_timestamp(arrow):
        try:
            pa.array([cell.strip()]).cast(arrow)
        except pa.ArrowInvalid:
            return complaint(arrow)
        return ""
    if arrow == pa.int64():
        if not is_whole(cell):
            return complaint(arrow)
        return "" if abs(int(cell)) < 2**63 else "is beyond 64 bits"
    if is_finite(cell) or is_nan(cell):
        return ""
    return "is not a finite number" if is_number(cell) else complaint(arrow)


def complaint(arrow: pa.DataType) -> str:
    """What is said of a cell that is not of a column's type."""
    if pa.types.is_boolean(arrow):
        return "is neither true nor false"
    if pa.types.is_timestamp(arrow):
        return "is not a date like 2024-12-31 or 2024-12-31 23:59:59, as the column's first ones are"
    return "is not a whole number" if arrow == pa.int64() else "is not a number"
