"""Every job of every driver: the ledger of its passes has the same md5s on each runner, whoever has which rows."""

from __future__ import annotations

import importlib
import shlex

import numpy as np
import pytest

from tests.conftest import read_model, read_passes

WOLS = "y.csv --target y --features x,z --weight w --no-report --quiet"
# Which driver with which options, and the jobs of its passes.
RUNS = {
    "one pass and two more": ("run_wols", f"{WOLS} --refine --diagnostics", ["MRWOLS", "MRWOLSRefine", "MRWOLSResiduals"]),
    "folds, a holdout and clusters": (
        "run_wols", f"{WOLS} --folds 4 --fold-by shop --holdout 0.2 --refine --cluster shop --covariance cluster",
        ["MRWOLSFolds", "MRWOLSRefine", "MRWOLSResiduals"],
    ),
    "folds by where rows stand, and a penalty": (
        "run_wols", f"{WOLS} --penalty elastic-net --l1-ratio 0.5,0.9 --diagnostics", ["MRWOLSFolds", "MRWOLSResiduals"]
    ),
    "counts of rows": (
        "run_wols", f"{WOLS.replace('weight w', 'weight times')} --weight-type frequency --diagnostics --select best",
        ["MRWOLS", "MRWOLSResiduals"],
    ),
    "gradient descent": (
        "run_wols", f"{WOLS} --solver gd --start 0,1,1 --learning-rate 0.01,0.1 --max-iter 1", ["MRWOLSGradient"]
    ),
    "a sample": ("run_sample", "y.csv --rows 50 -o {}.csv --no-report --quiet", ["MRSample"]),
    "a check": ("check", "y.csv --quiet --json", ["MRCount"] * 2),
}  # fmt: skip


def write_rows(n=160_000):
    """Some blocks of rows, with a text and a whole number to deal them by."""
    rng = np.random.default_rng(11)
    x, z = rng.normal(size=(2, n))
    w, times = rng.gamma(2.0, size=n), rng.integers(0, 3, n)
    y = 3 + x - 2 * z + np.cumsum(rng.normal(size=n)) / 300 + rng.normal(size=n)
    shops = rng.integers(0, 300, n)
    lines = [
        f"{a!r},{b!r},{c!r},{d!r},{e},shop {f}"
        for a, b, c, d, e, f in zip(*(values.tolist() for values in (y, x, z, w, times, shops)))
    ]
    with open("y.csv", "w") as file:
        file.write("\n".join(["y,x,z,w,times,shop", *lines]) + "\n")


def md5s_of(name, run_dir, *switches):
    """What the ledger says of a run: its jobs, their md5s, and how many tasks each had."""
    driver, words, _ = RUNS[name]
    arguments = [*shlex.split(words.format(run_dir)), "--run-dir", run_dir, *switches]
    assert importlib.import_module(f"drivers.{driver}").main(arguments) in (0, 3)
    return [(entry["job"], entry["statistics_md5"], entry["n_blocks"]) for entry in read_passes(run_dir)]


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The table, written once."""
    with pytest.MonkeyPatch.context() as here:
        here.chdir(tmp_path_factory.mktemp("rows"))
        write_rows()
        with open("y.csv") as file:
            return file.read()


# A pass by the tasks of one core or three takes seconds, and `make test` has no need of each job twice.
SLOW = ("counts of rows", "a sample", "a check")
SHORT = ("folds by where rows stand, and a penalty", "gradient descent")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in RUNS])
def test_one_md5_inline_and_by_the_tasks_of_one_core_or_three(tmp_path, rows, name, capsys):
    (tmp_path / "y.csv").write_text(rows)
    inline = md5s_of(name, "inline")
    assert [job for job, _, _ in inline] == RUNS[name][2]
    assert min(n_blocks for _, _, n_blocks in inline) >= 5
    for n_cores, fewest, most in ((1, 1, 2), (3, 3, 6))[name in SHORT :]:
        run_dir = f"local-{n_cores}"
        assert md5s_of(name, run_dir, "-r", "local", "--num-cores", str(n_cores)) == inline
        assert {fewest <= entry["n_tasks"] <= most for entry in read_passes(run_dir)} == {True}
        if RUNS[name][0] == "run_wols":
            assert read_model(run_dir)["parameters"] == read_model("inline")["parameters"]
            assert read_model(run_dir)["inference"] == read_model("inline")["inference"]
