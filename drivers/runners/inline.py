"""This process: one task after the other, for tables that fit in minutes and for finding mistakes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from drivers.runners.runner import ReferringRunner
from drivers.runners.switches import Switches
from drivers.terminal.progress import Meter
from jobs.block_job import BlockJob
from jobs.mrjob_compat import MRJob

# isort: split
from mrjob.inline import InlineMRJobRunner


class InlineRunner(InlineMRJobRunner):
    """mrjob's, with one map task a file: others would only write more between."""

    def _pick_mapper_split_size(self, input_paths: Any, step_num: int) -> int:
        return max(1, sum(os.path.getsize(path) for path in input_paths))


class Inline(ReferringRunner):
    """See the module."""

    @classmethod
    def n_tasks(cls, user: Switches, n_bytes: int) -> int:
        return 1

    def job_runner(self, job: MRJob) -> Any:
        job._runner_class = lambda: InlineRunner
        return job.make_runner()

    @contextmanager
    def watching(self, meter: Meter, n_blocks: int, last_seconds: float | None, running: Any) -> Iterator[None]:
        """Counts the blocks."""
        n_done = 0

        def block_done() -> None:
            nonlocal n_done
            n_done += 1
            share = min(n_done / max(n_blocks, 1), 1.0)
            meter.set(share, f"{100 * share:.0f} % of the blocks", steady=True)

        BlockJob.block_done = staticmethod(block_done)
        try:
            yield
        finally:
            BlockJob.block_done = None
