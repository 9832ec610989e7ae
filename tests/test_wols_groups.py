"""Least squares by group against statsmodels, group by group, and against exact fractions; groups that cannot be fitted."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import statsmodels.api as sm

from jobs.errors import BadRecord
from jobs.kernels.keyed import values_of
from jobs.kernels.wols_groups import (
    CONSTANT,
    DEPENDENT,
    FITTED,
    STATUSES,
    TOO_FEW,
    TOO_LARGE,
    WOLSGroupsQuery,
    WOLSGroupsStatistics,
    solve_groups,
)
from tests.registry import gather, make_rows


def rows_by(groups, X, y, w=None):
    rows = make_rows(X, y, w)
    rows.groups = np.asarray(groups)
    return rows


def fit(rows, query=None, n_pieces=1):
    """The fits by value of the group, from rows that came in several pieces."""
    query = query or WOLSGroupsQuery(rows.X.shape[1], rows.X.shape[1] + 2)
    statistics = gather(
        WOLSGroupsStatistics, query, *(rows.at(i) for i in np.array_split(np.arange(len(rows.w)), n_pieces))
    )
    found = solve_groups(statistics, query)
    order = np.argsort(values_of(found.keys, rows.groups.dtype))
    return found.take(order), values_of(found.keys, rows.groups.dtype)[order]


def draw(rng, n=3000, n_groups=40, p=3):
    groups = np.sort(rng.choice(1000, n_groups, replace=False))[rng.integers(0, n_groups, n)]
    X = rng.normal(size=(n, p)) * [1, 100, 0.01][:p] + groups[:, None]
    y = 2 + X @ rng.normal(size=p) + rng.normal(size=n)
    return groups, X, y, rng.gamma(1.0, size=n) + 0.01


@pytest.mark.parametrize("n_pieces", [1, 7])
def test_every_group_is_fitted_as_statsmodels_fits_it(n_pieces):
    groups, X, y, w = draw(np.random.default_rng(0))
    found, values = fit(rows_by(groups, X, y, w), n_pieces=n_pieces)
    assert values.tolist() == sorted(set(groups.tolist()))
    for g, value in enumerate(values):
        some = groups == value
        # The same fit with the features about their means, where statsmodels keeps its digits.
        centre = X[some].mean(axis=0)
        expected = sm.WLS(y[some], sm.add_constant(X[some] - centre), weights=w[some]).fit()
        to_zero = np.eye(4)
        to_zero[0, 1:] = -centre
        covariance = to_zero @ expected.cov_params() @ to_zero.T
        np.testing.assert_allclose(found.coefficients[g], to_zero @ expected.params, rtol=1e-8)
        np.testing.assert_allclose(found.standard_errors[g], np.sqrt(np.diag(covariance)), rtol=1e-8)
        assert found.r_squared[g] == pytest.approx(expected.rsquared, rel=1e-8)
        assert found.sigma[g] ** 2 == pytest.approx(expected.scale, rel=1e-8)
        assert (found.n_rows[g], found.df_residuals[g]) == (some.sum(), expected.df_resid)
        assert found.weight_sum[g] == pytest.approx(w[some].sum(), rel=1e-12)
        scaled = (X[some] - np.average(X[some], axis=0, weights=w[some])) * np.sqrt(w[some])[:, None]
        condition = np.linalg.cond(scaled / np.linalg.norm(scaled, axis=0))
        assert found.condition[g] == pytest.approx(condition, rel=1e-6)


def test_counts_of_rows_are_the_rows_written_out():
    rng = np.random.default_rng(1)
    groups, X, y, _ = draw(rng, 400, 8, 2)
    times = rng.integers(0, 4, 400)
    counted, _ = fit(rows_by(groups, X, y, times.astype(float)), WOLSGroupsQuery(2, 4, frequency=True))
    again = np.repeat(np.arange(400), times)
    written, _ = fit(rows_by(groups[again], X[again], y[again]))
    for name in ("coefficients", "standard_errors", "df_residuals", "sigma", "r_squared"):
        np.testing.assert_allclose(getattr(counted, name), getattr(written, name), rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("place", [0.0, 1e6, -3e9, 2.0**44])
def test_a_narrow_group_far_from_all_others_keeps_its_digits(place):
    """Against exact arithmetic on the doubles that are there."""
    rng = np.random.default_rng(2)
    x = place + rng.integers(-512, 512, 60) / 256
    y = 0.5 * place + 3 * (x - place) + rng.integers(-64, 64, 60) / 64
    w = rng.integers(1, 9, 60) / 4
    far = rng.normal(size=60) * 1e3
    rows = rows_by(
        np.r_[np.zeros(60), np.ones(60)], np.r_[x, far][:, None], np.r_[y, far + rng.normal(size=60)], np.r_[w, w]
    )
    found, _ = fit(rows, n_pieces=5)
    W, X, Y = ([Fraction(float(value)) for value in values] for values in (w, x, y))
    mean_x = sum(a * b for a, b in zip(W, X)) / sum(W)
    mean_y = sum(a * b for a, b in zip(W, Y)) / sum(W)
    xx = sum(a * (b - mean_x) ** 2 for a, b in zip(W, X))
    xy = sum(a * (b - mean_x) * (c - mean_y) for a, b, c in zip(W, X, Y))
    yy = sum(a * (c - mean_y) ** 2 for a, c in zip(W, Y))
    slope = xy / xx
    sigma2 = (yy - slope * xy) / 58
    assert found.coefficients[0, 1] == pytest.approx(float(slope), rel=1e-12)
    intercept = mean_y - slope * mean_x
    assert found.coefficients[0, 0] == pytest.approx(float(intercept), rel=1e-12, abs=1e-12 * max(abs(place), 1))
    assert found.standard_errors[0, 1] ** 2 == pytest.approx(float(sigma2 / xx), rel=1e-10)
    assert found.standard_errors[0, 0] ** 2 == pytest.approx(float(sigma2 * (1 / sum(W) + mean_x**2 / xx)), rel=1e-10)
    assert found.r_squared[0] == pytest.approx(float(slope * xy / yy), rel=1e-12)


def test_what_cannot_be_fitted_is_named_and_takes_no_other_group_along():
    rng = np.random.default_rng(3)
    n = 20
    good = rng.normal(size=(n, 2))
    constant = np.column_stack([rng.normal(size=n), np.full(n, 0.1)])
    dependent = np.column_stack([np.arange(n), 3.0 * np.arange(n) - 7])
    # Equal up to the rounding of numbers so large.
    rounded = 1e6 + rng.normal(size=n) * 0.3
    rounded = np.column_stack([rounded, rounded / 3])
    large = rng.normal(size=(n, 2)) * 1e200
    X = np.concatenate([good[:3], good, constant, dependent, rounded, large, good])
    groups = np.repeat([10, 11, 12, 13, 14, 15, 16], [3, n, n, n, n, n, n])
    y = rng.normal(size=len(X)) + np.where(groups == 11, X[:, 0], 0)
    found, values = fit(rows_by(groups, X, y), n_pieces=4)
    assert values.tolist() == [10, 11, 12, 13, 14, 15, 16]
    assert found.status.tolist() == [TOO_FEW, FITTED, CONSTANT, DEPENDENT, DEPENDENT, TOO_LARGE, FITTED]
    assert [STATUSES[code] for code in (TOO_FEW, CONSTANT)] == ["too few rows", "constant feature"]
    for name in ("coefficients", "standard_errors", "sigma", "r_squared", "condition"):
        known = np.isfinite(getattr(found, name)).reshape(7, -1)
        assert (known == (found.status == FITTED)[:, None]).all(), name
    alone, _ = fit(rows_by(np.zeros(n, int), good, y[3 : 3 + n]))
    np.testing.assert_allclose(found.coefficients[1], alone.coefficients[0], rtol=1e-12)


def test_as_many_rows_as_coefficients_are_fitted_without_errors_if_asked_for():
    X = np.array([[0.0], [2.0]])
    found, _ = fit(rows_by([4, 4], X, [1.0, 7.0]), WOLSGroupsQuery(1, 2))
    assert found.status.tolist() == [FITTED]
    np.testing.assert_allclose(found.coefficients, [[1, 3]])
    assert np.isnan(found.standard_errors).all() and np.isnan(found.sigma).all() and found.df_residuals.tolist() == [0]
    found, _ = fit(rows_by([4, 4], X, [1.0, 7.0]), WOLSGroupsQuery(1, 3))
    assert found.status.tolist() == [TOO_FEW]
    # However few are asked for, as many as coefficients are needed.
    found, _ = fit(rows_by([4], X[:1], [1.0]), WOLSGroupsQuery(1, 0))
    assert found.status.tolist() == [TOO_FEW]


def test_a_target_that_does_not_vary_is_its_own_fit_and_has_no_r_squared():
    found, _ = fit(rows_by(np.zeros(9, int), np.arange(9.0)[:, None], np.full(9, 2.5)))
    assert found.coefficients.tolist() == [[2.5, 0.0]] and found.sigma.tolist() == [0.0]
    assert np.isnan(found.r_squared).all()


def test_without_features_each_group_has_its_weighted_mean():
    rng = np.random.default_rng(4)
    groups, y, w = rng.integers(0, 3, 50), rng.normal(size=50), rng.gamma(1.0, size=50)
    found, _ = fit(rows_by(groups, np.zeros((50, 0)), y, w))
    for g in range(3):
        some = groups == g
        expected = sm.WLS(y[some], np.ones(some.sum()), weights=w[some]).fit()
        np.testing.assert_allclose(found.coefficients[g], expected.params, rtol=1e-12)
        np.testing.assert_allclose(found.standard_errors[g], expected.bse, rtol=1e-9)


def test_rows_of_weight_zero_are_as_if_they_were_not_there():
    rng = np.random.default_rng(5)
    groups, X, y, w = draw(rng, 200, 5, 2)
    w[::3] = 0
    groups[:2], w[:2] = 5000, 0  # a group of such rows alone
    found, values = fit(rows_by(groups, X, y, w))
    without, _ = fit(rows_by(groups[w > 0], X[w > 0], y[w > 0], w[w > 0]))
    assert 5000 not in values and found.md5() == without.md5()


def test_the_weight_counts_in_every_number():
    rng = np.random.default_rng(6)
    groups, X, y, w = draw(rng, 300, 4, 2)
    weighted, _ = fit(rows_by(groups, X, y, w))
    plain, _ = fit(rows_by(groups, X, y))
    for name in ("coefficients", "standard_errors", "sigma", "r_squared", "weight_sum", "condition"):
        assert not np.isclose(getattr(weighted, name), getattr(plain, name), rtol=1e-6).any(), name


@pytest.mark.parametrize("apart", [1.0, 1e-1, 1e-2, 1e-3, 1e-4])
def test_nearly_dependent_features_cost_as_many_digits_as_the_condition_number_tells(apart):
    """Against a QR factorisation of the features about their means, which loses half as many."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=200)
    X = np.column_stack([x, x + apart * rng.normal(size=200)])
    y = X @ [1.0, 2.0] + rng.normal(size=200)
    found, _ = fit(rows_by(np.zeros(200, int), X, y), n_pieces=4)
    expected = np.linalg.lstsq(X - X.mean(axis=0), y - y.mean(), rcond=None)[0]
    error = np.abs(found.coefficients[0, 1:] - expected).max() / np.abs(expected).max()
    assert error < 20 * np.finfo(float).eps * found.condition[0] ** 2
    assert found.condition[0] == pytest.approx(2 / apart, rel=0.5) or apart == 1


def test_rows_that_do_not_fit_the_query_are_refused():
    rows = make_rows(np.ones((3, 2)), np.ones(3))
    with pytest.raises(BadRecord, match="2 features where 3"):
        WOLSGroupsStatistics.leaf(rows, WOLSGroupsQuery(3, 5))
    rows.groups = None
    with pytest.raises(BadRecord, match="without groups"):
        WOLSGroupsStatistics.leaf(rows, WOLSGroupsQuery(2, 4))
