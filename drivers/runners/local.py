"""mrjob's local runner, with its tasks as children of this process: counted, and ended with it, whatever ends it.

mrjob puts a pool of Python processes between. On Ctrl-C these print a traceback each, and a task whose pool process is
ended lives on.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import jobs.mrjob_compat  # noqa: F401  (before mrjob, see there)
from drivers.interruption import held

# isort: split
from mrjob.local import LocalMRJobRunner, _TaskFailedException

SECONDS_BETWEEN_LOOKS = 0.01

Tell = Callable[[str, int, int, int], None]  # what the tasks are; how many have ended, are running, are there at all


@dataclass
class Task:
    """A process that runs a map or a reduce task."""

    kind: str
    step: int
    number: int
    process: subprocess.Popen

    def kill(self) -> None:
        # With its whole group: a setup command of the user makes it a child of a shell.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class LocalRunner(LocalMRJobRunner):
    """See the module. `tell` is told of the tasks at every change."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.tell: Tell = lambda kind, n_ended, n_running, n_tasks: None
        self._running: list[Task] = []

    def _invoke_task_func(self, task_type: str, step_num: int, task_num: int) -> Callable[..., None]:
        """A function that starts the task and does not wait for it."""
        assert task_type != "combiner", "a combiner would start before its mapper has ended"
        arguments = self._substep_args(step_num, task_type)

        def start(stdin: Any, stdout: Any, stderr: Any, wd: str, env: dict[str, str]) -> None:
            with held():
                process = subprocess.Popen(
                    arguments, stdin=stdin, stdout=stdout, stderr=stderr, cwd=wd, env=env, process_group=0
                )
                self._running.append(Task(task_type, step_num, task_num, process))

        return start

    def _run_multiple(self, funcs: Iterable[Callable[[], None]], num_processes: int | None = None) -> None:
        """Runs tasks, a core each.

        :raises StepFailedException: for the first in their order that fails; those after it are ended
        """
        waiting = deque(funcs)
        n_tasks, failed = len(waiting), None
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self._num_cores():
                    waiting.popleft()()
                self.tell(self._running[0].kind, n_tasks - len(waiting) - len(self._running), len(self._running), n_tasks)
                time.sleep(SECONDS_BETWEEN_LOOKS)
                for task in [task for task in self._running if task.process.poll() is not None]:
                    if task not in self._running:  # it ended along with one before it, whose failure has ended it too
                        continue
                    self._running.remove(task)
                    if task.process.returncode != 0 and (failed is None or task.number < failed.number):
                        failed = task
                        waiting.clear()
                        self._kill(after=task.number)
        finally:
            self._kill()
        if failed is not None:
            status = failed.process.returncode
            raise _TaskFailedException(
                reason=str(subprocess.CalledProcessError(status, failed.process.args)),
                step_num=failed.step,
                num_steps=self._num_steps(),
                task_type=failed.kind,
                task_num=failed.number,
            )

    def _kill(self, after: int = -1) -> None:
        """Ends the running tasks after a number; without one, all."""
        for task in [task for task in self._running if task.number > after]:
            task.kill()
            self._running.remove(task)
