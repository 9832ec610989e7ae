"""Steps on a cluster of EMR: submitted, looked at, cancelled."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from drivers.runners.aws.clients import client, explained

RUNNING = ("PENDING", "CANCEL_PENDING", "RUNNING")  # or about to
# The step's own processes end at once, instead of when they like.
CANCELLATION = "TERMINATE_PROCESS"
STEPS_A_REQUEST = 256  # to cancel
SECONDS_TO_END, SECONDS_BETWEEN_LOOKS = 20.0, 1.0


@dataclass(frozen=True)
class Step:
    """A step as AWS describes it.

    reason: why it is not running any more, in AWS's words
    """

    step_id: str
    state: str
    reason: str

    @property
    def is_over(self) -> bool:
        return self.state not in RUNNING


def submit(region: str, cluster_id: str, step: dict[str, Any]) -> str:
    """Gives a step to a cluster, as the arguments of AddJobFlowSteps have it; its id.

    :raises ScanError: the cluster does not take it
    """
    with explained(f"the step could not be given to {cluster_id}", region):
        return client("emr", region).add_job_flow_steps(JobFlowId=cluster_id, Steps=[step])["StepIds"][0]


def look(region: str, cluster_id: str, step_id: str) -> Step:
    """A step as it is now.

    :raises ScanError: there is none of this id, or it must not be looked at
    """
    with explained(f"the step {step_id} on {cluster_id} could not be looked up", region):
        status = client("emr", region).describe_step(ClusterId=cluster_id, StepId=step_id)["Step"]["Status"]
    told = status.get("FailureDetails", {}).get("Message") or status.get("StateChangeReason", {}).get("Message")
    return Step(step_id, status["State"], " ".join((told or "").split()))


def cancel_named(region: str, cluster_id: str, name: str) -> list[str]:
    """Cancels the steps on a cluster whose names begin so, if they run or wait, and lets them end; their ids.

    :raises ScanError: AWS does not tell which there are, or does not cancel them
    """
    emr = client("emr", region)
    with explained(f"the steps on {cluster_id} could not be listed", region):
        pages = emr.get_paginator("list_steps").paginate(ClusterId=cluster_id, StepStates=["PENDING", "RUNNING"])
        found = [step["Id"] for page in pages for step in page["Steps"] if step["Name"].startswith(name)]
    for i in range(0, len(found), STEPS_A_REQUEST):
        with explained(f"the steps on {cluster_id} could not be cancelled", region):
            some = found[i : i + STEPS_A_REQUEST]
            emr.cancel_steps(ClusterId=cluster_id, StepIds=some, StepCancellationOption=CANCELLATION)
    await_end(region, cluster_id, found)
    return found


def await_end(region: str, cluster_id: str, step_ids: Collection[str]) -> None:
    """Waits a little for steps that are being ended: what they still write comes before it is removed.

    :raises ScanError: they must not be looked at
    """
    deadline = time.monotonic() + SECONDS_TO_END
    while any(not look(region, cluster_id, step_id).is_over for step_id in step_ids) and time.monotonic() < deadline:
        time.sleep(SECONDS_BETWEEN_LOOKS)
