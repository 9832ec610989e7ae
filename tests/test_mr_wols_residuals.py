"""The second pass of weighted least squares through mrjob, against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.stattools import durbin_watson

from drivers.linear.diagnostics import diagnostics
from drivers.linear.inference import estimates_of, measures_of_fit, sandwich_tables
from jobs.design import Design
from jobs.kernels.wols import WOLSQuery, solve
from jobs.kernels.wols_residuals import residuals_query
from jobs.mr_wols import MRWOLS
from jobs.mr_wols_residuals import MRWOLSResiduals
from tests.registry import make_blocks, run_job, write_blocks, write_query


@pytest.mark.parametrize("n_files", [1, 3])
def test_two_passes_give_what_needs_residuals(tmp_path, n_files):
    rng = np.random.default_rng(0)
    x, w, group = rng.normal(size=300) + 5, rng.gamma(1.0, size=300), rng.integers(0, 25, 300)
    w[[0, 50, 299]] = 0
    y = 3 * x + 1 + np.cumsum(rng.normal(size=300)) * np.abs(x - 5)
    design = Design(["x"], "y", "w", cluster="g")
    blocks = make_blocks({"y": y, "x": x, "w": w, "g": group}, 37)
    packed = [write_blocks(tmp_path / f"p{i}", blocks[i::n_files]) for i in range(n_files)]
    first = WOLSQuery(np.array([4.5]), 15.0)
    statistics = run_job(MRWOLS, write_query(tmp_path / "q1", first, design), *packed).statistics
    solution = solve(statistics, first)
    second = residuals_query(first, statistics, solution)
    answer = run_job(MRWOLSResiduals, write_query(tmp_path / "q2", second, design), *packed)
    measures = measures_of_fit(statistics, solution)
    kinds = ("HC3", "cluster")
    hc3, cluster = sandwich_tables(estimates_of(solution), second, answer.statistics, measures, 0.95, kinds)
    kept = w > 0
    model = sm.WLS(y[kept], sm.add_constant(x[kept]), weights=w[kept])
    np.testing.assert_allclose(hc3.standard_errors, model.fit(cov_type="HC3").bse, rtol=1e-9)
    peer = model.fit(cov_type="cluster", cov_kwds={"groups": group[kept]}, use_t=True)
    np.testing.assert_allclose(cluster.p_values, peer.pvalues, rtol=1e-7)
    found = diagnostics(answer.statistics, second, measures)
    np.testing.assert_allclose(found["durbin_watson"], durbin_watson(peer.wresid), rtol=1e-9)
    assert answer.statistics.n_rows == 297
    cook = np.zeros(300)
    cook[kept] = sm.OLS(model.wendog, model.wexog).fit().get_influence().cooks_distance[0]
    places = [row["block"] * 37 + row["position"] for row in found["influential"]]
    assert places == np.argsort(-cook)[:10].tolist()
