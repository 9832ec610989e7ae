"""Clusters on EMR: what is asked of AWS, and their life from the request to the end.

    request = ClusterRequest("us-west-1", n_core=19, idle_seconds=3600)
    cluster_id = create(request)
    wait_until_ready(request.region, cluster_id)
    terminate(request.region, cluster_id)

A cluster stays alive without steps, so that one serves all passes of a run, and AWS itself ends it when it was idle for
`idle_seconds`, whatever has become of the program that made it.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from drivers.runners.aws.clients import UnreachableError, client, explained, folder, meaning, split_uri
from drivers.runners.emr.request import BOOTSTRAP, TAG, ClusterRequest
from jobs.errors import ScanError

LIVE = ("STARTING", "BOOTSTRAPPING", "RUNNING", "WAITING", "TERMINATING")
READY = ("RUNNING", "WAITING")
ENDED = ("TERMINATED", "TERMINATED_WITH_ERRORS")
OVER = ("TERMINATING", *ENDED)
ENDED_DAYS = 7  # how far back ended clusters are listed
SECONDS_BETWEEN_LOOKS = 10.0
SECONDS_UNREACHABLE = 300.0  # for how long AWS may not answer while something is waited for

Tell = Callable[[str, float], None]  # the state of a cluster that is waited for, and the seconds waited


class ClusterEndedError(ScanError):
    """A cluster has ended that should not have; nothing is left that would cost."""


@dataclass(frozen=True)
class Cluster:
    """A cluster as AWS describes it.

    reason: why it changed its state, in AWS's words
    n_nodes: None where it is not told
    idle_seconds: after how long without work it ends itself; 0 for never, None where it is not told
    normalized_hours: AWS's own approximate measure of what it used
    """

    cluster_id: str
    name: str
    state: str
    reason: str
    created: datetime
    ended: datetime | None
    release: str
    tags: Mapping[str, str]
    log_uri: str | None
    is_protected: bool
    normalized_hours: int
    n_nodes: int | None = None
    idle_seconds: int | None = None

    @property
    def is_ours(self) -> bool:
        return TAG in self.tags

    @property
    def seconds(self) -> float:
        """How long it has been there."""
        return ((self.ended or datetime.now(timezone.utc)) - self.created).total_seconds()


def create(request: ClusterRequest) -> str:
    """Asks AWS for a cluster, and gives its id; it costs from now on.

    :raises ScanError: AWS refuses it, or the bucket for its logs
    """
    if request.script_uri:
        bucket, key = split_uri(request.script_uri)
        with explained(f"{request.script_uri} could not be written", request.region):
            client("s3", request.region).put_object(Bucket=bucket, Key=key, Body=BOOTSTRAP.encode())
    with explained("the cluster could not be created", request.region):
        return client("emr", request.region).run_job_flow(**request.to_api())["JobFlowId"]


def wait_until_ready(
    region: str, cluster_id: str, tell: Tell = lambda state, seconds: None, every: float | None = None
) -> Cluster:
    """Returns when a cluster takes steps, or has some already.

    :param every: seconds between two looks at it, instead of ten
    :raises ClusterEndedError: it ends instead; with the reason, and where its logs are
    :raises ScanError: it cannot be looked at, or AWS has not answered for minutes
    """
    started = answered = time.monotonic()
    state = "STARTING"
    while True:
        try:
            cluster = describe(region, cluster_id)
            state, answered = cluster.state, time.monotonic()
        except UnreachableError:
            if time.monotonic() - answered > SECONDS_UNREACHABLE:
                raise
        if state in READY:
            return cluster
        if state in OVER:
            raise ClusterEndedError(f"the cluster {cluster_id} did not start: {why_ended(cluster, region)}")
        tell(state, time.monotonic() - started)
        time.sleep(SECONDS_BETWEEN_LOOKS if every is None else every)


def describe(region: str, cluster_id: str) -> Cluster:
    """A cluster as it is now, in one request, without its nodes and idle time.

    :raises ScanError: there is none of this id, or it must not be looked at
    """
    with explained(f"{cluster_id} could not be looked up", region):
        told = client("emr", region).describe_cluster(ClusterId=cluster_id)["Cluster"]
    status = told["Status"]
    return Cluster(
        cluster_id=told["Id"],
        name=told["Name"],
        state=status["State"],
        reason=" ".join((status.get("StateChangeReason", {}).get("Message") or "").split()),
        created=status["Timeline"]["CreationDateTime"],
        ended=status["Timeline"].get("EndDateTime"),
        release=told.get("ReleaseLabel") or "",
        tags={tag["Key"]: tag["Value"] for tag in told.get("Tags", ())},
        # EMR gives back what it was told with another scheme.
        log_uri=re.sub("^s3n:", "s3:", told["LogUri"]) if told.get("LogUri") else None,
        is_protected=told.get("TerminationProtected", False),
        normalized_hours=told.get("NormalizedInstanceHours", 0),
    )


def list_clusters(region: str, everyone: bool = False, ended: bool = False) -> list[Cluster]:
    """The clusters of a region that live, oldest first, with their nodes and idle times.

    :param everyone: those too that were not made here
    :param ended: those too that have ended within the last days
    """
    emr = client("emr", region)
    searches: list[dict[str, Any]] = [{"ClusterStates": list(LIVE)}]
    if ended:
        since = datetime.now(timezone.utc) - timedelta(days=ENDED_DAYS)
        searches.append({"ClusterStates": list(ENDED), "CreatedAfter": since})
    found = []
    for search in searches:
        with explained(f"the clusters in {region} could not be listed", region):
            pages = emr.get_paginator("list_clusters").paginate(**search)
            found += [entry["Id"] for page in pages for entry in page["Clusters"]]
    # One may have ended between the searches.
    clusters = [describe(region, cluster_id) for cluster_id in dict.fromkeys(found)]
    chosen = sorted((c for c in clusters if everyone or c.is_ours), key=lambda c: c.created)
    return [_with_details(region, cluster) for cluster in chosen]


def why_ended(cluster: Cluster, region: str) -> str:
    """Why a cluster has ended, in words, and where its logs come to."""
    told = cluster.reason or f"it is {cluster.state}, and AWS gives no reason"
    words = [meaning(told, region) or told.rstrip(".")]
    if "bootstrap action" in told:
        words.append("nodes without a way to the internet cannot install numpy")
    if cluster.log_uri:
        words.append(f"its logs come to {folder(cluster.log_uri)}{cluster.cluster_id}/")
    return "; ".join(words)


def terminate_named(region: str, name: str) -> list[str]:
    """Ends all clusters of a name, of which there are two when AWS's answer to the request for one got lost; gives the ids
    of those that were alive.

    :raises ScanError: AWS does not tell which there are, or does not end one
    """
    with explained(f"the clusters in {region} could not be listed", region):
        pages = client("emr", region).get_paginator("list_clusters").paginate(ClusterStates=list(LIVE))
        found = [entry["Id"] for page in pages for entry in page["Clusters"] if entry["Name"] == name]
    return [cluster_id for cluster_id in found if terminate(region, cluster_id)]


def terminate(region: str, cluster_id: str) -> bool:
    """Ends a cluster; False when it had ended, or was ending, already.

    :raises ScanError: there is none of this id, or it is protected, which is not undone here
    """
    cluster = describe(region, cluster_id)
    if cluster.state in OVER:
        return False
    if cluster.is_protected:
        raise ScanError(
            f"{cluster_id} could not be ended: it is protected; `aws emr modify-cluster-attributes --region {region} "
            f"--cluster-id {cluster_id} --no-termination-protected` allows it"
        )
    with explained(f"{cluster_id} could not be ended", region):
        client("emr", region).terminate_job_flows(JobFlowIds=[cluster_id])
    return True


def _with_details(region: str, cluster: Cluster) -> Cluster:
    """With what takes further requests; what is not allowed, or not there any more, is not told."""
    from botocore.exceptions import ClientError

    emr = client("emr", region)
    n_nodes: int | None = None
    idle_seconds: int | None = None
    with explained(f"the details of {cluster.cluster_id} could not be looked up", region):
        with contextlib.suppress(ClientError):
            pages = emr.get_paginator("list_instance_groups").paginate(ClusterId=cluster.cluster_id)
            n_nodes = sum(group["RequestedInstanceCount"] for page in pages for group in page["InstanceGroups"])
        if cluster.state in LIVE:
            with contextlib.suppress(ClientError):
                policy = emr.get_auto_termination_policy(ClusterId=cluster.cluster_id).get("AutoTerminationPolicy") or {}
                idle_seconds = policy.get("IdleTimeout", 0)
    return replace(cluster, n_nodes=n_nodes, idle_seconds=idle_seconds)
