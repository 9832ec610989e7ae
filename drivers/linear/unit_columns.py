"""Least squares of training rows in columns of norm one, as the solvers of penalised problems want it.

R in the blocks of jobs/kernels/wols.py stands for the rows; |target - sum x_j row_j| is to be made small, with penalties on
x. Two columns of very different size are then alike, and the tolerance of each says to what it is known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack, solve_triangular

from drivers.linear.collinearity import column_scales, r_of
from jobs.kernels.wols import EPS, WOLSQuery, WOLSStatistics

SAFE_PIVOT = 1e-4  # with columns nearer to one another the normal equations are left for a QR factorisation


@dataclass
class UnitColumns:
    """The training rows as solvers want them; k of the features vary.

    rows (k, p): the columns of Rxx, each scaled to norm one, lying in rows; target (p,): rxy / target_norm; moments (k,):
    rows @ target; gram (k, k); norms (k,), factors (k,): |Rxx_j| and d_j; columns (k,): their numbers; tolerances (k,): to
    what each is known.
    """

    columns: np.ndarray
    rows: np.ndarray
    norms: np.ndarray
    factors: np.ndarray
    target: np.ndarray
    target_norm: float
    moments: np.ndarray
    gram: np.ndarray
    tolerances: np.ndarray
    positive: bool

    @classmethod
    def of(cls, statistics: WOLSStatistics, query: WOLSQuery, standardize: bool, positive: bool) -> UnitColumns:
        """The rows of a statistic; standardize: d_j is the standard deviation of feature j, else 1."""
        r = statistics.r
        scales = column_scales(statistics, query)
        columns = np.flatnonzero(scales.varies)
        norms = scales.norms[columns]
        rows = np.ascontiguousarray((r[1:-1, 1 + columns] / norms).T)
        target_norm = float(np.linalg.norm(r[1:, -1])) or 1.0
        target = r[1:-1, -1] / target_norm
        factors = norms / math.sqrt(statistics.weight_sum) if standardize else np.ones(len(norms))
        moments, gram = rows @ target, rows @ rows.T
        tolerances = scales.tolerances[columns]
        return cls(columns, rows, norms, factors, target, target_norm, moments, gram, tolerances, positive)

    @property
    def weighted(self) -> np.ndarray:
        """Rxx D^-1 of the features that vary: (p, k)."""
        matrix: np.ndarray = (self.rows * (self.norms / self.factors)[:, None]).T
        return matrix

    def scaled(self, l1: float, l2: float) -> tuple[np.ndarray, np.ndarray]:
        """The penalties of each coefficient in the units of this problem, (k,) and (k,)."""
        share = self.factors / self.norms
        return l1 * share / self.target_norm, l2 * share**2

    def factor(self, chosen: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, int, float]:
        """R with R'R = X'X + diag(q) of the chosen features; the place of the first that depends on those before it, or -1,
        and the length to which that is known."""
        own = q[chosen]
        norms = np.sqrt(1 + own)
        h = self.gram[chosen[:, None], chosen]
        h.flat[:: len(chosen) + 1] = 1 + own
        root, info = lapack.dpotrf(h, clean=1)
        if info == 0 and np.all(root.diagonal() > SAFE_PIVOT * norms):
            return root, -1, 0.0
        stack = self.rows[chosen].T
        if own.any():
            stack = np.vstack([np.diag(np.sqrt(own)), stack])  # the penalty above: it may be the larger by far
        root = r_of(stack)
        pivots, tolerances = np.abs(root.diagonal()), self.tolerances[chosen] * norms
        for i in np.flatnonzero(pivots <= SAFE_PIVOT * norms):
            share = solve_triangular(root[:i, :i], root[:i, i]) if i else np.zeros(0)
            known = float(tolerances[i] + np.abs(share) @ tolerances[:i])
            if pivots[i] <= known:
                return root, int(i), known
        return root, -1, 0.0

    def solve(
        self, chosen: np.ndarray, root: np.ndarray, l_signed: np.ndarray, q: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """The coefficients of the chosen features whose gradient is l_signed; the gradient of all; the norm of residuals.

        Seminormal equations, corrected until the residual is rounding (Bjoerck, Linear Algebra Appl. 88, 1987).
        """
        rows, own = self.rows[chosen], q[chosen]
        x = _cholesky_solve(root, self.moments[chosen] - l_signed)
        before = math.inf
        for _ in range(5):
            e = self.target - x @ rows
            gradient = self.rows @ e
            step = _cholesky_solve(root, gradient[chosen] - own * x - l_signed)
            size, length = float(np.linalg.norm(step)), float(np.linalg.norm(x))
            if size > before / 2:  # rounding, or a matrix that is beyond correction
                break
            x, before = x + step, size
            if size <= 4 * EPS * length:
                break
        e = self.target - x @ rows
        return x, self.rows @ e, float(np.linalg.norm(e))


def _cholesky_solve(root: np.ndarray, b: np.ndarray) -> np.ndarray:
    x: np.ndarray = lapack.dpotrs(root, b)[0] if len(b) else b
    return x
