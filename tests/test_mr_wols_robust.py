"""The second pass of weighted least squares through mrjob, against statsmodels."""

from __future__ import annotations

import numpy as np
import statsmodels.api as sm

from drivers.linear.inference import sandwich_tables
from jobs.design import Design
from jobs.kernels.wols import WOLSQuery, solve
from jobs.kernels.wols_robust import WOLSRobustQuery
from jobs.mr_wols import MRWOLS
from jobs.mr_wols_robust import MRWOLSRobust
from tests.registry import make_blocks, run_job, write_blocks, write_query


def test_two_passes_give_robust_standard_errors(tmp_path):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=300) + 5, rng.gamma(1.0, size=300)
    y = 3 * x + 1 + rng.normal(size=300) * np.abs(x - 5)
    design = Design(["x"], "y", "w")
    packed = write_blocks(tmp_path / "p", make_blocks({"y": y, "x": x, "w": w}, 37))
    first = WOLSQuery(np.array([4.5]), 15.0)
    solution = solve(run_job(MRWOLS, write_query(tmp_path / "q1", first, design), packed).statistics, first)
    centred = solution.intercept - 15.0 + 4.5 * solution.coefficients[0]
    second = WOLSRobustQuery(centred, 15.0, solution.coefficients, first.center)
    answer = run_job(MRWOLSRobust, write_query(tmp_path / "q2", second, design), packed)
    hc0, _ = sandwich_tables(solution, answer.statistics, first.center, 0.95)
    peer = sm.WLS(y, sm.add_constant(x), weights=w).fit(cov_type="HC0")
    np.testing.assert_allclose(hc0.standard_errors, peer.bse, rtol=1e-9)
    assert answer.statistics.n_rows == 300
