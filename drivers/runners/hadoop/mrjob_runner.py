"""mrjob's Hadoop runner with one client call a pass beside `hadoop jar`, to read the output.

mrjob asks for the version, makes two folders, puts each file, lists the output, cats its parts and removes it, a Java
machine each. Here the query, the script and the setup script go with the job itself, as local files of its `-files` switch,
the version is known, and outputs are removed some at a time.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from typing import Any

import jobs.mrjob_compat  # noqa: F401  (before mrjob, see there)
from drivers.runners.hadoop.files import HadoopFileSystem

# isort: split
from mrjob.hadoop import HadoopJobRunner
from mrjob.parse import is_uri

# Others mean something in the lists of paths that Hadoop takes.
PLAIN = re.compile(r"[\w./-]+", re.ASCII)
# What has to do with a lock in a setup script.
LOCK = re.compile(r"9>|\(9, |file lock$")


class HadoopRunner(HadoopJobRunner):
    """See the module. These are set by who makes it; `has_been_read` is told the job's folder when it is of no more use."""

    files: HadoopFileSystem
    version: str
    has_been_read: Callable[[str], None]

    def get_hadoop_version(self) -> str:
        return self.version

    def _wd_mirror(self) -> str:
        return os.path.join(self._get_local_tmp_dir(), "wd")

    def _dest_in_wd_mirror(self, path: str, name: str) -> str | None:
        """Where a file is copied to under a name that Hadoop takes; None where it lies well."""
        if is_uri(path) or PLAIN.fullmatch(path):
            return None
        return os.path.join(self._wd_mirror(), name)

    def _setup_cmd_content(self, setup: list) -> list[str]:
        """Without mrjob's lock, a file a job that stays in /tmp of each node, unless setup commands of the user need it."""
        lines = super()._setup_cmd_content(setup)
        return lines if self._setup else [line for line in lines if not LOCK.search(line)]

    def _upload_local_files(self) -> None:
        self._copy_files_to_wd_mirror()

    def cat_output(self) -> Iterator[bytes]:
        return self.files.lines(f"{self.get_output_dir()}/part-*")

    def _cleanup_hadoop_tmp(self) -> None:
        self.has_been_read(self._hadoop_tmp_dir)

    def _run_hadoop(self, hadoop_args: list[str], env: dict[str, str], record_callback: Any) -> Any:
        return super()._run_hadoop(hadoop_args, {**env, "LC_ALL": "C.UTF-8"}, record_callback)
