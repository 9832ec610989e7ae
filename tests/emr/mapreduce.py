"""The tasks of one job: map tasks, sort, reduce tasks, each attempted again when it fails."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.emr.attempt import Attempt, AttemptFailed, WorkingFolder
from tests.emr.node import Node, Processes, Stopped
from tests.emr.shuffle import Pair, join_pair, split_pair
from tests.emr.splits import Split, lines_of

DEFAULT_ATTEMPTS = 4

# What a map task hands on: for each reducer its pairs, sorted.
Runs = list[list[Pair]]


class TaskFailed(Exception):
    """A task has failed as often as it may; the message is its id."""


@dataclass
class Job:
    """A job as it has been set up, and its attempts.

    number: "timestamp_0001", the part that all its names share
    commands: of "mapper", "combiner" and "reducer"
    links: names in the working folders, and what they are links to
    data: the bytes of each input file, by URI
    partition: (key, number of reducers) -> reducer
    key: key -> what it is sorted by
    """

    number: str
    conf: dict[str, str]
    commands: dict[str, str]
    cmdenv: list[str]
    links: dict[str, Path]
    splits: list[Split]
    data: dict[str, bytes]
    n_reduces: int
    partition: Callable[[bytes, int], int]
    key: Callable[[bytes], Any]
    node: Node
    processes: Processes
    slots: int
    attempts: list[Attempt] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run_maps(self) -> list[Runs]:
        """The output of each map task. Without reducers that is one run, as the mapper wrote it.

        :raises TaskFailed: the job has failed
        :raises Stopped: it has been ended from outside
        """
        return self._all("m", len(self.splits), self._map)

    def run_reduces(self, runs: Sequence[Runs]) -> list[list[Pair]]:
        """The output of each reduce task.

        :raises TaskFailed: the job has failed
        :raises Stopped: it has been ended from outside
        """

        def reduce(attempt: Attempt, folder: WorkingFolder) -> list[Pair]:
            return self._reduce(attempt, folder, [run[attempt.number] for run in runs])

        return self._all("r", self.n_reduces, reduce)

    # -- tasks and attempts -----------------------------------------------------------------------------------------------

    def _all(self, kind: str, n: int, work: Callable[[Attempt, WorkingFolder], Any]) -> list[Any]:
        """Runs the tasks of one kind, a few at a time. When one fails for good the others are ended."""
        with ThreadPoolExecutor(self.slots) as pool:
            futures = [pool.submit(self._task, kind, number, work) for number in range(n)]
            wait(futures)
        errors = [error for error in (future.exception() for future in futures) if error is not None]
        if errors:
            raise next((error for error in errors if not isinstance(error, Stopped)), errors[0])
        return [future.result() for future in futures]

    def _task(self, kind: str, number: int, work: Callable[[Attempt, WorkingFolder], Any]) -> Any:
        name = "map" if kind == "m" else "reduce"
        n_attempts = int(self.conf.get(f"mapreduce.{name}.maxattempts", DEFAULT_ATTEMPTS))
        for count in range(n_attempts):
            attempt = self._new_attempt(kind, number, count)
            started = time.monotonic()
            conf = {**self.conf, **_task_conf(attempt)}
            folder = WorkingFolder(attempt, self.node, self.links, conf, self.cmdenv)
            try:
                result = work(attempt, folder)
                attempt.succeeded = True
                return result
            except AttemptFailed as failure:
                if self.processes.stopping:  # killed, which is no failure of its own
                    raise Stopped from None
                attempt.error = str(failure)
            finally:
                attempt.seconds = time.monotonic() - started
                folder.remove()
        self.processes.stop()
        raise TaskFailed(attempt.task_id)

    def _new_attempt(self, kind: str, number: int, count: int) -> Attempt:
        with self.lock:
            if self.processes.stopping:
                raise Stopped
            container = len(self.attempts) + 2  # the first one is that of the application master
            attempt = Attempt(
                kind,
                number,
                count,
                id=f"attempt_{self.number}_{kind}_{number:06d}_{count}",
                container=f"container_{self.number}_01_{container:06d}",
                split=self.splits[number] if kind == "m" else None,
            )
            self.attempts.append(attempt)
        return attempt

    # -- the work of a task -----------------------------------------------------------------------------------------------

    def _map(self, attempt: Attempt, folder: WorkingFolder) -> Runs:
        assert attempt.split is not None
        lines = list(lines_of(attempt.split, self.data[attempt.split.file.uri]))
        output = folder.pipe(self.commands["mapper"], b"".join(line + b"\n" for line in lines), self.processes)
        pairs = self._pairs(output, "map")
        attempt.input_records, attempt.output_records = len(lines), len(pairs)
        if not self.n_reduces:
            return [pairs]
        runs: Runs = [[] for _ in range(self.n_reduces)]
        for pair in self._in_no_order(sorted(pairs, key=self._pair_key), attempt.number):
            runs[self.partition(pair[0], self.n_reduces)].append(pair)
        if "combiner" not in self.commands:
            return runs
        return [self._combine(folder, run) if run else run for run in runs]

    def _combine(self, folder: WorkingFolder, run: list[Pair]) -> list[Pair]:
        """What the combiner makes of a run. Its lines are cut into keys and values like those of a reducer, by one field
        unless the job says otherwise, and it is believed to have kept the order of the keys."""
        return self._pairs(folder.pipe(self.commands["combiner"], self._reduce_input(run), self.processes), "reduce")

    def _reduce(self, attempt: Attempt, folder: WorkingFolder, runs: list[list[Pair]]) -> list[Pair]:
        merged = self._in_no_order(heapq.merge(*runs, key=self._pair_key), attempt.number)
        attempt.input_records = len(merged)
        if "reducer" not in self.commands:
            output = merged
        else:
            written = folder.pipe(self.commands["reducer"], self._reduce_input(merged), self.processes)
            # A reducer without input runs, and Streaming throws away what it writes.
            output = self._pairs(written, "reduce") if merged else []
        attempt.output_records = len(output)
        return output

    def _in_no_order(self, pairs: Iterable[Pair], seed: int) -> list[Pair]:
        """Hadoop promises no order among the values of a key: not that in which they were written."""
        random = Random(seed)
        shuffled: list[Pair] = []
        for _, group in itertools.groupby(pairs, self._pair_key):
            values = list(group)
            random.shuffle(values)
            shuffled += values
        return shuffled

    def _pair_key(self, pair: Pair) -> Any:
        return self.key(pair[0])

    def _pairs(self, output: bytes, name: str) -> list[Pair]:
        separator = self.conf.get(f"stream.{name}.output.field.separator", "\t").encode()
        if self.conf.get(f"stream.{name}.output") == "keyonlytext":
            return [(line, None) for line in output.splitlines()]
        n_fields = int(self.conf.get(f"stream.num.{name}.output.key.fields", 1))
        return [split_pair(line, separator, n_fields) for line in output.splitlines()]

    def _reduce_input(self, pairs: list[Pair]) -> bytes:
        separator = self.conf.get("stream.reduce.input.field.separator", "\t").encode()
        return b"".join(join_pair(pair, separator) + b"\n" for pair in pairs)


def _task_conf(attempt: Attempt) -> dict[str, str]:
    """The settings that are those of one attempt."""
    conf = {
        "mapreduce.task.id": attempt.task_id,
        "mapreduce.task.attempt.id": attempt.id,
        "mapreduce.task.partition": str(attempt.number),
        "mapreduce.task.ismap": "true" if attempt.kind == "m" else "false",
    }
    if attempt.split is not None:
        conf["mapreduce.map.input.file"] = attempt.split.file.uri
        conf["mapreduce.map.input.start"] = str(attempt.split.start)
        conf["mapreduce.map.input.length"] = str(attempt.split.length)
    return conf
