"""mrjob's Spark runner with a client that ends with this process, whatever ends it, and whose lines tell how far a job is.

mrjob's own client lives on where hang-ups are ignored, as under nohup; and mrjob uploads what spark-submit brings itself,
and counts in a Spark job of its own what is not counted here.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import jobs.mrjob_compat  # noqa: F401  (before mrjob, see there)
from drivers.interruption import held
from drivers.runners.hadoop.files import HadoopFileSystem
from drivers.runners.hadoop.mrjob_runner import PLAIN

# isort: split
from mrjob.logs.log4j import _parse_hadoop_log4j_records
from mrjob.logs.step import _log_log4j_record
from mrjob.parse import is_uri
from mrjob.spark.runner import SparkMRJobRunner
from mrjob.step import StepFailedException

Tell = Callable[[int, int, int, int], None]  # the number of the stage; how many tasks have ended, are running, are there
HARNESS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness.py")
SECONDS_FOR_CLIENT = 10.0
WAITING = b"Initial job has not accepted any resources"
BAR = re.compile(rb"\[Stage (\d+):[=> ]*\((\d+) \+ (\d+)\) / (\d+)\]")
# A terminal that goes away ends what has it, unless that ignores hang-ups, as what is started under nohup does.
ON_TERMINAL = (
    "import os, signal, sys; os.login_tty(0); signal.signal(signal.SIGHUP, signal.SIG_DFL); "
    "os.execvp(sys.argv[1], sys.argv[1:])"
)


class SparkRunner(SparkMRJobRunner):
    """See the module. `submit` and `environment` are set by who makes it; `tell` is told of the tasks at every change, and
    `wait` while there are none to be had."""

    submit: str
    environment: dict[str, str]
    files: HadoopFileSystem | None = None

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.tell: Tell = lambda stage, n_ended, n_running, n_tasks: None
        self.wait: Callable[[], None] = lambda: None

    def write_to(self, uri: str, files: HadoopFileSystem) -> None:
        """The output goes to a new folder on the cluster's file system, and is read from there."""
        self._output_dir, self.files = uri, files

    def cat_output(self) -> Iterator[bytes]:
        if self.files is None:
            yield from super().cat_output()
        else:
            yield from self.files.lines(f"{self._output_dir}/part-*")

    # -- where things are ------------------------------------------------------------------------------------------------

    def get_spark_submit_bin(self) -> list[str]:
        return self._opts["spark_submit_bin"] or [self.submit]

    def _pick_spark_tmp_dir(self) -> str:
        # Goes with the job.
        return self._get_local_tmp_dir()

    def _dest_in_wd_mirror(self, path: str, name: str) -> str | None:
        """Where a file is copied to under a name that Spark takes; None where it lies well."""
        folder = self._wd_mirror()
        if folder is None or is_uri(path) or PLAIN.fullmatch(path):
            return super()._dest_in_wd_mirror(path, name)
        return os.path.join(folder, name)

    def _upload_local_files(self) -> None:
        self._copy_files_to_wd_mirror()

    def _spark_harness_path(self) -> str:
        return HARNESS

    # -- its Python --------------------------------------------------------------------------------------------------------

    def _python_bin(self) -> list[str]:
        """The user's own is that of the workers; the driver of a job is this one."""
        return [sys.executable]

    def _task_python_bin(self) -> list[str]:
        return self._opts["task_python_bin"] or self._opts["python_bin"] or [sys.executable]

    # -- running -----------------------------------------------------------------------------------------------------------

    def _spark_submit_args(self, step_num: int) -> list[str]:
        return ["--conf", f"spark.app.name={self._job_key}", *super()._spark_submit_args(step_num)]

    def _spark_script_args(self, step_num: int, last_step_num: int | None = None) -> list[str]:
        arguments = super()._spark_script_args(step_num, last_step_num)
        place = arguments.index("--counter-output-dir")
        return arguments[:place] + arguments[place + 2 :]

    def _run_step_on_spark(self, step: dict[str, Any], step_num: int, last_step_num: int | None = None) -> None:
        arguments = self._args_for_spark_step(step_num, last_step_num)
        environment = {
            **os.environ,
            **self._spark_cmdenv(step_num),
            # Or else that of the user, who may like a notebook.
            "PYSPARK_DRIVER_PYTHON": sys.executable,
            **self.environment,
        }
        status = self._submit(arguments, environment)
        if status:
            reason = str(subprocess.CalledProcessError(status, arguments))
            raise StepFailedException(
                reason=reason, step_num=step_num, last_step_num=last_step_num, num_steps=self._num_steps()
            )

    def _submit(self, arguments: list[str], environment: dict[str, str]) -> int:
        """Runs the client on a terminal of its own, logs what it writes; gives its exit status."""
        ours, its = os.openpty()
        client = None
        try:
            try:
                with held():
                    client = subprocess.Popen(
                        [sys.executable, "-I", "-S", "-c", ON_TERMINAL, *arguments],
                        stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True,
                    )  # fmt: skip
            finally:
                os.close(its)
            for record in _parse_hadoop_log4j_records(self._lines(ours)):
                _log_log4j_record(record)
        finally:
            os.close(ours)
            if client is not None:
                _await(client)
        return client.returncode

    def _lines(self, terminal: int) -> Iterator[bytes]:
        """The lines that are written to a terminal, but for the bars, which are told."""
        begun = b""
        while True:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # all who could write have gone
                piece = b""
            if not piece:
                break
            *lines, begun = re.split(rb"[\r\n]+", begun + piece)
            for line in [*lines, begun]:
                bars = BAR.findall(line)
                if bars:
                    self.tell(*(int(number) for number in bars[-1]))
                elif WAITING in line:
                    self.wait()
            yield from (line for line in lines if line.strip() and not BAR.search(line))
        yield begun


def _await(client: subprocess.Popen) -> None:
    """The client's terminal is gone; it needs a moment to put things in order."""
    with suppress(subprocess.TimeoutExpired):
        client.wait(SECONDS_FOR_CLIENT)
        return
    with suppress(ProcessLookupError):
        os.killpg(client.pid, signal.SIGKILL)
    client.wait()
