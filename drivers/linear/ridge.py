"""Ridge regression: all penalties from one singular value decomposition, or factor by factor where columns are uneven.

Rxx D^-1 = U S V', b = D^-1 V S / (S^2 + l2) U'rxy (Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*,
2nd ed., 3.4.1).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import solve_triangular

from drivers.linear.unit_columns import UnitColumns

UNEVEN = 1e3  # norms of columns further apart than this cost the decomposition of a matrix too many digits


def ridge(design: UnitColumns, l2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients of columns of norm one, (m, k), and degrees of freedom (m,), for penalties l2 > 0."""
    k = len(design.norms)
    if k == 0:
        return np.zeros((len(l2), 0)), np.zeros(len(l2))
    weights = design.norms / design.factors
    u, s, vt = np.linalg.svd(design.weighted, full_matrices=False)
    known = s > np.linalg.norm(vt * (weights * design.tolerances), axis=1)
    s = np.where(known, s, 0.0)
    shrunk = s / (s**2 + l2[:, None])
    x = (shrunk * (u.T @ design.target)) @ vt * weights
    df = np.sum(shrunk * s, axis=1)
    if weights.max() > UNEVEN * weights.min():
        for i, strength in enumerate(l2):
            x[i], df[i] = _of_uneven(design, design.scaled(0.0, strength)[1])
    return x, df


def _of_uneven(design: UnitColumns, q: np.ndarray) -> tuple[np.ndarray, float]:
    """For one penalty, and columns whose norms differ by orders: by factors that do not depend on the scale of a column."""
    k = len(q)
    everything = np.arange(k)
    root, dependent, _ = design.factor(everything, q)
    if dependent < 0:
        hat_root = solve_triangular(root, design.rows, trans=1)
        return design.solve(everything, root, np.zeros(k), q)[0], float(np.sum(hat_root**2))
    norms = np.sqrt(1 + q)
    u, s, vt = np.linalg.svd(np.vstack([np.diag(np.sqrt(q)), design.rows.T]) / norms, full_matrices=False)
    known = s > np.linalg.norm(vt * design.tolerances, axis=1)
    u, s, vt = u[k:, known], s[known], vt[known]
    return ((u.T @ design.target) / s) @ vt / norms, float(np.sum(u**2))
