"""A pass of iterative refinement of weighted least squares: how far a solution is from the exact one of the data.

Given any nonsingular basis S, coefficients b and a centre, with z = (1, x - c) the pass computes for each row by error-free
products, as if with many more digits than a double has,

    q = S'z,    e = (y - c_y) - z'b            and sums    gram = sum w q q',    qwe = sum w q e,    rss = sum w e^2.

With Z the rows z and gram = L L', in exact arithmetic and whatever S and b are,

    solution = b + S L^-T (L^-1 qwe),    (Z'WZ)^-1 = (S L^-T) (S L^-T)',    least sum of squares = rss - |L^-1 qwe|^2.   (1)

Where S is the inverse of R from a QR factorisation of sqrt(W) Z, gram is the identity but for rounding errors of the order
of EPS times the condition number; (1) then loses no digits to the condition number at all. This is iterative refinement
(Bjorck, *Numerical Methods for Least Squares Problems*, 1996, 2.9; Demmel, Hida, Riedy and Li, "Extra-precise iterative
refinement for overdetermined least squares problems", ACM TOMS 35, 2009); its correction of S is that of CholeskyQR2
(Yamamoto, Nakatsukasa, Yanagisawa and Fukaya, ETNA 44, 2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels.contract import Statistics, close_arrays, close_grams
from jobs.kernels.exact_products import DOUBLE_BITS, SlicedMatrix, slices_for, two_sum
from jobs.records import Record, array_field

# So many cells at a time stay in the processor's cache, but no fewer rows than the cost of a numpy call asks for.
SLICE_CELLS, FEWEST_ROWS = 2**14, 512
# A gram of a larger condition number, or a sum of squares that falls by more, costs a digit that another pass gives back.
DIGIT_LOST = 16.0
# Residuals below this share of the terms that they are differences of are beyond a sum of two doubles: taken for zero.
RESOLUTION = 2.0**-95
MOST_SLICES = 256  # a product of doubles of any size needs fewer than a hundred


@dataclass
class WOLSRefineQuery(Record):
    """The basis S (p + 1, p + 1) and the coefficients b (p + 1, 2), an unevaluated sum of two columns, intercept first.

    scale: powers of two (p + 2,), of the norms of the columns of (1, x - c, y - c_y); n_slices: see exact_products.
    """

    target_center: float
    n_slices: int
    center: np.ndarray = array_field("<f8", 1)
    scale: np.ndarray = array_field("<f8", 1)
    basis: np.ndarray = array_field("<f8", 2)
    coefficients: np.ndarray = array_field("<f8", 2)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.n_slices <= MOST_SLICES:
            raise BadRecord(f"there are 1 to {MOST_SLICES} slices, not {self.n_slices}")

    @classmethod
    def at(cls, r: np.ndarray, center: np.ndarray, target_center: float, coefficients: Any = None) -> WOLSRefineQuery:
        """The inverse of a triangle R of (1, x - c, y - c_y), and its solution where no coefficients are given.

        :raises np.linalg.LinAlgError: a singular triangle
        """
        size = len(r) - 1
        largest = np.max(np.abs(r), axis=0)
        largest[largest == 0] = 1
        scale = np.ldexp(1.0, np.frexp(largest * np.linalg.norm(r / largest, axis=0))[1])
        solved = np.linalg.solve(r[:-1, :-1], np.column_stack([np.eye(size), r[:-1, -1]]))
        if coefficients is None:
            coefficients = np.column_stack([solved[:, -1], np.zeros(size)])
        query = cls(target_center, 1, center, scale, solved[:, :-1], coefficients)
        query.n_slices = query.slices_needed(abs(float(r[-1, -1])))
        return query

    def matrix(self) -> SlicedMatrix:
        """What turns (1, x - c, y - c_y) / scale into (q, e), shape (p + 2, p + 2)."""
        size = len(self.scale)
        high, low = np.zeros((size, size)), np.zeros((size, size))
        high[:-1, :-1] = self.basis.T
        high[-1, :-1], low[-1, :-1] = -self.coefficients.T
        high[-1, -1] = 1
        return SlicedMatrix(high * self.scale, self.n_slices, low * self.scale)

    def largest_term(self) -> float:
        """The norm of the largest of the terms whose difference the residuals are."""
        return float(np.max(np.abs(np.append(self.coefficients[:, 0], 1.0)) * self.scale))

    def inflation(self) -> float:
        """How many times larger than q the terms are that it is the sum of: about the root of the largest variance
        inflation factor, the condition number that no scaling removes."""
        return float(np.max(np.abs(self.basis) * self.scale[:-1, None]))

    def sensitivity(self, residual_norm: float) -> float:
        """How many times larger than q, or than e, the terms are that they are sums of, in the norm of each."""
        terms = self.largest_term()
        residual = max(residual_norm, 2.0**-DOUBLE_BITS * terms)
        return max(self.inflation(), terms / residual if terms else 1.0, 1.0)

    def slices_needed(self, residual_norm: float) -> int:
        """The slices with which q and e of all rows are right to EPS / 4 in the norm of each."""
        k = len(self.scale)
        # A column over its scale has norm 1/2 to 1, so the largest entries of all rows have at most sqrt(k).
        lost = math.log2(math.sqrt(k) * self.sensitivity(residual_norm))
        return slices_for(DOUBLE_BITS + 2 + lost, k) if math.isfinite(lost) else 1


@dataclass
class WOLSRefineStatistics(Statistics):
    """The sums of (1), and the number of rows of positive weight."""

    n_rows: int
    residual_square_sum: float
    qwe_sum: np.ndarray = array_field("<f8", 1)
    gram: np.ndarray = array_field("<f8", 2)

    @classmethod
    def zero(cls, query: WOLSRefineQuery) -> WOLSRefineStatistics:
        size = len(query.basis)
        return cls(0, 0.0, np.zeros(size), np.zeros((size, size)))

    def add(self, rows: Any, query: WOLSRefineQuery) -> None:
        positive = rows.w > 0
        X, y, w = rows.X, rows.y, rows.w
        if not positive.all():
            X, y, w = X[positive], y[positive], w[positive]
        matrix, roots = query.matrix(), np.sqrt(w)
        center = np.append(query.center, query.target_center)[:, None]
        height = max(SLICE_CELLS // len(query.scale), FEWEST_ROWS)
        for start in range(0, len(w), height):
            part = slice(start, start + height)
            high, low = np.zeros((2, len(query.scale), len(roots[part])))
            high[0] = 1
            high[1:-1], high[-1] = X[part].T, y[part]
            high[1:], low[1:] = two_sum(high[1:], -center)
            sums = sums_of(matrix, query.scale, high, low, roots[part])
            self.n_rows += sums.n_rows
            self.residual_square_sum += sums.residual_square_sum
            self.qwe_sum = self.qwe_sum + sums.qwe_sum
            self.gram = self.gram + sums.gram

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        return (
            isinstance(other, WOLSRefineStatistics)
            and self.n_rows == other.n_rows
            and close_arrays(self.residual_square_sum, other.residual_square_sum, rtol)
            and close_arrays(self.qwe_sum, other.qwe_sum, rtol)
            and close_grams(self.gram, other.gram, rtol)
        )


def sums_of(
    matrix: SlicedMatrix, scale: np.ndarray, high: np.ndarray, low: np.ndarray | None, roots: np.ndarray
) -> WOLSRefineStatistics:
    """The sums over rows that are the columns of high + low, shape (p + 2, n), with weights roots^2."""
    transformed, _ = matrix.times(high / scale[:, None], None if low is None else low / scale[:, None])
    transformed *= roots
    q, e = transformed[:-1], transformed[-1]
    # qwe by np.sum, which adds in pairs: it is a sum that cancels.
    return WOLSRefineStatistics(len(roots), float(np.sum(e * e)), np.sum(q * e, axis=1), q @ q.T)


@dataclass
class Correction:
    """What (1) says of a query: L, L^-1 qwe, the step of b, the corrected basis S L^-T, coefficients (p + 1, 2) and RSS.

    complete: whether a pass from there would not change a digit, as far as basis and RSS go.
    """

    lower: np.ndarray
    condition: float  # of gram
    reduced: np.ndarray
    step: np.ndarray
    basis: np.ndarray
    coefficients: np.ndarray
    residual_square_sum: float
    complete: bool


def correct(query: WOLSRefineQuery, statistics: WOLSRefineStatistics) -> Correction:
    """(1) at a query, from the sums there.

    :raises np.linalg.LinAlgError: a gram that is not positive definite: the basis was nothing like R^-1
    """
    lower = np.linalg.cholesky(statistics.gram)
    condition = float(np.linalg.cond(statistics.gram))
    reduced = np.linalg.solve(lower, statistics.qwe_sum)
    step = np.linalg.solve(lower.T, reduced)
    delta = query.basis @ step
    total, rest = two_sum(query.coefficients[:, 0], delta)
    coefficients = np.column_stack(two_sum(total, rest + query.coefficients[:, 1]))
    before = statistics.residual_square_sum
    resolved = math.sqrt(before) > RESOLUTION * len(delta) * query.largest_term()
    after = max(before - float(reduced @ reduced), 0.0) if resolved else 0.0
    complete = condition <= DIGIT_LOST and (before <= DIGIT_LOST * after or not resolved)
    return Correction(
        lower, condition, reduced, step, np.linalg.solve(lower, query.basis.T).T, coefficients, after, complete
    )
