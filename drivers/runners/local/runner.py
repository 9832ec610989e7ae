"""Processes on this machine, one a core."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import Any

from drivers.runners.local.forks import ForkServer
from drivers.runners.local.mrjob_runner import LocalRunner
from drivers.runners.runner import ReferringRunner, Setting, Watch
from drivers.runners.switches import Switches
from drivers.terminal.progress import Meter
from jobs.mrjob_compat import MRJob

SHARE_OF_MAPS = 0.9  # of the time that a job takes


class Local(ReferringRunner):
    """See the module."""

    @classmethod
    def n_tasks(cls, user: Switches, n_bytes: int) -> int:
        return int(user.option("num_cores") or os.cpu_count() or 1)

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self._lifeline = os.pipe()
        self._forks = ForkServer(self._lifeline[0])

    def close(self) -> None:
        self._forks.close()
        for end in self._lifeline:
            os.close(end)
        self._lifeline = ()  # type: ignore[assignment]

    def job_runner(self, job: MRJob) -> LocalRunner:
        job._runner_class = lambda: LocalRunner
        running = job.make_runner()
        running.job, running.forks = type(job), self._forks
        return running

    def watching(self, meter: Meter, n_blocks: int, last_seconds: float | None, running: Any) -> Watch:
        """Counts the tasks."""

        def tell(kind: str, n_ended: int, n_running: int, n_tasks: int) -> None:
            name = "map" if kind == "mapper" else "reduce"
            share = n_ended / n_tasks
            share = SHARE_OF_MAPS * share if name == "map" else SHARE_OF_MAPS + (1 - SHARE_OF_MAPS) * share
            meter.set(share, f"{n_ended} of {n_tasks} {name} task{'s' * (n_tasks != 1)}, {n_running} running")

        running.tell = tell
        return nullcontext()
