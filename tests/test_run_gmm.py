"""drivers/run_gmm.py: the exercise, every start, the choice among candidates, resuming, prediction, and what it refuses."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from data_gen.gen_blobs import generate
from drivers import run_gmm, score
from drivers.model import load_model, to_sklearn
from tests.conftest import Driver, read_model, read_passes, write_csv

QUIET = ("--no-report", "--quiet")


@pytest.fixture
def blobs(tmp_path):
    """60,000 rows of four well separated components, in some blocks."""
    generate(tmp_path / "t.csv", "separated", rows=60_000, features=3, components=4, header=True, seed=2)
    return np.loadtxt(tmp_path / "t.csv", delimiter=",", skiprows=1)


def fit(*words, run_dir="r"):
    assert run_gmm.main(["t.csv", *words, *QUIET, "--run-dir", run_dir]) in (0, 3)
    return read_model(run_dir)


def test_without_input_it_does_the_exercise(tmp_path, capsys):
    assert run_gmm.main(["--json", "--no-report", "--cache-dir", "c", "--run-dir", "r"]) == 0
    model = json.loads(capsys.readouterr().out)
    truth = json.loads(Path("c/demo/blobs.csv.truth.json").read_text())["components"]
    parameters, training = model["parameters"], model["training"]
    assert (training["init"], training["stop"], training["tol"]) == ("random", "means", 0.02)
    assert not training["accelerate"] and len(model["candidates"]) == 5
    assert [entry["job"] for entry in read_passes("r")] == ["MRSample"] + ["MRGMM"] * (training["n_passes"] - 1)
    for mean in np.array(truth["means"]):
        j = int(((np.array(parameters["means"]) - mean) ** 2).sum(axis=1).argmin())
        assert np.abs(np.array(parameters["means"][j]) - mean).max() < 0.16
        assert np.abs(np.array(parameters["covariances"][j]) - np.eye(2)).max() < 0.25
        assert abs(parameters["weights"][j] - 1 / 3) < 0.02


def test_json_lines_of_the_exercise_are_the_same_rows(tmp_path):
    generate("t.csv", seed=3)
    generate("t.json", seed=3, format="json")
    words = ("--n-components", "3", *QUIET)
    assert run_gmm.main(["t.csv", *words, "--run-dir", "a"]) == run_gmm.main(["t.json", *words, "--run-dir", "b"]) == 0
    assert read_model("a")["parameters"] == read_model("b")["parameters"]


@pytest.mark.parametrize(("init", "n_before"), [("sample", 0), ("random", 1), ("kmeans", None), ("k-means||", 7)])
def test_every_start_ends_well_with_some_restarts(blobs, init, n_before):
    model = fit("--n-components", "4", "--restarts", "4", "--init", init)
    best = GaussianMixture(4, n_init=3, random_state=0, tol=1e-6).fit(blobs)
    assert model["candidates"][model["chosen"]]["mean_log_likelihood"] == pytest.approx(best.score(blobs), abs=2e-6)
    if n_before is not None:
        assert sum(entry["job"] != "MRGMM" for entry in read_passes("r")) == n_before


def test_a_well_separated_mixture_takes_at_most_eight_passes_from_the_sample(blobs):
    fit("--n-components", "4", "--tol", "1e-6")
    assert len(read_passes("r")) <= 8


def test_bic_finds_the_number_of_components_in_shared_passes(blobs):
    model = fit("--n-components", "1..6", "--restarts", "2")
    assert len(model["parameters"]["weights"]) == 4 and len(model["candidates"]) == 12
    assert len(read_passes("r")) == max(entry["n_passes"] for entry in model["candidates"])
    for criterion in ("aic", "icl"):
        other = fit("--n-components", "3,4", "--select", criterion, run_dir=criterion)
        assert len(other["parameters"]["weights"]) == 4


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_a_model_predicts_and_is_scikit_learns(blobs, covariance_type):
    fit("--n-components", "4", "--covariance-type", covariance_type)
    estimator = to_sklearn(load_model("r/model.json"))
    assert estimator.score(blobs) == pytest.approx(estimator.lower_bound_, abs=1e-10)
    Path("new.csv").write_text("x3,x2,x1\n1,2,3\n1,,3\n-5,0,9\n")
    assert score.main(["r/model.json", "new.csv", "-o", "out.csv"]) == 0
    rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    X = np.array([[3.0, 2, 1], [9, 0, -5]])
    assert [int(rows[i]["component"]) for i in (0, 2)] == estimator.predict(X).tolist()
    np.testing.assert_allclose([float(rows[i]["log_density"]) for i in (0, 2)], estimator.score_samples(X), rtol=1e-10)
    parts = [[float(rows[i][f"responsibility {j}"]) for j in range(4)] for i in (0, 2)]
    np.testing.assert_allclose(parts, estimator.predict_proba(X), atol=1e-10)
    assert set(rows[1].values()) == {""}


def test_a_model_is_a_start(blobs):
    first = fit("--n-components", "4", run_dir="one")
    again = fit("--n-components", "4", "--init", "one/model.json", run_dir="two")
    assert len(read_passes("two")) == 2
    np.testing.assert_allclose(again["parameters"]["means"], first["parameters"]["means"], atol=1e-3)


def test_weights_are_copies(tmp_path, blobs):
    X = blobs[:6000]
    w = np.arange(len(X)) % 3
    write_csv(tmp_path / "t.csv", np.column_stack([X, w]), ["a", "b", "c", "w"])
    fit("--n-components", "3", "--features", "a,b,c", "--weight", "w", "--max-iter", "1", run_dir="start")
    words = ("--n-components", "3", "--features", "a,b,c", "--init", "start/model.json", "--max-iter", "5", "--tol", "0")
    weighted = fit(*words, "--weight", "w", run_dir="weighted")
    write_csv(tmp_path / "t.csv", np.repeat(X, w, axis=0), ["a", "b", "c"])
    copied = fit(*words, run_dir="copied")
    np.testing.assert_allclose(weighted["parameters"]["means"], copied["parameters"]["means"], rtol=1e-8)
    entries = [model["candidates"][0] for model in (weighted, copied)]
    assert entries[0]["bic"] == pytest.approx(entries[1]["bic"], rel=1e-10)


def test_extrapolation_needs_fewer_passes_where_components_overlap(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(4000, 2)) + np.where(rng.random(4000) < 0.4, 2.2, 0.0)[:, None] * [1.0, 0.0]
    write_csv(tmp_path / "t.csv", X, ["a", "b"])
    words = ("--n-components", "2", "--init", "random", "--tol", "1e-8", "--max-iter", "1000")
    fast, plain = fit(*words, run_dir="fast"), fit(*words, "--no-accelerate", run_dir="plain")
    likelihoods = [model["candidates"][0]["mean_log_likelihood"] for model in (fast, plain)]
    assert likelihoods[0] >= likelihoods[1] - 1e-6
    assert fast["training"]["n_iter"] <= plain["training"]["n_iter"] / 2
    assert fast["candidates"][0]["passes_won_by_extrapolation"] > 0


def test_a_killed_run_goes_on_to_the_same_bits(blobs):
    words = ["t.csv", "--n-components", "2..5", "--init", "random", "--tol", "0", "--max-iter", "10", *QUIET]
    assert run_gmm.main([*words, "--run-dir", "whole"]) in (0, 3)
    process = subprocess.Popen(Driver("run_gmm").command(*words, "--run-dir", "killed"), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (Path("killed/passes.jsonl").exists() and len(read_passes("killed")) >= 4):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 4 <= len(read_passes("killed")) < len(read_passes("whole"))
    assert run_gmm.main(["--resume", "killed", "--quiet"]) in (0, 3)
    assert read_model("killed")["parameters"] == read_model("whole")["parameters"]
    md5s = [[entry["statistics_md5"] for entry in read_passes(name)] for name in ("killed", "whole")]
    assert md5s[0] == md5s[1]


@pytest.mark.parametrize(
    ("rows", "words", "status", "message"),
    [
        ("0,0\n1,1\n2,1\n", "", 2, "say how many components with --n-components, as in 3 or 1..8"),
        ("0,0\n1,1\n2,1\n", "--n-components 4", 1, "4 components are more than the 3 rows of the table; ask for fewer"),
        ("0,0\n1,1\n1,1\n", "--n-components 3", 1, "3 components are more than the 2 different rows of the table"),
        ("0,0\n1,1\n2,1\n", "--n-components 2 --init gone", 2, "--init gone is none of sample, random, kmeans, k-means||"),
        (
            "0,7\n1,7\n2,7\n5,7\n",
            "--n-components 1 --reg-covar 0 --init random",
            1,
            "a covariance is not positive definite",
        ),
        ("0,0\n1,1\n2,1\n", "--n-components 2 --covariance-type round", 2, "invalid choice: 'round'"),
    ],
)
def test_what_cannot_be_is_one_sentence(capsys, rows, words, status, message):
    Path("t.csv").write_text("x,y\n" + rows)
    try:
        found = run_gmm.main(["t.csv", *words.split(), *QUIET])
    except SystemExit as end:
        found = end.code
    told = capsys.readouterr().err
    assert found == status and message in told, told
    assert "Traceback" not in told and told.count("error:") == 1


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("3,4\n", "--n-components 1"),
        ("3,4\n" * 20, "--n-components 1"),
        ("".join(f"{i},{i * i}\n" for i in range(5)), "--n-components 5"),
        ("".join(f"{i % 9},7\n" for i in range(90)), "--n-components 2"),
        ("".join(f"{i % 9},{i % 7}\n" for i in range(90)) + "1e8,1e8\n", "--n-components 2"),
    ],
    ids=["one row", "identical rows", "a component a row", "a constant column", "an outlier"],
)
def test_degenerate_tables_end_with_numbers_and_a_warning(rows, words):
    Path("t.csv").write_text("x,y\n" + rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        model = fit(*words.split())
    assert np.isfinite(np.array(model["parameters"]["means"], dtype=float)).all()
    assert np.isfinite(model["candidates"][model["chosen"]]["log_likelihood"])
    assert any("has collapsed" in text for text in model["warnings"])
