"""How far a pass is where a runner does not let one see: by the time that the last one took.

Runners that let one see more have their own way, in drivers/runners/.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from drivers.interruption import SIGNALS, is_our_program
from drivers.terminal.progress import Meter

SECONDS_BETWEEN_TICKS = 0.25
SECONDS_FOR_CLIENT = 5.0


@contextmanager
def by_time(meter: Meter, last_seconds: float | None) -> Iterator[None]:
    """Shows the time of a pass against that of the last one."""

    def tick() -> None:
        if last_seconds is not None:
            meter.set(min(meter.seconds / last_seconds, 0.99), f"the last pass took {last_seconds:,.0f} s")
        meter.tick()

    try:
        with ticking(meter, tick):
            yield
    except KeyboardInterrupt:
        await_client()
        raise


def await_client() -> None:
    """Hadoop's or Spark's client had a terminal of its own from mrjob, which is gone; it needs a moment to end by that."""
    if not is_our_program():
        return  # other children of this process are not ours to wait for
    deadline = time.monotonic() + SECONDS_FOR_CLIENT
    with suppress(ChildProcessError):  # there is none left
        while time.monotonic() < deadline:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)


@contextmanager
def ticking(meter: Meter, tick: Any = None) -> Iterator[None]:
    """Lets the meter know that time goes by while the runner has the floor."""
    stop = threading.Event()

    def run() -> None:
        # A signal is to end what the main thread waits for.
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        while not stop.wait(SECONDS_BETWEEN_TICKS):
            (tick or meter.tick)()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
