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

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from drivers.linear.penalties import Path, auto_alphas, coefficient_path
from drivers.linear.penalty import Penalty
from drivers.linear.scores import Score, r_squared_of_folds, square_errors
from jobs.errors import ScanError
from jobs.kernels.wols import WOLSQuery, WOLSStatistics


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
        r_squared=Score.of(r_squared_of_folds(mse.folds, folds), weights),
        difference=Score.of(mse.folds - mse.folds[:, [best]], weights),
        best=best,
        one_standard_error=int(np.argmax(np.where(within, flat_alphas, -1.0))),
        coefficients=np.array([path.coefficients for path in paths]),
        intercepts=np.array([path.intercepts for path in paths]),
        path=path_of(whole),
    )


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
