"""Newton's method for the generalised linear models of many groups at once, a step for each in every pass.

It begins at the model without slopes, eta = g(mean of y) but for the offset. There the weights of all rows are alike, so
the first step comes from the sums of least squares (jobs/kernels/wols_groups.py): with m = dmu/deta, in the features z of
length 1 with correlations C,

    theta = C^-1 (S_zy / m - S_zo)                                                                    (1)

for an offset o. Each further pass gives the loss, its gradient and its second derivatives at the next point of each group.
A point is taken where the objective falls enough (Armijo's condition; Nocedal and Wright, *Numerical Optimization*, 2nd
ed., 2006, 3.1); otherwise a shorter step is tried, whose loss the pass has told as well. Every group ends by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.kernels import families
from jobs.kernels.families import BINOMIAL, GAUSSIAN, LOG, NEGATIVE_BINOMIAL, POISSON, WITH_DISPERSION
from jobs.kernels.glm_groups import (
    NO_OPTIMUM,
    NOT_CONVERGED,
    ONE_VALUE,
    GLMGroups,
    GLMGroupsQuery,
    GLMGroupsStatistics,
)
from jobs.kernels.wols_groups import EPS, FITTED, WOLSGroupsStatistics, spread_of, square
from jobs.records import Record

# What the objective must fall by at least, of what the slope promises, and how much rounding may hide of it.
ARMIJO, ROUNDING = 1e-4, 1e-12
# Where between the best point (0) and the next one (1) the loss is looked at: in the first pass without slopes.
FIRST, LATER = (0.0, 0.25), (0.25,)
# A step that none of these makes good is shortened by this besides, and at most so often in all.
SHORTER, MOST_SHORTENED = 1 / 16, 25
# The least eigenvalue of second derivatives of unit diagonal that a step goes by.
LEAST_CURVATURE = 1e-11
# After so many steps the way of the coefficients tells whether they grow without end.
STEPS_TO_JUDGE = 4


@dataclass
class GLMGroupsStart(Record):
    """The question of the first pass: the model; the number of features, the offset one of them, the last; the rows that a
    group must have; whether weights are counts of rows; and the penalty, see GLMGroupsQuery."""

    family: str
    link: str
    alpha: float
    l2: float
    by_mean: bool
    n_features: int
    has_offset: bool
    min_rows: int
    frequency: bool


def start_groups(statistics: WOLSGroupsStatistics, query: GLMGroupsStart) -> GLMGroups:
    """The groups, each at the model without slopes, with (1) as its next point."""
    n_groups, p = len(statistics.keys), query.n_features - query.has_offset
    n = statistics.weight_sum if query.frequency else statistics.n_rows.astype(float)
    features = spread_of(statistics, n, query.min_rows, p)
    at, scale, products = features.at, features.scale, features.products
    target = statistics.mean[:, -1]
    status = features.status.copy()
    status[at] = NOT_CONVERGED
    status[(status == NOT_CONVERGED) & _has_one_value(query.family, target)] = ONE_VALUE

    def nothing(*width: int) -> np.ndarray:
        return np.full((n_groups, *width), np.nan)

    none = np.zeros(n_groups, np.int64)
    found = GLMGroups(
        keys=statistics.keys, n_rows=statistics.n_rows, weight_sum=statistics.weight_sum, target_mean=target, status=status,
        center=statistics.mean[:, :p].copy(), scale=nothing(p), base=nothing(p + 1), point=nothing(p + 1),
        objective=nothing(), slope=nothing(), n_taken=none, n_shortened=none.copy(), loss=nothing(), null_loss=nothing(),
        square=nothing(), gap=nothing(), standard_errors=nothing(p + 1),
    )  # fmt: skip
    running = status[at] == NOT_CONVERGED
    at, scale, products = at[running], scale[running], products[running]
    found.scale[at] = scale
    mean = target[at]
    if query.family != GAUSSIAN or query.link == LOG:
        mean = np.maximum(mean, 1e-3)
    eta = np.array([families.link_of(query.link, value, query.alpha) for value in mean.tolist()])
    slope = families.mean_of(query.link, eta, query.alpha)[1]
    curvature = slope**2 / families.variance(query.family, mean, query.alpha)
    # Columns of z have the length 1, and S_zy that of y alone.
    way = products[:, :p, -1] / scale / slope[:, None]
    if query.has_offset:
        way -= products[:, :p, p] / scale
        eta = eta - statistics.mean[at, p]
    gradient = -curvature[:, None] * way
    hessian = curvature[:, None, None] * products[:, :p, :p] / (scale[:, :, None] * scale[:, None, :])
    hessian[:, range(p), range(p)] += _penalty(query, statistics.weight_sum[at], scale)
    found.base[at] = 0.0
    found.base[at, 0] = eta
    found.point[at] = found.base[at]
    found.point[at, 1:] -= _solve(hessian, gradient)
    return found


def _has_one_value(family: str, mean: np.ndarray) -> np.ndarray:
    """Groups whose target is at the end of the family's range in every row: an intercept has no best value, (G,)."""
    if family == BINOMIAL:
        return (mean <= 0) | (mean >= 1)
    return mean <= 0 if family in (POISSON, NEGATIVE_BINOMIAL) else np.zeros(len(mean), bool)


def step_groups(statistics: GLMGroupsStatistics, query: GLMGroupsQuery) -> GLMGroups:
    """The groups of the statistics after a pass: where they stand, and their next points."""
    groups = query.groups.take(np.searchsorted(query.groups.keys, statistics.keys))
    penalty = _penalty(query, groups.weight_sum, groups.scale)

    def objective(loss: np.ndarray, theta: np.ndarray) -> np.ndarray:
        found = loss + np.einsum("gj,gj->g", penalty, theta[:, 1:] ** 2) / 2
        return np.where(np.isfinite(found), found, np.inf)

    is_first = np.isnan(groups.objective)
    way = groups.point - groups.base
    trials = np.column_stack([
        objective(statistics.trial_loss[:, t], groups.base + fraction * way)
        for t, fraction in enumerate(query.fractions.tolist())
    ])  # fmt: skip
    if query.fractions[0] == 0.0:
        groups.objective = np.where(is_first, trials[:, 0], groups.objective)
        groups.null_loss = np.where(is_first, statistics.trial_loss[:, 0], groups.null_loss)
        groups.slope = np.where(is_first, 0.0, groups.slope)
    now = objective(statistics.loss, groups.point)
    size = np.abs(groups.objective)
    if query.family != GAUSSIAN:  # whose terms may cancel
        size = size + groups.weight_sum * (1 + np.abs(groups.target_mean))
    good = np.isfinite(now) & (now <= groups.objective + ARMIJO * groups.slope + ROUNDING * size)
    _take(groups, statistics, query, penalty, now, np.flatnonzero(good))
    _shorten(groups, query, trials, way, np.flatnonzero(~good))
    return groups


def _take(
    groups: GLMGroups, statistics: GLMGroupsStatistics, query: GLMGroupsQuery, penalty: np.ndarray, now: np.ndarray,
    at: np.ndarray,
) -> None:  # fmt: skip
    """Moves these groups to their points, and finds the next ones."""
    s, d = statistics.take(at), groups.point.shape[1]
    theta, own, weight = groups.point[at], penalty[at], groups.weight_sum[at]
    gradient = s.gradient.copy()
    gradient[:, 1:] += own * theta[:, 1:]
    information = square(s.information, d)
    hessian = square(s.curvature, d) if s.curvature.shape[1] else information.copy()
    hessian[:, range(1, d), range(1, d)] += own
    step = -_solve(hessian, gradient)
    groups.base[at], groups.objective[at], groups.loss[at], groups.square[at] = theta, now[at], s.loss, s.square
    groups.n_taken[at] += 1
    groups.point[at], groups.slope[at] = theta + step, np.einsum("gj,gj->g", gradient, step)
    spread = s.square if query.family in WITH_DISPERSION else np.minimum(s.square, weight)
    least = weight * (256 * EPS) ** 2 * _size_of_target(query.family, groups.take(at))
    with np.errstate(divide="ignore", invalid="ignore"):
        lengths = np.sqrt(np.einsum("gjj->gj", information) * np.maximum(spread, least)[:, None])
        gap = np.where(gradient != 0, np.abs(gradient) / lengths, 0.0).max(axis=1)
    groups.gap[at] = np.where(np.isnan(gap), np.inf, gap)
    groups.standard_errors[at] = _standard_errors(groups.take(at), information, own, query)
    status = np.full(len(at), NOT_CONVERGED, np.int8)
    status[groups.gap[at] <= query.tol] = FITTED
    if not query.l2:
        status[_is_separated(s, groups.n_taken[at])] = NO_OPTIMUM
    groups.status[at] = status
    # What is left of the way is so little that a step squares it: the one that the last pass tells is taken unseen.
    ended = at[status == FITTED]
    groups.base[ended] = groups.point[ended]


def _size_of_target(family: str, groups: GLMGroups) -> np.ndarray:
    """What the mean of (y - mu)^2 / V is beside, where rounding is told from residuals, (g,)."""
    mean = np.abs(groups.target_mean)
    return mean**2 + 2 * groups.null_loss / groups.weight_sum if family == GAUSSIAN else 1 + mean


def _is_separated(statistics: GLMGroupsStatistics, n_taken: np.ndarray) -> np.ndarray:
    """Groups whose coefficients grow without end, (g,): every row is on its side of the boundary, or the last step has
    taken some rows further on their side and none back (Albert and Anderson, Biometrika 71, 1984)."""
    back, forward = statistics.move[:, 0], statistics.move[:, 1]
    grows = (n_taken >= STEPS_TO_JUDGE) & (forward > 0.05) & (back >= -1e-6 * forward)
    return (statistics.margin > 0) | grows


def _shorten(groups: GLMGroups, query: GLMGroupsQuery, trials: np.ndarray, way: np.ndarray, at: np.ndarray) -> None:
    """Points nearer to the base of these groups: the best that was looked at, or one nearer than all of them."""
    if not len(at):
        return
    fractions = np.where(query.fractions > 0, query.fractions, np.nan)
    limits = groups.objective[at, None] + ARMIJO * fractions * groups.slope[at, None]
    found = np.where(trials[at] <= limits, trials[at], np.inf)
    best = np.argmin(found, axis=1)
    is_better = np.isfinite(found[np.arange(len(at)), best])
    fraction = np.where(is_better, fractions[best], np.nanmin(fractions) * SHORTER)
    groups.point[at] = groups.base[at] + fraction[:, None] * way[at]
    groups.slope[at] *= fraction
    groups.n_shortened[at] += 1
    # Nothing on the way is better, or the way leads out of the range: given up, with what there is.
    lost = (groups.n_shortened[at] > MOST_SHORTENED) | np.isinf(groups.objective[at])
    groups.point[at[lost]] = np.nan


def _penalty(query: GLMGroupsQuery | GLMGroupsStart, weight: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The second derivative of the penalty by each slope, (G, p)."""
    return query.l2 * (weight if query.by_mean else np.ones(len(weight)))[:, None] / scale**2


def _solve(hessian: np.ndarray, gradient: np.ndarray) -> np.ndarray:
    """H^-1 g of each group, (G, d), where directions without curvature are left alone by as much as rounding hides."""
    inverse, root = _inverse(hessian)
    return np.einsum("gij,gj->gi", inverse, gradient / root) / root


def _inverse(hessian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The inverses of matrices scaled to a diagonal of 1, and the roots of their diagonals: (G, d, d), (G, d)."""
    root = np.sqrt(np.einsum("gjj->gj", hessian))
    root = np.where((root > 0) & np.isfinite(root), root, 1.0)
    scaled = hessian / (root[:, :, None] * root[:, None, :])
    values, vectors = np.linalg.eigh(np.where(np.isfinite(scaled), scaled, 0.0))
    return np.einsum("gij,gj,gkj->gik", vectors, 1 / np.maximum(values, LEAST_CURVATURE), vectors), root


def _standard_errors(groups: GLMGroups, information: np.ndarray, penalty: np.ndarray, query: GLMGroupsQuery) -> np.ndarray:
    """The roots of the diagonal of phi (I + P)^-1 I (I + P)^-1 of the coefficients as they stand, (G, d)."""
    d = information.shape[1]
    whole = information.copy()
    whole[:, range(1, d), range(1, d)] += penalty
    inverse, root = _inverse(whole)
    # From theta to coefficients: b = theta / s, a = theta_0 - sum c theta / s.
    way = np.zeros_like(information)
    way[:, range(1, d), range(1, d)] = 1 / groups.scale
    way[:, 0, 0], way[:, 0, 1:] = 1.0, -groups.center / groups.scale
    way = np.einsum("gij,gjk->gik", way, inverse / (root[:, :, None] * root[:, None, :]))
    variances = np.einsum("gij,gjk,gik->gi", way, information, way, optimize=False)
    with np.errstate(invalid="ignore"):
        return np.sqrt(variances * dispersion(groups, query.family, query.frequency)[:, None])


def dispersion(groups: GLMGroups, family: str, frequency: bool) -> np.ndarray:
    """phi of each group, (G,): 1 where the family knows its variance; NaN where no degree of freedom is left."""
    if family not in WITH_DISPERSION:
        return np.ones(len(groups.keys))
    df = df_residuals(groups, frequency)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(df > 0, groups.square / df, np.nan)


def df_residuals(groups: GLMGroups, frequency: bool) -> np.ndarray:
    """The rows of each group, or those that they stand for, less its coefficients, (G,)."""
    return (groups.weight_sum if frequency else groups.n_rows.astype(float)) - groups.base.shape[1]
