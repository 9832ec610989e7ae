"""K-fold cross-validation from the statistics of the folds: no pass over the data beyond the one that made them.

The model of fold k is solved from the merged statistics of the other folds, and judged on fold k exactly: with the columns
of sqrt(w) [1, X - c, y - c_y] as R keeps them, the squared errors of any coefficients sum to

    SSE = |R_k v|^2,    v = (-a, -b, 1),    a the intercept of the data about the centre                             (1)

With mse_k = SSE_k / W_k and W_k the sum of weights of fold k, for each penalty (as glmnet's cvm and cvsd)

    mean = sum W_k mse_k / sum W_k,      standard error = sqrt( sum W_k (mse_k - mean)^2 / sum W_k / (K - 1) )         (2)

and likewise of the RMSE, of R^2 = 1 - SSE_k / TSS_k about the fold's own weighted mean of the target (scikit-learn's
r2_score with sample_weight), and of the difference of mse_k from that of the best penalty in the same fold. The
one-standard-error choice is the largest penalty whose mean is within one standard error of the smallest mean (Breiman,
Friedman, Olshen and Stone, *Classification and Regression Trees*, 1984, 3.4.3; Hastie, Tibshirani and Friedman, *The
Elements of Statistical Learning*, 2nd ed., 7.10). The standard error takes the folds for independent, which
they are not quite: a guide, no test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from drivers.linear.penalties import Path, Penalty, auto_alphas, coefficient_path
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


@dataclass
class CrossValidation:
    """K folds and m penalties, those of each l1 ratio together.

    penalty: as asked, with the l1_ratio of the smallest mean; alphas (m,), l1_ratios (m,)
    weights (K,): the sums of weights of the folds; n_rows (K,): their rows of positive weight
    mse, rmse, r_squared: not a number where the target of a fold does not vary
    difference: of mse from that of the best penalty in the same fold
    best, one_standard_error: places in alphas; the second among those of the same l1_ratio
    coefficients (K, m, p), intercepts (K, m): of the data as they are, of the model that did not see fold k
    path: of all folds together, over the same m penalties
    """

    penalty: Penalty
    alphas: np.ndarray
    l1_ratios: np.ndarray
    weights: np.ndarray
    n_rows: np.ndarray
    mse: Score
    rmse: Score
    r_squared: Score
    difference: Score
    best: int
    one_standard_error: int
    coefficients: np.ndarray
    intercepts: np.ndarray
    path: Path

    @property
    def alpha(self) -> float:
        """The penalty of the smallest mean squared error."""
        return float(self.alphas[self.best])


def cross_validate(
    folds: Sequence[WOLSStatistics],
    query: WOLSQuery,
    penalty: Penalty,
    alphas: Sequence[float] | np.ndarray | None = None,
    l1_ratios: Sequence[float] | None = None,
) -> CrossValidation:
    """Every penalty on every fold.

    :param alphas: None: those of `auto_alphas` from all rows, for each l1 ratio its own
    :param l1_ratios: of an elastic net, to choose among; None: that of the penalty
    :raises ScanError: with fewer than two folds, or one without a row of positive weight
    """
    _check(folds)
    training = complements(folds)
    whole = training[0].merge(folds[0])
    candidates = [penalty] if l1_ratios is None else [replace(penalty, l1_ratio=ratio) for ratio in l1_ratios]
    grids = [auto_alphas(whole, query, one) if alphas is None else np.array(alphas, float, ndmin=1) for one in candidates]
    if not any(map(len, grids)):
        raise ScanError("there is no penalty to choose from")

    def path_of(statistics: WOLSStatistics) -> Path:
        return _joined([coefficient_path(statistics, query, one, grid) for one, grid in zip(candidates, grids)])

    paths = [path_of(statistics) for statistics in training]
    weights = np.array([fold.weight_sum for fold in folds])
    sse = np.array([square_errors(f, path.coefficients, path.centred_intercepts) for f, path in zip(folds, paths)])
    mse = Score.of(sse / weights[:, None], weights)
    total = np.array([total_square_sum(fold) for fold in folds])[:, None]
    ratio = np.divide(sse, total, where=total > 0, out=np.full(sse.shape, math.nan))
    flat_alphas = np.concatenate(grids)
    flat_ratios = np.repeat([one.l1_ratio for one in candidates], [len(grid) for grid in grids])
    smallest = np.flatnonzero(mse.mean == mse.mean.min())
    best = int(smallest[np.argmax(flat_alphas[smallest])])
    within = (mse.mean <= mse.mean[best] + mse.standard_error[best]) & (flat_ratios == flat_ratios[best])
    return CrossValidation(
        penalty=replace(penalty, l1_ratio=float(flat_ratios[best])),
        alphas=flat_alphas,
        l1_ratios=flat_ratios,
        weights=weights,
        n_rows=np.array([fold.n_rows for fold in folds]),
        mse=mse,
        rmse=Score.of(np.sqrt(mse.folds), weights),
        r_squared=Score.of(1 - ratio, weights),
        difference=Score.of(mse.folds - mse.folds[:, [best]], weights),
        best=best,
        one_standard_error=int(np.argmax(np.where(within, flat_alphas, -1.0))),
        coefficients=np.array([path.coefficients for path in paths]),
        intercepts=np.array([path.intercepts for path in paths]),
        path=path_of(whole),
    )


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


def complements(folds: Sequence[WOLSStatistics]) -> list[WOLSStatistics]:
    """For each fold the merged statistic of all others, in about 3 K merges."""
    n = len(folds)
    before: list[WOLSStatistics | None] = [None] * n
    after: list[WOLSStatistics | None] = [None] * n
    for k in range(1, n):
        before[k] = _merged(before[k - 1], folds[k - 1])
        after[n - 1 - k] = _merged(folds[n - k], after[n - k])
    found = [_merged(a, b) for a, b in zip(before, after)]
    return [one for one in found if one is not None]


def _merged(a: WOLSStatistics | None, b: WOLSStatistics | None) -> WOLSStatistics | None:
    if a is None or b is None:
        return a or b
    return a.merge(b)


def _check(folds: Sequence[WOLSStatistics]) -> None:
    if len(folds) < 2:
        raise ScanError("cross-validation needs 2 folds at least: one to judge by, the others to fit")
    for k, fold in enumerate(folds):
        if fold.n_rows == 0:
            raise ScanError(f"fold {k + 1} of {len(folds)} has no row of positive weight to judge by; ask for fewer folds")


def _joined(paths: list[Path]) -> Path:
    if len(paths) == 1:
        return paths[0]
    return Path(**{name: np.concatenate([getattr(path, name) for path in paths]) for name in vars(paths[0])})
