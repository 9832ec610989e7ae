"""drivers/cluster.py as a user runs it, against moto's server: what it prints where, how it ends, that it tells no key."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from drivers import cluster as program
from drivers.runners.aws import clients as aws
from drivers.runners.emr import clusters as emr_clusters
from drivers.runners.emr import request
from tests.conftest import ROOT, Driver
from tests.moto_aws import SECRET, FakeEMR, moto_environment, surround
from tests.terminal import wait_for

REGION = ("--region", "us-west-1")
AN_ID = re.compile(r"j-\w+")
PAGE = ROOT / "docs" / "emr.md"


@pytest.fixture(scope="module")
def server():
    aws.client.cache_clear()
    with moto_environment() as environment:
        yield environment
    aws.client.cache_clear()


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, server):
    surround(monkeypatch, server)
    monkeypatch.setattr(emr_clusters, "SECONDS_BETWEEN_LOOKS", 0.0)
    monkeypatch.setattr(sys, "argv", ["drivers/cluster.py"])


@pytest.fixture
def fake(monkeypatch):
    return FakeEMR(monkeypatch)


def outcome(*arguments: str) -> tuple[int, str, str]:
    """Status, standard output and standard error; the program runs in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = program.main(arguments)
        except SystemExit as end:
            status = end.code
    assert SECRET not in out.getvalue() + err.getvalue()
    assert "Traceback" not in err.getvalue()
    return status, out.getvalue(), err.getvalue()


def created(*arguments: str) -> str:
    """The id of a cluster made by the program."""
    status, out, _ = outcome("create", *REGION, *arguments)
    assert status == 0
    return out.strip()


# -- create --------------------------------------------------------------------------------------------------------------


def test_the_command_of_the_issue_makes_twenty_nodes(fake):
    """As a program of its own; standard output is the id and nothing else, for ID=$(...)."""
    done = Driver("cluster")("create", *REGION, "--idle", "60m", "--core", "19")
    assert done.returncode == 0, done.stderr
    (cluster_id,) = fake.clusters
    assert done.stdout == f"{cluster_id}\n"
    (request,) = fake.requests
    groups = {group["InstanceRole"]: group for group in request["Instances"]["InstanceGroups"]}
    assert {role: group["InstanceCount"] for role, group in groups.items()} == {"MASTER": 1, "CORE": 19}
    assert request["ReleaseLabel"].startswith("emr-7.")
    assert request["AutoTerminationPolicy"] == {"IdleTimeout": 3600}
    assert (request["ServiceRole"], request["JobFlowRole"]) == ("EMR_DefaultRole", "EMR_EC2_DefaultRole")
    assert {"Key": "scanlearn", "Value": "1"} in request["Tags"]
    assert "asking AWS for a cluster in us-west-1: 20 nodes, 1 m7i.xlarge and 19 m7i.xlarge" in done.stderr
    assert f"terminate --region us-west-1 {cluster_id}" in done.stderr
    assert SECRET not in done.stdout + done.stderr


def test_a_dry_run_prints_the_request_and_asks_nobody(fake, monkeypatch):
    """Not even for credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    status, out, err = outcome("create", *REGION, "--core", "3", "--log-uri", "s3://bucket/logs", "--dry-run")
    assert (status, err, fake.requests) == (0, "", [])
    assert json.loads(out) == request.ClusterRequest("us-west-1", 3, log_uri="s3://bucket/logs").to_api()


def test_every_option_is_in_the_request():
    options = shlex.split(
        "--core 4 --idle 2h --log-uri s3://b/l/ --release emr-7.1.0 --primary-type m7i.2xlarge --core-type r7i.xlarge "
        "--spot --service-role A --instance-profile B --subnet subnet-1 --key-pair k --bootstrap s3://b/own.sh --name n "
        "--tag team=x --tag budget=a=b"
    )
    expected = request.ClusterRequest(
        "us-west-1", 4, 7200, "n", "emr-7.1.0", "m7i.2xlarge", "r7i.xlarge", True, "s3://b/l/", "s3://b/own.sh", "A", "B",
        "subnet-1", "k", {"team": "x", "budget": "a=b"},
    )  # fmt: skip
    assert json.loads(outcome("create", *REGION, *options, "--dry-run")[1]) == expected.to_api()


def test_what_is_not_given_is_taken_from_mrjob_conf(tmp_path, monkeypatch):
    conf = tmp_path / "some.conf"
    settings = {"region": "eu-west-1", "num_core_instances": 7, "cloud_tmp_dir": "s3://b/tmp/", "tags": {"team": "x"}}
    conf.write_text(json.dumps({"runners": {"emr": settings}}))
    told = json.loads(outcome("create", "-c", str(conf), "--tag", "more=y", "--dry-run")[1])
    assert told["LogUri"] == "s3://b/tmp/logs/"
    assert told["Instances"]["InstanceGroups"][1]["InstanceCount"] == 7
    assert {"Key": "team", "Value": "x"} in told["Tags"] and {"Key": "more", "Value": "y"} in told["Tags"]
    told = json.loads(outcome("create", "--conf-path", str(conf), "--core", "1", "--dry-run")[1])
    assert told["Instances"]["InstanceGroups"][1]["InstanceCount"] == 1
    monkeypatch.setenv("MRJOB_CONF", str(conf))
    assert "LogUri" in json.loads(outcome("create", "--dry-run")[1])
    assert "LogUri" not in json.loads(outcome("create", "--no-conf", "--dry-run")[1])


def test_states_are_told_until_it_is_ready(fake, monkeypatch):
    fake.leave_starting(monkeypatch)
    states, real = iter(("STARTING", "BOOTSTRAPPING", "WAITING")), emr_clusters.describe

    def describe(region, cluster_id):
        fake.clusters[cluster_id].state = next(states)
        return real(region, cluster_id)

    monkeypatch.setattr(emr_clusters, "describe", describe)
    status, out, err = outcome("create", *REGION, "--hourly-price", "0.25", "--core", "3")
    cluster_id = out.strip()
    assert status == 0
    lines = err.splitlines()
    assert lines[0] == "4 nodes at 0.25 cost 1.00 an hour"
    assert lines[2:4] == [f"{cluster_id}: starting", f"{cluster_id}: bootstrapping"]
    assert lines[4] == f"the cluster {cluster_id} is ready; it ends itself after 1h without work; end it by"


def test_it_need_not_wait(fake, monkeypatch):
    fake.leave_starting(monkeypatch)
    status, out, err = outcome("create", *REGION, "--no-wait")
    assert (status, out.strip()) == (0, next(iter(fake.clusters)))
    assert f"the cluster {out.strip()} is starting" in err


def test_quiet_prints_the_id(fake):
    assert outcome("create", *REGION, "-q")[1:] == (next(iter(fake.clusters)) + "\n", "")


def test_json_tells_the_cluster(fake):
    status, out, err = outcome("create", *REGION, "--json")
    told = json.loads(out)
    assert (status, err) == (0, "")
    assert (told["cluster_id"], told["state"], told["ended"]) == (next(iter(fake.clusters)), "WAITING", None)


def test_a_cluster_that_ends_instead_is_an_error(fake, monkeypatch):
    fake.leave_starting(monkeypatch)
    real = emr_clusters.describe

    def describe(region, cluster_id):
        fake.clusters[cluster_id].state = "TERMINATED_WITH_ERRORS"
        fake.clusters[cluster_id].last_state_change_reason = "EMR service role arn:aws:iam::1:role/Mine is invalid"
        return real(region, cluster_id)

    monkeypatch.setattr(emr_clusters, "describe", describe)
    status, out, err = outcome("create", *REGION)
    assert status == 1 and out.strip() in fake.clusters
    assert "did not start: there is no service role Mine that EMR may take; `aws emr create-default-roles`" in err
    assert "goes on" not in err and "terminate" not in err  # there is nothing left to end


def test_a_cluster_that_is_out_of_sight_is_told_to_go_on(fake, monkeypatch):
    def describe(region, cluster_id):
        raise aws.UnreachableError("no answer")

    monkeypatch.setattr(emr_clusters, "describe", describe)
    monkeypatch.setattr(emr_clusters, "SECONDS_UNREACHABLE", -1.0)
    status, out, err = outcome("create", *REGION)
    assert status == 1
    assert "no answer; the cluster may go on starting, and costs; end it by\n" in err
    assert err.rstrip().endswith(f"terminate --region us-west-1 {out.strip()}")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_while_it_starts_says_how_to_end_it(fake, monkeypatch, number):
    fake.leave_starting(monkeypatch)
    process = subprocess.Popen(
        Driver("cluster").command("create", *REGION), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    cluster_id = process.stdout.readline().strip()
    assert cluster_id in fake.clusters
    wait_for(lambda: False, process, seconds=0.3)
    process.send_signal(number)
    rest, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number and rest == ""
    said = err.partition("terminated" if number == signal.SIGTERM else "interrupted")[2]
    assert said.startswith(f"; the cluster {cluster_id} goes on starting, and costs; end it by\n  python ")
    assert "Traceback" not in err and SECRET not in err
    # The command as it stands there does it.
    command = said.splitlines()[1].replace("python ", f"{process.args[0]} ", 1)
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert done.stdout == f"{cluster_id} is being ended\n"
    assert fake.clusters[cluster_id].state == "TERMINATED"


# -- list ----------------------------------------------------------------------------------------------------------------


def test_the_list_shows_ours(fake):
    first, second = created("--core", "19", "--idle", "90m"), created("--core", "2", "--name", "mine")
    fake.clusters[first].creation_datetime -= timedelta(hours=3, minutes=5, seconds=30)
    fake.clusters[second].set_termination_protection(True)
    status, out, err = outcome("list", *REGION)
    assert (status, err) == (0, "")
    rows = [line.split() for line in out.splitlines() if AN_ID.search(line)]
    assert rows[0] == [first, "scanlearn", "waiting", "20", "3h5m", "1h30m", "0"]
    assert rows[1][:4] == [second, "mine", "waiting", "3"]
    assert max(map(len, out.splitlines())) <= 80


def test_the_list_tells_what_they_have_cost_at_the_users_price(fake):
    cluster_id = created("--core", "19")
    fake.clusters[cluster_id].creation_datetime -= timedelta(hours=2)
    rows = [line.split() for line in outcome("list", *REGION, "--hourly-price", "0.25")[1].splitlines()]
    (row,) = [row for row in rows if row[:1] == [cluster_id]]
    assert float(row[-1]) == pytest.approx(10, rel=0.01)  # 20 nodes, 2 hours and a moment
    (told,) = json.loads(outcome("list", *REGION, "--hourly-price", "0.25", "--json")[1])
    assert told["cost"] == pytest.approx(10, rel=0.01)


def test_the_list_as_json(fake):
    cluster_id = created("--core", "1", "--idle", "5m")
    (told,) = json.loads(outcome("list", *REGION, "--json")[1])
    assert (told["cluster_id"], told["n_nodes"], told["idle_seconds"], told["tags"]["scanlearn"]) == (
        cluster_id, 2, 300, "1",
    )  # fmt: skip
    outcome("terminate", *REGION, cluster_id)
    assert outcome("list", *REGION, "--json")[1] == "[]\n"
    (told,) = json.loads(outcome("list", *REGION, "--json", "--ended")[1])
    assert told["state"] == "TERMINATED" and told["ended"]


def test_an_empty_list_says_so(fake):
    assert outcome("list", *REGION)[1] == "there are no clusters made by drivers/cluster.py in us-west-1\n"
    assert outcome("list", *REGION, "--all")[1] == "there are no clusters in us-west-1\n"
    assert outcome("list")[1].endswith("in us-east-1\n")  # the region that boto3 finds


# -- terminate -----------------------------------------------------------------------------------------------------------


def test_clusters_are_ended_by_their_ids(fake):
    first, second, third = created(), created(), created()
    outcome("terminate", *REGION, second)
    status, out, err = outcome("terminate", *REGION, first, second)
    assert (status, out, err) == (0, f"{first} is being ended\n{second} had ended already\n", "")
    assert [fake.clusters[name].state for name in (first, second, third)] == ["TERMINATED", "TERMINATED", "WAITING"]


def test_all_means_all_that_were_made_here(fake):
    ours = sorted((created(), created()))
    theirs = aws.client("emr", "us-west-1").run_job_flow(
        Name="theirs",
        Instances={
            "InstanceGroups": [{"InstanceRole": "MASTER", "InstanceType": "m7i.xlarge", "InstanceCount": 1}],
            "KeepJobFlowAliveWhenNoSteps": True,
        },
    )["JobFlowId"]
    status, out, _ = outcome("terminate", *REGION, "--all", "--json")
    assert status == 0
    told = sorted(json.loads(out), key=lambda entry: entry["cluster_id"])
    assert told == [{"cluster_id": cluster_id, "was_alive": True} for cluster_id in ours]
    assert fake.clusters[theirs].state == "WAITING"
    assert outcome("terminate", *REGION, "--all")[1] == "there are no clusters made by drivers/cluster.py in us-west-1\n"


def test_one_that_cannot_be_ended_does_not_keep_the_others(fake):
    first, second = created(), created()
    fake.clusters[first].set_termination_protection(True)
    status, out, err = outcome("terminate", *REGION, first, "j-GONE", second)
    assert (status, out) == (1, f"{second} is being ended\n")
    assert f"{first} could not be ended: it is protected; `aws emr modify-cluster-attributes" in err
    assert "j-GONE could not be looked up: there is no such cluster in us-west-1" in err
    assert fake.clusters[first].state == "WAITING"


# -- what can be wrong ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "sentence"),
    {
        "": "cluster.py: error: the following arguments are required: create|list|terminate",
        "create --idle 90": "cluster.py create: error: argument --idle: 90 has no unit; write 90s, 90m or 90h",
        "create --idle soon": "cluster.py create: error: argument --idle: 'soon' is no span of time; write 90s, 60m, "
        "1h30m or 2d",
        "create --idle 30s": "cluster.py: error: a cluster ends itself after 1m to 7d without work, not 30s",
        "create --idle 8d": "cluster.py: error: a cluster ends itself after 1m to 7d without work, not 8d",
        "create --core -1": "cluster.py create: error: argument --core: -1 is negative",
        "create --core few": "cluster.py create: error: argument --core: 'few' is not a whole number",
        "create --tag x": "cluster.py create: error: argument --tag: 'x' is not KEY=VALUE",
        "create --ilde 60m": "cluster.py create: error: unrecognized arguments: --ilde 60m; did you mean --idle?",
        "create --hourly-price 0": "cluster.py create: error: argument --hourly-price: 0 is not a finite number above zero",
        "create --release emr-5.36.0": "cluster.py: error: the release emr-5.36.0 does not do: the nodes need Python 3.9, "
        "which emr-7.0.0 and later have",
        "create --log-uri logs": "cluster.py: error: logs is no place on S3; write s3://bucket/key",
        "terminate": "cluster.py: error: terminate takes the ids of clusters, or --all for all that were made here",
        "terminate --all j-1": "cluster.py: error: terminate takes the ids of clusters, or --all for all that were made "
        "here",
    }.items(),
)
def test_wrong_usage_is_one_sentence(fake, words, sentence):
    assert outcome(*words.split()) == (2, "", sentence + "\n")
    assert fake.requests == []


@pytest.mark.parametrize("command", ["create", "list", "terminate --all", "terminate j-1"])
def test_without_a_region_or_credentials_there_is_one_sentence(monkeypatch, command):
    aws.client.cache_clear()
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    sentence = "no region of AWS is known: give --region us-west-1, or set AWS_DEFAULT_REGION"
    assert outcome(*command.split()) == (1, "", f"cluster.py: error: {sentence}\n")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    status, out, err = outcome(*command.split(), *REGION, *(["-q"] if command == "create" else []))
    aws.client.cache_clear()
    assert (status, out) == (1, "")
    assert re.fullmatch(
        r"cluster\.py: error: .+: there are no AWS credentials; set them as boto3 finds them, e\.g\. by `aws configure`\n",
        err,
    )


def test_no_key_is_told_even_when_all_is_told(fake, monkeypatch):
    """By a program of its own, with the traceback, the session token and an endpoint that holds a password."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "a-secret-token")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://somebody:a-password@127.0.0.1:1")
    done = Driver("cluster")("list", *REGION, "--debug")
    assert done.returncode == 1 and "Traceback" in done.stderr
    assert "AWS does not answer at 127.0.0.1:1" in done.stderr
    for secret in (SECRET, "a-secret-token", "a-password"):
        assert secret not in done.stdout + done.stderr


# -- the page ------------------------------------------------------------------------------------------------------------


def commands_of_the_page() -> list[str]:
    text = PAGE.read_text().replace("\\\n", " ")
    return [
        match[1].rstrip(")") for match in re.finditer(r"^(?:ID=\$\()?(python drivers/cluster\.py .*)$", text, re.MULTILINE)
    ]


def test_the_commands_of_the_page_are_understood():
    lines = commands_of_the_page()
    assert len(lines) >= 4
    for line in lines:
        words = shlex.split(line.replace("$ID", "j-1"), comments=True)[2:]
        options = program.make_parser().parse_args(words)
        if options.command == "create":
            assert outcome(*words, "--dry-run")[0] == 0


def test_the_page_names_the_defaults():
    text = PAGE.read_text()
    for default in (request.RELEASE, request.INSTANCE_TYPE, request.SERVICE_ROLE, request.NODE_NUMPY):
        assert default in text
