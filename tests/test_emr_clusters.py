"""Clusters on EMR, by moto's server: the request as it arrives, their life, a sentence for each failure."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from fractions import Fraction

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError, SSLError
from botocore.stub import Stubber
from hypothesis import example, given
from hypothesis import strategies as st
from moto.emr.responses import ElasticMapReduceResponse

from drivers.durations import parse_duration, show_duration
from drivers.runners.aws import clients as aws
from drivers.runners.emr import clusters as emr_clusters
from drivers.runners.emr.clusters import (
    Cluster,
    ClusterEndedError,
    create,
    describe,
    list_clusters,
    terminate,
    wait_until_ready,
)
from drivers.runners.emr.request import ClusterRequest, cost, instance_hours, settings_from
from jobs.errors import ScanError
from tests.conftest import ROOT
from tests.moto_aws import SECRET, FakeEMR, moto_environment, surround

REGION = "us-west-1"
# 1 primary and 19 core nodes, idle for an hour.
EXAMPLE = ClusterRequest(REGION, n_core=19, idle_seconds=3600, log_uri="s3://bucket/logs")


@pytest.fixture(scope="module")
def server():
    with moto_environment() as environment:
        s3 = boto3.client(
            "s3", endpoint_url=environment["AWS_ENDPOINT_URL"], region_name="us-east-1", aws_access_key_id="testing",
            aws_secret_access_key=SECRET,
        )  # fmt: skip
        s3.create_bucket(Bucket="bucket")
        aws.client.cache_clear()  # those that another module's tests made
        yield environment
        aws.client.cache_clear()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, server):
    """This server, and no pauses."""
    surround(monkeypatch, server)
    monkeypatch.setattr(emr_clusters, "SECONDS_BETWEEN_LOOKS", 0.0)


@pytest.fixture
def new_client():
    """For a test that changes what boto3 looks at."""
    aws.client.cache_clear()
    yield
    aws.client.cache_clear()


@pytest.fixture
def fake(monkeypatch):
    return FakeEMR(monkeypatch)


def refusing(code, message, status=400):
    """An answer of moto's EMR, as AWS gives it."""
    return lambda response: (status, {"status": status}, json.dumps({"__type": code, "message": message}))


def why(function, *arguments, error=ScanError, **keywords):
    """The sentence that a call fails with."""
    with pytest.raises(error) as caught:
        function(*arguments, **keywords)
    sentence = str(caught.value)
    assert "\n" not in sentence and SECRET not in sentence
    return sentence


# -- the request ---------------------------------------------------------------------------------------------------------


def test_the_request_is_the_one_that_was_meant(fake):
    create(EXAMPLE)
    (request,) = fake.requests
    instances = request.pop("Instances")
    assert sum(group["InstanceCount"] for group in instances["InstanceGroups"]) == EXAMPLE.n_nodes == 20
    primary, core = instances.pop("InstanceGroups")
    a_node = {"InstanceType": "m7i.xlarge", "Market": "ON_DEMAND"}
    assert primary == {"Name": "primary", "InstanceRole": "MASTER", "InstanceCount": 1, **a_node}
    assert core == {"Name": "core", "InstanceRole": "CORE", "InstanceCount": 19, **a_node}
    assert instances == {"KeepJobFlowAliveWhenNoSteps": True, "TerminationProtected": False}
    assert {tag["Key"]: tag["Value"] for tag in request.pop("Tags")} == {
        "Name": "scanlearn", "scanlearn": "1", "for-use-with-amazon-emr-managed-policies": "true",
    }  # fmt: skip
    (action,) = request.pop("BootstrapActions")
    assert action["ScriptBootstrapAction"] == {"Path": EXAMPLE.script_uri}
    assert request == {
        "Name": "scanlearn",
        "ReleaseLabel": "emr-7.13.0",
        "LogUri": "s3://bucket/logs/",
        "Applications": [{"Name": "Hadoop"}],
        "ServiceRole": "EMR_DefaultRole",
        "JobFlowRole": "EMR_EC2_DefaultRole",
        "AutoTerminationPolicy": {"IdleTimeout": 3600},
        "StepConcurrencyLevel": 1,
        "VisibleToAllUsers": True,
    }


def test_release_and_type_are_current_ones_of_the_region():
    """By AWS's own lists, of which moto has copies."""
    emr, ec2 = boto3.client("emr", region_name=REGION), boto3.client("ec2", region_name=REGION)
    assert EXAMPLE.release in emr.list_release_labels()["ReleaseLabels"]
    supported = emr.list_supported_instance_types(ReleaseLabel=EXAMPLE.release)["SupportedInstanceTypes"]
    (core,) = [entry for entry in supported if entry["Type"] == EXAMPLE.core_type]
    assert core["Architecture"] == "X86_64"
    (described,) = ec2.describe_instance_types(InstanceTypes=[EXAMPLE.core_type])["InstanceTypes"]
    assert described["CurrentGeneration"]
    here = [{"Name": "instance-type", "Values": [EXAMPLE.core_type]}]
    assert ec2.describe_instance_type_offerings(LocationType="region", Filters=here)["InstanceTypeOfferings"]


def test_every_field_of_a_request_arrives(fake):
    create(
        ClusterRequest(
            "eu-central-1",
            n_core=3,
            idle_seconds=60,
            name="mine",
            release="emr-7.1.0",
            primary_type="m7i.2xlarge",
            core_type="r7i.xlarge",
            spot=True,
            log_uri="s3a://bucket",
            bootstrap="s3://bucket/own.sh",
            service_role="A",
            instance_profile="B",
            subnet="subnet-1",
            key_pair="key",
            tags={"team": "x", "scanlearn": "no"},
        )  # fmt: skip
    )
    (request,) = fake.requests
    instances = request["Instances"]
    assert [group["InstanceType"] for group in instances["InstanceGroups"]] == ["m7i.2xlarge", "r7i.xlarge"]
    assert [group["Market"] for group in instances["InstanceGroups"]] == ["ON_DEMAND", "SPOT"]
    assert (instances["Ec2SubnetId"], instances["Ec2KeyName"]) == ("subnet-1", "key")
    assert request["BootstrapActions"][0]["ScriptBootstrapAction"] == {"Path": "s3://bucket/own.sh"}
    assert (request["ServiceRole"], request["JobFlowRole"]) == ("A", "B")
    assert (request["Name"], request["ReleaseLabel"], request["LogUri"]) == ("mine", "emr-7.1.0", "s3://bucket/")
    assert request["AutoTerminationPolicy"] == {"IdleTimeout": 60}
    tags = {tag["Key"]: tag["Value"] for tag in request["Tags"]}
    # What is ours is found again, whatever a user's tags are.
    assert tags["team"] == "x" and tags["scanlearn"] == "1"


def test_without_core_nodes_there_is_the_primary_one():
    groups = ClusterRequest(REGION, n_core=0).to_api()["Instances"]["InstanceGroups"]
    assert [(group["InstanceRole"], group["InstanceCount"]) for group in groups] == [("MASTER", 1)]


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"idle_seconds": 59}, "a cluster ends itself after 1m to 7d without work, not 59s"),
        ({"idle_seconds": 604_801}, "a cluster ends itself after 1m to 7d without work, not 7d1s"),
        ({"n_core": -1}, "a cluster has 0 core nodes or more, not -1"),
        (
            {"release": "emr-6.15.0"},
            "the release emr-6.15.0 does not do: the nodes need Python 3.9, which emr-7.0.0 and later have",
        ),
        (
            {"release": "7.9.0"},
            "the release 7.9.0 does not do: the nodes need Python 3.9, which emr-7.0.0 and later have",
        ),
        ({"log_uri": "/tmp/logs"}, "/tmp/logs is no place on S3; write s3://bucket/key"),
        ({"bootstrap": "own.sh"}, "own.sh is no place on S3; write s3://bucket/key"),
    ],
)
def test_what_aws_would_refuse_is_refused_before(settings, sentence):
    assert why(dataclasses.replace, EXAMPLE, **settings) == sentence


def test_what_mrjob_conf_says_of_a_cluster():
    conf = {
        "region": "eu-west-1", "num_core_instances": 0, "core_instance_type": "r7i.xlarge", "max_mins_idle": 7.5,
        "cloud_tmp_dir": "s3://bucket/tmp/", "iam_service_role": "A", "tags": {"team": "x"}, "read_logs": False,
    }  # fmt: skip
    assert settings_from(conf.get) == {
        "region": "eu-west-1", "n_core": 0, "core_type": "r7i.xlarge", "idle_seconds": 450,
        "log_uri": "s3://bucket/tmp/logs/", "service_role": "A", "tags": {"team": "x"},
    }  # fmt: skip
    # As switches give them.
    assert settings_from({"num_core_instances": "19", "cloud_log_dir": "s3://l/", "cloud_tmp_dir": "s3://t/"}.get) == {
        "n_core": 19, "log_uri": "s3://l/",
    }  # fmt: skip
    assert why(settings_from, {"max_mins_idle": "ten"}.get) == "max_mins_idle is 'ten', which is no number"


# -- the script of the nodes ---------------------------------------------------------------------------------------------


@pytest.fixture
def node(tmp_path):
    """A machine that writes down what it does as root; its Python has the numpy that is said, and pip is a fake."""
    programs, packages = tmp_path / "bin", tmp_path / "packages"
    programs.mkdir()
    packages.mkdir()

    def run(script: list[str], numpy: str | None, has_pip: bool = True, pip_works: bool = True) -> tuple[int, list[str]]:
        (packages / "numpy.py").write_text(f"__version__ = {numpy!r}" if numpy else "raise ImportError")
        shims = {
            "python3": f"""
                case "$*" in
                    -c*) exec {sys.executable} "$@" ;;
                    "-m pip --version") exit {int(not has_pip)} ;;
                    "-m pip install"*) exit {int(not pip_works)} ;;
                    *) exit 99 ;;
                esac""",
            "sudo": """echo "$*" >> calls; exec "$@" """,
            "dnf": "",
        }
        for name, text in shims.items():
            (programs / name).write_text(f"#!/bin/sh\n{text}\n")
            (programs / name).chmod(0o755)
        environment = {"PATH": f"{programs}:/usr/bin:/bin", "PYTHONPATH": str(packages)}
        status = subprocess.run(script, cwd=tmp_path, env=environment, check=False).returncode
        calls = tmp_path / "calls"
        return status, calls.read_text().splitlines() if calls.exists() else []

    return run


INSTALL = "python3 -m pip install numpy==2.0.2"


@pytest.mark.parametrize(
    ("machine", "expected"),
    [
        ({"numpy": None}, (0, [INSTALL])),
        ({"numpy": "1.20.0"}, (0, [INSTALL])),
        ({"numpy": "2.0.2"}, (0, [])),
        ({"numpy": "2.3.1"}, (0, [])),
        ({"numpy": None, "has_pip": False}, (0, ["dnf install -y python3-pip", INSTALL])),
        ({"numpy": None, "pip_works": False}, (1, [INSTALL])),
    ],
)
def test_the_script_gives_numpy_to_a_node_that_has_none(fake, node, tmp_path, server, machine, expected):
    """As a file on S3, where EMR takes it from."""
    create(EXAMPLE)
    bucket, key = EXAMPLE.script_uri.removeprefix("s3://").split("/", 1)
    body = aws.client("s3", REGION).get_object(Bucket=bucket, Key=key)["Body"].read()
    (tmp_path / "script").write_bytes(body)
    (tmp_path / "script").chmod(0o755)
    assert node([str(tmp_path / "script")], **machine) == expected


def test_without_a_bucket_the_script_is_an_argument_of_the_nodes_own_bash(fake, node):
    create(dataclasses.replace(EXAMPLE, log_uri=None))
    assert "LogUri" not in fake.requests[0]
    script = fake.requests[0]["BootstrapActions"][0]["ScriptBootstrapAction"]
    assert script["Path"].startswith("file:/")
    assert node([script["Path"].removeprefix("file:"), *script["Args"]], numpy=None) == (0, [INSTALL])


def test_a_script_of_the_users_own_takes_the_place_of_ours(fake):
    create(dataclasses.replace(EXAMPLE, log_uri="s3://bucket/empty/", bootstrap="s3://bucket/own.sh"))
    assert "Contents" not in aws.client("s3", REGION).list_objects_v2(Bucket="bucket", Prefix="empty/")


# -- its life ------------------------------------------------------------------------------------------------------------


def test_a_cluster_is_waited_for(fake, monkeypatch):
    fake.leave_starting(monkeypatch)
    cluster_id = create(EXAMPLE)
    told = []

    def tell(state, seconds):
        told.append(state)
        fake.clusters[cluster_id].state = ("STARTING", "BOOTSTRAPPING", "BOOTSTRAPPING", "WAITING")[len(told)]

    cluster = wait_until_ready(REGION, cluster_id, tell)
    assert told == ["STARTING", "BOOTSTRAPPING", "BOOTSTRAPPING"]
    assert (cluster.state, cluster.cluster_id, cluster.is_ours) == ("WAITING", cluster_id, True)


def test_a_cluster_that_has_work_is_ready(fake):
    cluster_id = create(EXAMPLE)
    fake.clusters[cluster_id].state = "RUNNING"
    assert wait_until_ready(REGION, cluster_id).state == "RUNNING"


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (
            "On the master instance (i-0123456789abcdef0), bootstrap action 1 returned a non-zero return code",
            "On the master instance (i-0123456789abcdef0), bootstrap action 1 returned a non-zero return code; nodes "
            "without a way to the internet cannot install numpy",
        ),
        (
            "EMR service role arn:aws:iam::123456789012:role/EMR_DefaultRole is invalid",
            "there is no service role EMR_DefaultRole that EMR may take; `aws emr create-default-roles` makes the default "
            "ones, which AWS takes a minute to know",
        ),
        (
            "The requested instance type c4.large is not supported in the requested availability zone. Learn more at "
            "https://docs.aws.amazon.com/console/elasticmapreduce/ERROR_noinstancetype",
            "EMR has no instances of the type c4.large here; `aws emr list-supported-instance-types` lists what a release "
            "has in a region",
        ),
        (
            "The request to create the EMR cluster or add EC2 instances to it failed. The number of vCPUs for instance "
            "type m5.xlarge exceeds the EC2 service quota for that type. Request a service quota increase.",
            "the account may not have that many processors of the type m5.xlarge; ask for more under Service Quotas, EC2, "
            "or take fewer or smaller nodes",
        ),
        (
            "The EBS volume limit was exceeded.",
            "it is more than the account may have (The EBS volume limit was exceeded); ask for more under Service Quotas, "
            "or take fewer nodes",
        ),
        (
            "We currently do not have sufficient m7i.xlarge capacity in the Availability Zone you requested (us-west-1a).",
            "AWS has too few such instances at the moment; try again later, or take another type, region or subnet",
        ),
        ("Terminated by user request", "Terminated by user request"),
        (None, "it is TERMINATED_WITH_ERRORS, and AWS gives no reason"),
    ],
)
def test_a_cluster_that_ends_instead_says_why(fake, reason, sentence):
    cluster_id = create(EXAMPLE)
    fake.clusters[cluster_id].state = "TERMINATED_WITH_ERRORS"
    fake.clusters[cluster_id].last_state_change_reason = reason
    logs = f"its logs come to s3://bucket/logs/{cluster_id}/"
    told = why(wait_until_ready, REGION, cluster_id, error=ClusterEndedError)
    assert told == f"the cluster {cluster_id} did not start: {sentence}; {logs}"


def test_aws_may_be_silent_for_a_while(fake, monkeypatch):
    cluster_id, real, tries = create(EXAMPLE), emr_clusters.describe, []

    def sometimes(*arguments):
        tries.append(arguments)
        if len(tries) < 4:
            raise aws.UnreachableError("no answer")
        return real(*arguments)

    monkeypatch.setattr(emr_clusters, "describe", sometimes)
    assert wait_until_ready(REGION, cluster_id).state == "WAITING"
    monkeypatch.setattr(emr_clusters, "SECONDS_UNREACHABLE", -1.0)
    tries.clear()
    assert why(wait_until_ready, REGION, cluster_id) == "no answer"


def test_a_cluster_is_described(fake):
    before = datetime.now(timezone.utc)
    cluster = describe(REGION, create(EXAMPLE))
    assert before - timedelta(seconds=2) < cluster.created <= datetime.now(timezone.utc)
    assert (cluster.name, cluster.state, cluster.release) == ("scanlearn", "WAITING", EXAMPLE.release)
    assert (cluster.ended, cluster.log_uri, cluster.is_protected) == (None, "s3://bucket/logs/", False)


def test_the_list_has_ours_that_live(fake):
    ours = [create(dataclasses.replace(EXAMPLE, n_core=n, idle_seconds=600 * n)) for n in (3, 2, 1)]
    emr = aws.client("emr", REGION)
    theirs = emr.run_job_flow(
        Name="theirs",
        Instances={
            "InstanceGroups": [{"InstanceRole": "MASTER", "InstanceType": "m7i.xlarge", "InstanceCount": 1}],
            "KeepJobFlowAliveWhenNoSteps": True,
        },
    )["JobFlowId"]
    terminate(REGION, ours[1])
    listed = list_clusters(REGION)
    assert [cluster.cluster_id for cluster in listed] == [ours[0], ours[2]]
    assert [(cluster.n_nodes, cluster.idle_seconds) for cluster in listed] == [(4, 1800), (2, 600)]
    all_of_them = list_clusters(REGION, everyone=True, ended=True)
    assert [cluster.cluster_id for cluster in all_of_them] == [*ours, theirs]
    assert all_of_them[3].idle_seconds == 0 and not all_of_them[3].is_ours  # it never ends itself
    assert all_of_them[1].ended is not None and all_of_them[1].idle_seconds is None


def test_a_list_of_several_pages_is_whole(fake):
    request = dataclasses.replace(EXAMPLE, n_core=0, log_uri=None)
    expected = {create(request) for _ in range(60)}
    assert {cluster.cluster_id for cluster in list_clusters(REGION)} == expected


def test_what_must_not_be_looked_at_is_left_open(fake, monkeypatch):
    """A list of clusters is worth more than their idle times."""
    cluster_id = create(EXAMPLE)
    denied = refusing("AccessDeniedException", "User: me is not authorized to perform: elasticmapreduce:Get")
    monkeypatch.setattr(ElasticMapReduceResponse, "get_auto_termination_policy", denied)
    monkeypatch.setattr(ElasticMapReduceResponse, "list_instance_groups", denied)
    (cluster,) = list_clusters(REGION)
    assert (cluster.cluster_id, cluster.n_nodes, cluster.idle_seconds) == (cluster_id, None, None)


def test_a_cluster_is_ended_once(fake):
    cluster_id = create(EXAMPLE)
    assert terminate(REGION, cluster_id) is True
    assert fake.clusters[cluster_id].state == "TERMINATED"
    assert terminate(REGION, cluster_id) is False
    assert list_clusters(REGION) == []


def test_a_protected_cluster_stays(fake):
    cluster_id = create(EXAMPLE)
    fake.clusters[cluster_id].set_termination_protection(True)
    assert why(terminate, REGION, cluster_id) == (
        f"{cluster_id} could not be ended: it is protected; `aws emr modify-cluster-attributes --region us-west-1 "
        f"--cluster-id {cluster_id} --no-termination-protected` allows it"
    )
    assert fake.clusters[cluster_id].state == "WAITING" and fake.clusters[cluster_id].termination_protected


def test_throttling_is_waited_out(fake, monkeypatch):
    """By boto3 itself."""
    cluster_id, real, answers = create(EXAMPLE), ElasticMapReduceResponse.describe_cluster, []

    def throttled(response):
        answers.append(len(answers))
        return refusing("ThrottlingException", "Rate exceeded")(response) if len(answers) < 3 else real(response)

    monkeypatch.setattr(ElasticMapReduceResponse, "describe_cluster", throttled)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    assert describe(REGION, cluster_id).state == "WAITING"
    assert answers == [0, 1, 2]


# -- what can be wrong ---------------------------------------------------------------------------------------------------


MAKE = "`aws emr create-default-roles` makes the default ones, which AWS takes a minute to know"
REFUSALS = [
    # As AWS words them.
    (
        "ValidationException",
        "Invalid InstanceProfile: EMR_EC2_DefaultRole.",
        f"there is no instance profile EMR_EC2_DefaultRole; {MAKE}",
    ),
    (
        "ValidationException",
        "Invalid InstanceProfile: arn:aws:iam::123456789012:instance-profile/mine.",
        f"there is no instance profile mine; {MAKE}",
    ),
    (
        "ValidationException",
        "Instance type 'r7g.xlarge' is not supported.",
        "EMR has no instances of the type r7g.xlarge here; `aws emr list-supported-instance-types` lists what a release "
        "has in a region",
    ),
    (
        "ValidationException",
        "The supplied release label is invalid: emr-7.99.0.",
        "there is no release emr-7.99.0; `aws emr list-release-labels` lists them",
    ),
    ("ValidationException", "Something else.\nIs wrong.", "AWS answers ValidationException (Something else. Is wrong.)"),
    (
        "AccessDeniedException",
        "User: arn:aws:iam::123456789012:user/me is not authorized to perform: elasticmapreduce:RunJobFlow on resource: "
        "arn:aws:elasticmapreduce:us-west-1:123456789012:cluster/* because no identity-based policy allows it",
        "these credentials lack the permission elasticmapreduce:RunJobFlow",
    ),
    ("AccessDeniedException", "no", "AWS answers AccessDeniedException (no)"),
    (
        "ExpiredTokenException",
        "The security token included in the request is expired",
        "AWS does not accept the credentials (ExpiredTokenException); renew them, e.g. by `aws configure`",
    ),
    (
        "InvalidSignatureException",
        f"The Canonical String for this request should have been 'x-amz-security-token:{SECRET}'",
        "AWS does not accept the credentials (InvalidSignatureException); renew them, e.g. by `aws configure`",
    ),
    (
        "ThrottlingException",
        "Rate exceeded",
        "AWS asks for fewer requests at a time (ThrottlingException); try again in a minute",
    ),
    ("InternalServerError", "", "AWS answers InternalServerError"),
]


@pytest.mark.parametrize(("code", "message", "sentence"), REFUSALS, ids=lambda text: text[:30])
def test_what_aws_refuses_is_one_sentence(code, message, sentence):
    with Stubber(aws.client("emr", REGION)) as stub:
        stub.add_client_error("run_job_flow", code, message)
        request = dataclasses.replace(EXAMPLE, log_uri=None)
        assert why(create, request) == f"the cluster could not be created: {sentence}"


def test_an_answer_that_may_be_another_one_later_is_told_apart(fake, monkeypatch):
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    page = "<!doctype html><title>500 Internal Server Error</title>"
    monkeypatch.setattr(ElasticMapReduceResponse, "describe_cluster", lambda response: (500, {"status": 500}, page))
    told = why(describe, REGION, "j-1", error=aws.UnreachableError)
    assert told == "j-1 could not be looked up: AWS answers 500"


def test_a_cluster_that_is_not_there_is_one_sentence(fake):
    there = "could not be looked up: there is no such cluster in us-west-1"
    assert why(describe, REGION, "j-GONE") == f"j-GONE {there}"
    assert why(terminate, REGION, "j-GONE") == f"j-GONE {there}"
    assert why(wait_until_ready, REGION, "j-GONE") == f"j-GONE {there}"


def test_a_bucket_that_is_not_there_is_one_sentence(fake):
    request = dataclasses.replace(EXAMPLE, log_uri="s3://nowhere/logs/")
    assert why(create, request) == (
        f"{request.script_uri} could not be written: there is no such bucket; `aws s3 mb s3://BUCKET --region us-west-1` "
        "makes one"
    )
    assert fake.requests == []  # nothing was begun that would cost


def test_no_credentials_are_one_sentence(monkeypatch, new_client):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    sentence = "there are no AWS credentials; set them as boto3 finds them, e.g. by `aws configure`"
    for call in (create, lambda request: list_clusters(REGION), lambda request: terminate(REGION, "j-1")):
        assert why(call, dataclasses.replace(EXAMPLE, log_uri=None)).endswith(f": {sentence}")


def test_half_of_the_credentials_is_one_sentence(monkeypatch, new_client):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "half")
    with open("half", "w") as f:
        f.write("[default]\naws_access_key_id = half\n")
    reason = "Partial credentials found in shared-credentials-file, missing: aws_secret_access_key"
    assert why(describe, REGION, "j-1") == f"AWS cannot be used as it is configured here: {reason}"


def test_a_region_is_given_or_configured(monkeypatch):
    assert aws.region_or_default("eu-west-1") == "eu-west-1"
    assert aws.region_or_default(None) == "us-east-1"
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    sentence = "no region of AWS is known: give --region us-west-1, or set AWS_DEFAULT_REGION"
    assert why(aws.region_or_default, None) == sentence
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    told = why(aws.region_or_default, None)
    assert told == "AWS cannot be used as it is configured here: The config profile (nobody) could not be found"


@pytest.mark.parametrize(
    ("region", "endpoint", "reason"),
    [
        ("us west", None, "Provided region_name 'us west' doesn't match a supported format."),
        (REGION, "nonsense", "Invalid endpoint: nonsense"),
    ],
)
def test_a_wrong_setting_of_aws_is_one_sentence(monkeypatch, new_client, region, endpoint, reason):
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    assert why(describe, region, "j-1") == f"AWS cannot be used as it is configured here: {reason}"


def test_an_endpoint_that_does_not_answer_is_one_sentence(monkeypatch, new_client):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://somebody:password@127.0.0.1:1")
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    assert why(describe, REGION, "j-1", error=aws.UnreachableError) == (
        "j-1 could not be looked up: AWS does not answer at 127.0.0.1:1; check the network, the region and AWS_ENDPOINT_URL"
    )


def test_a_region_that_is_not_there_does_not_answer():
    """Its name is that of no machine."""

    def call():
        with aws.explained("it failed", "us-wst-1"):
            raise EndpointConnectionError(endpoint_url="https://elasticmapreduce.us-wst-1.amazonaws.com/")

    assert why(call) == (
        "it failed: AWS does not answer at elasticmapreduce.us-wst-1.amazonaws.com; check the network, the region and "
        "AWS_ENDPOINT_URL"
    )


def test_a_server_that_is_not_trusted_is_one_sentence():
    def call():
        with aws.explained("it failed", REGION):
            raise SSLError(endpoint_url="https://aws", error="certificate verify failed")

    assert why(call) == (
        "it failed: there is no secure connection to AWS (certificate verify failed); AWS_CA_BUNDLE can name authorities "
        "to trust"
    )


def test_without_boto3_the_sentence_says_so(monkeypatch, new_client):
    monkeypatch.setitem(sys.modules, "boto3", None)
    for call in (lambda: describe(REGION, "j-1"), lambda: aws.region_or_default(None), lambda: create(EXAMPLE)):
        assert why(call) == "AWS needs boto3, which is not installed: pip install boto3"


def test_boto3_is_imported_when_aws_is_first_asked():
    code = "import sys, drivers.runners.emr.clusters; print('boto3' in sys.modules, 'botocore' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["False", "False"]


def test_boto3_alone_talks_to_aws():
    """No other module of the drivers opens a connection to it, or reads its keys."""
    for path in (ROOT / "drivers").rglob("*.py"):
        text = path.read_text()
        assert not re.search(
            r"AWS_(?:ACCESS|SECRET|SESSION)|get_credentials|requests\.|urllib\.request|http\.client", text
        ), path


# -- money and time ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_nodes", "seconds", "hours"),
    [(20, 3600, 20), (1, 1, 1 / 60), (20, 0, 20 / 60), (3, 5400, 4.5), (2, 60.2, 122 / 3600)],
)
def test_instance_hours_are_billed_by_the_second(n_nodes, seconds, hours):
    assert instance_hours(n_nodes, seconds) == pytest.approx(hours, rel=1e-15)


@given(st.integers(0, 1000), st.floats(0, 1e7))
def test_each_node_is_billed_alike_and_a_minute_at_least(n_nodes, seconds):
    billed = Fraction(instance_hours(n_nodes, seconds)) * 3600
    used = n_nodes * max(Fraction(seconds), Fraction(60))
    assert used * (1 - Fraction(1, 10**12)) <= billed <= (used + n_nodes) * (1 + Fraction(1, 10**12))


def test_the_cost_is_that_of_the_users_price():
    # 20 nodes for half an hour at 0.25
    assert cost(instance_hours(20, 1800), 0.25) == 2.5


@given(st.integers(0, 10**9))
@example(3600)
@example(86_400 * 7)
def test_a_span_of_time_comes_back(seconds):
    assert parse_duration(show_duration(seconds)) == seconds


@given(*[st.integers(0, 9999)] * 4)
def test_the_units_add_up(days, hours, minutes, seconds):
    expected = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    assert parse_duration(f" {days}d{hours}h{minutes}m{seconds}s\n") == expected


@pytest.mark.parametrize(
    ("text", "seconds"), [("60m", 3600), ("1h", 3600), ("3600s", 3600), ("1h30m", 5400), ("2d", 172_800), ("0s", 0)]
)
def test_a_span_of_time_is_read(text, seconds):
    assert parse_duration(text) == seconds


@given(st.integers(0, 10**12))
def test_a_number_without_a_unit_is_no_span_of_time(number):
    assert why(parse_duration, str(number)) == f"{number} has no unit; write {number}s, {number}m or {number}h"


@given(
    st.text().filter(
        lambda text: not re.fullmatch(r"\s*(\d+d)?(\d+h)?(\d+m)?(\d+s)?\s*", text) and not text.strip().isdecimal()
    )
)
@example("")
@example("m")
@example("-5m")
@example("1.5h")
@example("30s1m")
@example("5 m")
@example("1e3s")
@example("٣m")
@example("60min")
def test_anything_else_is_no_span_of_time(text):
    with pytest.raises(ScanError, match="is no span of time; write 90s, 60m, 1h30m or 2d$"):
        parse_duration(text)


@pytest.mark.parametrize(("seconds", "text"), [(59.9, "59s"), (3600, "1h"), (5400, "1h30m"), (604_800, "7d"), (0.5, "0s")])
def test_a_span_of_time_is_shown(seconds, text):
    assert show_duration(seconds) == text


def test_how_long_a_cluster_has_been_there():
    began = datetime(2024, 1, 1, tzinfo=timezone.utc)
    cluster = Cluster("j-1", "", "TERMINATED", "", began, began + timedelta(hours=2), "", {}, None, False, 0)
    assert cluster.seconds == 7200
    alive = dataclasses.replace(cluster, ended=None)
    assert math.isclose(alive.seconds, (datetime.now(timezone.utc) - began).total_seconds(), abs_tol=5)
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in repr(alive)
