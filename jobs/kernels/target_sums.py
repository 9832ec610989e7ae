"""What the target sums up to where a column of texts has each of its levels, fold by fold: what a target encoding is of.

For column c, level l and fold f, over the rows of that level in that fold, with t = y - center:

    weight   W = sum w
    sums     S_q = sum w t_q          t_q is t, or 1 where the row is of class q and 0 elsewhere
    squares  Q_q = sum w t_q^2

and the same of all rows of a fold, whatever their level. The sums of the rows outside of a fold are those of all rows less
its own; drivers/preparing/target_encodings.py makes encodings of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels.contract import Statistics
from jobs.kernels.folds import Folds
from jobs.records import Record, array_field

# Sums of one task: so many are half a gigabyte.
MOST_SUMS = 1 << 26


@dataclass
class TargetSumsQuery(Record):
    """n_levels: (c,), of each column of X, whose cells are levels; n_classes: 0 where the target is a number, of which
    center is taken off; folds: how rows are dealt to them."""

    folds: Folds
    n_classes: int
    center: float
    n_levels: np.ndarray = array_field("<i8", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n_classes < 0 or self.n_levels.min(initial=1) < 1:
            raise BadRecord("a query of sums by level without levels, or of a number of classes that there is not")
        if self.n_sums > MOST_SUMS:
            raise BadRecord(f"{self.n_sums:,} sums of the target by level and fold are more than a task can hold")

    @property
    def width(self) -> int:
        """How many sums of the target a level has: one, or one for each of more than two classes."""
        return self.n_classes if self.n_classes > 2 else 1

    @property
    def n_sums(self) -> int:
        """How many numbers the statistic has."""
        return (int(self.n_levels.sum()) + 1) * self.folds.n_folds * (1 + 2 * self.width)


@dataclass
class TargetSumsStatistics(Statistics):
    """Of the levels of all columns, one column behind the other, and last of all rows whatever their level: weight (F, L),
    sums and squares (F, L, q)."""

    weight: np.ndarray = array_field("<f8", 2)
    sums: np.ndarray = array_field("<f8", 3)
    squares: np.ndarray = array_field("<f8", 3)

    @classmethod
    def zero(cls, query: TargetSumsQuery) -> TargetSumsStatistics:
        shape = (query.folds.n_folds, int(query.n_levels.sum()) + 1)
        return cls(np.zeros(shape), np.zeros((*shape, query.width)), np.zeros((*shape, query.width)))

    def add(self, rows: Any, query: TargetSumsQuery) -> None:
        fold = query.folds.assign(rows.fold_keys)
        targets = _targets(rows.y, query)
        begin = 0
        for j, n in enumerate([*query.n_levels.tolist(), 1]):
            is_last = j == len(query.n_levels)
            levels = np.zeros(len(fold)) if is_last else rows.X[:, j]
            held = np.flatnonzero((levels >= 0) & (rows.w > 0))
            if len(held) and levels[held].max() >= n:
                raise BadRecord("a level that the query does not know")
            place, own = fold[held] * n + levels[held].astype(np.int64), slice(begin, begin + n)
            shape, w = (len(self.weight), n), rows.w[held]
            self.weight[:, own] += np.bincount(place, w, math.prod(shape)).reshape(shape)
            for q, t in enumerate(targets):
                wt = w * t[held]
                self.sums[:, own, q] += np.bincount(place, wt, math.prod(shape)).reshape(shape)
                self.squares[:, own, q] += np.bincount(place, wt * t[held], math.prod(shape)).reshape(shape)
            begin += n


def _targets(y: np.ndarray, query: TargetSumsQuery) -> list[np.ndarray]:
    """The numbers that are summed up, each (n,)."""
    if query.n_classes > 2:
        return [(y == q).astype(float) for q in range(query.n_classes)]
    return [y - query.center]
