"""What the Hadoop client says while a job runs: which application it is, how far, and that nobody answers it."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable

from drivers.terminal.progress import Meter

Tell = Callable[[str], None]

SHARE_OF_MAPS = 0.9  # of the time that a job takes
# A client waits for a ResourceManager that is gone for a quarter of an hour; the switches that shorten this would go with
# the job, which had better wait.
SECONDS_WITHOUT_CLUSTER = 30.0
SECONDS_BETWEEN_TRIES = 45.0  # at most, of one outage


class ClusterGoneError(ConnectionError):
    """Nobody has answered the client for too long."""


class HadoopNews(logging.Handler):
    """Reads the lines of the Hadoop client, which mrjob logs.

    begins: told of what is about to be there: the folder of the job's own files on HDFS, then the application
    ends: told of them again when the job has ended
    """

    def __init__(self, meter: Meter, begins: Tell = lambda thing: None, ends: Tell = lambda thing: None) -> None:
        super().__init__()
        self.meter, self.begins, self.ends = meter, begins, ends
        self.application: str | None = None  # that is there, or is about to be
        self._begun: list[str] = []
        self._last_word = time.monotonic()
        self._outage = -math.inf, -math.inf  # when the last one began, and when it was last told of

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if "Retrying connect" not in line:
            self._last_word = time.monotonic()
        submitting = re.search(r"\bSubmitting tokens for job: job_(\d+_\d+)", line)
        folder = re.search(r"\bfor path: (\S+/\.staging/job_\d+_\d+)", line)
        trying = re.search(r"\bRetrying connect to server: (\S+?)\. ", line)
        application, percent = application_of(line), percent_of(line)
        if submitting:
            self.application = f"application_{submitting.group(1)}"
            self._begins(self.application)
        elif folder:
            self._begins(folder.group(1))
        elif trying:
            self._wait_for(trying.group(1))
        elif application:
            self.application = application
            self.meter.say(application)
            self.meter.set(None, "waiting for the cluster")
        elif percent:
            maps, reduces = percent
            if self.meter.share is None:
                self.meter.hurry()
            share = (SHARE_OF_MAPS * maps + (1 - SHARE_OF_MAPS) * reduces) / 100
            self.meter.set(share, f"map {maps} %, reduce {reduces} %")
        elif re.search(r"\bJob job_\S+ (completed|failed)\b", line):
            self.end()

    def end(self) -> None:
        """The job has ended."""
        self.application = None
        while self._begun:
            self.ends(self._begun.pop())

    def _begins(self, thing: str) -> None:
        self._begun.append(thing)
        self.begins(thing)

    def _wait_for(self, server: str) -> None:
        """:raises ClusterGoneError: when the client has tried for too long"""
        now = time.monotonic()
        began, last = self._outage
        if now - last > SECONDS_BETWEEN_TRIES:
            # Another outage. Until there is a job, the client is silent while it waits, which it may do for long before it
            # says so; later, while all goes well.
            self._outage = self._last_word if self.application is None else now, now
            return
        self._outage = began, now
        if now - began > SECONDS_WITHOUT_CLUSTER:
            raise ClusterGoneError(f"{server} has not answered for {now - began:.0f} seconds")


def application_of(line: str) -> str | None:
    """The id in the line that tells of a job's submission to YARN."""
    found = re.search(r"\bSubmitted application (application_\d+_\d+)", line)
    return found and found.group(1)


def percent_of(line: str) -> tuple[int, int] | None:
    """How much of the maps and of the reduces a line says is done."""
    found = re.fullmatch(r"\s*map (\d+)% reduce (\d+)%\s*", line)
    return (int(found.group(1)), int(found.group(2))) if found else None
