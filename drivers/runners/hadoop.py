"""Hadoop Streaming on YARN. The packed table and the code go to HDFS once; a pass sends its query and its script.

On HDFS, below hdfs:///tmp/scanlearn-USER or the user's --hadoop-tmp-dir:

    packs/NAME/blocks.txt   a packed table, found again by later runs
    code/HASH/jobs.zip      the code, and archives of the user's
    tmp/RUN                 what the passes of one run write, removed with it
"""

from __future__ import annotations

import getpass
import hashlib
import logging
import os
import re
import tempfile
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
from drivers.runners.mrjob_hadoop import PLAIN, HadoopRunner
from drivers.runners.runner import SPLIT_BYTES, Runner, Setting, block_lines, carried_bytes, kernel_choice
from drivers.runners.shipping import build_zip
from drivers.terminal.progress import Meter
from drivers.terminal.watching import await_client, ticking
from jobs.errors import ScanError
from jobs.mrjob_compat import MRJob

SHARE_OF_MAPS = 0.9  # of the time that a job takes
# A client waits for a ResourceManager that is gone for a quarter of an hour.
PATIENCE = {"yarn.resourcemanager.connect.max-wait.ms": "30000", "yarn.resourcemanager.connect.retry-interval.ms": "2000"}
# What jobs write is this user's alone.
PRIVATE = {"fs.permissions.umask-mode": "077"}
# Java tells of its errors only, unless the user wants more; a task that fails says why in a warning, without which mrjob
# does not show the task's own error. The lines of the Hadoop client are not among these: mrjob reads the application, the
# percent and the counters in them, and only the log of the run gets them.
QUIET = {
    "mapreduce.map.log.level": "WARN",
    "mapreduce.reduce.log.level": "WARN",
    "yarn.app.mapreduce.am.log.level": "ERROR",
}


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
        home = self._home()
        # Known before it is there, so that a kill at any moment leaves it to be found.
        self.tmp = f"{home}/tmp/{os.path.basename(setting.directory.path)}-{os.urandom(4).hex()}"
        self._left = setting.leftovers.add("hdfs", binary=self.binary, path=self.tmp)
        self.home = home
        code, archives = self._stage_code(home)
        defaults = {
            **self.common_defaults(),
            "--local-tmp-dir": self._plain_temporary(),
            "--hadoop-bin": self.binary,
            "--hadoop-streaming-jar": streaming_jar(self.binary),
            "--no-check-input-paths": None,
        }
        jobconf = self.user.jobconf({"mapreduce.job.reduces": "1", **QUIET, **PATIENCE, **PRIVATE})
        arguments = [archives.get(word, word) for word in self.user.with_defaults(defaults)]
        # The user's own is where packs and code lie too; a pass's own folder is below it.
        arguments = [word for word in arguments if not word.startswith("--hadoop-tmp-dir=")]
        self.arguments = [*jobconf, *kernel_choice(), *arguments, f"--hadoop-tmp-dir={self.tmp}", f"--py-files={code}"]
        self.inputs = []

    def bring(self, pack: Pack) -> None:
        """Sends the lines of the pack to HDFS, unless they are there."""
        n_bytes = carried_bytes(pack.n_bytes)
        if pack.url is None:
            name = f"{os.path.basename(pack.folder)}-{pack.manifest.fingerprint}"
            lines = f"{self.home}/packs/{name}/blocks.txt"
            self._put({lines: (partial(block_lines, pack.blocks, pack.index), n_bytes)})
        else:
            lines = pack.url
        self.arguments = [*self.maps_for(n_bytes), *self.arguments]
        self.inputs = [lines]

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
        """Removes what the passes of this run have on HDFS."""
        if self._left:
            self.files.remove(self.tmp)
            self.setting.leftovers.forget(self._left)
            self._left = ""

    # -- set-up ------------------------------------------------------------------------------------------------------------

    def _home(self) -> str:
        # Not under /user/<name>, which need not be there, and with its scheme: the default file system may be another.
        given = self.user.value("--hadoop-tmp-dir", "hadoop_tmp_dir")
        return (
            given.rstrip("/")
            if given
            else f"hdfs:///tmp/scanlearn-{os.environ.get('HADOOP_USER_NAME') or getpass.getuser()}"
        )

    def _stage_code(self, home: str) -> tuple[str, dict[str, str]]:
        """Brings the code and the user's archives to HDFS; gives where the code is, and the switch for each archive by the
        switch that names it here."""
        zip_path = self.setting.directory.file("jobs.zip")
        build_zip(zip_path)
        code = f"{home}/code/{_digest(zip_path)}/jobs.zip"
        wanted: dict[str, tuple[Callable[[], Any], int]] = {code: (partial(_pieces, zip_path), 0)}
        archives = {}
        for word in self.user.arguments:
            found = re.fullmatch(r"(--archives?=)([^#]+)(#[^#,]+)?", word)
            if found and "://" not in found[2] and os.path.isfile(found[2]):
                path = found[2]
                there = f"{home}/code/{_digest(path)}/{_plain_name(path)}"
                wanted[there] = (partial(_pieces, path), os.path.getsize(path))
                archives[word] = f"{found[1]}{there}{found[3] or ''}"
        self._put(wanted)
        return code, archives

    def _put(self, wanted: dict[str, tuple[Callable[[], Any], int]]) -> None:
        """Writes files, each given by its pieces and their bytes, unless they are there."""
        present = self.files.present(list(wanted))
        for path, (source, n_bytes) in wanted.items():
            if path not in present:
                with self.setting.progress.bytes("to HDFS", n_bytes) as advance:
                    self.files.put(source(), path, advance)

    def _plain_temporary(self) -> str:
        """A temporary folder whose path Hadoop takes in a list of paths."""
        path = self.temporary()
        if PLAIN.fullmatch(path):
            return path
        path = tempfile.mkdtemp(prefix="scanlearn-")
        self.setting.leftovers.add("folder", path=path)
        return path

    # -- how far a pass is -----------------------------------------------------------------------------------------------

    @contextmanager
    def watching(self, meter: Meter, n_blocks: int, last_seconds: float | None, running: Any) -> Iterator[None]:
        """Reads the lines of the Hadoop client; on Ctrl-C the application is killed, which would outlive it."""
        left: list[str] = []
        leftovers = self.setting.leftovers

        def begun(application: str) -> None:
            left.append(leftovers.add("application", binary=self.binary, id=application))

        news = HadoopNews(meter, begun)
        meter.set(None, "being submitted")
        logger = logging.getLogger("mrjob")
        logger.addHandler(news)
        try:
            with ticking(meter):
                yield
        except KeyboardInterrupt:
            await_client()
            if news.application is not None:
                meter.say(f"killing {news.application}")
                kill_application(self.binary, news.application)
            raise
        finally:
            logger.removeHandler(news)
            for name in left:
                leftovers.forget(name)


class HadoopNews(logging.Handler):
    """Reads the lines of the Hadoop client, which mrjob logs; tells `begun` of an application that is about to be there."""

    def __init__(self, meter: Meter, begun: Callable[[str], None] = lambda application: None) -> None:
        super().__init__()
        self.meter, self.begun = meter, begun
        self.application: str | None = None  # that is there, or is about to be

    def emit(self, record: logging.LogRecord) -> None:
        line = record.getMessage()
        submitting = re.search(r"\bSubmitting tokens for job: job_(\d+_\d+)", line)
        application, percent = application_of(line), percent_of(line)
        if submitting:
            self.application = f"application_{submitting.group(1)}"
            self.begun(self.application)
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
            self.application = None


def application_of(line: str) -> str | None:
    """The id in the line that tells of a job's submission to YARN."""
    found = re.search(r"\bSubmitted application (application_\d+_\d+)", line)
    return found and found.group(1)


def percent_of(line: str) -> tuple[int, int] | None:
    """How much of the maps and of the reduces a line says is done."""
    found = re.fullmatch(r"\s*map (\d+)% reduce (\d+)%\s*", line)
    return (int(found.group(1)), int(found.group(2))) if found else None


def _digest(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _pieces(path: str) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            yield piece


def _plain_name(path: str) -> str:
    name = os.path.basename(path)
    if not PLAIN.fullmatch(name):
        raise ScanError(f"the archive {path} needs a name of letters, digits, dots and dashes, which Hadoop takes")
    return name
