"""How far a pass is, by what each runner lets one see: blocks inline, tasks on local, percent on Hadoop, else the time.

with watch(runner, meter, n_blocks, last_seconds, mrjob_runner): mrjob_runner.run()
"""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from drivers.interruption import SIGNALS, is_our_program
from drivers.runners.hadoop import kill_application
from drivers.runners.local import LocalRunner
from drivers.runners.switches import Runner
from drivers.terminal.progress import Meter
from jobs.mr_scan import MRScan

SECONDS_BETWEEN_TICKS = 0.25
SECONDS_FOR_CLIENT = 5.0
# Of the time that a job on Hadoop takes.
SHARE_OF_MAPS = 0.9


def watch(
    runner: Runner, meter: Meter, n_blocks: int, last_seconds: float | None, job: Any
) -> AbstractContextManager[None]:
    """Tells the meter how far the job is while it runs.

    :param n_blocks: what the pass reads
    :param last_seconds: what the pass before took
    :param job: mrjob's runner of the job
    """
    if runner.alias == "inline":
        return _blocks(meter, n_blocks)
    if isinstance(job, LocalRunner):
        job.tell = _tasks(meter)
        return nullcontext()
    if runner.alias == "hadoop":
        return _hadoop(meter, runner.hadoop_binary)
    return _time(meter, last_seconds)


@contextmanager
def _blocks(meter: Meter, n_blocks: int) -> Iterator[None]:
    n_done = 0

    def block_done() -> None:
        nonlocal n_done
        n_done += 1
        share = min(n_done / max(n_blocks, 1), 1.0)
        meter.set(share, f"{100 * share:.0f} % of the blocks", steady=True)

    MRScan.block_done = staticmethod(block_done)
    try:
        yield
    finally:
        MRScan.block_done = None


def _tasks(meter: Meter) -> Any:
    def tell(kind: str, n_ended: int, n_running: int, n_tasks: int) -> None:
        name = "map" if kind == "mapper" else "reduce"
        share = n_ended / n_tasks
        share = SHARE_OF_MAPS * share if name == "map" else SHARE_OF_MAPS + (1 - SHARE_OF_MAPS) * share
        meter.set(share, f"{n_ended} of {n_tasks} {name} task{'s' * (n_tasks != 1)}, {n_running} running")

    return tell


@contextmanager
def _hadoop(meter: Meter, binary: str | None) -> Iterator[None]:
    news = HadoopNews(meter)
    meter.set(None, "being submitted")
    logger = logging.getLogger("mrjob")
    logger.addHandler(news)
    try:
        with _ticking(meter):
            yield
    except KeyboardInterrupt:
        _await_client()
        # It outlives its client.
        if news.application is not None and binary is not None:
            meter.say(f"killing {news.application}")
            kill_application(binary, news.application)
        raise
    finally:
        logger.removeHandler(news)


@contextmanager
def _time(meter: Meter, last_seconds: float | None) -> Iterator[None]:
    def tick() -> None:
        if last_seconds is not None:
            meter.set(min(meter.seconds / last_seconds, 0.99), f"the last pass took {last_seconds:,.0f} s")
        meter.tick()

    try:
        with _ticking(meter, tick):
            yield
    except KeyboardInterrupt:
        _await_client()
        raise


def _await_client() -> None:
    """Hadoop's or Spark's client had a terminal of its own from mrjob, which is gone; it needs a moment to end by that."""
    if not is_our_program():
        return  # other children of this process are not ours to wait for
    deadline = time.monotonic() + SECONDS_FOR_CLIENT
    with suppress(ChildProcessError):  # there is none left
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)


class HadoopNews(logging.Handler):
    """Reads the lines of the Hadoop client, which mrjob logs."""

    def __init__(self, meter: Meter) -> None:
        super().__init__()
        self.meter = meter
        self.application: str | None = None  # that is there, or is about to be

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        submitting = re.search(r"\bSubmitting tokens for job: job_(\d+_\d+)", line)
        application, percent = application_of(line), percent_of(line)
        if submitting:
            self.application = f"application_{submitting.group(1)}"
        elif application:
            self.application = application
            self.meter.say(application)
            self.meter.set(None, "waiting for the cluster")
        elif percent:
            maps, reduces = percent
            if self.meter.share is None:
                self.meter.hurry()
            share = (SHARE_OF_MAPS * maps + (1 - SHARE_OF_MAPS) * reduces) / 100
            self.meter.set(share, f"map {maps} %, reduce {reduces} %")
        elif re.search(r"\bJob job_\S+ (completed|failed)\b", line):
            self.application = None


def application_of(line: str) -> str | None:
    """The id in the line that tells of a job's submission to YARN."""
    found = re.search(r"\bSubmitted application (application_\d+_\d+)", line)
    return found and found.group(1)


def percent_of(line: str) -> tuple[int, int] | None:
    """How much of the maps and of the reduces a line says is done."""
    found = re.fullmatch(r"\s*map (\d+)% reduce (\d+)%\s*", line)
    return (int(found.group(1)), int(found.group(2))) if found else None


@contextmanager
def _ticking(meter: Meter, tick: Any = None) -> Iterator[None]:
    """Lets the meter know that time goes by while the runner has the floor."""
    stop = threading.Event()

    def run() -> None:
        # A signal is to end what the main thread waits for.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        while not stop.wait(SECONDS_BETWEEN_TICKS):
            (tick or meter.tick)()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
