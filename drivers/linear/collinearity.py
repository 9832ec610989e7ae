"""How much the features say of one another: correlations, variance inflation, and which columns are rounding error.

With R in the blocks of jobs/kernels/wols.py, Rxx'Rxx = X'WX about the weighted means, hence

    r_jk = (Rxx'Rxx)_jk / (|Rxx_j| |Rxx_k|)                                weighted correlation
    VIF_j = 1 / (1 - R_j^2) = |Rxx_j|^2 |e_j' Rxx^-1|^2                    variance inflation factor

where R_j^2 is that of feature j by all others: e_j' (X'WX)^-1 e_j is one over the sum of its squared residuals
(Marquardt, Technometrics 12, 1970; Belsley, Kuh and Welsch, *Regression Diagnostics*, 1980, 3.2). Rxx^-1 by triangular
solves of columns scaled to norm one; X'WX is not formed for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from jobs.kernels.wols import EPS, WOLSQuery, WOLSStatistics, column_norms


@dataclass
class ColumnScales:
    """norms (p,): of the centred columns, |Rxx_j|; varies (p,): whether that is more than rounding error; tolerances (p,):
    the share of its norm to which a column is known."""

    norms: np.ndarray
    varies: np.ndarray
    tolerances: np.ndarray


def column_scales(statistics: WOLSStatistics, query: WOLSQuery | None = None) -> ColumnScales:
    """The size of each centred feature against what is known of it.

    A feature is known to EPS times its size about zero, not about its mean, as `solve` of jobs/kernels/wols.py has it.

    :param query: None: as if the data had been centred at zero
    """
    r = statistics.r
    p = len(r) - 2
    norms = column_norms(r[1:-1, 1:-1])
    origin = np.zeros(p) if query is None else query.center * r[0, 0]
    size = np.hypot(np.hypot(norms, r[0, 1:-1]), origin)
    varies = norms > 4 * EPS * size
    share = np.divide(size, norms, where=varies, out=np.ones(p))
    return ColumnScales(norms, varies, 16 * EPS * math.sqrt(p + 1) * share)


def correlation(statistics: WOLSStatistics) -> np.ndarray:
    """The weighted correlation matrix of the features and the target, which is last: (p + 1, p + 1).

    Not a number in the row and column of one that does not vary.
    """
    centred = statistics.r[1:, 1:]
    norms = np.linalg.norm(centred, axis=0)
    norms = np.where(norms > 4 * EPS * np.hypot(norms, statistics.r[0, 1:]), norms, np.nan)
    unit = centred / norms
    matrix = np.clip(unit.T @ unit, -1, 1)
    np.fill_diagonal(matrix, np.where(np.isnan(norms), np.nan, 1.0))
    return matrix


def variance_inflation(statistics: WOLSStatistics, query: WOLSQuery | None = None) -> np.ndarray:
    """How many times the variance of each coefficient is what it were without the other features: (p,), at least 1.

    Infinite for a feature that is a linear function of others and the intercept; the others of the same data keep theirs.

    :param query: the centre of the data, by which rounding error is told from dependence where columns are far from zero
    """
    scales = column_scales(statistics, query)
    factors = np.full(len(scales.norms), math.inf)
    used = np.flatnonzero(scales.varies)
    if not len(used):
        return factors
    unit = r_of(statistics.r[1:-1, 1 + used] / scales.norms[used])
    _, s, vt = np.linalg.svd(unit)
    known = s > np.linalg.norm(vt * scales.tolerances[used], axis=1)
    if known.all():
        inverse = np.linalg.solve(unit, np.eye(len(used)))
        factors[used] = np.sum(inverse**2, axis=1)
    else:
        involved = np.linalg.norm(vt[~known], axis=0) > math.sqrt(EPS)
        factors[used] = np.where(involved, math.inf, np.sum((vt[known].T / s[known]) ** 2, axis=1))
    return np.maximum(factors, 1.0)


def r_of(matrix: np.ndarray) -> np.ndarray:
    """R of the QR factorisation of a small matrix: (min(n, k), k)."""
    r: np.ndarray = np.linalg.qr(matrix, mode="r")  # type: ignore[assignment]
    return r
