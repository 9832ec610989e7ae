"""Hadoop Streaming on YARN. The packed table and the code go to HDFS once; a pass sends its query and its script.

On HDFS, below hdfs:///tmp/scanlearn-USER or the user's --hadoop-tmp-dir:

    packs/NAME/blocks.txt   a packed table, found again by later runs; one packed there has a file a task
    code/HASH/jobs.zip      the code, and archives of the user's
    tmp/RUN                 what is on its way to there, and what the passes of one run write, removed with it
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

from drivers.packing.cache import Pack
from drivers.runners.failures import YARN_HINTS
from drivers.runners.hadoop.cluster_folder import ClusterFolder, cluster_home, plain_temporary
from drivers.runners.hadoop.command import (
    PRIVATE,
    first_word,
    hadoop_binary,
    hadoop_version,
    kill_application,
    streaming_jar,
    use_binary,
)
from drivers.runners.hadoop.files import HadoopFileSystem
from drivers.runners.hadoop.leftovers import APPLICATION, place
from drivers.runners.hadoop.mrjob_runner import PLAIN, HadoopRunner
from drivers.runners.hadoop.news import ClusterGoneError, HadoopNews
from drivers.runners.runner import PackingRunner, Setting, carried_bytes, kernel_choice
from drivers.runners.shipping import build_zip
from drivers.runners.staging import archives_of, digest, pieces
from drivers.runners.switches import Switches
from drivers.terminal.progress import Meter
from drivers.terminal.watching import await_client, ticking
from jobs.errors import ScanError
from jobs.mrjob_compat import MRJob

# Java tells of its errors only, unless the user wants more; a task that fails says why in a warning, without which mrjob
# does not show the task's own error. The lines of the Hadoop client are not among these: mrjob reads the application, the
# percent and the counters in them, and only the log of the run gets them.
QUIET = {
    "mapreduce.map.log.level": "WARN",
    "mapreduce.reduce.log.level": "WARN",
    "yarn.app.mapreduce.am.log.level": "ERROR",
}
KEPT = re.compile(r"packs/[0-9a-f]{24}-[0-9a-f-]+|code/[0-9a-f]{16}")


class Hadoop(PackingRunner):
    """See the module."""

    packs_on = "hdfs://"
    hints: ClassVar[dict[str, str]] = {
        r"JAVA_HOME|java: (?:command )?not found": "the hadoop command finds no Java; install Java, or set JAVA_HOME",
        r"Not a valid JAR|JAR does not exist|no Hadoop streaming jar|ClassNotFoundException|Exception in thread.*zip": (
            "--hadoop-streaming-jar does not name the streaming jar of this Hadoop"
        ),
        r"Connection refused|ConnectException|Retrying connect|NoRouteToHost": "the cluster does not answer; is it up?",
        r"Output directory \S+ already exists|FileAlreadyExists": "remove the directory, or name another",
        **YARN_HINTS,
        r"safe mode": "the NameNode is in safe mode; wait until all DataNodes have come",
        r"BlockMissingException|Could not obtain block": "HDFS has lost a part of the packed table; are all DataNodes up?",
    }

    @classmethod
    def check(cls, user: Switches) -> None:
        _streaming_jar(user, _binary(user))
        cluster_home(user.option("hadoop_tmp_dir"))

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.binary = _binary(self.user)
        self.version = hadoop_version(self.binary)
        self.files = HadoopFileSystem(self.binary)
        home = cluster_home(self.user.option("hadoop_tmp_dir"))
        self.cluster = ClusterFolder(self.files, home, setting)
        self.home, self.tmp = home, self.cluster.tmp
        self._applications: dict[str, str] = {}  # that are written down as there, and the name they have there
        jar = _streaming_jar(self.user, self.binary)
        code, archives = self._want_code()
        defaults = {
            **self.common_defaults(),
            "--local-tmp-dir": plain_temporary(self),
            "--hadoop-bin": self.binary,
            "--hadoop-streaming-jar": jar,
            "--no-check-input-paths": None,
        }
        jobconf = self.user.jobconf({"mapreduce.job.reduces": "1", **QUIET, **PRIVATE})
        arguments = [archives.get(word, word) for word in self.user.with_defaults(defaults)]
        # The user's own is where packs and code lie too; a pass's own folder is below it.
        arguments = [word for word in arguments if not word.startswith("--hadoop-tmp-dir=")]
        self.arguments = [*jobconf, *kernel_choice(), *arguments, f"--hadoop-tmp-dir={self.tmp}", f"--py-files={code}"]
        self.inputs = []

    def bring(self, pack: Pack) -> None:
        """Sends the code and the lines of the pack to HDFS, unless they are there."""
        self.inputs = [self.cluster.want_lines(pack)]
        self.make_ready()
        self.arguments = [*self.maps_for(carried_bytes(pack.n_bytes)), *self.arguments]

    def make_ready(self) -> None:
        self.cluster.bring()

    def job_runner(self, job: MRJob) -> HadoopRunner:
        job._runner_class = lambda: HadoopRunner
        running = job.make_runner()
        running.files, running.version, running.has_been_read = self.files, self.version, self.cluster.has_been_read
        return running

    def close(self) -> None:
        """Removes what this run has on HDFS, but for the packed table and the code."""
        self.cluster.close()

    # -- packs -------------------------------------------------------------------------------------------------------------

    def keep_pack(self, url: str) -> None:
        self.cluster.stays(url)

    def has_pack(self, url: str) -> bool:
        return bool(self.files.present([url]))

    def read_pack(self, url: str) -> Iterator[bytes]:
        return self.files.lines(f"{url}/part-*")

    def _pack_begins(self, url: str) -> None:
        self.cluster.begins(url)

    # -- set-up ------------------------------------------------------------------------------------------------------------

    def _begins(self, thing: str) -> None:
        """Writes down a folder on HDFS, or an application, that is about to be there."""
        if APPLICATION.fullmatch(thing):
            there = place(self.binary)
            self._applications[thing] = self.setting.leftovers.add("application", **there, id=thing)
        else:
            self.cluster.begins(thing)

    def _has_gone(self, thing: str) -> None:
        """It is no longer there."""
        if thing in self._applications:
            self.setting.leftovers.forget(self._applications.pop(thing))
        else:
            self.cluster.has_gone(thing)

    def _want_code(self) -> tuple[str, dict[str, str]]:
        """Where the code will be on HDFS, and the switch for each of the user's archives there by the one that names it
        here."""
        zip_path = self.setting.directory.file("jobs.zip")
        build_zip(zip_path)
        code = f"{self.home}/code/{digest(zip_path)}/jobs.zip"
        self.cluster.want(code, partial(pieces, zip_path), 0)
        archives = {}
        for word, (path, switch) in archives_of(self.user).items():
            there = f"{self.home}/code/{digest(path)}/{_plain_name(path)}"
            self.cluster.want(there, partial(pieces, path), os.path.getsize(path))
            archives[word] = switch(there)
        return code, archives

    # -- how far a pass is -----------------------------------------------------------------------------------------------

    @contextmanager
    def watching(self, meter: Meter, n_blocks: int, last_seconds: float | None, running: Any) -> Iterator[None]:
        """Reads the lines of the Hadoop client. Where this run turns away from a job, by Ctrl-C or because the client has
        failed, the job is ended, which would go on."""
        news = HadoopNews(meter, self._begins, self._has_gone)
        meter.set(None, "being submitted")
        logger = logging.getLogger("mrjob")
        logger.addHandler(news)
        try:
            with ticking(meter):
                yield
        except BaseException as error:
            await_client()
            if news.application is not None and not isinstance(error, ClusterGoneError):
                self._end(news.application, meter)
            raise
        finally:
            logger.removeHandler(news)
        news.end()

    def _end(self, application: str, meter: Meter) -> None:
        """Ends an application; one that cannot be reached is left to the next run."""
        meter.say(f"killing {application}")
        try:
            kill_application(self.binary, application)
        except ScanError as error:
            meter.say(f"{error}; the next run, or drivers/clean.py, tries again")
        else:
            self._has_gone(application)


def _binary(user: Switches) -> str:
    given = user.option("hadoop_bin")
    use_binary(first_word(given) if given else None)
    return hadoop_binary()


def _streaming_jar(user: Switches, binary: str) -> str | None:
    given = user.option("hadoop_streaming_jar")
    if given and "://" not in given and not os.path.isfile(given):
        raise ScanError(f"there is no streaming jar {given}; correct --hadoop-streaming-jar")
    return given or streaming_jar(binary)


def packed_and_code(files: HadoopFileSystem, given: str | None) -> list[str]:
    """What runs keep there for the next ones.

    :raises ScanError: a cluster that does not answer
    """
    home = cluster_home(given)
    return [url for url in files.inside(f"{home}/packs", f"{home}/code") if KEPT.fullmatch(url.removeprefix(f"{home}/"))]


def _plain_name(path: str) -> str:
    name = os.path.basename(path)
    if not PLAIN.fullmatch(name):
        raise ScanError(f"the archive {path} needs a name of letters, digits, dots and dashes, which Hadoop takes")
    return name
