"""The kinds of a packed column, and how Arrow's columns become arrays of each.

kind      what it holds                                        in a block                       a missing cell
number    numbers, or true and false as 1 and 0                float64                          NaN
integer   whole numbers, some beyond 2**53, so exact           int64                            -2**63
date      days since 1970-01-01 00:00                          float64                          NaN
text      any text: codes into the column's dictionary         int32, by first appearance       -1
hash      a text identity: the first 64 bits of its BLAKE2b    int64                            -2**63
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drivers.packing.buffers import from_numpy, to_numpy
from jobs.design import MISSING_CODE, MISSING_INTEGER, missing_cells
from jobs.kernels.days import MICROSECONDS_A_DAY, microseconds_of

NUMBER, INTEGER, DATE, TEXT, HASH = "number", "integer", "date", "text", "hash"
EXACT = 2.0**53  # from here on a float64 may stand for more than one whole number
TEXT_TYPE = pa.dictionary(pa.int32(), pa.string())
# A column whose first cells are days without a time of day; moments are read as timestamps of microseconds.
DAY_TYPE = pa.timestamp("s")
WRITTEN = {NUMBER: pa.float64(), INTEGER: pa.int64(), DATE: pa.string(), TEXT: pa.string(), HASH: pa.int64()}
# More texts than these are no categories: their dictionary would outgrow the driver's memory.
MOST_TEXTS = 1 << 20
_LOOKED_AT = 2000  # cells of a column that decide whether it is one of numbers
_NUMBER = re.compile(r"\s*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf|infinity)\s*\Z", re.IGNORECASE | re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,6})?)?)?\Z", re.ASCII)


@dataclass
class Texts:
    """A column of text: codes (n,) int32 into `values`, -1 where the cell is missing."""

    codes: np.ndarray
    values: list[str]

    def __len__(self) -> int:
        return len(self.codes)


Column = np.ndarray | Texts


def kind_of(arrow: pa.DataType) -> str:
    """The kind that a column of this type is packed as."""
    if arrow == TEXT_TYPE:
        return TEXT
    if pa.types.is_timestamp(arrow):
        return DATE
    return INTEGER if arrow == pa.int64() else NUMBER


def settle(column: pa.ChunkedArray, take_as_text: bool = False) -> pa.DataType | None:
    """The type to read a column as, from what Arrow took its first cells for; None for what is no cell (a list, a record).

    Where at least half of the cells of a text column are numbers it is one of numbers with some bad cells in it.
    """
    arrow = column.type
    if pa.types.is_dictionary(arrow):
        arrow = arrow.value_type
    if pa.types.is_nested(arrow):
        return None
    if take_as_text:
        return TEXT_TYPE
    if pa.types.is_boolean(arrow) or pa.types.is_null(arrow):
        return pa.float64() if pa.types.is_null(arrow) else arrow
    if pa.types.is_integer(arrow):
        extremes = pc.min_max(column)
        beyond = any(abs(end.as_py() or 0) >= EXACT for end in (extremes["min"], extremes["max"]))
        return pa.int64() if beyond else pa.float64()
    if pa.types.is_floating(arrow) or pa.types.is_decimal(arrow):
        return pa.float64()
    if pa.types.is_date(arrow):
        return DAY_TYPE
    if pa.types.is_timestamp(arrow):
        return pa.timestamp("ns" if arrow.unit == "ns" else "us", arrow.tz)
    cells = _some_cells(column)
    if 2 * sum(map(is_number, cells)) >= len(cells):
        return pa.float64()
    return pa.timestamp("us") if 2 * sum(map(_is_date, cells)) >= len(cells) else TEXT_TYPE


def _some_cells(column: pa.ChunkedArray) -> list[str]:
    """Cells of a column of text, evenly spaced, those left out that are written as numbers but are none."""
    present = column.drop_null()
    step = max(1, len(present) // _LOOKED_AT)
    cells = [str(cell) for cell in present.take(from_numpy(np.arange(0, len(present), step))).to_pylist()]
    return [cell for cell in cells if not is_nan(cell)]


def _is_date(cell: str) -> bool:
    return _DATE.match(cell) is not None


def to_arrays(column: pa.ChunkedArray, arrow: pa.DataType) -> Column:
    """A column read as `arrow`, as its block will hold it, texts still with their own dictionary."""
    if arrow == TEXT_TYPE:
        whole = column.unify_dictionaries().combine_chunks()
        if isinstance(whole, pa.ChunkedArray):
            whole = whole.chunk(0) if whole.num_chunks else pa.array([], TEXT_TYPE)
        codes = to_numpy(whole.indices, MISSING_CODE)
        return Texts(codes.astype(np.int32, copy=False), whole.dictionary.to_pylist())
    if pa.types.is_timestamp(arrow):
        microseconds = pc.cast(pc.cast(column, pa.timestamp("us", arrow.tz), safe=False), pa.int64())
        return to_numpy(pc.cast(microseconds, pa.float64(), safe=False)) / MICROSECONDS_A_DAY
    if arrow == pa.int64():
        return to_numpy(column, MISSING_INTEGER)
    if pa.types.is_boolean(arrow):
        return to_numpy(pc.cast(pc.cast(column, pa.uint8()), pa.float64()))
    return to_numpy(column)


def hashes(texts: Texts) -> np.ndarray:
    """A text identity's hash for each row, the missing code where there is none; shape (n,), int64."""
    digests = [hashlib.blake2b(value.encode(), digest_size=8).digest() for value in texts.values]
    found = [int.from_bytes(digest, "little", signed=True) for digest in digests]
    return np.array([*found, MISSING_INTEGER], dtype=np.int64)[texts.codes]


def to_arrow(values: np.ndarray, kind: str, texts: list[str] | None = None, arrow: pa.DataType | None = None) -> pa.Array:
    """Values of a packed column as people write them: texts for codes, dates for days, nothing for what is missing.

    :param arrow: the type the column was read as, which tells days from moments
    """
    absent = missing_cells(values)
    if kind == TEXT:
        codes = pa.array(values, pa.int32(), mask=values < 0)
        return pa.DictionaryArray.from_arrays(codes, pa.array(texts, pa.string())).cast(pa.string())
    if kind == DATE:
        days = np.where(np.isnan(values), 0.0, values)
        moments = pa.array(microseconds_of(days), mask=absent).cast(pa.timestamp("us"))
        if arrow == DAY_TYPE and (days == np.floor(days)).all():
            return moments.cast(pa.date32()).cast(pa.string())
        return pc.utf8_rtrim(pc.utf8_rtrim(moments.cast(pa.string()), "0"), ".")
    return pa.array(values, WRITTEN[kind], mask=absent)


class Dictionary:
    """The texts of a column in order of first appearance."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def encode(self, texts: Texts) -> np.ndarray:
        """The column's codes, new texts taken in; shape (n,), int32."""
        codes = self.codes
        table = [codes.setdefault(value, len(codes)) for value in texts.values]
        return np.array([*table, MISSING_CODE], dtype=np.int32)[texts.codes]


def is_number(cell: str) -> bool:
    """Whether a cell is written as a number, NaN and infinities included."""
    return _NUMBER.match(cell) is not None


def is_whole(cell: str) -> bool:
    """Whether a cell is written as a whole number, by digits alone."""
    return re.fullmatch(r"\s*[+-]?\d+\s*", cell, re.ASCII) is not None


def is_nan(cell: str) -> bool:
    """Whether a cell is written as a number that is none."""
    return is_number(cell) and math.isnan(float(cell))


def is_finite(cell: str) -> bool:
    """Whether a cell is written as a finite number."""
    return is_number(cell) and math.isfinite(float(cell))
