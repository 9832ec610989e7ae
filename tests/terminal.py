"""A program run on a terminal of its own, and what is on its screen in the end."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable

COLUMNS = 80


def run_on_terminal(command: list[str], when: Callable[[str], bool] | None = None, typed: bytes = b"") -> tuple[int, str]:
    """The exit status, and all that the program wrote on its standard output and error.

    :param when: asked of what was written so far; `typed` is then typed, once
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    process = subprocess.Popen(
        # In a session of its own, whose terminal is this one: Ctrl-C is a key, and goes to all its processes.
        [sys.executable, "-c", "import os, sys; os.login_tty(0); os.execv(sys.argv[1], sys.argv[1:])", *command],
        stdin=slave, stdout=slave, stderr=slave, env={**os.environ, "TERM": "xterm"},
    )  # fmt: skip
    os.close(slave)
    written = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError:  # all who could write have gone
            break
        written += piece
        if when is not None and when(written.decode(errors="replace")):
            when = None
            os.write(master, typed)
    os.close(master)
    return process.wait(timeout=60), written.decode()


def screen(written: str) -> list[str]:
    """The lines that stay on the screen."""
    lines, row, column = [""], 0, 0
    for piece in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[\r\n]|[^\x1b\r\n]+", written):
        if piece == "\r":
            column = 0
        elif piece == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif piece.startswith("\x1b"):
            number = re.sub(r"\D", "", piece)
            if piece.endswith("A"):
                row -= int(number or 1)
            elif piece.endswith("K"):
                lines[row] = ""
        else:
            lines[row] = lines[row][:column].ljust(column) + piece + lines[row][column + len(piece) :]
            column += len(piece)
    return lines


def wait_for(condition: Callable[[], object], process: subprocess.Popen | None = None, seconds: float = 60) -> None:
    """Returns when a condition holds, or the process has ended."""
    deadline = time.monotonic() + seconds
    while not condition() and (process is None or process.poll() is None) and time.monotonic() < deadline:
        time.sleep(0.002)
