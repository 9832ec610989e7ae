"""What every statistic can do: the algebra of one pass.

A statistic is a commutative monoid under `merge`, with `zero(query)` as its identity, and `add` takes rows in. Nothing
else is needed to compute it over any split of the data; tests/test_statistics_laws.py holds every statistic to it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np

from jobs.errors import BadRecord
from jobs.records import Record

StatisticsT = TypeVar("StatisticsT", bound="Statistics")


@dataclass
class Statistics(Record):
    """Base of all statistics. `merge` adds field by field unless a subclass says otherwise."""

    # Where merging is exact in any order (whole numbers, sets of rows), no tree is needed to get the same bits.
    order_free: ClassVar[bool] = False

    @classmethod
    def zero(cls: type[StatisticsT], query: Any) -> StatisticsT:
        """The statistic of no rows."""
        raise NotImplementedError

    def add(self, rows: Any, query: Any) -> None:
        """Takes rows in: X (n, p), y (n,), w (n,). The only method that changes a statistic."""
        raise NotImplementedError

    def merge(self: StatisticsT, other: StatisticsT) -> StatisticsT:
        """The statistic of both sets of rows, as a new object.

        :raises BadRecord: statistics of different queries, whose arrays have other shapes
        """
        sums = {}
        for f in dataclasses.fields(self):
            mine, others = getattr(self, f.name), getattr(other, f.name)
            if np.shape(mine) != np.shape(others):  # which numpy may repeat along an axis instead
                raise BadRecord(f"{type(self).__name__}.{f.name} of shapes {np.shape(mine)} and {np.shape(others)}")
            sums[f.name] = mine + others
        return type(self)(**sums)

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        """Whether two statistics are equal up to rounding, relative to the largest entry of each field."""
        return all(close_arrays(getattr(self, f.name), getattr(other, f.name), rtol) for f in dataclasses.fields(self))


def close_grams(a: np.ndarray, b: np.ndarray, rtol: float) -> bool:
    """Whether two symmetric positive semi-definite matrices differ, in each entry, by at most rtol times the geometric mean
    of its two diagonal entries: columns of very different size are each held to their own."""
    norms = np.sqrt(np.maximum(np.abs(np.diag(a)), np.abs(np.diag(b))))
    return a.shape == b.shape and bool(np.all(np.abs(a - b) <= rtol * np.outer(norms, norms)))


def close_arrays(a: Any, b: Any, rtol: float) -> bool:
    """Whether a and b differ by at most rtol times the largest magnitude in either."""
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    scale = max(np.abs(a).max(initial=0), np.abs(b).max(initial=0))
    return bool(np.all((np.abs(a - b) <= rtol * scale) | (a == b)))
