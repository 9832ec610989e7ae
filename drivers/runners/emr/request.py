"""What is asked of AWS for a cluster on EMR, and what so many nodes cost."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from drivers.durations import show_duration
from drivers.runners.aws.clients import folder, split_uri
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
