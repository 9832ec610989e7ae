"""The registry of runs: every job of every driver, and the one question that is asked of each runner: the bits of inline?

A new driver, or one with a new job, joins the tests of every runner by one entry here.
"""

from __future__ import annotations

import importlib
import os
import shlex
from pathlib import Path

import numpy as np

from drivers import run_wols
from drivers.packing.cache import pack
from drivers.packing.sources import find_sources
from drivers.reading import input_options
from drivers.run_directory import RunDirectory
from drivers.runners.execution import execute, set_up
from drivers.runners.leftovers import Leftovers
from drivers.terminal.progress import Progress
from jobs.design import Design
from jobs.kernels.wols import WOLSQuery
from jobs.mr_scan import PassAnswer
from jobs.mr_wols import MRWOLS
from jobs.text import TextFormat
from tests.conftest import read_model, read_passes
from tests.registry import write_query

WOLS = "y.csv --target y --features x,z --weight w --no-report --quiet"
CLUSTERS = "y.csv --features x,z,y --weight w --no-report --quiet"
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
    "a model for each group": ("run_wols", f"{WOLS} --group-by shop", ["MRWOLSGroups"]),
    "a model of counts for each group": (
        "run_glm", f"{WOLS.replace('target y', 'target times')} --family poisson --group-by shop --tol 0.001",
        ["MRGLMGroupsStart", "MRGLMGroups", "MRGLMGroups"],
    ),
    "k-means of several numbers": (
        "run_kmeans", f"{CLUSTERS} --n-clusters 2..4 --restarts 2 --max-iter 1", ["MRKMeans"]
    ),
    "k-means from far apart": (
        "run_kmeans", f"{CLUSTERS} --n-clusters 3 --init 'k-means||' --init-steps 1 --metric cosine --max-iter 1",
        ["MRKMeansParallel", "MRKMeans", "MRKMeans"],
    ),
    "mixtures of several numbers": (
        "run_gmm", f"{CLUSTERS} --n-components 1..3 --restarts 2 --max-iter 2 --tol 0", ["MRGMM"] * 2
    ),
    "classes, penalties and folds": (
        "run_logistic", "y.csv --target times --features x,z --weight w --no-report --quiet --penalty ridge --alphas 1,10 "
        "--folds 2 --max-iter 2 --tol 0", ["MRGLM"] * 3
    ),
    "counts with an offset": (
        "run_glm", "y.csv --target times --family poisson --features x,y --offset z --no-report --quiet --max-iter 2 "
        "--tol 0 --covariance cluster --cluster shop", ["MRGLM", "MRGLM", "MRGLMScores"],
    ),
    "an evaluation by segments": (
        "evaluate", "y.csv --target y --prediction x,z --weight w --by shop --replicates 5 --no-report --quiet",
        ["MREvaluate"],
    ),
    "the past of each entity": (
        "history", "y.csv --entity shop --time w --lag y:1 --rolling-mean x:7 -o {}.csv --quiet", ["MRHistory"]
    ),
    "a sample": ("run_sample", "y.csv --rows 50 -o {}.csv --no-report --quiet", ["MRSample"]),
    "a profile": ("describe", "y.csv --no-report --quiet", ["MRProfile"]),
    "a recipe and its model": (
        "run_wols", "y.csv --target y --weight w --no-report --quiet --encode shop=target --impute median --scale standard",
        ["MRProfile", "MRTargetSums", "MRProfile", "MRWOLS"],
    ),
    "a check": ("check", "y.csv --quiet --json", ["MRCount"] * 2),
}  # fmt: skip


def _of_clusters():
    """Runs that have every job, and none whose jobs the others have: a run on a cluster takes minutes."""
    chosen, seen = [], set()
    for name in sorted(RUNS, key=lambda name: -len(set(RUNS[name][2]))):
        if not set(RUNS[name][2]) <= seen:
            chosen.append(name)
            seen |= set(RUNS[name][2])
    return [name for name in RUNS if name in chosen]


RUNS_OF_CLUSTERS = _of_clusters()


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


def statistics_of(run_dir, *switches, text=None):
    """The statistics of one pass of MRWOLS over the table, by its packed lines or by those of the file itself."""
    arguments = [*shlex.split(WOLS), "--run-dir", run_dir, *(switches or ("-r", "inline"))]
    options = run_wols.make_parser().parse_args(arguments)
    text_format = TextFormat(["y", "x", "z", "w", "times", "shop"], header="y,x,z,w,times,shop")
    directory, progress = RunDirectory.create(run_dir, "wols"), Progress(quiet=True)
    query = write_query(Path(run_dir, "q").absolute(), WOLSQuery(np.zeros(2)), Design(["x", "z"], "y", "w"), text_format)
    runner = set_up(options.runner, options.mrjob_args, directory, Leftovers("text.left"), progress)
    try:
        runner.bring(pack(find_sources(["y.csv"]), input_options(options)))
        inputs = [text] if text else runner.inputs
        with progress.metered("pass") as meter:
            (line,) = execute(
                runner, MRWOLS, [f"--runner={options.runner}", *runner.arguments, f"--query={query}", *inputs], meter,
                log=directory.file("run.log"), n_blocks=0, say=progress.say,
            )  # fmt: skip
    finally:
        runner.close()
        directory.close()
    return PassAnswer.from_line(line).statistics


def assert_plain_text_agrees(*switches, place=None):
    """The lines of the file itself, on this runner, give what its packed lines give inline, but for rounding.

    :param place: where the tasks find it, if not here
    """
    assert statistics_of("text", *switches, text=place or os.path.abspath("y.csv")).close(
        statistics_of("packed"), rtol=1e-12
    )


def assert_the_bits_of_inline(name, inline, run_dir, *switches, tasks=(1, 1000)):
    """Makes the run with these switches: the ledger has the md5s that `md5s_of` gave of the run "inline", the model its
    numbers, and each pass had a number of map tasks between `tasks`."""
    assert [job for job, _, _ in inline] == RUNS[name][2]
    assert md5s_of(name, run_dir, *switches) == inline
    n_tasks = [entry["n_tasks"] for entry in read_passes(run_dir)]
    assert tasks[0] <= min(n_tasks) and max(n_tasks) <= tasks[1], n_tasks
    if RUNS[name][0] in ("run_wols", "run_kmeans", "run_gmm", "run_logistic", "run_glm"):
        for part in ("parameters", "inference"):
            assert read_model(run_dir)[part] == read_model("inline")[part]
    if "--group-by" in RUNS[name][1]:
        assert Path(run_dir, "groups.csv").read_bytes() == Path("inline/groups.csv").read_bytes()
