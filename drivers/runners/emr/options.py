"""What the user wants of EMR: mrjob's options, by switch or in mrjob.conf, as far as the drivers can do it."""

from __future__ import annotations

import re

from drivers.app import UsageError
from drivers.runners.aws.clients import folder, split_uri
from drivers.runners.emr.request import ClusterRequest, settings_from
from drivers.runners.switches import Switches
from jobs.errors import ScanError

# For a cluster of ours a driver is there all the time; when it is not, nobody needs it.
IDLE_SECONDS = 900
PLAIN = re.compile(r"s3://[\w.-]+(/[\w./=@+-]*)?", re.ASCII)
# Options of mrjob's by which it would reach AWS otherwise than boto3 does by itself.
OTHER_WAYS = {
    "aws_access_key_id": "put the key into ~/.aws/credentials, or into the environment",
    "aws_secret_access_key": "put the key into ~/.aws/credentials, or into the environment",
    "aws_session_token": "put the token into ~/.aws/credentials, or into the environment",
    "emr_endpoint": "set AWS_ENDPOINT_URL_EMR",
    "s3_endpoint": "set AWS_ENDPOINT_URL_S3",
    "pool_clusters": "--cluster-id names a cluster for several runs",
}
# Options of mrjob's for a cluster, which a request of ours does not have.
OTHER_CLUSTERS = (
    "additional_emr_info", "applications", "bootstrap", "bootstrap_actions", "core_instance_bid_price", "docker_image",
    "ebs_root_volume_gb", "emr_configurations", "extra_cluster_params", "image_id", "image_version", "instance_fleets",
    "instance_groups", "master_instance_bid_price", "num_task_instances", "zone",
)  # fmt: skip


def check(user: Switches) -> None:
    """
    :raises UsageError: options with which nothing can run on EMR
    """
    for name, instead in OTHER_WAYS.items():
        if user.option(name):
            raise UsageError(f"{name} is not used here, where boto3 alone finds its way to AWS; {instead}")
    home_of(user)
    if user.option("cluster_id"):
        return
    for name in OTHER_CLUSTERS:
        if user.option(name):
            raise UsageError(
                f"{name} is more than a driver asks of a cluster; make one by drivers/cluster.py or AWS's own tools, and "
                "name it with --cluster-id"
            )


def home_of(user: Switches) -> str:
    """The folder on S3 that is ours, with its slash at the end.

    :raises UsageError: none is named, or by a name that Hadoop takes for something else
    """
    given = user.option("cloud_tmp_dir")
    if not given:
        raise UsageError(
            "-r emr needs a folder on S3 for the packed table: give --cloud-tmp-dir s3://BUCKET/tmp/, or set cloud_tmp_dir "
            "in mrjob.conf"
        )
    try:
        split_uri(given)
    except ScanError as error:
        raise UsageError(f"--cloud-tmp-dir: {error}") from None
    if not PLAIN.fullmatch(given):
        raise UsageError(f"--cloud-tmp-dir {given} needs a name of letters, digits and ._=@+-, which Hadoop takes")
    return f"{folder(given)}scanlearn/"


def request_for(user: Switches, region: str, name: str) -> ClusterRequest:
    """The cluster that a driver makes for one run.

    :raises ScanError: one that AWS would refuse, or the drivers could not use
    """
    settings = {"idle_seconds": IDLE_SECONDS, **settings_from(user.option)}
    tags = dict(user.conf.get("tags") or {})
    tags.update(word.partition("=")[2].partition("=")[::2] for word in user.arguments if word.startswith("--tag="))
    return ClusterRequest(**{**settings, "region": region, "name": name, "tags": tags})
