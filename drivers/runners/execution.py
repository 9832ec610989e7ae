"""One job on a runner: its output, what mrjob says of it in the log of the run, its failure as one message."""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import jobs
from drivers import interruption
from drivers.run_directory import LOG, RunDirectory
from drivers.runners import runner_class
from drivers.runners.failures import explain_failure
from drivers.runners.leftovers import Leftovers
from drivers.runners.runner import Runner, Setting
from drivers.runners.switches import Switches
from drivers.terminal.progress import Meter, Progress
from jobs.block_job import COUNTERS
from jobs.errors import ScanError
from jobs.mrjob_compat import MRJob

Say = Callable[[str], None]


def set_up(alias: str, switches: list[str], directory: RunDirectory, leftovers: Leftovers, progress: Progress) -> Runner:
    """A runner ready for jobs, but for the packed table.

    :param switches: mrjob's, as the user gave them
    :raises ScanError: one that cannot be used
    """
    with logged(directory.file(LOG)):
        return runner_class(alias)(Setting(Switches(alias, switches), directory, leftovers, progress))


def execute(
    runner: Runner,
    job: type[MRJob],
    arguments: list[str],
    meter: Meter,
    *,
    log: str,
    n_blocks: int,
    last_seconds: float | None = None,
    say: Say = lambda text: None,
    finish: Callable[[Any], Any] = lambda running: list(lines_of(running)),
) -> Any:
    """Runs a job, and gives what `finish` makes of mrjob's runner of it when it has run, by default its lines.

    :param log: the file that gets what mrjob says
    :param n_blocks: what the job reads
    :param last_seconds: what a job like it took
    :param say: gets, with -v, what mrjob says too
    :raises ScanError: a job that failed
    """
    log_start = os.path.getsize(log) if os.path.exists(log) else 0
    verbose = "-v" in arguments or "--verbose" in arguments
    with logged(log, say if verbose else None):
        try:
            with (
                one_blas_thread(),
                runner.job_runner(job(args=arguments)) as running,
                runner.watching(meter, n_blocks, last_seconds, running),
            ):
                running.run()
                return finish(running)
        except ScanError:
            raise  # the inline runner raises the task's own error
        except Exception as error:
            interruption.check()
            with open(log, encoding="utf-8", errors="replace") as f:
                f.seek(log_start)
                message = explain_failure(error, runner.user.alias, runner.hints, f.read(), log)
            logging.getLogger("mrjob").error(traceback.format_exc())
            raise ScanError(message) from error


def counted_by(counters: list[dict[str, dict[str, int]]]) -> dict[str, int]:
    """What the tasks of our jobs have counted, by name, of the counters of a job's steps."""
    return {name: n for step in counters for name, n in step.get(COUNTERS, {}).items()}


def lines_of(running: Any) -> Iterator[bytes]:
    """The lines of the output of a job that has run, as they come, without their ends and without empty ones."""
    rest = b""
    for piece in running.cat_output():
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line for line in whole if line.strip())
    if rest.strip():
        yield rest


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Where numpy was there before us, as in a notebook, its BLAS has as many threads as it likes: one, for the pass."""
    if not jobs.NUMPY_CAME_FIRST:
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        yield


class _Teller(logging.Handler):
    """Tells the user what is logged."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self.say = say

    def emit(self, record: logging.LogRecord) -> None:
        self.say(self.format(record))


class _LogFile(logging.FileHandler):
    """The log of a run. A disk that is full is not to take the place of what the log is about."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def logged(path: str, say: Say | None = None) -> Iterator[None]:
    """What mrjob says goes to the log of the run, and with -v to the user too."""
    logger = logging.getLogger("mrjob")
    kept = logger.handlers[:], logger.propagate, logger.level
    file_handler = _LogFile(path, encoding="utf-8")
    file_handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    logger.handlers = [file_handler, *([_Teller(say)] if say else [])]
    logger.propagate, logger.level = False, logging.INFO
    try:
        yield
    finally:
        file_handler.close()
        logger.handlers, logger.propagate, logger.level = kept
