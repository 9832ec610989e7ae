"""`drivers/predict.py`: the model applied to rows, one prediction a row, in order."""

from __future__ import annotations

import json

import numpy as np
import pytest
import statsmodels.api as sm

from drivers.linear.intervals import COLUMNS
from drivers.model import load_model, to_sklearn
from tests.conftest import make_table, write_csv

MODEL = {
    "format": "scanlearn-model", "version": 1, "kind": "wols", "features": ["x1", "x2"],
    "parameters": {"coefficients": [2.0, -1.0], "intercept": 0.5},
}  # fmt: skip


@pytest.fixture
def table(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps(MODEL))
    matrix, names = make_table(500)
    write_csv(tmp_path / "t.csv", matrix, names)
    return matrix


def test_predictions_in_order_with_columns_kept(table, predict):
    done = predict("model.json", "t.csv", "-o", "p.csv", "--keep", "y")
    assert done.returncode == 0, done.stderr
    found = np.genfromtxt("p.csv", delimiter=",", names=True)
    expected = to_sklearn(load_model("model.json")).predict(np.asarray(table[:, 1:3]))
    np.testing.assert_allclose(found["prediction"], expected, rtol=1e-14)
    np.testing.assert_array_equal(found["y"], table[:, 0])


def test_a_missing_cell_is_an_empty_prediction_and_a_bad_row_is_set_aside(tmp_path, table, predict):
    (tmp_path / "t.csv").write_text("x2,x1\n1,2\n,3\nx,1\n3,4\n")
    assert "line 4, column 'x2': 'x' is not a number" in predict("model.json", "t.csv", "-o", "p.csv").stderr
    assert not (tmp_path / "p.csv").exists()
    assert not (tmp_path / "p.csv.partial").exists()
    done = predict("model.json", "t.csv", "-o", "p.csv", "--max-bad-rows", 1)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.csv").read_text().splitlines() == ['"prediction"', "3.5", "nan", "5.5"]
    assert (tmp_path / "p.csv.rejects" / "rejects.csv").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 9}, "has the version 9"),
        ({"kind": "oracle"}, "holds a model of the kind 'oracle'"),
        ({"format": "other"}, "is not a scanlearn-model file"),
        ({"features": ["x1", "x22"]}, "no column 'x22'; did you mean 'x2'?"),
    ],
)
def test_models_that_cannot_be_used(tmp_path, table, predict, change, message):
    (tmp_path / "model.json").write_text(json.dumps({**MODEL, **change}))
    done = predict("model.json", "t.csv", "-o", "p.csv")
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.parametrize(("options", "kind"), [((), "nonrobust"), (("--covariance", "HC3"), "HC3")])
def test_intervals_are_those_of_statsmodels(table, predict, run_wols, options, kind):
    run_wols("t.csv", "--target", "y", "--features", "x1,x2", "--weight", "w", "--no-report", "--run-dir", "r", *options)
    done = predict("r/model.json", "t.csv", "--intervals", "--confidence", "0.9", "-o", "p.csv")
    assert done.returncode == 0, done.stderr
    found = np.genfromtxt("p.csv", delimiter=",", names=True)
    matrix = np.asarray(table)
    peer = sm.WLS(matrix[:, 0], sm.add_constant(matrix[:, 1:3]), weights=matrix[:, -1]).fit(cov_type=kind)
    expected = peer.get_prediction(sm.add_constant(matrix[:, 1:3])).summary_frame(alpha=0.1)
    np.testing.assert_allclose(found["prediction"], expected["mean"], rtol=1e-9)
    for name in COLUMNS:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-8)


def test_a_model_without_standard_errors_has_no_intervals(table, predict):
    done = predict("model.json", "t.csv", "--intervals", "-o", "p.csv")
    assert done.returncode == 1
    assert "the model has no standard errors" in done.stderr
