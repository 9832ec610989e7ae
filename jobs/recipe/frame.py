"""The columns of some rows on their way through the steps of a recipe.

A column is numbers, float64 with NaN where a cell is missing, or levels, int32 places among its categories, with
MISSING_LEVEL where a cell is missing and UNKNOWN_LEVEL where its text was not there when the recipe was learned.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from jobs.errors import BadRecord, quoted

MISSING_LEVEL, UNKNOWN_LEVEL = -1, -2


class Frame:
    """Columns of n_rows rows each, and what the steps have done to the rows.

    categories: the names of the levels of each column that has levels. fold_keys: gives what the fold of each row is drawn
    from, (n,) uint64. filled, unknown, dropped: (n,), the rows of which a missing cell was filled, a text was unknown, or
    that no model is to be trained on; None for none.
    """

    def __init__(
        self, n_rows: int, columns: dict[str, np.ndarray], categories: dict[str, list[str]],
        fold_keys: Callable[[], np.ndarray],
    ) -> None:  # fmt: skip
        self.n_rows = n_rows
        self.columns, self.categories = columns, categories
        self.fold_keys = fold_keys
        self.filled: np.ndarray | None = None
        self.unknown: np.ndarray | None = None
        self.dropped: np.ndarray | None = None
        for values in columns.values():
            if values.dtype.kind == "i":
                self.unknown = either(self.unknown, values == UNKNOWN_LEVEL)

    def numbers(self, name: str) -> np.ndarray:
        """A column of numbers.

        :raises BadRecord: a column of levels
        """
        values = self.columns[name]
        if values.dtype.kind != "f":
            raise BadRecord(f"a step of the recipe is of numbers, and the column {quoted(name)} is one of texts")
        return values

    def levels(self, name: str) -> tuple[np.ndarray, list[str]]:
        """A column of levels, and their names.

        :raises BadRecord: a column of numbers
        """
        values = self.columns[name]
        if values.dtype.kind == "f":
            raise BadRecord(f"a step of the recipe is of texts, and the column {quoted(name)} is one of numbers")
        return values, self.categories[name]

    def has_levels(self, name: str) -> bool:
        """Whether a column is one of levels."""
        return self.columns[name].dtype.kind != "f"

    def put(self, name: str, values: np.ndarray, categories: list[str] | None = None) -> None:
        """Sets a column: numbers, or levels with their names."""
        self.categories.pop(name, None)
        if categories is not None:
            self.categories[name] = categories
        self.columns[name] = values.astype(float if categories is None else np.int32, copy=False)


def either(mask: np.ndarray | None, other: np.ndarray) -> np.ndarray | None:
    """The rows of one mask or the other, None for none."""
    if not other.any():
        return mask
    return other if mask is None else mask | other
