"""The sandwich covariances: White's against statsmodels, the equal-variance one against the matrices written out."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm

from drivers.linear.inference import CoefficientTable, sandwich_tables
from jobs.kernels.wols import WOLSQuery, WOLSStatistics, solve
from jobs.kernels.wols_robust import WOLSRobustQuery, WOLSRobustStatistics
from tests.registry import gather, make_rows, take

LEVEL = 0.9


def sandwiches(X, y, w, n_blocks: int = 4) -> tuple[CoefficientTable, CoefficientTable]:
    """The two passes and what the driver makes of them."""
    rows = make_rows(X, y, w)
    parts = [take(rows, part) for part in np.array_split(np.arange(len(y)), n_blocks)]
    center, target_center = np.mean(X, axis=0), float(np.mean(y))
    query = WOLSQuery(center, target_center)
    solution = solve(merged(WOLSStatistics, query, parts), query)
    centred_intercept = solution.intercept - target_center + center @ solution.coefficients
    second = WOLSRobustQuery(centred_intercept, target_center, solution.coefficients, center)
    hc0, equal = sandwich_tables(solution, merged(WOLSRobustStatistics, second, parts), center, LEVEL)
    return hc0, equal


def merged(statistics_class, query, parts):
    total = statistics_class.zero(query)
    for part in parts:
        total = total.merge(gather(statistics_class, query, part))
    return total


def make_data(seed, offset=0.0, units=(1.0, 1.0, 1.0), n=200):
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 3)) @ (np.eye(3) + 0.3 * rng.normal(size=(3, 3)))
    y = Z @ [1.0, -2.0, 0.1] + rng.normal(size=n) * (1 + np.abs(Z[:, 0])) + offset
    return Z * units + offset, y, rng.gamma(1.0, size=n)


@pytest.mark.parametrize("weighted", [True, False], ids=["weighted", "ordinary"])
@pytest.mark.parametrize("seed", range(3))
def test_hc0_is_that_of_statsmodels(seed, weighted):
    X, y, w = make_data(seed)
    w = w if weighted else np.ones(len(y))
    hc0, _ = sandwiches(X, y, w)
    peer = sm.WLS(y, sm.add_constant(X), weights=w).fit(cov_type="HC0")
    assert hc0.covariance_type == "HC0"
    np.testing.assert_allclose(hc0.estimates, peer.params, rtol=1e-9)
    np.testing.assert_allclose(hc0.covariance, peer.cov_params(), rtol=1e-9, atol=1e-9 * np.max(peer.cov_params()))
    np.testing.assert_allclose(hc0.standard_errors, peer.bse, rtol=1e-9)
    np.testing.assert_allclose(hc0.statistics, peer.tvalues, rtol=1e-9)
    np.testing.assert_allclose(hc0.p_values, peer.pvalues, rtol=1e-7)  # of the normal law, as there
    np.testing.assert_allclose(hc0.intervals, peer.conf_int(1 - LEVEL), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_hc0_survives_offsets_and_units(seed):
    """statsmodels is given the same data about their means and in one unit, where its own digits are safe."""
    X, y, w = make_data(seed)
    peer = sm.WLS(y, sm.add_constant(X), weights=w).fit(cov_type="HC0")
    units = 2.0 ** np.array([-27, 27, 3])
    scaled, _ = sandwiches(X * units, y, w)
    np.testing.assert_allclose(scaled.standard_errors, peer.bse / np.append(1, units), rtol=1e-9)
    far, _ = sandwiches(X + 1e6, y + 1e6, w)
    np.testing.assert_allclose(far.standard_errors[1:], peer.bse[1:], rtol=1e-8)
    back = np.eye(4)
    back[0, 1:] = -1e6
    np.testing.assert_allclose(far.covariance, back @ peer.cov_params() @ back.T, rtol=1e-7)


def test_the_equal_variance_sandwich_is_the_matrix_formula():
    """(X'WX)^-1 X'W (s^2 I) WX (X'WX)^-1, with every matrix written out, n by n."""
    X, y, w = make_data(4, n=30)
    _, equal = sandwiches(X, y, w)
    A, W = np.column_stack([np.ones(30), X]), np.diag(w)
    hat = np.linalg.inv(A.T @ W @ A) @ A.T @ W  # b = hat y, so Cov(b) = hat (s^2 I) hat'
    e = y - A @ hat @ y
    assert equal.covariance_type == "equal-variance"
    np.testing.assert_allclose(equal.covariance, hat @ (np.eye(30) * (e @ e / 26)) @ hat.T, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(equal.estimates, hat @ y, rtol=1e-9)


def test_with_equal_weights_the_equal_variance_sandwich_is_the_classical_covariance():
    X, y, _ = make_data(5)
    _, equal = sandwiches(X, y, np.full(len(y), 2.5))
    np.testing.assert_allclose(equal.standard_errors, sm.OLS(y, sm.add_constant(X)).fit().bse, rtol=1e-9)


def test_the_equal_variance_sandwich_tells_the_spread_of_estimates_over_data_sets():
    """Rows of one variance under uneven weights: the classical errors are far off, these are not."""
    rng = np.random.default_rng(6)
    n, times = 300, 600
    x = rng.uniform(-4, 4, n)
    w = np.abs(1 / x)
    slopes, errors, classical = [], [], []
    for _ in range(times):
        y = x - 4 + rng.normal(0, 0.5, n)
        _, equal = sandwiches(x[:, None], y, w, 1)
        slopes.append(equal.estimates)
        errors.append(equal.standard_errors)
    classical = sm.WLS(y, sm.add_constant(x), weights=w).fit().bse
    spread = np.std(slopes, axis=0)
    np.testing.assert_allclose(np.mean(errors, axis=0), spread, rtol=4 / np.sqrt(2 * times))
    assert not np.allclose(classical, spread, rtol=0.2)


def test_a_row_of_weight_zero_is_an_absent_row():
    X, y, w = make_data(7)
    gone = np.random.default_rng(0).random(len(y)) < 0.3
    for a, b in zip(sandwiches(X, y, np.where(gone, 0, w)), sandwiches(X[~gone], y[~gone], w[~gone])):
        np.testing.assert_allclose(a.covariance, b.covariance, rtol=1e-9, atol=1e-14)


def test_a_duplicated_column_leaves_the_errors_of_the_others():
    X, y, w = make_data(8)
    for single, double in zip(sandwiches(X, y, w), sandwiches(np.column_stack([X, X[:, 0]]), y, w)):
        np.testing.assert_allclose(double.standard_errors[[0, 2, 3]], single.standard_errors[[0, 2, 3]], rtol=1e-8)
        # The two share one coefficient: each has half of it, and half of its error.
        np.testing.assert_allclose(double.standard_errors[[1, 4]], single.standard_errors[1] / 2, rtol=1e-8)


def test_without_features_it_is_the_error_of_a_weighted_mean():
    _, y, w = make_data(9)
    hc0, equal = sandwiches(np.empty((len(y), 0)), y, w)
    peer = sm.WLS(y, np.ones(len(y)), weights=w)
    np.testing.assert_allclose(hc0.standard_errors, peer.fit(cov_type="HC0").bse, rtol=1e-9)
    share = w / w.sum()
    e = y - share @ y
    np.testing.assert_allclose(equal.standard_errors[0], np.sqrt(e @ e / (len(y) - 1) * (share @ share)))


def test_no_more_rows_than_coefficients_leave_no_error_to_estimate():
    X, y, w = make_data(10, n=4)
    hc0, equal = sandwiches(X, y, w)
    assert np.isnan(equal.standard_errors).all()
    assert np.all(hc0.standard_errors < 1e-10)
