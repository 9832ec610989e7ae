"""The step of Newton's method with an absolute-value penalty or with bounds: the minimum of a quadratic model with them.

In the slopes b alone, the intercepts being eliminated by the Schur complement S of the second derivative, the problem is

    |R b - t|^2 / 2 + sum l1_j |b_j| + sum l2_j b_j^2 / 2,   lower <= b <= upper,      R'R = S,   R't = S b0 - g

(proximal Newton: Lee, Sun and Saunders, "Proximal Newton-type methods for minimizing composite functions", SIAM J.
Optimization 24, 2014), which the solvers of the linear models and of scipy are made for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import lsq_linear

from drivers.glm.coordinates import Coordinates
from drivers.glm.penalties import Penalties
from drivers.linear.active_sets import minimise
from drivers.linear.unit_columns import UnitColumns
from jobs.kernels.wols import EPS

if TYPE_CHECKING:
    from drivers.glm.state import Evaluated


def minimum(
    i: int, coordinates: Coordinates, penalties: Penalties, point: np.ndarray, found: Evaluated
) -> tuple[np.ndarray, float]:
    """The step to the minimum, (q, d), and what stands for the slope of the objective along it (Tseng and Yun, "A
    coordinate gradient descent method for nonsmooth separable minimization", Mathematical Programming 117, 2009)."""
    q, d = point.shape
    root = coordinates.whole_root(q)
    b0 = coordinates.coefficients(point)
    second = root.T @ found.second @ root
    gradient = root.T @ found.gradient
    is_slope = np.tile(np.arange(d) > 0, q)
    mine = is_slope & np.tile(np.concatenate([[False], penalties.free[i]]), q)
    l1, l2 = (np.tile(values, q)[np.tile(penalties.free[i], q)] for values in penalties.of(i, found.weight))
    bounds = [np.tile(values, q)[np.tile(penalties.free[i], q)] for values in (penalties.lower, penalties.upper)]
    cross = _solved(second[np.ix_(~is_slope, ~is_slope)], second[np.ix_(~is_slope, mine)])
    from_intercepts = _solved(second[np.ix_(~is_slope, ~is_slope)], gradient[~is_slope])
    S = second[np.ix_(mine, mine)] - second[np.ix_(mine, ~is_slope)] @ cross
    g = gradient[mine] - second[np.ix_(mine, ~is_slope)] @ from_intercepts
    before = b0.ravel()[mine]
    values, vectors = np.linalg.eigh((S + S.T) / 2)
    # In a direction that the data say nothing of there is no row, and no step but that of the penalty.
    known = values > 64 * EPS * len(values) * max(values.max(initial=0.0), 0.0)
    lengths = np.sqrt(np.where(known, values, 0.0))
    R = lengths[:, None] * vectors.T
    target = np.divide(vectors.T @ (S @ before - g), lengths, out=np.zeros(len(values)), where=known)
    slopes = (
        _bounded(R, target, l2, bounds)
        if penalties.bounded and not l1.any()
        else _sparse(R, target, l1, l2, bounds, before)
    )
    step = np.zeros(q * d)
    step[mine] = slopes - before
    step[~is_slope] = -(from_intercepts + cross @ step[mine])
    slope = gradient @ step + (l2 * before) @ step[mine] + l1 @ (np.abs(slopes) - np.abs(before))
    return coordinates.theta(step.reshape(q, d)), float(slope)


def _solved(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(matrix, right, rcond=None)[0]


def _bounded(R: np.ndarray, target: np.ndarray, l2: np.ndarray, bounds: list[np.ndarray]) -> np.ndarray:
    stacked = np.vstack([R, np.diag(np.sqrt(l2))])
    right = np.concatenate([target, np.zeros(len(l2))])
    norms = np.linalg.norm(stacked, axis=0)
    norms = np.where(norms > 0, norms, 1.0)
    low, high = bounds[0] * norms, bounds[1] * norms
    x = lsq_linear(stacked / norms, right, (low, np.where(high > low, high, low + np.finfo(float).tiny)), method="bvls").x
    return np.clip(x / norms, *bounds)


def _sparse(
    R: np.ndarray, target: np.ndarray, l1: np.ndarray, l2: np.ndarray, bounds: list[np.ndarray], before: np.ndarray
) -> np.ndarray:
    positive = bool(bounds[0].size and (bounds[0] == 0).all())
    norms = np.linalg.norm(R, axis=0)
    norms = np.where(norms > 0, norms, 1.0)
    rows = np.ascontiguousarray((R / norms).T)
    length = float(np.linalg.norm(target)) or 1.0
    columns = UnitColumns(
        np.arange(len(norms)), rows, norms, np.ones(len(norms)), target / length, length, rows @ (target / length),
        rows @ rows.T, np.full(len(norms), 8 * EPS), positive,
    )  # fmt: skip
    x, _ = minimise(columns, l1 / norms / length, l2 / norms**2, before * norms / length)
    return x * length / norms
