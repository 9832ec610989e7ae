"""Spark's own cluster on this machine, for tests: a master and two workers of one core, on loopback, by pyspark's own jars.

    with SparkCluster(folder) as cluster:
        cluster.master      spark://127.0.0.1:PORT

They end with the process that started them, whatever ends it: they have a terminal of their own, which goes with it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

SECONDS_TO_START = 90.0
N_WORKERS = 2
ON_TERMINAL = (
    "import fcntl, os, signal, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); "
    "signal.signal(signal.SIGHUP, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"
)
PLACE = r"Starting Spark master at (spark://127\.0\.0\.1:\d+)"


class SparkCluster:
    """See the module. `folder` gets the logs, and what the workers write."""

    master: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemons: list[subprocess.Popen] = []
        self._terminals: list[int] = []

    def __enter__(self) -> SparkCluster:
        try:
            self._start("master", "master.Master", "--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
            self.master = self._wait_for("master", PLACE)[0]
            for i in range(N_WORKERS):
                self._start(
                    f"worker-{i}", "worker.Worker", "--host", "127.0.0.1", "--cores", "1", "--memory", "1g",
                    "--webui-port", "0", "--work-dir", str(self._private(f"work-{i}")), self.master,
                )  # fmt: skip
            self._wait_for("master", "Registering worker", N_WORKERS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop_workers()
        self._stop(self._daemons)

    def stop_workers(self) -> None:
        """The master stays, and has nobody to give work to."""
        self._stop(self._daemons[1:])

    def executors(self) -> list[str]:
        """The working folders of the processes that run tasks."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cwd"):
            with contextlib.suppress(OSError):  # it has just ended
                found.append(os.readlink(path))
        return [folder for folder in found if folder.startswith(f"{self.folder}/work-")]

    def _private(self, name: str) -> Path:
        path = self.folder / name
        path.mkdir(mode=0o700)
        return path

    def _start(self, name: str, class_name: str, *arguments: str) -> None:
        package = importlib.util.find_spec("pyspark")
        assert package is not None and package.submodule_search_locations
        home = package.submodule_search_locations[0]
        environment = {
            **os.environ,
            "SPARK_HOME": home,
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(self._private(f"local-{name}")),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:-UsePerfData "
            f"-Djava.io.tmpdir={self._private(f'tmp-{name}')}",
        }
        ours, its = os.openpty()
        self._terminals.append(ours)
        with open(self.folder / f"{name}.log", "wb") as log:
            command = [os.path.join(home, "bin", "spark-class"), f"org.apache.spark.deploy.{class_name}", *arguments]
            self._daemons.append(
                subprocess.Popen(
                    [sys.executable, "-I", "-S", "-c", ON_TERMINAL, *command],
                    stdin=its,
                    stdout=log,
                    stderr=log,
                    env=environment,
                    start_new_session=True,
                )  # fmt: skip
            )
        os.close(its)

    def _wait_for(self, name: str, pattern: str, n: int = 1) -> list[str]:
        deadline = time.monotonic() + SECONDS_TO_START
        while time.monotonic() < deadline:
            text = (self.folder / f"{name}.log").read_text(errors="replace")
            found = re.findall(pattern, text)
            if len(found) >= n:
                return found
            assert all(daemon.poll() is None for daemon in self._daemons), text
            time.sleep(0.05)
        raise AssertionError(f"the {name} of Spark did not start:\n{text}")

    def _stop(self, daemons: list[subprocess.Popen]) -> None:
        for daemon in daemons:
            daemon.terminate()
        for daemon in daemons:
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
