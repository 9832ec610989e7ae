"""One attempt at a task: a fresh working folder with links to the shipped files, a clean environment, its processes."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.emr.arguments import split_command
from tests.emr.node import Node, Processes
from tests.emr.splits import Split

SECONDS_BETWEEN_LOOKS = 0.01
BUFFER_BYTES = 128 << 10
COUNTER = "reporter:counter:"
WAIT_TRACE = """java.lang.RuntimeException: PipeMapRed.waitOutputThreads(): subprocess failed with code %d
\tat org.apache.hadoop.streaming.PipeMapRed.waitOutputThreads(PipeMapRed.java:326)
\tat org.apache.hadoop.streaming.PipeMapRed.mapRedFinished(PipeMapRed.java:539)
\tat org.apache.hadoop.mapred.YarnChild.main(YarnChild.java:172)"""
CONFIGURE_TRACE = """java.lang.RuntimeException: Error in configuring object
\tat org.apache.hadoop.util.ReflectionUtils.setJobConf(ReflectionUtils.java:113)
Caused by: java.io.IOException: Cannot run program "%s": %s
\tat java.lang.ProcessBuilder.start(ProcessBuilder.java:1048)"""
PIPE_TRACE = """java.io.IOException: Broken pipe
\tat java.io.FileOutputStream.writeBytes(Native Method)
\tat org.apache.hadoop.streaming.PipeMapper.map(PipeMapper.java:106)"""


class AttemptFailed(Exception):
    """The attempt failed; the message is what Hadoop says of it."""


@dataclass
class Attempt:
    """An attempt, and afterwards what became of it.

    kind: "m" or "r"
    environment: what its processes got
    error: what Hadoop said of it, None if it has not failed
    succeeded: it went well; one that was ended from outside neither failed nor succeeded
    """

    kind: str
    number: int
    attempt: int
    id: str
    container: str
    split: Split | None = None
    environment: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    succeeded: bool = False
    seconds: float = 0.0
    stderr: str = ""
    counters: Counter = field(default_factory=Counter)
    input_records: int = 0
    output_records: int = 0

    @property
    def task_id(self) -> str:
        return self.id.replace("attempt_", "task_").rpartition("_")[0]


class WorkingFolder:
    """Where the processes of one attempt run, in a place of its own."""

    def __init__(
        self, attempt: Attempt, node: Node, links: Mapping[str, Path], conf: Mapping[str, str], cmdenv: list[str]
    ) -> None:
        self.attempt = attempt
        self.conf = conf
        self.folder = node.folder / "containers" / attempt.container
        (self.folder / "tmp").mkdir(parents=True)
        for name, target in links.items():
            (self.folder / name).symlink_to(target)
        attempt.environment = {
            **node.environment(),
            "PWD": str(self.folder),
            "LD_LIBRARY_PATH": str(self.folder),
            "CONTAINER_ID": attempt.container,
            **{re.sub(r"[^0-9A-Za-z]", "_", name): value for name, value in conf.items()},
            **_values_for_environment(cmdenv),
            "TMPDIR": str(self.folder / "tmp"),
        }

    def pipe(self, command: str, data: bytes, processes: Processes) -> bytes:
        """Sends data through a command: its stdout. Counters and the rest of stderr go to the attempt.

        :raises AttemptFailed: it fails, is killed, does not read its input, or is silent for too long
        :raises Stopped: the step is over
        """
        words = split_command(command)
        program = self._program(words[0])
        out, err = Path(f"{self.folder}.stdout"), Path(f"{self.folder}.stderr")
        with open(out, "wb") as stdout, open(err, "wb") as stderr:
            try:
                process = processes.start(
                    [program, *words[1:]],
                    cwd=self.folder,
                    env=self.attempt.environment,
                    stdin=subprocess.PIPE,
                    stdout=stdout,
                    stderr=stderr,
                )
            except OSError as error:
                raise AttemptFailed(CONFIGURE_TRACE % (program, f"error={error.errno}, {error.strerror}")) from None
            feeder = Feeder(process, data)
            try:
                self._wait(process, feeder, [out, err])
            finally:
                status = processes.end(process)
                feeder.thread.join()
                self._take_stderr(err.read_bytes())
        if status != 0 and self.conf.get("stream.non.zero.exit.is.failure", "true") != "false":
            raise AttemptFailed(WAIT_TRACE % status)
        if feeder.broken:
            raise AttemptFailed(PIPE_TRACE)
        return out.read_bytes()

    def remove(self) -> None:
        shutil.rmtree(self.folder)
        for name in ("stdout", "stderr"):
            Path(f"{self.folder}.{name}").unlink(missing_ok=True)

    def _program(self, word: str) -> str:
        """A program is looked for in the working folder, then on the PATH, as any file that can be read."""
        if word.startswith("/"):
            return word
        own = self.folder / word
        if own.is_file():
            with contextlib.suppress(OSError):
                own.chmod(0o755)
        places = [self.folder, *map(Path, self.attempt.environment["PATH"].split(":"))]
        return next((str(place / word) for place in places if (place / word).is_file()), word)

    def _wait(self, process: subprocess.Popen, feeder: Feeder, outputs: list[Path]) -> None:
        timeout = int(self.conf.get("mapreduce.task.timeout", 600_000)) / 1000
        seen: object = None
        since = time.monotonic()
        while process.poll() is None:
            progress = (feeder.n_bytes, *(path.stat().st_size for path in outputs))
            if progress != seen:
                seen, since = progress, time.monotonic()
            if timeout and time.monotonic() - since > timeout:
                process.kill()
                raise AttemptFailed(f"AttemptID:{self.attempt.id} Timed out after {timeout:g} secs")
            time.sleep(SECONDS_BETWEEN_LOOKS)

    def _take_stderr(self, text: bytes) -> None:
        kept = []
        for line in text.decode(errors="replace").splitlines():
            if not line.startswith("reporter:"):
                kept.append(line)
            elif line.startswith(COUNTER):
                columns = line[len(COUNTER) :].strip().split(",")
                if len(columns) == 3 and re.fullmatch(r"-?\d+", columns[2]):
                    self.attempt.counters[columns[0], columns[1]] += int(columns[2])
        self.attempt.stderr += "".join(line + "\n" for line in kept)


class Feeder:
    """Writes to a process while it runs."""

    def __init__(self, process: subprocess.Popen, data: bytes) -> None:
        self.n_bytes = 0
        self.broken = False
        self.thread = threading.Thread(target=self._feed, args=(process, data), daemon=True)
        self.thread.start()

    def _feed(self, process: subprocess.Popen, data: bytes) -> None:
        assert process.stdin is not None
        try:
            while self.n_bytes < len(data):
                self.n_bytes += os.write(process.stdin.fileno(), data[self.n_bytes : self.n_bytes + BUFFER_BYTES])
        except BrokenPipeError:
            # What is in the buffer at the end goes out when the pipe is closed, and Streaming takes no notice of that.
            self.broken = len(data) - self.n_bytes > BUFFER_BYTES
        finally:
            process.stdin.close()


def _values_for_environment(cmdenv: list[str]) -> dict[str, str]:
    """Streaming joins what -cmdenv gives with spaces, and cuts it at spaces again."""
    pairs = (word.partition("=") for word in " ".join(cmdenv).split(" "))
    return {name: value for name, equals, value in pairs if equals}
