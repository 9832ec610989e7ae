"""The run directory: everything a run leaves behind, and all that --resume needs.

options.json     the command line and what it was parsed to      passes.jsonl   the ledger, a line a pass
checkpoint.json  where each phase stands                          queries/       the queries of the last passes
jobs.zip         the code that ran                                run.log        what the runners said
model.json       the result                                       report.html    the result with pictures
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from typing import Any

from drivers.paths import check_folder
from jobs.errors import ScanError
from jobs.records import Record, readable

OPTIONS, CHECKPOINT, LEDGER, MODEL, LOG = "options.json", "checkpoint.json", "passes.jsonl", "model.json", "run.log"


class RunDirectory:
    """One run's directory, held by one process at a time."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._lock = open(os.path.join(self.path, ".lock"), "w")  # noqa: SIM115  (held until the process ends)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ScanError(f"another process is running in {path}") from None
        # What a killed process left behind.
        shutil.rmtree(self.file("tmp"), ignore_errors=True)

    @classmethod
    def create(cls, path: str | None, name: str) -> RunDirectory:
        """A new directory: `path`, or runs/<name>-<time>.

        :raises ScanError: when it exists and holds something
        """
        if path is None:
            stamp = time.strftime("%Y%m%d-%H%M%S")
            candidates = [f"runs/{name}-{stamp}"] + [f"runs/{name}-{stamp}-{i}" for i in range(2, 100)]
            path = next(candidate for candidate in candidates if not os.path.exists(candidate))
        check_folder(path, "run directory", "--run-dir")
        # A run that was interrupted before it began may have left these.
        if os.path.isdir(path) and set(os.listdir(path)) - {".lock", f".{OPTIONS}.partial"}:
            raise ScanError(f"the run directory {path} is not empty; give another, or --resume {path} to go on with it")
        try:
            os.makedirs(path, mode=0o700, exist_ok=True)
            return cls(path)
        except OSError as error:
            raise ScanError(f"the run directory {path} cannot be made: {error.strerror}") from None

    @classmethod
    def open(cls, path: str) -> RunDirectory:
        """The directory of a run that has begun.

        :raises ScanError: when there is none
        """
        if not os.path.exists(os.path.join(path, OPTIONS)):
            raise ScanError(f"{path} is not the directory of a run: it has no {OPTIONS}")
        check_folder(path, "run directory", "--run-dir")
        return cls(path)

    def close(self) -> None:
        """Lets go of the directory."""
        self._lock.close()

    def file(self, *names: str) -> str:
        """The path of a file in the directory."""
        return os.path.join(self.path, *names)

    def has_log(self) -> bool:
        """Whether a runner has said anything in this run."""
        return os.path.exists(self.file(LOG))

    def write(self, name: str, text: str) -> None:
        """Writes a file so that a reader, or the next run, finds the old or the new one whole."""
        partial = self.file(f".{name}.partial")
        with open(partial, "w", encoding="utf-8") as f:
            f.write(text)
            f.flush()
            os.fsync(f.fileno())
        os.replace(partial, self.file(name))

    def write_json(self, name: str, value: Any) -> None:
        """Writes readable JSON, NaN and infinities as strings."""
        self.write(name, json.dumps(readable(value), indent=2, allow_nan=False) + "\n")

    def read_json(self, name: str) -> Any:
        """Reads a JSON file of the directory.

        :raises ScanError: when it is not there or damaged
        """
        try:
            with open(self.file(name), encoding="utf-8") as f:
                return json.load(f)
        except (OSError, ValueError) as error:
            raise ScanError(f"{self.file(name)} cannot be read: {error}") from None

    # -- checkpoint: one record for each phase, and the passes they took ----------------------------------------------

    def save_phase(self, phase: str, record: Record, n_passes: int, counts: Record) -> None:
        """Remembers where a phase stands, how many passes the run has made, and what became of the rows in the last."""
        phases = {**self.checkpoint()["phases"], phase: record.to_line()}
        self.write_json(CHECKPOINT, {"n_passes": n_passes, "counts": counts.to_json(), "phases": phases})

    def load_phase(self, phase: str, cls: type[Record]) -> Any:
        """Where a phase stood, None when it has not begun."""
        line = self.checkpoint()["phases"].get(phase)
        return None if line is None else cls.from_line(line)

    def checkpoint(self) -> dict[str, Any]:
        """The checkpoint as it is on disk."""
        if not os.path.exists(self.file(CHECKPOINT)):
            return {"n_passes": 0, "counts": None, "phases": {}}
        return self.read_json(CHECKPOINT)

    # -- ledger ------------------------------------------------------------------------------------------------------

    def append_pass(self, entry: dict[str, Any]) -> None:
        """Adds a line to the ledger."""
        with open(self.file(LEDGER), "a", encoding="utf-8") as f:
            f.write(json.dumps(readable(entry), allow_nan=False) + "\n")
            f.flush()
            os.fsync(f.fileno())

    def keep_passes(self, n_passes: int) -> None:
        """Takes from the ledger what the checkpoint knows nothing of: a pass that a crash came after, a line cut short."""
        lines = [json.dumps(entry, allow_nan=False) + "\n" for entry in self.passes() if entry["pass"] <= n_passes]
        if os.path.exists(self.file(LEDGER)):
            self.write(LEDGER, "".join(lines))

    def passes(self) -> list[dict[str, Any]]:
        """The ledger; a last line cut short by a crash is left out."""
        if not os.path.exists(self.file(LEDGER)):
            return []
        entries = []
        with open(self.file(LEDGER), encoding="utf-8") as f:
            for line in f:
                try:
                    entries.append(json.loads(line))
                except ValueError:
                    break
        return entries
