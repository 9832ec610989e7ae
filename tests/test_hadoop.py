"""The drivers on the Hadoop of `make hadoop-up`: the code and the data get there, and the bits are those of inline."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from data_gen.gen_regression import generate
from drivers.run_wols import main
from tests.conftest import read_model, read_passes
from tests.runs import RUNS_OF_CLUSTERS, assert_plain_text_agrees, assert_the_bits_of_inline, md5s_of, write_rows

pytestmark = pytest.mark.hadoop

DATA = ("d.csv", "--columns", "y,x,w", "--target", "y", "--weight", "w", "--no-report")


@pytest.fixture
def hadoop(tmp_path):
    """The `hadoop fs` command of the running cluster."""
    home = os.environ.get("HADOOP_HOME")
    if home is None:
        pytest.fail('HADOOP_HOME is not set; make hadoop-up, then eval "$(python hadoop/cluster.py env)"')
    generate(tmp_path / "d.csv", rows=400_000)

    def fs(*arguments):
        done = subprocess.run([f"{home}/bin/hadoop", "fs", *arguments], capture_output=True, text=True, check=False)
        return done.stdout

    return fs


def test_the_exact_fit_has_the_bits_of_inline(run_wols, hadoop):
    assert run_wols(*DATA, "--run-dir", "inline").returncode == 0
    done = run_wols(*DATA, "--run-dir", "r", "-r", "hadoop", "-D", "mapreduce.job.maps=8")
    assert done.returncode == 0, done.stderr
    ours, inline = read_passes("r"), read_passes("inline")
    assert [entry["statistics_md5"] for entry in ours] == [entry["statistics_md5"] for entry in inline]
    assert [entry["job"] for entry in ours] == ["MRWOLS", "MRWOLSResiduals"]
    assert read_model("r")["parameters"] == read_model("inline")["parameters"]
    assert read_model("r")["inference"] == read_model("inline")["inference"]
    assert ours[0]["n_tasks"] == pytest.approx(8, abs=1)


def test_three_steps_of_gradient_descent_have_the_bits_of_inline(run_wols, hadoop):
    options = (*DATA, "--solver", "gd", "--start", "0.636,0.2105", "--learning-rate", "0.05,0.5", "--max-iter", "3")
    assert run_wols(*options, "--run-dir", "inline").returncode == 3
    done = run_wols(*options, "--run-dir", "three-steps", "-r", "hadoop", "-D", "mapreduce.job.maps=1")
    assert done.returncode == 3, done.stderr
    assert max(entry["n_tasks"] for entry in read_passes("three-steps")) <= 2
    md5s = [[entry["statistics_md5"] for entry in read_passes(run)] for run in ("three-steps", "inline")]
    assert md5s[0] == md5s[1]
    assert len(md5s[0]) == 3
    assert read_model("three-steps")["parameters"] == read_model("inline")["parameters"]
    # Passes leave nothing behind but the packed table and the code, which the next run finds again.
    user = os.environ.get("HADOOP_USER_NAME", "root")
    assert "three-steps" not in hadoop("-ls", f"/tmp/scanlearn-{user}/tmp")
    assert "blocks.txt" in hadoop("-ls", f"/tmp/scanlearn-{user}/packs/*")


@pytest.mark.parametrize("name", RUNS_OF_CLUSTERS)
def test_every_job_of_every_driver_has_the_bits_of_inline(hadoop, name):
    write_rows()
    inline = md5s_of(name, "inline")
    assert_the_bits_of_inline(name, inline, "r", "-r", "hadoop", "-D", "mapreduce.job.maps=3", tasks=(3, 5))


def test_plain_text_agrees(hadoop):
    write_rows()
    place = "hdfs:///tmp/scanlearn-test-text.csv"
    hadoop("-put", "-f", "y.csv", place)
    assert_plain_text_agrees("-r", "hadoop", "-D", "mapreduce.job.maps=3", place=place)
    hadoop("-rm", "-skipTrash", place)


def test_a_pass_asks_hadoop_for_little_more_than_its_job(tmp_path, monkeypatch, hadoop):
    command = tmp_path / "hadoop"
    command.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\nexec {os.environ["HADOOP_HOME"]}/bin/hadoop "$@"\n')
    command.chmod(0o755)
    monkeypatch.setattr("drivers.runners.hadoop.cluster_folder.MOST_READ", 2)
    options = [*DATA, "--solver", "gd", "--start", "0.6,0.2", "--max-iter", "3", f"--hadoop-bin={command}"]
    assert main([*options, "-r", "hadoop", "--run-dir", "r"]) == 3
    calls = (tmp_path / "calls").read_text().splitlines()
    jobs = [i for i, call in enumerate(calls) if call.startswith("jar ")]
    assert len(jobs) == 3
    between = [calls[i + 1 : j] for i, j in zip(jobs, [*jobs[1:], len(calls)])]
    # The output is read; some are removed together; after the last pass, what the run had there.
    assert [[re.search(r"-cat|-rm", call).group() for call in some] for some in between] == [
        ["-cat"], ["-cat", "-rm"], ["-cat", "-rm"]
    ]  # fmt: skip
    removed = [re.findall(r"hdfs://\S+", call) for call in calls if "-rm" in call]
    assert [len(urls) for urls in removed] == [2, 1] and all(url.startswith(removed[1][0]) for url in removed[0])
    # Before the first one: the version, one look, and what is sent once, the folders for it made together.
    before = [re.search(r"version|-ls|-mkdir|-put|-mv", call).group() for call in calls[: jobs[0]]]
    assert before[:2] == ["version", "-ls"]
    assert before[2:] in (["-mkdir", *["-put", "-mv"] * n] for n in (1, 2)), calls


def test_a_sample_has_the_rows_of_inline(tmp_path, run_sample, hadoop):
    options = ("d.csv", "--columns", "y,x,w", "--rows", "300")
    assert run_sample(*options, "-o", "inline.csv").returncode == 0
    done = run_sample(*options, "-o", "hadoop.csv", "-r", "hadoop")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hadoop.csv").read_text() == (tmp_path / "inline.csv").read_text()


@pytest.mark.alone
def test_a_check_names_what_computes_and_leaves_nothing(tmp_path, check, hadoop):
    done = check("d.csv", "--columns", "y,x,w", "-r", "hadoop", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rows"] == {"in": 400_000, "used": 400_000, "rejected": 0, "missing": 0}
    assert re.fullmatch(r"3\.\d+\.\d+", found["software"]["hadoop"])
    assert os.path.exists(found["software"]["streaming_jar"])
    assert sum(node["n_tasks"] for node in found["nodes"]) == found["passes"][1]["n_tasks"] >= 1
    assert found["differing"] == []
    assert "No configs" not in done.stderr  # mrjob's own words go to the log
    assert not (tmp_path / "runs").exists()
    user = os.environ.get("HADOOP_USER_NAME", "root")
    assert hadoop("-ls", f"/tmp/scanlearn-{user}/tmp").strip() == ""


def test_a_check_without_a_python_on_the_nodes_is_one_message(tmp_path, check, hadoop):
    done = check("d.csv", "--columns", "y,x,w", "-r", "hadoop", "--python-bin", "/nowhere/python3")
    assert done.returncode == 1
    assert "name one with --python-bin" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(list(tmp_path.glob("runs/check-*/run.log"))) == 1


def test_a_python_without_numpy_is_one_message(tmp_path, run_wols, hadoop):
    bare = tmp_path / "python-without-numpy"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    done = run_wols(*DATA, "-r", "hadoop", "--python-bin", bare)
    assert done.returncode == 1
    assert "No module named 'numpy'" in done.stderr
    assert "name one that has with --python-bin" in done.stderr
    assert "Traceback" not in done.stderr
