"""Penalised least squares from one triangle, against scikit-learn and scipy on the rows, the KKT conditions, and itself."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
from scipy.optimize import nnls
from sklearn.linear_model import ElasticNet, LinearRegression, Ridge
from sklearn.linear_model._coordinate_descent import _alpha_grid

from drivers.linear import active_sets
from drivers.linear.penalties import (
    Penalty,
    auto_alphas,
    coefficient_path,
    kkt_residual,
    leverage_root,
    penalised_covariance_root,
)
from drivers.linear.unit_columns import UnitColumns
from jobs.errors import ScanError
from jobs.kernels.wols import WOLSQuery, WOLSStatistics, solve
from tests.registry import gather, make_rows

ALL = [
    Penalty("none", positive=True),
    Penalty("ridge"),
    Penalty("ridge", standardize=True),
    Penalty("ridge", positive=True),
    Penalty("lasso"),
    Penalty("lasso", standardize=True),
    Penalty("lasso", positive=True, standardize=True),
    Penalty("elastic-net", 0.5),
    Penalty("elastic-net", 0.02, standardize=True),
    Penalty("elastic-net", 0.9, positive=True),
    Penalty("elastic-net", 0.0),
]


def make_data(seed: int = 0, n: int = 120, p: int = 9):
    rng = np.random.default_rng(seed)
    X = (rng.normal(size=(n, p)) + 0.7 * rng.normal(size=(n, 1))) * rng.uniform(0.3, 3, p) + rng.normal(size=p)
    y = X @ np.where(rng.random(p) < 0.6, rng.normal(size=p) + 0.4, 0) + 2 + rng.normal(size=n)
    return X, y, rng.gamma(2.0, size=n)


def statistics_of(X, y, w=None) -> tuple[WOLSStatistics, WOLSQuery]:
    X = np.asarray(X, float)
    query = WOLSQuery(X.mean(axis=0), float(np.mean(y)))
    return gather(WOLSStatistics, query, make_rows(X, y, w)), query


def deviations(X, w) -> np.ndarray:
    return np.sqrt(np.average((X - np.average(X, axis=0, weights=w)) ** 2, axis=0, weights=w))


def peer_of(penalty: Penalty, alpha: float, X, y, w):
    """scikit-learn's coefficients and intercept, on features scaled by hand where the penalty is."""
    scale = deviations(X, w) if penalty.standardize else np.ones(X.shape[1])
    if penalty.kind == "none" or alpha == 0:
        peer = LinearRegression(positive=penalty.positive)
    elif penalty.kind == "ridge" or penalty.l1_share == 0:
        alpha = alpha if penalty.kind == "ridge" else alpha * w.sum()
        peer = Ridge(alpha=alpha, solver="svd")
    else:
        peer = ElasticNet(alpha=alpha, l1_ratio=penalty.l1_share, positive=penalty.positive, tol=1e-14, max_iter=1_000_000)
    peer.fit(X / scale, y, sample_weight=w)
    return peer.coef_ / scale, peer.intercept_


def objective(penalty: Penalty, alpha: float, X, y, w, b) -> float:
    """As the docstrings of scikit-learn have it, from the rows, at the best intercept."""
    d = deviations(X, w) if penalty.standardize else 1.0
    e = y - X @ b
    sse = np.sum(w * (e - np.average(e, weights=w)) ** 2)
    if penalty.kind == "none":
        return sse
    if penalty.kind == "ridge":
        return sse + alpha * np.sum((d * b) ** 2)
    share = penalty.l1_share
    return sse / (2 * w.sum()) + alpha * (share * np.abs(d * b).sum() + (1 - share) / 2 * np.sum((d * b) ** 2))


def gradient_failure(penalty: Penalty, alpha: float, X, y, w, b) -> float:
    """The KKT conditions from the rows: the largest failure, as a correlation."""
    Z = X - np.average(X, axis=0, weights=w)
    target = y - np.average(y, weights=w)
    size = np.sqrt(w @ Z**2)
    varies = size > 1e-12 * np.sqrt(w @ X**2 + 1)
    d = np.sqrt(w @ Z**2 / w.sum()) if penalty.standardize else np.ones(X.shape[1])
    share, unit = penalty.l1_share, w.sum()
    l1, l2 = {"none": (0, 0), "ridge": (0, alpha)}.get(penalty.kind, (unit * alpha * share, unit * alpha * (1 - share)))
    g = Z.T @ (w * (target - Z @ b)) - l2 * d**2 * b
    off = np.maximum((g if penalty.positive else np.abs(g)) - l1 * d, 0)
    failure = np.where(b == 0, off, np.abs(g - l1 * d * np.sign(b)))[varies] / size[varies]
    return float(np.max(failure, initial=0) / math.sqrt(w @ target**2))


# -- against scikit-learn and scipy ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", [one for one in ALL if not (one.kind == "ridge" and one.positive)], ids=str)
def test_a_path_is_that_of_refits(penalty):
    tolerance = 1e-10 if penalty.l1_share == 0 else 1e-7
    for seed in range(3):
        X, y, w = make_data(seed)
        statistics, query = statistics_of(X, y, w)
        alphas = auto_alphas(statistics, query, penalty)[::9]
        path = coefficient_path(statistics, query, penalty, alphas)
        for alpha, b, a in zip(alphas, path.coefficients, path.intercepts):
            coefficients, intercept = peer_of(penalty, alpha, X, y, w)
            assert np.abs(b - coefficients).max() <= tolerance * max(np.abs(coefficients).max(), 1e-3)
            assert abs(a - intercept) <= tolerance * max(abs(intercept), 1)
        assert path.residuals.max() < 1e-14


def test_positive_ridge_and_least_squares_are_those_of_scipy():
    X, y, w = make_data(2)
    statistics, query = statistics_of(X, y, w)
    Z, root = X - np.average(X, axis=0, weights=w), np.sqrt(w)[:, None]
    target = np.append(root[:, 0] * (y - np.average(y, weights=w)), np.zeros(X.shape[1]))
    signs = np.where(np.arange(X.shape[1]) % 2, -1, 1)  # or few are held at zero
    for factor in (1, signs):
        statistics, query = statistics_of(X * factor, y, w)
        for alpha in (0.0, 0.1, 10, 1e3):
            for penalty in (Penalty("ridge", positive=True), Penalty("none", positive=True)):
                stack = np.vstack([root * Z * factor, math.sqrt(alpha * (penalty.kind == "ridge")) * np.eye(X.shape[1])])
                ours = coefficient_path(statistics, query, penalty, [alpha]).coefficients[0]
                np.testing.assert_allclose(ours, nnls(stack, target)[0], rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    "penalty", [Penalty("lasso"), Penalty("elastic-net", 0.3), Penalty("lasso", positive=True)], ids=str
)
def test_the_grid_is_that_of_scikit_learn(penalty):
    X, y, w = make_data(1)
    statistics, query = statistics_of(X, y, w)
    ours = auto_alphas(statistics, query, penalty)
    theirs = _alpha_grid(X, y, l1_ratio=penalty.l1_share, sample_weight=w, positive=penalty.positive)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


@pytest.mark.parametrize("penalty", [one for one in ALL if one.l1_share > 0], ids=str)
def test_alpha_max_is_the_smallest_that_leaves_nothing(penalty):
    X, y, w = make_data(3)
    statistics, query = statistics_of(X, y, w)
    largest = auto_alphas(statistics, query, penalty)[0]
    path = coefficient_path(statistics, query, penalty, [largest * 1e6, largest * (1 + 1e-9), largest * 0.999])
    assert (path.coefficients[:2] == 0).all() and np.count_nonzero(path.coefficients[2]) == 1
    np.testing.assert_array_equal(path.df[:2], 0)
    np.testing.assert_allclose(path.intercepts[:2], np.average(y, weights=w), rtol=1e-12)


def test_the_grid_of_ridge_reaches_from_the_mean_to_the_ordinary_fit():
    X, y, w = make_data(4)
    statistics, query = statistics_of(X, y, w)
    for standardize in (False, True):
        alphas = auto_alphas(statistics, query, Penalty("ridge", standardize=standardize))
        Z = (X - np.average(X, axis=0, weights=w)) / (deviations(X, w) if standardize else 1)
        eigenvalues = np.linalg.eigvalsh((Z.T * w) @ Z)
        np.testing.assert_allclose(alphas[[0, -1]], [10 * eigenvalues[-1], eigenvalues[0] / 100])
        df = coefficient_path(statistics, query, Penalty("ridge", standardize=standardize), alphas).df
        assert (np.diff(df) > 0).all() and df[0] < 1 and df[-1] > 8.9
    one = auto_alphas(statistics, query, Penalty("elastic-net", 0.0)) * w.sum()
    np.testing.assert_allclose(one, auto_alphas(statistics, query, Penalty("ridge")))
    assert auto_alphas(statistics, query, Penalty("none")).tolist() == [0]


def test_small_l1_ratios_have_a_grid_of_use():
    X, y, w = make_data(4)
    statistics, query = statistics_of(X, y, w)
    for ratio in (1e-5, 1e-3, 0.01, 0.1):
        penalty = Penalty("elastic-net", ratio)
        df = coefficient_path(statistics, query, penalty, auto_alphas(statistics, query, penalty)).df
        assert df[0] < 1 and df[-1] > 7


# -- every solution certifies itself --------------------------------------------------------------------------------------


def awkward(kind: str, seed: int):
    rng = np.random.default_rng(seed)
    n, p = (12, 20) if kind == "wide" else (50, 7)
    X = rng.normal(size=(n, p))
    if kind == "duplicate":
        X = np.hstack([X, X[:, :3], -X[:, 3:4], 2 * X[:, :1]])
    elif kind == "sum":
        X = np.hstack([X, X[:, :3] + X[:, 3:6], X[:, :1] - X[:, 1:2]])
    elif kind == "scales":
        X = X * 10.0 ** rng.integers(-8, 9, p)
    elif kind == "scaled duplicates":
        X = np.hstack([X, X[:, :4]]) * 10.0 ** rng.integers(-8, 9, p + 4)
    elif kind == "offset":
        X = X + 1e6
    elif kind == "offset duplicates":
        X = np.hstack([X, X[:, :2], X[:, :1] + X[:, 2:3]]) + 1e6
    elif kind == "constant":
        X[:, 2], X[:, 5] = 0, 7
    y = X / np.maximum(X.std(axis=0), 1e-12) @ np.where(rng.random(X.shape[1]) < 0.5, rng.normal(size=X.shape[1]), 0)
    return X, y + rng.normal(size=n), rng.gamma(2.0, size=n)


@pytest.mark.parametrize("search", [False, True], ids=["both", "search alone"])
@pytest.mark.parametrize("penalty", ALL, ids=str)
@pytest.mark.parametrize(
    "kind",
    ["duplicate", "sum", "wide", "scales", "scaled duplicates", "offset", "offset duplicates", "constant"],
    ids=lambda k: k.replace(" ", "-"),
)
def test_the_conditions_of_the_minimum_hold_from_the_rows(kind, penalty, search, monkeypatch):
    if search:
        monkeypatch.setattr(active_sets, "_exchange", lambda *_: None)
    for seed in range(2):
        X, y, w = awkward(kind, seed)
        statistics, query = statistics_of(X, y, w)
        alphas = auto_alphas(statistics, query, penalty, 8)
        alphas = np.concatenate([[alphas[0] * 10], alphas, alphas[-1] * np.array([1e-3, 1e-6])])
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            path = coefficient_path(statistics, query, penalty, alphas)
        assert np.isfinite(path.coefficients).all() and np.isfinite(path.intercepts).all()
        for alpha, b, residual in zip(alphas, path.coefficients, path.residuals):
            assert gradient_failure(penalty, alpha, X, y, w, b) < (1e-9 if "offset" in kind else 1e-12)
            assert residual < (1e-10 if "offset" in kind else 1e-12)
            assert residual == pytest.approx(kkt_residual(statistics, query, penalty, alpha, b), abs=1e-15)
            assert not penalty.positive or (b >= 0).all()


@pytest.mark.parametrize("penalty", ALL, ids=str)
def test_both_ways_find_the_same_and_nothing_near_is_better(penalty, monkeypatch):
    X, y, w = make_data(7)
    statistics, query = statistics_of(X, y, w)
    alphas = auto_alphas(statistics, query, penalty, 30)
    first = coefficient_path(statistics, query, penalty, alphas)
    monkeypatch.setattr(active_sets, "_exchange", lambda *_: None)
    second = coefficient_path(statistics, query, penalty, alphas[::-1])
    np.testing.assert_allclose(second.coefficients[::-1], first.coefficients, rtol=1e-9, atol=1e-13)
    rng = np.random.default_rng(0)
    for alpha, b in zip(alphas[::5], first.coefficients[::5]):
        here = objective(penalty, alpha, X, y, w, b)
        for size in (1e-4, 1e-2):
            there = b + size * rng.normal(size=(20, len(b)))
            there = np.abs(there) if penalty.positive else there
            assert all(objective(penalty, alpha, X, y, w, one) >= here * (1 - 1e-13) for one in there)


def test_the_certificate_sees_an_error():
    X, y, w = make_data(0)
    statistics, query = statistics_of(X, y, w)
    penalty = Penalty("lasso")
    b = coefficient_path(statistics, query, penalty, [0.1]).coefficients[0]
    assert kkt_residual(statistics, query, penalty, 0.1, b) < 1e-15
    assert kkt_residual(statistics, query, penalty, 0.1, b * 1.001) > 1e-5
    assert kkt_residual(statistics, query, penalty, 0.1001, b) > 1e-6
    assert kkt_residual(statistics, query, Penalty("none", positive=True), 0, -np.abs(b)) > 0.01


def test_ridge_of_unequal_columns_is_ridge_of_equal_ones():
    """A column that is smaller by 1e10 keeps its digits: with standardisation the unit changes nothing."""
    X, y, w = make_data(5)
    unit = 2.0 ** np.array([-30, 30, 0, -14, 14, 3, -3, 27, -27])
    penalty = Penalty("ridge", standardize=True)
    one, two = (coefficient_path(*statistics_of(X * u, y, w), penalty, [1e-3, 1, 1e3]) for u in (1.0, unit))
    np.testing.assert_allclose(two.coefficients * unit, one.coefficients, rtol=1e-10)
    statistics, query = statistics_of(X * unit, y, w)
    path = coefficient_path(statistics, query, Penalty("ridge"), [1e-12, 1e-4, 1.0, 1e9])
    Z, target = (X - np.average(X, axis=0, weights=w)) * unit, y - np.average(y, weights=w)
    gram, moments = (Z.T * w) @ Z, Z.T @ (w * target)
    for alpha, b, df in zip(path.alphas, path.coefficients, path.df):
        scale = np.sqrt(np.diag(gram) + alpha)  # in units where the normal equations are harmless
        inner = np.linalg.solve((gram + alpha * np.eye(9)) / np.outer(scale, scale), np.eye(9))
        np.testing.assert_allclose(b, inner @ (moments / scale) / scale, rtol=1e-9)
        np.testing.assert_allclose(df, np.trace(inner @ (gram / np.outer(scale, scale))), rtol=1e-9)


@pytest.mark.parametrize("method", ["_exchange", "_search"])
@pytest.mark.parametrize("penalty", [Penalty("lasso"), Penalty("lasso", positive=True)], ids=str)
def test_a_dependent_feature_takes_the_place_of_those_it_depends_on(method, penalty):
    """One coefficient of the sum costs less than two of its parts; the start has the parts."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    y = X[:, 0] + 2 * X[:, 1] + 0.1 * rng.normal(size=60)
    X = np.column_stack([X, X[:, 0] + X[:, 1]])
    statistics, query = statistics_of(X, y)
    parts = np.append(coefficient_path(*statistics_of(X[:, :3], y), penalty, [0.01]).coefficients[0], 0.0)
    assert kkt_residual(statistics, query, penalty, 0.01, parts) > 1e-3
    design = UnitColumns.of(statistics, query, penalty.standardize, penalty.positive)
    unit = design.norms / design.target_norm
    found = getattr(active_sets, method)(design, *design.scaled(*penalty.strengths(0.01, 60.0)), parts * unit)
    if found is not None:
        assert kkt_residual(statistics, query, penalty, 0.01, found / unit) < 1e-14
        assert found[3] > 0 == found[0]
    assert found is not None or method == "_exchange"


@pytest.mark.parametrize("distance", [1e-2, 1e-3, 1e-5, 1e-6])
def test_collinear_columns_lose_no_more_digits_than_in_a_qr_factorisation(distance):
    """All coefficients are positive, so that the constraint says nothing: normal equations would keep half the digits."""
    rng = np.random.default_rng(1)
    X = rng.normal(size=(100, 1)) + distance * rng.normal(size=(100, 4))
    y = X @ np.array([1.0, 2, 3, 4]) + 1e-3 * distance * rng.normal(size=100)
    statistics, query = statistics_of(X, y)
    expected = solve(statistics, query).coefficients
    path = coefficient_path(statistics, query, Penalty("none", positive=True), [0.0])
    np.testing.assert_allclose(path.coefficients[0], expected, rtol=2e-15 / distance)


# -- special cases --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["duplicate", "scales", "wide"])
def test_no_penalty_is_the_ordinary_fit(kind):
    statistics, query = statistics_of(*awkward(kind, 0))
    solution = solve(statistics, query)
    for penalty in (Penalty("none"), Penalty("ridge"), Penalty("lasso"), Penalty("elastic-net")):
        path = coefficient_path(statistics, query, penalty, [0.0])
        np.testing.assert_array_equal(path.coefficients[0], solution.coefficients)
        assert path.intercepts[0] == pytest.approx(solution.intercept, rel=1e-14)
        assert path.df[0] == solution.rank
        for root in (penalised_covariance_root, leverage_root):
            ours = root(statistics, query, penalty, 0.0, solution.coefficients)
            np.testing.assert_array_equal(ours @ ours.T, solution.covariance_root @ solution.covariance_root.T)


def test_penalties_may_come_in_any_order():
    statistics, query = statistics_of(*make_data(6))
    alphas = np.array([0.3, 0.01, 2.0, 0.0, 0.1])
    for penalty in ALL:
        mixed = coefficient_path(statistics, query, penalty, alphas)
        single = [coefficient_path(statistics, query, penalty, [alpha]) for alpha in alphas]
        for name in ("coefficients", "intercepts", "df", "centred_intercepts"):
            np.testing.assert_allclose(
                getattr(mixed, name), [getattr(one, name)[0] for one in single], rtol=1e-10, atol=1e-13
            )


@pytest.mark.parametrize("penalty", [Penalty("none"), *ALL], ids=str)
def test_no_features_one_row_and_a_constant_target(penalty):
    y, w = np.array([1.0, 2, 6]), np.array([1.0, 0, 3])
    statistics, query = statistics_of(np.empty((3, 0)), y, w)
    path = coefficient_path(statistics, query, penalty, auto_alphas(statistics, query, penalty, 5))
    assert (path.intercepts == 4.75).all() and path.coefficients.shape[1] == 0 and (path.df == 0).all()
    for X, target in (([[1.0, 2, 3]], [5.0]), (make_data(0)[0][:, :3], np.full(120, 5.0))):
        statistics, query = statistics_of(X, target)
        path = coefficient_path(statistics, query, penalty, auto_alphas(statistics, query, penalty, 5))
        assert (path.coefficients == 0).all() and (path.intercepts == 5).all()


def test_what_is_no_penalty_is_refused():
    statistics, query = statistics_of(*make_data(0))
    for alpha in (-1.0, math.nan, math.inf):
        with pytest.raises(ScanError, match="alpha is a finite number"):
            coefficient_path(statistics, query, Penalty("ridge"), [1.0, alpha])
    with pytest.raises(ScanError, match="from 0 .ridge. to 1"):
        Penalty("elastic-net", 1.5)
    with pytest.raises(ValueError, match="unknown penalty"):
        Penalty("l0")
    with pytest.raises(ValueError, match="no row has a positive weight"):
        coefficient_path(*statistics_of(np.ones((2, 1)), np.ones(2), np.zeros(2)), Penalty("ridge"), [1.0])


# -- degrees of freedom and covariance ------------------------------------------------------------------------------------


@pytest.mark.parametrize("penalty", ALL, ids=str)
@pytest.mark.parametrize("alpha", [0.05, 0.4])
def test_degrees_of_freedom_and_covariance_are_derivatives(penalty, alpha):
    """(a, b) = M y on the active set: from explicit matrices of the rows, and by moving single targets."""
    X, y, w = make_data(8)
    statistics, query = statistics_of(X, y, w)
    path = coefficient_path(statistics, query, penalty, [alpha])
    b = path.coefficients[0]
    active = np.flatnonzero(b)
    Z = np.column_stack([np.ones(len(y)), X[:, active]])
    d = deviations(X, w)[active] if penalty.standardize else np.ones(len(active))
    l2 = {"none": 0, "ridge": alpha}.get(penalty.kind, alpha * (1 - penalty.l1_share) * w.sum())
    inverse = np.linalg.solve((Z.T * w) @ Z + l2 * np.diag(np.append(0, d**2)), np.eye(len(active) + 1))
    M = inverse @ (Z.T * w)
    rows = np.append(0, active + 1)
    covariance, bread = np.zeros((2, 10, 10))
    covariance[np.ix_(rows, rows)] = M / w @ M.T
    bread[np.ix_(rows, rows)] = inverse
    L, G = (f(statistics, query, penalty, alpha, b) for f in (penalised_covariance_root, leverage_root))
    np.testing.assert_allclose(L @ L.T, covariance, rtol=1e-8, atol=1e-13)
    np.testing.assert_allclose(G @ G.T, bread, rtol=1e-8, atol=1e-13)
    hat = w * np.sum((np.column_stack([np.ones(len(y)), X]) @ G) ** 2, axis=1)
    np.testing.assert_allclose(hat, np.diag(Z @ M), rtol=1e-9)
    np.testing.assert_allclose(path.df[0] + 1, hat.sum(), rtol=1e-9)
    for i in (0, 17):
        moved = []
        for step in (1e-4, -1e-4):
            other = gather(WOLSStatistics, query, make_rows(X, y + step * (np.arange(len(y)) == i), w))
            again = coefficient_path(other, query, penalty, [alpha])
            moved.append(np.append(again.intercepts, again.coefficients))
        np.testing.assert_allclose((moved[0] - moved[1])[rows] / 2e-4, M[:, i], rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("penalty", [Penalty("ridge"), Penalty("elastic-net", 0.3), Penalty("lasso")], ids=str)
def test_the_covariance_of_dependent_features_is_finite(penalty):
    for kind in ("duplicate", "constant", "scaled duplicates"):
        statistics, query = statistics_of(*awkward(kind, 0))
        for alpha in (1e-25, 1e-3):
            b = coefficient_path(statistics, query, penalty, [alpha]).coefficients[0]
            for root in (penalised_covariance_root, leverage_root):
                assert np.isfinite(root(statistics, query, penalty, alpha, b)).all()
