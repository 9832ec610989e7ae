"""Where progress is shown: a bar and a table on a terminal, plain lines elsewhere, nothing with --quiet.

A display that fails, because its pipe is closed or its terminal has gone, is given up, and the run goes on.
"""

from __future__ import annotations

import functools
import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TextIO

Method = Callable[..., None]


@dataclass
class Iteration:
    """What is told of a pass of an iterative run; NaN is not known."""

    number: int
    objective: float
    change: float
    distance: float
    seconds: float
    n_alive: int
    n_candidates: int

    @property
    def is_first_or_last(self) -> bool:
        return self.number == 1 or self.n_alive == 0


def harmless(method: Method) -> Method:
    """A method that gives its display up when it fails."""

    @functools.wraps(method)
    def guarded(self: Display, *arguments: Any) -> None:
        if not self.given_up:
            try:
                method(self, *arguments)
            except Exception:
                self.given_up = True

    return guarded


class Display:
    """Shows nothing."""

    # How long a pass or a packing must take to be told of, and how often it is told of then.
    seconds_before = seconds_between = math.inf
    given_up = False

    def say(self, text: str) -> None:
        """One line that stays."""

    def iteration(self, told: Iteration) -> None:
        """A pass of an iterative run that has ended."""

    def draw(self, title: str, share: float | None, text: str, seconds: float, left: float | None = None) -> None:
        """How far something is, and the seconds it has taken and will take yet: None is not known."""

    def clear(self) -> None:
        """What was drawn has ended."""


class Lines(Display):
    """Plain lines, for a file or a pipe."""

    seconds_before = seconds_between = 10.0
    # Lines of a fast iteration come no closer than this.
    seconds_between_iterations = 1.0

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._last_iteration = time.perf_counter()

    @harmless
    def say(self, text: str) -> None:
        self.stream.write(text + "\n")
        self.stream.flush()

    def iteration(self, told: Iteration) -> None:
        now = time.perf_counter()
        if now - self._last_iteration < self.seconds_between_iterations and not told.is_first_or_last:
            return
        self._last_iteration = now
        words = [f"pass {told.number:4d}"]
        words += [f"objective {told.objective:.10g}"] if math.isfinite(told.objective) else []
        words += [f"distance {told.distance:.3g}"] if math.isfinite(told.distance) else []
        words += [f"{told.n_alive} of {told.n_candidates} candidates alive"] if told.n_candidates > 1 else []
        self.say("  ".join([*words, f"{told.seconds:.2f} s"]))

    def draw(self, title: str, share: float | None, text: str, seconds: float, left: float | None = None) -> None:
        self.say(f"{title}: {_words(text, seconds)}")


class Terminal(Display):
    """A bar that goes away with what it shows, and a table of which a row is written with each iteration."""

    seconds_before, seconds_between = 0.2, 0.1
    heads = f"{'pass':>6} {'objective':>18} {'change':>11} {'distance':>10} {'seconds':>9} {'alive':>9}"

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._bars: Any = None
        self._has_head = False

    @harmless
    def say(self, text: str) -> None:
        if self._bars is None:
            self.stream.write(text + "\n")
            self.stream.flush()
        else:
            self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def iteration(self, told: Iteration) -> None:
        if not self._has_head:
            self._has_head = True
            self.say(self.heads)
        numbers = [_cell(told.objective, 18, "12.10g"), _cell(told.change, 11, ".2e"), _cell(told.distance, 10, ".3g")]
        alive = f"{told.n_alive} of {told.n_candidates}"
        self.say(f"{told.number:6d} {' '.join(numbers)} {told.seconds:9.2f} {alive:>9}")

    @harmless
    def draw(self, title: str, share: float | None, text: str, seconds: float, left: float | None = None) -> None:
        words = _words(text, seconds)
        if left is not None and left >= 1:
            words += f", {left:,.0f} s left"
        if self._bars is None:
            self._bars = self._make_bars()
            self._bars.add_task(title, words="")
        (task,) = self._bars.tasks
        self._bars.update(task.id, total=None if share is None else 1.0, completed=share or 0.0, words=words)
        self._bars.start()
        self._bars.refresh()

    def clear(self) -> None:
        bars, self._bars = self._bars, None
        if bars is not None:
            with suppress(Exception):
                bars.stop()

    def _make_bars(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        # Drawn by whoever tells of progress: there is no thread, and sys.stderr stays what it is.
        return Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[words]}", markup=False),
            console=Console(file=self.stream),
            transient=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )


def open_display(quiet: bool, stream: TextIO) -> Display:
    """The display that suits a stream."""
    if quiet:
        return Display()
    return Terminal(stream) if stream.isatty() and os.environ.get("TERM") != "dumb" else Lines(stream)


def _words(text: str, seconds: float) -> str:
    return ", ".join([*([text] if text else []), f"{seconds:,.0f} s"])


def _cell(value: float, width: int, form: str) -> str:
    return f"{value:{form}}".rjust(width) if math.isfinite(value) else "-".rjust(width)
