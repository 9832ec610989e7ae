"""The exact minimum of |target - x @ rows|^2 / 2 + limits |x| + q x^2 / 2, x >= 0 where wanted, by active sets.

On a set of features with signs the problem is a linear system; the set is right when the Karush-Kuhn-Tucker conditions

    row_j'e - q_j x_j = limit_j sign(x_j)  where x_j is not 0,         |row_j'e| <= limit_j  where it is                (1)

hold. From the set of the next larger penalty, all features that break (1) are exchanged at once (block pivoting: Kim and
Park, "Fast active-set-type algorithms for L1-regularized linear regression", AISTATS 2010); where that does not settle, one
at a time, each exchange lowering the objective, so that it ends (feature-sign search: Lee, Battle, Raina and Ng, NIPS 2006;
with signs that are given it is the method of Lawson and Hanson, *Solving Least Squares Problems*, 1974, ch. 23). A feature
that depends on the set enters along the direction in which the fit does not change.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.linalg import solve_triangular

from drivers.linear.unit_columns import UnitColumns
from jobs.kernels.wols import EPS


def minimise(design: UnitColumns, limits: np.ndarray, q: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
    """The minimum of |target - x @ rows|^2 / 2 + limits |x| + q x^2 / 2, (k,), and its degrees of freedom.

    :param start: the minimum for a larger penalty
    """
    x = _exchange(design, limits, q, start)
    if x is None:
        x = _search(design, limits, q, start)
    chosen = np.flatnonzero(x)
    if not q.any() or not len(chosen):
        return x, float(len(chosen))
    root, _, _ = design.factor(chosen, q)
    return x, float(np.sum(solve_triangular(root, design.rows[chosen], trans=1) ** 2))


def _rounding(design: UnitColumns, x: np.ndarray) -> float:
    """What a gradient may be off by."""
    return 8 * EPS * math.sqrt(len(design.norms)) * (1 + float(np.abs(x).sum()))


def _excess(design: UnitColumns, gradient: np.ndarray, limits: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """How far each feature outside the set is beyond (1)."""
    excess = (gradient if design.positive else np.abs(gradient)) - limits
    excess[chosen] = -math.inf
    return excess


def _exchange(design: UnitColumns, limits: np.ndarray, q: np.ndarray, start: np.ndarray) -> np.ndarray | None:
    """Block pivoting; None where the number of features that break (1) does not fall for a while."""
    chosen = np.flatnonzero(start)
    signs = np.sign(start[chosen])
    fewest, patience = math.inf, 3
    while True:
        slack = np.zeros(len(limits))  # of a feature that depends on the set less is known than of the others
        while True:
            root, dependent, known = design.factor(chosen, q)
            if dependent < 0:
                break
            slack[chosen[dependent]] = 4 * known
            chosen, signs = np.delete(chosen, dependent), np.delete(signs, dependent)
        x, gradient, misfit = design.solve(chosen, root, limits[chosen] * signs, q)
        wrong = x * signs <= 0
        excess = _excess(design, gradient, limits, chosen)
        enter = np.flatnonzero(excess > _rounding(design, x) + slack * misfit)
        count = int(np.count_nonzero(wrong)) + len(enter)
        if count == 0:
            solution = np.zeros(len(limits))
            solution[chosen] = x
            return solution
        if count < fewest:
            fewest, patience = count, 3
        elif patience == 0:
            return None
        else:
            patience -= 1
        enter = enter[np.argsort(-excess[enter], kind="stable")]
        chosen = np.concatenate([chosen[~wrong], enter])
        signs = np.concatenate([signs[~wrong], np.sign(gradient[enter])])


def _search(design: UnitColumns, limits: np.ndarray, q: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Feature-sign search: to the minimum on the set, but no further than where a coefficient is zero, which leaves it."""
    x = start.copy()
    chosen = np.flatnonzero(x)
    signs = np.sign(x[chosen])
    entering = -1
    misfit = 1.0
    blocked: list[int] = []  # what cannot enter the present set, for it depends on it

    for _ in range(100 + 20 * len(limits)):
        root, dependent, known = design.factor(chosen, q)
        if dependent >= 0:
            j = int(chosen[dependent])
            direction = np.zeros(len(chosen))
            before = chosen[:dependent]
            direction[dependent] = signs[dependent]
            shares = np.linalg.lstsq(design.rows[before].T, design.rows[j], rcond=None)[0]
            direction[:dependent] = -signs[dependent] * shares
            slope = float((limits[chosen] * signs + q[chosen] * x[chosen]) @ direction)
            if j == entering and slope >= -4 * known * misfit:
                blocked.append(j)
                chosen, signs, entering = np.delete(chosen, dependent), np.delete(signs, dependent), -1
                continue
            if j != entering and (slope > 0 or not np.any(direction * x[chosen] < 0)):
                direction = -direction
            target = x[chosen] + direction
            falling = direction * x[chosen] < 0
            reach = math.inf
        else:
            target, gradient, misfit = design.solve(chosen, root, limits[chosen] * signs, q)
            direction = target - x[chosen]
            falling, reach = target * signs <= 0, 1.0
            if entering >= 0 and falling[-1]:
                blocked.append(entering)
                chosen, signs, entering = chosen[:-1], signs[:-1], -1
                continue
        if falling.any():
            ratios = np.full(len(chosen), math.inf)
            ratios[falling] = -x[chosen][falling] / direction[falling]
            first = int(np.argmin(ratios))
            x[chosen] += min(max(ratios[first], 0.0), reach) * direction
            x[chosen[first]] = 0.0
            chosen, signs = np.delete(chosen, first), np.delete(signs, first)
            entering = -1
            blocked.clear()
            continue
        x[chosen] = target
        if entering >= 0:
            blocked.clear()
        excess = _excess(design, gradient, limits, chosen)
        excess[blocked] = -math.inf
        entering = int(np.argmax(excess))
        if excess[entering] <= _rounding(design, target):
            break
        chosen = np.append(chosen, entering)
        signs = np.append(signs, np.sign(gradient[entering]))
    return x
