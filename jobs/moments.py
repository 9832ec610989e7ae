"""What packing learns of the columns on the way: sums, extremes, missing cells, and which hold whole numbers only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.design import missing_cells
from jobs.records import Record, array_field


@dataclass
class Moments(Record):
    """Of p columns, arrays of shape (p,): sums, minima and maxima of the present cells, and how many are missing.

    numbers: which are numbers to calculate with; whole: which of them hold whole numbers only
    """

    numbers: np.ndarray = array_field("|b1", 1)
    whole: np.ndarray = array_field("|b1", 1)
    sums: np.ndarray = array_field("<f8", 1)
    n_missing: np.ndarray = array_field("<i8", 1)
    minima: np.ndarray = array_field("<f8", 1)
    maxima: np.ndarray = array_field("<f8", 1)

    @classmethod
    def zero(cls, numbers: np.ndarray, whole: np.ndarray) -> Moments:
        """Of no rows; `whole`: which may hold whole numbers only."""
        p = len(numbers)
        return cls(numbers, whole.copy(), np.zeros(p), np.zeros(p, np.int64), np.full(p, np.inf), np.full(p, -np.inf))

    def add(self, columns: list[np.ndarray]) -> None:
        """Takes the rows of a block in, one array a column."""
        for j, values in enumerate(columns):
            total = values.sum(dtype=float)
            # Among floats a missing cell makes the sum NaN, so most columns need not be searched for one.
            absent = None if values.dtype.kind == "f" and not np.isnan(total) else missing_cells(values)
            if absent is not None:
                n_rows = len(values)
                values = values[~absent]
                total = values.sum(dtype=float)
                self.n_missing[j] += n_rows - len(values)
            if not self.numbers[j] or not len(values):
                continue
            if self.whole[j]:
                self.whole[j] = bool((np.floor(values) == values).all())
            self.sums[j] += total
            self.minima[j] = min(self.minima[j], float(values.min()))
            self.maxima[j] = max(self.maxima[j], float(values.max()))

    def largest(self) -> np.ndarray:
        """The largest magnitude in each column, shape (p,); minus infinity where there is none."""
        return np.maximum(-self.minima, self.maxima)

    def merge(self, other: Moments) -> Moments:
        """Of the rows of both. Sums are rounded, so pieces are to come in their order."""
        return Moments(
            self.numbers,
            self.whole & other.whole,
            self.sums + other.sums,
            self.n_missing + other.n_missing,
            np.minimum(self.minima, other.minima),
            np.maximum(self.maxima, other.maxima),
        )
