"""Sums and products of doubles without rounding errors, in double arithmetic alone: error-free transformations.

    two_sum(a, b)                        a + b = s + e exactly (Knuth, *The Art of Computer Programming* 2, 4.2.2)
    exact_sum(terms, a, b)               sum(terms) + a'b, rounded once
    SlicedMatrix(A, ...).times(B, ...)   A B as an unevaluated sum high + low, to any number of bits

The product is that of Ozaki, Ogita, Oishi and Rump, "Error-free transformations of matrix multiplication by using fast
routines of matrix multiplication and its applications", Numer. Algorithms 59 (2012). With the rows of A (m, k) and the
columns of B (k, n) scaled by powers of two to entries below 1, both are cut into s slices, A = A_1 + ... + A_s + rest,
where A_i holds multiples of 2^(-i beta) that are, but for the first, at most half of 2^(-(i - 1) beta). All products that
have one unit are summed by a single matrix multiplication,

    level l = sum_{i + j = l + 1} A_i B_j = [A_l ... A_1] [B_1; ...; B_l],      a multiple of 2^(-(l + 1) beta),

which every BLAS computes without error, in any order of summation, as long as k max(1, (s + 2)/4) 2^(2 beta) <= 2^53. The
levels 1 to s are summed from small to large with two_sum; what is left out is at most

    k (s + 3) 2^(-s beta) max |row of A| max |column of B|.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

DOUBLE_BITS = 53


def two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rounded sum and its rounding error, which is a double."""
    total = a + b
    part = total - a
    return total, (a - (total - part)) + (b - part)


def exact_sum(terms: list[float], a: np.ndarray, b: np.ndarray) -> float:
    """sum(terms) + a'b with a single rounding: products split without error (Dekker, "A floating-point technique for
    extending the available precision", Numer. Math. 18, 1971), the sum by Shewchuk's algorithm (math.fsum)."""
    with np.errstate(over="ignore", invalid="ignore"):
        product = a * b
        (a1, a2), (b1, b2) = _halves(a), _halves(b)
        error = a2 * b2 - (((product - a1 * b1) - a2 * b1) - a1 * b2)
    parts = [*map(float, terms), *product.tolist(), *error.tolist()]
    if all(map(math.isfinite, parts)):
        try:
            return math.fsum(parts)
        except OverflowError:
            pass
    return _sum_of_fractions([*map(float, terms)], a.tolist(), b.tolist())


def _sum_of_fractions(terms: list[float], a: list[float], b: list[float]) -> float:
    """The same where a part of it is beyond the doubles, infinite where all of it is."""
    if not all(map(math.isfinite, [*terms, *a, *b])):
        return math.nan
    total = sum((Fraction(x) * Fraction(y) for x, y in zip(a, b)), sum(map(Fraction, terms), Fraction(0)))
    try:
        return float(total)
    except OverflowError:
        return math.inf if total > 0 else -math.inf


def _halves(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    large = 134217729.0 * a  # 2**27 + 1
    high = large - (large - a)
    return high, a - high


def slice_width(k: int, n_slices: int) -> int:
    """beta: the bits of a slice where k products are summed."""
    return (DOUBLE_BITS - math.ceil(math.log2(k * max(1.0, (n_slices + 2) / 4)))) // 2


def slices_for(bits: float, k: int) -> int:
    """The number of slices that makes a product of inner dimension k right to 2^-bits max |row| max |column|."""
    n_slices = 1
    while n_slices * slice_width(k, n_slices) < bits + math.log2(k * (n_slices + 3)):
        n_slices += 1
    return n_slices


class SlicedMatrix:
    """The left factor of products, (m, k), cut into slices once: `high`, or high + low where |low| <= ulp(high) / 2."""

    def __init__(self, high: np.ndarray, n_slices: int, low: np.ndarray | None = None) -> None:
        self.shape = high.shape
        self.n_slices = n_slices
        self.width = slice_width(high.shape[1], n_slices)
        slices, self.exponents = _slices(high.T, None if low is None else low.T, n_slices, self.width)
        # [A_s ... A_1]: level l is made of the last l of them.
        self.slices = np.ascontiguousarray(np.concatenate(slices[::-1]).T)

    def times(self, high: np.ndarray, low: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The product with (k, n), as high + low with |low| <= ulp(high) / 2."""
        k, s = self.shape[1], self.n_slices
        slices, exponents = _slices(high, low, s, self.width)
        right = np.concatenate(slices)
        total = self.slices @ right
        rest = np.zeros_like(total)
        for level in range(s - 1, 0, -1):
            total, error = two_sum(self.slices[:, (s - level) * k :] @ right[: level * k], total)
            rest += error
        total, rest = two_sum(total, rest)
        return _scaled(total, self.exponents[:, None], exponents), _scaled(rest, self.exponents[:, None], exponents)


def _slices(high: np.ndarray, low: np.ndarray | None, n_slices: int, width: int) -> tuple[list[np.ndarray], np.ndarray]:
    """The slices of the columns of high + low, scaled below 1, and the exponents of two that scale them back."""
    _, exponents = np.frexp(np.max(np.abs(high), axis=0, initial=0.0))
    rest = _scaled(high, -exponents)
    low = _scaled(low, -exponents) if low is not None and low.any() else None
    slices = []
    for i in range(1, n_slices + 1):
        shift = 1.5 * 2.0 ** (DOUBLE_BITS - 1 - i * width)  # adding it rounds to multiples of 2^(-i width)
        piece = rest + shift
        piece -= shift
        slices.append(piece)
        rest = rest - piece
        if low is not None:
            rest, low = two_sum(rest, low)
    return slices, exponents


def _scaled(values: np.ndarray, *exponents: np.ndarray) -> np.ndarray:
    """values * 2^(sum of exponents); by multiplications, which are faster, where all powers of two are doubles."""
    if sum(int(np.abs(e).max(initial=0)) for e in exponents) < 1000:
        for e in exponents:
            values = values * np.ldexp(1.0, e)
        return values
    return np.ldexp(values, sum(exponents[1:], exponents[0]))
