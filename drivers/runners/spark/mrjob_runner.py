"""mrjob's Spark runner with the client of application.py, which all jobs of a run share.

mrjob's own client is a new one for each job, and lives on where hang-ups are ignored, as under nohup; and mrjob uploads
what spark-submit brings itself, and counts in a Spark job of its own what is not counted here.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import jobs.mrjob_compat  # noqa: F401  (before mrjob, see there)
from drivers.runners.hadoop.files import HadoopFileSystem
from drivers.runners.hadoop.mrjob_runner import PLAIN
from drivers.runners.spark.application import Application, Tell

# isort: split
from mrjob.logs.log4j import _parse_hadoop_log4j_records
from mrjob.logs.step import _log_log4j_record
from mrjob.parse import is_uri
from mrjob.spark.runner import SparkMRJobRunner
from mrjob.step import StepFailedException

HARNESS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "harness.py")


class SparkRunner(SparkMRJobRunner):
    """See the module. `application`, `submit` and `environment` are set by who makes it; `tell` is told of the tasks at
    every change, and `wait` while there are none to be had."""

    application: Application
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

    def _spark_upload_args(self) -> list[str]:
        """Without the files, which each job has of its own."""
        arguments, _ = self._uploads()
        return arguments

    def _uploads(self) -> tuple[list[str], list[str]]:
        """The arguments of spark-submit that bring something, and the files that they would bring."""
        arguments = super()._spark_upload_args()
        if "--files" not in arguments:
            return arguments, []
        at = arguments.index("--files")
        return arguments[:at] + arguments[at + 2 :], [path.partition("#")[0] for path in arguments[at + 1].split(",")]

    def _py_files(self) -> list[str]:
        """Without the script of a job: it is a module of ours."""
        return super(SparkMRJobRunner, self)._py_files()

    def _job_script_module_name(self) -> str:
        return self._mrjob_cls.__module__

    def _spark_script_args(self, step_num: int, last_step_num: int | None = None) -> list[str]:
        arguments = super()._spark_script_args(step_num, last_step_num)
        place = arguments.index("--counter-output-dir")
        return arguments[:place] + arguments[place + 2 :]

    def _run_step_on_spark(self, step: dict[str, Any], step_num: int, last_step_num: int | None = None) -> None:
        if not self.application.is_running:
            self.application.start(
                [*self.get_spark_submit_bin(), *self._spark_submit_args(step_num), self._spark_script_path(step_num)],
                {
                    **os.environ,
                    **self._spark_cmdenv(step_num),
                    # Or else that of the user, who may like a notebook.
                    "PYSPARK_DRIVER_PYTHON": sys.executable,
                    **self.environment,
                },
            )
        arguments = self._spark_script_args(step_num, last_step_num)
        lines = self.application.run(arguments, self._uploads()[1], self.tell, self.wait)
        for record in _parse_hadoop_log4j_records(lines):
            _log_log4j_record(record)
        if self.application.status:
            reason = str(subprocess.CalledProcessError(self.application.status, self._args_for_spark_step(step_num)))
            raise StepFailedException(
                reason=reason, step_num=step_num, last_step_num=last_step_num, num_steps=self._num_steps()
            )
