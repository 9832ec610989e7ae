"""Descent whose passes are mrjob jobs, against the exact answer."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LinearRegression

from drivers.loop import CONVERGED, iterate
from jobs.design import Design
from jobs.kernels.wols_gradient import WOLSGradientState, WOLSGradientStatistics, update
from jobs.mr_wols_gradient import MRWOLSGradient
from tests.registry import gather, make_blocks, make_rows, run_job, write_blocks, write_query


def test_a_descent_of_jobs_ends_at_the_exact_answer_and_each_pass_is_that_in_memory(tmp_path):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=200), rng.gamma(2.0, size=200)
    y = 3 * x + 1 + rng.normal(size=200)
    packed = write_blocks(tmp_path / "p", make_blocks({"y": y, "x": x, "w": w}, 37))
    rows = make_rows(x[:, None], y, w)

    def step(state):
        query = write_query(tmp_path / "q", state.query(), Design(["x"], "y", "w"))
        statistics = run_job(MRWOLSGradient, query, packed).statistics
        in_memory = gather(WOLSGradientStatistics, state.query(), rows)
        for name in ("loss_sum", "we_sum", "wex_sum"):  # the last two go to zero
            np.testing.assert_allclose(getattr(statistics, name), getattr(in_memory, name), rtol=1e-11, atol=1e-10)
        return statistics

    fit = iterate(
        step,
        update,
        WOLSGradientState.start([0.5, 0.9], np.zeros((2, 2)), np.array([0.1]), 1.0),
        distance=lambda old, new, _: new.gradient_norm / new.first_gradient_norm,
        tol=1e-7,
        max_iter=40,
    )
    assert fit.status == [CONVERGED] * 2
    assert fit.n_iters[0] != fit.n_iters[1]  # so a pass with one candidate left was seen
    peer = LinearRegression().fit(x[:, None], y, sample_weight=w)
    np.testing.assert_allclose(fit.state.coefficients.T, [[peer.intercept_, peer.coef_[0]]] * 2, rtol=1e-6)
