"""Seconds and memory of whole processes, with everything they start.

wall     seconds from the start of the command to its end, as its user sees them
cpu      user + system seconds of the command and of all its descendants, orphans included (a JVM outlives the Python
         that started it, and is waited for after the wall clock has stopped)
largest  peak resident memory of the largest single process of the tree, kept by the kernel (ru_maxrss): exact
summed   peak over time of the memory of all processes of the tree together, sampled from /proc every 100 ms as the
         kernel's proportional set size, in which a page that processes share counts once: what the machine needs to
         have. A peak between two samples is missed, so it is never below `largest`

Both memories in bytes. Linux only: it needs /proc and PR_SET_CHILD_SUBREAPER, by which orphans come to this process. A
new process inherits the ru_maxrss of the one that starts it, so this module, and what imports it, stay small: no numpy.

    python bench/measure.py --repeat 3 [--limit 60] [--json] -- sort -n data.csv
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.1
ORPHAN_SECONDS = 30.0
FIGURES = ("wall", "cpu", "largest", "summed")
PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class Usage:
    """What one run of a command took, and what it printed."""

    wall: float
    cpu: float
    largest: int
    summed: int
    status: int
    stdout: str
    stderr: str
    over_limit: bool = False


def measure(command: Sequence[str], env: Mapping[str, str] | None = None, limit: float | None = None) -> Usage:
    """Run the command to its end and that of its descendants. A failing command is told by its status.

    One that takes longer than `limit` seconds is ended, and `over_limit` is set. The calling process must have no other
    children: all that it has are waited for, and ended after an interrupt.
    """
    _adopt_orphans()
    # Programs are compiled once and not at every start, as where they are used.
    env = {name: value for name, value in (env or os.environ).items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env)
        sampler = _Sampler()
        clock = threading.Timer(limit or 0.0, _end_descendants)
        clock.daemon = True
        try:
            if limit is not None:
                clock.start()
            wall, status, cpu, largest = _reap(process, start)
        finally:
            clock.cancel()
            summed = sampler.stop()
            _end_descendants()
        out.seek(0)
        err.seek(0)
        stdout, stderr = out.read().decode(errors="replace"), err.read().decode(errors="replace")
        over_limit = limit is not None and wall >= limit
        return Usage(wall, cpu, largest, max(summed, largest), status, stdout, stderr, over_limit)


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}


def summary(usages: Sequence[Usage]) -> dict[str, dict[str, float]]:
    """Of repetitions: the minimum, median and maximum of each figure."""
    return {name: spread([getattr(usage, name) for usage in usages]) for name in FIGURES}


def _reap(process: subprocess.Popen, start: float) -> tuple[float, int, float, int]:
    """Wait for the process and then for its orphans: (wall, exit status, cpu, largest)."""
    wall, status, cpu, largest = 0.0, 0, 0.0, 0
    ended = False
    deadline = 0.0
    while True:
        try:
            # rusage holds the child's own figures and those of the descendants it has waited for itself.
            pid, code, usage = os.wait4(-1, os.WNOHANG if ended else 0)
        except ChildProcessError:
            return wall, status, cpu, largest
        if pid == 0:
            if time.perf_counter() > deadline:
                _end_descendants()
            time.sleep(0.01)
            continue
        cpu += usage.ru_utime + usage.ru_stime
        largest = max(largest, usage.ru_maxrss * 1024)
        if pid == process.pid:
            wall = time.perf_counter() - start
            deadline = time.perf_counter() + ORPHAN_SECONDS
            status = process.returncode = os.waitstatus_to_exitcode(code)
            ended = True


class _Sampler(threading.Thread):
    """The peak of the summed memory of all descendants of this process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = 0
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.wait(SAMPLE_SECONDS):
            self.peak = max(self.peak, sum(map(_proportional_bytes, _descendants())))

    def stop(self) -> int:
        self.over.set()
        self.join()
        return self.peak


def _proportional_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in Path("/proc", str(pid), "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0  # it has ended


def _descendants() -> list[int]:
    """The pids of all descendants of this process."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(OSError):
                # The name in parentheses may hold anything; the fields after it are state, ppid, ...
                fields = Path("/proc", entry, "stat").read_text(errors="replace").rpartition(")")[2].split()
                children.setdefault(int(fields[1]), []).append(int(entry))
    found = []
    waiting = list(children.get(os.getpid(), []))
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        waiting += children.get(pid, [])
    return found


def _adopt_orphans() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "cannot become the parent of orphans")


def _end_descendants() -> None:
    """Kill what is left: nothing after a run that ended, everything after an interrupt."""
    for pid in _descendants():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure a command and all it starts.", allow_abbrev=False)
    parser.add_argument("--repeat", type=int, default=1, help="Default: %(default)s")
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="end a run that takes longer")
    parser.add_argument("--json", action="store_true", help="print each run and the summary as JSON")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- and the command")
    options = parser.parse_args(argv)
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command or options.repeat < 1:
        parser.error("give --repeat 1 or more, and a command after --")
    usages = []
    for _ in range(options.repeat):
        usages.append(measure(command, limit=options.limit))
        if usages[-1].over_limit:
            print(f"the command took longer than {options.limit:g} s", file=sys.stderr)
            return 1
        if usages[-1].status:
            print(usages[-1].stderr, file=sys.stderr, end="")
            print(f"the command ended with status {usages[-1].status}", file=sys.stderr)
            return 1
    result = summary(usages)
    if options.json:
        print(json.dumps({"runs": [asdict(usage) for usage in usages], "summary": result}, indent=2))
    else:
        print(f"{'':8} {'min':>9} {'median':>9} {'max':>9}")
        for name, unit, scale in [("wall", "s", 1), ("cpu", "s", 1), ("largest", "MB", 1e6), ("summed", "MB", 1e6)]:
            row = " ".join(f"{result[name][key] / scale:9.2f}" for key in ("min", "median", "max"))
            print(f"{name:8} {row} {unit}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
