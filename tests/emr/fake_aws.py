"""FakeAWS: S3, IAM and EMR on this machine, on which steps of Hadoop Streaming really run.

    with FakeAWS(tmp_path / "aws") as aws:
        bucket = aws.make_bucket("table")
        subprocess.run(driver, env=aws.environment())      # or, in the process of the test, aws.surround(monkeypatch)
        assert aws.errors == []
        [cluster] = aws.clusters()
        [step] = aws.steps

Clusters are of one region, as with AWS: a job of mrjob, whose default is another, needs `--region`.

One a process: moto keeps what it has in the process. Where it begins and ends, all of moto is forgotten.
"""

from __future__ import annotations

import logging
import os
import urllib.request
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from tests.emr.attempt import Attempt
from tests.emr.executor import Executor, Settings
from tests.emr.moto_emr import ENDED, real_emr
from tests.node_python import find_node_python

REGION = "us-east-1"
SECRET = "a-secret-of-nobody"
# What would lead boto3 elsewhere.
FOREIGN = (
    "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_ROLE_ARN", "AWS_CA_BUNDLE",
    "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_EMR",
    "AWS_ENDPOINT_URL_IAM", "AWS_ENDPOINT_URL_EC2", "AWS_ENDPOINT_URL_STS", "AWS_USE_FIPS_ENDPOINT",
)  # fmt: skip


@dataclass(frozen=True)
class ClusterView:
    """A cluster: `instances` counts them by role, `request` is RunJobFlow as it was received."""

    id: str
    name: str
    region: str
    state: str
    reason: dict[str, str]
    instances: dict[str, int]
    tags: dict[str, str]
    idle_policy: dict[str, Any] | None
    request: dict[str, Any]

    @property
    def is_live(self) -> bool:
        return self.state not in ENDED


@dataclass(frozen=True)
class StepView:
    """A step that has had its turn. `seconds` is how long it ran; `attempts` are those at its tasks, each with its
    environment."""

    id: str
    name: str
    cluster_id: str
    jar: str
    args: list[str]
    state: str
    seconds: float
    attempts: list[Attempt]


class FakeAWS:
    """See the module.

    folder: for all that the clusters keep on their disks
    node_python: the interpreter of the nodes; the default has numpy and no mrjob (tests/node_python.py)
    settings: slots, start_seconds, log_seconds, step_seconds (Settings in tests/emr/executor.py); they may be changed
        for clusters to come
    """

    def __init__(self, folder: Path, node_python: Path | None = None, **settings: float) -> None:
        self.folder = Path(folder)
        self.node_python = node_python or find_node_python().path
        self.settings = Settings(**settings)  # type: ignore[arg-type]
        # What went wrong in the fake itself, or was asked of it and is not modelled. Empty after a good test.
        self.errors: list[str] = []

    def __enter__(self) -> FakeAWS:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        with ExitStack() as stack:
            server.start()
            stack.callback(server.stop)
            self.url = "http://{}:{}".format(*server.get_host_and_port())
            self.environ = {
                "AWS_ENDPOINT_URL": self.url,
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_EC2_METADATA_DISABLED": "true",
                "AWS_CONFIG_FILE": "/dev/null",
                "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            }
            self.s3 = self.client("s3")
            self.emr = self.client("emr")
            self._executor = Executor(self.folder, self.node_python, self.environ, self.s3, self.settings, self.errors)
            stack.callback(self._forget)
            stack.enter_context(real_emr(self._executor.take))
            self._forget()
            stack.callback(self._executor.stop)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def client(self, service: str, region: str = REGION) -> Any:
        """A client of boto3's own, whatever the environment says."""
        session = boto3.Session(aws_access_key_id="testing", aws_secret_access_key=SECRET, region_name=region)
        return session.client(service, endpoint_url=self.url)

    def environment(self, base: Mapping[str, str] = os.environ) -> dict[str, str]:
        """A whole environment for a program."""
        return {**{name: value for name, value in base.items() if name not in FOREIGN}, **self.environ}

    def surround(self, monkeypatch: Any) -> None:
        """Makes this process itself meet the fake, until pytest's monkeypatch takes it back."""
        for name in FOREIGN:
            monkeypatch.delenv(name, raising=False)
        for name, value in self.environ.items():
            monkeypatch.setenv(name, value)

    def make_bucket(self, name: str) -> str:
        """Makes a bucket; its URI, without a slash at the end."""
        self.s3.create_bucket(Bucket=name)
        return f"s3://{name}"

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def clusters(self) -> list[ClusterView]:
        """All clusters of all regions, ended ones too, in the order in which they were made."""
        views = []
        for run in self._executor.runs:
            cluster = run.cluster
            instances: dict[str, int] = {}
            for group in cluster.instance_groups:
                instances[group.role] = instances.get(group.role, 0) + group.num_instances
            views.append(
                ClusterView(
                    cluster.id,
                    cluster.name,
                    cluster.emr_backend.region_name,
                    str(cluster.state),
                    dict(cluster.reason),
                    instances,
                    {tag["Key"]: tag["Value"] for tag in cluster.tags},
                    cluster.idle_policy,
                    run.request,
                )
            )
        return views

    @property
    def steps(self) -> list[StepView]:
        """The steps that have begun, cluster by cluster, in their order."""
        return [
            StepView(
                run.step.id,
                run.step.name,
                run.cluster_id,
                run.step.jar,
                list(run.step.args),
                run.step.state,
                run.seconds,
                list(run.attempts),
            )
            for cluster in self._executor.runs
            for run in cluster.steps
        ]

    def _forget(self) -> None:
        with urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")):
            pass
