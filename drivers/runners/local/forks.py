"""Tasks as forks of one process that has imported their modules, fork_server.py: Python starts once a run, not each time.

Where it cannot be had, tasks are processes like any other: a fork is safe on Linux alone, and what a Python reads as it
starts, another interpreter or the user's own variables, would come too late.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

SERVER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "fork_server.py")
SECONDS_TO_BEGIN, SECONDS_TO_END = 60.0, 5.0


class Fork:
    """A task that has begun, with what is used here of subprocess.Popen."""

    def __init__(self, server: ForkServer, pid: int) -> None:
        self.server, self.pid = server, pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit status; None while it runs."""
        self.server.listen(0.0)
        self.returncode = self.server.statuses.get(self.pid)
        return self.returncode

    def wait(self) -> int:
        """Its exit status, when it has ended."""
        while (status := self.poll()) is None:
            self.server.listen()
        return status


class ForkServer:
    """The server of one run.

    :param lifeline: the end of a pipe that its tasks inherit, see jobs/lifeline.py
    """

    def __init__(self, lifeline: int) -> None:
        self.lifeline = lifeline
        self.statuses: dict[int, int | None] = {}  # by process; None while it runs
        self._process: subprocess.Popen | None = None
        self._began: int | None = None
        self._rest = b""  # of a line

    def start(self, task: dict[str, Any]) -> Fork | None:
        """Begins a task, as fork_server.py is told of it; None where no server does, for whatever reason."""
        if self._process is None:
            if sys.platform != "linux":
                return None
            self._process = subprocess.Popen(
                [sys.executable, SERVER, json.dumps(sys.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, bufsize=0, process_group=0, pass_fds=(self.lifeline,),
            )  # fmt: skip
        assert self._process.stdin is not None
        self._began = None
        with suppress(BrokenPipeError), memoryview((json.dumps(task) + "\n").encode()) as rest:
            while rest:
                rest = rest[self._process.stdin.write(rest) :]
        at_most = time.monotonic() + SECONDS_TO_BEGIN
        while self._began is None and self._process is not None:
            if time.monotonic() > at_most:
                self.close()
            self.listen(1.0)
        if self._began is None:
            return None
        return Fork(self, self._began)

    def listen(self, seconds: float | None = None) -> None:
        """Takes in what the server says, and waits for it so long, None for any time."""
        if self._process is None:
            return
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return
        piece = self._process.stdout.read(65536)
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            word, pid, *status = line.split()
            if word == b"begun":
                self._began = int(pid)
                self.statuses[self._began] = None
            else:
                self.statuses[int(pid)] = int(status[0])
        if not piece:  # it is gone, and nobody will know how its tasks end
            self.close()

    def close(self) -> None:
        """Ends the server, and the tasks that it has left; another one can be started."""
        process, self._process, self._rest = self._process, None, b""
        for pid in [pid for pid, status in self.statuses.items() if status is None]:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
            self.statuses[pid] = -signal.SIGKILL
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(SECONDS_TO_END)
            return
        process.kill()
        process.wait()
