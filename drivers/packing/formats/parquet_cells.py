"""The cells of Parquet files: what they are by their Arrow type, and how they become cells of a wanted type."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drivers.packing.buffers import to_numpy
from drivers.packing.kinds import TEXT_TYPE, is_number, is_whole
from jobs.design import MISSING_INTEGER

# What the cells of a column are; "" where they are no single values.
NUMBERS, BOOLS, DATES, TEXTS, NOTHING = "numbers", "true and false", "dates", "text", "nothing"
ZONED = "dates with a time zone"
_STRINGS = {pa.string(), pa.large_string(), pa.string_view()}
_BYTES = {pa.binary(), pa.large_binary(), pa.binary_view()}
_SIMPLER = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary(), pa.float16(): pa.float32()}


def plain_type(arrow: pa.DataType) -> pa.DataType:
    """The type of the values behind an extension or a dictionary."""
    if isinstance(arrow, pa.BaseExtensionType):
        return plain_type(arrow.storage_type)
    return arrow.value_type if pa.types.is_dictionary(arrow) else arrow


def plain_cells(column: pa.Array) -> pa.Array:
    """The values behind an extension or a dictionary, of a type that Arrow's functions know."""
    if isinstance(column, pa.ExtensionArray):
        return plain_cells(column.storage)
    if pa.types.is_dictionary(column.type):
        return plain_cells(column.dictionary_decode())
    simpler = _SIMPLER.get(column.type)
    return column if simpler is None else column.cast(simpler)


def is_bytes(arrow: pa.DataType) -> bool:
    return arrow in _BYTES or pa.types.is_fixed_size_binary(arrow)


def is_whole_type(arrow: pa.DataType) -> bool:
    """Whether a column of this type holds whole numbers, of which some may not be told apart as floats."""
    if pa.types.is_decimal(arrow):
        return arrow.scale <= 0 and arrow.precision > 15
    return pa.types.is_integer(arrow) and arrow.bit_width == 64


def kind_of_cells(arrow: pa.DataType) -> str:
    """What the cells of a column of this type are; "" where they are no single values."""
    types = pa.types
    if types.is_boolean(arrow):
        return BOOLS
    if types.is_integer(arrow) or types.is_floating(arrow) or types.is_decimal(arrow):
        return NUMBERS
    if types.is_date(arrow) or types.is_timestamp(arrow):
        return ZONED if getattr(arrow, "tz", None) else DATES
    if arrow in _STRINGS or is_bytes(arrow):
        return TEXTS
    return NOTHING if types.is_null(arrow) else ""


def convert(column: pa.Array, arrow: pa.DataType, tokens: pa.Array) -> pa.Array:
    """Cells as the type that is wanted, null where one is missing.

    :raises ArrowInvalid: where one is bad
    """
    kind = kind_of_cells(column.type)
    if arrow == TEXT_TYPE:
        return _texts(column, tokens).dictionary_encode()
    if pa.types.is_timestamp(arrow):
        # A part of a microsecond is not kept; a moment too far away for them is an error.
        is_finer = pa.types.is_timestamp(column.type) and column.type.unit == "ns"
        return column.cast(arrow, safe=not is_finer)
    if kind == TEXTS:
        if not len(column):
            return pa.array([], arrow)
        raise pa.ArrowInvalid("text")
    if arrow == pa.int64():
        column = _without_nan(column)
    if kind == BOOLS and arrow != pa.bool_():
        column = column.cast(pa.uint8())
    found = column.cast(arrow, safe=arrow != pa.float64())
    if arrow == pa.float64() and _has_infinity(found):
        raise pa.ArrowInvalid("infinity")
    if arrow == pa.int64() and pc.any(pc.equal(found, MISSING_INTEGER)).as_py():
        raise pa.ArrowInvalid("the code of a missing cell")
    return found


def _texts(column: pa.Array, tokens: pa.Array) -> pa.Array:
    if kind_of_cells(column.type) != TEXTS:
        return _without_nan(column).cast(pa.string())
    found = column.cast(pa.string())
    found.validate(full=True)  # writers do not always see to it that text is UTF-8
    return pc.if_else(pc.is_in(found, tokens), pa.scalar(None, pa.string()), found)


def _without_nan(column: pa.Array) -> pa.Array:
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)


def _has_infinity(column: pa.Array) -> bool:
    values = to_numpy(column)
    return not np.isfinite(values.sum()) and bool(np.isinf(values).any())


def bad_cells(column: pa.Array, arrow: pa.DataType, tokens: pa.Array, most: int) -> list[int]:
    """The places of cells that cannot be converted, ascending, no more than `most` of them."""
    try:
        convert(column, arrow, tokens)
    except pa.ArrowException:
        if len(column) == 1:
            return [0]
    else:
        return []
    half = len(column) // 2
    found = bad_cells(column[:half], arrow, tokens, most)
    if len(found) < most:
        found += [half + place for place in bad_cells(column[half:], arrow, tokens, most - len(found))]
    return found


def as_text(cell: pa.Array) -> str:
    """The only cell of an array as text."""
    if kind_of_cells(cell.type) == TEXTS:
        # Not by way of str, which fails where it is not UTF-8.
        return cell.cast(pa.binary())[0].as_py().decode("utf-8", "replace")
    if kind_of_cells(cell.type) in (DATES, ZONED):
        return str(cell[0].value)  # in its own unit, since it may be too far away for Python
    return str(cell[0].as_py())


def complaint(value: str, arrow: pa.DataType) -> str:
    """Why a cell is not of this type."""
    if arrow == TEXT_TYPE:
        return "is not text in UTF-8"
    if pa.types.is_timestamp(arrow):
        return "is too far away for a date" if is_whole(value) else "is not a date like 2024-12-31"
    if arrow == pa.int64():
        return "is beyond the whole numbers of 64 bits" if is_whole(value) else "is not a whole number"
    return "is not a finite number" if is_number(value) else "is not a number"
