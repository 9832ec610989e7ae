"""A Spark application that runs the jobs of a run one after another: Spark starts once, not for each pass.

Its client, spark-submit with harness.py, is on a terminal of its own, and ends with this process, whatever ends it. A job
is a line of JSON in a named pipe, {"arguments": those of mrjob's harness, "files": what its tasks need beside them}; what
becomes of it stands among the lines of the terminal, behind MARK: its exit status, and how many stages there have been.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from drivers.interruption import held
from drivers.runners.spark.harness import MARK

Tell = Callable[[int, int, int, int], None]  # the number of the stage; how many tasks have ended, are running, are there
SECONDS_FOR_CLIENT = 10.0
WAITING = b"Initial job has not accepted any resources"
BAR = re.compile(rb"\[Stage (\d+):[=> ]*\((\d+) \+ (\d+)\) / (\d+)\]")
END = re.compile(re.escape(MARK.encode()) + rb" (\d+) (\d+)")
# A terminal that goes away ends what has it, unless that ignores hang-ups, as what is started under nohup does.
ON_TERMINAL = (
    "import os, signal, sys; os.login_tty(0); signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


class Application:
    """See the module.

    :param folder: a new one of this run, for the pipe
    """

    def __init__(self, folder: str) -> None:
        self.pipe = os.path.join(folder, "spark-jobs")
        self._client: subprocess.Popen | None = None
        self._terminal = self._jobs = -1
        self._begun = b""  # of a line
        self._n_stages = 0
        self._status: int | None = None

    @property
    def is_running(self) -> bool:
        """Whether it has been started, and not ended."""
        return self._client is not None

    def start(self, command: list[str], environment: dict[str, str]) -> None:
        """Starts the client.

        :param command: spark-submit and its arguments; that of the harness, which is the pipe, is added
        """
        with suppress(FileExistsError):
            os.mkfifo(self.pipe, 0o600)
        self._begun, self._n_stages = b"", 0
        # Also for reading, or it would wait for the client; which finds the end of the pipe when this process is gone.
        self._jobs = os.open(self.pipe, os.O_RDWR | os.O_CLOEXEC)
        self._terminal, its = os.openpty()
        try:
            with held():
                self._client = subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", ON_TERMINAL, *command, self.pipe],
                    stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True,
                )  # fmt: skip
        finally:
            os.close(its)

    def run(self, arguments: list[str], files: list[str], tell: Tell, wait: Callable[[], Any]) -> Iterator[bytes]:
        """Runs a job; gives the lines that it writes, but for bars and the like, as they come. Then its `status` is known.

        :param tell: told of the tasks at every change
        :param wait: called while there are no workers to be had
        """
        self._status = None
        try:
            with memoryview((json.dumps({"arguments": arguments, "files": files}) + "\n").encode()) as rest:
                while rest:
                    rest = rest[os.write(self._jobs, rest) :]
            yield from self._lines(tell, wait)
        finally:
            if self._status is None:
                self.end()

    @property
    def status(self) -> int:
        """The exit status of the last job, or that of a client which ended before the job did."""
        assert self._status is not None
        return self._status

    def end(self) -> None:
        """Ends the client, which needs a moment to put things in order."""
        client, self._client = self._client, None
        for handle in (self._jobs, self._terminal):
            with suppress(OSError):
                os.close(handle)
        self._jobs = self._terminal = -1
        if client is None:
            return
        with suppress(subprocess.TimeoutExpired):
            self._status = client.wait(SECONDS_FOR_CLIENT) or 1
            return
        with suppress(ProcessLookupError):
            os.killpg(client.pid, signal.SIGKILL)
        self._status = client.wait() or 1

    def _lines(self, tell: Tell, wait: Callable[[], Any]) -> Iterator[bytes]:
        first_stage = self._n_stages
        while True:
            try:
                piece = os.read(self._terminal, 65536)
            except OSError:  # all who could write have gone
                piece = b""
            *lines, self._begun = re.split(rb"[\r\n]+", self._begun + piece)
            for line in [*lines, self._begun]:
                bars = BAR.findall(line)
                if bars:
                    stage, *tasks = map(int, bars[-1])
                    tell(stage - first_stage, *tasks)
                elif WAITING in line:
                    wait()
            for line in lines:
                if end := END.search(line):
                    self._status, self._n_stages = int(end[1]), int(end[2])
                elif line.strip() and not BAR.search(line):
                    yield line
            if self._status is not None:
                return
            if not piece:
                if self._begun.strip():
                    yield self._begun
                return
