"""mrjob's EMR runner on a cluster that is there, with what a pass needs of AWS and no more: three small files to S3, one
step, a look at it now and then, and its output.

mrjob asks S3 where a bucket is before each file, asks EMR what the cluster is before and after a step, and sleeps ten
minutes for the logs of each step, also of one that went well. Here nothing is read after a step that went well; of one
that failed the logs are looked for as long as they may take to come.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any

import jobs.mrjob_compat  # noqa: F401  (before mrjob, see there)
from drivers.interruption import held
from drivers.runners.aws.clients import UnreachableError, client, explained, folder
from drivers.runners.aws.s3_files import S3Files
from drivers.runners.emr import steps as emr_steps
from drivers.runners.emr.clusters import (
    ENDED,
    OVER,
    SECONDS_UNREACHABLE,
    ClusterEndedError,
    describe,
    why_ended,
)
from drivers.runners.emr.logs import StepLogs
from drivers.runners.emr.steps import Step
from jobs.errors import ScanError

# isort: split
from mrjob.emr import EMRJobRunner
from mrjob.fs.composite import CompositeFilesystem
from mrjob.fs.local import LocalFilesystem
from mrjob.fs.s3 import S3Filesystem
from mrjob.step import StepFailedException

# EMR brings logs every five minutes, and the last ones when a cluster ends, or soon after.
SECONDS_FOR_LOGS, SECONDS_FOR_LAST_LOGS = 600.0, 60.0

log = logging.getLogger("mrjob.emr")


class OurS3(S3Filesystem):
    """mrjob's view of S3, where it writes by ours."""

    def __init__(self, files: S3Files) -> None:
        super().__init__()
        self._files = files

    def put(self, src: str, path: str) -> None:
        self._files.put_file(src, path)

    def mkdir(self, path: str) -> None:
        """S3 has no folders; and a bucket that is not there is not made."""


class EMRRunner(EMRJobRunner):
    """See the module. `files`, `tell` and `give_up` are set by who makes it.

    step_id: of the step that is there, or was the last
    tell: is told what the step does
    give_up: is called when a step has failed, before its logs are waited for
    """

    files: S3Files
    tell: Callable[[str], None]
    give_up: Callable[[], None]
    step_id: str | None = None
    _both: CompositeFilesystem | None = None

    @property
    def fs(self) -> CompositeFilesystem:
        if self._both is None:
            self._both = CompositeFilesystem()
            self._both.add_fs("s3", OurS3(self.files))
            self._both.add_fs("local", LocalFilesystem())
        return self._both

    def make_emr_client(self) -> Any:
        return client("emr", self._opts["region"])

    def cat_output(self) -> Iterator[bytes]:
        for uri in self.files.below(f"{folder(self.get_output_dir())}part-"):
            yield self.files.read(uri)

    # -- a job -------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        with explained(f"the job could not be given to {self._cluster_id}", self._opts["region"]):
            self._prepare_for_launch()
            steps = self._steps_to_submit()
        for step in steps:
            # A signal must not come between the step and its name.
            with held():
                self.step_id = emr_steps.submit(self._opts["region"], self._cluster_id, step)
                self._step_ids.append(self.step_id)
            log.info(f"the step {self.step_id} on {self._cluster_id}: {step['Name']}")
            done = self._await_step()
            log.info(f"the step {self.step_id} is {done.state} {done.reason}")
            if done.state != "COMPLETED":
                self._explain(done)
                raise StepFailedException(reason=done.reason or None, step_desc=f"the step {done.step_id}")

    def _check_output_not_exists(self) -> None:
        """Each job has a folder of its own."""

    def _await_step(self) -> Step:
        answered = time.monotonic()
        while True:
            time.sleep(self._opts["check_cluster_every"])
            try:
                step = self._look()
            except UnreachableError as error:
                if time.monotonic() - answered > SECONDS_UNREACHABLE:
                    raise
                log.warning(str(error))
                continue
            answered = time.monotonic()
            if step.is_over:
                return step
            self.tell(f"{step.step_id} is {step.state.lower().replace('_', ' ')}")

    def _look(self) -> Step:
        assert self.step_id is not None
        return emr_steps.look(self._opts["region"], self._cluster_id, self.step_id)

    # -- a step that failed ------------------------------------------------------------------------------------------------

    def _explain(self, step: Step) -> None:
        """Writes to the log why a step has failed.

        :raises ScanError: it was ended from outside
        """
        cluster = describe(self._opts["region"], self._cluster_id)
        if cluster.state in OVER:
            told = why_ended(cluster, self._opts["region"])
            raise ClusterEndedError(f"the cluster {self._cluster_id} has ended in the middle of a step: {told}")
        if step.state == "CANCELLED":
            raise ScanError(f"the step {step.step_id} on {self._cluster_id} was cancelled by somebody else")
        self.give_up()
        if not self._read_logs():
            return
        if cluster.log_uri is None:
            log.error(f"the cluster {self._cluster_id} keeps no logs")
            return
        logs = StepLogs(self.files, f"{folder(cluster.log_uri)}{self._cluster_id}/", step.step_id)
        log.info(f"the logs of the step come to {logs.folder}steps/{step.step_id}/")
        try:
            self._await_logs(logs)
        except ScanError as error:
            log.error(f"its logs cannot be read: {error}")
        for uri, text in logs.texts.items():
            log.error(f"{uri}\n{text}")

    def _await_logs(self, logs: StepLogs) -> None:
        deadline, has_ended = time.monotonic() + SECONDS_FOR_LOGS, False
        while True:
            if not has_ended and describe(self._opts["region"], self._cluster_id).state in ENDED:
                deadline, has_ended = min(deadline, time.monotonic() + SECONDS_FOR_LAST_LOGS), True
            is_last = time.monotonic() > deadline
            if logs.tell_why() or is_last:
                return
            self.tell(f"{logs.step_id} has failed, and its logs are on their way")
            time.sleep(self._opts["check_cluster_every"])

    # -- clean-up ----------------------------------------------------------------------------------------------------------

    def _cleanup_cloud_tmp(self) -> None:
        self.files.remove(self._cloud_tmp_dir)

    def _cleanup_cluster(self) -> None:
        """Who made it ends it."""

    def _cleanup_logs(self) -> None:
        """They belong to the cluster."""
