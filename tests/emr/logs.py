"""What EMR leaves on S3 of a cluster: the logs of its steps, its containers and its bootstrap actions, and job histories.

mrjob and people read these; the places and the wording are those of EMR and Hadoop.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from tests.emr.attempt import Attempt

NAMES = {"m": "MAP", "r": "REDUCE"}
HISTORY_EVENT = "org.apache.hadoop.mapreduce.jobhistory."


def log_line(level: str, logger: str, message: str) -> str:
    now = datetime.now(timezone.utc)
    return f"{now:%Y-%m-%d %H:%M:%S},{now.microsecond // 1000:03d} {level} {logger} (main): {message}\n"


class Archive:
    """Sends logs to S3, at once or after a delay; at the end of a cluster what is still here."""

    def __init__(self, log_uri: str | None, write: Callable[[str, bytes], None], delay: float) -> None:
        self.log_uri = log_uri and log_uri.rstrip("/")
        self._write = write
        self._delay = delay
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, bytes]] = []

    def put(self, files: dict[str, str]) -> None:
        """Sends texts, each under its place below the folder of the cluster; they are packed with gzip."""
        if self.log_uri is None:
            return
        packed = [(f"{self.log_uri}/{place}.gz", gzip.compress(text.encode(), 1)) for place, text in files.items()]
        if not self._delay:
            self._send(packed)
            return
        with self._lock:
            self._waiting += packed
        timer = threading.Timer(self._delay, self.flush)
        timer.daemon = True
        timer.start()

    def flush(self) -> None:
        with self._lock:  # until they are there: who asks for the last ones waits for those on their way
            packed, self._waiting = self._waiting, []
            self._send(packed)

    def _send(self, packed: Sequence[tuple[str, bytes]]) -> None:
        for uri, data in packed:
            self._write(uri, data)


@dataclass
class StepLog:
    """The four logs of a step."""

    syslog: str = ""
    stderr: str = ""
    stdout: str = ""
    controller: str = ""

    def job(self, message: str, level: str = "INFO") -> None:
        self.syslog += log_line(level, "org.apache.hadoop.mapreduce.Job", message)

    def streaming(self, message: str, level: str = "INFO") -> None:
        self.syslog += log_line(level, "org.apache.hadoop.streaming.StreamJob", message)

    def files(self, step_id: str) -> dict[str, str]:
        return {f"steps/{step_id}/{name}": getattr(self, name) for name in ("syslog", "stderr", "stdout", "controller")}


@dataclass
class JobLog:
    """The logs of the tasks of one MapReduce job, and its history."""

    number: str
    attempts: list[Attempt]
    started: float = field(default_factory=time.time)

    def files(self, counters: Counter, succeeded: bool) -> dict[str, str]:
        """Name below the folder of logs -> text."""
        files = {}
        for attempt in self.attempts:
            folder = f"containers/application_{self.number}/{attempt.container}"
            files[f"{folder}/stderr"] = attempt.stderr
            files[f"{folder}/syslog"] = _task_syslog(attempt)
            files[f"{folder}/stdout"] = ""
        day = datetime.fromtimestamp(self.started, timezone.utc)
        end = "SUCCEEDED" if succeeded else "FAILED"
        name = f"job_{self.number}-{int(self.started * 1000)}-hadoop-streamjob.jar-{end}.jhist"
        files[f"hadoop-mapreduce/history/{day:%Y/%m/%d}/000000/{name}"] = self._history(counters, succeeded)
        return files

    def _history(self, counters: Counter, succeeded: bool) -> str:
        events: list[tuple[str, str, dict]] = []
        for attempt in self.attempts:
            kind = NAMES[attempt.kind]
            place = {"taskid": attempt.task_id, "taskType": kind, "attemptId": attempt.id}
            events.append((f"{kind}_ATTEMPT_STARTED", "TaskAttemptStarted", {**place, "containerId": attempt.container}))
            if attempt.error is not None:
                event = {**place, "status": "FAILED", "error": attempt.error}
                events.append((f"{kind}_ATTEMPT_FAILED", "TaskAttemptUnsuccessfulCompletion", event))
        if succeeded:
            totals = {"name": "TOTAL_COUNTERS", "groups": _groups(counters)}
            events.append(("JOB_FINISHED", "JobFinished", {"jobid": f"job_{self.number}", "totalCounters": totals}))
        lines = [json.dumps({"type": kind, "event": {HISTORY_EVENT + name: event}}) for kind, name, event in events]
        return "Avro-Json\n" + "".join(line + "\n" for line in lines)


def counters_message(counters: Counter) -> str:
    """Counters as the client of Hadoop prints them."""
    lines = [f"Counters: {len(counters)}"]
    for group in dict.fromkeys(group for group, _ in counters):
        lines.append(f"\t{group}")
        lines += [f"\t\t{name}={value}" for (of, name), value in counters.items() if of == group]
    return "\n".join(lines)


def _groups(counters: Counter) -> list[dict]:
    return [
        {
            "name": group,
            "displayName": group,
            "counts": [
                {"name": name, "displayName": name, "value": value} for (of, name), value in counters.items() if of == group
            ],
        }
        for group in dict.fromkeys(group for group, _ in counters)
    ]


def _task_syslog(attempt: Attempt) -> str:
    text = log_line("INFO", "org.apache.hadoop.mapred.YarnChild", f"Executing with tokens for {attempt.id}")
    if attempt.split is not None:
        place = f"{attempt.split.file.uri}:{attempt.split.start}+{attempt.split.length}"
        text += log_line("INFO", "org.apache.hadoop.mapred.MapTask", f"Processing split: {place}")
    if attempt.error is not None:
        message = f"Exception running child : {attempt.error}"
        text += log_line("WARN", "org.apache.hadoop.mapred.YarnChild", message)
    return text
