"""moto's server as AWS for tests of clusters: no clock, no machines; what it drops of a request is kept here."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.core.responses import ActionResult
from moto.emr.models import Cluster, emr_backends
from moto.emr.responses import ElasticMapReduceResponse
from moto.server import ThreadedMotoServer

from drivers.packing.stores import s3
from drivers.runners.aws import clients as aws

SECRET = "a-very-secret-key"


@contextmanager
def moto_environment() -> Iterator[dict[str, str]]:
    """The settings of a server, and credentials of nobody."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield _settings(server)
    finally:
        server.stop()
        forget_clients()


def forget_clients() -> None:
    """What was made for one AWS would be asked by the next test too."""
    aws.client.cache_clear()
    s3._client.cache_clear()
    s3._head.cache_clear()


def _settings(server: ThreadedMotoServer) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": "http://{}:{}".format(*server.get_host_and_port()),
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }


def surround(monkeypatch: Any, environment: dict[str, str]) -> None:
    """Nothing of this machine's own AWS, and these settings."""
    forget_clients()
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


class FakeEMR:
    """What moto's EMR has been asked, as it came over the wire, and its clusters."""

    def __init__(self, monkeypatch: Any) -> None:
        self.requests: list[dict[str, Any]] = []
        policies: dict[str, dict[str, Any]] = {}
        fake, real = self, ElasticMapReduceResponse.run_job_flow

        def run_job_flow(response: ElasticMapReduceResponse) -> ActionResult:
            fake.requests.append(json.loads(response.body))
            answer = real(response)
            policies[list(fake.clusters)[-1]] = fake.requests[-1].get("AutoTerminationPolicy", {})
            return answer

        def get_auto_termination_policy(response: ElasticMapReduceResponse) -> ActionResult:
            policy = policies.get(response._get_param("ClusterId"))
            return ActionResult({"AutoTerminationPolicy": policy} if policy else {})

        monkeypatch.setattr(ElasticMapReduceResponse, "run_job_flow", run_job_flow)
        monkeypatch.setattr(
            ElasticMapReduceResponse, "get_auto_termination_policy", get_auto_termination_policy, raising=False
        )
        self.clusters.clear()

    @property
    def clusters(self) -> dict[str, Cluster]:
        # Whatever the region, of a server that has no name of AWS.
        return emr_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].clusters

    def leave_starting(self, monkeypatch: Any) -> None:
        """Clusters made from now on do not get ready by themselves."""
        monkeypatch.setattr(Cluster, "run_bootstrap_actions", lambda cluster: None)
