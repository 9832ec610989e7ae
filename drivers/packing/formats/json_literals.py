"""The values of JSON records: how one becomes a cell of a type, and the type that a column of them is read as.

Of an object the decoder gives the tuple of its pairs, so that a key named twice is seen.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from drivers.packing.formats.delimited import why_not
from drivers.packing.kinds import DAY_TYPE, EXACT, TEXT_TYPE, is_nan, is_number, is_whole
from jobs.design import MISSING_INTEGER

LOOKED_AT = 2000  # texts of a column that decide whether it is one of numbers
LENGTH_OF_A_DAY = len("2024-12-31")
DEEPEST = 8  # levels of a nested column that Arrow is told of
DATES = [pa.timestamp(unit, zone) for zone in (None, "UTC") for unit in ("us", "ns")]
MINUS_ZERO = re.compile(rb"-0\s*[,}\]]")
_ARROW = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}

Literal = Any  # a value as the decoder gives it


def _whole(text: str) -> int | float:
    """A whole number; a float where Python has no such one (-0), or would not read it for its length."""
    return float(text) if text == "-0" or len(text) > 4000 else int(text)


_DECODER = json.JSONDecoder(object_pairs_hook=tuple)
_CAREFUL_DECODER = json.JSONDecoder(object_pairs_hook=tuple, parse_int=_whole)


def decode(record: bytes) -> Literal:
    """The value of a record.

    :raises ValueError: what is not UTF-8, or not JSON
    :raises RecursionError: what is nested too deep
    """
    text = record.decode()
    if b"-0" in record and MINUS_ZERO.search(record):
        return _CAREFUL_DECODER.decode(text)
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # more digits than Python reads
        return _CAREFUL_DECODER.decode(text)


def why(error: Exception, record: bytes) -> str:
    """What an error of `decode` means."""
    if isinstance(error, UnicodeDecodeError):
        return "is not UTF-8; --encoding latin-1 reads Western European text"
    if isinstance(error, RecursionError):
        return "is nested too deep"
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    if not record:
        return "an element is missing between two commas"
    if error.pos >= len(error.doc) or error.msg.startswith("Unterminated"):
        return "does not end; a record stands on one line, or in an array that is the whole file"
    return f"is not JSON: {error.msg} at character {error.pos + 1}"


# -- cells -------------------------------------------------------------------------------------------------------------

Reads = Callable[[Literal], Any]  # a literal, not a missing one, as a cell


def is_missing(literal: Literal, tokens: frozenset[str]) -> bool:
    return literal is None or literal != literal or (isinstance(literal, str) and literal in tokens)


def reads(arrow: pa.DataType) -> Reads:
    """How a literal becomes a cell of this type, a date still as its text. It raises ValueError with what is wrong."""
    if arrow == TEXT_TYPE:
        return _read_text
    if arrow == pa.float64():
        return _read_number
    if arrow == pa.int64():
        return _read_whole
    if pa.types.is_boolean(arrow):
        return lambda literal: _checked(literal, arrow).lower() == "true"
    return lambda literal: _checked(literal, arrow).strip()


def to_column(cells: Sequence[Any], arrow: pa.DataType) -> pa.Array:
    """Cells as they were read, None where one is missing."""
    if arrow == TEXT_TYPE:
        return pa.array(cells, pa.string()).dictionary_encode()
    if pa.types.is_timestamp(arrow):
        return pa.array(cells, pa.string()).cast(arrow)
    return pa.array(cells, arrow)


def as_text(literal: Literal) -> str:
    """A literal as text."""
    if isinstance(literal, str):
        return literal
    if isinstance(literal, bool):
        return "true" if literal else "false"
    if isinstance(literal, (list, tuple, dict)):
        return "[...]" if isinstance(literal, list) else "{...}"
    # A column of whole numbers does not keep the sign of -0.
    return "0" if literal == 0 and math.copysign(1, literal) < 0 else repr(literal)


def _checked(literal: Literal, arrow: pa.DataType) -> str:
    """The text of a literal that is one of this type.

    :raises ValueError: why it is none
    """
    if isinstance(literal, (list, tuple)):
        raise ValueError(f"is an {'array' if isinstance(literal, list) else 'object'}, not a single value")
    text = as_text(literal)
    reason = why_not(text, arrow)
    if reason:
        raise ValueError(reason)
    return text


def _read_text(literal: Literal) -> str:
    text = literal if type(literal) is str else _checked(literal, TEXT_TYPE)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a character, a surrogate without the other one") from None
    return text


def _read_number(literal: Literal) -> float:
    if type(literal) is float and math.isfinite(literal):
        return literal
    return float(_checked(literal, pa.float64()))


def _read_whole(literal: Literal) -> int:
    if type(literal) is float and _is_whole(literal):
        return int(literal)
    whole = literal if type(literal) is int else int(_checked(literal, pa.int64()))
    if not MISSING_INTEGER < whole < 1 << 63:
        raise ValueError("is beyond the whole numbers of 64 bits")
    return whole


# -- what a column holds -----------------------------------------------------------------------------------------------


def settle_literals(cells: Sequence[Literal], tokens: frozenset[str], take_as_text: bool) -> pa.DataType | None:
    """The type to read a column as; None for one of lists or objects. At least half of the cells decide, and those that do
    not fit are bad ones."""
    present = [cell for cell in cells if not is_missing(cell, tokens)]
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
    """Where all are whole, and some beyond those that a float tells apart: exact ones, or texts beyond 64 bits."""
    written = [text for text in texts if is_number(text) and not is_nan(text)]
    if not all(map(_is_whole, numbers)) or not all(map(is_whole, written)):
        return pa.float64()
    largest = max(map(abs, [*numbers, *map(int, written)]), default=0)
    return pa.float64() if largest < EXACT else pa.int64() if largest < 1 << 63 else TEXT_TYPE


def _is_whole(number: int | float) -> bool:
    return isinstance(number, int) or (number.is_integer() and abs(number) < EXACT)


def _date_type(texts: list[str]) -> pa.DataType | None:
    """The type of dates that all of these texts are; None where they are not."""
    for arrow in [DAY_TYPE, *DATES] if all(len(text) == LENGTH_OF_A_DAY for text in texts) else DATES:
        try:
            pa.array(texts, pa.string()).cast(arrow)
        except (pa.ArrowException, UnicodeEncodeError):
            continue
        return arrow
    return None


def literal_array(cells: Sequence[Literal], kinds: set[type]) -> pa.Array:
    """Literals that are of these kinds, or None.

    :raises ArrowInvalid: literals of several kinds, or no single values
    """
    if not kinds:
        return pa.array(cells, pa.null())
    kind = float if kinds == {int, float} else next(iter(kinds))
    if (len(kinds) > 1 and kinds != {int, float}) or kind not in _ARROW:
        raise pa.ArrowInvalid("literals of several kinds")
    return pa.array(cells, _ARROW[kind])


def literal_type(cells: Sequence[Literal], depth: int = 0) -> pa.DataType | None:
    """How Arrow's reader of JSON is to take a column: as what most of its literals are; None for lists and objects of
    several kinds, or nested deep."""
    kinds = Counter(type(cell) for cell in cells if cell is not None)
    if not kinds:
        return pa.null() if depth else pa.float64()
    kind = kinds.most_common(1)[0][0]
    if depth or kind in (list, dict):
        if depth > DEEPEST or (len(kinds) > 1 and kinds.keys() != {int, float}):
            return None
        if kind is list:
            inner = literal_type([item for cell in cells if cell for item in cell], depth + 1)
            return None if inner is None else pa.list_(inner)
        if kind is dict:
            return _object_type([cell for cell in cells if cell], depth)
        return _ARROW[float if kind is int else kind]
    return _ARROW[float if float in kinds and kind is int else kind]


def _object_type(objects: list[dict[str, Literal]], depth: int) -> pa.DataType | None:
    keys = dict.fromkeys(key for cell in objects for key in cell)
    fields = [(key, literal_type([cell.get(key) for cell in objects], depth + 1)) for key in keys]
    return None if any(arrow is None for _, arrow in fields) else pa.struct(fields)
