"""What needs residuals, against statsmodels: covariances, every number of its summary page, tests and influence."""

from __future__ import annotations

import dataclasses
import math
import warnings
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats
from statsmodels.stats.diagnostic import het_breuschpagan, het_white
from statsmodels.stats.stattools import durbin_watson, jarque_bera, omni_normtest

from drivers.linear.diagnostics import diagnostics, remarks
from drivers.linear.inference import (
    COVARIANCES,
    CoefficientTable,
    classical_table,
    estimates_of,
    measures_of_fit,
    prediction_errors,
    sandwich_tables,
)
from jobs.errors import BadRecord, ScanError
from jobs.kernels import clusters
from jobs.kernels.wols import WOLSQuery, WOLSSolution, WOLSStatistics, solve
from jobs.kernels.wols_residuals import WOLSResidualsQuery, WOLSResidualsStatistics, residuals_query
from tests.registry import gather, make_rows, take
from tests.test_wols import KINDS, Peer, make_data

LEVEL = 0.9
HC = ("HC0", "HC1", "HC2", "HC3")


@dataclass
class Fitted:
    """The two passes and what the driver makes of them."""

    statistics: WOLSStatistics
    solution: WOLSSolution
    query: WOLSResidualsQuery
    residuals: WOLSResidualsStatistics
    measures: dict[str, Any]

    @classmethod
    def of(cls, X, y, w=None, n_blocks: int = 4, groups=None, weight_type="analytic") -> Fitted:
        rows = make_rows(X, y, w)
        rows.clusters = groups
        parts = [take(rows, part) for part in np.array_split(np.arange(len(y)), n_blocks)]
        first = WOLSQuery(np.mean(X, axis=0), float(np.mean(y)))
        statistics = merged(WOLSStatistics, first, parts)
        solution = solve(statistics, first)
        query = residuals_query(first, statistics, solution, weight_type)
        measures = measures_of_fit(statistics, solution, weight_type, center=first.center)
        return cls(statistics, solution, query, merged(WOLSResidualsStatistics, query, parts), measures)

    def tables(self, *kinds: str) -> list[CoefficientTable]:
        return sandwich_tables(estimates_of(self.solution), self.query, self.residuals, self.measures, LEVEL, kinds or None)

    def table(self, kind: str) -> CoefficientTable:
        if kind == "classical":
            return classical_table(self.statistics, self.solution, self.measures, LEVEL)
        return self.tables(kind)[0]

    @property
    def diagnostics(self) -> dict[str, Any]:
        return diagnostics(self.residuals, self.query, self.measures)


def merged(statistics_class, query, parts):
    total = statistics_class.zero(query)
    for part in parts:
        total = total.merge(gather(statistics_class, query, part))
    return total


def close(ours, theirs, rtol=1e-9, atol=0.0):
    np.testing.assert_allclose(ours, theirs, rtol=rtol, atol=atol)


def uneven_data(seed, n=200):
    """Errors whose variance depends on the first feature."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 3)) @ (np.eye(3) + 0.3 * rng.normal(size=(3, 3)))
    y = Z @ [1.0, -2.0, 0.1] + rng.normal(size=n) * (1 + np.abs(Z[:, 0]))
    return Z, y, rng.gamma(1.0, size=n)


weighted_or_not = pytest.mark.parametrize("weighted", [True, False], ids=["weighted", "ordinary"])
seeds = pytest.mark.parametrize("seed", range(2))


# -- covariances ---------------------------------------------------------------------------------------------------------


def agree(table: CoefficientTable, peer, rtol=1e-9):
    """Every number that statsmodels prints of a coefficient, and the F test."""
    close(table.estimates, peer.params, rtol)
    close(table.covariance, peer.cov_params(), rtol, rtol * np.max(np.abs(peer.cov_params())))
    close(table.standard_errors, peer.bse, rtol)
    close(table.statistics, peer.tvalues, rtol)
    close(table.p_values, peer.pvalues, 1e-7)  # a large t has its relative error many times over in p
    close(table.intervals, peer.conf_int(1 - LEVEL), rtol, 1e-10)
    close(table.f_statistic, peer.fvalue, 10 * rtol)
    assert abs(table.f_p_value - peer.f_pvalue) <= 1e-6 * peer.f_pvalue or peer.f_pvalue < 1e-200


@pytest.mark.parametrize("kind", [*HC, "cluster", "classical"])
@weighted_or_not
@seeds
def test_a_covariance_is_that_of_statsmodels(kind, weighted, seed):
    X, y, w = uneven_data(seed)
    w = w if weighted else np.ones(len(y))
    groups = np.random.default_rng(seed).integers(-10, 10, len(y))
    model = sm.WLS(y, sm.add_constant(X), weights=w)
    if kind == "cluster":
        peer = model.fit(cov_type=kind, cov_kwds={"groups": groups + 10}, use_t=True)
    else:
        peer = model.fit(**({} if kind == "classical" else {"cov_type": kind}))
    table = Fitted.of(X, y, w, groups=groups).table(kind)
    agree(table, peer)
    assert (table.covariance_type, table.label) == (kind, "")
    assert (table.law, table.df) == {"cluster": ("t", 19), "classical": ("t", 196)}.get(kind, ("normal", math.inf))
    assert table.f_df == (3, 19 if kind == "cluster" else 196)


@pytest.mark.parametrize("kind", [*HC, "cluster"])
@pytest.mark.parametrize("data", KINDS)
def test_a_covariance_survives_offsets_and_units(data, kind):
    X, y, w = make_data(data, 0)
    groups = np.random.default_rng(0).integers(0, 30, len(y))
    options = {"cov_type": kind}
    if kind == "cluster":
        options |= {"cov_kwds": {"groups": groups}, "use_t": True}
    peer = Peer.of(data, X, y, w, **options)
    table = Fitted.of(X, y, w, groups=groups).table(kind)
    errors = np.sqrt(np.diag(peer.covariance))
    close(table.standard_errors, errors, 1e-8)
    close(table.covariance / np.outer(errors, errors), peer.covariance / np.outer(errors, errors), 1e-8, 1e-8)
    close(table.statistics, peer.params / errors, 1e-8)
    close(table.f_statistic, peer.fit.fvalue, 1e-8)


def test_all_covariances_come_by_default_and_cluster_where_there_are_clusters():
    X, y, w = uneven_data(0)
    assert [t.covariance_type for t in Fitted.of(X, y, w).tables()] == [*HC, "equal-variance"]
    found = [t.covariance_type for t in Fitted.of(X, y, w, groups=np.arange(len(y)) % 7).tables()]
    assert found == [*HC, "equal-variance", "cluster"]
    assert {*found, "classical"} == set(COVARIANCES)
    with pytest.raises(ValueError, match="no such covariance: HC9"):
        Fitted.of(X, y, w).tables("HC9")


def test_clusters_of_one_row_are_hc1_with_another_law():
    X, y, w = uneven_data(1)
    fitted = Fitted.of(X, y, w, groups=np.arange(len(y)) * 1000)
    cluster, hc1 = fitted.tables("cluster", "HC1")
    close(cluster.covariance, hc1.covariance)  # G/(G-1) (n-1)/(n-k) is n/(n-k)
    assert cluster.p_values.max() > hc1.p_values.max()


def test_fewer_clusters_than_slopes_leave_a_smaller_rank_to_test():
    X, y, w = uneven_data(2)
    groups = np.arange(len(y)) % 3
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = sm.WLS(y, sm.add_constant(X), weights=w).fit(cov_type="cluster", cov_kwds={"groups": groups}, use_t=True)
    table = Fitted.of(X, y, w, groups=groups).table("cluster")
    close(table.standard_errors, peer.bse)
    assert table.f_df == (2, 2)


def test_one_cluster_and_too_many_are_errors(monkeypatch):
    X, y, w = uneven_data(0)
    with pytest.raises(ScanError, match="need two clusters or more, and every row is in the same; name another column"):
        Fitted.of(X, y, w, groups=np.zeros(len(y))).tables()
    monkeypatch.setattr(clusters, "MOST_CLUSTERS", 100)
    Fitted.of(X, y, w, groups=np.arange(len(y)) % 100)
    with pytest.raises(ScanError, match="more than 100 clusters, .*; name a coarser column with --cluster"):
        Fitted.of(X, y, w, groups=np.arange(len(y)) % 101)


def test_the_equal_variance_sandwich_is_the_matrix_formula():
    """(X'WX)^-1 X'W (s^2 I) WX (X'WX)^-1, with every matrix written out, n by n."""
    X, y, w = uneven_data(4, n=30)
    equal = Fitted.of(X, y, w).table("equal-variance")
    A, W = np.column_stack([np.ones(30), X]), np.diag(w)
    hat = np.linalg.inv(A.T @ W @ A) @ A.T @ W  # b = hat y, so Cov(b) = hat (s^2 I) hat'
    e = y - A @ hat @ y
    close(equal.covariance, hat @ (np.eye(30) * (e @ e / 26)) @ hat.T, atol=1e-13)
    close(equal.estimates, hat @ y)
    assert (equal.law, equal.f_df) == ("normal", (3, 26))


def test_with_equal_weights_the_equal_variance_sandwich_is_the_classical_covariance():
    X, y, _ = uneven_data(5)
    equal = Fitted.of(X, y, np.full(len(y), 2.5)).table("equal-variance")
    peer = sm.OLS(y, sm.add_constant(X)).fit()
    close(equal.standard_errors, peer.bse)
    close(equal.f_statistic, peer.fvalue)


def test_the_equal_variance_sandwich_tells_the_spread_of_estimates_over_data_sets():
    """Rows of one variance under uneven weights: the classical errors are far off, these are not."""
    rng = np.random.default_rng(6)
    n, times = 300, 600
    x = rng.uniform(-4, 4, n)
    w = np.abs(1 / x)
    slopes, errors = [], []
    for _ in range(times):
        y = x - 4 + rng.normal(0, 0.5, n)
        equal = Fitted.of(x[:, None], y, w, 1).table("equal-variance")
        slopes.append(equal.estimates)
        errors.append(equal.standard_errors)
    classical = sm.WLS(y, sm.add_constant(x), weights=w).fit().bse
    spread = np.std(slopes, axis=0)
    close(np.mean(errors, axis=0), spread, 4 / np.sqrt(2 * times))
    assert not np.allclose(classical, spread, rtol=0.2)


def test_a_row_of_weight_zero_is_an_absent_row():
    X, y, w = uneven_data(7)
    groups = np.arange(len(y)) // 9
    gone = np.random.default_rng(0).random(len(y)) < 0.3
    with_zeros = Fitted.of(X, y, np.where(gone, 0, w), groups=groups)
    without = Fitted.of(X[~gone], y[~gone], w[~gone], groups=groups[~gone])
    for a, b in zip(with_zeros.tables(), without.tables()):
        close(a.covariance, b.covariance, atol=1e-14)
    left, right = with_zeros.diagnostics, without.diagnostics
    del left["influential"], right["influential"]
    assert str(left) != str(right)
    for name, value in flat(left).items():
        close(value, flat(right)[name], 1e-8)


def flat(found: dict[str, Any]) -> dict[str, float]:
    """The numbers of nested dicts by dotted names."""
    numbers = {}
    for name, value in found.items():
        if isinstance(value, dict):
            numbers |= {f"{name}.{inner}": number for inner, number in value.items()}
        elif not isinstance(value, list):
            numbers[name] = value
    return numbers


def test_a_duplicated_column_leaves_the_errors_of_the_others():
    X, y, w = uneven_data(8)
    groups = np.arange(len(y)) % 20
    singles, doubles = Fitted.of(X, y, w, groups=groups), Fitted.of(np.column_stack([X, X[:, 0]]), y, w, groups=groups)
    for single, double in zip(singles.tables(), doubles.tables()):
        close(double.standard_errors[[0, 2, 3]], single.standard_errors[[0, 2, 3]], 1e-8)
        # The two share one coefficient: each has half of it, and half of its error.
        close(double.standard_errors[[1, 4]], single.standard_errors[1] / 2, 1e-8)
        close(double.f_statistic, single.f_statistic, 1e-8)
        assert double.f_df == single.f_df
    left, right = flat(singles.diagnostics), flat(doubles.diagnostics)
    for name, value in left.items():
        close(right[name], value, 1e-8)


def test_without_features_it_is_the_error_of_a_weighted_mean():
    _, y, w = uneven_data(9)
    fitted = Fitted.of(np.empty((len(y), 0)), y, w)
    peer = sm.WLS(y, np.ones(len(y)), weights=w)
    for kind in HC:
        close(fitted.table(kind).standard_errors, peer.fit(cov_type=kind).bse)
    share = w / w.sum()
    e = y - share @ y
    close(fitted.table("equal-variance").standard_errors[0], np.sqrt(e @ e / (len(y) - 1) * (share @ share)))
    assert math.isnan(fitted.table("HC0").f_statistic)
    assert math.isnan(fitted.diagnostics["breusch_pagan"]["lm"])
    close(fitted.diagnostics["jarque_bera"], jarque_bera(peer.fit().wresid)[0])


def test_no_more_rows_than_coefficients_leave_no_error_to_estimate():
    X, y, w = uneven_data(10, n=4)
    fitted = Fitted.of(X, y, w)
    assert np.isnan(fitted.table("equal-variance").standard_errors).all()
    assert np.isnan(fitted.table("HC1").standard_errors).all()
    assert np.isinf(fitted.table("HC3").standard_errors).all()
    assert np.all(fitted.table("HC0").standard_errors < 1e-10)
    assert fitted.diagnostics["n_leverage_one"] == 4
    assert fitted.diagnostics["influential"] == []


def test_a_perfect_fit_has_no_residuals_to_speak_of():
    X = np.arange(12.0)[:, None]
    fitted = Fitted.of(X, X[:, 0] * 0, None)
    assert fitted.query.sigma == 1
    assert fitted.residuals.residual_square_sum == 0
    assert math.isnan(fitted.diagnostics["skew"]) and math.isnan(fitted.diagnostics["durbin_watson"])


def test_a_query_says_what_is_wrong_with_it():
    query = Fitted.of(*uneven_data(0)).query
    with pytest.raises(BadRecord, match="weight_type is one of analytic, frequency"):
        WOLSResidualsQuery(**{**vars(query), "weight_type": "sampling"})
    with pytest.raises(BadRecord, match="sigma is a positive number"):
        WOLSResidualsQuery(**{**vars(query), "sigma": 0.0})


# -- the summary page ------------------------------------------------------------------------------------------------------


@weighted_or_not
@pytest.mark.parametrize("data", KINDS)
@seeds
def test_every_number_of_the_summary_page_is_that_of_statsmodels(data, weighted, seed):
    X, y, w = make_data(data, seed)
    w = w if weighted else np.ones(len(y))
    y = y + 0.3 * (y - y.mean()) ** 2  # residuals that are not normal
    peer = Peer.of(data, X, y, w).fit
    fitted = Fitted.of(X, y, w, n_blocks=7)
    ours, u = fitted.diagnostics, np.asarray(peer.wresid)
    omnibus, jb = omni_normtest(u), jarque_bera(u)
    expected = {
        "omnibus": omnibus[0],
        "omnibus_p_value": omnibus[1],
        "jarque_bera": jb[0],
        "jarque_bera_p_value": jb[1],
        "skew": jb[2],
        "kurtosis": jb[3],
        "durbin_watson": durbin_watson(u),
        "weighted_residual_min": u.min(),
        "weighted_residual_max": u.max(),
    }
    for name, value in expected.items():
        close(ours[name], value, 1e-6 if name.endswith("p_value") else 1e-8, 1e-9)
    for name, value in {
        "n_observations": peer.nobs, "df_model": peer.df_model, "df_residuals": peer.df_resid, "r_squared": peer.rsquared,
        "r_squared_adjusted": peer.rsquared_adj, "f_statistic": peer.fvalue, "log_likelihood": peer.llf, "aic": peer.aic,
        "bic": peer.bic, "total_square_sum": peer.centered_tss,
    }.items():  # fmt: skip
        close(fitted.measures[name], value)
    close(fitted.measures["f_p_value"], peer.f_pvalue, 1e-6, 1e-200)
    table = fitted.table("classical")
    close(table.f_statistic, peer.fvalue)
    if data == "random":
        agree(table, peer)
        close(fitted.measures["condition_number_raw"], peer.condition_number)


@pytest.mark.parametrize("data", KINDS)
def test_the_raw_condition_number_is_right_where_statsmodels_has_lost_it(data):
    """Against 60 digits; it reaches 1e16 here."""
    X, y, w = make_data(data, 3, n=40, p=3)
    with mpmath.workdps(60):
        A = mpmath.matrix([[1, *map(mpmath.mpf, row)] for row in X.tolist()])
        gram = A.T * mpmath.diag([mpmath.mpf(v) for v in w.tolist()]) * A
        values = sorted(mpmath.eigsy(gram, eigvals_only=True))
        exact = float(mpmath.sqrt(values[-1] / values[0]))
    close(Fitted.of(X, y, w).measures["condition_number_raw"], exact, 1e-8)
    assert Fitted.of(np.column_stack([X, X[:, 0]]), y, w).measures["condition_number_raw"] == math.inf


@pytest.mark.parametrize("n", [7, 8, 9, 20])
def test_the_omnibus_test_of_few_rows(n):
    rng = np.random.default_rng(n)
    X, y = rng.normal(size=(n, 1)), rng.exponential(size=n)
    ours, u = Fitted.of(X, y).diagnostics, sm.OLS(y, sm.add_constant(X)).fit().resid
    close(ours["jarque_bera"], jarque_bera(u)[0])
    if n < 8:
        assert math.isnan(ours["omnibus"]) and math.isnan(ours["omnibus_p_value"])
    else:
        close((ours["omnibus"], ours["omnibus_p_value"]), omni_normtest(u))


# -- regressions of the squared residuals ----------------------------------------------------------------------------------


def agree_lm(ours: dict[str, float], theirs, rtol=1e-8):
    close([ours["lm"], ours["f"]], [theirs[0], theirs[2]], rtol)
    close([ours["lm_p_value"], ours["f_p_value"]], [theirs[1], theirs[3]], 1e-6)


@weighted_or_not
@pytest.mark.parametrize("data", KINDS)
@seeds
def test_the_tests_of_equal_variance_are_those_of_statsmodels(data, weighted, seed):
    X, y, w = make_data(data, seed)
    w = w if weighted else np.ones(len(y))
    y = y + (y - y.mean()) * np.random.default_rng(seed).normal(size=len(y))
    peer = Peer.of(data, X, y, w).fit
    u, exog = peer.wresid, peer.model.exog
    ours = Fitted.of(X, y, w).diagnostics
    agree_lm(ours["breusch_pagan"], het_breuschpagan(u, exog))
    assert ours["breusch_pagan"]["df"] == 4
    agree_lm(ours["white"], het_white(u, exog))
    assert ours["white"]["df"] == 14
    fitted = peer.fittedvalues - np.mean(peer.fittedvalues)
    agree_lm(ours["white_special"], het_breuschpagan(u, np.column_stack([np.ones(len(y)), fitted, fitted**2])))
    assert ours["white_special"]["df"] == 2


def test_dummies_repeat_themselves_among_the_products():
    rng = np.random.default_rng(0)
    level = rng.integers(0, 4, 300)
    X = np.column_stack([level == 1, level == 2, level == 3, rng.normal(size=300)]).astype(float)
    y = X @ [1.0, 2, 3, 4] + rng.normal(size=300) * (1 + level)
    peer = sm.OLS(y, sm.add_constant(X)).fit()
    ours = Fitted.of(X, y).diagnostics["white"]
    agree_lm(ours, het_white(peer.resid, peer.model.exog))
    assert ours["df"] == 3 + 1 + 1 + 3  # dummies, the feature, its square, its products with the dummies


def test_a_balanced_feature_of_two_values_has_a_constant_square():
    rng = np.random.default_rng(1)
    X = np.column_stack([np.repeat([-1.0, 1.0], 50), rng.normal(size=100)])
    y = rng.normal(size=100)
    peer = sm.OLS(y, sm.add_constant(X)).fit()
    ours = Fitted.of(X, y).diagnostics["white"]
    agree_lm(ours, het_white(peer.resid, peer.model.exog))
    assert ours["df"] == 4


def test_white_is_asked_up_to_15_features_and_its_special_case_beyond():
    rng = np.random.default_rng(2)
    X, y = rng.normal(size=(400, 16)), rng.normal(size=400)
    fifteen, sixteen = Fitted.of(X[:, :15], y), Fitted.of(X, y)
    peer = sm.OLS(y, sm.add_constant(X[:, :15])).fit()
    agree_lm(fifteen.diagnostics["white"], het_white(peer.resid, peer.model.exog))
    assert sixteen.diagnostics["white"] is None
    assert sixteen.residuals.white_gram.shape == (0, 0)
    assert sixteen.diagnostics["white_special"]["df"] == 2


def test_as_many_regressors_as_rows_leave_no_f():
    rng = np.random.default_rng(3)
    ours = Fitted.of(rng.normal(size=(12, 4)), rng.normal(size=12)).diagnostics["white"]
    assert ours["df"] == 11
    close(ours["lm"], 12)
    assert math.isnan(ours["f"]) and math.isnan(ours["f_p_value"])


# -- leverage and influence --------------------------------------------------------------------------------------------


@weighted_or_not
@pytest.mark.parametrize("data", KINDS)
def test_leverage_and_influence_are_those_of_statsmodels(data, weighted):
    X, y, w = make_data(data, 1)
    w = w if weighted else np.ones(len(y))
    model = Peer.of(data, X, y, w).fit.model
    exog, endog = (model.wexog, model.wendog)
    influence = sm.OLS(endog, exog).fit().get_influence()
    fitted = Fitted.of(X, y, w)
    ours = fitted.diagnostics
    h, (cook, _) = influence.hat_matrix_diag, influence.cooks_distance
    close(ours["leverage_sum"], fitted.solution.rank + 1)
    close(ours["leverage_max"], h.max(), 1e-8)
    close(ours["leverage_mean"], h.mean())
    close(ours["press"], influence.ess_press, 1e-8)
    tss = np.sum(w * (y - np.average(y, weights=w)) ** 2)
    close(ours["predicted_r_squared"], 1 - influence.ess_press / tss, 1e-8)
    largest = np.argsort(-cook)[:10]
    rows = ours["influential"]
    assert [row["position"] for row in rows] == largest.tolist()
    assert all((row["part"], row["block"]) == (0, 0) for row in rows)
    close([row["cooks_distance"] for row in rows], cook[largest], 1e-8)
    close([row["leverage"] for row in rows], h[largest], 1e-8)
    close([row["studentized_residual"] for row in rows], influence.resid_studentized_internal[largest], 1e-8)
    close([row["residual"] for row in rows], (endog / np.sqrt(w) - model.exog @ model.fit().params)[largest], 1e-7)


def test_equal_distances_go_by_place_in_any_partition():
    """Sixty copies of five rows: the distances of copies differ in their last bits with the rows beside them."""
    rng = np.random.default_rng(0)
    X, y = np.tile(rng.normal(size=(5, 3)), (60, 1)), np.tile(rng.normal(size=5), 60)
    rows = make_rows(X, y)
    query = Fitted.of(X, y).query
    whole = gather(WOLSResidualsStatistics, query, rows)
    first = int(whole.influence_places[0, 2])
    assert whole.influence_places[:, 2].tolist() == list(range(first, first + 50, 5))
    for n_parts in (2, 7, 50, 300):
        parts = [take(rows, part) for part in np.array_split(np.arange(300), n_parts)]
        rng.shuffle(parts)
        np.testing.assert_array_equal(
            merged(WOLSResidualsStatistics, query, parts).influence_places, whole.influence_places
        )
    # Where this machine's products have the same last bits, they are made to differ.
    other = dataclasses.replace(
        whole, influence=whole.influence.copy(), influence_places=whole.influence_places + [1, 0, 0]
    )
    other.influence[:, 0] = np.nextafter(other.influence[:, 0], math.inf)
    np.testing.assert_array_equal(other.merge(whole).influence_places, whole.influence_places)


@pytest.mark.parametrize("k", [0, 1, 3, 500])
def test_as_many_influential_rows_as_are_asked_for(k):
    X, y, w = uneven_data(3)
    query = WOLSResidualsQuery(**{**vars(Fitted.of(X, y, w).query), "n_influential": k, "durbin_watson": False})
    rows = make_rows(X, y, w)
    parts = [take(rows, part) for part in np.array_split(np.arange(200), 9)]
    found = merged(WOLSResidualsStatistics, query, parts)
    whole = gather(WOLSResidualsStatistics, query, rows)
    assert len(found.influence) == min(k, 200)
    assert found.close(whole)
    assert gather(WOLSResidualsStatistics, query, *parts).close(whole)
    assert np.all(np.diff(found.influence[:, 0]) <= 0)


def test_a_row_of_leverage_one_is_said_and_left_out():
    """A dummy for one row takes its residual to nought, whatever its y."""
    X, y, w = uneven_data(1)
    X = np.column_stack([X, np.arange(200) == 120])
    fitted = Fitted.of(X, y, w)
    ours = fitted.diagnostics
    assert ours["n_leverage_one"] == 1
    assert ours["leverage_one"] == [{"part": 0, "block": 0, "position": 120}]
    assert ours["press"] == math.inf and ours["predicted_r_squared"] == -math.inf
    assert len(ours["influential"]) == 10
    assert all(row["leverage"] < 0.9 for row in ours["influential"])
    for kind in ("HC2", "HC3"):
        table = fitted.table(kind)
        assert np.isinf(table.standard_errors).all() and np.all(table.p_values == 1) and math.isnan(table.f_statistic)
    peer = sm.WLS(y, sm.add_constant(X), weights=w).fit(cov_type="HC0")
    close(fitted.table("HC0").standard_errors[:4], peer.bse[:4])
    others = Fitted.of(X[np.arange(200) != 120, :3], np.delete(y, 120), np.delete(w, 120)).diagnostics
    close(ours["influential"][0]["cooks_distance"] * 5, others["influential"][0]["cooks_distance"] * 4, 1e-8)
    (sentence,) = remarks(ours)
    assert sentence.startswith("1 row has leverage 1")
    assert remarks(others) == []


# -- the order of the data --------------------------------------------------------------------------------------------


def test_durbin_watson_joins_contiguous_pieces_in_any_order():
    rng = np.random.default_rng(0)
    X, y, w = uneven_data(2)
    y += np.cumsum(rng.normal(size=200))
    w[rng.random(200) < 0.2] = 0
    w[[0, 199]] = 0
    fitted = Fitted.of(X, y, w, 1)
    kept = w > 0
    expected = durbin_watson(sm.WLS(y[kept], sm.add_constant(X[kept]), weights=w[kept]).fit().wresid)
    close(fitted.diagnostics["durbin_watson"], expected)
    rows = make_rows(X, y, w)
    for n_parts in (2, 5, 60, 200):
        ends = np.sort(rng.integers(0, 201, n_parts - 1))
        parts = [gather(WOLSResidualsStatistics, fitted.query, take(rows, p)) for p in np.split(np.arange(200), ends)]
        rng.shuffle(parts)
        while len(parts) > 1:
            parts[:2] = [parts[1].merge(parts[0])]
        total = parts[0]
        close(diagnostics(total, fitted.query, fitted.measures)["durbin_watson"], expected)
        pieces = total.piece_places[:, 2]
        assert np.all(np.diff(pieces) > 0) and len(pieces) <= n_parts
        added = gather(WOLSResidualsStatistics, fitted.query, *(take(rows, p) for p in np.split(np.arange(200), ends)))
        assert added.close(total)


def test_durbin_watson_follows_parts_and_blocks():
    X, y, w = uneven_data(2)
    fitted = Fitted.of(X, y, w, 1)
    pieces = []
    for i, chosen in enumerate(np.split(np.arange(200), [30, 90, 150])):
        rows = make_rows(X[chosen], y[chosen], w[chosen], part=i // 2, number=i % 2)
        pieces.append(gather(WOLSResidualsStatistics, fitted.query, rows))
    total = pieces[3].merge(pieces[1]).merge(pieces[2].merge(pieces[0]))
    assert total.piece_places.tolist() == [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0]]
    found = diagnostics(total, fitted.query, fitted.measures)["durbin_watson"]
    close(found, fitted.diagnostics["durbin_watson"])


def test_durbin_watson_and_white_are_none_where_they_are_not_asked_for():
    X, y, w = uneven_data(0)
    fitted = Fitted.of(X, y, w)
    query = WOLSResidualsQuery(**{**vars(fitted.query), "durbin_watson": False, "white": False})
    found = diagnostics(gather(WOLSResidualsStatistics, query, make_rows(X, y, w)), query, fitted.measures)
    assert (found["durbin_watson"], found["white"]) == (None, None)


# -- frequency weights ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", KINDS)
@seeds
def test_frequency_weights_are_rows_written_out(data, seed):
    X, y, _ = make_data(data, seed)
    rng = np.random.default_rng(seed)
    y = y + (y - y.mean()) * rng.normal(size=len(y))
    times, groups = rng.integers(0, 5, len(y)), rng.integers(0, 25, len(y))
    out = np.repeat(np.arange(len(y)), times)
    fitted = Fitted.of(X, y, times.astype(float), groups=groups, weight_type="frequency")
    options = {"groups": groups[out]}
    peer = Peer.of(data, X[out], y[out])
    for name, value in {
        "n_observations": peer.fit.nobs, "df_residuals": peer.fit.df_resid, "residual_variance": peer.fit.scale,
        "r_squared": peer.fit.rsquared, "r_squared_adjusted": peer.fit.rsquared_adj, "f_statistic": peer.fit.fvalue,
        "log_likelihood": peer.fit.llf, "aic": peer.fit.aic, "bic": peer.fit.bic, "mse": np.mean(peer.fit.resid**2),
        "effective_sample_size": len(out), "largest_weight_share": 1 / len(out),
    }.items():  # fmt: skip
        close(fitted.measures[name], value)
    assert isinstance(fitted.measures["n_observations"], int)
    for kind in ("classical", *HC, "cluster"):
        more = {"cov_kwds": options, "use_t": True} if kind == "cluster" else {}
        sandwich = peer if kind == "classical" else Peer.of(data, X[out], y[out], cov_type=kind, **more)
        table = fitted.table(kind)
        close(table.standard_errors, np.sqrt(np.diag(sandwich.covariance)), 1e-8)
        close(table.f_statistic, sandwich.fit.fvalue, 1e-8)
        close(table.f_p_value, sandwich.fit.f_pvalue, 1e-6)
    close(fitted.table("equal-variance").standard_errors, fitted.table("classical").standard_errors)
    ours, u, exog = fitted.diagnostics, peer.fit.resid, peer.fit.model.exog
    close([ours["omnibus"], ours["omnibus_p_value"]], omni_normtest(u), 1e-7)
    close([ours[name] for name in ("jarque_bera", "jarque_bera_p_value", "skew", "kurtosis")], jarque_bera(u), 1e-7)
    close(ours["durbin_watson"], durbin_watson(u))
    agree_lm(ours["breusch_pagan"], het_breuschpagan(u, exog))
    agree_lm(ours["white"], het_white(u, exog))
    influence = peer.fit.get_influence()
    close(ours["press"], influence.ess_press, 1e-8)
    close(ours["leverage_sum"], 5)
    close(ours["leverage_max"], influence.hat_matrix_diag.max(), 1e-8)
    cook = np.zeros(len(y))
    cook[out] = influence.cooks_distance[0]
    close([row["cooks_distance"] for row in ours["influential"]], np.sort(cook)[:-11:-1], 1e-8)


# -- penalised fits --------------------------------------------------------------------------------------------------------


def ridge(X, y, w, alpha):
    """The ridge fit as a solution, by matrices; the first pass, and the root of its inverse."""
    first = WOLSQuery(np.mean(X, axis=0), float(np.mean(y)))
    statistics = gather(WOLSStatistics, first, make_rows(X, y, w))
    mean, y_mean = np.average(X, axis=0, weights=w), np.average(y, weights=w)
    Z = X - mean
    inverse = np.linalg.inv(Z.T @ (w[:, None] * Z) + alpha * np.eye(X.shape[1]))
    b = inverse @ Z.T @ (w * (y - y_mean))
    e = y - y_mean - Z @ b
    root = np.zeros((len(b) + 1, len(b) + 1))
    root[0, 0] = w.sum() ** -0.5
    root[1:, 1:] = np.linalg.cholesky(inverse)
    root[0, 1:] = -mean @ root[1:, 1:]
    rss = np.sum(w * e**2)
    explained = np.sum(w * (y - y_mean) ** 2) - rss
    solution = WOLSSolution(y_mean - mean @ b, rss, explained, len(b), 1.0, [], b, root)
    df = np.sum((Z @ inverse) * (w[:, None] * Z))
    return first, statistics, solution, root, e, df


def test_a_penalised_fit_has_its_own_root_degrees_of_freedom_and_label():
    X, y, w = uneven_data(3)
    X += 100
    first, statistics, solution, root, e, df = ridge(X, y, w, 20.0)
    query = residuals_query(first, statistics, solution, root_of_inverse=root)
    residuals = gather(WOLSResidualsStatistics, query, make_rows(X, y, w))
    measures = measures_of_fit(statistics, solution, df_model=df)
    close(measures["residual_variance"], np.sum(w * e**2) / (200 - df - 1))
    close(measures["df_residuals"], 200 - df - 1)
    assert math.isnan(measures["f_statistic"]) and math.isnan(measures["f_p_value"])
    close(residuals.leverage_sum, df + 1)
    A = np.column_stack([np.ones(200), X])
    inverse = root @ root.T
    h = w * np.einsum("ij,jk,ik->i", A, inverse, A)
    label = "given the penalty, of the penalised coefficients"
    tables = sandwich_tables(estimates_of(solution), query, residuals, measures, LEVEL, label=label)
    for j, table in zip((0, None, 1, 2), tables):
        if j is None:
            continue
        scores = A * (w * e / (1 - h) ** (j / 2))[:, None]
        close(table.covariance, inverse @ scores.T @ scores @ inverse, 1e-7, 1e-9)
        assert table.label == label and math.isnan(table.f_statistic)
    classical = classical_table(statistics, solution, measures, LEVEL, label)
    close(classical.covariance, measures["residual_variance"] * inverse)
    assert (classical.label, classical.df) == (label, measures["df_residuals"])
    constant = ridge(np.column_stack([X, np.ones(200)]), y, w, 20.0)
    assert measures_of_fit(*constant[1:3], df_model=df, center=constant[0].center)["condition_number_raw"] == math.inf
    ours = diagnostics(residuals, query, measures)
    close(ours["press"], np.sum(w * (e / (1 - h)) ** 2), 1e-8)
    cook = w * e**2 * h / (1 - h) ** 2 / (measures["residual_variance"] * (df + 1))
    close([row["cooks_distance"] for row in ours["influential"]], np.sort(cook)[:-11:-1], 1e-8)
    agree_lm(ours["breusch_pagan"], het_breuschpagan(np.sqrt(w) * e, A))
    agree_lm(ours["white"], het_white(np.sqrt(w) * e, A - [0, 100, 100, 100]))


# -- prediction ---------------------------------------------------------------------------------------------------------


@weighted_or_not
@pytest.mark.parametrize("kind", ["classical", "HC3"])
def test_the_errors_of_predictions_are_those_of_statsmodels(kind, weighted):
    X, y, w = uneven_data(0)
    new, new_w = np.random.default_rng(1).normal(size=(9, 3)), np.linspace(0.5, 4, 9)
    model = sm.WLS(y, sm.add_constant(X), weights=w)
    peer = model.fit(**({} if kind == "classical" else {"cov_type": kind}))
    expected = peer.get_prediction(sm.add_constant(new, has_constant="add"), weights=new_w if weighted else None)
    fitted = Fitted.of(X, y, w)
    sigma2 = fitted.measures["residual_variance"]
    mean, observation = prediction_errors(fitted.table(kind).covariance, sigma2, new, new_w if weighted else None)
    close(mean, expected.se_mean)
    close(observation, expected.se_obs)
    centred = fitted.table(kind).centred_covariance
    close(prediction_errors(centred, sigma2, new, center=fitted.query.center)[0], mean)


def test_the_errors_of_predictions_far_from_zero_need_the_centred_covariance():
    X, y, w = make_data("offset", 0)
    near = sm.WLS(y - 1e6, sm.add_constant(X - 1e6), weights=w).fit().get_prediction()
    fitted = Fitted.of(X, y, w)
    sigma2 = fitted.measures["residual_variance"]
    mean, _ = prediction_errors(fitted.table("classical").centred_covariance, sigma2, X, center=fitted.query.center)
    close(mean, near.se_mean)
    lost, _ = prediction_errors(fitted.table("classical").covariance, sigma2, X)
    assert not np.allclose(lost, near.se_mean, rtol=1e-6)


def test_intervals_cover_new_observations_as_often_as_they_say():
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(200):
        x, new = rng.normal(size=(2, 20))
        noise, new_noise = rng.normal(size=(2, 20))
        fitted = Fitted.of(x[:, None], 2 * x + noise, n_blocks=1)
        table = fitted.table("classical")
        _, error = prediction_errors(table.covariance, fitted.measures["residual_variance"], new[:, None])
        found = table.estimates[0] + table.estimates[1] * new
        covered.append(np.abs(2 * new + new_noise - found) <= stats.t.ppf(0.95, 18) * error)
    assert abs(np.mean(covered) - 0.9) < 4 * math.sqrt(0.09 / 4000) * 1.5


def test_a_coefficient_that_was_left_at_zero_has_no_standard_error():
    estimates, covariance = np.array([1.0, 0.0, 2.0]), np.diag([0.04, 0.0, 0.25])
    table = CoefficientTable.of("classical", estimates, covariance, covariance, 10.0, 0.95, label="given the others")
    close(table.standard_errors[[0, 2]], [0.2, 0.5])
    assert np.isnan([table.standard_errors[1], table.p_values[1], *table.intervals[1]]).all()


def test_without_tests_there_are_the_errors_that_need_no_leverage():
    X, y, w = uneven_data(0)
    fitted = Fitted.of(X, y, w)
    query = WOLSResidualsQuery(**{**vars(fitted.query), "tests": False})
    light = gather(WOLSResidualsStatistics, query, make_rows(X, y, w))
    tables = sandwich_tables(estimates_of(fitted.solution), query, light, fitted.measures, LEVEL)
    assert [table.covariance_type for table in tables] == ["HC0", "HC1", "equal-variance"]
    for table in tables:
        close(table.standard_errors, fitted.table(table.covariance_type).standard_errors)
    assert light.n_observations == fitted.residuals.n_observations
    assert not light.variance_gram.size and not len(light.influence) and not len(light.piece_ends)
    assert light.merge(light).n_rows == 2 * light.n_rows
