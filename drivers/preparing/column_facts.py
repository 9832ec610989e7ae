"""What a step can know of one column: the numbers of its profile, jobs/kernels/table_profile.py."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from jobs.kernels.column_values import ColumnValues
from jobs.kernels.ordered_bits import values_of
from jobs.kernels.table_profile import MISSING, MOMENTS, NUMBER, TableProfileStatistics


@dataclass
class ColumnFacts:
    """One column of a profile; quantiles are within the error of its summary, exact while the cells could be counted.

    levels: of a column of codes the level of each, None where its cells are numbers, or levels already
    """

    statistics: TableProfileStatistics
    column: int
    values: ColumnValues
    levels: np.ndarray | None = None

    @property
    def n_rows(self) -> int:
        """The rows of the table that were looked at."""
        return self.statistics.n_rows

    @property
    def n_missing(self) -> int:
        """How many cells are missing."""
        return int(self.statistics.cells[self.column, MISSING])

    @property
    def n_present(self) -> int:
        """How many are not."""
        return self.n_rows - self.n_missing

    @property
    def mean(self) -> float:
        """Of the finite cells."""
        center, scale = float(self.statistics.center[self.column]), float(self.statistics.scale[self.column])
        return center + scale * float(self.statistics.moments[self.column, 0])

    @property
    def sd(self) -> float:
        """The standard deviation of the finite cells, with 1 / n; 0 exactly where there is one value."""
        n = int(self.statistics.n_finite[self.column])
        if not n or self.least == self.largest:
            return 0.0
        return float(self.statistics.scale[self.column]) * math.sqrt(self.statistics.moments[self.column, 1] / n)

    @property
    def least(self) -> float:
        """The least cell."""
        return float(self._of_keys(self.statistics.extremes[self.column, :1])[0])

    @property
    def largest(self) -> float:
        """The largest cell."""
        return float(self._of_keys(self.statistics.extremes[self.column, 1:])[0])

    def quantile(self, p: float) -> float:
        """The quantile p, linear between neighbours as in numpy (definition 7 of R. Hyndman and Y. Fan, The American
        Statistician 50, 1996)."""
        summary = self.values.summary
        return _quantile(self._of_keys(summary.keys), summary.counts, p)

    @property
    def median_deviation(self) -> float:
        """The median of |x - median|."""
        values = self._of_keys(self.values.summary.keys)
        away = np.abs(values - self.quantile(0.5))
        order = np.argsort(away, kind="stable")
        return _quantile(away[order], self.values.summary.counts[order], 0.5)

    @property
    def most_frequent(self) -> float:
        """The cell, or the level, that is there most often; of equals the least."""
        if self.levels is not None:
            return float(np.argmax(self.level_rows(len(self.levels))))
        counted = self.values.summary if self.values.summary.is_exact else self.values.frequent
        first = int(np.argmax(counted.counts))
        best = counted.counts == counted.counts[first]
        return float(self._of_keys(counted.keys[best][:1])[0])

    def level_rows(self, n_levels: int) -> np.ndarray:
        """How many rows have each level, (n_levels,)."""
        counts = np.zeros(n_levels, np.int64)
        keys = self.values.summary.keys
        counts[keys if self.levels is None else self.levels[keys]] = self.values.summary.counts
        return counts

    def _of_keys(self, keys: np.ndarray) -> np.ndarray:
        is_double = self.statistics.kinds[self.column] in (NUMBER, MOMENTS)
        return values_of(keys) if is_double else keys.astype(float)


def facts_of(statistics: TableProfileStatistics) -> list[ColumnFacts]:
    """Of each column."""
    return [ColumnFacts(statistics, j, values) for j, values in enumerate(statistics.column_values())]


def _quantile(values: np.ndarray, counts: np.ndarray, p: float) -> float:
    upper = np.cumsum(counts)
    rank = p * (int(upper[-1]) - 1)
    below, above = values[np.searchsorted(upper, [math.floor(rank), math.ceil(rank)], side="right")].tolist()
    return float(below + (rank - math.floor(rank)) * (above - below)) if above > below else float(below)
