"""moto's EMR with what real EMR does and moto does not: clusters that take their time, queues, refusals, policies.

moto keeps no clock: its clusters are ready or over as soon as they are made, and its steps never run. Here a new cluster
is STARTING and every step PENDING until the executor takes them on.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from moto.core.responses import ActionResult, BaseResponse, EmptyResult
from moto.core.utils import utcnow
from moto.emr import models
from moto.emr.exceptions import InvalidCluster, InvalidRequestException, ValidationException
from moto.emr.responses import ElasticMapReduceResponse
from moto.iam import models as iam_models

ENDED = ("TERMINATED", "TERMINATED_WITH_ERRORS")
HADOOP_VERSIONS = (((7, 8), "3.4.1"), ((7, 4), "3.4.0"), ((7, 0), "3.3.6"), ((6, 0), "3.2.1"), ((0, 0), "2.8.5"))
STEP_CHARACTERS = 10240
IDLE_SECONDS = range(60, 604800 + 1)


class Step(models.Step):
    """A step that waits for its turn."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(state="PENDING", **keywords)
        self.failure: dict[str, str] | None = None

    def end(self, state: str, reason: str | None = None) -> None:
        self.end_date_time = utcnow()
        self.last_state_change_reason = reason
        self.state = state

    @property
    def status(self) -> dict[str, Any]:
        return {**super().status, **({"FailureDetails": self.failure} if self.failure else {})}


class Cluster(models.Cluster):
    """A cluster whose state is the executor's. `changed` is notified of what clients do to it, and guards the states."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        self.changed = threading.Condition()
        self.reason: dict[str, str] = {}
        self.idle_policy: dict[str, Any] | None = None
        self.on_terminate: Callable[[], None] = lambda: None
        self.on_cancel: Callable[[str], None] = lambda step_id: None
        super().__init__(*arguments, **keywords)
        for step in self.steps:
            step.start_date_time = None

    @property
    def status(self) -> dict[str, Any]:
        return {**super().status, "StateChangeReason": self.reason}

    def run_bootstrap_actions(self) -> None:
        """The executor does."""

    def add_applications(self, applications: list[dict[str, Any]]) -> None:
        # moto knows a version only where the request gives one, and gives its own default no name.
        for application in applications:
            name = application.get("Name") or application.get("name")
            version = hadoop_version(self.release_label) if name == "Hadoop" else application.get("Version")
            self.applications.append(models.Application(name, version, application.get("Args", []), {}))

    def add_steps(self, steps: list[dict[str, Any]]) -> list[models.Step]:
        with self.changed:
            if getattr(self, "state", None) in (*ENDED, "TERMINATING"):
                raise ValidationException("A job flow that is shutting down, terminated, or finished may not be modified.")
            added = [Step(**step) for step in steps]
            if any(len(step.jar) + sum(map(len, step.args)) > STEP_CHARACTERS for step in added):
                raise ValidationException(f"The string values of a step exceed a total of {STEP_CHARACTERS} characters.")
            self.steps += added
            self.changed.notify_all()
        return added

    def terminate(self) -> None:
        with self.changed:
            if self.state not in ENDED:
                self.state = "TERMINATING"
                self.reason = {"Code": "USER_REQUEST", "Message": "User request"}
                self.changed.notify_all()
        self.on_terminate()

    def end(self, state: str, code: str, message: str) -> None:
        """The cluster is over; what still waits in its queue is cancelled."""
        with self.changed:
            self.cancel_waiting()
            self.end_datetime = utcnow()
            self.reason = {"Code": code, "Message": message}
            for group in self.instance_groups:
                group.state, group.end_date_time = "TERMINATED", self.end_datetime
            self.state = state

    def waiting(self) -> list[Step]:
        return [step for step in self.steps if step.state == "PENDING"]

    def cancel_waiting(self) -> None:
        for step in self.waiting():
            step.end("CANCELLED", "Job terminated")


class Clusters(dict):
    """Clusters by id; the wrong id is refused and no error of the server."""

    def __missing__(self, cluster_id: str) -> Any:
        raise InvalidCluster(cluster_id)


def hadoop_version(release_label: str | None) -> str:
    """That of a release of EMR: emr-7.9.0 has 3.4.1."""
    release = tuple(map(int, re.findall(r"\d+", release_label or "0.0")[:2]))
    return next(version for first, version in HADOOP_VERSIONS if release >= first)


@contextmanager
def real_emr(created: Callable[[Cluster, dict[str, Any]], None]) -> Iterator[None]:
    """Makes moto's EMR behave; `created` is told of each new cluster and the request that made it, as it was received."""
    run_job_flow = ElasticMapReduceResponse.run_job_flow

    def backend(self: ElasticMapReduceResponse) -> models.ElasticMapReduceBackend:
        found = models.emr_backends[self.current_account][self.region]
        if not isinstance(found.clusters, Clusters):
            found.clusters = Clusters(found.clusters)
        return found

    def run(self: ElasticMapReduceResponse) -> ActionResult:
        request = json.loads(self.body)
        policy = request.get("AutoTerminationPolicy")
        _check_policy(policy)
        result = run_job_flow(self)
        cluster = self.backend.clusters[result.result["JobFlowId"]]
        cluster.idle_policy = policy
        created(cluster, request)
        return result

    def describe_step(self: Any, cluster_id: str, step_id: str) -> models.Step:
        for step in self.clusters[cluster_id].steps:
            if step.id == step_id:
                return step
        raise InvalidRequestException(f"Step id '{step_id}' is not valid.")

    replaced = [
        (models, "Cluster", Cluster),
        (ElasticMapReduceResponse, "backend", property(backend)),
        (models.ElasticMapReduceBackend, "describe_step", describe_step),
        (ElasticMapReduceResponse, "run_job_flow", run),
        # A client of another region does not see the cluster; moto has all in one where the host names no region.
        (ElasticMapReduceResponse, "get_region_from_url", BaseResponse.get_region_from_url),
        (ElasticMapReduceResponse, "cancel_steps", _cancel_steps),
        (ElasticMapReduceResponse, "put_auto_termination_policy", _put_policy),
        (ElasticMapReduceResponse, "get_auto_termination_policy", _get_policy),
        (ElasticMapReduceResponse, "remove_auto_termination_policy", _remove_policy),
        # Roles that mrjob makes for itself have policies of AWS attached.
        (iam_models, "load_iam_aws_managed_policies", lambda: True),
    ]
    with ExitStack() as stack:
        for owner, name, value in replaced:
            stack.enter_context(patch.object(owner, name, value, create=not hasattr(owner, name)))
        yield


# -- requests that moto does not know ------------------------------------------------------------------------------------


def _cancel_steps(self: ElasticMapReduceResponse) -> ActionResult:
    cluster = self.backend.clusters[self._get_param("ClusterId")]
    answers = []
    for step_id in self._get_param("StepIds"):
        step = self.backend.describe_step(cluster.id, step_id)
        with cluster.changed:
            state = step.state
            if state == "PENDING":
                step.end("CANCELLED", "User request")
            elif state == "RUNNING":
                step.state = "CANCEL_PENDING"
        if state == "RUNNING":
            cluster.on_cancel(step_id)
        submitted = state in ("PENDING", "RUNNING")
        reason = "" if submitted else f"Cannot cancel a step whose state is {state}"
        answers.append({"StepId": step_id, "Status": "SUBMITTED" if submitted else "FAILED", "Reason": reason})
    return ActionResult({"CancelStepsInfoList": answers})


def _put_policy(self: ElasticMapReduceResponse) -> ActionResult:
    policy = json.loads(self.body).get("AutoTerminationPolicy")
    _check_policy(policy)
    self.backend.clusters[self._get_param("ClusterId")].idle_policy = policy
    return EmptyResult()


def _get_policy(self: ElasticMapReduceResponse) -> ActionResult:
    policy = self.backend.clusters[self._get_param("ClusterId")].idle_policy
    return ActionResult({"AutoTerminationPolicy": policy} if policy else {})


def _remove_policy(self: ElasticMapReduceResponse) -> ActionResult:
    self.backend.clusters[self._get_param("ClusterId")].idle_policy = None
    return EmptyResult()


def _check_policy(policy: dict[str, Any] | None) -> None:
    if policy is not None and policy.get("IdleTimeout") not in IDLE_SECONDS:
        raise ValidationException("The idle timeout of an auto-termination policy must be from 60 to 604800 seconds.")
