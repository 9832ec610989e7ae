"""Shared fixtures: small tables with a known truth, and drivers run as a user runs them, shut off from this machine's
mrjob.conf and pack cache."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import pytest

import jobs  # noqa: F401  (before numpy, as in every driver and every task)

# isort: split
import numpy as np

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


def pytest_runtest_setup(item):
    """What is slow anyway, or on a cluster, runs drivers wholly as a user does; the second is little there."""
    Driver.is_apart = any(map(item.get_closest_marker, ("slow", "hadoop")))


class Driver:
    """Runs a driver: in this process, which saves the second that a new one takes to begin.

    It is a program of its own where a test asks for one with `apart`, says what its surroundings are (`cwd=`, `env=`, ...)
    or takes its `command`, and where it goes on with a run: what it knows of it is to come from its folder alone.
    """

    is_apart = True  # always, whatever a test asks for

    def __init__(self, name: str) -> None:
        self.script = ROOT / "drivers" / f"{name}.py"

    def command(self, *arguments: object) -> list[str]:
        return [sys.executable, str(self.script), *map(str, arguments)]

    def __call__(self, *arguments: object, **surroundings) -> subprocess.CompletedProcess:
        if self.is_apart or surroundings or "--resume" in arguments:
            return self.apart(*arguments, **surroundings)
        return run_here(self.script, list(map(str, arguments)))

    def apart(self, *arguments: object, **surroundings) -> subprocess.CompletedProcess:
        """Runs it as a program of its own."""
        return subprocess.run(self.command(*arguments), capture_output=True, text=True, timeout=600, **surroundings)


def run_here(script: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess:
    """A program of ours in this process: its exit status, and what it and the processes that it starts write.

    It finds what a program of its own would: no input, no log handlers, the warnings that Python shows.
    """
    main = importlib.import_module(f"{script.parent.name}.{script.stem}").main
    place, argv = os.getcwd(), sys.argv
    sys.argv = [str(script), *arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        try:
            with _streams(out, err), _logs_and_warnings_of_a_program():
                status = main(arguments)
        except SystemExit as ended:
            status = ended.code
        finally:
            sys.argv = argv
            os.chdir(place)
        written = []
        for file in (out, err):
            file.seek(0)
            written.append(io.TextIOWrapper(file).read())
    return subprocess.CompletedProcess([str(script), *arguments], status, *written)


@contextlib.contextmanager
def _streams(out: IO[bytes], err: IO[bytes]) -> Iterator[None]:
    """Standard output and error, of Python and of the process, go to two files; there is no input."""
    kept = sys.stdin, sys.stdout, sys.stderr
    before = os.dup(1), os.dup(2)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    try:
        with (
            open(os.devnull) as sys.stdin, open(1, "w", closefd=False) as sys.stdout,
            open(2, "w", buffering=1, errors="backslashreplace", closefd=False) as sys.stderr,
        ):  # fmt: skip
            yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = kept
        for number, descriptor in enumerate(before, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)


@contextlib.contextmanager
def _logs_and_warnings_of_a_program() -> Iterator[None]:
    """pytest takes log lines and warnings to itself; a program writes them to stderr."""
    handlers, logging.root.handlers = logging.root.handlers, []
    with warnings.catch_warnings():
        warnings.resetwarnings()
        for kind in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
            warnings.simplefilter("ignore", kind)
        warnings.showwarning = _show_warning
        try:
            yield
        finally:
            logging.root.handlers = handlers


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    (file or sys.stderr).write(warnings.formatwarning(message, category, filename, lineno, line))


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
