"""Drivers on Python 3.11 to 3.13 and nodes on 3.9, each with its own numpy: the same answer, to 1e-12."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

from data_gen.gen_regression import generate
from tests.conftest import ROOT, read_model, read_passes
from tests.node_python import find_interpreter, find_node_python

FIT = ("d.csv", "--columns", "y,x,w", "--target", "y", "--weight", "w", "--diagnostics", "--no-report")
# Of what setup.cfg asks for, what a fit without a report needs.
NEEDED = ("mrjob==0.7.4", "numpy", "pyarrow", "scipy", "rich", "boto3", "scikit-learn")


def make_driver_python(version: tuple[int, int]) -> Path:
    """An environment of this Python with what a driver needs, made once and kept in build/."""
    source = find_interpreter(version)
    if source is None:
        pytest.skip(f"NO PYTHON {version[0]}.{version[1]} HERE: drivers were not run on it")
    folder = ROOT / "build" / f"driver-python-{version[0]}.{version[1]}"
    folder.parent.mkdir(exist_ok=True)
    python = folder / "bin" / "python"
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "whole").exists():
            subprocess.run([source, "-m", "venv", "--clear", str(folder)], check=True, capture_output=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", "--no-compile", *NEEDED], check=True)
            (folder / "whole").touch()
    return python


def run_on(python: Path, run_dir: str, *switches: object) -> str:
    """Runs the driver on a Python; gives what it wrote on stderr."""
    command = [str(python), str(ROOT / "drivers" / "run_wols.py"), *FIT, "--run-dir", run_dir, *map(str, switches)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stderr


def assert_the_same(one: str, other: str) -> None:
    a, b = read_model(one), read_model(other)
    np.testing.assert_allclose(a["parameters"]["coefficients"], b["parameters"]["coefficients"], rtol=1e-12)
    np.testing.assert_allclose(a["parameters"]["intercept"], b["parameters"]["intercept"], rtol=1e-12)
    for ours, theirs in zip(a["inference"]["coefficients"], b["inference"]["coefficients"], strict=True):
        np.testing.assert_allclose(ours["standard_errors"], theirs["standard_errors"], rtol=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("version", [(3, 12), (3, 13)], ids=lambda version: "{}.{}".format(*version))
@pytest.mark.parametrize("runner", ["inline", "local"])
def test_a_driver_on_another_python_gives_the_same_answer(tmp_path, run_wols, version, runner):
    generate(tmp_path / "d.csv", rows=60_000)
    assert run_wols(*FIT, "--run-dir", "here").returncode == 0
    run_on(make_driver_python(version), "there", "-r", runner)
    assert_the_same("here", "there")
    (environment, _), *_ = read_passes("there")[0]["environments"]
    assert environment["python"].startswith("{}.{}.".format(*version))


@pytest.mark.hadoop
def test_nodes_on_python_3_9_give_the_answer_of_the_driver(tmp_path, run_wols):
    generate(tmp_path / "d.csv", rows=60_000)
    assert run_wols(*FIT, "--run-dir", "here").returncode == 0
    node = find_node_python()
    done = run_wols(*FIT, "--run-dir", "there", "-r", "hadoop", "--python-bin", node.path)
    assert done.returncode == 0, done.stderr
    assert_the_same("here", "there")
    (environment, _), *_ = read_passes("there")[0]["environments"]
    assert environment["python"] == ".".join(map(str, node.version))


@pytest.mark.hadoop
@pytest.mark.slow
def test_a_driver_on_python_3_13_drives_nodes_on_3_9(tmp_path, run_wols):
    generate(tmp_path / "d.csv", rows=60_000)
    assert run_wols(*FIT, "--run-dir", "here").returncode == 0
    node = find_node_python()
    told = run_on(make_driver_python((3, 13)), "there", "-r", "hadoop", "--python-bin", node.path)
    assert "Traceback" not in told
    assert_the_same("here", "there")
    assert json.loads((tmp_path / "there" / "model.json").read_text())["training"]["n_passes"] == 2
