"""The formats of input files, one module each; `open_table` finds which one a table has.

    delimited.py      CSV, TSV and their like              libsvm.py     sparse rows `y 3:1.5 7:2`
    json_rows.py      JSON lines and JSON arrays           parquet.py    Parquet

A format is a Reader of the table and a ChunkParser (or its like) of the wanted columns; both read Arrow's columns of the
types in `drivers.packing.kinds`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Protocol

from drivers.packing.formats.chunk_parser import Parsed, Types
from drivers.packing.formats.options import AUTO, InputOptions
from drivers.packing.manifest import find_column
from drivers.packing.sources import first_bytes, read_pieces
from drivers.packing.stores.source import Source
from jobs.text import TextFormat

ENDINGS = {
    "csv": r"csv|tsv|tab|txt",
    "json": r"json|jsonl|ndjson",
    "libsvm": r"svm|libsvm|svmlight",
    "parquet": r"parquet|pq",
}
_LIBSVM = re.compile(
    rb"(\s*#[^\n]*\n)*[-+0-9.eE]+[ \t]+(qid:\d+[ \t]+)?\d+:[-+0-9.eE]+([ \t]+\d+:[-+0-9.eE]+)*[ \t]*(#[^\r\n]*)?[\r\n]"
)
_JSON = re.compile(rb"\s*(\{\s*[\"}]|\[\s*[\[{\"\-0-9tfnNI\]])")


class Parser(Protocol):
    """Parses chunks, in threads beside one another."""

    def parse(self, chunk: Any, max_bad_rows: int = 0) -> Parsed:
        """The rows of a chunk in order, its bad records set aside; not the rest of it once they are too many."""

    def line_of(self, chunk: Any, row: int) -> int:
        """The line (or row, as `unit` of the reader says) at which the chunk's row number `row` from 0 stands."""


class Reader(Protocol):
    """The files of one table.

    names: all columns; notes: what was found and not given, a sentence each; unit: what rows are counted by in
    messages, "line" or "row"; delimiter: a comma where the files have none; text: how a task reads the same files as
    plain text, None where it cannot.
    """

    names: list[str]
    unit: str
    delimiter: str

    @property
    def notes(self) -> list[str]: ...

    @property
    def text(self) -> TextFormat | None: ...

    def chunks(self, source: Source) -> Iterator[Any]:
        """The rows of one file in pieces that are parsed apart; each knows its `n_bytes`."""

    def look(self, wanted: list[str]) -> Types:
        """The type of each wanted column, from the first rows; None for one whose cells hold more than one value."""

    def parser(self, types: Types) -> Parser:
        """A parser of these columns."""


def open_table(sources: list[Source], options: InputOptions) -> Reader:
    """The reader of these files.

    :raises ScanError: files that are no table, or do not belong to one; an unknown column among those of text
    """
    reader = _reader_of(sources, options)
    for name in options.text:
        find_column(reader.names, name, reader.notes)
    return reader


def _reader_of(sources: list[Source], options: InputOptions) -> Reader:
    name = detect(sources[0], options) if options.format == AUTO else options.format
    if name == "parquet":
        from drivers.packing.formats.parquet import ParquetReader

        return ParquetReader(sources, options)
    if name == "json":
        from drivers.packing.formats.json_rows import JsonReader

        return JsonReader(sources, options)
    if name == "libsvm":
        from drivers.packing.formats.libsvm import LibsvmReader

        return LibsvmReader(sources, options)
    from drivers.packing.formats.delimited import DelimitedReader

    return DelimitedReader(sources, options)


def detect(source: Source, options: InputOptions) -> str:
    """The format of a file, by how it begins; its name decides where that says nothing."""
    ending = re.search(r"\.(\w+)(\.(gz|bz2|zst))?$", source.path)
    word = ending[1].lower() if ending else ""
    by_name = next((name for name, endings in ENDINGS.items() if re.fullmatch(endings, word)), "csv")
    if first_bytes(source, 4) in (b"PAR1", b"PARE") or by_name == "parquet":
        return "parquet"
    begin = next(read_pieces(source, 1 << 16, options.encoding), b"").removeprefix(b"\xef\xbb\xbf")
    if word in ("csv", "tsv"):
        return "csv"
    return "json" if _JSON.match(begin) else "libsvm" if _LIBSVM.match(begin) else by_name
