"""How good the predictions of a linear model are on the rows behind a statistic, be they those it was fitted to or not.

With the columns of sqrt(w) [1, X - c, y - c_y] as R keeps them, the squared errors of any coefficients sum to

    SSE = |R v|^2,    v = (-a, -b, 1),    a the intercept of the data about the centre                               (1)

A measure of K folds, of sums of weights W_k, has (as glmnet's cvm and cvsd)

    mean = sum W_k m_k / sum W_k,      standard error = sqrt( sum W_k (m_k - mean)^2 / sum W_k / (K - 1) )           (2)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jobs.errors import ScanError
from jobs.kernels.wols import WOLSQuery, WOLSStatistics


@dataclass
class Score:
    """A measure of each fold, (K, m), and (2) of it: mean (m,), standard_error (m,); m the number of penalties."""

    folds: np.ndarray
    mean: np.ndarray
    standard_error: np.ndarray

    @classmethod
    def of(cls, folds: np.ndarray, weights: np.ndarray) -> Score:
        share = weights / weights.sum()
        mean = share @ folds
        return cls(folds, mean, np.sqrt(share @ (folds - mean) ** 2 / (len(folds) - 1)))


def evaluate(
    statistics: WOLSStatistics, query: WOLSQuery, coefficients: np.ndarray, centred_intercept: float
) -> dict[str, float]:
    """How a model does on the rows of a statistic, be they those it was fitted to or not.

    :param coefficients: (p,); centred_intercept: of the data about the centre of the query
    :return: sse, mse, rmse, r_squared (about the weighted mean of these rows), n_rows, weight_sum
    :raises ScanError: without a row of positive weight
    """
    if statistics.n_rows == 0:
        raise ScanError("there is no row of positive weight to judge the model by; hold out more rows")
    coefficients = np.asarray(coefficients, float).reshape(1, len(query.center))
    sse = float(square_errors(statistics, coefficients, np.array([centred_intercept]))[0])
    total, mse = total_square_sum(statistics), sse / statistics.weight_sum
    return {
        "sse": sse,
        "mse": mse,
        "rmse": math.sqrt(mse),
        "r_squared": 1 - sse / total if total > 0 else math.nan,
        "n_rows": statistics.n_rows,
        "weight_sum": statistics.weight_sum,
    }


def r_squared_of_folds(mse: np.ndarray, folds: Sequence[WOLSStatistics]) -> np.ndarray:
    """1 - SSE / TSS of each fold about its own mean, shape (K, m) as mse; not a number where its target does not vary."""
    weights = np.array([fold.weight_sum for fold in folds])[:, None]
    total = np.array([total_square_sum(fold) for fold in folds])[:, None]
    return 1 - np.divide(mse * weights, total, where=total > 0, out=np.full(mse.shape, math.nan))


def square_errors(statistics: WOLSStatistics, coefficients: np.ndarray, centred_intercepts: np.ndarray) -> np.ndarray:
    """(1) of m models at once: (m,), from coefficients (m, p) and intercepts (m,)."""
    v = np.column_stack([-np.asarray(centred_intercepts), -coefficients, np.ones(len(coefficients))])
    sums: np.ndarray = np.sum((v @ statistics.r.T) ** 2, axis=1)
    return sums


def total_square_sum(statistics: WOLSStatistics) -> float:
    """The sum of squares of the target about the weighted mean of these rows; 0 where it is rounding error."""
    target = statistics.r[:, -1]
    total = float(np.sum(target[1:] ** 2))
    return total if total > np.finfo(float).eps ** 2 * 16 * float(np.sum(target**2)) else 0.0
