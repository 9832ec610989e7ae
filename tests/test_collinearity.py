"""Correlations, variance inflation and subsets of columns, against numpy and statsmodels on the rows."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.outliers_influence import variance_inflation_factor

from drivers.linear.collinearity import correlation, variance_inflation
from drivers.linear.subsets import subset
from jobs.kernels.wols import WOLSQuery, WOLSStatistics, solve
from tests.registry import gather, make_rows


def make_data(seed: int = 0, n: int = 150, p: int = 6):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + 2 * rng.normal(size=(n, 1)) + rng.normal(size=p)
    return X, X @ rng.normal(size=p) + rng.normal(size=n), rng.gamma(2.0, size=n)


def statistics_of(X, y, w) -> tuple[WOLSStatistics, WOLSQuery]:
    query = WOLSQuery(X.mean(axis=0), float(y.mean()))
    return gather(WOLSStatistics, query, make_rows(X, y, w)), query


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_correlations_are_those_of_numpy(offset):
    X, y, w = make_data()
    ours = correlation(statistics_of(X + offset, y, w)[0])
    covariance = np.cov(np.column_stack([X, y]).T, aweights=w)
    d = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose(ours, covariance / np.outer(d, d), atol=1e-13 if not offset else 1e-9)
    assert (np.diag(ours) == 1).all() and (ours == ours.T).all()


def test_a_constant_has_no_correlation():
    X, y, w = make_data()
    X[:, 2] = 5.0
    ours = correlation(statistics_of(X, y, w)[0])
    assert np.isnan(ours[2]).all() and np.isnan(ours[:, 2]).all()
    assert np.isfinite(np.delete(np.delete(ours, 2, 0), 2, 1)).all()
    same = correlation(statistics_of(X[:, :1], -3 * X[:, 0], w)[0])
    np.testing.assert_allclose(same, [[1, -1], [-1, 1]])


@pytest.mark.parametrize("seed", range(3))
def test_variance_inflation_is_that_of_statsmodels(seed):
    X, y, w = make_data(seed)
    # Its variance_inflation_factor knows no weights, and of rows times sqrt(w) it takes R^2 about zero.
    centred = np.array([sm.WLS(X[:, j], sm.add_constant(np.delete(X, j, 1)), weights=w).fit().rsquared for j in range(6)])
    statistics, query = statistics_of(X, y, w)
    np.testing.assert_allclose(variance_inflation(statistics), 1 / (1 - centred), rtol=1e-10)
    scaled = statistics_of(X * 10.0 ** np.arange(-8, 10, 3), y, w)
    np.testing.assert_allclose(variance_inflation(*scaled), 1 / (1 - centred), rtol=1e-9)
    plain = variance_inflation(statistics_of(X, y, np.ones(len(y)))[0])
    ones = np.column_stack([np.ones(len(y)), X])
    np.testing.assert_allclose(plain, [variance_inflation_factor(ones, j + 1) for j in range(6)], rtol=1e-10)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_dependent_features_are_inflated_without_end_and_the_others_are_not(offset):
    X, y, w = make_data()
    X = X + offset
    alone = variance_inflation(*statistics_of(X, y, w))
    more = np.column_stack([X, X[:, 0] - X[:, 1], np.full(len(y), 3.0)])
    ours = variance_inflation(*statistics_of(more, y, w))
    assert np.isinf(ours[[0, 1, 6, 7]]).all()
    np.testing.assert_allclose(ours[2:6], alone[2:6], rtol=1e-6 if offset else 1e-10)


def test_small_tables():
    X, y, w = make_data()
    assert variance_inflation(*statistics_of(X[:, :0], y, w)).shape == (0,)
    assert variance_inflation(*statistics_of(X[:, :1], y, w)).tolist() == [1]
    assert correlation(statistics_of(X[:, :0], y, w)[0]).tolist() == [[1]]
    few = variance_inflation(*statistics_of(X[:4], y[:4], w[:4]))
    assert np.isinf(few).all()


# -- subsets of columns ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns, target", [([3, 0], None), ([], None), ([0, 1, 2, 3, 4, 5], None), ([5, 2], 3), ([6, 1], 0)]
)
def test_a_subset_is_the_pass_over_its_columns(columns, target):
    X, y, w = make_data()
    table = np.column_stack([X, y])
    ours, query = subset(*statistics_of(X, y, w), columns, target)
    theirs, expected = statistics_of(table[:, columns], table[:, 6 if target is None else target], w)
    np.testing.assert_allclose(query.center, expected.center)
    assert query.target_center == pytest.approx(expected.target_center)
    assert ours.close(theirs)
    peer = sm.WLS(
        table[:, 6 if target is None else target],
        sm.add_constant(table[:, columns]) if columns else np.ones(len(y)),
        weights=w,
    ).fit()
    solution = solve(ours, query)
    np.testing.assert_allclose(np.append(solution.intercept, solution.coefficients), peer.params, rtol=1e-9)
    np.testing.assert_allclose(solution.residual_square_sum, peer.ssr, rtol=1e-9)


def test_a_number_that_is_no_column_is_refused():
    statistics, query = statistics_of(*make_data())
    for columns, target in (([7], None), ([-1], None), ([0], 9)):
        with pytest.raises(ValueError, match="columns are numbered from 0 to 6"):
            subset(statistics, query, columns, target)
