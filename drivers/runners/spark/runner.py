"""Spark, by mrjob's harness: on this machine, on a master of its own, or on YARN.

local[N]            tasks are processes of this Python, whose lines refer to the pack's own file
spark://HOST:PORT   the same where there is no HDFS, by a disk that the workers share with this machine; else as on YARN
yarn                the packed table goes to HDFS once, and so do Spark's own libraries

--spark-tmp-dir names another folder, or another file system of the cluster.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, ClassVar

from drivers.app import UsageError
from drivers.packing.cache import Pack
from drivers.runners.hadoop.cluster_folder import (
    ClusterFolder,
    cluster_home,
    hadoop_configuration,
    is_for_hdfs,
    plain_temporary,
)
from drivers.runners.hadoop.command import PRIVATE, first_word, hadoop_binary, use_binary
from drivers.runners.hadoop.files import HadoopFileSystem
from drivers.runners.hadoop.mrjob_runner import PLAIN
from drivers.runners.runner import SPLIT_BYTES, Runner, Setting, kernel_choice
from drivers.runners.shipping import build_zip
from drivers.runners.spark import master as spark_master
from drivers.runners.spark.application import Application
from drivers.runners.spark.installation import find_spark_submit, libraries, libraries_zip, site_settings, spark_home
from drivers.runners.spark.master import check_that_it_answers, cores_of
from drivers.runners.spark.mrjob_runner import SparkRunner
from drivers.runners.switches import Switches
from drivers.terminal.progress import Meter
from drivers.terminal.watching import ticking
from jobs.errors import ScanError
from jobs.mrjob_compat import MRJob

SHARE_OF_MAPS = 0.9  # of the time of the tasks
# A client waits for a ResourceManager that is gone for a quarter of an hour.
PATIENCE = {"yarn.resourcemanager.connect.max-wait.ms": "30000", "yarn.resourcemanager.connect.retry-interval.ms": "2000"}
# What a task reads where the number of cores is not known: on Spark it starts in a moment.
PIECE_BYTES = 16 << 20
# The Java machine here leads, and computes little: so it needs half the processor time to start.
JAVA = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData"
# One BLAS thread from the start, since pyspark may import numpy before our code is there; and what lies in the folder where
# the user stands is not to be taken for a module.
FOR_WORKERS = {
    "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1",
    "PYTHONSAFEPATH": "1",
}  # fmt: skip


class Spark(Runner):
    """See the module."""

    hints: ClassVar[dict[str, str]] = {
        r"JAVA_HOME is not set|\bjava: (?:command )?(?:not found|No such file)|Unable to locate a Java": (
            "Spark finds no Java; install Java 17, or set JAVA_HOME"
        ),
        r"UnsupportedClassVersionError": "this Spark needs a newer Java; set JAVA_HOME to one",
        r"PYTHON_VERSION_MISMATCH": (
            "the Python of the workers is not that of the driver; --python-bin names one of the same version there"
        ),
        r"FileNotFoundException: File file:|Mkdirs failed to create file:": (
            "the workers do not see the folder of the run as this machine does; give --run-dir and --cache-dir on a disk "
            "they share with it, or --spark-tmp-dir hdfs://..."
        ),
        r"Connection refused|All masters are unresponsive|Failed to connect to|NoRouteToHost": (
            "the cluster does not answer; is it up?"
        ),
        r"OutOfMemoryError": "Spark has too little memory; -D spark.driver.memory=2g gives it more",
    }

    @classmethod
    def check(cls, user: Switches) -> None:
        master = _master(user)
        cores_of(master)
        check_that_it_answers(master)
        if (user.option("spark_deploy_mode") or "client") != "client":
            raise UsageError("-r spark leads its jobs from this machine; leave out --spark-deploy-mode")
        _spark_submit(user)

    @classmethod
    def carries_blocks(cls, user: Switches) -> bool:
        return cores_of(_master(user)) is None

    @classmethod
    def n_tasks(cls, user: Switches, n_bytes: int) -> int:
        n_cores = cores_of(_master(user))
        if user.n_maps() or n_cores is None:
            return user.n_maps() or -(-n_bytes // PIECE_BYTES)
        return n_cores * max(1, round(n_bytes / n_cores / SPLIT_BYTES))

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.master = _master(self.user)
        self.n_cores = cores_of(self.master)
        self.submit = _spark_submit(self.user)
        self.environment = {"LC_ALL": "C.UTF-8"}
        self.tmp = plain_temporary(self)
        self.cluster = self._cluster()
        code = setting.directory.file("jobs.zip")
        build_zip(code)
        if not PLAIN.fullmatch(code):
            code = shutil.copy(code, self.tmp)
        defaults = {
            **self.common_defaults(),
            "--local-tmp-dir": self.tmp,
            "--spark-master": self.master,
            "--no-check-input-paths": None,
        }
        self.job_arguments = [
            *self._settings(),
            *self._environment(),
            *self.user.with_defaults(defaults),
            f"--py-files={code}",
        ]
        self.application = Application(self.tmp)
        self.n_jobs = 0

    def bring(self, pack: Pack) -> None:
        """Sends the lines of the pack to the cluster, unless they are there; or cuts its index into pieces, one a task."""
        self.arguments = self.job_arguments
        if self.cluster is not None:
            self.inputs = [self.cluster.want_lines(pack)]
            self.cluster.bring()
            return
        self.arguments = [*self.arguments, f"--blocks={os.path.abspath(pack.blocks)}"]
        self.inputs = [os.path.join(self.tmp, "index")]
        os.makedirs(self.inputs[0], mode=0o700, exist_ok=True)
        with open(pack.index, "rb") as f:
            lines = f.readlines()
        n = max(1, min(len(lines), self.n_tasks(self.user, pack.n_bytes)))
        for i in range(n):
            with open(os.path.join(self.inputs[0], f"{i:05d}.txt"), "wb") as f:
                f.writelines(lines[i * len(lines) // n : (i + 1) * len(lines) // n])

    def job_runner(self, job: MRJob) -> SparkRunner:
        check_that_it_answers(self.master)
        job._runner_class = lambda: SparkRunner
        running = job.make_runner()
        running.application, running.submit, running.environment = self.application, self.submit, self.environment
        self.n_jobs += 1
        if self.cluster is not None:
            self.cluster.begins(self.cluster.tmp)
            running.write_to(f"{self.cluster.tmp}/{self.n_jobs}", self.cluster.files)
        return running

    @contextmanager
    def watching(self, meter: Meter, n_blocks: int, last_seconds: float | None, running: Any) -> Iterator[None]:
        """Counts the tasks."""
        told: list[bool] = []

        def tell(stage: int, n_ended: int, n_running: int, n_tasks: int) -> None:
            if meter.share is None:
                meter.hurry()
            name = "reduce" if stage else "map"
            share = n_ended / n_tasks
            share = SHARE_OF_MAPS + (1 - SHARE_OF_MAPS) * share if stage else SHARE_OF_MAPS * share
            meter.set(share, f"{n_ended} of {n_tasks} {name} task{'s' * (n_tasks != 1)}, {n_running} running")

        def wait() -> None:
            if not told:
                meter.say("no worker takes a task; they may be busy, or have less memory than -D spark.executor.memory=1g")
            told.append(True)

        running.tell, running.wait = tell, wait
        meter.set(None, "Spark starts")
        with ticking(meter):
            yield

    def close(self) -> None:
        """Ends Spark, and removes what the jobs of this run have on the cluster."""
        self.application.end()
        if self.cluster is not None:
            self.cluster.close()

    # -- where things are ------------------------------------------------------------------------------------------------

    def _cluster(self) -> ClusterFolder | None:
        """Where the workers reach what they need by a file system of the cluster, the run's folder there. Else they use the
        files of this machine, by a folder of the user's choice or by the run's own."""
        given = self.user.option("spark_tmp_dir")
        if given and ("://" not in given or given.startswith("file:")):
            self.tmp = self._folder_in(given.removeprefix("file://"))
        elif given or self.n_cores is None:
            binary = self._hadoop()
            configuration = binary and hadoop_configuration(binary)
            if configuration and not {"HADOOP_CONF_DIR", "YARN_CONF_DIR"} & os.environ.keys():
                self.environment["HADOOP_CONF_DIR"] = configuration
            if binary and (given or (configuration and is_for_hdfs(configuration))):
                return ClusterFolder(HadoopFileSystem(binary), cluster_home(given, "--spark-tmp-dir"), self.setting)
            if given:
                raise ScanError(f"--spark-tmp-dir {given} needs the hadoop command: set HADOOP_HOME, or give --hadoop-bin")
            if not self.master.startswith("spark:"):
                raise ScanError(
                    f"--spark-master {self.master} needs HDFS: set HADOOP_HOME, or give --hadoop-bin, and "
                    "--spark-tmp-dir with a URL where HDFS is not the default"
                )
        return None

    def _folder_in(self, parent: str) -> str:
        """A new folder in one of the user's."""
        try:
            os.makedirs(parent, exist_ok=True)
            path = tempfile.mkdtemp(prefix="scanlearn-", dir=os.path.abspath(parent))
        except OSError as error:
            raise ScanError(f"--spark-tmp-dir {parent} cannot be used: {error.strerror}") from None
        self.setting.leftovers.add("folder", path=path)
        if not PLAIN.fullmatch(path):
            raise ScanError(f"--spark-tmp-dir {parent}: Spark needs a path of letters, digits, dots, dashes and slashes")
        return path

    def _hadoop(self) -> str | None:
        given = self.user.option("hadoop_bin")
        use_binary(first_word(given) if given else None)
        with suppress(ScanError):
            return hadoop_binary()
        return None

    # -- what Spark is told ------------------------------------------------------------------------------------------------

    def _settings(self) -> list[str]:
        """Where neither the user nor the site has settings."""
        settings = {
            "spark.log.level": "WARN",
            "spark.ui.enabled": "false",
            "spark.ui.showConsoleProgress": "true",
            "spark.local.dir": self.tmp,
            "spark.driver.defaultJavaOptions": f"{JAVA} -Djava.io.tmpdir={self.tmp}",
        }
        if self.cluster is None:  # each piece of the index is one task's
            settings["spark.hadoop.mapreduce.input.fileinputformat.split.minsize"] = str(1 << 40)
        else:
            settings |= {f"spark.hadoop.{name}": value for name, value in (PATIENCE | PRIVATE).items()}
            settings["spark.yarn.stagingDir"] = self.cluster.tmp
        if self.n_cores is not None:  # nobody else has anything to do with it
            settings |= {
                "spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1", "spark.authenticate": "true"
            }  # fmt: skip
        site = site_settings(self.submit)
        has_libraries = {"spark.yarn.archive", "spark.yarn.jars"} & (site | self.user.properties().keys())
        if self.master == "yarn" and self.cluster is not None and not has_libraries:
            settings["spark.yarn.archive"] = self._libraries(self.cluster)
        settings = {name: value for name, value in settings.items() if name not in site}
        return self.user.jobconf({"mapreduce.job.reduces": "1", **settings})

    def _libraries(self, cluster: ClusterFolder) -> str:
        """Where Spark's own libraries will be on the cluster, which it would else send there for each job."""
        home = spark_home(self.submit)
        name, n_bytes = libraries(home)
        path = f"{cluster.home}/code/{name}/spark.zip"
        cluster.want(path, partial(libraries_zip, home, self.tmp), n_bytes)
        return path

    def _environment(self) -> list[str]:
        """The environment of the workers, where mrjob.conf has nothing else; the user's switches come later, and win."""
        words = [*(f"--cmdenv={name}={value}" for name, value in FOR_WORKERS.items()), *kernel_choice()]
        given = self.user.conf.get("cmdenv") or {}
        return [word for word in words if word.split("=")[1] not in given]


def _master(user: Switches) -> str:
    return user.option("spark_master") or spark_master.DEFAULT


def _spark_submit(user: Switches) -> str:
    given = user.option("spark_submit_bin")
    if not given:
        return find_spark_submit()
    found = shutil.which(first_word(given))
    if found is None:
        raise ScanError(f"--spark-submit-bin: {first_word(given)} is no program")
    return found
