"""Tasks for tests/test_forks.py, without mrjob: what a fork of drivers/runners/local/fork_server.py does when it runs."""

from __future__ import annotations

import json
import os
import signal
import sys
import time


class Task:
    """Does what its first argument says."""

    @classmethod
    def run(cls):
        getattr(cls, sys.argv[1])()

    @staticmethod
    def tell():
        """Of itself, in its output."""
        seen = {
            "argv": sys.argv[1:], "input": sys.stdin.read(), "folder": os.getcwd(), "variables": dict(os.environ),
            "parent": os.getppid(), "leads": os.getpgid(0) == os.getpid(),
            "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, []))),
            "child": signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, "handles": len(os.listdir("/proc/self/fd")),
        }  # fmt: skip
        print(json.dumps(seen))

    @staticmethod
    def fail():
        raise ValueError("gone wrong")

    @staticmethod
    def leave():
        sys.exit("no more")

    @staticmethod
    def number():
        sys.exit(7)

    @staticmethod
    def fill():
        print("x" * 100_000)  # on a disk that is full when the output is written

    @staticmethod
    def sleep():
        print("asleep", file=sys.stderr, flush=True)
        time.sleep(600)

    @staticmethod
    def kill():
        os.kill(os.getpid(), signal.SIGKILL)
