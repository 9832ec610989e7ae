"""mrjob's local runner, with its tasks as children of this process: counted, started again as Hadoop would, and ended with
this process, whatever ends it.

mrjob puts a pool of Python processes between. On Ctrl-C these print a traceback each, a task whose pool process is ended
lives on, and the first task that fails ends the job.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jobs.mrjob_compat  # noqa: F401  (before mrjob, see there)
from drivers.interruption import held
from drivers.runners.failures import OWN
from jobs.lifeline import VARIABLE

# isort: split
from mrjob.local import LocalMRJobRunner, _TaskFailedException

SECONDS_BETWEEN_LOOKS = 0.01
# Hadoop's own defaults, and the names of its settings.
ATTEMPTS, TIMEOUT = 4, 600_000
ATTEMPTS_OF = {"mapper": "mapreduce.map.maxattempts", "reducer": "mapreduce.reduce.maxattempts"}

Tell = Callable[[str, int, int, int], None]  # what the tasks are; how many have ended, are running, are there at all
Start = Callable[[], None]
log = logging.getLogger("mrjob.local")


@dataclass
class Task:
    """A process that runs a map or a reduce task."""

    kind: str
    step: int
    number: int
    process: subprocess.Popen
    errors: str  # the file it writes them to
    started: float
    again: Start | None = None
    silent: bool = False  # it said nothing for too long

    def kill(self) -> None:
        # With its whole group: a setup command of the user makes it a child of a shell.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def said_nothing_for(self) -> float:
        """Seconds since it began, or since it last wrote of how far it is."""
        with contextlib.suppress(OSError):
            return time.time() - max(self.started, os.stat(self.errors).st_mtime)
        return time.time() - self.started

    def names_its_error(self) -> bool:
        """Whether it ended by an error of ours, which another attempt would only repeat."""
        with open(self.errors, encoding="utf-8", errors="replace") as f:
            return OWN.search(f.read()) is not None

    def why(self, timeout: float) -> str:
        """How it failed."""
        if self.silent:
            return f"a {self.kind[:-2]} task said nothing for {timeout:g} seconds"
        return str(subprocess.CalledProcessError(self.process.returncode, self.process.args))


class LocalRunner(LocalMRJobRunner):
    """See the module. `tell` is told of the tasks at every change."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.tell: Tell = lambda kind, n_ended, n_running, n_tasks: None
        self._running: list[Task] = []
        self._lifeline = os.pipe()

    def cleanup(self, mode: Any = None) -> None:
        for end in self._lifeline:
            os.close(end)
        self._lifeline = ()  # type: ignore[assignment]
        super().cleanup(mode)

    def _invoke_task_func(self, task_type: str, step_num: int, task_num: int) -> Callable[..., None]:
        """A function that starts the task and does not wait for it."""
        assert task_type != "combiner", "a combiner would start before its mapper has ended"
        arguments = self._substep_args(step_num, task_type)

        def start(stdin: Any, stdout: Any, stderr: Any, wd: str, env: dict[str, str]) -> None:
            end = self._lifeline[0]
            with held():
                process = subprocess.Popen(
                    arguments, stdin=stdin, stdout=stdout, stderr=stderr, cwd=wd, env={**env, VARIABLE: str(end)},
                    process_group=0, pass_fds=(end,),
                )  # fmt: skip
                self._running.append(Task(task_type, step_num, task_num, process, stderr.name, time.time()))

        return start

    def _run_multiple(self, funcs: Iterable[Start], num_processes: int | None = None) -> None:
        """Runs tasks, a core each, and those that fail or fall silent again, as often as Hadoop would.

        :raises StepFailedException: for the first in their order that fails for good; those after it are ended
        """
        waiting = deque(partial(self._begin, func) for func in funcs)
        n_tasks, failed = len(waiting), None
        attempts: dict[int, int] = {}
        timeout = float(self._setting("mapreduce.task.timeout", TIMEOUT)) / 1000
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self._num_cores():
                    waiting.popleft()()
                self.tell(self._running[0].kind, n_tasks - len(waiting) - len(self._running), len(self._running), n_tasks)
                time.sleep(SECONDS_BETWEEN_LOOKS)
                for task in self._ended(timeout):
                    if task not in self._running:  # it ended along with one before it, whose failure has ended it too
                        continue
                    self._running.remove(task)
                    if task.process.returncode == 0 and not task.silent:
                        continue
                    attempt = attempts[task.number] = attempts.get(task.number, 0) + 1
                    most = int(self._setting(ATTEMPTS_OF[task.kind], ATTEMPTS))
                    if failed is None and attempt < most and not task.names_its_error():
                        log.warning(f"{task.why(timeout)}; attempt {attempt + 1} of {most} begins")
                        waiting.append(task.again)  # type: ignore[arg-type]
                    elif failed is None or task.number < failed.number:
                        failed = task
                        waiting.clear()
                        self._kill(after=task.number)
        finally:
            self._kill()
        if failed is not None:
            raise _TaskFailedException(
                reason=failed.why(timeout),
                step_num=failed.step,
                num_steps=self._num_steps(),
                task_type=failed.kind,
                task_num=failed.number,
            )

    def _begin(self, func: Start) -> None:
        func()
        self._running[-1].again = partial(self._begin, func)

    def _ended(self, timeout: float) -> list[Task]:
        """The tasks that have ended by now, and those that are ended here for having been silent."""
        for task in self._running:
            if timeout and task.process.poll() is None and task.said_nothing_for() > timeout:
                task.silent = True
                task.kill()
        return [task for task in self._running if task.process.poll() is not None]

    def _setting(self, name: str, default: int) -> Any:
        return self._opts["jobconf"].get(name, default)

    def _kill(self, after: int = -1) -> None:
        """Ends the running tasks after a number; without one, all."""
        for task in [task for task in self._running if task.number > after]:
            task.kill()
            self._running.remove(task)
