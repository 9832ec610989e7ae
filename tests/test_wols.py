"""Weighted least squares in one pass, against statsmodels, scikit-learn, a reference of 50 digits, and the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.linear_model import LinearRegression

from drivers.linear.inference import classical_table, measures_of_fit
from jobs.kernels.wols import WOLSQuery, WOLSStatistics, exact_sum, r_factor, solve
from jobs.tree import MergeTree
from tests.registry import gather, make_rows, take

LEVEL = 0.9


def query_for(X, y) -> WOLSQuery:
    """The centre as packing gives it: the plain means of the columns."""
    return WOLSQuery(np.mean(X, axis=0) if len(X) else np.zeros(X.shape[1]), float(np.mean(y)) if len(y) else 0.0)


def statistics_of(X, y, w=None, n_blocks: int = 1, query: WOLSQuery | None = None) -> tuple[WOLSStatistics, WOLSQuery]:
    """The pass over n_blocks blocks, merged along the tree of a real one."""
    X = np.asarray(X, float)
    query = query or query_for(X, y)
    rows = make_rows(X, y, w)
    tree: MergeTree = MergeTree()
    for number, chosen in enumerate(np.array_split(np.arange(len(X)), n_blocks)):
        tree.add(0, 0, number, gather(WOLSStatistics, query, take(rows, chosen)))
    return tree.total(), query


def fit(X, y, w=None, n_blocks: int = 1):
    statistics, query = statistics_of(X, y, w, n_blocks)
    return solve(statistics, query)


def estimates(solution) -> np.ndarray:
    return np.append(solution.intercept, solution.coefficients)


def make_data(kind: str, seed: int, n: int = 300, p: int = 4):
    """Features, target and weights whose truth has coefficients of size about 1 in units of each feature."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, p)) @ (np.eye(p) + 0.3 * rng.normal(size=(p, p)))
    y = Z @ rng.normal(size=p) + 3 + rng.normal(size=n)
    w = rng.gamma(2.0, size=n)
    if kind == "offset":
        return Z + 1e6, y + 1e6, w
    if kind == "scaled":
        return Z * UNITS[:p], y, w
    return Z, y, w


KINDS = ["random", "offset", "scaled"]
UNITS = 2.0 ** np.array([-27, 27, -9, 14])  # 1e-8 to 1e8


# -- against statsmodels ------------------------------------------------------------------------------------------------


@dataclass
class Peer:
    """statsmodels' fit in convenient units, and its coefficients and their covariance in the units of the data.

    Fed with a mean of 1e6 or columns that differ by 1e16, statsmodels itself keeps three digits of a standard error (it
    inverts X'X) or drops a column (by the rank of X). Moving the origin and scaling by powers of two is exact here, and it
    is another road than the kernel's, which is given the data as they are.
    """

    fit: Any
    params: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, kind, X, y, w=None, **options) -> Peer:
        p = X.shape[1]
        origin, unit = (1e6 if kind == "offset" else 0.0), (UNITS[:p] if kind == "scaled" else np.ones(p))
        exog, endog = sm.add_constant((X - origin) / unit, has_constant="add"), y - origin
        fit = (sm.OLS(endog, exog) if w is None else sm.WLS(endog, exog, weights=w)).fit(**options)
        back = np.diag(np.append(1, 1 / unit))
        back[0, 1:] = -origin / unit
        params = back @ fit.params
        params[0] += origin
        return cls(fit, params, back @ fit.cov_params() @ back.T)


def close(ours, theirs, rtol=1e-9) -> bool:
    return bool(np.all(np.abs(np.asarray(ours) - theirs) <= rtol * np.abs(theirs)))


@pytest.mark.parametrize("n_blocks", [1, 7])
@pytest.mark.parametrize("weighted", [True, False], ids=["weighted", "ordinary"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_every_number_is_that_of_statsmodels(kind, seed, weighted, n_blocks):
    X, y, w = make_data(kind, seed)
    w = w if weighted else None
    statistics, query = statistics_of(X, y, w, n_blocks)
    solution = solve(statistics, query)
    measures = measures_of_fit(statistics, solution)
    table = classical_table(statistics, solution, measures, LEVEL)
    peer = Peer.of(kind, X, y, w)
    errors = np.sqrt(np.diag(peer.covariance))
    t = peer.params / errors
    assert close(table.estimates, peer.params)
    assert close(table.standard_errors, errors)
    assert close(table.covariance, peer.covariance)
    assert close(table.statistics, t)
    p_values = 2 * stats.t.sf(np.abs(t), peer.fit.df_resid)
    assert close(table.p_values[1:] if kind == "offset" else table.p_values, peer.fit.pvalues[kind == "offset" :], 1e-7)
    assert close(table.p_values, p_values, 1e-7)  # a large t has its relative error many times over in p
    half = stats.t.ppf((1 + LEVEL) / 2, peer.fit.df_resid) * errors
    assert close(table.intervals[:, 1] - table.intervals[:, 0], 2 * half)
    assert close(table.intervals.mean(axis=1), peer.params)
    assert kind != "random" or close(table.intervals, peer.fit.conf_int(1 - LEVEL))
    peer = peer.fit
    for name, value in {
        "n_observations": peer.nobs,
        "df_model": peer.df_model,
        "df_residuals": peer.df_resid,
        "residual_square_sum": peer.ssr,
        "residual_variance": peer.scale,
        "r_squared": peer.rsquared,
        "r_squared_adjusted": peer.rsquared_adj,
        "f_statistic": peer.fvalue,
        "log_likelihood": peer.llf,
        "aic": peer.aic,
        "bic": peer.bic,
    }.items():
        assert close(measures[name], value), name
    assert close(measures["f_p_value"], peer.f_pvalue, 1e-7) or peer.f_pvalue < 1e-250
    weights = np.ones(len(y)) if w is None else w
    assert close(measures["mse"], np.average(peer.resid**2, weights=weights))
    assert measures["rmse"] == math.sqrt(measures["mse"])


def test_p_values_of_small_effects_are_those_of_statsmodels():
    rng = np.random.default_rng(4)
    X, y, w = rng.normal(size=(12, 3)), rng.normal(size=12), rng.gamma(1.0, size=12)
    statistics, query = statistics_of(X, y, w)
    solution = solve(statistics, query)
    measures = measures_of_fit(statistics, solution)
    peer = sm.WLS(y, sm.add_constant(X), weights=w).fit()
    table = classical_table(statistics, solution, measures, 0.99)
    assert table.covariance_type == "classical"
    assert close(table.p_values, peer.pvalues)
    assert close(table.intervals, peer.conf_int(0.01))
    assert close(measures["f_p_value"], peer.f_pvalue)


def test_measures_of_the_weights():
    X, y, w = make_data("random", 0)
    statistics, query = statistics_of(X, y, w)
    measures = measures_of_fit(statistics, solve(statistics, query))
    assert close(measures["effective_sample_size"], sum(w) ** 2 / sum(w**2), 1e-12)
    assert close(measures["largest_weight_share"], max(w / sum(w)), 1e-12)
    even = measures_of_fit(*_with_solution(X, y, np.full(len(y), 7.0)))
    assert close(even["effective_sample_size"], len(y), 1e-12)


def _with_solution(X, y, w):
    statistics, query = statistics_of(X, y, w)
    return statistics, solve(statistics, query)


def test_the_condition_number_does_not_depend_on_units():
    X, y, w = make_data("random", 1)
    here, there = (fit(X * scale, y, w).condition_number for scale in (1.0, np.array([1e-8, 1e8, 1, 1e3])))
    Z = (X - np.average(X, axis=0, weights=w)) * np.sqrt(w)[:, None]
    assert close([here, there], np.linalg.cond(Z / np.linalg.norm(Z, axis=0)))


# -- against 50 digits --------------------------------------------------------------------------------------------------


def exact_fit(X, y, w) -> tuple[list, list]:
    """Coefficients and standard errors of the data as they stand, by the normal equations in 60 digits."""
    with mpmath.workdps(60):
        A = mpmath.matrix([[1, *map(mpmath.mpf, row)] for row in X.tolist()])
        b = mpmath.matrix(list(map(mpmath.mpf, y.tolist())))
        root = mpmath.diag([mpmath.mpf(v) for v in w.tolist()])
        inverse = (A.T * root * A) ** -1
        beta = inverse * (A.T * (root * b))
        e = b - A * beta
        sigma2 = sum(mpmath.mpf(v) * r**2 for v, r in zip(w.tolist(), e)) / (len(y) - A.cols)
        return list(beta), [mpmath.sqrt(sigma2 * inverse[j, j]) for j in range(A.cols)]


def digits(values, exact) -> np.ndarray:
    """How many decimal digits of each value are right; 15.5 is all a double shows."""
    with mpmath.workdps(60):
        errors = [float(abs(mpmath.mpf(float(v)) / x - 1)) for v, x in zip(values, exact)]
    return np.minimum(-np.log10(np.maximum(errors, 1e-18)), 15.5)


def longley():
    data = sm.datasets.longley.load_pandas()
    return data.exog.to_numpy(float), data.endog.to_numpy(float), np.linspace(0.5, 1.5, len(data.endog))


def small(kind, seed):
    return make_data(kind, seed, n=40, p=3)


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")  # statsmodels on scaled columns
@pytest.mark.parametrize("data", [*((kind, seed) for kind in KINDS for seed in range(4)), ("longley", 0)], ids=str)
def test_at_least_as_many_right_digits_as_statsmodels(data):
    X, y, w = longley() if data[0] == "longley" else small(*data)
    beta, errors = exact_fit(X, y, w)
    statistics, query = statistics_of(X, y, w, n_blocks=4)
    solution = solve(statistics, query)
    table = classical_table(statistics, solution, measures_of_fit(statistics, solution), LEVEL)
    for method in ("pinv", "qr"):
        peer = sm.WLS(y, sm.add_constant(X, has_constant="add"), weights=w).fit(method=method)
        for ours, theirs, exact in ((table.estimates, peer.params, beta), (table.standard_errors, peer.bse, errors)):
            # The fewest of all coefficients; beyond 13.5 the last digits are chance on either side.
            assert min(digits(ours, exact).min(), 13.5) >= min(digits(theirs, exact).min(), 13.5), method


def test_offset_data_keep_the_digits_that_are_in_them():
    """Mean 1e6, sd 1: the slopes lose none; the intercept, 1e6 standard deviations away, is still right to 1e-9."""
    X, y, w = small("offset", 9)
    beta, errors = exact_fit(X, y, w)
    statistics, query = statistics_of(X, y, w, n_blocks=4)
    solution = solve(statistics, query)
    table = classical_table(statistics, solution, measures_of_fit(statistics, solution), LEVEL)
    assert digits(table.estimates, beta)[1:].min() > 13
    assert digits(table.estimates, beta)[0] > 9
    assert digits(table.standard_errors, errors).min() > 12


SIZES = st.one_of(st.floats(-1e100, 1e100), st.floats(allow_nan=False, allow_infinity=False))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(SIZES, SIZES), max_size=6), st.lists(SIZES, max_size=3))
def test_exact_sum_rounds_once(pairs, terms):
    # Products below the normal range have a rounding error that is no double.
    pairs = [(a, b) for a, b in pairs if a * b == 0 or abs(a * b) > 1e-250]
    a, b = np.array(pairs, float).reshape(-1, 2).T
    exact = sum((Fraction(x) * Fraction(y) for x, y in pairs), sum(map(Fraction, terms), Fraction(0)))
    try:
        rounded = float(exact)
    except OverflowError:
        rounded = math.inf if exact > 0 else -math.inf
    assert exact_sum(terms, a, b) == rounded


def test_the_intercept_is_rounded_once():
    """From given slopes: c'b is a sum of large terms that cancel, where a plain dot product keeps few digits."""
    rng = np.random.default_rng(0)
    slopes = np.array([0.1, -0.1, 0.3, 1 / 3])
    center = np.array([1e9, 1e9, 1e7, -9e6]) + rng.normal(size=4)
    r = np.diag([1.0, 1, 1, 1, 1, 1])
    r[1:5, 5] = slopes
    statistics = WOLSStatistics(9, 0, 1.0, 1.0, 0.0, 1.0, r)
    solution = solve(statistics, WOLSQuery(center, 0.7))
    assert solution.coefficients.tolist() == slopes.tolist()
    exact = Fraction(0.7) - sum(Fraction(c) * Fraction(b) for c, b in zip(center.tolist(), slopes.tolist()))
    assert solution.intercept == float(exact) != 0.7 - center @ slopes


# -- blocks and merging -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_any_number_of_blocks_is_one_block(kind):
    X, y, w = make_data(kind, 2)
    whole, query = statistics_of(X, y, w)
    expected = estimates(solve(whole, query))
    for n_blocks in range(1, 41):
        merged, _ = statistics_of(X, y, w, n_blocks)
        assert merged.close(whole)
        assert close(estimates(solve(merged, query)), expected, 1e-11 if kind != "offset" else 1e-9)


def test_tall_blocks_are_cut_into_slices_of_no_consequence():
    rng = np.random.default_rng(3)
    for n, k in ((4096, 3), (4097, 3), (16384, 5), (20001, 300)):
        matrix = rng.normal(size=(n, k))
        r = r_factor(matrix)
        assert r.shape == (k, k)
        np.testing.assert_array_equal(r, np.triu(r))
        np.testing.assert_allclose(r.T @ r, matrix.T @ matrix, rtol=0, atol=1e-11 * n)


@pytest.mark.parametrize("n", [0, 1, 2, 4])
def test_r_of_few_rows_is_padded(n):
    matrix = np.random.default_rng(0).normal(size=(n, 4))
    r = r_factor(matrix)
    assert r.shape == (4, 4)
    np.testing.assert_allclose(r.T @ r, matrix.T @ matrix, atol=1e-14)


# -- weights -------------------------------------------------------------------------------------------------------------


def test_a_row_of_weight_zero_is_an_absent_row():
    X, y, w = make_data("random", 5)
    gone = np.random.default_rng(0).random(len(y)) < 0.3
    query = query_for(X, y)
    with_zeros, _ = statistics_of(X, y, np.where(gone, 0, w), query=query)
    without, _ = statistics_of(X[~gone], y[~gone], w[~gone], query=query)
    assert with_zeros.n_zero_weight == gone.sum()
    assert without.n_zero_weight == 0
    with_zeros.n_zero_weight = 0
    assert with_zeros.close(without)
    a, b = (measures_of_fit(s, solve(s, query)) for s in (with_zeros, without))
    assert all(close(a[name], b[name], 1e-11) for name in a)


def test_the_unit_of_the_weights_does_not_matter_for_the_inference():
    X, y, w = make_data("random", 6)
    tables = []
    for unit in (1.0, 1e-12, 1e12):
        statistics, query = statistics_of(X, y, w * unit)
        solution = solve(statistics, query)
        tables.append(classical_table(statistics, solution, measures_of_fit(statistics, solution), LEVEL))
    for table in tables[1:]:
        assert close(table.estimates, tables[0].estimates)
        assert close(table.standard_errors, tables[0].standard_errors)


def test_without_a_positive_weight_there_is_no_fit():
    for X, w in ((np.ones((3, 1)), np.zeros(3)), (np.ones((0, 1)), np.zeros(0))):
        statistics, query = statistics_of(X, np.ones(len(X)), w)
        with pytest.raises(ValueError, match="no row has a positive weight"):
            solve(statistics, query)


# -- singular ------------------------------------------------------------------------------------------------------------


def singular(kind: str, seed: int, offset: float = 0.0, n: int = 80):
    """Features with dependent ones among them, and the numbers of those that depend on the ones before."""
    rng = np.random.default_rng(seed)
    a, b, c = (rng.normal(size=n) + offset for _ in range(3))
    one = np.ones(n)
    columns, dependent = {
        "constant": ([a, one * (offset or 5), b], [1]),
        "zero": ([one * 0, a, b], [0]),
        "duplicate": ([a, b, a], [2]),
        "sum": ([a, b, c, a + b], [3]),
        "affine": ([a, b, 2 * a - 3 * b + 7], [2]),
        "several": ([a, a, b, one, a + b, c], [1, 3, 4]),
        "all": ([one, one * 2, one * 0], [0, 1, 2]),
        "dummies": ([(np.arange(n) % 3 == k) * 1.0 for k in range(3)], [2]),
        "other units": ([a, b * 1e-6, (a + b) * 1e6], [2]),
    }[kind]
    X = np.column_stack(columns)
    return X, a - 2 * b + 0.5 * c + rng.normal(size=n), rng.gamma(2.0, size=n), dependent


SINGULAR = ["constant", "zero", "duplicate", "sum", "affine", "several", "all", "dummies"]


@pytest.mark.parametrize("n_blocks", [1, 6])
@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("kind", SINGULAR)
def test_singular_data_give_the_solution_of_least_norm_and_name_the_dependent(kind, offset, n_blocks):
    for seed in range(3):
        X, y, w, dependent = singular(kind, seed, offset)
        solution = fit(X, y, w, n_blocks)
        assert solution.dependent == dependent
        assert solution.rank == X.shape[1] - len(dependent) == np.linalg.matrix_rank(X - X.mean(axis=0), tol=1e-6)
        assert solution.condition_number == math.inf
        # The peer centres first; told so, it does not fight with an offset of 1e6.
        center = X.mean(axis=0)
        peer = LinearRegression(tol=1e-8).fit(X - center, y, sample_weight=w)
        np.testing.assert_allclose(solution.coefficients, peer.coef_, rtol=1e-6 if offset else 1e-9, atol=1e-9)
        predicted = solution.intercept + X @ solution.coefficients
        np.testing.assert_allclose(predicted, peer.predict(X - center), atol=1e-9 + 1e-15 * offset * 100)


def test_dependent_columns_of_other_units_are_named():
    X, y, w, dependent = singular("other units", 0)
    assert fit(X, y, w).dependent == dependent


@pytest.mark.parametrize("unit", [1e3, 1e12, 1e30, 1e150, 1e300])
@pytest.mark.parametrize("kind", [kind for kind in SINGULAR if kind != "all"])
def test_dependent_columns_of_any_units_give_the_predictions_of_the_independent_ones(kind, unit):
    X, y, w, dependent = singular(kind, 0)
    kept = [j for j in range(X.shape[1]) if j not in dependent]
    peer = LinearRegression().fit(X[:, kept], y, sample_weight=w).predict(X[:, kept])
    for large in ([0], [X.shape[1] - 1], range(X.shape[1])):
        units = np.ones(X.shape[1])
        units[list(large)] = unit
        solution = fit(X * units, y, w)
        assert solution.dependent == dependent
        assert np.isfinite(solution.covariance_root).all()
        np.testing.assert_allclose(solution.intercept + (X * units) @ solution.coefficients, peer, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", ["sum", "several", "dummies", "constant"])
def test_singular_data_have_the_measures_of_the_independent_columns(kind):
    X, y, w, dependent = singular(kind, 1)
    kept = [j for j in range(X.shape[1]) if j not in dependent]
    statistics, query = statistics_of(X, y, w)
    ours = measures_of_fit(statistics, solve(statistics, query))
    peer = sm.WLS(y, sm.add_constant(X[:, kept], has_constant="add"), weights=w).fit()
    for name, value in (
        ("residual_square_sum", peer.ssr), ("df_residuals", peer.df_resid), ("r_squared", peer.rsquared),
        ("f_statistic", peer.fvalue), ("bic", peer.bic), ("residual_variance", peer.scale),
    ):  # fmt: skip
        assert close(ours[name], value), name
    # The variance of a prediction does not depend on how the coefficients are chosen.
    full = sm.add_constant(X, has_constant="add")
    root = solve(statistics, query).covariance_root
    ours_se = np.sqrt(ours["residual_variance"]) * np.linalg.norm(full @ root, axis=1)
    peer_se = np.sqrt(np.einsum("ij,jk,ik->i", peer.model.exog, peer.cov_params(), peer.model.exog))
    np.testing.assert_allclose(ours_se, peer_se, rtol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_data_of_full_rank_are_not_called_singular(kind):
    for seed in range(10):
        solution = fit(*make_data(kind, seed))
        assert (solution.dependent, solution.rank) == ([], 4)


def test_nearly_dependent_columns_are_kept_while_the_data_can_tell_them_apart():
    rng = np.random.default_rng(0)
    a, b, e = rng.normal(size=(3, 500))
    X = np.column_stack([a, b, a + b + 1e-6 * e])
    solution = fit(X, a + rng.normal(size=500))
    assert solution.dependent == []
    assert 1e5 < solution.condition_number < 1e8


# -- small -----------------------------------------------------------------------------------------------------------------


def test_no_features_give_the_weighted_mean():
    y, w = np.array([1.0, 2, 6]), np.array([1.0, 0, 3])
    statistics, query = statistics_of(np.empty((3, 0)), y, w)
    solution = solve(statistics, query)
    assert (solution.intercept, solution.rank, solution.dependent) == (4.75, 0, [])
    assert len(solution.coefficients) == 0
    measures = measures_of_fit(statistics, solution)
    peer = sm.WLS(y[w > 0], np.ones(2), weights=w[w > 0]).fit()
    assert close([measures["residual_square_sum"], measures["log_likelihood"]], [peer.ssr, peer.llf])
    assert close(classical_table(statistics, solution, measures, LEVEL).standard_errors, peer.bse)
    assert math.isnan(measures["f_statistic"])


@pytest.mark.parametrize("n, p", [(1, 1), (1, 3), (2, 1), (2, 3), (3, 5), (4, 3), (6, 5)])
@pytest.mark.parametrize("n_blocks", [1, 3])
def test_few_rows_give_the_solution_of_least_norm(n, p, n_blocks):
    rng = np.random.default_rng(n * 10 + p)
    X, y, w = rng.normal(size=(n, p)) + 2, rng.normal(size=n), rng.gamma(2.0, size=n)
    statistics, query = statistics_of(X, y, w, n_blocks)
    solution = solve(statistics, query)
    assert solution.rank == min(n - 1, p)
    peer = LinearRegression().fit(X, y, sample_weight=w)
    np.testing.assert_allclose(solution.coefficients, peer.coef_, atol=1e-10)
    np.testing.assert_allclose(solution.intercept, peer.intercept_, atol=1e-10)
    measures = measures_of_fit(statistics, solution)
    assert measures["df_residuals"] == max(n - p - 1, 0)
    if n <= p + 1:
        assert measures["residual_square_sum"] < 1e-20
        assert math.isnan(measures["residual_variance"])
        assert np.isnan(classical_table(statistics, solution, measures, LEVEL).standard_errors).all()


def test_one_row():
    solution = fit(np.array([[3.0, 1e6]]), np.array([7.0]), np.array([2.0]))
    assert (solution.intercept, solution.rank, solution.dependent) == (7.0, 0, [0, 1])
    np.testing.assert_array_equal(solution.coefficients, [0, 0])


def test_a_constant_target_has_slopes_of_nothing():
    X, _, w = make_data("random", 0)
    statistics, query = statistics_of(X, np.full(len(X), 3.0), w)
    solution = solve(statistics, query)
    assert solution.intercept == 3.0
    np.testing.assert_array_equal(solution.coefficients, 0)
    assert math.isnan(measures_of_fit(statistics, solution)["r_squared"])


def test_points_on_a_line_give_the_line():
    x = np.arange(50.0)
    statistics, query = statistics_of(x[:, None], 2 * x - 1, np.linspace(0.1, 3, 50), 5)
    solution = solve(statistics, query)
    np.testing.assert_allclose(estimates(solution), [-1, 2], rtol=1e-12)
    assert measures_of_fit(statistics, solution)["r_squared"] == pytest.approx(1, abs=1e-12)


# -- the truth -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_the_truth_is_found_within_its_sampling_error(seed):
    """The default data: noise of one variance under weights |1/x| of infinite mean, so no fixed tolerance would do."""
    rng = np.random.default_rng(seed)
    n, sigma = 20_000, 0.5
    x = rng.uniform(-4, 4, n)
    y = x - 4 + rng.normal(0, sigma, n)
    w = np.abs(1 / x)
    solution = fit(x[:, None], y, w, n_blocks=3)
    X = np.column_stack([np.ones(n), x])
    G = (X * w[:, None]).T @ X
    covariance = sigma**2 * np.linalg.solve(G, np.linalg.solve(G, (X * w[:, None] ** 2).T @ X).T)
    assert np.all(np.abs(estimates(solution) - [-4, 1]) < 5 * np.sqrt(np.diag(covariance)))
