"""Weighted least squares kept apart by fold: R and sums of each fold, from one pass (jobs/kernels/wols.py).

What is trained on all folds but one is the merge of their statistics, and the squared error of any coefficients b on a fold
with the factor R is |R (a, b, -1)|^2 in centred coordinates: K-fold cross-validation of any number of penalties takes no
further pass. The holdout is one more part.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.kernels.contract import Statistics
from jobs.kernels.folds import Folds
from jobs.kernels.wols import WOLSQuery, WOLSStatistics, merged_r
from jobs.records import Record, array_field


@dataclass
class WOLSFoldsQuery(Record):
    """The question of the one-fold pass, and how rows are dealt to folds."""

    question: WOLSQuery
    folds: Folds


@dataclass
class WOLSFoldsStatistics(Statistics):
    """The fields of WOLSStatistics, each with a leading axis over the parts."""

    n_rows: np.ndarray = array_field("<i8", 1)
    n_zero_weight: np.ndarray = array_field("<i8", 1)
    weight_sum: np.ndarray = array_field("<f8", 1)
    weight_square_sum: np.ndarray = array_field("<f8", 1)
    weight_log_sum: np.ndarray = array_field("<f8", 1)
    weight_max: np.ndarray = array_field("<f8", 1)
    r: np.ndarray = array_field("<f8", 3)

    @classmethod
    def of_parts(cls, parts: list[WOLSStatistics]) -> WOLSFoldsStatistics:
        """The statistic with these parts."""
        return cls(*(np.stack([getattr(part, name) for part in parts]) for name in _NAMES))

    def parts(self) -> list[WOLSStatistics]:
        """The statistic of each fold, and of the holdout last."""
        scalars = {name: getattr(self, name).tolist() for name in _NAMES if name != "r"}
        return [
            WOLSStatistics(r=self.r[k], **{name: values[k] for name, values in scalars.items()}) for k in range(len(self.r))
        ]

    @classmethod
    def zero(cls, query: WOLSFoldsQuery) -> WOLSFoldsStatistics:
        return cls.of_parts([WOLSStatistics.zero(query.question)] * query.folds.n_parts)

    def add(self, rows: Any, query: WOLSFoldsQuery) -> None:
        part_of_row, parts = query.folds.assign(rows.fold_keys), self.parts()
        for k, part in enumerate(parts):
            chosen = np.flatnonzero(part_of_row == k)
            if len(chosen):
                part.add(rows.at(chosen), query.question)
        vars(self).update(vars(self.of_parts(parts)))

    def merge(self, other: WOLSFoldsStatistics) -> WOLSFoldsStatistics:
        sums = {name: getattr(self, name) + getattr(other, name) for name in _NAMES if name not in ("weight_max", "r")}
        largest = np.maximum(self.weight_max, other.weight_max)
        r = np.stack([merged_r(a, b) for a, b in zip(self.r, other.r)])
        return WOLSFoldsStatistics(weight_max=largest, r=r, **sums)

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        if not isinstance(other, WOLSFoldsStatistics) or self.r.shape != other.r.shape:
            return False
        return all(a.close(b, rtol) for a, b in zip(self.parts(), other.parts()))


_NAMES = [f.name for f in dataclasses.fields(WOLSFoldsStatistics)]
