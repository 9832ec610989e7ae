"""A machine of the cluster: its folder, the programs it has, and the processes that run on it."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

AWS_CLI = Path(__file__).resolve().parent / "aws_cli.py"

# The script of a user may run as root there; here it must not stop the machine that runs the tests.
SUDO = """#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
exec "$@"
"""
SHUTDOWN = """#!/bin/sh
echo "a node of the fake cluster does not shut down" >&2
exit 1
"""


class Stopped(Exception):
    """Nothing may start here any more."""


class Processes:
    """The processes of a step or a node, each in a group of its own, which ends with all that it has started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[int] = set()
        self.stopping = False

    def start(self, command: list[str], **keywords: Any) -> subprocess.Popen:
        """:raises Stopped: after `stop`"""
        with self._lock:
            if self.stopping:
                raise Stopped
            process = subprocess.Popen(command, start_new_session=True, **keywords)
            self._running.add(process.pid)
        return process

    def end(self, process: subprocess.Popen) -> int:
        """Waits for a process, and ends what it has left behind. The exit status as a shell gives it."""
        status = process.wait()
        with self._lock:
            self._running.discard(process.pid)
        kill_group(process.pid)
        return 128 - status if status < 0 else status

    def stop(self) -> None:
        """Ends all processes; none starts after."""
        with self._lock:
            self.stopping = True
            for pid in self._running:
                kill_group(pid)


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


class Node:
    """The one machine of a cluster: a home, HDFS, a temp folder and caches, all below one folder."""

    def __init__(self, folder: Path, python: Path, aws_environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.home = folder / "home" / "hadoop"
        self.hdfs = folder / "hdfs"
        self.tmp = folder / "tmp"
        self.programs = folder / "bin"
        for path in (self.home, self.hdfs, self.tmp, self.programs):
            path.mkdir(parents=True)
        # Credentials belong to the machine, not to the environment of a task.
        settings = (f"{name}={value}" for name, value in aws_environ.items())
        aws = f'#!/bin/sh\nexec {shlex.join(["env", "-u", "PYTHONPATH", *settings, sys.executable, str(AWS_CLI)])} "$@"\n'
        for name, text in (("aws", aws), ("sudo", SUDO), ("shutdown", SHUTDOWN)):
            (self.programs / name).write_text(text)
            (self.programs / name).chmod(0o755)
        self.path = f"{self.programs}:{python.parent}:/usr/bin:/bin"

    def environment(self) -> dict[str, str]:
        """The little that a process on a node finds."""
        return {
            "PATH": self.path,
            "HOME": str(self.home),
            "USER": "hadoop",
            "LOGNAME": "hadoop",
            "SHELL": "/bin/bash",
            "TMPDIR": str(self.tmp),
        }

    def run_script(
        self, script: bytes, arguments: list[str], processes: Processes, folder: Path
    ) -> tuple[int, bytes, bytes]:
        """Runs a script or program, by bash where it does not name its interpreter; status, stdout and stderr.

        A process that it leaves in the background goes on until `processes` stop.

        :raises Stopped: the processes have been stopped
        """
        folder.mkdir(parents=True)
        path = folder / "script"
        # The machine that runs the tests has no home of that name, and should get none.
        is_program = b"\0" in script
        path.write_bytes(script if is_program else script.replace(b"/home/hadoop", str(self.home).encode()))
        path.chmod(0o755)
        # What a script may install comes from nowhere: the interpreter is shared by all tests.
        environment = {**self.environment(), "PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        bash = [] if is_program or script.startswith(b"#!") else ["/bin/bash"]
        with open(folder / "stdout", "wb") as stdout, open(folder / "stderr", "wb") as stderr:
            process = processes.start(
                [*bash, str(path), *arguments],
                cwd=self.home,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
            )
            status = process.wait()
        status = 128 - status if status < 0 else status
        return status, (folder / "stdout").read_bytes(), (folder / "stderr").read_bytes()
