"""What a run brings to the file system of a cluster, and finds there again, whether its jobs are Hadoop's or Spark's.

HOME/packs/NAME/blocks.txt   a packed table; one that a job has packed there has a file a task
HOME/code/HASH/NAME          code and archives
HOME/tmp/RUN                 what one run writes, removed with it
"""

from __future__ import annotations

import getpass
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterable
from functools import partial

from drivers.packing.cache import Pack
from drivers.runners.hadoop.files import HadoopFileSystem
from drivers.runners.hadoop.leftovers import is_ours, place
from drivers.runners.hadoop.mrjob_runner import PLAIN
from drivers.runners.runner import Runner, Setting, block_lines, carried_bytes
from drivers.runners.staging import name_of_run
from jobs.errors import ScanError

MOST_READ = 8  # outputs of passes that wait to be removed together
log = logging.getLogger("mrjob.hadoop")

Content = tuple[Callable[[], Iterable[bytes]], int]  # what gives the pieces of a file, and about their bytes


def cluster_home(given: str | None, switch: str = "--hadoop-tmp-dir") -> str:
    """Where the user's runs keep what they have on a cluster.

    :param given: the user's own choice, by this switch
    :raises ScanError: it is no folder that could be used
    """
    # Not under /user/<name>, which need not be there, and with its scheme: the default file system may be another.
    if not given:
        return f"hdfs:///tmp/scanlearn-{os.environ.get('HADOOP_USER_NAME') or getpass.getuser()}"
    home = given.rstrip("/")
    if not is_ours(f"{home}/tmp/run-00000000"):
        raise ScanError(f"{switch} {given} is to be the URL of one folder with a plain name, as in hdfs:///tmp/me")
    return home


class ClusterFolder:
    """What a run has on a cluster: `tmp`, a folder of its own, and what is written down besides, all removed with it."""

    def __init__(self, files: HadoopFileSystem, home: str, setting: Setting) -> None:
        self.files, self.home, self._setting = files, home, setting
        self.tmp = f"{home}/tmp/{name_of_run(setting)}"
        self._folders: dict[str, str] = {}  # what is written down as there, and the name it has there
        self._wanted: dict[str, Content] = {}
        self._read: list[str] = []

    def begins(self, folder: str) -> None:
        """Writes down a folder that is about to be there."""
        if folder not in self._folders:
            self._folders[folder] = self._setting.leftovers.add("hdfs", **place(self.files.binary), path=folder)

    def stays(self, folder: str) -> None:
        """It is to stay when the run ends."""
        self.has_gone(folder)

    def has_gone(self, folder: str) -> None:
        """It is no longer there."""
        self._setting.leftovers.forget(self._folders.pop(folder, ""))

    def has_been_read(self, folder: str) -> None:
        """The output of a pass, below `tmp`, is of no more use. It goes with others: a Java machine starts to remove it."""
        self._read.append(folder)
        if len(self._read) < MOST_READ:
            return
        read, self._read = self._read, []
        try:
            self.files.remove(*read)
        except ScanError as error:  # the job counts, and `tmp` is removed in the end
            log.warning(f"not removed yet: {error}")

    def want_lines(self, pack: Pack) -> str:
        """Where the lines of a packed table will be; `bring` brings them there."""
        if pack.url is not None:
            return pack.url
        lines = f"{self.home}/packs/{pack.name}/blocks.txt"
        self.want(lines, partial(block_lines, pack.blocks, pack.index), carried_bytes(pack.n_bytes))
        return lines

    def want(self, path: str, content: Callable[[], Iterable[bytes]], n_bytes: int) -> None:
        """A file that is to be there; `bring` brings it.

        :param content: gives its pieces
        :param n_bytes: about so many
        """
        self._wanted[path] = content, n_bytes

    def bring(self) -> None:
        """Writes the files that are wanted, unless they are there: all that a run needs at once, for each look at the
        cluster starts a Java machine.

        :raises ScanError: a file that could not be written
        """
        if not self._wanted:
            return
        present = self.files.present(list(self._wanted))
        # From here on there is something that a kill would leave.
        self.begins(self.tmp)
        missing = {path: file for path, file in self._wanted.items() if path not in present}
        if missing:
            self.files.make_folders(self.tmp, *map(os.path.dirname, missing))
        for path, (content, n_bytes) in missing.items():
            with self._setting.progress.bytes("to HDFS", n_bytes) as advance:
                self.files.put(content(), path, f"{self.tmp}/{os.path.basename(path)}", advance)
        self._wanted.clear()

    def close(self) -> None:
        """Removes what this run has there, but for the packed table and the code."""
        if self._folders:
            self.files.remove(*self._folders)
            for path in list(self._folders):
                self.has_gone(path)


def hadoop_configuration(binary: str) -> str | None:
    """The folder with the configuration of the hadoop command, None where it is at no usual place."""
    home = os.path.dirname(os.path.dirname(os.path.realpath(binary)))
    places = [os.environ.get(name, "") for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR")]
    places += [os.path.join(home, "etc", "hadoop"), os.path.join(home, "conf")]
    return next((path for path in places if os.path.exists(os.path.join(path, "core-site.xml"))), None)


def is_for_hdfs(configuration: str) -> bool:
    """Whether a configuration of Hadoop has HDFS for its default file system."""
    with open(os.path.join(configuration, "core-site.xml"), encoding="utf-8", errors="replace") as f:
        return bool(re.search(r"<name>\s*fs\.default(?:FS|\.name)\s*</name>\s*<value>\s*(?:hdfs|viewfs):", f.read()))


def plain_temporary(runner: Runner) -> str:
    """A temporary folder of the run whose path Hadoop takes in a list of paths."""
    path = runner.temporary()
    if PLAIN.fullmatch(path):
        return path
    path = tempfile.mkdtemp(prefix="scanlearn-")
    runner.setting.leftovers.add("folder", path=path)
    return path
