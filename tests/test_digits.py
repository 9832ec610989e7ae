"""The digits of bench/digits.py: no fewer than the best peer in one pass, and 12 and more with --refine."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

from bench import digits
from bench.digits import CASES, in_one_pass, scikit_learn, statsmodels, with_refinement
from drivers.loop import CONVERGED

CHANCE = 0.5  # the last rounding, on either side
ENOUGH = 12
every = pytest.mark.parametrize("name", CASES)
POLYNOMIAL = "polynomial of degree 10 on (-9, -3)"
PERFECT = "polynomial of degree 5 on 0..20, perfect fit"


def test_there_are_20_tables():
    assert len(CASES) == 20


@every
def test_one_pass_has_the_digits_of_the_best_peer(name):
    ours, sm, sk = in_one_pass(name), statsmodels(name), scikit_learn(name)
    assert ours.coefficients >= min(max(sm.coefficients, sk.coefficients), ENOUGH) - CHANCE
    assert (ours.errors is None) == (name == PERFECT)
    if ours.errors is not None:
        assert ours.errors >= min(sm.errors, ENOUGH) - CHANCE


@every
def test_refinement_gives_all_digits_that_count(name):
    found = with_refinement(name)
    assert found.coefficients >= ENOUGH
    assert found.errors is None or found.errors >= 15
    fit, solution = digits.refined_passes(CASES[name]())
    assert fit.status == [CONVERGED]
    assert fit.n_iter == (2 if name == PERFECT else 1)
    assert name != PERFECT or solution.residual_square_sum == 0


@every
def test_refinement_gives_them_from_many_blocks_too(name, monkeypatch):
    """A table this small is one block; the triangles of large tables are rounded once a merge."""
    monkeypatch.setattr(digits, "N_BLOCKS", 3)
    table = CASES[name]()
    found = digits.digits(name, *digits.estimates(table, digits.refined_passes(table)[1]))
    assert found.coefficients >= ENOUGH
    assert found.errors is None or found.errors >= 15


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_a_polynomial_of_degree_10_has_six_digits_in_one_pass(n_blocks, monkeypatch):
    monkeypatch.setattr(digits, "N_BLOCKS", n_blocks)
    table = CASES[POLYNOMIAL]()
    found = digits.digits(POLYNOMIAL, *digits.estimates(table, digits.one_pass(table)[2]))
    assert min(found.coefficients, found.errors) >= 6


def test_what_rounded_powers_leave_of_a_polynomial():
    """To round x^k is to change the table by EPS, and that changes the coefficients by EPS times a condition number: digits
    that nobody can bring back. --refine has more of those of the table than there are of the polynomial."""
    limit = digits.digits_of_rounded_powers()
    assert 5 < limit < 9
    assert with_refinement(POLYNOMIAL).coefficients > limit + 5


@pytest.mark.parametrize("name", [POLYNOMIAL, "mean 1e10, sd 1", "collinear up to 1e-9"])
def test_60_digits_are_enough_for_the_reference(name, monkeypatch):
    short = digits.reference(name)
    monkeypatch.setattr(digits, "DECIMALS", 120)
    table = CASES[name]()
    long = digits.exact_fit(digits.mpf_columns(table.X), list(map(mpmath.mpf, table.y.tolist())), table.w)
    with mpmath.workdps(60):
        for a, b in zip(short, long):
            assert max(abs(x / y - 1) for x, y in zip(a, b)) < mpmath.mpf(10) ** -25


def test_right_digits():
    exact = [mpmath.mpf(3), mpmath.mpf(-2)]
    assert digits.right_digits([3.0, -2.0], exact) == digits.MOST
    assert digits.right_digits([3.003, -2.0], exact) == pytest.approx(3)
    assert digits.right_digits([3.0, 2.0], exact) == 0
    assert digits.right_digits([np.nan, 2.0], exact) == 0


def test_the_page_has_every_table_and_the_limit_of_the_data():
    text = digits.markdown()
    assert all(f"| {name} |" in text for name in CASES)
    assert f"agree to {digits.digits_of_rounded_powers():.1f} digits" in text
    assert text.count("\n|") == len(CASES) + 2
