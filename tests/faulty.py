"""Programs that go wrong where a test wants it, by tests/faulty_site: tasks that are killed, fail or hang, drivers that are
killed at a chosen moment; and what such a test looks at afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from data_gen.gen_regression import generate
from tests.conftest import ROOT, Driver, read_model, read_passes

SITE = ROOT / "tests" / "faulty_site"
N_PASSES, MAX_ITER = 2, 3  # MAX_ITER: the exit status of a descent that was not disturbed
DATA = ("d.csv", "--columns", "y,x,w", "--target", "y", "--weight", "w", "--no-report")
DESCENT = (
    *DATA, "--solver", "gd", "--start", "0.636,0.2105", "--learning-rate", "0.3", "--tol", "1e-300",
    "--max-iter", str(N_PASSES),
)  # fmt: skip
QUERY = r"{:04d}\.query$"


class Fault:
    """A fault that may happen."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name

    @property
    def times(self) -> int:
        """How often it has happened."""
        return len(list(self.folder.glob(f"{self.name}-*")))

    def go(self) -> None:
        """Lets those go on that wait."""
        (self.folder / f"{self.name}.go").touch()


class Faults:
    """Faults for the programs that are started with `environment`, and for tasks on Hadoop with `switches`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir()
        self._faults: list[dict] = []
        self._begun: list[subprocess.Popen] = []

    def add(self, who: str, opens: str, do: str, times: int = 1, task: int | None = None, mode: str = "r") -> Fault:
        """Adds one, see tests/faulty_site."""
        number = len(self._faults)
        self._faults.append(
            {
                "who": who, "opens": opens, "do": do, "times": times, "task": None if task is None else str(task),
                "mode": mode, "folder": str(self.folder),
            }
        )  # fmt: skip
        (self.folder / "faults.json").write_text(json.dumps(self._faults))
        return Fault(self.folder, f"{who}-{number}")

    @property
    def variables(self) -> dict[str, str]:
        return {"PYTHONPATH": f"{SITE}:{ROOT}", "FAULTS": str(self.folder / "faults.json")}

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.variables}

    @property
    def switches(self) -> list[str]:
        """For the tasks on a cluster, which do not inherit the environment."""
        return [f"--cmdenv={name}={value}" for name, value in {**self.variables, "PYTHONPATH": str(SITE)}.items()]

    def begin(self, *arguments: object, driver: str = "run_wols") -> subprocess.Popen:
        """Starts a driver that may go wrong."""
        process = subprocess.Popen(
            Driver(driver).command(*arguments), env=self.environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        self._begun.append(process)
        (self.folder / "partial").write_text(str(process.pid))
        os.replace(self.folder / "partial", self.folder / "driver")
        return process

    def run(self, *arguments: object, driver: str = "run_wols", seconds: float = 120) -> subprocess.CompletedProcess:
        """Runs a driver that may go wrong to its end."""
        process = self.begin(*arguments, driver=driver)
        out, err = process.communicate(timeout=seconds)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def end(self) -> None:
        """Ends what a test that failed has left."""
        for process in self._begun:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()


def make_table(folder: Path, rows: int = 150_000) -> None:
    """d.csv of some blocks, in a folder."""
    generate(folder / "d.csv", rows=rows)


def bits_of(run_dir: str | os.PathLike) -> list:
    """What must be the same bits, however a run came about: the statistics of each pass and the parameters."""
    return [[(entry["pass"], entry["statistics_md5"]) for entry in read_passes(run_dir)], read_model(run_dir)["parameters"]]


def processes_with(text: str) -> list[int]:
    """The processes whose command line or environment holds a text."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(text.encode() in (folder / name).read_bytes() for name in ("cmdline", "environ")):
                found.append(int(folder.name))
        except OSError:  # it has just ended, or is another user's
            continue
    return [pid for pid in found if pid != os.getpid()]


def seconds_until(condition: Callable[[], object], most: float = 60, process: subprocess.Popen | None = None) -> float:
    """How long it takes until a condition holds, while a process goes on."""
    started = time.monotonic()
    while not condition():
        assert process is None or process.poll() is None, process and process.communicate()[1]
        assert time.monotonic() < started + most, f"nothing has come of it in {most} seconds"
        time.sleep(0.01)
    return time.monotonic() - started


def leftovers_files(cache: str | os.PathLike = "cache/scanlearn") -> list[Path]:
    """The files in which runs write down what they have outside their directories."""
    return sorted(Path(cache, "leftovers").glob("*.jsonl"))


def modes(*folders: str | os.PathLike) -> Sequence[int]:
    """The permissions of folders."""
    return [os.stat(folder).st_mode & 0o777 for folder in folders]
