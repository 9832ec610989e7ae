"""Error-free transformations against rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.kernels.exact_products import DOUBLE_BITS, SlicedMatrix, exact_sum, slice_width, slices_for, two_sum

laws = settings(max_examples=60, deadline=None, derandomize=True)
seeds = st.integers(0, 2**32 - 1)


def rational(high, low=None) -> list[list[Fraction]]:
    low = np.zeros_like(high) if low is None else low
    return [[Fraction(a) + Fraction(b) for a, b in zip(*rows)] for rows in zip(high.tolist(), low.tolist())]


def error(a, b, found) -> float:
    """The largest error of a product, as a share of max |row| max |column|."""
    worst = Fraction(0)
    for i, row in enumerate(a):
        for j, column in enumerate(zip(*b)):
            exact = sum((x * y for x, y in zip(row, column)), Fraction(0))
            largest = max(map(abs, row)) * max(map(abs, column))
            difference = abs(found[i][j] - exact)
            assert largest or not difference
            worst = max(worst, difference / largest if largest else Fraction(0))
    return float(worst)


def draw(rng, shape, spread=0):
    return rng.normal(size=shape) * 2.0 ** rng.integers(-spread, spread + 1, shape)


@laws
@given(st.floats(-1e300, 1e300), st.floats(-1e300, 1e300))
def test_two_sum_loses_nothing(a, b):
    total, rest = two_sum(np.array([a]), np.array([b]))
    assert total[0] == a + b
    assert Fraction(total[0]) + Fraction(rest[0]) == Fraction(a) + Fraction(b)


@laws
@given(seed=seeds, m=st.integers(1, 4), k=st.integers(1, 30), n=st.integers(1, 5), bits=st.integers(1, 98))
def test_a_product_is_right_to_the_bits_asked_for(seed, m, k, n, bits):
    rng = np.random.default_rng(seed)
    a, b = draw(rng, (m, k), spread=20), draw(rng, (k, n), spread=20)
    a_low, b_low = (draw(rng, x.shape) * np.spacing(np.abs(x)) / 16 for x in (a, b))
    product = SlicedMatrix(a, slices_for(bits, k), a_low).times(b, b_low)
    assert error(rational(a, a_low), rational(b, b_low), rational(*product)) <= 2.0**-bits


def test_the_bits_are_needed():
    """Or the test above would say nothing: one slice fewer, and the error is larger."""
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 8)), rng.normal(size=(8, 3))
    for bits in (30, 50, 80):
        high, low = SlicedMatrix(a, slices_for(bits, 8) - 1).times(b)
        assert error(rational(a), rational(b), rational(high, low)) > 2.0 ** (-bits - 24)


@pytest.mark.parametrize("k", [1, 2, 7, 22, 100, 1000])
@pytest.mark.parametrize("n_slices", [1, 2, 3, 5, 9])
def test_no_level_can_round(k, n_slices):
    """The largest sum of products of a level, in its units, is a whole number that a double holds."""
    width = slice_width(k, n_slices)
    first, other = 2**width, 2 ** (width - 1)
    for level in range(1, n_slices + 1):
        pairs = [(i, level + 1 - i) for i in range(1, level + 1)]
        largest = sum((first if i == 1 else other) * (first if j == 1 else other) for i, j in pairs)
        assert k * largest <= 2**DOUBLE_BITS


def test_slices_are_as_large_as_the_bound_takes_them_for():
    """All cells as unfavourable as can be: halves of a unit, and all of one sign, so that every level is full."""
    k, n_slices = 16, 4
    width = slice_width(k, n_slices)
    cell = sum(2.0 ** (-i * width - 1) for i in range(2)) + 0.5
    a, b = np.full((1, k), cell), np.full((k, 1), cell)
    high, low = SlicedMatrix(a, n_slices).times(b)
    assert rational(high, low) == [[k * Fraction(cell) ** 2]]


@laws
@given(seed=seeds, k=st.integers(1, 40))
def test_the_order_of_the_sums_does_not_matter(seed, k):
    """Each level is free of rounding, so no BLAS and no shape of the matrices has a say."""
    rng = np.random.default_rng(seed)
    a, b = draw(rng, (4, k), 10), draw(rng, (k, 6), 10)
    high, low = SlicedMatrix(a, 4).times(b)
    order = rng.permutation(k)
    assert all(map(np.array_equal, SlicedMatrix(a[:, order], 4).times(b[order]), (high, low)))
    for j in range(6):
        column = SlicedMatrix(a, 4).times(b[:, [j]])
        assert all(map(np.array_equal, column, (high[:, [j]], low[:, [j]])))
    transposed = SlicedMatrix(b.T, 4).times(a.T)
    assert all(map(np.array_equal, transposed, (high.T, low.T)))


def test_whole_numbers_have_an_exact_product():
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-(2**53), 2**53, (5, 5)) for _ in range(2))
    high, low = SlicedMatrix(a.astype(float), slices_for(106, 5)).times(b.astype(float))
    exact = a.astype(object) @ b.astype(object)
    assert [[int(x) + int(y) for x, y in zip(*rows)] for rows in zip(high.tolist(), low.tolist())] == exact.tolist()


@pytest.mark.parametrize("left", [-300, -200, 0, 200, 300])
@pytest.mark.parametrize("right", [-300, -100, 0, 100, 300])
def test_sizes_at_the_ends_of_the_range_are_scaled_not_lost(left, right):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(3, 4)) * 10.0**left, rng.normal(size=(4, 3)) * 10.0**right
    with np.errstate(all="ignore"):
        high, low = SlicedMatrix(a, 4).times(b)
    if abs(left + right) > 250:  # the product, or its second half, is no normal double
        exact = [[sum(x * y for x, y in zip(row, column)) for column in zip(*rational(b))] for row in rational(a)]
        for found, value in zip(high.ravel(), sum(exact, [])):
            if abs(value) > Fraction(1e308) * 2:
                assert np.isinf(found)
            elif abs(value) > Fraction(1e-290):
                assert abs(Fraction(float(found)) / value - 1) < 2.0**-52
    else:
        assert error(rational(a), rational(b), rational(high, low)) < 2.0**-80


def test_zeros_and_empty_products():
    a = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    high, low = SlicedMatrix(a, 3).times(np.array([[0.0, 2.0, 5e-324], [0.0, 7.0, 0.0]]))
    np.testing.assert_array_equal(high, [[0, 0, 0], [0, 2, 5e-324], [0, 21, 0]])
    assert not low.any()
    high, low = SlicedMatrix(a, 3).times(np.empty((2, 0)))
    assert high.shape == low.shape == (3, 0)


def test_cells_much_smaller_than_their_row_are_as_good_as_the_row():
    high, low = SlicedMatrix(np.array([[1.0, 1e-200]]), 4).times(np.array([[1.0], [1e-200]]))
    assert (high[0, 0], low[0, 0]) == (1.0, 0.0)


@laws
@given(st.lists(st.tuples(*[st.floats(-1e100, 1e100)] * 2), max_size=6), st.floats(-1e100, 1e100))
def test_a_product_of_one_row_is_the_exact_sum(pairs, term):
    pairs = [(a, b) for a, b in pairs if a * b == 0 or abs(a * b) > 1e-250]
    a, b = np.array(pairs, float).reshape(-1, 2).T
    exact = sum((Fraction(x) * Fraction(y) for x, y in pairs), Fraction(term))
    assert exact_sum([term], a, b) == float(exact)


def test_the_number_of_slices_grows_with_the_bits_and_the_width_shrinks_with_the_inner_dimension():
    assert [slices_for(bits, 20) for bits in (10, 53, 100)] == sorted(slices_for(bits, 20) for bits in (10, 53, 100))
    assert slice_width(1, 1) == 26
    assert slice_width(2**20, 1) == 16
    assert math.isclose(slice_width(100, 4), 23, abs_tol=1)
