"""`drivers/check.py`: all rows are counted, what computes is named, and only a failed check leaves something behind."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from drivers import check as program
from drivers.terminal.findings import agreement, duration
from jobs.environment import Environment
from jobs.kernels.count import CountStatistics
from tests.conftest import make_table, read_passes, write_csv


@pytest.fixture
def table(tmp_path):
    matrix, names = make_table(3000)
    return write_csv(tmp_path / "t.csv", matrix, names)


def findings_of(done) -> dict:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# -- a runner that works ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runner, options", [("inline", []), ("local", ["-r", "local", "--num-cores", "2"])])
def test_the_table_says_all_and_ends_with_the_verdict(tmp_path, check, table, runner, options):
    done = check(table, *options)
    assert done.returncode == 0, done.stderr
    here, told = Environment.here(), " ".join(done.stdout.split())
    assert "3,000 in = 3,000 used + 0 rejected + 0 missing" in told
    names = ["mrjob 0.7.4", "pyarrow", "first pass", "second pass", "map tasks"]
    for words in (here.python, here.numpy, *here.blas.split(), here.cpu, *names):
        assert words in told
    *rest, agreed, verdict = done.stdout.splitlines()
    assert agreed == agreement([])
    assert re.fullmatch(rf"the runner {runner} works: 3,000 rows counted, a pass takes [0-9.]+ s", verdict)
    assert max(map(len, rest)) <= 80
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_the_same_as_json(check, table, runner):
    found = findings_of(check(table, "-r", runner, "--json"))
    assert found["runner"] == runner
    assert found["rows"] == {"in": 3000, "used": 3000, "rejected": 0, "missing": 0}
    assert len(found["passes"]) == 2
    for one in found["passes"]:
        assert one["seconds"] > 0 and one["task_seconds"] > 0 and one["n_tasks"] >= 1
    here = Environment.here().to_json()
    assert {name: found["driver"][name] for name in here} == here
    assert found["nodes"] == [{**here, "n_tasks": found["passes"][1]["n_tasks"]}]
    assert found["differing"] == found["warnings"] == []
    assert set(found["software"]) == {"scanlearn", "mrjob", "pyarrow"}
    assert all(found["software"].values())


def test_without_input_it_counts_a_table_of_its_own_made_once(tmp_path, check):
    done = check()
    assert "generating 200,000 rows" in done.stderr
    assert "the runner inline works: 200,000 rows counted" in done.stdout
    assert "generating" not in check("--cache-dir", tmp_path / "cache" / "scanlearn").stderr
    assert {path.name for path in tmp_path.iterdir()} <= {"cache", "empty-mrjob.conf"}


def test_rows_with_missing_cells_are_no_fault_of_the_runner(tmp_path, check):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n,3\n4,NA\n5,6\n")
    assert findings_of(check("t.csv", "--json"))["rows"] == {"in": 4, "used": 2, "rejected": 0, "missing": 2}
    done = check("t.csv", "--missing", "error")
    assert done.returncode == 1
    assert "missing cell" in done.stderr


def test_unreadable_rows_are_counted_where_they_are_allowed(tmp_path, check):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n1,2,3\n4,oops\n5,6\n")
    found = findings_of(check("t.csv", "--max-bad-rows", 2, "--json"))
    assert found["rows"] == {"in": 4, "used": 2, "rejected": 2, "missing": 0}
    done = check("t.csv")
    assert done.returncode == 1
    assert "t.csv" in done.stderr and "--max-bad-rows" in done.stderr
    assert not list(tmp_path.glob("runs/*"))


def test_tasks_that_compute_otherwise_are_told(check, table):
    here = Environment.here()
    if "openblas" not in here.blas or not here.cpu.startswith("x86_64") or here.blas.endswith("Nehalem"):
        pytest.skip("only OpenBLAS on x86 can be told to be another")
    options = (table, "-r", "local", "--cmdenv", "OPENBLAS_CORETYPE=Nehalem")
    found = findings_of(check(*options, "--json"))
    assert found["differing"] == ["blas"]
    assert found["nodes"][0]["blas"].endswith("Nehalem")
    told = " ".join(check(*options).stdout.split())
    assert "another BLAS than this machine: results agree to about 1e-12, not bit for bit" in told


def test_words():
    assert "another numpy and BLAS and cpu than this machine" in agreement(["numpy", "blas", "cpu"])
    assert [duration(s) for s in (0.0312, 1.24, 9.84, 1234.5)] == ["0.031 s", "1.2 s", "9.8 s", "1,234.5 s"]


# -- what stays ------------------------------------------------------------------------------------------------------


def test_other_runs_stay(tmp_path, check, table):
    (tmp_path / "runs" / "mine").mkdir(parents=True)
    assert check(table).returncode == 0
    assert os.listdir(tmp_path / "runs") == ["mine"]


def test_a_directory_that_was_named_stays_and_a_resumed_check_makes_its_passes_again(tmp_path, check, table):
    assert check(table, "--run-dir", "r").returncode == 0
    assert [entry["job"] for entry in read_passes("r")] == ["MRCount"] * 2
    assert not {"tmp", "report.html", "model.json"} & set(os.listdir("r"))
    found = findings_of(check("--resume", "r", "--json"))
    assert len(read_passes("r")) == 4
    assert all(one["seconds"] > 0 for one in found["passes"])


# -- a runner that does not ------------------------------------------------------------------------------------------


@pytest.fixture
def without_hadoop(monkeypatch):
    for name in ("HADOOP_HOME", "HADOOP_PREFIX", "HADOOP_INSTALL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-r", "local", "--setup", "false"], "the job failed on the runner local: "),
        (["-r", "local", "--python-bin", "/nowhere/python3"], "No such file or directory: '/nowhere/python3'"),
    ],
)
def test_a_failure_is_one_message_and_keeps_its_log(tmp_path, check, table, without_hadoop, options, message):
    done = check(table, *options)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("error:") == 1
    assert "Traceback" not in done.stderr
    assert "works" not in done.stdout
    (log,) = tmp_path.glob("runs/check-*/run.log")
    if "the whole story" in done.stderr:
        assert str(log) in done.stderr
        assert log.read_text()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-r", "local", "-c", "nowhere.conf"], "No such file or directory (nowhere.conf)"),
        (["-r", "hadoop"], "-r hadoop needs the hadoop command: set HADOOP_HOME"),
    ],
)
def test_what_cannot_run_is_said_before_anything_is_made(tmp_path, check, table, without_hadoop, options, message):
    done = check(table, *options)
    assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists() and not list(tmp_path.glob("cache/scanlearn/packs/*"))


def test_a_cluster_that_is_down_is_one_message(tmp_path, check, table):
    command = tmp_path / "hadoop"
    command.write_text("#!/bin/sh\necho 'ls: Call to node1:8020 failed: Connection refused' >&2\nexit 1\n")
    command.chmod(0o755)
    done = check(table, "-r", "hadoop", "--hadoop-bin", command)
    assert done.returncode == 1
    sentence = "the cluster does not answer; is it up? (Call to node1:8020 failed: Connection refused)"
    assert done.stderr.splitlines()[-1].endswith(sentence)
    assert "Traceback" not in done.stderr


def test_an_unknown_runner_leaves_nothing(tmp_path, check, table):
    done = check(table, "-r", "hadop")
    assert done.returncode == 1
    assert "the runners are inline, local, hadoop" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_count_that_is_not_that_of_the_table_is_no_success(table, monkeypatch, capsys):
    monkeypatch.setattr(CountStatistics, "add", lambda self, rows, query: None)
    assert program.main([str(table)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert "the job counted 0 rows where its tasks used 3000" in told.err
    assert list(Path("runs").glob("check-*"))


# -- what is asked of the runner's own software ----------------------------------------------------------------------


@pytest.fixture
def hadoop_command(tmp_path):
    path = tmp_path / "hadoop"
    path.write_text("#!/bin/sh\necho Hadoop 9.8.7\necho more\n")
    path.chmod(0o755)
    return str(path)


def test_the_hadoop_of_the_command_is_asked(hadoop_command):
    command = f"python jobs/mr_count.py --hadoop-bin={hadoop_command} --hadoop-streaming-jar=/a/s.jar"
    assert program.software_of_runner("hadoop", command, []) == {"hadoop": "9.8.7", "streaming_jar": "/a/s.jar"}


def test_or_that_of_the_conf(tmp_path, hadoop_command):
    (tmp_path / "m.conf").write_text(json.dumps({"runners": {"hadoop": {"hadoop_bin": [hadoop_command]}}}))
    found = program.software_of_runner("hadoop", "python jobs/mr_count.py", ["-c", "m.conf"])
    assert found == {"hadoop": "9.8.7", "streaming_jar": None}


def test_spark_is_named_and_others_have_nothing_of_their_own():
    assert set(program.software_of_runner("spark", "", [])) == {"pyspark"}
    assert program.software_of_runner("local", "", []) == {}
    assert program._installed("no-such-package") is None
