"""Penalised least squares from the statistic of one pass: ridge, lasso, elastic net, non-negative coefficients.

With W = sum w, e = y - a - x'b and the scale d_j of feature j, which is 1 or, if standardised, its weighted standard
deviation over the training rows, the objectives are those of scikit-learn; the intercept a is never penalised:

    none           sum w e^2
    ridge          sum w e^2 + alpha |d b|^2                                                (Hoerl and Kennard 1970)
    lasso          sum w e^2 / (2 W) + alpha |d b|_1                                        (Tibshirani 1996)
    elastic net    sum w e^2 / (2 W) + alpha l1_ratio |d b|_1 + alpha (1 - l1_ratio) |d b|^2 / 2     (Zou and Hastie 2005)

With R in the blocks of jobs/kernels/wols.py all of them are, up to a factor and a constant,

    |rxy - Rxx b|^2 / 2 + l1 |d b|_1 + l2 |d b|^2 / 2,        a = c_y + (r1y - r1x b) / r11 - c'b                    (1)

a problem of p rows whatever the number of rows of the data. Ridge: all penalties from one singular value decomposition
Rxx D^-1 = U S V', b = D^-1 V S / (S^2 + l2) U'rxy (ESL 3.4). The others: exactly, by active sets, in columns scaled to
norm one. On a set of features with signs (1) is a linear system; the set is right when the Karush-Kuhn-Tucker conditions

    x_j'e - l2 d_j^2 b_j = l1 d_j sign(b_j)  where b_j is not 0,         |x_j'e| <= l1 d_j  where it is                  (2)

hold. From the set of the next larger penalty, all features that break (2) are exchanged at once (block pivoting: Kim and
Park, "Fast active-set-type algorithms for L1-regularized linear regression", AISTATS 2010); where that does not settle, one
at a time, each exchange lowering the objective, so that it ends (feature-sign search: Lee, Battle, Raina and Ng, NIPS 2006;
with signs that are given it is the method of Lawson and Hanson, *Solving Least Squares Problems*, 1974, ch. 23). A feature
that depends on the set enters along the direction in which the fit does not change.

Degrees of freedom: the trace of the hat matrix for ridge (ESL 3.50), the number of non-zeros for the lasso (Zou, Hastie and
Tibshirani, Ann. Statist. 35, 2007), the trace on the active set for the elastic net (Tibshirani and Taylor, Ann. Statist.
40, 2012). ESL: Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, 2nd ed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack, solve_triangular

from drivers.linear.collinearity import column_scales, r_of
from jobs.errors import ScanError
from jobs.kernels.wols import EPS, WOLSQuery, WOLSStatistics, exact_sum, solve

KINDS = ("none", "ridge", "lasso", "elastic-net")
SMALLEST_L1_RATIO = 1e-3  # in place of smaller ones where alpha_max is divided by it, as glmnet
UNEVEN = 1e3  # norms of columns further apart than this cost the decomposition of a matrix too many digits
SAFE_PIVOT = 1e-4  # with columns nearer to one another the normal equations are left for a QR factorisation


@dataclass(frozen=True)
class Penalty:
    """kind: one of KINDS; l1_ratio: of "elastic-net" alone, from 0 to 1; standardize: d_j is the weighted standard
    deviation of feature j over the training rows; positive: coefficients are at least 0, for any kind.

    :raises ScanError: for an l1_ratio outside [0, 1]
    :raises ValueError: for an unknown kind
    """

    kind: str = "none"
    l1_ratio: float = 0.5
    standardize: bool = False
    positive: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown penalty {self.kind!r}; there are {', '.join(KINDS)}")
        if not 0 <= self.l1_ratio <= 1:
            raise ScanError(f"the l1 ratio is a number from 0 (ridge) to 1 (lasso), not {self.l1_ratio!r}")

    @property
    def l1_share(self) -> float:
        """How much of alpha is on |b|_1."""
        return {"lasso": 1.0, "elastic-net": self.l1_ratio}.get(self.kind, 0.0)

    def strengths(self, alpha: float, weight_sum: float) -> tuple[float, float]:
        """l1 and l2 of (1)."""
        if self.kind == "none":
            return 0.0, 0.0
        if self.kind == "ridge":
            return 0.0, alpha
        return weight_sum * alpha * self.l1_share, weight_sum * alpha * (1 - self.l1_share)


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
    design = _Design.of(statistics, query, penalty)
    strengths = np.array([penalty.strengths(alpha, statistics.weight_sum) for alpha in alphas]).reshape(-1, 2)
    unit, df = np.zeros((len(alphas), len(design.norms))), np.zeros(len(alphas))
    constrained = np.full(len(alphas), penalty.positive)
    ordinary = ~strengths.any(axis=1) & ~constrained
    smooth = (strengths[:, 0] == 0) & ~constrained & ~ordinary
    if smooth.any():
        unit[smooth], df[smooth] = _ridge(design, strengths[smooth, 1])
    start = np.zeros(len(design.norms))
    for i in np.argsort(-alphas, kind="stable"):
        if not (smooth[i] or ordinary[i]):
            start, df[i] = _minimise(design, *design.scaled(*strengths[i]), start)
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
    statistics: WOLSStatistics, query: WOLSQuery, penalty: Penalty, n: int = 100, ratio: float = 1e-3
) -> np.ndarray:
    """n penalties, evenly spaced in the logarithm, the largest first: (n,); for "none" a single 0.

    Lasso and elastic net: from alpha_max, the smallest for which all coefficients are zero, to ratio times that, as
    scikit-learn. Below an l1_ratio of 0.1 alpha_max grows beyond use: the lower end stays that of 0.1, and 1e-3 stands for
    smaller ratios, as in glmnet. Ridge, or an l1_ratio of 0: from 10 times the largest eigenvalue of the centred X'WX, of
    features divided by d_j, to a hundredth of the smallest, or 1e-8 of the largest where that is more.
    """
    if penalty.kind == "none":
        return np.zeros(1)
    design = _Design.of(statistics, query, penalty)
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


# -- the problem (1) in columns of norm one ------------------------------------------------------------------------------


@dataclass
class _Design:
    """The training rows as solvers want them; k features vary.

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
    def of(cls, statistics: WOLSStatistics, query: WOLSQuery, penalty: Penalty) -> _Design:
        r = statistics.r
        scales = column_scales(statistics, query)
        columns = np.flatnonzero(scales.varies)
        norms = scales.norms[columns]
        rows = np.ascontiguousarray((r[1:-1, 1 + columns] / norms).T)
        target_norm = float(np.linalg.norm(r[1:, -1])) or 1.0
        target = r[1:-1, -1] / target_norm
        factors = norms / math.sqrt(statistics.weight_sum) if penalty.standardize else np.ones(len(norms))
        moments, gram = rows @ target, rows @ rows.T
        tolerances = scales.tolerances[columns]
        return cls(columns, rows, norms, factors, target, target_norm, moments, gram, tolerances, penalty.positive)

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
        x = _triangular(root, self.moments[chosen] - l_signed)
        before = math.inf
        for _ in range(5):
            e = self.target - x @ rows
            gradient = self.rows @ e
            step = _triangular(root, gradient[chosen] - own * x - l_signed)
            size, length = float(np.linalg.norm(step)), float(np.linalg.norm(x))
            if size > before / 2:  # rounding, or a matrix that is beyond correction
                break
            x, before = x + step, size
            if size <= 4 * EPS * length:
                break
        e = self.target - x @ rows
        return x, self.rows @ e, float(np.linalg.norm(e))


def _triangular(root: np.ndarray, b: np.ndarray) -> np.ndarray:
    x: np.ndarray = lapack.dpotrs(root, b)[0] if len(b) else b
    return x


# -- ridge ----------------------------------------------------------------------------------------------------------------


def _ridge(design: _Design, l2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
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
            x[i], df[i] = _ridge_of_uneven(design, design.scaled(0.0, strength)[1])
    return x, df


def _ridge_of_uneven(design: _Design, q: np.ndarray) -> tuple[np.ndarray, float]:
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


# -- active sets ----------------------------------------------------------------------------------------------------------


def _minimise(design: _Design, limits: np.ndarray, q: np.ndarray, start: np.ndarray) -> tuple[np.ndarray, float]:
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


def _rounding(design: _Design, x: np.ndarray) -> float:
    """What a gradient may be off by."""
    return 8 * EPS * math.sqrt(len(design.norms)) * (1 + float(np.abs(x).sum()))


def _excess(design: _Design, gradient: np.ndarray, limits: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """How far each feature outside the set is beyond (2)."""
    excess = (gradient if design.positive else np.abs(gradient)) - limits
    excess[chosen] = -math.inf
    return excess


def _exchange(design: _Design, limits: np.ndarray, q: np.ndarray, start: np.ndarray) -> np.ndarray | None:
    """Block pivoting; None where the number of features that break (2) does not fall for a while."""
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


def _search(design: _Design, limits: np.ndarray, q: np.ndarray, start: np.ndarray) -> np.ndarray:
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


# -- certificate and covariance -----------------------------------------------------------------------------------------


def _kkt_residuals(
    statistics: WOLSStatistics, query: WOLSQuery, penalty: Penalty, strengths: np.ndarray, coefficients: np.ndarray
) -> np.ndarray:
    design = _Design.of(statistics, query, penalty)
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
    design = _Design.of(statistics, query, penalty)
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
