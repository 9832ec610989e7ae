"""What killed runs have left on a cluster: folders on HDFS, applications on YARN.

They are removed by the command, the configuration and the user of the run that made them, which may not be those of today.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Mapping

from drivers.runners.hadoop.command import kill_application
from drivers.runners.hadoop.files import HadoopFileSystem
from drivers.runners.leftover_kinds import NotOursError
from jobs.errors import ScanError

# Of a run, besides packs and code: its own folder, a pack that a job was writing, where YARN keeps the files of a job.
FOLDER = re.compile(r"tmp/[\w.-]+-[0-9a-f]{8}|packs/[0-9a-f]{24}-[0-9a-f]{8}|\.staging/job_\d+_\d+", re.ASCII)
APPLICATION = re.compile(r"application_\d+_\d+", re.ASCII)
# The path without its first slash; without what means something to the client, or in a list of paths.
URL = re.compile(r"""(?:[a-z][a-z0-9+.-]*:(?://[\w.:-]*)?)?/?([^:*?{}\[\]\\^\s,#'"\x00-\x1f]+)""")


def place(binary: str) -> dict[str, str]:
    """What is written down with a thing on a cluster, so that a later run finds the same cluster."""
    return {
        "binary": os.path.abspath(shutil.which(binary) or binary),
        "conf": os.environ.get("HADOOP_CONF_DIR", ""),
        "user": os.environ.get("HADOOP_USER_NAME", ""),
    }


def is_ours(path: str) -> bool:
    """Whether a run may have made a folder of this URL, below the one that it was given."""
    found = URL.fullmatch(path)
    folders = found[1].split("/") if found else []
    if len(folders) < 3 or {"", ".", ".."} & set(folders):
        return False
    return FOLDER.fullmatch("/".join(folders[-2:])) is not None


def remove_folder(entry: Mapping[str, str]) -> str | None:
    """Removes the folder of a run, or of one of its jobs; gives its name, None when it was gone already.

    :raises NotOursError: another path
    :raises ScanError: it cannot be removed now
    """
    path = entry.get("path", "")
    if not is_ours(path):
        raise NotOursError(f"{path!r} is no folder on HDFS that a run makes")
    return path if HadoopFileSystem(*_found_again(entry)).remove(path) else None


def end_application(entry: Mapping[str, str]) -> str | None:
    """Ends an application; gives its name, None when it had ended already.

    :raises NotOursError: what is no application
    :raises ScanError: it cannot be ended now
    """
    application = entry.get("id", "")
    if not APPLICATION.fullmatch(application):
        raise NotOursError(f"{application!r} is no application of YARN")
    binary, environment = _found_again(entry)
    return application if kill_application(binary, application, environment) else None


def _found_again(entry: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The command that reaches where a thing lies, and what of the environment leads it there."""
    binary = entry.get("binary", "")
    if not (os.path.isabs(binary) and os.access(binary, os.X_OK)):
        raise ScanError(f"{entry.get('path') or entry.get('id')}: there is no longer a hadoop command at {binary!r}")
    return binary, {"HADOOP_CONF_DIR": entry.get("conf", ""), "HADOOP_USER_NAME": entry.get("user", "")}
