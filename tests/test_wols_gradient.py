"""Gradient descent: the gradient against differences of the loss, the answer against the exact one, and the pass counts
that the default data are known for."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from drivers.loop import CONVERGED, DIVERGED, MAX_ITER, iterate
from jobs.kernels.wols_gradient import (
    WOLSGradientQuery,
    WOLSGradientState,
    WOLSGradientStatistics,
    gradient,
    update,
)
from tests.registry import gather, make_rows, take


def by_gradient(old, new, _):
    return np.where(new.diverged, np.inf, new.gradient_norm / new.first_gradient_norm)


def by_step(old, new, _):
    return np.where(new.diverged, np.inf, new.step_norm**2)


def descend(rows, rates, starts, *, distance=by_gradient, tol=1e-8, max_iter=1000, form="weighted", center=None):
    """All rates, each from the start of the same column, in memory."""
    center = rows.X.mean(axis=0) if center is None else center
    return iterate(
        lambda state: gather(WOLSGradientStatistics, state.query(), rows),
        update,
        WOLSGradientState.start(rates, np.array(starts, float), center, float(rows.y.mean()), form),
        distance=distance,
        tol=tol,
        max_iter=max_iter,
        objective=lambda state: state.loss,
    )


def make_data(seed=0, n=400, p=3, offset=0.0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p)) + offset
    return make_rows(X, X @ rng.normal(size=p) + 2 + rng.normal(size=n), rng.gamma(1.0, size=n))


def exact(rows) -> np.ndarray:
    peer = LinearRegression().fit(rows.X, rows.y, sample_weight=rows.w)
    return np.append(peer.intercept_, peer.coef_)


# -- one gradient -------------------------------------------------------------------------------------------------------


def loss_of(rows, b):
    return np.average((b[0] + rows.X @ b[1:] - rows.y) ** 2, weights=rows.w) / 2


@pytest.mark.parametrize("center", [0.0, 0.7, -30.0])
def test_loss_and_gradient_are_those_of_the_whole_data(center):
    rows = make_data(1)
    b = np.random.default_rng(2).normal(size=(4, 5))
    query = WOLSGradientQuery(center, b, np.full(3, center))
    parts = [gather(WOLSGradientStatistics, query, take(rows, part)) for part in np.array_split(np.arange(400), 7)]
    statistics = parts[0]
    for part in parts[1:]:
        statistics = statistics.merge(part)
    assert statistics.n_rows == 400
    losses = [loss_of(rows, b[:, k]) for k in range(5)]
    np.testing.assert_allclose(statistics.loss_sum / statistics.weight_sum, losses, rtol=1e-11)
    # Central differences of a quadratic have no error but rounding.
    h = 1e-3
    differences = [
        [(loss_of(rows, b[:, k] + h * e) - loss_of(rows, b[:, k] - h * e)) / (2 * h) for k in range(5)] for e in np.eye(4)
    ]
    np.testing.assert_allclose(gradient(statistics, query), differences, rtol=1e-9, atol=1e-10)


def test_the_gradient_is_zero_at_the_solution_and_nowhere_near_it():
    rows = make_data(3)
    b = exact(rows)
    query = WOLSGradientQuery(0.0, np.column_stack([b, b + 1e-3]), np.zeros(3))
    g = gradient(gather(WOLSGradientStatistics, query, rows), query)
    assert np.abs(g[:, 0]).max() < 1e-13
    assert np.abs(g[:, 1]).max() > 1e-4


def test_the_classical_form_is_the_mean_error_and_the_mean_of_weight_error_and_x():
    rows = make_rows([[1.0], [2.0], [4.0]], [0.0, 0.0, 1.0], [1.0, 10.0, 100.0])
    query = WOLSGradientQuery(0.25, np.array([[1.0], [1.0]]), np.array([3.0]))
    g = gradient(gather(WOLSGradientStatistics, query, rows), query, "classical")
    # Errors 2, 3, 4.
    np.testing.assert_allclose(g[:, 0], [9 / 3, (1 * 2 * 1 + 10 * 3 * 2 + 100 * 4 * 4) / 3], rtol=1e-14)


def test_an_offset_of_a_million_costs_no_digits():
    near, far = make_data(4), make_data(4, offset=0.0)
    far = make_rows(near.X + 1e6, near.y + 1e6, near.w)
    b = np.random.default_rng(0).normal(size=(4, 1))
    moved = b.copy()
    moved[0] += 1e6 - 1e6 * b[1:].sum()
    center = near.X.mean(axis=0)
    a = gather(WOLSGradientStatistics, WOLSGradientQuery(0.5, b, center), near)
    c = gather(WOLSGradientStatistics, WOLSGradientQuery(1e6 + 0.5, moved, center + 1e6), far)
    np.testing.assert_allclose(c.wex_sum, a.wex_sum, rtol=1e-7)
    np.testing.assert_allclose(c.loss_sum, a.loss_sum, rtol=1e-7)


# -- descent --------------------------------------------------------------------------------------------------------------


def test_it_converges_to_the_exact_solution():
    rows = make_data(5)
    fit = descend(rows, [0.3, 0.5], np.zeros((4, 2)), tol=1e-12)
    assert fit.status == [CONVERGED] * 2
    for k in range(2):
        np.testing.assert_allclose(fit.state.coefficients[:, k], exact(rows), rtol=1e-9)
        assert fit.state.loss[k] == pytest.approx(loss_of(rows, exact(rows)), rel=1e-12)
    losses = np.array([entry["objective"] for entry in fit.history])
    assert np.all(np.diff(losses[: fit.n_iters[1], 1]) <= 1e-15)


def test_candidates_together_are_each_alone():
    rows = make_data(6)
    rates = [0.05, 0.4, 3.0, 0.4]
    starts = np.random.default_rng(1).uniform(-3, 3, (4, 4))
    together = descend(rows, rates, starts, max_iter=100)
    for k in range(4):
        alone = descend(rows, rates[k : k + 1], starts[:, k : k + 1], max_iter=100)
        assert (alone.n_iters[0], alone.status[0]) == (together.n_iters[k], together.status[k])
        for name in ("coefficients", "loss", "gradient_norm", "first_gradient_norm", "step_norm", "contraction"):
            np.testing.assert_allclose(
                np.asarray(getattr(together.state, name))[..., k], np.asarray(getattr(alone.state, name))[..., 0], rtol=1e-8
            )
    assert together.status == [MAX_ITER, CONVERGED, DIVERGED, CONVERGED]


def test_one_step_is_the_rate_times_the_gradient_and_leaves_the_state_before_as_it_was():
    rows = make_data(7)
    starts = np.random.default_rng(1).normal(size=(4, 3))
    state = WOLSGradientState.start([0.1, 0.2, 0.3], starts, np.zeros(3), 0.0)
    state = state.retire(np.array([False, True, False]))
    before = state.md5()
    statistics = gather(WOLSGradientStatistics, state.query(), rows)
    assert statistics.loss_sum.shape == (2,)
    new = update(state, statistics)
    assert state.md5() == before
    for k, rate in ((0, 0.1), (2, 0.3)):
        h = 1e-3
        slope = [(loss_of(rows, starts[:, k] + h * e) - loss_of(rows, starts[:, k] - h * e)) / (2 * h) for e in np.eye(4)]
        np.testing.assert_allclose(new.coefficients[:, k], starts[:, k] - rate * np.array(slope), rtol=1e-8)
        assert new.gradient_norm[k] == pytest.approx(np.linalg.norm(slope), rel=1e-8)
        assert new.step_norm[k] == pytest.approx(rate * np.linalg.norm(slope), rel=1e-8)
    np.testing.assert_array_equal(new.coefficients[:, 1], starts[:, 1])
    assert np.isnan(new.loss[1]) and np.isnan(new.gradient_norm[1])
    assert not new.diverged.any()


def test_the_remaining_distance_is_the_distance_that_remains():
    rows = make_data(8)
    fit = descend(rows, [0.05, 0.2], np.zeros((4, 2)), distance=by_step, tol=1e-10)
    distance = np.linalg.norm(fit.state.coefficients - exact(rows)[:, None], axis=0)
    np.testing.assert_allclose(fit.state.remaining_distance(), distance, rtol=0.3)
    assert distance[0] > 1e-4 > 1e-5 > distance[1] / 10


def test_the_remaining_distance_before_and_at_the_end():
    state = WOLSGradientState.start([0.1, 0.1], np.zeros((2, 2)), np.zeros(1), 0.0)
    assert not np.isfinite(state.remaining_distance()).any()  # unknown before two steps are known
    one = descend(make_data(8), [0.1], np.zeros((4, 1)), max_iter=1)
    assert np.isinf(one.state.remaining_distance()).all()
    on_the_line = make_rows([[0.0], [1.0], [2.0]], [1.0, 3.0, 5.0])
    fit = descend(on_the_line, [0.1], [[1.0], [2.0]], distance=by_step, center=np.zeros(1))
    assert (fit.status, fit.n_iter) == ([CONVERGED], 1)
    assert fit.state.remaining_distance()[0] == 0


@pytest.mark.parametrize("share, status", [(0.95, CONVERGED), (1.05, DIVERGED)])
def test_the_largest_rate_that_converges_is_two_over_the_largest_eigenvalue(share, status):
    rows = make_data(9)
    A = np.column_stack([np.ones(400), rows.X]) * np.sqrt(rows.w / rows.w.sum())[:, None]
    rate = share * 2 / np.linalg.norm(A, 2) ** 2
    assert descend(rows, [rate], np.ones((4, 1))).status == [status]


@pytest.mark.parametrize("rate", [1e10, 1e200])
def test_numbers_that_overflow_are_a_divergence(rate):
    with np.errstate(all="ignore"):
        fit = descend(make_data(10), [rate, 0.3], np.ones((4, 2)))
    assert fit.status == [DIVERGED, CONVERGED]


@pytest.mark.parametrize("noise", [0.0, 1e-12, 1e-9, 1e-6])
def test_rounding_near_the_solution_is_no_divergence(noise):
    rng = np.random.default_rng(0)
    x = rng.uniform(-4, 4, 1000)
    rows = make_rows(x[:, None], x - 4 + noise * rng.normal(size=1000), rng.gamma(2.0, size=1000))
    fit = descend(rows, [0.05, 0.2], np.full((2, 2), 0.5), distance=by_step, tol=1e-29, max_iter=2000)
    assert fit.status == [CONVERGED] * 2
    np.testing.assert_allclose(fit.state.coefficients[:, 0], exact(rows), rtol=1e-12)


# -- the default data ------------------------------------------------------------------------------------------------------


def preset(seed, n=100_000):
    """x uniform on (-4, 4), y = x - 4 + noise of standard deviation 0.5, weight |1/x|."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-4, 4, n)
    return make_rows(x[:, None], x - 4 + rng.normal(0, 0.5, n), np.abs(1 / x))


def start(m):
    return np.tile([[0.636], [0.2105]], m)


# The mean weight, which sets the speed of the slope, is infinite in law; of these seeds it is that of a usual file.
USUAL = [1, 2, 5, 6]


@pytest.mark.parametrize("seed", USUAL)
def test_what_the_default_data_are_known_for(seed):
    rows = preset(seed)
    truth = exact(rows)
    fit = descend(rows, [0.05, 1.0, 2.1], start(3), distance=by_step, tol=1e-5)
    assert (fit.status[0], fit.status[2]) == (CONVERGED, DIVERGED)
    assert 85 <= fit.n_iters[0] <= 95
    off = fit.state.coefficients[1, 0] - truth[1]
    assert 0.05 <= abs(off) <= 0.08
    # The small step is no small distance, and the estimate of it says so.
    assert fit.state.remaining_distance()[0] == pytest.approx(abs(off), rel=0.25)
    fine = descend(rows, [0.05, 1.0], start(2), distance=by_step, tol=1e-14)
    assert fine.status == [CONVERGED] * 2
    assert 410 <= fine.n_iters[0] <= 480
    assert 12 <= fine.n_iters[1] <= 28
    assert np.abs(fine.state.coefficients[:, 0] - truth).max() < 1e-5
    assert np.abs(fine.state.coefficients[:, 1] - truth).max() < 1e-6


@pytest.mark.parametrize("seed", range(6))
def test_the_classical_form_stops_where_it_is_known_to(seed):
    rows = preset(seed)
    fit = descend(rows, [0.05], start(1), distance=by_step, tol=1e-5, form="classical")
    assert fit.status == [CONVERGED]
    assert 83 <= fit.n_iter <= 87
    intercept, slope = fit.state.coefficients[:, 0]
    assert intercept == pytest.approx(-3.94, abs=0.01)
    assert slope == pytest.approx(1.0, abs=0.003)


@pytest.mark.parametrize("seed", range(3))
def test_the_root_of_the_classical_form_is_the_instrumental_variable_estimate(seed):
    rows = preset(seed, 5000)
    fit = descend(rows, [0.1], start(1), tol=1e-12, form="classical")
    x, instrument = rows.X[:, 0], rows.w * rows.X[:, 0]
    slope = np.cov(instrument, rows.y)[0, 1] / np.cov(instrument, x)[0, 1]
    np.testing.assert_allclose(fit.state.coefficients[:, 0], [rows.y.mean() - slope * x.mean(), slope], rtol=1e-9)
    assert not np.allclose(fit.state.coefficients[:, 0], exact(rows), atol=1e-3)
