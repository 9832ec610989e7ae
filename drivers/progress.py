"""What the user sees while a run goes on, on stderr: bars on a terminal, plain lines elsewhere, nothing with --quiet."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from drivers.loop import Fit

# Without a terminal, lines of a fast iteration come no closer than this.
SECONDS_BETWEEN_LINES = 1.0


class Progress:
    """Tells how far a run is; results do not go through here."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet
        self._last_line = self._last_pass = time.perf_counter()

    def say(self, text: str) -> None:
        """One line."""
        if not self.quiet:
            print(text, file=sys.stderr)

    @contextmanager
    def packing(self, n_bytes: int | None) -> Iterator[Callable[[int], None]]:
        """A bar over the bytes of the input; what it yields is told of each piece. None: the size is not known."""
        if self.quiet or not sys.stderr.isatty():
            yield lambda n: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
        from rich.progress import Progress as Bars

        columns = [TextColumn("packing"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()]
        with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
            task = bars.add_task("packing", total=n_bytes)
            yield lambda n: bars.advance(task, n)

    def iteration(self, fit: Fit) -> None:
        """A line for an iteration: its number, the best objective, the largest distance of those alive, seconds."""
        now = time.perf_counter()
        seconds, self._last_pass = now - self._last_pass, now
        ended = not fit.state.alive.any()
        if self.quiet or (now - self._last_line < SECONDS_BETWEEN_LINES and not ended and fit.n_iter > 1):
            return
        self._last_line = now
        objective, distance = (np.array(fit.history[-1][name], dtype=float) for name in ("objective", "distance"))
        told = [f"pass {fit.n_iter:4d}"]
        told += [f"objective {np.nanmin(objective):.10g}"] if np.isfinite(objective).any() else []
        told += [f"distance {np.nanmax(distance):.3g}"] if np.isfinite(distance).any() else []
        n_alive = int(fit.state.alive.sum())
        told += [f"{n_alive} of {len(objective)} candidates alive"] if len(objective) > 1 else []
        self.say("  ".join([*told, f"{seconds:.2f} s"]))
