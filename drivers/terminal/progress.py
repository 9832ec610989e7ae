"""What the user is told while a run goes on, on stderr; results do not go through here."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np

from drivers.loop import Fit
from drivers.terminal.display import Display, Iteration, open_display

SECONDS_BEFORE_ESTIMATE = 2.0


class Meter:
    """How far one thing is that takes time; drawn no more often than the display likes."""

    def __init__(self, display: Display, title: str) -> None:
        self.display, self.title = display, title
        self.share: float | None = None
        self.text = ""
        self.started = time.perf_counter()
        self._first: tuple[float, float] | None = None
        self._next = self.started + display.seconds_before

    def set(self, share: float | None, text: str, steady: bool = False) -> None:
        """Tells how far it is, in words and, where it is known, as a number between 0 and 1.

        :param steady: it goes on as it does, so that the seconds left can be told
        """
        if steady and share is not None and self._first is None:
            self._first = time.perf_counter(), share
        self.share, self.text = share, text
        self.tick()

    def tick(self) -> None:
        """Tells that time goes by."""
        now = time.perf_counter()
        if now >= self._next:
            self._next = now + self.display.seconds_between
            self.display.draw(self.title, self.share, self.text, now - self.started, self._left(now))

    def hurry(self) -> None:
        """What is told next is drawn at once."""
        self._next = self.started

    def say(self, text: str) -> None:
        """A line about it that stays."""
        self.display.say(f"{self.title}: {text}")

    def _left(self, now: float) -> float | None:
        if self._first is None or self.share is None:
            return None
        time_first, share_first = self._first
        if now - time_first < SECONDS_BEFORE_ESTIMATE or self.share <= share_first:
            return None
        return (1 - self.share) * (now - time_first) / (self.share - share_first)

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.started


class Progress:
    """Tells how far a run is."""

    def __init__(self, quiet: bool = False) -> None:
        self.display = open_display(quiet, sys.stderr)
        self.last_pass_seconds: float | None = None

    def say(self, text: str) -> None:
        """One line."""
        self.display.say(text)

    def packing(self, n_bytes: int | None) -> AbstractContextManager[Callable[[int], None]]:
        """Tells of the bytes of the input; what it yields is told of each piece. None: the size is not known."""
        return self.bytes("packing", n_bytes)

    @contextmanager
    def bytes(self, title: str, n_bytes: int | None) -> Iterator[Callable[[int], None]]:
        """Tells of bytes on their way."""
        n_done = 0

        def advance(n: int) -> None:
            nonlocal n_done
            n_done += n
            share = min(n_done / n_bytes, 1.0) if n_bytes else None
            meter.set(share, f"{n_done / 1e6:,.0f} " + (f"of {n_bytes / 1e6:,.0f} MB" if n_bytes else "MB"), steady=True)

        with self.metered(title) as meter:
            yield advance

    @contextmanager
    def one_pass(self, number: int) -> Iterator[Meter]:
        """Tells of a pass over the data."""
        with self.metered(f"pass {number}") as meter:
            yield meter
            self.last_pass_seconds = meter.seconds

    def iteration(self, fit: Fit, rises: bool = False) -> None:
        """The pass of an iterative run that has ended: the best objective, the largest distance of those alive.

        :param rises: whether a larger objective is better
        """
        best = np.max if rises else np.min
        objectives = [_of_finite(best, entry["objective"]) for entry in fit.history[-2:]]
        told = Iteration(
            number=fit.n_iter,
            objective=objectives[-1],
            change=objectives[-1] - objectives[-2] if len(objectives) == 2 else np.nan,
            distance=_of_finite(np.max, fit.history[-1]["distance"]),
            seconds=self.last_pass_seconds or 0.0,
            n_alive=int(fit.state.alive.sum()),
            n_candidates=len(fit.status),
        )
        self.display.iteration(told)

    @contextmanager
    def metered(self, title: str) -> Iterator[Meter]:
        """Tells of anything that takes time."""
        try:
            yield Meter(self.display, title)
        finally:
            self.display.clear()


def _of_finite(choose: Callable[[np.ndarray], float], values: list[float]) -> float:
    finite = np.array(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    return float(choose(finite)) if len(finite) else np.nan
