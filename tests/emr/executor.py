"""The life of clusters: a thread for each, which boots it, runs its steps one after another, and ends it.

STARTING -> BOOTSTRAPPING -> WAITING <-> RUNNING -> TERMINATING -> TERMINATED. A cluster that is not kept alive ends after
its last step, and is over before that step is told to be: whoever sees the step has ended finds all its logs.
"""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from moto.core.utils import utcnow

from tests.emr.arguments import NotModelled
from tests.emr.attempt import Attempt
from tests.emr.files import FileError, Files, has_scheme
from tests.emr.logs import Archive, StepLog, log_line
from tests.emr.moto_emr import Cluster, Step
from tests.emr.node import Node, Processes, Stopped
from tests.emr.streaming import Place, StreamingStep

COMMAND_RUNNER = "command-runner.jar"
SCRIPT_RUNNER = "script-runner.jar"
CANCEL_THE_REST = ("CANCEL_AND_WAIT", "TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW")
SECONDS_FOR_A_FIRST_STEP = 30.0
USER_REQUEST = ("TERMINATED", "USER_REQUEST", "Terminated by user request")


@dataclass
class Settings:
    """How the machines behave.

    slots: tasks that run at a time
    start_seconds: how long a cluster is STARTING
    log_seconds: how long after a step its logs come to S3, if the cluster lives on
    step_seconds: a step that takes longer is ended, as an error of the test
    """

    slots: int = 2
    start_seconds: float = 0.0
    log_seconds: float = 0.0
    step_seconds: float = 300.0


@dataclass
class StepRun:
    """A step that has had its turn, and the processes that it has."""

    cluster_id: str
    step: Step
    processes: Processes = field(default_factory=Processes)
    attempts: list[Attempt] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    seconds: float = 0.0


class Executor:
    """Runs what clients ask of EMR. What it cannot do, and its own mistakes, are in `errors`."""

    def __init__(
        self,
        folder: Path,
        python: Path,
        aws_environ: Mapping[str, str],
        s3_client: Any,
        settings: Settings,
        errors: list[str],
    ) -> None:
        self.folder = folder
        self.python = python
        self.aws_environ = aws_environ
        self.s3_client = s3_client
        self.settings = settings
        self.errors = errors
        self.runs: list[ClusterRun] = []

    def take(self, cluster: Cluster, request: dict[str, Any]) -> None:
        """Begins the life of a new cluster."""
        if request.get("StepConcurrencyLevel", 1) > 1:
            self.errors.append(f"{cluster.id}: steps side by side are not modelled")
        run = ClusterRun(self, cluster, request)
        self.runs.append(run)
        run.thread.start()

    def stop(self) -> None:
        """Ends all clusters and waits until nothing of them runs."""
        for run in self.runs:
            run.cluster.terminate()
        for run in self.runs:
            run.thread.join(30)
            if run.thread.is_alive():
                self.errors.append(f"{run.cluster.id} does not end")


class ClusterRun:
    """One cluster."""

    def __init__(self, executor: Executor, cluster: Cluster, request: dict[str, Any]) -> None:
        self.executor = executor
        self.cluster = cluster
        self.request = request
        self.steps: list[StepRun] = []
        self.thread = threading.Thread(target=self._run, name=cluster.id, daemon=True)
        self.processes = Processes()  # of the bootstrap actions, some of which stay in the background
        self.node = Node(executor.folder / cluster.id, executor.python, executor.aws_environ)
        self.files = Files(executor.s3_client, self.node.hdfs, self.node.home)
        log_uri = f"{cluster.log_uri.rstrip('/')}/{cluster.id}" if cluster.log_uri else None
        self.archive = Archive(log_uri, self._write_log, executor.settings.log_seconds)
        self.n_jobs = 0
        cluster.on_terminate = self._stop_processes
        cluster.on_cancel = self._cancel

    # -- from the threads of clients --------------------------------------------------------------------------------------

    def _stop_processes(self) -> None:
        self.processes.stop()
        for run in list(self.steps):
            run.processes.stop()

    def _cancel(self, step_id: str) -> None:
        for run in list(self.steps):
            if run.step.id == step_id:
                run.processes.stop()

    # -- in the thread of the cluster -------------------------------------------------------------------------------------

    def _run(self) -> None:
        end = ("TERMINATED_WITH_ERRORS", "INTERNAL_ERROR", "Internal error")
        try:
            end = self._live()
        except Exception:
            self.executor.errors.append(f"{self.cluster.id}: {traceback.format_exc()}")
        finally:
            self.processes.stop()
            self.archive.flush()
            if self.cluster.end_datetime is None:
                self.cluster.end(*end)

    def _live(self) -> tuple[str, str, str]:
        """From start to end: state, code and message of how it ended."""
        with self.cluster.changed:
            self.cluster.changed.wait_for(self._is_terminating, timeout=self.executor.settings.start_seconds)
            if not self._set_state("BOOTSTRAPPING"):
                return USER_REQUEST
        try:
            failure = self._bootstrap()
        except Stopped:
            return USER_REQUEST
        if failure:
            return "TERMINATED_WITH_ERRORS", "BOOTSTRAP_FAILURE", failure
        self.cluster.ready_datetime = utcnow()
        while True:
            step = self._next_step()
            if step is None:
                if self._is_terminating():
                    return USER_REQUEST
                return "TERMINATED", "ALL_STEPS_COMPLETED", "Steps completed"
            end = self._run_step(step)
            if end:
                return end

    def _is_terminating(self) -> bool:
        return self.cluster.state == "TERMINATING"

    def _set_state(self, state: str) -> bool:
        """Whether the cluster is not about to end; then it has this state."""
        with self.cluster.changed:
            if self._is_terminating():
                return False
            self.cluster.state = state
            return True

    def _bootstrap(self) -> str | None:
        """Runs the bootstrap actions; what EMR says when one fails."""
        node_id = _master_id(self.cluster)
        for number, action in enumerate(self.cluster.bootstrap_actions, 1):
            path = str(action.script_path)  # on S3, or on the node
            try:
                script = self.files.read(path if has_scheme(path) else f"file://{path}")
            except (FileError, OSError) as error:
                return f"On the master instance ({node_id}), bootstrap action {number} cannot be fetched: {error}"
            folder = self.node.folder / "bootstrap-actions" / str(number)
            status, stdout, stderr = self.node.run_script(script, list(action.args), self.processes, folder)
            if self._is_terminating():
                raise Stopped
            place = f"node/{node_id}/bootstrap-actions/{number}"
            texts = {"stdout": stdout.decode(errors="replace"), "stderr": stderr.decode(errors="replace")}
            self.archive.put({f"{place}/{name}": text for name, text in texts.items()})
            if status != 0:
                return f"On the master instance ({node_id}), bootstrap action {number} returned a non-zero return code"
        return None

    def _next_step(self) -> Step | None:
        """Waits for work; None when the cluster is to end."""
        patience = time.monotonic() + SECONDS_FOR_A_FIRST_STEP
        with self.cluster.changed:
            while True:
                if self._is_terminating():
                    return None
                waiting = self.cluster.waiting()
                if waiting:
                    step = waiting[0]
                    step.start()
                    step.state = self.cluster.state = "RUNNING"
                    return step
                if not self.cluster.keep_job_flow_alive_when_no_steps and (
                    self.cluster.steps or time.monotonic() > patience
                ):
                    return None
                self.cluster.state = "WAITING"
                self.cluster.changed.wait(1)

    # -- steps ------------------------------------------------------------------------------------------------------------

    def _run_step(self, step: Step) -> tuple[str, str, str] | None:
        """Runs a step and ends it, and the cluster first where this was its last."""
        run = StepRun(self.cluster.id, step)
        self.steps.append(run)
        if self._is_terminating() or step.state == "CANCEL_PENDING":  # since the step was chosen
            run.processes.stop()
        log = StepLog()
        watch = threading.Timer(self.executor.settings.step_seconds, self._give_up, [run])
        watch.daemon = True
        watch.start()
        status: int | None = None
        try:
            status = self._status(run, log)
        except Stopped:
            pass
        except NotModelled as reason:
            self.executor.errors.append(f"{step.id}: not modelled: {reason}")
            log.stderr += f"not modelled: {reason}\n"
            status = 1
        except Exception:
            self.executor.errors.append(f"{step.id}: {traceback.format_exc()}")
            status = 1
        finally:
            watch.cancel()
            run.processes.stop()
            run.seconds = time.monotonic() - run.started
        log.controller += log_line("INFO", "controller", f"Step {step.id} ended with exit status {status}")
        self.archive.put(log.files(step.id))
        return self._end_step(step, status, log)

    def _end_step(self, step: Step, status: int | None, log: StepLog) -> tuple[str, str, str] | None:
        with self.cluster.changed:
            if status != 0 and (self._is_terminating() or step.state == "CANCEL_PENDING"):
                status = None  # what was killed has failed only by the way
            failed = status is not None and status != 0
            if failed and step.action_on_failure in CANCEL_THE_REST:
                self.cluster.cancel_waiting()
            end = USER_REQUEST if self._is_terminating() else self._end_after(step, failed)
            if end:
                self.archive.flush()
                self.cluster.end(*end)
            elif not self.cluster.waiting():
                self.cluster.state = "WAITING"
            if failed:
                place = f"{self.archive.log_uri}/steps/{step.id}/stderr.gz" if self.archive.log_uri else ""
                step.failure = {"Reason": "Unknown Error.", "Message": log.stderr[:1000], "LogFile": place}
            if status is None:
                step.end("CANCELLED", "Job terminated" if end else "User request")
            else:
                step.end("FAILED" if failed else "COMPLETED")
        return end

    def _end_after(self, step: Step, failed: bool) -> tuple[str, str, str] | None:
        """How the cluster ends with this step, None if it goes on."""
        if failed and step.action_on_failure in ("TERMINATE_CLUSTER", "TERMINATE_JOB_FLOW"):
            return "TERMINATED_WITH_ERRORS", "STEP_FAILURE", "Shut down as step failed"
        if self.cluster.keep_job_flow_alive_when_no_steps or self.cluster.waiting():
            return None
        some_failed = failed or any(step.state == "FAILED" for step in self.cluster.steps)
        return "TERMINATED", "ALL_STEPS_COMPLETED", "Steps completed with errors" if some_failed else "Steps completed"

    def _status(self, run: StepRun, log: StepLog) -> int:
        """The exit status of a step."""
        jar, words = run.step.jar, list(run.step.args)
        log.controller += log_line("INFO", "controller", f"Running {jar} {words}")
        if jar == COMMAND_RUNNER and words[:1] == ["hadoop-streaming"]:
            return self._stream(run, log, words[1:])
        if jar == COMMAND_RUNNER and words[:1] == ["state-pusher-script"]:
            return 0
        if jar.rpartition("/")[2] == SCRIPT_RUNNER and words:
            folder = self.node.folder / "steps" / run.step.id
            status, stdout, stderr = self.node.run_script(self.files.read(words[0]), words[1:], run.processes, folder)
            log.stdout, log.stderr = stdout.decode(errors="replace"), stderr.decode(errors="replace")
            return status
        raise NotModelled(f"the jar {jar} with {words[:1]}")

    def _stream(self, run: StepRun, log: StepLog, words: list[str]) -> int:
        self.n_jobs += 1
        created: datetime = self.cluster.creation_datetime
        place = Place(self.node, self.files, int(created.timestamp() * 1000), self.n_jobs, self.executor.settings.slots)
        step = StreamingStep(words, place, run.processes, log, attempts=run.attempts)
        try:
            return step.run()
        finally:
            self.archive.put(step.logs)

    def _give_up(self, run: StepRun) -> None:
        self.executor.errors.append(f"{run.step.id} took longer than {self.executor.settings.step_seconds:g} s")
        run.processes.stop()

    def _write_log(self, uri: str, data: bytes) -> None:
        try:
            self.files.write(uri, data)
        except FileError as error:
            self.executor.errors.append(f"{self.cluster.id}: a log cannot be written: {error}")


def _master_id(cluster: Cluster) -> str:
    """The EC2 id of the primary node."""
    for instance in cluster.ec2_instances:
        if instance.instance_group.role == "MASTER":
            return instance.ec2_instance_id
    return "i-0000000000000000f"
