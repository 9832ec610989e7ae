"""A run: the passes of one driver over one pack, each in the ledger, each phase resumable.

statistics = run.scan("exact", MRWOLS, query, design)        one pass; of a job with many keys the results of all of them
fit = run.iterate("descent", MRWOLSGradient, design, start)  one pass an iteration, by the one training loop
"""

from __future__ import annotations

import glob
import os
import shlex
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from drivers import interruption
from drivers.loop import Fit, iterate
from drivers.packing.cache import Pack
from drivers.run_directory import LOG, RunDirectory
from drivers.runners.execution import execute, lines_of, set_up
from drivers.runners.leftovers import Leftovers
from drivers.runners.runner import Runner
from drivers.terminal.progress import Meter, Progress
from jobs.block_job import BlockJob, ScanQuery
from jobs.design import Design, RowCounts
from jobs.errors import ScanError
from jobs.records import Record
from jobs.text import TextFormat


class Run:
    """See the module.

    `text` says how tasks read the original files, so that the query of a pass fits them too (None where they cannot);
    `warnings` gathers what the user must know of the result.
    """

    def __init__(
        self,
        directory: RunDirectory,
        pack: Pack,
        text: TextFormat | None,
        runner_alias: str | None,
        mrjob_args: list[str],
        keep_passes: int = 5,
        progress: Progress | None = None,
        leftovers: Leftovers | None = None,
        runner: Runner | None = None,
    ) -> None:
        self.directory, self.pack, self.text = directory, pack, text
        self.progress = progress or Progress(quiet=True)
        self.keep_passes = keep_passes
        self.leftovers = leftovers or Leftovers(directory.file("leftovers"))
        self.alias = runner_alias or "inline"
        self.mrjob_args = mrjob_args
        checkpoint = directory.checkpoint()
        self.n_passes = checkpoint["n_passes"]
        directory.keep_passes(self.n_passes)
        self.counts = RowCounts.from_json(checkpoint["counts"]) if checkpoint["counts"] else RowCounts()  # of the last pass
        self.warnings: list[str] = []  # of the passes; see `all_warnings`
        self._entry: dict[str, Any] = {}  # of the last pass in the ledger
        self._runner, self._is_ready = runner, False
        self._log = directory.file(LOG)
        os.makedirs(directory.file("queries"), exist_ok=True)

    def close(self) -> None:
        """Ends what the runner has outside the run's directory.

        :raises ScanError: what could not be removed
        """
        if self._runner is not None:
            self._runner.close()

    # -- phases ------------------------------------------------------------------------------------------------------

    def scan(self, phase: str, job: type[BlockJob], question: Record, design: Design) -> Any:
        """A phase of one pass: the merged statistics of all rows, or the results of an MRKeyed; from the checkpoint when
        the pass has been made already.

        :raises ScanError: a job that failed, or one that did not see every row once
        """
        answer = self.directory.load_phase(phase, job.answer_class)
        if answer is None:
            answer = self._pass(job, question, design, {"phase": phase})
            self._save(phase, answer)
        return answer.result

    def stream(
        self, phase: str, job: type[BlockJob], query: ScanQuery, finish: Callable[[Any], Any], switches: Sequence[str] = ()
    ) -> Any:
        """A phase of one pass whose output is too large to be held: the answer that `finish` makes of mrjob's runner of the
        job when it has run.

        :param switches: of this job alone
        :raises ScanError: as `scan`
        """
        answer = self.directory.load_phase(phase, job.answer_class)
        if answer is None:
            answer = self._run_pass(job, query, {"phase": phase}, finish, switches)
            self._save(phase, answer)
        return answer

    def iterate(
        self, phase: str, job: type[BlockJob], design: Design, start: Callable[[], Any], rises: bool = False,
        **loop_arguments: Any,
    ) -> Fit:  # fmt: skip
        """A phase of one pass an iteration: `drivers.loop.iterate` with the pass as its step.

        :param start: gives the state before the first pass; not asked where a checkpoint has one
        :param rises: whether a larger objective is better
        """

        def step(state: Any) -> Any:
            return self._pass(job, state.query(), design, {"phase": phase}).result

        def on_pass(fit: Fit) -> None:
            self._save(phase, fit)
            self.progress.iteration(fit, rises)

        checkpoint = self.directory.load_phase(phase, Fit)
        return iterate(
            step,
            state=checkpoint.state if checkpoint else start(),
            resume=checkpoint,
            on_pass=on_pass,
            **loop_arguments,
        )

    def all_warnings(self) -> list[str]:
        """What the user must know about the result: rows that were left out, and what the passes and the fit said."""
        left_out = {
            "bad rows left out, see rejects.csv": self.pack.manifest.n_rejected,
            "rows left out for a missing cell (--missing drop)": self.counts.missing,
            "rows left out of training as outliers, by the recipe": self.counts.rejected,
        }
        return [f"{what}: {n:,}" for what, n in left_out.items() if n] + self.warnings

    # -- one pass ----------------------------------------------------------------------------------------------------

    def _pass(self, job: type[BlockJob], question: Record, design: Design, entry: dict[str, Any]) -> Any:
        manifest = self.pack.manifest
        parts = np.column_stack([manifest.parts[:, 0], -(-manifest.parts[:, 1] // manifest.block_rows)])
        query = job.query_for(question, design, self.text, manifest.n_rows, parts)
        return self._run_pass(job, query, entry, lambda running: job.answer_from(list(lines_of(running)), query))

    def _run_pass(
        self, job: type[BlockJob], query: ScanQuery, entry: dict[str, Any], finish: Callable[[Any], Any],
        switches: Sequence[str] = (),
    ) -> Any:  # fmt: skip
        interruption.check()
        number = self.n_passes + 1
        path = self.directory.file("queries", f"{number:04d}.query")
        with open(path, "w", encoding="ascii") as f:
            f.write(query.to_line() + "\n")
        if self._runner is None:
            self._runner = set_up(self.alias, self.mrjob_args, self.directory, self.leftovers, self.progress)
        if not self._is_ready:
            self._runner.bring(self.pack)
            self._is_ready = True
        reducers = self._runner.reducers(job.n_reducers(query), self.pack.n_bytes)
        arguments = [
            f"--runner={self.alias}", *self._runner.arguments, *reducers, *switches, f"--query={path}",
            *self._runner.inputs,
        ]  # fmt: skip
        started = time.perf_counter()
        with self.progress.one_pass(number) as meter:
            answer = self._run_job(job, self._runner, arguments, meter, finish)
        seconds = time.perf_counter() - started
        self._check(answer)
        self.n_passes, self.counts = number, answer.counts
        script = os.path.join("jobs", os.path.basename(job.mr_job_script() or ""))
        self._entry = {
            "pass": number,
            "job": job.__name__,
            "runner": self.alias,
            **entry,
            "seconds": round(seconds, 4),
            "task_seconds": round(answer.task_seconds, 4),
            "rows_in": answer.counts.read + self.pack.manifest.n_rejected,
            "rows_used": answer.counts.used,
            "rows_rejected": answer.counts.rejected + self.pack.manifest.n_rejected,
            "rows_missing": answer.counts.missing,
            "n_blocks": answer.n_blocks,
            "n_tasks": answer.n_tasks,
            "bytes": _pass_bytes(self.pack, query.design),
            "query_md5": query.md5(),
            "statistics_md5": answer.statistics_md5,
            "environments": [[environment.to_json(), n] for environment, n in answer.environments],
            "command": shlex.join(["python", script, *arguments]),
        }
        self._forget_old_queries(number)
        return answer

    def _save(self, phase: str, record: Record) -> None:
        """Writes the last pass to the ledger, and to the checkpoint what has come of it: both, or with Ctrl-C neither."""
        with interruption.held():
            self.directory.append_pass(self._entry)
            self.directory.save_phase(phase, record, self.n_passes, self.counts)

    def _run_job(
        self, job: type[BlockJob], runner: Runner, arguments: list[str], meter: Meter,
        finish: Callable[[Any], Any],
    ) -> Any:  # fmt: skip
        def finishing(running: Any) -> Any:
            try:
                return finish(running)
            except ScanError as error:
                raise ScanError(f"{error}; the log is {self._log}") from None

        return execute(
            runner, job, arguments, meter, log=self._log, n_blocks=self.pack.manifest.n_blocks,
            last_seconds=self.progress.last_pass_seconds, say=self.progress.say, finish=finishing,
        )  # fmt: skip

    def _check(self, answer: Any) -> None:
        """Every row of the pack was seen once, and went one way."""
        counts = answer.counts
        if counts.read != self.pack.manifest.n_rows or counts.read != counts.used + counts.rejected + counts.missing:
            raise ScanError(
                f"the pass read {counts.read} rows of {self.pack.manifest.n_rows} (used {counts.used}, rejected "
                f"{counts.rejected}, missing {counts.missing}); its result is not to be trusted, the log is {self._log}"
            )
        kinds = {(e.numpy, e.blas, e.cpu) for e, _ in answer.environments}
        text = "the tasks of a pass ran on different numpy, BLAS or processors; the last digits depend on which"
        if len(kinds) > 1 and text not in self.warnings:
            self.warnings.append(text)

    def _forget_old_queries(self, number: int) -> None:
        for path in sorted(glob.glob(os.path.join(self.directory.file("queries"), "*.query"))):
            if int(os.path.basename(path)[:4]) <= number - self.keep_passes:
                with suppress(OSError):
                    os.remove(path)


def _pass_bytes(pack: Pack, design: Design) -> int:
    """What a pass reads: the columns of its design."""
    return 8 * pack.manifest.n_rows * len(design.columns())
