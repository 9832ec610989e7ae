"""--plan tells the passes that the ledger then counts; --dry-run checks the first rows; neither leaves anything."""

from __future__ import annotations

import json
import os

import boto3
import numpy as np
import pytest

from drivers import check, run_sample, run_wols, score
from tests.conftest import make_table, read_passes, write_csv
from tests.moto_aws import moto_environment, surround

DRIVERS = {"wols": run_wols.main, "sample": run_sample.main, "check": check.main}


@pytest.fixture
def table(tmp_path):
    matrix, names = make_table(3000)
    write_csv(tmp_path / "t.csv", matrix, names)
    return matrix


def plan(capsys, main, *arguments):
    before = sorted(os.listdir("."))
    capsys.readouterr()
    assert main([*map(str, arguments), "--plan", "--json"]) == 0
    assert sorted(os.listdir(".")) == before
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("runner", ["inline", "local"])
@pytest.mark.parametrize(
    ("driver", "options", "passes"),
    [
        ("wols", ["--target", "y", "--features", "x1"], [1, 1]),
        ("wols", ["--target", "y", "--weight", "w"], [1, 2]),
        ("wols", ["--target", "y", "--weight", "w", "--diagnostics"], [2, 2]),
        ("wols", ["--target", "y", "--weight", "w", "--no-diagnostics"], [1, 1]),
        ("wols", ["--target", "y", "--solver", "gd", "--tol", "1e-300", "--max-iter", "3"], [1, 3]),
        ("wols", ["--target", "y", "--folds", "5", "--holdout", "0.2"], [1, 1]),
        ("wols", ["--target", "y", "--penalty", "lasso", "--fold-by", "x2"], [1, 1]),
        ("wols", ["--target", "y", "--penalty", "ridge", "--alphas", "1", "--weight", "w", "--no-diagnostics"], [1, 1]),
        ("wols", ["--target", "y", "--select", "best", "--criterion", "cv", "--covariance", "classical"], [1, 1]),
        ("wols", ["--target", "y", "--positive", "--save-statistics", "y.stats"], [1, 1]),
        ("wols", ["--target", "y", "--weight", "w", "--holdout", "0.2"], [1, 2]),
        ("wols", ["--target", "y", "--covariance", "HC3"], [2, 2]),
        ("wols", ["--target", "y", "--features", "x1", "--cluster", "x2", "--covariance", "classical"], [2, 2]),
        ("wols", ["--target", "y", "--penalty", "elastic-net", "--cluster", "x2", "--folds", "3"], [2, 2]),
        ("wols", ["--target", "y", "--refine"], [2, 6]),
        ("wols", ["--target", "y", "--features", "x1,x2", "--refine", "--diagnostics", "--select", "best"], [3, 7]),
        ("sample", ["--rows", "10", "-o", "s.csv"], [1, 1]),
    ],
)
def test_the_plan_counts_the_passes_of_the_ledger(table, capsys, runner, driver, options, passes):
    arguments = ["t.csv", *options, "-r", runner]
    told = plan(capsys, DRIVERS[driver], *arguments)
    assert told["passes"] == passes
    DRIVERS[driver]([*arguments, "--run-dir", "r", "--no-report", "--quiet"])
    ledger = read_passes("r")
    assert passes[0] <= len(ledger) <= passes[1]
    if "gd" in options:
        assert len(ledger) == passes[1]
    if "--refine" in options:
        assert len(ledger) == passes[0]
    assert told["rows"] == 3000 and told["exact"] and not told["is_packed"]
    assert [entry["bytes"] for entry in ledger] == [told["bytes_a_pass"]] * len(ledger)
    again = plan(capsys, DRIVERS[driver], *arguments)
    assert again["is_packed"] and again["disk"]["pack"] == 0


def test_counts_of_rows_are_never_uneven_and_are_looked_at_beforehand(tmp_path, capsys):
    rows = np.column_stack([np.arange(100) % 7, np.arange(100), np.append(np.ones(99), 1e6)])
    options = ["t.csv", "--target", "y", "--weight", "n", "--weight-type", "frequency"]
    write_csv(tmp_path / "t.csv", rows, ["y", "x", "n"])
    assert plan(capsys, run_wols.main, *options)["passes"] == [1, 1]
    assert run_wols.main([*options, "--run-dir", "r", "--no-report", "--quiet"]) == 0
    assert len(read_passes("r")) == 1
    rows[40, 2] = 1.5
    write_csv(tmp_path / "t.csv", rows, ["y", "x", "n"])
    capsys.readouterr()
    for what in ("--plan", "--dry-run"):
        assert run_wols.main([*options, what]) == 1
        assert "t.csv, line 42, column 'n': the weight 1.5 is no count of rows" in capsys.readouterr().err


def test_the_plan_of_a_check_and_of_predictions(table, capsys, tmp_path):
    assert plan(capsys, check.main, "t.csv")["passes"] == [2, 2]
    model = {"format": "scanlearn-model", "version": 1, "kind": "wols", "features": ["x1"]}
    (tmp_path / "model.json").write_text(json.dumps({**model, "parameters": {"coefficients": [1.0], "intercept": 0.0}}))
    assert plan(capsys, score.main, "model.json", "t.csv", "-o", "p.csv")["passes"] == [0, 0]


@pytest.mark.parametrize(
    ("words", "carries"),
    [
        ("inline", False), ("local", False), ("hadoop", True), ("emr", True),
        ("spark", False), ("spark --spark-master local[2]", False),
        ("spark --spark-master yarn", True), ("spark --spark-master spark://host:7077", True),
    ],
)  # fmt: skip
def test_a_plan_for_every_runner(table, capsys, words, carries):
    told = plan(capsys, run_wols.main, "t.csv", "--target", "y", "-r", *words.split())
    assert told["runner"] == words.split()[0] and told["tasks"] >= 1
    assert (told["disk"]["cluster"] > 0) == carries


def test_rows_are_estimated_from_the_first_chunk(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("drivers.packing.chunks.chunks.__defaults__", ("utf-8", 20_000))
    matrix, names = make_table(20_000)
    write_csv(tmp_path / "t.csv", matrix, names)
    told = plan(capsys, run_wols.main, "t.csv", "--target", "y")
    assert not told["exact"] and abs(told["rows"] / 20_000 - 1) < 0.05
    os.system("gzip t.csv")
    told = plan(capsys, run_wols.main, "t.csv.gz", "--target", "y")
    assert not told["exact"] and abs(told["rows"] / 20_000 - 1) < 0.15


def test_the_plan_fits_a_terminal(table, capsys):
    assert run_wols.main(["t.csv", "--target", "y", "--weight", "w", "--plan", "-r", "hadoop"]) == 0
    told = capsys.readouterr().out
    assert "1 to 2" in told and "map task" in told
    assert max(map(len, told.splitlines())) <= 80


def test_a_dry_run_says_what_the_columns_are(tmp_path, capsys):
    rows = [f"{i},{'yes' if i % 2 else 'no'},2024-01-{i % 28 + 1:02d},{i * i},{'' if i == 3 else i % 5}" for i in range(50)]
    (tmp_path / "t.csv").write_text("a,answer,day,y,e\n" + "\n".join(rows))
    assert run_wols.main(["t.csv", "--target", "y", "--missing", "drop", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= 80
    assert "all 50 rows" in told and "2 texts: 'no', 'yes'" in told and "2024-01-01 to 2024-01-28" in told
    assert "not among the features" in told
    assert run_wols.main(["t.csv", "--target", "y", "--dry-run"]) == 1
    assert "t.csv, line 5, column 'e': the cell is missing" in capsys.readouterr().err
    assert not os.path.exists("runs")


def test_a_dry_run_reads_no_more_than_the_first_chunk(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("drivers.packing.chunks.chunks.__defaults__", ("utf-8", 1000))
    lines = [f"{i},{i * i % 7}" for i in range(1000)]
    lines[900] = "oops,1"
    (tmp_path / "t.csv").write_text("y,x\n" + "\n".join(lines))
    assert run_wols.main(["t.csv", "--target", "y", "--dry-run"]) == 0
    assert "the first" in capsys.readouterr().out
    assert run_wols.main(["t.csv", "--target", "y", "--solver", "gd", "--start", "1", "--dry-run"]) == 1
    assert "--start 1 needs 2 numbers" in capsys.readouterr().err


def test_a_column_constant_in_the_first_chunk_only_is_no_error(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("drivers.packing.chunks.chunks.__defaults__", ("utf-8", 1000))
    x = np.repeat([1.0, 2.0], 500)
    write_csv(tmp_path / "t.csv", np.column_stack([np.arange(1000), x]), ["y", "x"])
    assert run_wols.main(["t.csv", "--target", "y", "--dry-run"]) == 0


def test_a_mistake_of_the_program_is_one_sentence_too(table, capsys, monkeypatch):
    monkeypatch.setattr(run_wols, "check_options", lambda options: 1 / 0)
    assert run_wols.main(["t.csv", "--target", "y"]) == 1
    told = capsys.readouterr().err
    assert "error: an unforeseen ZeroDivisionError: division by zero; --debug shows where" in told
    assert "Traceback" not in told
    assert run_wols.main(["t.csv", "--target", "y", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err


ON_EMR = ("--target", "y", "--weight", "w", "-r", "emr")


def test_a_plan_counts_the_jobs_that_pack_where_the_table_lies(tmp_path, capsys, monkeypatch):
    with moto_environment() as environment:
        surround(monkeypatch, environment)
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="plans")
        s3.put_object(Bucket="plans", Key="t.csv", Body=b"y,x,w\n" + b"".join(b"%d,%d,1\n" % (i % 7, i) for i in range(99)))
        told = plan(capsys, run_wols.main, "s3://plans/t.csv", *ON_EMR)
        low, high = told["passes"]
        assert told["packing_jobs"] == [2, 3] and told["emr"]["steps"] == [2 + low, 3 + high]
        assert plan(capsys, run_wols.main, "s3://plans/t.csv", *ON_EMR, "--pack-here")["emr"]["steps"] == [low, high]
        assert run_wols.main(["s3://plans/t.csv", *ON_EMR, "--plan"]) == 0
        assert "2 to 3 jobs where the table lies" in capsys.readouterr().out


def test_a_plan_on_emr_tells_steps_hours_and_the_cost_by_the_price_that_is_given(table, capsys):
    told = plan(capsys, run_wols.main, "t.csv", *ON_EMR, "--num-core-instances", "4", "--hourly-price", "0.25")
    rented, n_bytes = told["emr"], told["bytes_a_pass"]
    assert rented["steps"] == told["passes"] == [1, 2] and rented["nodes"] == 5
    assumed = rented["assumed"]
    for n, hours, price in zip([1, 2], rented["instance_hours"], rented["cost"]):
        a_step = assumed["step_seconds"] + n_bytes / 4 / assumed["node_bytes_a_second"]
        assert hours * 3600 == pytest.approx(5 * (assumed["start_seconds"] + n * a_step), abs=5)
        assert price == pytest.approx(hours / 4)
    # On a cluster that is there already nothing starts; on one node, this does it all.
    lent = plan(capsys, run_wols.main, "t.csv", *ON_EMR, "--cluster-id", "j-1", "--num-core-instances", "0")["emr"]
    assert lent["nodes"] == 1 and lent["instance_hours"][1] == pytest.approx(120 / 3600, abs=2 / 3600)
    assert lent["cost"] is None


def test_a_plan_on_emr_takes_nodes_from_mrjob_conf(table, capsys, tmp_path):
    (tmp_path / "e.conf").write_text("runners: {emr: {num_core_instances: 19, instance_type: c7i.large}}")
    rented = plan(capsys, run_wols.main, "t.csv", *ON_EMR, "-c", "e.conf")["emr"]
    assert (rented["nodes"], rented["primary_type"], rented["core_type"]) == (20, "m7i.xlarge", "c7i.large")


def test_a_plan_on_emr_fits_a_terminal_and_says_what_it_assumes(table, capsys):
    for price in ((), ("--hourly-price", "0.25")):
        assert run_wols.main(["t.csv", *ON_EMR, "--num-core-instances", "19", "--plan", *price]) == 0
        out = capsys.readouterr().out
        assert max(map(len, out.splitlines())) <= 80
        assert "20 nodes: 1 m7i.xlarge and 19 m7i.xlarge" in out
        assert "10 min to start, 60 s a step, 50 MB a second and node" in out
        assert ("at 0.25 a node and hour" in out) == bool(price) == ("cost" in out)


def test_a_price_is_for_what_is_rented(table, capsys):
    assert run_wols.main(["t.csv", "--target", "y", "--plan", "-r", "local", "--hourly-price", "1"]) == 2
    assert "nothing is rented here" in capsys.readouterr().err
