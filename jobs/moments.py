"""What packing learns of the columns on the way: sums, extremes, missing cells, and which hold whole numbers only."""

from __future__ import annotations

import numpy as np

from jobs.design import missing_cells


class Moments:
    """Of p columns: sums, minima and maxima of the present cells, how many are missing, and whether all are whole.

    numbers: which columns are numbers to calculate with; whole: which may hold whole numbers only, both of shape (p,).
    """

    def __init__(self, numbers: np.ndarray, whole: np.ndarray) -> None:
        p = len(numbers)
        self.numbers, self.whole = numbers, whole.copy()
        self.sums, self.n_missing = np.zeros(p), np.zeros(p, np.int64)
        self.minima, self.maxima = np.full(p, np.inf), np.full(p, -np.inf)

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
