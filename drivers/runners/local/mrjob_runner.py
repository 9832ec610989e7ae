"""mrjob's local runner, with its tasks as children of this process: counted, started again as Hadoop would, and ended with
this process, whatever ends it.

mrjob puts a pool of Python processes between. On Ctrl-C these print a traceback each, a task whose pool process is ended
lives on, and the first task that fails ends the job.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from drivers.interruption import held
from drivers.runners.failures import OWN
from drivers.runners.local.forks import Fork, ForkServer
from jobs.lifeline import VARIABLE, name_of
from jobs.mrjob_compat import MRJob  # before mrjob, see there

# isort: split
from mrjob.local import LocalMRJobRunner, _TaskFailedException

SECONDS_BETWEEN_LOOKS = 0.01
NAMES = {"mapper": "map", "reducer": "reduce"}
# Hadoop's own defaults, and the names of its settings.
ATTEMPTS, TIMEOUT = 4, 600_000
ATTEMPTS_OF = {"mapper": "mapreduce.map.maxattempts", "reducer": "mapreduce.reduce.maxattempts"}

Tell = Callable[[str, int, int, int], None]  # what the tasks are; how many have ended, are running, are there at all
Start = Callable[[], None]
log = logging.getLogger("mrjob.local")


@dataclass(eq=False)
class Task:
    """An attempt at a map or a reduce task: a process of its own group."""

    kind: str
    step: int
    number: int
    process: subprocess.Popen | Fork
    errors: str  # the file it writes them to
    silent: bool = False  # it said nothing for too long
    heard: float = field(default_factory=time.monotonic)
    written: int | None = None  # when it last wrote of how far it is, by the clock of the files

    def has_ended(self, timeout: float) -> bool:
        """Whether it has ended, or is ended here for having said nothing for so many seconds; 0 for any time."""
        if self.process.poll() is None and timeout and self._silence() > timeout:
            self.silent = True
            self.kill()
        return self.process.poll() is not None

    def _silence(self) -> float:
        # Not by the time of day, which may jump: a laptop sleeps.
        with contextlib.suppress(OSError):
            written = os.stat(self.errors).st_mtime_ns
            if written != self.written:
                self.written, self.heard = written, time.monotonic()
        return time.monotonic() - self.heard

    def kill(self) -> None:
        """Ends it and what it has started: with setup commands of the user's, it is a child of a shell."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def names_its_error(self) -> bool:
        """Whether it ended by an error of ours, which another attempt would only repeat."""
        try:
            with open(self.errors, encoding="utf-8", errors="replace") as f:
                return OWN.search(f.read()) is not None
        except OSError:
            return False

    def why(self, timeout: float) -> str:
        """How it failed."""
        status = self.process.wait()
        name = f"{NAMES[self.kind]} task {self.number + 1}"
        if self.silent:
            return f"{name} said nothing for {timeout:g} seconds"
        if status < 0:
            return f"{name} was ended by signal {-status}"
        with contextlib.suppress(OSError):
            if not os.path.getsize(self.errors):
                return f"{name} ended with exit status {status} without a word"
        return f"{name} ended with exit status {status}"


class LocalRunner(LocalMRJobRunner):
    """See the module. `job` and `forks` are set by who makes it; `tell` is told of the tasks at every change."""

    job: type[MRJob]
    forks: ForkServer

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.tell: Tell = lambda kind, n_ended, n_running, n_tasks: None
        self._running: list[Task] = []

    def _setup_cmd_content(self, setup: list) -> list[str]:
        """With mrjob's lock, one file a job, in the job's own folder: in /tmp it would stay."""
        own = shlex.quote(os.path.join(self._get_local_tmp_dir(), "wrapper.lock"))
        return [line.replace(f"/tmp/wrapper.lock.{self._job_key}", own) for line in super()._setup_cmd_content(setup)]

    def _invoke_task_func(self, task_type: str, step_num: int, task_num: int) -> Callable[..., None]:
        """A function that starts the task and does not wait for it."""
        assert task_type != "combiner", "a combiner would start before its mapper has ended"
        arguments = self._substep_args(step_num, task_type)

        def start(stdin: Any, stdout: Any, stderr: Any, wd: str, env: dict[str, str]) -> None:
            end = self.forks.lifeline
            environment = {**env, VARIABLE: name_of(end)}
            with held():
                process: Fork | subprocess.Popen | None = None
                if self._may_fork(arguments):
                    process = self.forks.start(
                        {
                            "module": self.job.__module__, "job": self.job.__name__,
                            "arguments": arguments[1:], "environment": environment, "folder": wd, "stdin": stdin.name,
                            "stdout": stdout.name, "stderr": stderr.name,
                        }
                    )  # fmt: skip
                process = process or subprocess.Popen(
                    arguments, stdin=stdin, stdout=stdout, stderr=stderr, cwd=wd, env=environment, process_group=0,
                    pass_fds=(end,),
                )  # fmt: skip
                self._running.append(Task(task_type, step_num, task_num, process, stderr.name))

        return start

    def _may_fork(self, arguments: list[str]) -> bool:
        """Whether a task is this Python, with this one's variables, and begins with the module of the job."""
        is_script = arguments[:2] == [sys.executable, os.path.basename(self._script_path or "")]
        return is_script and not self._opts["cmdenv"] and self.job.__module__ != "__main__"

    def _run_multiple(self, funcs: Iterable[Start], num_processes: int | None = None) -> None:
        """Runs tasks, a core each, and those that fail or fall silent again, as often as Hadoop would.

        :raises StepFailedException: for the first in their order that fails for good; those after it are ended
        """
        starts = list(funcs)
        waiting = deque(range(len(starts)))
        n_failures: Counter[int] = Counter()
        failed: Task | None = None
        timeout = float(self._setting("mapreduce.task.timeout", TIMEOUT)) / 1000
        try:
            while waiting or self._running:
                while waiting and len(self._running) < max(self._num_cores(), 1):
                    starts[waiting.popleft()]()
                n_ended = len(starts) - len(waiting) - len(self._running)
                self.tell(self._running[0].kind, n_ended, len(self._running), len(starts))
                time.sleep(SECONDS_BETWEEN_LOOKS)
                for task in [task for task in self._running if task.has_ended(timeout)]:
                    if task not in self._running:  # it ended along with one before it, whose failure has ended it too
                        continue
                    self._running.remove(task)
                    task.kill()  # what it has started must not write on while it is tried again
                    if task.process.returncode == 0:
                        continue
                    n_failures[task.number] += 1
                    attempt, most = n_failures[task.number] + 1, int(self._setting(ATTEMPTS_OF[task.kind], ATTEMPTS))
                    if failed is not None and failed.number < task.number:
                        continue
                    if attempt <= most and not task.names_its_error():
                        log.warning(f"{task.why(timeout)}; attempt {attempt} of {most} begins")
                        waiting.append(task.number)
                    else:
                        failed = task
                        waiting = deque(number for number in waiting if number < task.number)
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

    def _setting(self, name: str, default: int) -> Any:
        return self._opts["jobconf"].get(name, default)

    def _kill(self, after: int = -1) -> None:
        """Ends the running tasks after a number; without one, all."""
        for task in [task for task in self._running if task.number > after]:
            task.kill()
            self._running.remove(task)
