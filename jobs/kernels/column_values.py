"""The values of one column in bounded memory: each with its count while they are few, else two sketches of them.

Up to `n_exact` different values the summary of ranks (quantile_sketch.py) is the table of all values and their counts. With
more than that it is reduced, and `n_frequent` counters (frequent_values.py), which begin as the largest of those counts,
keep the values that are there most often.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from jobs.kernels.frequent_values import FrequentValues
from jobs.kernels.quantile_sketch import RankSummary


@dataclass(frozen=True)
class Limits:
    """How many values and how many counters are kept; is_ordered: of values without an order ranks are nothing, and only
    the counters are kept."""

    n_exact: int
    n_frequent: int
    is_ordered: bool


@dataclass
class ColumnValues:
    """The summary of ranks, and the counters, none while the summary is exact."""

    summary: RankSummary
    frequent: FrequentValues

    @classmethod
    def empty(cls) -> ColumnValues:
        """Of no rows."""
        return cls(RankSummary.empty(), FrequentValues.empty())

    @classmethod
    def counted(cls, keys: np.ndarray, counts: np.ndarray, limits: Limits) -> ColumnValues:
        """Of values that were counted, by ascending keys."""
        return cls(RankSummary(keys, counts), FrequentValues.empty())._within(limits)

    def merge(self, other: ColumnValues, limits: Limits) -> ColumnValues:
        """Of the rows of both; the very same where the other has none."""
        if other.is_empty:
            return self
        if self.is_empty:
            return other
        summary = self.summary.merge(other.summary)
        if summary.is_exact:
            return ColumnValues(summary, FrequentValues.empty())._within(limits)
        counters = self._counters(limits).merge(other._counters(limits), limits.n_frequent)
        return ColumnValues(summary, counters)._within(limits)

    @property
    def is_empty(self) -> bool:
        """Whether it is of no rows."""
        return self.summary.is_exact and not len(self.summary.keys)

    def close(self, other: ColumnValues) -> bool:
        """Whether both can be of the same rows."""
        return self.summary.close(other.summary) and self.frequent.close(other.frequent)

    def _counters(self, limits: Limits) -> FrequentValues:
        """The counters, also where there was no need of them yet."""
        if not self.summary.is_exact:
            return self.frequent
        return FrequentValues(self.summary.keys, self.summary.counts).pruned(limits.n_frequent)

    def _within(self, limits: Limits) -> ColumnValues:
        """The same in no more memory than there may be."""
        summary = self.summary
        if len(summary.keys) <= limits.n_exact and (summary.is_exact or limits.is_ordered):
            return self
        if limits.is_ordered:
            return ColumnValues(summary.reduced(max(limits.n_exact // 2, 1)), self._counters(limits))
        nothing = np.zeros(0, np.int64)
        return ColumnValues(RankSummary(nothing, nothing, is_exact=False), self._counters(limits))


def laid_out(columns: list[ColumnValues]) -> dict[str, np.ndarray]:
    """The arrays of all columns one behind the other, by the names that a statistic gives them."""
    found = {"exact": np.array([column.summary.is_exact for column in columns], np.uint8)}
    for prefix, parts in (("", [c.summary for c in columns]), ("frequent_", [c.frequent for c in columns])):
        found[f"{prefix}errors"] = np.array([part.error for part in parts], np.int64)
        found[f"{prefix}sizes"] = np.array([len(part.keys) for part in parts], np.int64)
        found[f"{prefix}keys"] = np.concatenate([np.zeros(0, np.int64), *(part.keys for part in parts)])
        found[f"{prefix}counts"] = np.concatenate([np.zeros(0, np.int64), *(part.counts for part in parts)])
    return found


def changed(values: ColumnValues, keys: np.ndarray, frequent_keys: np.ndarray) -> ColumnValues:
    """The same counts of other keys, which need not ascend; both (m,)."""

    def ordered(part: RankSummary | FrequentValues, its: np.ndarray) -> dict[str, np.ndarray]:
        order = np.argsort(its, kind="stable")
        return {"keys": its[order], "counts": part.counts[order]}

    summary, frequent = values.summary, values.frequent
    return ColumnValues(
        dataclasses.replace(summary, **ordered(summary, keys)),  # type: ignore[arg-type]
        dataclasses.replace(frequent, **ordered(frequent, frequent_keys)),  # type: ignore[arg-type]
    )
