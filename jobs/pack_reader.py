"""Lines of delimited text to blocks of numbers and coded texts, all of them full but the last: packing on the nodes."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import numpy as np

from jobs.blocks import Block
from jobs.design import MISSING_CODE
from jobs.errors import BadRow, ScanError, quoted
from jobs.pack_report import PackQuery
from jobs.text import TextFormat, TextReader, cells_of

LINES = 16384  # parsed at a time
# An empty cell may hold some blanks.
LONGEST_BLANK = 8


class PackReader:
    """Takes the lines of one part in and gives its blocks; `rejects` are the line, text and reason of each bad row, lines
    counted from 1 among all that came.

    :param grows: whether texts that are not known yet are taken in, up to `max_texts` of the query a column
    """

    def __init__(self, query: PackQuery, part: int, grows: bool = False) -> None:
        self.query, self.part, self.grows = query, part, grows
        self.number = self.n_rows = self.n_lines = 0
        self.rejects: list[tuple[int, str, str]] = []
        self.codes = {name: {text: code for code, text in enumerate(texts)} for name, texts in query.texts.items()}
        self.full: set[str] = set()  # columns with too many texts
        numbers = [name for name in query.chosen if name not in query.texts]
        text_format = TextFormat(query.columns, query.delimiter, query.header, query.missing_tokens)
        # Without a number to read, any column will do: its cells are not looked at.
        self._numbers = TextReader(text_format, "", numbers) if numbers else None
        self._header = query.header.encode()
        self._lines: list[bytes] = []
        self._places: list[int] = []  # of these lines among all
        self._pending: list[list[np.ndarray]] = []
        self._n_pending = 0

    def read(self, line: bytes) -> Iterator[Block]:
        """Takes a line in; yields the blocks that have become full.

        :raises BadRow: more bad rows than the query allows
        :raises ScanError: a quoted cell that goes over lines
        """
        self.n_lines += 1
        if line.strip() and line.rstrip(b"\r") != self._header:
            self._lines.append(line.rstrip(b"\r"))
            self._places.append(self.n_lines)
            if len(self._lines) >= LINES:
                self._take()
                yield from self._blocks(self.query.block_rows)

    def flush(self) -> Iterator[Block]:
        """Yields what is left."""
        self._take()
        yield from self._blocks(1)

    def _take(self) -> None:
        """Parses the lines that have come."""
        lines, self._lines = self._lines, []
        places, self._places = self._places, []
        if not lines:
            return
        columns = None if b'"' in b"".join(lines) else self._take_plain(lines)
        if columns is None:
            columns = self._take_each(lines, places)
        self._pending.append(columns)
        self._n_pending += len(columns[0])

    def _take_plain(self, lines: list[bytes]) -> list[np.ndarray] | None:
        """The columns of lines without quotes or anything bad; None where there is."""
        try:
            rows = [line.decode("utf-8") for line in lines]
        except UnicodeDecodeError:
            return None
        found: dict[str, np.ndarray] = {}
        if self._numbers is not None:
            matrix = self._numbers.parse_all(rows)
            if matrix is None:
                return None
            found.update(zip(self._numbers.wanted, matrix.T))
        if self.codes:
            cells = [row.split(self.query.delimiter) for row in rows]
            if any(len(row) != len(self.query.columns) for row in cells):
                return None
            for name in self.codes:
                place = self.query.columns.index(name)
                found[name] = self._encode(name, [row[place] for row in cells])
        return [found[name] for name in self.query.chosen]

    def _take_each(self, lines: list[bytes], places: list[int]) -> list[np.ndarray]:
        rows = []
        for line, place in zip(lines, places):
            try:
                rows.append(self._parse(line))
            except BadRow as error:
                if self.grows:
                    continue  # the pass that packs tells of it
                self.rejects.append((place, line.decode("utf-8", "replace"), str(error)))
                if len(self.rejects) > self.query.max_bad_rows:
                    raise
        columns = []
        for j, name in enumerate(self.query.chosen):
            values = [row[j] for row in rows]
            columns.append(self._encode(name, values) if name in self.codes else np.array(values, float))  # type: ignore
        return columns

    def _parse(self, line: bytes) -> list[float | str]:
        try:
            row = line.decode("utf-8")
        except UnicodeDecodeError:
            raise BadRow(f"a row that is not UTF-8: {quoted(line.decode('utf-8', 'replace'), 80)}") from None
        if _opens_a_quote(row, self.query.delimiter):
            raise ScanError(
                f"a quoted cell that goes over lines, which cannot be packed in pieces: {quoted(row, 80)}; "
                "--pack-here reads the files through this machine"
            )
        cells = cells_of(row, self.query.delimiter, len(self.query.columns))
        numbers = iter(self._numbers.numbers(cells, row) if self._numbers else ())
        return [
            cells[self.query.columns.index(name)] if name in self.codes else next(numbers) for name in self.query.chosen
        ]

    def _encode(self, name: str, cells: list[str]) -> np.ndarray:
        """The codes of texts; shape (n,), int32."""
        codes, tokens = self.codes[name], set(self.query.missing_tokens)
        table = {}
        for text in set(cells):
            if text in tokens or ("" in tokens and not text.strip(" ") and len(text) <= LONGEST_BLANK):
                table[text] = MISSING_CODE
            elif text in codes:
                table[text] = codes[text]
            elif not self.grows:
                raise ScanError(f"column {quoted(name)} holds {quoted(text)}, which was not there a moment ago; run again")
            elif len(codes) >= self.query.max_texts:
                self.full.add(name)
                table[text] = MISSING_CODE
            else:
                table[text] = codes[text] = len(codes)
        return np.array([table[text] for text in cells], dtype=np.int32)

    def _blocks(self, least: int) -> Iterator[Block]:
        """The blocks of at least so many rows that there are."""
        if self._n_pending < least:
            return
        columns = [np.concatenate(pieces) for pieces in zip(*self._pending)]
        size, start = self.query.block_rows, 0
        while self._n_pending - start >= min(least, size):
            stop = min(start + size, self._n_pending)
            values = {name: column[start:stop] for name, column in zip(self.query.chosen, columns)}
            yield Block(self.part, self.number, stop - start, values)
            self.number += 1
            self.n_rows += stop - start
            start = stop
        self._pending = [[column[start:] for column in columns]]
        self._n_pending -= start


def _opens_a_quote(row: str, delimiter: str) -> bool:
    """Whether a cell of the row begins with a quote that the row does not close."""
    try:
        next(csv.reader([row], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        return "unexpected end" in str(error)
    return False
