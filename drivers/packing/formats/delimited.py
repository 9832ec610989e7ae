"""Delimited text: CSV, TSV and their like, quoted or not, with a header or without."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyarrow import csv as pacsv

from drivers.packing.chunks import BYTE_ORDER_MARK, Chunk, QuotedEnds, chunks, count_lines
from drivers.packing.formats.chunk_parser import ChunkParser, Reject, Types
from drivers.packing.formats.options import InputOptions
from drivers.packing.formats.sniffing import NAMES, cells, delimiter_of, has_header, records
from drivers.packing.kinds import TEXT_TYPE, is_finite, is_nan, is_number, is_whole, settle
from drivers.packing.sources import UTF16_MARKS, read_pieces
from drivers.packing.stores.source import Source
from jobs.errors import ScanError
from jobs.text import TextFormat

SNIFFED_BYTES = 1 << 16
LOOKED_AT_BYTES = 2 << 20  # decide what the columns hold
# An empty cell may hold some blanks.
BLANKS = [" " * n for n in range(1, 9)]


class DelimitedReader:
    """The delimited text files of one table. `names` are all its columns; `notes` say what was found and not given."""

    unit = "line"

    def __init__(self, sources: list[Source], options: InputOptions) -> None:
        self.sources, self.options = sources, options
        self.notes: list[str] = []
        self.n_headers_inside = 0
        begin = self._begin(sources[0])
        self.delimiter = options.delimiter or delimiter_of(sources[0].path, begin)
        if options.delimiter is None and self.delimiter != ",":
            self.notes.append(f"{sources[0].shown}: a {NAMES[self.delimiter]} stands between the cells")
        self.ends = QuotedEnds(self.delimiter)
        self.header, self.names = self._header(sources[0], records(begin, self.delimiter))
        self._has_header = {sources[0].path: bool(self.header)}
        for source in sources[1:]:
            self._has_header[source.path] = self._repeats_header(source)

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
            yield chunk

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
        raw = next(read_pieces(source, 4), b"")
        if self.options.encoding == "utf-8" and raw.startswith(UTF16_MARKS):
            raise ScanError(f"{source.shown} is UTF-16 text; give --encoding utf-16")
        begin = next(read_pieces(source, SNIFFED_BYTES, self.options.encoding), b"").removeprefix(BYTE_ORDER_MARK)
        if b"\x00" in begin[:4096]:
            raise ScanError(f"{source.shown} is not text: it has zero bytes")
        return begin

    def _header(self, source: Source, found: list[str]) -> tuple[str, list[str]]:
        """The header record, "" without one, and the names of the columns."""
        options = self.options
        if not found:
            raise ScanError(f"{source.shown} holds no rows of data")
        first = [cell.strip() for cell in cells(found[0], self.delimiter)]
        later = [cells(record, self.delimiter) for record in found[1:]]
        self._check_text(source, found[0])
        if options.header == "auto":
            found_one = has_header(first, later, options.missing_tokens)
            present = first == list(options.columns) if options.columns else found_one
        else:
            present = options.header == "yes"
        if options.columns:
            return (found[0] if present else ""), list(options.columns)
        if not present:
            if options.header == "auto":
                self.notes.append(
                    f"{source.shown} has no header line, so its columns are c1 to c{len(first)}; "
                    "name them with --columns, or say --header yes"
                )
            return "", [f"c{j + 1}" for j in range(len(first))]
        if not first or "" in first:
            raise ScanError(
                f"{source.shown}, line 1: column {first.index('') + 1 if first else 1} has no name; "
                "name all columns with --columns and --header yes"
            )
        twice = sorted({name for name in first if first.count(name) > 1})
        if twice:
            raise ScanError(
                f"{source.shown}, line 1: the column name {twice[0]!r} stands there twice; "
                "name all columns with --columns and --header yes"
            )
        return found[0], first

    def _check_text(self, source: Source, record: str) -> None:
        if "\ufffd" in record:
            raise ScanError(
                f"{source.shown} is not text in UTF-8: its first line holds other bytes; give --encoding, such as latin-1"
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
            f"{source.shown} has the columns {', '.join(first)}, but {self.sources[0].shown} has {', '.join(self.names)}"
        )

    def _without_first_record(self, chunk: Chunk) -> Chunk:
        start = 0
        for end in [*map(int, self.ends(chunk.data)), chunk.n_bytes]:
            if chunk.data[start:end].strip(b"\r\n"):
                return Chunk(chunk.source, chunk.line + count_lines(chunk.data[:end]), chunk.data[end:])
            start = end
        return chunk

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
                self.n_headers_inside += 1
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

    def ends(self, data: bytes) -> np.ndarray:
        return self._ends(data)

    def read(self, data: bytes, block_size: int) -> pa.Table | None:
        try:
            return pacsv.read_csv(
                pa.BufferReader(data),
                read_options=pacsv.ReadOptions(column_names=self.names, block_size=block_size),
                parse_options=pacsv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=b'"' in data, ignore_empty_lines=True
                ),
                convert_options=self._convert,
            )
        except pa.ArrowInvalid:
            return None

    def explain(self, chunk: Chunk) -> Reject:
        path = chunk.source.shown
        text = chunk.data.decode("utf-8", "replace").strip("\r\n")
        found = cells(text, self.delimiter)
        if len(found) != len(self.names):
            reason = f"this row has {len(found)} cells where {len(self.names)} columns are expected"
            if b'"' in chunk.data and b"\n" in chunk.data.strip():
                reason += "; is there a quote that is not closed?"
            return Reject(path, chunk.line, "", "", reason)
        for name, cell in zip(self.names, found):
            if name not in self.types or cell in self.missing_tokens:
                continue
            reason = why_not(cell, self.types[name])
            if reason:
                return Reject(path, chunk.line, name, cell, reason)
        return Reject(path, chunk.line, "", text, "cannot be read")


def why_not(cell: str, arrow: pa.DataType) -> str:
    """Why a cell cannot be read as this type; "" where it can."""
    if "\ufffd" in cell:
        return "is not UTF-8; --encoding latin-1 reads Western European text"
    if arrow == TEXT_TYPE:
        return ""
    if pa.types.is_boolean(arrow):
        return "" if cell.lower() in ("true", "false") else "is neither true nor false"
    if pa.types.is_timestamp(arrow):
        try:
            pa.array([cell.strip()]).cast(arrow)
        except pa.ArrowInvalid:
            return "is not a date like 2024-12-31 or 2024-12-31 23:59:59, as the column's first ones are"
        return ""
    if arrow == pa.int64():
        if not is_whole(cell):
            return "is not a whole number"
        return "" if abs(int(cell)) < 2**63 else "is beyond 64 bits"
    if is_finite(cell) or is_nan(cell):
        return ""
    return "is not a finite number" if is_number(cell) else "is not a number"
