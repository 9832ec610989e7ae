"""LIBSVM and SVMlight text: a row is `label index:value index:value ... # comment`, and a value that is not named is 0.

The columns are y and x1 to xp, or x0 to xp where an index 0 stands in the files; p is the largest index in any of them.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from drivers.packing.chunks import Chunk, chunks, count_lines, line_ends
from drivers.packing.formats.chunk_parser import ChunkParser, Reject, Types, Unreadable
from drivers.packing.formats.options import InputOptions
from drivers.packing.kinds import TEXT_TYPE, is_finite, is_number
from drivers.packing.sources import check_unicode
from drivers.packing.stores.source import Source
from jobs.errors import ScanError

MOST_FEATURES = 5000
# Of the rows of a chunk as a dense table.
DENSE_BYTES = 32 << 20
_ODD_QUERY = re.compile(rb"qid(?!:[+-]?\d+(\s|#|\Z))")


class LibsvmReader:
    """The LIBSVM files of one table. `names` are its columns, the label first; `first` is the first feature's index."""

    unit = "line"
    delimiter = ","
    text = None  # a task reads delimited text only

    def __init__(self, sources: list[Source], options: InputOptions) -> None:
        self.sources, self.options = sources, options
        self.notes: list[str] = []
        for source in sources:
            check_unicode(source, options.encoding)
        if options.columns:
            self.names = list(options.columns)
            self.first = 0 if self._begins_with_zero() else 1
        else:
            self.first, last = self._extent()
            self.names = ["y", *(f"x{index}" for index in range(self.first, last + 1))]
        if len(self.names) - 1 > MOST_FEATURES:
            raise ScanError(f"--columns names {len(self.names) - 1:,} features; {_TOO_WIDE}")
        self.notes.append(f"{sources[0].shown}: LIBSVM text; a feature that a row does not name is 0")

    def chunks(self, source: Source) -> Iterator[Chunk]:
        """The rows of a file, in pieces that are small enough as a dense table."""
        most = max(1, DENSE_BYTES // (8 * len(self.names)))
        for chunk in chunks(source, line_ends, self.options.encoding):
            if chunk.n_bytes <= 2 * most:  # a row has two bytes at least
                yield chunk
                continue
            line, start = chunk.line, 0
            for stop in [*line_ends(chunk.data)[most - 1 :: most].tolist(), chunk.n_bytes]:
                if start < stop:
                    yield Chunk(source, line, chunk.data[start:stop])
                line += count_lines(chunk.data[start:stop])
                start = stop

    def look(self, wanted: list[str]) -> Types:
        """Numbers, all of them, but for columns that are to be taken as text."""
        return {name: TEXT_TYPE if name in self.options.text else pa.float64() for name in wanted}

    def parser(self, types: Types) -> LibsvmParser:
        """Parses chunks to columns of these types."""
        return LibsvmParser(self.names, self.first, types)

    def _begins_with_zero(self) -> bool:
        chunk = next(chunks(self.sources[0], line_ends, self.options.encoding), Chunk(self.sources[0], 1, b""))
        return _has_index_zero(_without_comments(chunk.data))

    def _extent(self) -> tuple[int, int]:
        """The first index of the table, 0 or 1, and the last one, of a scan of all files.

        :raises ScanError: no rows, more features than a table may have
        """
        first, last, is_empty, place = 1, 0, True, ""
        for source in self.sources:
            for chunk in chunks(source, line_ends, self.options.encoding):
                data = _without_comments(chunk.data)
                is_empty = is_empty and not data.strip()
                first = 0 if first == 0 or _has_index_zero(data) else 1
                if (found := _last_index(data)) > last:
                    last = found
                    if last >= MOST_FEATURES:
                        place = f"{source.shown}, line {chunk.line + _line_of_index(data, last)}"
                if last - first + 1 > MOST_FEATURES:
                    raise ScanError(f"{place}: the index {last} stands here; {_TOO_WIDE}")
        if is_empty:
            raise ScanError(f"{self.sources[0].shown} holds no rows of data")
        return first, last


_TOO_WIDE = f"more than {MOST_FEATURES:,} features are not read, for a table here is dense: hash or select them first"


class LibsvmParser(ChunkParser):
    """Parses chunks of LIBSVM text."""

    def __init__(self, names: list[str], first: int, types: Types) -> None:
        super().__init__(types)
        self.names, self.first = names, first
        self.last = first + len(names) - 2
        self._column_of = {name: j for j, name in enumerate(names)}

    def ends(self, data: bytes) -> np.ndarray:
        return line_ends(data)

    def read(self, data: bytes, block_size: int) -> pa.Table:
        from sklearn.datasets import load_svmlight_file

        # Python takes 1_0 for 10, and scikit-learn any word that begins with qid.
        if b"_" in data or (b"qid" in data and _ODD_QUERY.search(data)):
            data = _without_comments(data)
            if b"_" in data or _ODD_QUERY.search(data):
                raise Unreadable
        try:
            X, y, _ = load_svmlight_file(
                io.BytesIO(_with_line_feeds(data)),
                n_features=max(1, len(self.names) - 1),
                zero_based=self.first == 0,
                query_id=True,
            )
        except (ValueError, OverflowError):
            raise Unreadable from None
        if not np.isfinite(X.data).all() or not np.isfinite(y).all() or (len(self.names) == 1 and X.nnz):
            raise Unreadable
        return self._table(X.tocsc(), y)

    def _table(self, X, y: np.ndarray) -> pa.Table:
        columns = []
        for name, arrow in self.types.items():
            j = self._column_of[name]
            values = y
            if j:
                inside = slice(X.indptr[j - 1], X.indptr[j])
                values = np.zeros(len(y))
                values[X.indices[inside]] = X.data[inside]
            columns.append(_as_texts(values) if arrow == TEXT_TYPE else pa.array(values).cast(arrow))
        return pa.table(columns, names=list(self.types))

    def explain(self, chunk: Chunk) -> Reject:
        column, value, reason = self._fault(_without_comments(chunk.data).decode("utf-8", "replace").split())
        if not reason:
            value, reason = chunk.data.decode("utf-8", "replace").strip(), "cannot be read"
        return Reject(chunk.source.shown, chunk.line, column, value, reason)

    def _fault(self, words: list[str]) -> tuple[str, str, str]:
        """The column, the value and what is wrong with it, of the first bad word of a row."""
        label, *words = words or [""]
        if not is_finite(label):
            reason = "is several labels, and a row has one" if "," in label else _no_number(label)
            return self.names[0], label, reason
        before = -1
        for n, word in enumerate(words):
            index, colon, value = word.partition(":")
            if n == 0 and index == "qid":
                if not re.fullmatch(r"[+-]?\d+", value, re.ASCII):
                    return "", word, "is not the number of a query, as in qid:3"
                continue
            reason = self._fault_of_index(index, colon, before)
            if reason:
                return "", word, reason
            before = int(index)
            if not is_finite(value):
                return self.names[before - self.first + 1], value, _no_number(value)
        return "", "", ""

    def _fault_of_index(self, index: str, colon: str, before: int) -> str:
        if not colon:
            return "is not written index:value"
        if not re.fullmatch(r"\+?\d{1,18}", index, re.ASCII):
            return "has an index that is not a whole number from 0 on"
        if int(index) <= before:
            return f"follows the index {before}; the indices of a row ascend, each is named once"
        if int(index) < self.first:
            return "has the index 0, but the columns begin with the index 1"
        if int(index) > self.last:
            return f"has an index beyond the last column, which is {self.last}"
        return ""


def _no_number(value: str) -> str:
    return "is not a finite number" if is_number(value) else "is not a number"


def _with_line_feeds(data: bytes) -> bytes:
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def _without_comments(data: bytes) -> bytes:
    return re.sub(rb"#[^\r\n]*", b"", data) if b"#" in data else data


def _has_index_zero(data: bytes) -> bool:
    return b" 0:" in data or b"\t0:" in data


def _last_index(data: bytes) -> int:
    """The largest index that is the last one of a line; indices ascend."""
    return max(_last_indices(data), default=0)


def _last_indices(data: bytes) -> Iterator[int]:
    for line in _with_line_feeds(data).split(b"\n"):
        index = line[: line.rfind(b":") + 1][-20:-1].split()[-1:]
        yield int(index[0]) if index and index[0].lstrip(b"+").isdigit() else 0


def _line_of_index(data: bytes, index: int) -> int:
    """The number of the first line, counted from 0, of which an index is the last one."""
    return next(n for n, found in enumerate(_last_indices(data)) if found == index)


def _as_texts(values: np.ndarray) -> pa.Array:
    """Numbers as they are mostly written: a whole one without a decimal point."""
    return pa.array([str(int(v)) if v.is_integer() else repr(v) for v in values.tolist()], pa.string()).dictionary_encode()
