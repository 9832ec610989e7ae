"""The kinds of things that runs leave, and what removes one of each: only what a run could have made."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drivers.run_directory import OPTIONS
from jobs.errors import ScanError

Entry = dict[str, Any]


class NotOursError(ScanError):
    """A thing that no run can have made: it is left alone, and forgotten."""


@dataclass(frozen=True)
class Kind:
    """A kind of things.

    remove: removes one, and gives its name, None when it was gone already
    :raises NotOursError: one that is none of ours
    :raises ScanError: it cannot be removed now
    runners: those whose programs it takes, seconds each, so that a run of such a runner removes it, or drivers/clean.py;
    none where any run does
    """

    remove: Callable[[Entry], str | None]
    runners: tuple[str, ...] = ()


def _remove_folder(entry: Entry) -> str | None:
    """The temporary folder of a run directory, or one of tempfile's by our name."""
    path = entry.get("path", "")
    if not os.path.isabs(path) or os.path.normpath(path) != path:
        raise NotOursError(f"{path!r} is no path of a folder that a run makes")
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    run, name = os.path.split(path)
    in_a_run = name == "tmp" and all(os.path.isfile(os.path.join(run, file)) for file in (".lock", OPTIONS))
    by_tempfile = re.fullmatch(r"scanlearn-\w{8}", name, re.ASCII) and found.st_uid == os.getuid()
    if not stat.S_ISDIR(found.st_mode) or not (in_a_run or by_tempfile):
        raise NotOursError(f"{path} is no folder that a run makes")
    with contextlib.ExitStack() as stack:
        if in_a_run:
            lock = stack.enter_context(open(os.path.join(run, ".lock"), "r+"))
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # the run goes on, and has removed what was left; this folder is its new one
                return None
        shutil.rmtree(path)
    return path


def _remove_on_hdfs(entry: Entry) -> str | None:
    from drivers.runners.hadoop.leftovers import remove_folder

    return remove_folder(entry)


def _kill_application(entry: Entry) -> str | None:
    from drivers.runners.hadoop.leftovers import end_application

    return end_application(entry)


def _remove_on_s3(entry: Entry) -> str | None:
    from drivers.runners.aws.s3_files import S3Files

    # What passes write, and a pack that a job was writing; those that are sent have longer names.
    if not re.fullmatch(r"s3://[^/]+/(.+/)?scanlearn/(tmp/[^/]+|packs/[0-9a-f]{24}-[0-9a-f]{8})/", entry["uri"]):
        raise NotOursError(f"{entry['uri']} is no folder that a run writes and removes")
    return entry["uri"] if S3Files(entry["region"]).remove(entry["uri"]) else None


def _abort_upload(entry: Entry) -> str | None:
    from drivers.runners.aws.s3_files import S3Files

    return f"a part of {entry['uri']}" if S3Files(entry["region"]).abort(entry["uri"], entry["upload"]) else None


def _terminate_cluster(entry: Entry) -> str | None:
    from drivers.runners.emr.clusters import terminate_named

    # Those of drivers/cluster.py have no number at the end of their names, and live on.
    if not re.fullmatch(r"scanlearn \S+-[0-9a-f]{8}", entry["name"]):
        raise NotOursError(f"{entry['name']!r} is no name of a run's cluster")
    return " and ".join(terminate_named(entry["region"], entry["name"])) or None


def _cancel_step(entry: Entry) -> str | None:
    from drivers.runners.emr.steps import cancel_named

    if not re.search(r"\.\d{8}\.\d{6}\.\d{6}$", entry["name"]):
        raise NotOursError(f"{entry['name']!r} is no name of a run's step")
    steps = cancel_named(entry["region"], entry["cluster_id"], entry["name"])
    return f"{' and '.join(steps)} on {entry['cluster_id']}" if steps else None


KINDS = {
    "folder": Kind(_remove_folder),
    "hdfs": Kind(_remove_on_hdfs, ("hadoop", "spark")),
    "application": Kind(_kill_application, ("hadoop", "spark")),
    "s3": Kind(_remove_on_s3, ("emr",)),
    "upload": Kind(_abort_upload, ("emr",)),
    "cluster": Kind(_terminate_cluster, ("emr",)),
    "step": Kind(_cancel_step, ("emr",)),
}
