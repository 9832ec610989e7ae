"""Ctrl-C, SIGTERM and a terminal that goes away: at any moment one message, an exit status, and a run that can go on.

    while modules are imported   nothing has begun, and an import may make an error of it: the process ends at once
    while the program runs       the first signal raises Interrupted, so that everything is left in order; another one,
                                 a second later or more, ends the process at once
    when its result is out       signals no longer count

Only a program of this package has this: in a notebook, or in another program, KeyboardInterrupt is what it always is.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any

SIGNALS = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated", signal.SIGHUP: "the terminal has gone"}
# What passes a signal on, make or a shell script, may give a second one with the first.
SECONDS_BETWEEN_SIGNALS = 1.0
SHOW_CURSOR = b"\x1b[?25h"


class Interrupted(KeyboardInterrupt):
    """A signal that asks the program to end."""

    def __init__(self, number: int) -> None:
        super().__init__(SIGNALS[signal.Signals(number)])
        self.number = number


@dataclass
class _State:
    first: int | None = None  # the first signal
    first_time: float = 0.0
    n_held: int = 0
    ended: bool = False
    start_dir: str | None = None
    hint: Callable[[], str] = lambda: ""


# Of this process, as its signals are.
_state = _State()


def install() -> None:
    """Takes the signals over."""
    for number in SIGNALS:
        # A program in the background, or under nohup, is to go on.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _receive)
    signal.signal(signal.SIGALRM, _raise_again)
    sys.excepthook = _uncaught
    sys.unraisablehook = _swallowed


def is_our_program() -> bool:
    """Whether this process is one of the programs of this folder, and not one that imports them."""
    folder = os.path.dirname(os.path.abspath(__file__))
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script is not None:
        return os.path.dirname(os.path.abspath(script)) == folder
    words = sys.orig_argv[1:]
    return "-m" in words[:-1] and words[words.index("-m") + 1].startswith("drivers.")


def begin(hint: Callable[[], str]) -> None:
    """`hint` is asked how to go on, where there is a run to go on with."""
    _state.start_dir, _state.hint = os.getcwd(), hint


def check() -> None:
    """:raises Interrupted: when a signal has come, and what it raised was swallowed on the way, or taken for an error"""
    if _state.first is not None and not _state.n_held and not _state.ended:
        raise Interrupted(_state.first)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Holds signals back while something is done that must be whole."""
    _state.n_held += 1
    try:
        yield
    finally:
        _state.n_held -= 1
    check()


@contextlib.contextmanager
def noticed() -> Iterator[None]:
    """An error that a signal was made into, in an import for one, is that signal again."""
    try:
        yield
    except Exception:
        check()
        raise
    check()


def tell(error: KeyboardInterrupt) -> int:
    """Says that the program was interrupted and how to go on; gives the exit status."""
    number = getattr(error, "number", signal.SIGINT)
    _say(number)
    return 128 + number


def end() -> None:
    """The result is out, or the message: the few milliseconds that are left are not to be interrupted."""
    _state.ended = True
    for number in SIGNALS:
        if signal.getsignal(number) is _receive:
            signal.signal(number, signal.SIG_IGN)


def resume_command(folder: str) -> str:
    """The command that goes on with a run, for the folder the user stands in."""
    return shlex.join(["python", sys.argv[0], "--resume", os.path.relpath(folder, _state.start_dir)])


def _receive(number: int, frame: FrameType | None) -> None:
    if _state.ended:
        return
    now = time.monotonic()
    if _state.first is None:
        _state.first, _state.first_time = number, now
        if not _imports_are_over():
            _leave_at_once()
        check()
    if now - _state.first_time >= SECONDS_BETWEEN_SIGNALS:
        _leave_at_once()


def _imports_are_over() -> bool:
    """Every program defines its main() after its imports."""
    return hasattr(sys.modules["__main__"], "main")


def _raise_again(number: int, frame: FrameType | None) -> None:
    check()


def _swallowed(unraisable: Any) -> None:
    """What is raised in a destructor or a callback of C code gets no further."""
    if _state.first is None or not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)
    elif not _state.ended:
        signal.setitimer(signal.ITIMER_REAL, 0.01)


def _uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
    if issubclass(kind, KeyboardInterrupt):
        _leave_at_once()
    sys.__excepthook__(kind, error, trace)


def _leave_at_once() -> None:
    number = _state.first or signal.SIGINT
    _state.ended = True
    _say(number)
    with contextlib.suppress(Exception):
        sys.stdout.flush()
    os._exit(128 + number)


def _say(number: int) -> None:
    """Not by sys.stderr, which a task in this process may have changed, or which may be in the middle of a line."""
    with contextlib.suppress(Exception):
        text = f"\n{SIGNALS[signal.Signals(number)]}{_state.hint()}\n".encode(errors="replace")
        os.write(2, (SHOW_CURSOR if os.isatty(2) else b"") + text)
