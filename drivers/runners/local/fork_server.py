"""What the tasks of this machine are forked from: a process that has imported numpy and the jobs, so that a task begins in
milliseconds. forks.py starts it.

It reads a task a line, JSON: {"module", "job": the class, "arguments", "stdin", "stdout", "stderr": paths, "folder",
"environment"}. It writes "begun PID" for each, in their order, and "ended PID STATUS" whenever one has ended, STATUS being
that of subprocess. It ends with its input. It has one thread, as a process that forks must.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any


def prepare(path: list[str]) -> tuple[int, int]:
    """Begins as every task of ours begins, with the user's places of modules; gives the handles of requests and replies,
    which no task is to have as its input and output."""
    sys.path[:] = path
    requests, replies = os.dup(0), os.dup(1)
    _put(0, os.devnull, os.O_RDONLY)
    _put(1, os.devnull, os.O_WRONLY)
    import jobs.mrjob_compat  # noqa: F401  (before mrjob, see there)

    return requests, replies


def serve(requests: int, replies: int) -> None:
    """Forks tasks until there are no more."""
    woken, wake = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    rest = b""
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            os.read(woken, 65536)
            for pid, status in _ended():
                os.write(replies, f"ended {pid} {status}\n".encode())
        if requests not in ready:
            continue
        piece = os.read(requests, 65536)
        if not piece:
            return
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            task = json.loads(line)
            job = getattr(importlib.import_module(task["module"]), task["job"])
            gc.freeze()  # what is here stays shared with the tasks
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                for handle in (requests, replies, woken, wake):
                    os.close(handle)
                os._exit(run(job, task))
            _lead_a_group(pid)
            os.write(replies, f"begun {pid}\n".encode())


def _ended() -> Iterator[tuple[int, int]]:
    """The tasks that have ended, each told once, and their exit statuses."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def run(job: Any, task: dict[str, Any]) -> int:
    """Is the task; gives its exit status."""
    status: Any = 0
    try:
        _lead_a_group(os.getpid())
        sys.argv = task["arguments"]
        os.environ.clear()
        os.environ.update(task["environment"])
        _put(2, task["stderr"], os.O_WRONLY)
        os.chdir(task["folder"])
        _put(0, task["stdin"], os.O_RDONLY)
        _put(1, task["stdout"], os.O_WRONLY)
        job.run()
    except SystemExit as end:
        status = end.code
        if isinstance(status, str):
            print(status, file=sys.stderr)
    except BaseException as error:
        _tell(error, error.__traceback__)
        status = 1
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        _tell(error, None)
        status = 1
    return status if isinstance(status, int) else int(status is not None)


def _tell(error: BaseException, where: TracebackType | None) -> None:
    """Writes a traceback as Python would, without the lines of this module."""
    traceback.print_exception(type(error), error, where.tb_next if where is not None else None)


def _put(handle: int, path: str, flags: int) -> None:
    opened = os.open(path, flags)
    os.dup2(opened, handle)
    os.close(opened)


def _lead_a_group(pid: int) -> None:
    """Makes a child the leader of its group, in both processes, whichever comes first."""
    try:
        os.setpgid(pid, pid)
    except OSError:  # it has ended
        return


if __name__ == "__main__":
    serve(*prepare(json.loads(sys.argv[1])))
