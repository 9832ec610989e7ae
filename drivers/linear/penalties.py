"""Penalised least squares from the statistic of one pass: ridge, lasso, elastic net, non-negative coefficients.

With W = sum w, e = y - a - x'b and the scale d_j of feature j, which is 1 or, if standardised, its weighted standard
deviation over the training rows, the objectives are those of scikit-learn; the intercept a is never penalised:

    none           sum w e^2
    ridge          sum w e^2 + alpha |d b|^2                                                (Hoerl and Kennard 1970)
    lasso          sum w e^2 / (2 W) + alpha |d b|_1                                        (Tibshirani 1996)
    elastic net    sum w e^2 / (2 W) + alpha l1_ratio |d b|_1 + alpha (1 - l1_ratio) |d b|^2 / 2     (Zou and Hastie 2005)

With R in the blocks of jobs/kernels/wols.py all of them are, up to a factor and a constant,

    |rxy - Rxx b|^2 / 2 + l1 |d b|_1 + l2 |d b|^2 / 2,        a = c_y + (r1y - r1x b) / r11 - c'b                    (1)

a problem of p rows whatever the number of rows of the data. Ridge: drivers/linear/ridge.py; the others, exactly, by active
sets: drivers/linear/active_sets.py, until the Karush-Kuhn-Tucker conditions

    x_j'e - l2 d_j^2 b_j = l1 d_j sign(b_j)  where b_j is not 0,         |x_j'e| <= l1 d_j  where it is                  (2)

hold to rounding.

Degrees of freedom: the trace of the hat matrix for ridge (ESL 3.50), the number of non-zeros for the lasso (Zou, Hastie and
Tibshirani, Ann. Statist. 35, 2007), the trace on the active set for the elastic net (Tibshirani and Taylor, Ann. Statist.
40, 2012). ESL: Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2nd ed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import solve_triangular

from drivers.linear.active_sets import minimise
from drivers.linear.penalty import N_ALPHAS, Penalty
from drivers.linear.ridge import ridge
from drivers.linear.unit_columns import UnitColumns
from jobs.errors import ScanError
from jobs.kernels.wols import WOLSQuery, WOLSStatistics, exact_sum, solve

SMALLEST_L1_RATIO = 1e-3  # in place of smaller ones where alpha_max is divided by it, as glmnet


@dataclass
class Path:
    """One row a penalty, in the order given.

    alphas (m,); coefficients (m, p), in the units of the data; centred_intercepts (m,), of data about the centre of the
    query; intercepts (m,); df (m,): effective degrees of freedom without the intercept; residuals (m,): how far each
    solution is from the conditions (2), by `kkt_residual`.
    """

    alphas: np.ndarray
    coefficients: np.ndarray
    centred_intercepts: np.ndarray
    intercepts: np.ndarray
    df: np.ndarray
    residuals: np.ndarray


def coefficient_path(
    statistics: WOLSStatistics, query: WOLSQuery, penalty: Penalty, alphas: Sequence[float] | np.ndarray
) -> Path:
    """The exact solution for each penalty, in any order; at alpha = 0 the ordinary one of `solve`, unless positive.

    :raises ScanError: for an alpha below zero, or not finite
    :raises ValueError: when there is no row of positive weight
    """
    alphas = np.array(alphas, float, ndmin=1)
    if not np.all(np.isfinite(alphas) & (alphas >= 0)):
        raise ScanError("a penalty alpha is a finite number, 0 or larger")
    if statistics.n_rows == 0:
        raise ValueError("no row has a positive weight")
    design = UnitColumns.of(statistics, query, penalty.standardize, penalty.positive)
    strengths = np.array([penalty.strengths(alpha, statistics.weight_sum) for alpha in alphas]).reshape(-1, 2)
    unit, df = np.zeros((len(alphas), len(design.norms))), np.zeros(len(alphas))
    constrained = np.full(len(alphas), penalty.positive)
    ordinary = ~strengths.any(axis=1) & ~constrained
    smooth = (strengths[:, 0] == 0) & ~constrained & ~ordinary
    if smooth.any():
        unit[smooth], df[smooth] = ridge(design, strengths[smooth, 1])
    start = np.zeros(len(design.norms))
    for i in np.argsort(-alphas, kind="stable"):
        if not (smooth[i] or ordinary[i]):
            start, df[i] = minimise(design, *design.scaled(*strengths[i]), start)
            unit[i] = start
    coefficients = np.zeros((len(alphas), len(query.center)))
    coefficients[:, design.columns] = unit * design.target_norm / design.norms
    if ordinary.any():
        solution = solve(statistics, query)
        coefficients[ordinary], df[ordinary] = solution.coefficients, solution.rank
    r = statistics.r
    centred = (r[0, -1] - coefficients @ r[0, 1:-1]) / r[0, 0]
    intercepts = [exact_sum([query.target_center, a], -query.center, b) for a, b in zip(centred, coefficients)]
    residuals = _kkt_residuals(statistics, query, penalty, strengths, coefficients)
    return Path(alphas, coefficients, centred, np.array(intercepts), df, residuals)


def auto_alphas(
    statistics: WOLSStatistics, query: WOLSQuery, penalty: Penalty, n: int = N_ALPHAS, ratio: float = 1e-3
) -> np.ndarray:
    """n penalties, evenly spaced in the logarithm, the largest first: (n,); for "none" a single 0.

    Lasso and elastic net: from alpha_max, the smallest for which all coefficients are zero, to ratio times that, as
    scikit-learn. Below an l1_ratio of 0.1 alpha_max grows beyond use: the lower end stays that of 0.1, and 1e-3 stands for
    smaller ratios, as in glmnet. Ridge, or an l1_ratio of 0: from 10 times the largest eigenvalue of the centred X'WX, of
    features divided by d_j, to a hundredth of the smallest, or 1e-8 of the largest where that is more.
    """
    if penalty.kind == "none":
        return np.zeros(1)
    design = UnitColumns.of(statistics, query, penalty.standardize, penalty.positive)
    share, unit = penalty.l1_share, statistics.weight_sum
    if share == 0:
        s = np.linalg.svd(design.weighted, compute_uv=False) if len(design.norms) else np.ones(1)
        largest, smallest = 10 * s[0] ** 2, max(s[-1] ** 2 / 100, 1e-8 * s[0] ** 2)
        if penalty.kind == "elastic-net":
            largest, smallest = largest / unit, smallest / unit
    else:
        slopes = design.target_norm * design.moments * design.norms / design.factors
        highest = float(np.max(slopes if penalty.positive else np.abs(slopes), initial=0.0))
        # With no feature that may enter, any grid gives zeros: one in the units of the data.
        highest = highest if highest > 0 else float(np.max(np.abs(slopes), initial=0.0)) or unit
        largest = highest / (unit * max(share, SMALLEST_L1_RATIO))
        smallest = ratio * highest / (unit * max(share, 0.1))
    return np.geomspace(largest, smallest, n)


def kkt_residual(
    statistics: WOLSStatistics, query: WOLSQuery, penalty: Penalty, alpha: float, coefficients: np.ndarray
) -> float:
    """The certificate of a solution: by how much it fails the conditions (2), whatever way it was found.

    The largest over the features, as a share of |x_j| |y|, the norms sqrt(w)-weighted about the mean: in the units of a
    correlation, so that about 1e-16 times the condition number is rounding, and 1e-3 would show.

    :param coefficients: (p,), in the units of the data
    """
    strengths = np.array([penalty.strengths(alpha, statistics.weight_sum)])
    return float(_kkt_residuals(statistics, query, penalty, strengths, np.asarray(coefficients, float)[None])[0])


def penalised_covariance_root(
    statistics: WOLSStatistics, query: WOLSQuery, penalty: Penalty, alpha: float, coefficients: np.ndarray
) -> np.ndarray:
    """L with Cov(a, b) = sigma^2 L L' for Var(y_i) = sigma^2 / w_i: (p + 1, r), the intercept first.

    The estimator is linear in y given which coefficients are not zero: (a, b) = H^-1 X'W y, H = X'WX + l2 P on those, P
    the squares of d_j and 0 for the intercept, so that L L' = H^-1 X'WX H^-1. For the lasso and the elastic net, and for
    positive coefficients, it is conditional on the active set: rows of zeros for the others, and no account is taken of
    how the set was chosen. Ridge: ESL 3.4. At alpha = 0 it is `covariance_root` of `solve`.
    """
    return _roots(statistics, query, penalty, alpha, coefficients)[0]


def leverage_root(
    statistics: WOLSStatistics, query: WOLSQuery, penalty: Penalty, alpha: float, coefficients: np.ndarray
) -> np.ndarray:
    """G with G G' = H^-1, H as in `penalised_covariance_root`: (p + 1, r), the intercept first.

    w_i |G'z_i|^2 with z = (1, x) is the leverage of row i, the diagonal of the hat matrix; its sum is df + 1.
    """
    return _roots(statistics, query, penalty, alpha, coefficients)[1]


# -- certificate and covariance -----------------------------------------------------------------------------------------


def _kkt_residuals(
    statistics: WOLSStatistics, query: WOLSQuery, penalty: Penalty, strengths: np.ndarray, coefficients: np.ndarray
) -> np.ndarray:
    design = UnitColumns.of(statistics, query, penalty.standardize, penalty.positive)
    if not len(design.norms):
        return np.zeros(len(coefficients))
    share = design.factors / design.norms
    x = coefficients[:, design.columns] * design.norms / design.target_norm
    limits, q = strengths[:, :1] * share / design.target_norm, strengths[:, 1:] * share**2
    gradient = (design.target - x @ design.rows) @ design.rows.T - q * x
    outside = np.maximum((gradient if penalty.positive else np.abs(gradient)) - limits, 0.0)
    failure = np.where(x == 0, outside, np.abs(gradient - limits * np.sign(x)))
    if penalty.positive:
        failure = np.maximum(failure, -x)
    largest: np.ndarray = np.max(failure, axis=1)
    return largest


def _roots(
    statistics: WOLSStatistics, query: WOLSQuery, penalty: Penalty, alpha: float, coefficients: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """L and G: on the active features those of slopes about the mean, then the row of the intercept, as `solve` has it."""
    l1, l2 = penalty.strengths(alpha, statistics.weight_sum)
    selective = l1 > 0 or penalty.positive
    if not selective and l2 == 0:
        root = solve(statistics, query).covariance_root
        return root, root
    design = UnitColumns.of(statistics, query, penalty.standardize, penalty.positive)
    _, q = design.scaled(l1, l2)
    used = np.asarray(coefficients, float)[design.columns] != 0
    chosen = np.flatnonzero(used) if selective else np.arange(len(design.norms))
    norms = design.norms[chosen][:, None]
    root, dependent, _ = design.factor(chosen, q) if len(chosen) else (np.zeros((0, 0)), -1, 0.0)
    if not len(chosen):
        slopes = inverse = np.zeros((0, 0))
    elif dependent < 0:
        inverse = solve_triangular(root, np.eye(len(chosen)))
        slopes = inverse @ solve_triangular(root, design.rows[chosen], trans=1) / norms
        inverse = inverse / norms
    else:
        scale = (design.norms / design.factors)[chosen][:, None]
        u, s, _ = np.linalg.svd(design.rows[chosen] * scale, full_matrices=False)
        s = np.where(s > np.linalg.norm(u * (design.tolerances[chosen][:, None] * scale), axis=0), s, 0.0)
        positive = s**2 + l2 > 0
        slopes = np.divide(u * s, s**2 + l2, where=positive, out=np.zeros_like(u)) * scale / norms
        inverse = np.divide(u, np.sqrt(s**2 + l2), where=positive, out=np.zeros_like(u)) * scale / norms
    columns = design.columns[chosen]
    return _with_intercept(statistics, query, columns, slopes), _with_intercept(statistics, query, columns, inverse)


def _with_intercept(statistics: WOLSStatistics, query: WOLSQuery, columns: np.ndarray, slopes: np.ndarray) -> np.ndarray:
    r, c = statistics.r, query.center
    root = np.zeros((len(c) + 1, slopes.shape[1] + 1))
    root[0, 0] = 1 / r[0, 0]
    root[1 + columns, 1:] = slopes
    root[0, 1:] = -(r[0, 1:-1] / r[0, 0] + c) @ root[1:, 1:]
    return root
