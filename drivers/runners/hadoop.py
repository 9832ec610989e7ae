"""Hadoop Streaming on YARN. The packed table and the code go to HDFS once; a pass sends its query and its script.

On HDFS, below hdfs:///tmp/scanlearn-USER or the user's --hadoop-tmp-dir:

    packs/NAME/blocks.txt   a packed table, found again by later runs
    code/HASH/jobs.zip      the code, and archives of the user's
    tmp/RUN                 what is on its way to there, and what the passes of one run write, removed with it
"""

from __future__ import annotations

import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar

from drivers.packing.cache import Pack
from drivers.runners.hadoop_client import (
    HadoopFileSystem,
    first_word,
    hadoop_binary,
    hadoop_version,
    kill_application,
    streaming_jar,
    use_binary,
)
from drivers.runners.hadoop_leftovers import APPLICATION, place
from drivers.runners.mrjob_hadoop import PLAIN, HadoopRunner
from drivers.runners.runner import SPLIT_BYTES, Runner, Setting, carried_bytes, kernel_choice
from drivers.runners.shipping import build_zip
from drivers.runners.staging import ClusterFolder, Content, cluster_home, digest, pieces, plain_temporary
from drivers.terminal.progress import Meter
from drivers.terminal.watching import await_client, ticking
from jobs.errors import ScanError
from jobs.mrjob_compat import MRJob

Tell = Callable[[str], None]

SHARE_OF_MAPS = 0.9  # of the time that a job takes
# A client waits for a ResourceManager that is gone for a quarter of an hour; the switches that shorten this would go with
# the job, which had better wait.
SECONDS_WITHOUT_CLUSTER = 30.0
SECONDS_BETWEEN_TRIES = 45.0  # at most, of one outage
# Java tells of its errors only, unless the user wants more; a task that fails says why in a warning, without which mrjob
# does not show the task's own error. The lines of the Hadoop client are not among these: mrjob reads the application, the
# percent and the counters in them, and only the log of the run gets them.
QUIET = {
    "mapreduce.map.log.level": "WARN",
    "mapreduce.reduce.log.level": "WARN",
    "yarn.app.mapreduce.am.log.level": "ERROR",
}
# What the tasks write is for this user alone.
PRIVATE = {"fs.permissions.umask-mode": "077"}

KEPT = re.compile(r"packs/[0-9a-f]{24}-[0-9a-f-]+|code/[0-9a-f]{16}")


class Hadoop(Runner):
    """See the module."""

    packs_on = "hdfs://"
    hints: ClassVar[dict[str, str]] = {
        r"JAVA_HOME|java: (?:command )?not found": "the hadoop command finds no Java; install Java, or set JAVA_HOME",
        r"Not a valid JAR|JAR does not exist|no Hadoop streaming jar|ClassNotFoundException|Exception in thread.*zip": (
            "--hadoop-streaming-jar does not name the streaming jar of this Hadoop"
        ),
        r"Connection refused|ConnectException|Retrying connect|NoRouteToHost": "the cluster does not answer; is it up?",
        r"Output directory \S+ already exists|FileAlreadyExists": "remove the directory, or name another",
        r"Container .* is running .* beyond the .*memory": (
            "the cluster gives its tasks too little memory; -D mapreduce.map.memory.mb=2048 asks for more"
        ),
        r"InvalidResourceRequestException|maximum allowed allocation": (
            "the cluster does not give a task as much memory as was asked for"
        ),
        r"safe mode": "the NameNode is in safe mode; wait until all DataNodes have come",
        r"BlockMissingException|Could not obtain block": "HDFS has lost a part of the packed table; are all DataNodes up?",
    }

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        given = self.user.value("--hadoop-bin", "hadoop_bin")
        use_binary(first_word(given) if given else None)
        self.binary = hadoop_binary()
        self.version = hadoop_version(self.binary)
        self.files = HadoopFileSystem(self.binary)
        home = cluster_home(self.user.value("--hadoop-tmp-dir", "hadoop_tmp_dir"))
        self.cluster = ClusterFolder(self.files, home, setting)
        self.home, self.tmp = home, self.cluster.tmp
        self._applications: dict[str, str] = {}  # that are written down as there, and the name they have there
        jar = self._streaming_jar()
        code, archives = self._stage_code()
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
        """Sends the lines of the pack to HDFS, unless they are there."""
        self.inputs = [self.cluster.lines(pack)]
        self.arguments = [*self.maps_for(carried_bytes(pack.n_bytes)), *self.arguments]

    def maps_for(self, n_bytes: int) -> list[str]:
        """The switches for as many map tasks as so many bytes are worth; the user's own come later, and win."""
        # Streaming's input format cuts by the number of map tasks asked for, and at HDFS blocks.
        return self.user.jobconf({"mapreduce.job.maps": str(max(1, -(-n_bytes // SPLIT_BYTES)))})

    def job_runner(self, job: MRJob) -> HadoopRunner:
        job._runner_class = lambda: HadoopRunner
        running = job.make_runner()
        running.files, running.version = self.files, self.version
        return running

    def close(self) -> None:
        """Removes what this run has on HDFS, but for the packed table and the code."""
        self.cluster.close()

    # -- set-up ------------------------------------------------------------------------------------------------------------

    def _streaming_jar(self) -> str | None:
        given = self.user.value("--hadoop-streaming-jar", "hadoop_streaming_jar")
        if given and "://" not in given and not os.path.isfile(given):
            raise ScanError(f"there is no streaming jar {given}; correct --hadoop-streaming-jar")
        return given or streaming_jar(self.binary)

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

    def _stage_code(self) -> tuple[str, dict[str, str]]:
        """Brings the code and the user's archives to HDFS; gives where the code is, and the switch for each archive by the
        switch that names it here."""
        zip_path = self.setting.directory.file("jobs.zip")
        build_zip(zip_path)
        code = f"{self.home}/code/{digest(zip_path)}/jobs.zip"
        wanted: dict[str, Content] = {code: (partial(pieces, zip_path), 0)}
        archives = {}
        for word in self.user.arguments:
            found = re.fullmatch(r"(--archives?=)([^#]+)(#[^#,]+)?", word)
            if found and "://" not in found[2] and os.path.isfile(found[2]):
                path = found[2]
                there = f"{self.home}/code/{digest(path)}/{_plain_name(path)}"
                wanted[there] = (partial(pieces, path), os.path.getsize(path))
                archives[word] = f"{found[1]}{there}{found[3] or ''}"
        self.cluster.bring(wanted)
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


class ClusterGoneError(ConnectionError):
    """Nobody has answered the client for too long."""


class HadoopNews(logging.Handler):
    """Reads the lines of the Hadoop client, which mrjob logs.

    begins: told of what is about to be there: the folder of the job's own files on HDFS, then the application
    ends: told of them again when the job has ended
    """

    def __init__(self, meter: Meter, begins: Tell = lambda thing: None, ends: Tell = lambda thing: None) -> None:
        super().__init__()
        self.meter, self.begins, self.ends = meter, begins, ends
        self.application: str | None = None  # that is there, or is about to be
        self._begun: list[str] = []
        self._last_word = time.monotonic()
        self._outage = -math.inf, -math.inf  # when the last one began, and when it was last told of

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        if "Retrying connect" not in line:
            self._last_word = time.monotonic()
        submitting = re.search(r"\bSubmitting tokens for job: job_(\d+_\d+)", line)
        folder = re.search(r"\bfor path: (\S+/\.staging/job_\d+_\d+)", line)
        trying = re.search(r"\bRetrying connect to server: (\S+?)\. ", line)
        application, percent = application_of(line), percent_of(line)
        if submitting:
            self.application = f"application_{submitting.group(1)}"
            self._begins(self.application)
        elif folder:
            self._begins(folder.group(1))
        elif trying:
            self._wait_for(trying.group(1))
        elif application:
            self.application = application
            self.meter.say(application)
            self.meter.set(None, "waiting for the cluster")
        elif percent:
            maps, reduces = percent
            if self.meter.share is None:
                self.meter.hurry()
            share = (SHARE_OF_MAPS * maps + (1 - SHARE_OF_MAPS) * reduces) / 100
            self.meter.set(share, f"map {maps} %, reduce {reduces} %")
        elif re.search(r"\bJob job_\S+ (completed|failed)\b", line):
            self.end()

    def end(self) -> None:
        """The job has ended."""
        self.application = None
        while self._begun:
            self.ends(self._begun.pop())

    def _begins(self, thing: str) -> None:
        self._begun.append(thing)
        self.begins(thing)

    def _wait_for(self, server: str) -> None:
        """:raises ClusterGoneError: when the client has tried for too long"""
        now = time.monotonic()
        began, last = self._outage
        if now - last > SECONDS_BETWEEN_TRIES:
            # Another outage. Until there is a job, the client is silent while it waits, which it may do for long before it
            # says so; later, while all goes well.
            self._outage = self._last_word if self.application is None else now, now
            return
        self._outage = began, now
        if now - began > SECONDS_WITHOUT_CLUSTER:
            raise ClusterGoneError(f"{server} has not answered for {now - began:.0f} seconds")


def packed_and_code(files: HadoopFileSystem, given: str | None) -> list[str]:
    """What runs keep there for the next ones.

    :raises ScanError: a cluster that does not answer
    """
    home = cluster_home(given)
    return [url for url in files.inside(f"{home}/packs", f"{home}/code") if KEPT.fullmatch(url.removeprefix(f"{home}/"))]


def application_of(line: str) -> str | None:
    """The id in the line that tells of a job's submission to YARN."""
    found = re.search(r"\bSubmitted application (application_\d+_\d+)", line)
    return found and found.group(1)


def percent_of(line: str) -> tuple[int, int] | None:
    """How much of the maps and of the reduces a line says is done."""
    found = re.fullmatch(r"\s*map (\d+)% reduce (\d+)%\s*", line)
    return (int(found.group(1)), int(found.group(2))) if found else None


def _plain_name(path: str) -> str:
    name = os.path.basename(path)
    if not PLAIN.fullmatch(name):
        raise ScanError(f"the archive {path} needs a name of letters, digits, dots and dashes, which Hadoop takes")
    return name
