"""Shared fixtures: small tables with a known truth, and drivers run as a user runs them, shut off from this machine's
mrjob.conf and pack cache."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
# What a shell starts in the background ignores Ctrl-C, and so would all that is started and interrupted here.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_sessionfinish(session, exitstatus):
    """Where every test must run, a skip is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("SCANLEARN_SKIPS_FAIL") and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        reporter.write_line("tests were skipped, and SCANLEARN_SKIPS_FAIL is set", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(autouse=True)
def private_surroundings(tmp_path, monkeypatch):
    """Each test has its own working folder and pack cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    empty = tmp_path / "empty-mrjob.conf"
    empty.write_text("{}")
    monkeypatch.setenv("MRJOB_CONF", str(empty))


class Driver:
    """Runs a driver as a program of its own."""

    def __init__(self, name: str) -> None:
        self.script = ROOT / "drivers" / f"{name}.py"

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, str(self.script), *map(str, arguments)]

    def __call__(self, *arguments: object, **keywords) -> subprocess.CompletedProcess:
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=600, **keywords)


@pytest.fixture
def run_wols():
    return Driver("run_wols")


@pytest.fixture
def run_sample():
    return Driver("run_sample")


@pytest.fixture
def check():
    return Driver("check")


@pytest.fixture
def score():
    return Driver("score")


def make_table(n_rows: int, n_features: int = 2, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """A table y, x1..xp, w with ordinary weights, as a matrix and its column names."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)) + 3
    w = rng.uniform(0.5, 1.5, n_rows)
    y = X @ np.arange(1, n_features + 1) - 4 + rng.normal(size=n_rows) / np.sqrt(w)
    return np.column_stack([y, X, w]), ["y", *(f"x{j + 1}" for j in range(n_features)), "w"]


def write_csv(path: Path, matrix: np.ndarray, names: list[str] | None = None) -> Path:
    """Writes a table with shortest round-trip numbers; without names there is no header."""
    lines = [",".join(names)] if names else []
    lines += [",".join(repr(float(value)) for value in row) for row in matrix]
    path.write_text("\n".join(lines) + "\n")
    return path


def read_model(run_dir: str | os.PathLike) -> dict:
    return json.loads((Path(run_dir) / "model.json").read_text())


def read_passes(run_dir: str | os.PathLike) -> list[dict]:
    return [json.loads(line) for line in (Path(run_dir) / "passes.jsonl").read_text().splitlines()]
