"""One pass of weighted least squares through mrjob, against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from jobs.design import Design
from jobs.kernels.wols import WOLSQuery, solve
from jobs.mr_wols import MRWOLS
from jobs.text import TextFormat
from tests.registry import make_blocks, run_job, write_blocks, write_query

DESIGN = Design(["a", "b"], "y", "w")


def make_columns(n=400, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, n)) + 1e3
    return {
        "y": 2 * a - b + rng.normal(size=n),
        "a": a,
        "b": b,
        "w": rng.gamma(1.0, size=n),
        "code": np.arange(n, dtype=np.int32),
    }


@pytest.mark.parametrize("carrier", ["block", "reference", "text"])
def test_the_pass_gives_the_regression(carrier, tmp_path):
    columns = make_columns()
    question = WOLSQuery(np.array([1e3, 1e3]), 1e3)
    text = None
    if carrier == "text":
        text = TextFormat(list(columns), delimiter=";", header=";".join(columns))
        table = np.column_stack(list(columns.values()))
        np.savetxt(tmp_path / "p", table, "%.17g", ";", header=text.header, comments="")
    else:
        write_blocks(tmp_path / "p", make_blocks(columns, 33), carrier)
    query = write_query(tmp_path / "q", question, DESIGN, text)
    answer = run_job(MRWOLS, query, *([f"--blocks={tmp_path}/p.bin"] if carrier == "reference" else []), tmp_path / "p")
    solution = solve(answer.statistics, question)
    X = np.column_stack([columns["a"], columns["b"]])
    peer = LinearRegression().fit(X, columns["y"], sample_weight=columns["w"])
    np.testing.assert_allclose(solution.coefficients, peer.coef_, rtol=1e-10)
    assert solution.intercept == pytest.approx(peer.intercept_, rel=1e-9)
    assert answer.statistics.n_rows == answer.counts.used == 400


def test_without_weight_every_row_weighs_one(tmp_path):
    columns = make_columns()
    question = WOLSQuery(np.zeros(1))
    query = write_query(tmp_path / "q", question, Design(["code"], "y"))
    answer = run_job(MRWOLS, query, write_blocks(tmp_path / "p", make_blocks(columns, 100)))
    assert answer.statistics.weight_sum == 400
    slope, intercept = np.polyfit(columns["code"], columns["y"], 1)
    solution = solve(answer.statistics, question)
    np.testing.assert_allclose([solution.coefficients[0], solution.intercept], [slope, intercept], rtol=1e-9)
