"""Weighted ordinary least squares in one pass: minimise sum_i w_i (y_i - a - x_i'b)^2.

The statistic is R of the QR factorisation of sqrt(w) [1, X - c, y - c_y], by TSQR: the R of stacked Rs is the R of the
stacked rows (Benson, Gleich and Demmel, "Direct QR factorizations for tall-and-skinny matrices in MapReduce
architectures", IEEE Big Data 2013). With R in blocks

        | r11  r1x  r1y |
    R = |      Rxx  rxy |          Rxx b = rxy,   sum of squared residuals = ryy^2,   a = c_y + (r1y - r1x b)/r11 - c'b
        |           ryy |

the slopes never meet the normal equations, whose condition number is the square of that of Rxx (Golub and Van Loan,
*Matrix Computations*, 4th ed., 5.3). The shared centre (c, c_y) keeps the digits of columns far from zero.

A QR factorisation in doubles has errors of EPS times the norm of each column, also in the entries of R that are much
smaller. Where these matter, R is corrected where it is made: with S = R^-1, and the sums and L of a refinement pass over
the same rows (jobs/kernels/wols_refine.py),

    R <- L' (R S)^-1 R,        r_y <- Q'y,        ryy <- root of the least sum of squares,                               (1)

to rows that are each right to a few roundings of their own entries. Such a triangle knows far more than its condition
number says (Higham, *Accuracy and Stability of Numerical Algorithms*, 2nd ed., 8.2). A merge of two rounds again; it is
corrected in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.kernels.contract import Statistics, close_arrays, close_grams
from jobs.kernels.exact_products import SlicedMatrix, exact_sum
from jobs.kernels.wols_refine import Correction, WOLSRefineQuery, WOLSRefineStatistics, correct, sums_of
from jobs.records import Record, array_field

SLICE_ROWS = 2048
EPS = float(np.finfo(float).eps)
# R is corrected where three digits and more would be lost; a matrix that keeps less than one has no R to begin from.
SENSITIVE, SINGULAR = 2.0**10, 2.0**49
MAX_CORRECTIONS = 4


@dataclass
class WOLSQuery(Record):
    """What the pass needs: the centre of the features, shape (p,), and of the target."""

    center: np.ndarray = array_field("<f8", 1)
    target_center: float = 0.0


@dataclass
class WOLSStatistics(Statistics):
    """R, shape (p + 2, p + 2), and sums over the rows of positive weight."""

    n_rows: int  # rows of positive weight
    n_zero_weight: int
    weight_sum: float
    weight_square_sum: float
    weight_log_sum: float
    weight_max: float
    r: np.ndarray = array_field("<f8", 2)

    @classmethod
    def zero(cls, query: WOLSQuery) -> WOLSStatistics:
        size = len(query.center) + 2
        return cls(0, 0, 0.0, 0.0, 0.0, 0.0, np.zeros((size, size)))

    def add(self, rows: Any, query: WOLSQuery) -> None:
        w = rows.w
        positive = w > 0
        log_w = np.log(w, where=positive, out=np.zeros_like(w))
        self.n_rows += int(np.count_nonzero(positive))
        self.n_zero_weight += len(w) - int(np.count_nonzero(positive))
        self.weight_sum += float(w.sum())
        self.weight_square_sum += float(np.dot(w, w))
        self.weight_log_sum += float(log_w.sum())
        self.weight_max = max(self.weight_max, float(w.max(initial=0.0)))
        root = np.sqrt(w)
        matrix = np.empty((len(w), len(query.center) + 2), order="F")
        matrix[:, 0] = root
        for j, c in enumerate(query.center):  # by columns: each lies together in memory
            np.multiply(rows.X[:, j] - c, root, out=matrix[:, j + 1])
        np.multiply(rows.y - query.target_center, root, out=matrix[:, -1])
        r = corrected_r(r_factor(matrix), query, lambda point: _sums_of_rows(rows, point))
        self.r = merged_r(self.r, r) if self.r.any() else r

    def merge(self, other: WOLSStatistics) -> WOLSStatistics:
        return WOLSStatistics(
            n_rows=self.n_rows + other.n_rows,
            n_zero_weight=self.n_zero_weight + other.n_zero_weight,
            weight_sum=self.weight_sum + other.weight_sum,
            weight_square_sum=self.weight_square_sum + other.weight_square_sum,
            weight_log_sum=self.weight_log_sum + other.weight_log_sum,
            weight_max=float(np.maximum(self.weight_max, other.weight_max)),  # NaN, not known, stays so
            r=merged_r(self.r, other.r),
        )

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        """R is unique up to the signs of its rows: R'R is compared, each entry against the norms of its two columns."""
        if not isinstance(other, WOLSStatistics) or self.r.shape != other.r.shape:
            return False
        numbers = ("n_rows", "n_zero_weight", "weight_sum", "weight_square_sum", "weight_log_sum", "weight_max")
        same = all(close_arrays(getattr(self, name), getattr(other, name), rtol) for name in numbers)
        return same and close_grams(self.r.T @ self.r, other.r.T @ other.r, rtol)


@dataclass
class WOLSSolution(Record):
    """The least-squares solution and what its covariance needs.

    covariance_root: L, shape (p + 1, rank + 1), intercept first: Cov = sigma^2 L L', and L L' = (X'WX)^-1 at full rank.
    """

    intercept: float
    residual_square_sum: float  # sum w e^2
    explained_square_sum: float  # sum w (yhat - weighted mean of y)^2
    rank: int  # of the centred features
    condition_number: float  # of the centred features, each scaled to norm 1; infinite when they are dependent
    dependent: list[int]  # features that depend on the intercept and the features before them
    coefficients: np.ndarray = array_field("<f8", 1)
    covariance_root: np.ndarray = array_field("<f8", 2)


def r_factor(matrix: np.ndarray) -> np.ndarray:
    """R of the QR factorisation of an (n, k) matrix, shape (k, k), padded with zero rows when n < k.

    Itself by TSQR over slices that fit the processor's cache: four times as fast as one factorisation of a tall block.
    """
    n, k = matrix.shape
    height = max(SLICE_ROWS, 8 * k)
    if n > 2 * height:
        matrix = np.vstack([np.linalg.qr(matrix[i : i + height], mode="r") for i in range(0, n, height)])
    r: np.ndarray = np.linalg.qr(matrix, mode="r")  # type: ignore[assignment]
    return r if len(r) == k else np.vstack([r, np.zeros((k - len(r), k))])


def merged_r(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """R of the rows of two triangles."""
    if not (a.any() and b.any()):  # a factorisation would round again
        return (a if a.any() else b).copy()
    stacked = np.vstack([a, b])
    query = WOLSQuery(np.zeros(len(a) - 2), 0.0)
    ones = np.ones(len(stacked))
    return corrected_r(r_factor(stacked), query, lambda point: sums_of(point.matrix(), point.scale, stacked.T, None, ones))


def _sums_of_rows(rows: Any, point: WOLSRefineQuery) -> WOLSRefineStatistics:
    sums = WOLSRefineStatistics.zero(point)
    sums.add(rows, point)
    return sums


def corrected_r(r: np.ndarray, query: WOLSQuery, sums: Callable[[WOLSRefineQuery], WOLSRefineStatistics]) -> np.ndarray:
    """R by (1) where its rounding errors matter; r itself where they do not, or where it is singular.

    :param sums: the sums over the rows that r is the triangle of
    """
    if _is_safe(r):
        return r
    found, coefficients = r, None
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # nearly singular: what is not finite is not taken
            for i in range(MAX_CORRECTIONS):
                point = WOLSRefineQuery.at(found, query.center, query.target_center, coefficients)
                insensitive = i == 0 and point.sensitivity(abs(float(r[-1, -1]))) < SENSITIVE
                if insensitive or not point.inflation() < SINGULAR:
                    return r
                correction = correct(point, sums(point))
                found, coefficients = _corrected(found, point, correction), correction.coefficients
                if correction.complete:
                    break
    except np.linalg.LinAlgError:
        return r
    return found if np.isfinite(found).all() else r


def _is_safe(r: np.ndarray) -> bool:
    """Whether r is far from sensitive, at a tenth of the price of the whole question: every block and merge asks it."""
    try:
        solved = np.linalg.solve(r[:-1, :-1], _with_last(r))
    except np.linalg.LinAlgError:
        return False
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        norms = np.linalg.norm(r, axis=0)
        inflation = np.max(np.abs(solved[:, :-1]) * norms[:-1, None])
        terms = max(float(np.max(np.abs(solved[:, -1]) * norms[:-1])), float(norms[-1]))
        # Twice, for the powers of two that stand for norms in the whole question; not a number is not safe.
        return bool(2 * inflation < SENSITIVE and 2 * terms < SENSITIVE * abs(r[-1, -1]))


def _with_last(r: np.ndarray) -> np.ndarray:
    """The identity and the last column of a triangle, its last entry left out."""
    size = len(r) - 1
    found = np.zeros((size, size + 1))
    found.flat[:: size + 2] = 1.0
    found[:, -1] = r[:-1, -1]
    return found


def _corrected(r: np.ndarray, point: WOLSRefineQuery, correction: Correction) -> np.ndarray:
    """(1): as a small change to r, so that only the sum is rounded."""
    size = len(r) - 1
    lead = r[:-1, :-1]
    scale = point.scale[:-1]
    product, low = SlicedMatrix(lead / scale, point.n_slices).times(point.basis * scale[:, None])
    defect = (product - np.eye(size)) + low
    # L'(I + defect)^-1 - I = (L' - I - defect)(I + defect)^-1
    change = np.linalg.solve((np.eye(size) + defect).T, (correction.lower.T - np.eye(size) - defect).T).T
    found = np.zeros_like(r)
    found[:-1, :-1] = np.triu(lead + change @ lead)
    # By b before the step: rounding it would cost EPS times the condition number.
    before = point.coefficients.T.ravel()
    target = np.array([exact_sum([], np.tile(row, 2), before) for row in lead])
    found[:-1, -1] = target + (change @ target + correction.reduced)
    found[-1, -1] = math.sqrt(correction.residual_square_sum)
    return found


def solve(statistics: WOLSStatistics, query: WOLSQuery) -> WOLSSolution:
    """Coefficients and covariance root from the statistic of all rows.

    A singular matrix gives the solution of least norm among the coefficients (the intercept left out of the norm, as
    scikit-learn does), and names the features that depend on others.

    :raises ValueError: when there is no row of positive weight
    """
    r, c = statistics.r, query.center
    p = len(c)
    if statistics.n_rows == 0:
        raise ValueError("no row has a positive weight")
    r11, r1x, r1y = r[0, 0], r[0, 1:-1], r[0, -1]
    rxx, rxy = r[1:-1, 1:-1], r[1:-1, -1]
    scale, tolerance = _rank_tolerance(r, c)
    u, s, vt = np.linalg.svd(rxx / scale) if p else (np.eye(0), np.zeros(0), np.eye(0))
    rank = int(np.count_nonzero(s > tolerance * s[0])) if p and s[0] > 0 else 0
    residual_square_sum = float(r[-1, -1]) ** 2
    if rank == p:
        coefficients = np.linalg.solve(rxx, rxy)
        root = np.linalg.solve(rxx, np.eye(p))
        dependent: list[int] = []
    else:
        coordinates = (u.T @ rxy)[:rank]
        residual_square_sum += float(np.sum((u.T @ rxy)[rank:] ** 2))
        particular, null_space = vt[:rank].T / s[:rank], vt[rank:].T
        particular = np.column_stack([particular @ coordinates, particular])
        # Steps within the null space of the scaled features, so that rounding stays in the size of each coefficient: any
        # step is a solution, and that to the least norm need not be exact.
        steps = np.linalg.lstsq(null_space / scale[:, None], particular / scale[:, None], rcond=None)[0]
        shortest = (particular - null_space @ steps) / scale[:, None]
        coefficients, root = shortest[:, 0], shortest[:, 1:]
        dependent = _dependent_columns(rxx / scale, tolerance)
    centred_intercept = (r1y - r1x @ coefficients) / r11
    covariance_root = np.zeros((p + 1, rank + 1))
    covariance_root[0, 0] = 1 / r11
    covariance_root[0, 1:] = -(r1x / r11 + c) @ root
    covariance_root[1:, 1:] = root
    return WOLSSolution(
        intercept=exact_sum([query.target_center, centred_intercept], -c, coefficients),
        residual_square_sum=residual_square_sum,
        explained_square_sum=float(np.sum(rxy**2)) - (residual_square_sum - float(r[-1, -1]) ** 2),
        rank=rank,
        condition_number=float(s[0] / s[-1]) if rank == p and p else math.inf if p else 1.0,
        dependent=dependent,
        coefficients=coefficients,
        covariance_root=covariance_root,
    )


def _rank_tolerance(r: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, float]:
    """The scale of each centred feature, and the relative singular value below which a direction is rounding error.

    A feature is known to EPS times its size about zero, not about its mean: a sum of two columns with mean 1e6 and
    standard deviation 1 agrees with a third only to 1e-10.
    """
    spread = column_norms(r[1:-1, 1:-1])
    size = np.hypot(np.hypot(spread, r[0, 1:-1]), c * r[0, 0])
    varies = spread > 4 * EPS * size
    scale = np.where(varies, spread, np.where(size > 0, size, 1.0))
    largest = np.max(size[varies] / spread[varies]) if varies.any() else 1.0
    return scale, float(16 * EPS * math.sqrt(len(c) + 1) * largest)


def column_norms(values: np.ndarray) -> np.ndarray:
    """The norm of each column of (n, p), also where its square is no double."""
    _, exponents = np.frexp(np.max(np.abs(values), axis=0, initial=0.0))
    return np.ldexp(np.linalg.norm(np.ldexp(values, -exponents), axis=0), exponents)


def _dependent_columns(scaled: np.ndarray, tolerance: float) -> list[int]:
    """The columns that add nothing to those before them, by Gram-Schmidt with re-orthogonalisation."""
    basis = np.zeros((len(scaled), 0))
    dependent = []
    for j in range(scaled.shape[1]):
        rest = scaled[:, j]
        for _ in range(2):
            rest = rest - basis @ (basis.T @ rest)
        norm = float(np.linalg.norm(rest))
        if norm <= tolerance:
            dependent.append(j)
        else:
            basis = np.column_stack([basis, rest / norm])
    return dependent
