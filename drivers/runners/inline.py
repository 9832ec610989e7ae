"""This process: one task after the other, for tables that fit in minutes and for finding mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from drivers.runners.runner import ReferringRunner
from drivers.runners.switches import Switches
from drivers.terminal.progress import Meter
from jobs.mr_scan import MRScan


class Inline(ReferringRunner):
    """See the module."""

    @classmethod
    def n_tasks(cls, user: Switches, n_bytes: int) -> int:
        return 1

    @contextmanager
    def watching(self, meter: Meter, n_blocks: int, last_seconds: float | None, running: Any) -> Iterator[None]:
        """Counts the blocks."""
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
