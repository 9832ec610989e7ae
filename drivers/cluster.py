"""Clusters on EMR: makes one, lists those that live, ends them.

ID=$(python drivers/cluster.py create --region us-west-1 --idle 60m --core 19 --log-uri s3://BUCKET/logs/)
python drivers/cluster.py list --region us-west-1
python drivers/cluster.py terminate --region us-west-1 $ID

A cluster made here ends itself when it was idle for --idle. What is not given is taken from mrjob.conf, runner emr; AWS's
credentials are those that boto3 finds. docs/emr.md goes from an empty account to a result.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import shlex
import sys
from collections.abc import Callable, Sequence
from typing import Any

from drivers import interruption
from drivers.app import OK, UsageError, run_program
from drivers.durations import parse_duration, show_duration
from drivers.option_values import natural, positive
from drivers.options import Formatter, Forward, Parser
from drivers.runners.aws.clients import region_or_default
from drivers.runners.emr.clusters import (
    ENDED_DAYS,
    Cluster,
    ClusterEndedError,
    create,
    describe,
    list_clusters,
    terminate,
    wait_until_ready,
)
from drivers.runners.emr.request import (
    DEFAULT_CORE,
    INSTANCE_PROFILE,
    INSTANCE_TYPE,
    NODE_NUMPY,
    RELEASE,
    SERVICE_ROLE,
    ClusterRequest,
    cost,
    instance_hours,
    settings_from,
)
from drivers.runners.switches import Switches
from drivers.terminal.progress import Meter, Progress
from drivers.terminal.tables import open_console, plain_table
from drivers.wording import count
from jobs.errors import ScanError


class CommandParser(Parser):
    """A parser with commands, each of which refuses what it does not know."""

    def parse_args(self, args=None, namespace=None):  # type: ignore[override]
        # Commands and inputs between options do not go together.
        return argparse.ArgumentParser.parse_args(self, args, namespace)

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[override]
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown


def make_parser() -> CommandParser:
    parser = CommandParser(description=__doc__.splitlines()[0] if __doc__ else None, allow_abbrev=False)
    parser.set_defaults(resume=None, runner=None)
    commands = parser.add_subparsers(dest="command", required=True, metavar="create|list|terminate")
    _add_create(commands)
    _add_list(commands)
    _add_terminate(commands)
    return parser


def _add_create(commands: Any) -> None:
    idle = show_duration(ClusterRequest.idle_seconds)
    add = _add_command(commands, "create", run_create, "make a cluster, print its id, and wait until it is ready")
    add("--core", dest="n_core", type=natural, metavar="N", help=f"nodes beside the primary one; Default: {DEFAULT_CORE}")
    add(
        "--idle",
        dest="idle_seconds",
        type=duration,
        metavar="SPAN",
        help=f"without work it ends itself after so long: 90m, 2h; Default: {idle}",
    )
    add("--log-uri", metavar="S3", help="the s3://bucket/folder/ that gets its logs; Default: none are kept")
    add("--release", metavar="LABEL", help=f"of EMR; Default: {RELEASE}")
    add("--primary-type", metavar="TYPE", help=f"of the primary node; Default: {INSTANCE_TYPE}")
    add("--core-type", metavar="TYPE", help=f"of the other nodes; Default: {INSTANCE_TYPE}")
    add("--spot", action="store_true", help="the core nodes cost less, and AWS may take them back")
    add("--service-role", metavar="ROLE", help=f"what EMR acts as; Default: {SERVICE_ROLE}")
    add("--instance-profile", metavar="PROFILE", help=f"what the nodes act as; Default: {INSTANCE_PROFILE}")
    add("--subnet", metavar="ID", help="where the nodes are; Default: one that AWS chooses")
    add("--key-pair", metavar="NAME", help="of EC2, for ssh to the primary node")
    add("--bootstrap", metavar="S3", help=f"a script that each node runs as it starts, instead of installing {NODE_NUMPY}")
    add("--name", help=f"what AWS shows; Default: {ClusterRequest.name}")
    add("--tag", dest="tags", action="append", type=tag, default=[], metavar="KEY=VALUE", help="one more, for AWS's bills")
    add("--hourly-price", type=positive, metavar="PRICE", help="of a node, EC2 and EMR together: says what an hour costs")
    add("--wait", action=argparse.BooleanOptionalAction, default=True, help="wait until it is ready")
    add("--dry-run", action="store_true", help="print the request to AWS as JSON, and end")
    add("-q", "--quiet", action="store_true", help="print nothing but the id")


def _add_list(commands: Any) -> None:
    add = _add_command(commands, "list", run_list, "list the clusters that live")
    add("--all", action="store_true", help="those too that were not made here")
    add("--ended", action="store_true", help=f"those too that have ended in the last {ENDED_DAYS} days")
    add("--hourly-price", type=positive, metavar="PRICE", help="of a node, EC2 and EMR together: says what they have cost")


def _add_terminate(commands: Any) -> None:
    add = _add_command(commands, "terminate", run_terminate, "end clusters")
    add("cluster_ids", nargs="*", metavar="ID", help="j-...")
    add("--all", action="store_true", help="all of the region that were made here, those of colleagues too")


def _add_command(commands: Any, name: str, run: Callable[[Any], int], text: str) -> Callable[..., Any]:
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False, formatter_class=Formatter)
    parser.set_defaults(run=run)
    parser.add_argument("--region", help="of AWS: us-west-1; Default: as boto3 finds it")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.add_argument(
        "-c", "--conf-path", dest="mrjob_args", action=Forward, default=[], metavar="FILE", help="instead of mrjob.conf"
    )
    parser.add_argument("--no-conf", dest="mrjob_args", action=Forward, nargs=0, default=[], help="read no mrjob.conf")
    return parser.add_argument


def duration(text: str) -> int:
    """An option's span of time, in seconds."""
    try:
        return parse_duration(text)
    except ScanError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def tag(text: str) -> tuple[str, str]:
    """An option's KEY=VALUE."""
    key, sign, value = text.partition("=")
    if not key or not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


# -- create ----------------------------------------------------------------------------------------------------------------


def run_create(options: argparse.Namespace) -> int:
    request = request_from(options)
    progress = Progress(options.quiet or options.json)
    if options.hourly_price:
        an_hour = cost(instance_hours(request.n_nodes, 3600), options.hourly_price)
        progress.say(f"{count(request.n_nodes, 'node')} at {options.hourly_price:g} cost {an_hour:,.2f} an hour")
    if options.dry_run:
        print(json.dumps(request.to_api(), indent=2))
        return OK
    progress.say(f"asking AWS for a cluster in {request.region}: {_nodes(request)}, {request.release}")
    # A signal must not come between the cluster and its name.
    with interruption.held():
        cluster_id = create(request)
        ends_by = "end it by\n  " + shlex.join(["python", sys.argv[0], "terminate", "--region", request.region, cluster_id])
        interruption.begin(lambda: f"; the cluster {cluster_id} goes on starting, and costs; {ends_by}")
        if not options.json:
            print(cluster_id, flush=True)
    cluster = _wait(progress, request.region, cluster_id, ends_by) if options.wait else None
    if options.json:
        print(json.dumps(readable(cluster or describe(request.region, cluster_id))))
    ready = "ready" if options.wait else "starting"
    idle = show_duration(request.idle_seconds)
    progress.say(f"the cluster {cluster_id} is {ready}; it ends itself after {idle} without work; {ends_by}")
    return OK


def request_from(options: argparse.Namespace) -> ClusterRequest:
    """What the options ask for; what they do not say is taken from mrjob.conf.

    :raises UsageError: what AWS, or a driver on the cluster, could not use
    """
    settings = settings_from(conf_of(options).get)
    tags = {**settings.pop("tags", {}), **dict(options.tags)}
    names = [field.name for field in dataclasses.fields(ClusterRequest) if field.name != "tags"]
    settings.update({name: value for name in names if (value := getattr(options, name, None)) is not None})
    settings["region"] = region_or_default(settings.get("region"))
    try:
        return ClusterRequest(**settings, tags=tags)
    except ScanError as error:
        raise UsageError(str(error)) from None


def conf_of(options: argparse.Namespace) -> dict[str, Any]:
    """What mrjob.conf sets for the runner emr."""
    # mrjob remarks on a file that sets nothing.
    logging.getLogger("mrjob").addHandler(logging.NullHandler())
    return Switches("emr", options.mrjob_args).conf


def _nodes(request: ClusterRequest) -> str:
    market = " (spot)" if request.spot else ""
    core = f" and {request.n_core} {request.core_type}{market}" if request.n_core else ""
    return f"{count(request.n_nodes, 'node')}, 1 {request.primary_type}{core}"


def _wait(progress: Progress, region: str, cluster_id: str, ends_by: str) -> Cluster:
    meter, seen = Meter(progress.display, cluster_id), ""

    def tell(state: str, seconds: float) -> None:
        nonlocal seen
        if state != seen:
            meter.say(state.lower())
            seen = state
        meter.set(None, state.lower())

    try:
        return wait_until_ready(region, cluster_id, tell)
    except ClusterEndedError:
        raise
    except ScanError as error:
        raise ScanError(f"{error}; the cluster may go on starting, and costs; {ends_by}") from None
    finally:
        progress.display.clear()


# -- list ------------------------------------------------------------------------------------------------------------------


def run_list(options: argparse.Namespace) -> int:
    region = region_from(options)
    clusters = list_clusters(region, options.all, options.ended)
    if options.json:
        print(json.dumps([readable(cluster, options.hourly_price) for cluster in clusters]))
    elif clusters:
        print_clusters(clusters, options.hourly_price)
    else:
        print(f"there are no clusters{'' if options.all else ' made by drivers/cluster.py'} in {region}")
    return OK


def region_from(options: argparse.Namespace) -> str:
    """The region of an option, of mrjob.conf, or that boto3 finds."""
    return region_or_default(options.region or conf_of(options).get("region"))


def print_clusters(clusters: Sequence[Cluster], hourly_price: float | None) -> None:
    price = ["cost"] if hourly_price else []
    table = plain_table("cluster", "name", "state", "nodes", "up for", "idle", "hours", *price)
    for cluster in clusters:
        row = [
            cluster.cluster_id,
            cluster.name,
            cluster.state.lower().replace("terminated_with_errors", "failed"),
            "-" if cluster.n_nodes is None else str(cluster.n_nodes),
            show_duration(cluster.seconds // 60 * 60),
            {None: "-", 0: "never"}.get(cluster.idle_seconds) or show_duration(cluster.idle_seconds or 0),
            str(cluster.normalized_hours),
        ]
        if hourly_price:
            spent = _spent(cluster, hourly_price)
            row.append("-" if spent is None else f"{spent:,.2f}")
        table.add_row(*row)
    open_console().print(table)


def readable(cluster: Cluster, hourly_price: float | None = None) -> dict[str, Any]:
    """A cluster as JSON holds it."""
    told = dataclasses.asdict(cluster)
    told["created"] = cluster.created.isoformat()
    told["ended"] = cluster.ended.isoformat() if cluster.ended else None
    return told | ({"cost": _spent(cluster, hourly_price)} if hourly_price else {})


def _spent(cluster: Cluster, hourly_price: float) -> float | None:
    if cluster.n_nodes is None:
        return None
    return cost(instance_hours(cluster.n_nodes, cluster.seconds), hourly_price)


# -- terminate -------------------------------------------------------------------------------------------------------------


def run_terminate(options: argparse.Namespace) -> int:
    if bool(options.cluster_ids) == options.all:
        raise UsageError("terminate takes the ids of clusters, or --all for all that were made here")
    region = region_from(options)
    cluster_ids = options.cluster_ids or [cluster.cluster_id for cluster in list_clusters(region)]
    said, errors = {}, []
    for cluster_id in dict.fromkeys(cluster_ids):
        try:
            said[cluster_id] = terminate(region, cluster_id)
            if not options.json:
                print(f"{cluster_id} {'is being ended' if said[cluster_id] else 'had ended already'}", flush=True)
        except ScanError as error:
            errors.append(str(error))  # the others cost, too
    if options.json:
        print(json.dumps([{"cluster_id": cluster_id, "was_alive": alive} for cluster_id, alive in said.items()]))
    elif not cluster_ids:
        print(f"there are no clusters made by drivers/cluster.py in {region}")
    if errors:
        raise ScanError("; ".join(errors))
    return OK


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, lambda options: options.run(options))


if __name__ == "__main__":
    sys.exit(main())
