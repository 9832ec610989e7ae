"""drivers/run_kmeans.py: every start, the choice among candidates, resuming, prediction, and what it refuses."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans

from data_gen.gen_blobs import generate
from drivers import run_kmeans, score
from drivers.model import load_model, to_sklearn
from tests.conftest import Driver, read_model, read_passes, write_csv

QUIET = ("--no-report", "--quiet")


@pytest.fixture
def blobs(tmp_path):
    """60,000 rows of five well separated blobs, in some blocks."""
    rng = np.random.default_rng(3)
    X = rng.normal(size=(60_000, 4)) + rng.normal(size=(5, 4))[rng.integers(0, 5, 60_000)] * 6
    write_csv(tmp_path / "t.csv", X, ["a", "b", "c", "d"])
    return X


def fit(*words, run_dir="r"):
    assert run_kmeans.main(["t.csv", *words, *QUIET, "--run-dir", run_dir]) in (0, 3)
    return read_model(run_dir)


def test_from_the_sample_it_reaches_what_scikit_learn_reaches_in_few_passes(blobs):
    model = fit("--n-clusters", "5")
    best = KMeans(5, n_init=5, random_state=0).fit(blobs)
    (entry,) = model["candidates"]
    assert entry["sse"] == pytest.approx(best.inertia_, rel=1e-6) and len(read_passes("r")) <= 3
    assert model["training"]["rows_in"] == model["training"]["rows_used"] == 60_000
    assert sum(cluster["n_rows"] for cluster in model["clusters"]) == 60_000


@pytest.mark.parametrize(("init", "n_passes"), [("sample", 0), ("random", 1), ("k-means||", 6)])
def test_every_start_ends_well_with_some_restarts(blobs, init, n_passes):
    model = fit("--n-clusters", "5", "--restarts", "6", "--init", init, "--tol", "0")
    least = KMeans(5, n_init=5, random_state=0).fit(blobs).inertia_
    assert model["candidates"][model["chosen"]]["sse"] == pytest.approx(least, rel=1e-9)
    passes = read_passes("r")
    assert len(passes) == n_passes + max(entry["n_passes"] for entry in model["candidates"])
    jobs = ["MRSample"] if init == "random" else ["MRKMeansParallel"] * 5 + ["MRKMeans"]
    assert [entry["job"] for entry in passes[:n_passes]] == jobs[:n_passes]


def test_fewer_rounds_of_far_rows(blobs):
    for steps in (1, 2):
        fit("--n-clusters", "5", "--init", "k-means||", "--init-steps", str(steps), "--max-iter", "1", run_dir=f"r{steps}")
        assert len(read_passes(f"r{steps}")) == steps + 2


def test_all_numbers_and_restarts_share_the_passes_and_the_index_finds_the_blobs(blobs):
    model = fit("--n-clusters", "2..8", "--restarts", "3")
    assert len(model["candidates"]) == 21 and sum(entry["is_best"] for entry in model["candidates"]) == 7
    assert len(model["parameters"]["centers"]) == 5
    assert len(read_passes("r")) == max(entry["n_passes"] for entry in model["candidates"]) <= 8
    alone = fit("--n-clusters", "5", "--restarts", "3", run_dir="alone")
    assert alone["parameters"] == model["parameters"]
    other = fit("--n-clusters", "2..8", "--select", "davies-bouldin", run_dir="other")
    assert len(other["parameters"]["centers"]) == 5


def test_centres_of_a_file_and_of_a_model(blobs, tmp_path):
    write_csv(tmp_path / "centres.csv", blobs[:3][:, ::-1], ["d", "c", "b", "a"])
    model = fit("--n-clusters", "3", "--init", "centres.csv", "--tol", "0", run_dir="one")
    expected = KMeans(3, init=blobs[:3], n_init=1, tol=0).fit(blobs)
    np.testing.assert_allclose(model["parameters"]["centers"], expected.cluster_centers_, rtol=1e-9)
    again = fit("--n-clusters", "3", "--init", "one/model.json", "--tol", "0", run_dir="two")
    assert again["parameters"] == model["parameters"] and len(read_passes("two")) == 1


def test_the_stop_of_scikit_learn(blobs, tmp_path):
    write_csv(tmp_path / "centres.csv", blobs[:5], ["a", "b", "c", "d"])
    ours = fit("--n-clusters", "5", "--init", "centres.csv", "--stop", "centers", "--tol", "1e-4")
    theirs = KMeans(5, init=blobs[:5], n_init=1, tol=1e-4).fit(blobs)
    assert abs(ours["training"]["n_iter"] - theirs.n_iter_) <= 1


def test_weights_are_copies(blobs, tmp_path):
    w = np.arange(len(blobs)) % 3
    write_csv(tmp_path / "centres.csv", blobs[:4], ["a", "b", "c", "d"])
    write_csv(tmp_path / "t.csv", np.column_stack([blobs, w]), ["a", "b", "c", "d", "w"])
    words = ("--n-clusters", "4", "--init", "centres.csv", "--features", "a,b,c,d")
    weighted = fit(*words, "--weight", "w", run_dir="weighted")
    write_csv(tmp_path / "t.csv", np.repeat(blobs, w, axis=0), ["a", "b", "c", "d"])
    copied = fit(*words, run_dir="copied")
    np.testing.assert_allclose(weighted["parameters"]["centers"], copied["parameters"]["centers"], rtol=1e-11)
    assert weighted["training"]["weight_sum"] == copied["training"]["weight_sum"] == w.sum()


def test_a_model_predicts_and_is_scikit_learns(blobs, tmp_path):
    fit("--n-clusters", "5")
    model = load_model("r/model.json")
    estimator = to_sklearn(model)
    Path("new.csv").write_text("d,c,b,a\n1,2,3,4\n1,,3,4\n-5,0,0,9\n")
    assert score.main(["r/model.json", "new.csv", "--keep", "a", "-o", "out.csv"]) == 0
    rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    X = np.array([[4.0, 3, 2, 1], [9, 0, 0, -5]])
    assert [rows[i]["cluster"] for i in (0, 2)] == [str(label) for label in estimator.predict(X)]
    assert (rows[1]["cluster"], rows[1]["distance"], rows[1]["a"]) == ("", "", "4")
    distances = [float(rows[i]["distance"]) for i in (0, 2)]
    np.testing.assert_allclose(distances, estimator.transform(X).min(axis=1), rtol=1e-12)
    assert estimator.score(blobs) == pytest.approx(-estimator.inertia_, rel=1e-9)


def test_texts_tell_rows_apart_too(tmp_path):
    rows = "".join(f"{i % 2},{'red' if i % 2 else 'blue'}\n" for i in range(40))
    Path("t.csv").write_text("x,colour\n" + rows)
    model = fit("--n-clusters", "2", "--features", "x,colour")
    assert sorted(model["parameters"]["centers"]) == [[0, 0], [1, 1]] and model["features"] == ["x", "colour=red"]


def test_a_killed_run_goes_on_to_the_same_bits(blobs):
    words = [
        "t.csv",
        "--n-clusters",
        "2..9",
        "--restarts",
        "2",
        "--init",
        "random",
        "--tol",
        "0",
        "--max-iter",
        "12",
        *QUIET,
    ]
    whole = [*words, "--run-dir", "whole"]
    assert run_kmeans.main(whole) in (0, 3)
    process = subprocess.Popen(Driver("run_kmeans").command(*words, "--run-dir", "killed"), stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (Path("killed/passes.jsonl").exists() and len(read_passes("killed")) >= 3):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert 3 <= len(read_passes("killed")) < len(read_passes("whole"))
    assert run_kmeans.main(["--resume", "killed", "--quiet"]) in (0, 3)
    assert read_model("killed")["parameters"] == read_model("whole")["parameters"]
    md5s = [[entry["statistics_md5"] for entry in read_passes(name)] for name in ("killed", "whole")]
    assert md5s[0] == md5s[1]


def test_the_report_has_its_pictures(blobs):
    assert run_kmeans.main(["t.csv", "--n-clusters", "1..6", "--restarts", "2", "--run-dir", "r", "--quiet"]) == 0
    page = Path("r/report.html").read_text()
    assert {"clusters.png", "elbow.png", "passes.png"} <= set(os.listdir("r"))
    for words in ("How many", "How distinct", "5 clusters by a, b, c, d", "Davies-Bouldin", "run_kmeans.py"):
        assert words in page


def test_without_input_it_shows_three_blobs(tmp_path, capsys):
    assert run_kmeans.main(["--json", "--no-report", "--cache-dir", "c"]) == 0
    model = json.loads(capsys.readouterr().out)
    truth = json.loads(Path("c/demo/blobs.csv.truth.json").read_text())
    centers = np.array(model["parameters"]["centers"])
    assert len(centers) == 3
    for mean in np.array(truth["components"]["means"]):
        assert np.sqrt(((centers - mean) ** 2).sum(axis=1)).min() < 0.25


def test_from_python(blobs):
    model, run = run_kmeans.fit("t.csv", n_clusters="4..6", restarts=2, report=False)
    assert len(model["parameters"]["centers"]) == 5 and run.n_passes >= 1


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ("", 2, "say how many clusters with --n-clusters, as in 5 or 2..10"),
        ("--n-clusters 0", 2, "'0' is no number of clusters; write 4, 2..10 or 3,5,8"),
        ("--n-clusters 5..2", 2, "'5..2' is no number of clusters"),
        ("--n-clusters 7", 1, "7 clusters are more than the 6 rows of the table; ask for fewer"),
        ("--n-clusters 5", 1, "5 clusters are more than the 4 different rows of the table; ask for fewer"),
        ("--n-clusters 2 --init gone", 2, "--init gone is neither sample, random nor k-means||, and there is no such file"),
        ("--n-clusters 2 --init c.csv", 2, "--init c.csv holds 1 centres, which is one start for as many clusters"),
        ("--n-clusters 1 --init x.csv", 1, "the centres x.csv have no column 'y'; the first line names"),
        ("--n-clusters 1 --init bad.csv", 1, "bad.csv, centre 1, column 'y': 'two' is not a finite number"),
        ("--n-clusters 2 --restarts 0", 2, "argument --restarts: it must be 1 or more"),
        ("--n-clusters 2 --metric cosine", 1, "a row is zero in all features, so it has no direction"),
        ("--n-clusters 90000..100000", 2, "the candidates have more than 100,000 clusters together"),
        ("--n-clusters 2 --max-iter 0", 2, "--max-iter 0 leaves no pass"),
        ("--n-clusters 2 --target y", 2, "unrecognized arguments: --target"),
    ],
)
def test_what_cannot_be_is_one_sentence(tmp_path, capsys, words, status, message):
    Path("t.csv").write_text("x,y\n0,0\n1,1\n1,1\n2,1\n0,0\n5,5\n")
    Path("c.csv").write_text("x,y\n1,1\n")
    Path("x.csv").write_text("x\n1\n")
    Path("bad.csv").write_text("x,y\n1,two\n")
    try:
        found = run_kmeans.main(["t.csv", *words.split(), *QUIET])
    except SystemExit as end:
        found = end.code
    told = capsys.readouterr().err
    assert found == status and message in told, told
    assert "Traceback" not in told and told.count("error:") == 1


@pytest.mark.parametrize("kind", ["separated", "overlapping", "elongated", "unequal", "duplicated"])
def test_tables_of_every_kind_take_few_passes_from_the_sample(tmp_path, kind):
    generate("t.csv", kind, rows=50_000, features=3, components=4, header=True)
    model = fit("--n-clusters", "4")
    assert model["training"]["converged"] and len(read_passes("r")) <= 5
