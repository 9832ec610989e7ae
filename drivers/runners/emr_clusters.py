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
import hashlib
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

from drivers.durations import show_duration
from drivers.runners.aws import UnreachableError, client, explained, folder, meaning, split_uri
from jobs.errors import ScanError

# Python 3.9 and Hadoop 3.4.2, the Hadoop that hadoop/cluster.py runs.
RELEASE = "emr-7.13.0"
# A current one that EMR has in most regions: 4 processors, 16 GB. x86, not the cheaper ARM of m7g: another processor has
# other numeric kernels, and the last bits of a result would not be those of an x86 driver.
INSTANCE_TYPE = "m7i.xlarge"
SERVICE_ROLE, INSTANCE_PROFILE = "EMR_DefaultRole", "EMR_EC2_DefaultRole"
DEFAULT_CORE = 2
IDLE_RANGE = 60, 604_800  # seconds, what AWS takes
TAG = "scanlearn"
TAGS = {
    TAG: "1",
    # Without it AWS's managed policies allow nothing on the cluster.
    "for-use-with-amazon-emr-managed-policies": "true",
}
# What mrjob calls the fields of a request.
MRJOB_OPTIONS = {
    "region": "region", "release": "release_label", "primary_type": "master_instance_type",
    "core_type": "core_instance_type", "log_uri": "cloud_log_dir", "service_role": "iam_service_role",
    "instance_profile": "iam_instance_profile", "subnet": "subnet", "key_pair": "ec2_key_pair", "tags": "tags",
}  # fmt: skip
# The last numpy for the nodes' Python 3.9, by its number: nodes of next year compute as those of today.
NODE_NUMPY = "numpy==2.0.2"
BOOTSTRAP = f"""\
#!/bin/bash
# Gives numpy to the Python of a node.
set -e
python3 -c 'import numpy; exit(numpy.__version__ < "2")' 2> /dev/null && exit
python3 -m pip --version > /dev/null 2>&1 || sudo dnf install -y python3-pip
sudo python3 -m pip install {NODE_NUMPY}
"""

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
class ClusterRequest:
    """What is asked of AWS.

    n_core: nodes beside the primary one; with 0 the primary node does it all
    spot: core nodes that AWS may take back, for less; the primary node, with which the cluster would go, is never one
    log_uri: the s3://bucket/folder/ that gets the logs; without it there are none
    bootstrap: an s3:// script that each node runs as it starts, instead of the one that installs numpy
    """

    region: str
    n_core: int = DEFAULT_CORE
    idle_seconds: int = 3600
    name: str = "scanlearn"
    release: str = RELEASE
    primary_type: str = INSTANCE_TYPE
    core_type: str = INSTANCE_TYPE
    spot: bool = False
    log_uri: str | None = None
    bootstrap: str | None = None
    service_role: str = SERVICE_ROLE
    instance_profile: str = INSTANCE_PROFILE
    subnet: str | None = None
    key_pair: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """:raises ScanError: what AWS would refuse, or what the drivers could not use"""
        low, high = IDLE_RANGE
        if not low <= self.idle_seconds <= high:
            raise ScanError(
                f"a cluster ends itself after {show_duration(low)} to {show_duration(high)} without work, "
                f"not {show_duration(self.idle_seconds)}"
            )
        if self.n_core < 0:
            raise ScanError(f"a cluster has 0 core nodes or more, not {self.n_core}")
        match = re.fullmatch(r"emr-(\d+)\.\d+\.\d+", self.release, re.ASCII)
        if match is None or int(match[1]) < 7:
            raise ScanError(
                f"the release {self.release} does not do: the nodes need Python 3.9, which emr-7.0.0 and later have"
            )
        for uri in (self.log_uri, self.bootstrap):
            if uri is not None:
                split_uri(uri)

    @property
    def n_nodes(self) -> int:
        return 1 + self.n_core

    @property
    def script_uri(self) -> str | None:
        """Where `create` puts the script that installs numpy; None when it is not put anywhere."""
        if self.bootstrap or not self.log_uri:
            return None
        # By its content: clusters of another version keep theirs.
        return f"{folder(self.log_uri)}bootstrap/{hashlib.sha256(BOOTSTRAP.encode()).hexdigest()[:12]}.sh"

    def to_api(self) -> dict[str, Any]:
        """The arguments of RunJobFlow."""
        groups = [_group("primary", "MASTER", self.primary_type, 1, spot=False)]
        if self.n_core:
            groups.append(_group("core", "CORE", self.core_type, self.n_core, self.spot))
        instances: dict[str, Any] = {
            "InstanceGroups": groups,
            "KeepJobFlowAliveWhenNoSteps": True,
            "TerminationProtected": False,
        }
        if self.subnet:
            instances["Ec2SubnetId"] = self.subnet
        if self.key_pair:
            instances["Ec2KeyName"] = self.key_pair
        tags = {"Name": self.name, **self.tags, **TAGS}
        request = {
            "Name": self.name,
            "ReleaseLabel": self.release,
            "Applications": [{"Name": "Hadoop"}],
            "Instances": instances,
            "StepConcurrencyLevel": 1,
            "AutoTerminationPolicy": {"IdleTimeout": self.idle_seconds},
            "BootstrapActions": [{"Name": "bootstrap", "ScriptBootstrapAction": self._bootstrap_script()}],
            "ServiceRole": self.service_role,
            "JobFlowRole": self.instance_profile,
            "VisibleToAllUsers": True,
            "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        }
        if self.log_uri:
            request["LogUri"] = folder(self.log_uri)
        return request

    def _bootstrap_script(self) -> dict[str, Any]:
        uri = self.bootstrap or self.script_uri
        # It may be a program of the node as well: without a bucket the script is bash's argument.
        return {"Path": uri} if uri else {"Path": "file:/bin/bash", "Args": ["-c", BOOTSTRAP]}


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


def settings_from(option: Callable[[str], Any]) -> dict[str, Any]:
    """The fields of a request that mrjob's options set.

    :param option: the value of one of these options, None where it is not set
    :raises ScanError: a number that is none
    """
    settings = {name: option(mrjob_name) for name, mrjob_name in MRJOB_OPTIONS.items()}
    if option("instance_type"):
        # mrjob's name for that of the nodes which run tasks.
        workers = "core_type" if option("num_core_instances") not in (0, "0") else "primary_type"
        settings[workers] = settings[workers] or option("instance_type")
    tmp = option("cloud_tmp_dir")
    if tmp and not settings["log_uri"]:
        settings["log_uri"] = f"{tmp.rstrip('/')}/logs/"
    for name, mrjob_name, unit in (("n_core", "num_core_instances", 1), ("idle_seconds", "max_mins_idle", 60)):
        value = option(mrjob_name)
        try:
            settings[name] = None if value is None else round(float(value) * unit)
        except (TypeError, ValueError, OverflowError):
            raise ScanError(f"{mrjob_name} is {value!r}, which is no number") from None
    return {name: value for name, value in settings.items() if value is not None}


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


def instance_hours(n_nodes: int, seconds: float) -> float:
    """Hours that so many nodes are billed for: by the second, and one minute at least each.

    Source: AWS's pricing page, https://aws.amazon.com/emr/pricing/.
    """
    return n_nodes * max(math.ceil(seconds), 60) / 3600


def cost(hours: float, hourly_price: float) -> float:
    """What instance hours cost, in the currency of the price: that of EC2 and of EMR together, for one node and hour."""
    return hours * hourly_price


def _group(name: str, role: str, instance_type: str, n_nodes: int, spot: bool) -> dict[str, Any]:
    # Spot without a bid pays the market's price, up to that on demand.
    market = "SPOT" if spot else "ON_DEMAND"
    return {"Name": name, "InstanceRole": role, "InstanceType": instance_type, "InstanceCount": n_nodes, "Market": market}


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
