"""From rows as JSON gives them, {"area": 100, "rooms": null}, to the block that the design step takes.

A number is a number, or true and false as 1 and 0, or a date as text, for such are columns of numbers in tables; null is a
missing cell.
"""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.packing.kinds import Texts, hashes
from drivers.serving.request import RequestError
from drivers.written_dates import ISO, days_of
from jobs.blocks import Block, listed
from jobs.design import MISSING_CODE, MISSING_INTEGER
from jobs.errors import quoted

NUMBER, TEXT, WHOLE, IDENTITY, WRITTEN_DATE = "number", "text", "whole number", "identity", "written date"
EXPECTED = {
    NUMBER: "a number, without quotes", TEXT: "a text, in quotes", WHOLE: "a whole number, without quotes",
    IDENTITY: "a text, in quotes", WRITTEN_DATE: "a text, in quotes",
}  # fmt: skip
_PLAIN = {float, int, bool, type(None)}
_LARGEST = 2**63
_LONGEST = 60  # characters of a cell that a message shows


@dataclass(frozen=True)
class Column:
    """A column that a row must have. texts: those that were there in training, of a column of text, or the formats of
    written dates; an identity is a text of which only its hash counts."""

    name: str
    kind: str
    texts: Sequence[str] = ()


class RowReader:
    """Makes blocks of rows.

    What does not depend on the rows, the places of the texts for one, is made once: a service gets one row at a time.
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        self.columns = list(columns)
        self._names = [column.name for column in columns]
        self._numbers = [column.name for column in columns if column.kind == NUMBER]
        self._texts: dict[str, dict[str | None, int]] = {
            column.name: {None: MISSING_CODE, **{text: code for code, text in enumerate(column.texts)}}
            for column in columns
            if column.kind == TEXT
        }
        self._dates = {column.name: column.texts for column in columns if column.kind == WRITTEN_DATE}
        self._ids = {column.name: column.kind for column in columns if column.kind in (WHOLE, IDENTITY)}

    def block(self, rows: list[dict[str, Any]]) -> Block:
        """The rows as columns.

        :raises RequestError: a row without one of the columns, or a value that the column cannot have
        """
        columns: dict[str, np.ndarray] = {}
        try:
            if self._numbers:
                matrix = self._matrix([[row[name] for name in self._numbers] for row in rows])
                columns.update(zip(self._numbers, matrix.T))
            for name, codes in self._texts.items():
                found = [
                    codes.get(cell, len(codes) - 1) for cell in self._cells(name, rows)
                ]  # the last code is of any other
                columns[name] = np.array(found, np.int32)
            for name, formats in self._dates.items():
                # What is no date counts as missing, as in a table; so does no text at all.
                columns[name] = days_of([cell or "" for cell in self._cells(name, rows)], formats)
            for name, kind in self._ids.items():
                columns[name] = self._whole(name, rows) if kind == WHOLE else _hashed(self._cells(name, rows))
        except KeyError:
            raise self._absent(rows) from None
        return Block(0, 0, len(rows), columns)

    def _matrix(self, cells: list[list[Any]]) -> np.ndarray:
        """The columns of numbers, (n, p), NaN where a cell is missing."""
        kinds: set[type] = set()
        for row in cells:
            kinds.update(map(type, row))
        if not kinds <= _PLAIN:
            cells = [[self._number(cell, i, j) for j, cell in enumerate(row)] for i, row in enumerate(cells)]
        try:
            matrix = np.array(cells, dtype=float).reshape(len(cells), len(self._numbers))
            too_large = np.isinf(matrix)
        except OverflowError:
            too_large = np.array([[_is_too_large(cell) for cell in row] for row in cells])
        if too_large.any():
            i, j = np.argwhere(too_large)[0].tolist()
            raise RequestError(f"row {i + 1}, column {self._numbers[j]!r}: a number beyond the reach of a double")
        return matrix

    def _number(self, cell: Any, row: int, j: int) -> Any:
        if type(cell) in _PLAIN:
            return cell
        if isinstance(cell, str):
            (days,) = days_of([cell], [ISO]).tolist()
            if not math.isnan(days):
                return days
        raise _wrong(cell, row, self._numbers[j], NUMBER)

    def _cells(self, name: str, rows: list[dict[str, Any]]) -> list[str | None]:
        cells = [row[name] for row in rows]
        for i, cell in enumerate(cells):
            if cell is not None and type(cell) is not str:
                raise _wrong(cell, i, name, TEXT)
        return cells

    def _whole(self, name: str, rows: list[dict[str, Any]]) -> np.ndarray:
        cells = [MISSING_INTEGER if row[name] is None else row[name] for row in rows]
        for i, cell in enumerate(cells):
            if type(cell) is not int or not -_LARGEST <= cell < _LARGEST:
                raise _wrong(cell, i, name, WHOLE)
        return np.array(cells, np.int64)

    def _absent(self, rows: list[dict[str, Any]]) -> RequestError:
        i, row, name = next((i, row, name) for i, row in enumerate(rows) for name in self._names if name not in row)
        others = [key for key in row if key not in self._names]
        close = difflib.get_close_matches(name, others, n=1, cutoff=0.5)
        hint = f"did you mean {quoted(close[0])}? " if close else ""
        return RequestError(
            f"row {i + 1} has no column {name!r}; {hint}the model takes {listed(self._names)}, null where a cell is missing"
        )


def _is_too_large(cell: Any) -> bool:
    try:
        return cell is not None and abs(float(cell)) == np.inf
    except OverflowError:
        return True


def _hashed(cells: list[str | None]) -> np.ndarray:
    """What keys are made of where the groups are texts, as drivers/designs.py has it for a whole dictionary."""
    # A half of a pair of surrogates is in no file, so it names no group.
    present = [cell if cell is not None and _is_unicode(cell) else None for cell in cells]
    codes = [MISSING_CODE if cell is None else code for code, cell in enumerate(present)]
    return hashes(Texts(np.array(codes, np.int64), [cell or "" for cell in present]))


def _is_unicode(cell: str) -> bool:
    return cell.isascii() or not any("\ud800" <= character <= "\udfff" for character in cell)


def _wrong(cell: Any, row: int, column: str, kind: str) -> RequestError:
    shown = quoted(cell) if isinstance(cell, str) else json.dumps(cell)
    shown = shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}..."
    return RequestError(f"row {row + 1}, column {column!r}: {shown} is not {EXPECTED[kind]}")
