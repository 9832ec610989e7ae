"""The second pass of weighted least squares: what standard errors need that do not trust the weights.

With z = (1, x - c), residual e = y - a - x'b and weight w, the pass gathers

    hc0_gram    = sum w^2 e^2 z z'      the middle of White's sandwich: any variance in any row
                                        (White, "A heteroskedasticity-consistent covariance matrix estimator",
                                        Econometrica 48, 1980; HC0 of statsmodels' WLS)
    square_gram = sum w^2 z z'          the middle when all rows have one variance, whatever their weights
    residual_square_sum = sum e^2       which estimates that variance
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.kernels.contract import Statistics, close_arrays, close_grams
from jobs.records import Record, array_field


@dataclass
class WOLSRobustQuery(Record):
    """The fit whose residuals are wanted: coefficients (p,), and the intercept of centred data, y - c_y on x - c."""

    centred_intercept: float
    target_center: float
    coefficients: np.ndarray = array_field("<f8", 1)
    center: np.ndarray = array_field("<f8", 1)


@dataclass
class WOLSRobustStatistics(Statistics):
    """The two middles, shape (p + 1, p + 1) each, the intercept first."""

    n_rows: int
    residual_square_sum: float
    hc0_gram: np.ndarray = array_field("<f8", 2)
    square_gram: np.ndarray = array_field("<f8", 2)

    @classmethod
    def zero(cls, query: WOLSRobustQuery) -> WOLSRobustStatistics:
        size = len(query.center) + 1
        return cls(0, 0.0, np.zeros((size, size)), np.zeros((size, size)))

    def add(self, rows: Any, query: WOLSRobustQuery) -> None:
        z = np.empty((len(rows.w), len(query.center) + 1), order="F")
        z[:, 0] = 1
        np.subtract(rows.X, query.center, out=z[:, 1:])
        e = (rows.y - query.target_center) - (z[:, 1:] @ query.coefficients + query.centred_intercept)
        positive = rows.w > 0
        weighted = z * rows.w[:, None]
        scored = weighted * e[:, None]
        self.n_rows += int(np.count_nonzero(positive))
        self.residual_square_sum += float(np.dot(e[positive], e[positive]))
        self.hc0_gram += scored.T @ scored
        self.square_gram += weighted.T @ weighted

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        return (
            isinstance(other, WOLSRobustStatistics)
            and self.n_rows == other.n_rows
            and close_arrays(self.residual_square_sum, other.residual_square_sum, rtol)
            and close_grams(self.hc0_gram, other.hc0_gram, rtol)
            and close_grams(self.square_gram, other.square_gram, rtol)
        )
