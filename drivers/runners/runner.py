"""What every runner has in common: the contract between a run and the place where its jobs are executed.

    runner = set_up("hadoop", switches, ...)      once a run: the code is brought where the tasks can reach it
    runner.bring(pack)                            and so is the packed table
    with runner.job_runner(job) as running, runner.watching(meter, n_blocks, last_seconds, running): running.run()
    runner.close()                                however the run ends: nothing of it is left outside its directory

Every default of a runner gives way to the user's own switch or mrjob.conf.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, ClassVar

from drivers.packing.cache import Pack
from drivers.run_directory import RunDirectory
from drivers.runners.leftovers import Leftovers
from drivers.runners.switches import Switches
from drivers.terminal.progress import Meter, Progress
from drivers.terminal.watching import by_time
from jobs.blocks import BlocksFile, block_line
from jobs.mrjob_compat import MRJob

Watch = AbstractContextManager[None, "bool | None"]
# What a map task on a cluster reads: long enough to be worth the seconds that its start takes.
SPLIT_BYTES = 64 << 20
# How many reduce tasks a job has, as Hadoop names it.
REDUCERS = "mapreduce.job.reduces"
# What chooses numpy's and BLAS' kernels, and with them the last bits.
KERNEL_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_CBWR", "NPY_DISABLE_CPU_FEATURES")


@dataclass
class Setting:
    """What a runner is made ready for: the user's switches, the run's directory and what it leaves elsewhere."""

    user: Switches
    directory: RunDirectory
    leftovers: Leftovers
    progress: Progress


class Runner:
    """A runner ready for passes: `arguments` that every job of the run gets, and the `inputs` they read."""

    # What to try, by what the log of a failed job says.
    hints: ClassVar[dict[str, str]] = {}
    # How the URLs begin of the files that jobs of this runner can pack where they lie; None where there are none.
    packs_on: ClassVar[str | None] = None
    arguments: list[str]
    inputs: list[str]

    @classmethod
    def check(cls, user: Switches) -> None:
        """Looks at what takes no time, before a table is packed for a run that cannot be.

        :raises ScanError: switches, or a machine, with which nothing can run
        """

    @classmethod
    def carries_blocks(cls, user: Switches) -> bool:
        """Whether lines carry the blocks themselves, a third longer than they are, or refer to the pack's own file."""
        return True

    @classmethod
    def n_tasks(cls, user: Switches, n_bytes: int) -> int:
        """How many map tasks a packed table of so many bytes is worth."""
        return user.n_maps() or n_splits(carried_bytes(n_bytes))

    def __init__(self, setting: Setting) -> None:
        self.setting, self.user = setting, setting.user

    def bring(self, pack: Pack) -> None:
        """Brings the packed table where the tasks can reach it; from then on there are `inputs`."""

    def reducers(self, at_most: int, n_bytes: int) -> list[str]:
        """The switches for as many reducers as there are map tasks, where there is work for so many and the user has asked
        for no other number; none for one, which is what a runner has.

        :param n_bytes: of the packed table
        """
        n = min(at_most, self.n_tasks(self.user, n_bytes))
        return [] if n <= 1 or REDUCERS in self.user.properties() else ["-D", f"{REDUCERS}={n}"]

    def job_runner(self, job: MRJob) -> Any:
        """mrjob's runner of one job."""
        return job.make_runner()

    def watching(self, meter: Meter, n_blocks: int, last_seconds: float | None, running: Any) -> Watch:
        """Tells the meter how far a job is while it runs.

        :param n_blocks: what the pass reads
        :param last_seconds: what the pass before took
        :param running: what `job_runner` gave
        """
        return by_time(meter, last_seconds)

    def close(self) -> None:
        """Removes what this run has outside its directory; a second call does nothing."""

    # -- for the runners -------------------------------------------------------------------------------------------------

    def temporary(self) -> str:
        """The run's own temporary folder, which only this user may look into; it goes with the run."""
        path = self.setting.directory.file("tmp")
        if not os.path.isdir(path):
            os.makedirs(path, mode=0o700)
            self.setting.leftovers.add("folder", path=path)
        return path

    def common_defaults(self) -> dict[str, str | None]:
        """Switches for any runner: mrjob travels in our zip or is here already; a failed job keeps no copy of the data."""
        return {"--local-tmp-dir": self.temporary(), "--cleanup-on-failure": "TMP", "--no-bootstrap-mrjob": None}


class PackingRunner(Runner):
    """A runner whose jobs can pack files where they lie, into packs on the file system that its tasks read.

    home: where its runs keep what later ones find again, without a slash at the end
    """

    home: str

    def make_ready(self) -> None:
        """Sees that jobs can run, which may cost from here on; a second call does nothing."""

    def stand_down(self) -> None:
        """Lets go of what costs, since for long no job will run; `make_ready` takes it again."""

    def maps_for(self, n_bytes: int) -> list[str]:
        """The switches for as many map tasks as so many bytes are worth, unless the user has asked for another number."""
        # Streaming's input format cuts by the number of map tasks asked for, and at the file system's blocks.
        return self.user.jobconf({"mapreduce.job.maps": str(n_splits(n_bytes))})

    def inputs_for(self, urls: list[str]) -> list[str] | None:
        """The words by which a job is told the files it reads; None for more than it can be told."""
        return urls

    def begin_pack(self, name: str) -> str:
        """The URL of a new folder for a job to write; it goes with the run, unless it is kept.

        The job writes where the pack will stay, under a name that no other run has, and nothing is moved: S3 renames by a
        copy of every byte, and `hadoop fs -mv` puts a folder into one of its name that another machine has just made.
        """
        url = f"{self.home}/packs/{name}-{os.urandom(4).hex()}"
        self._pack_begins(url)
        return url

    def keep_pack(self, url: str) -> None:
        """The pack is whole: it stays when the run ends."""
        raise NotImplementedError

    def has_pack(self, url: str) -> bool:
        """Whether a pack is still there."""
        raise NotImplementedError

    def read_pack(self, url: str) -> Iterator[bytes]:
        """The lines of a pack, as they come.

        :raises ScanError: when they cannot be read
        """
        raise NotImplementedError

    def _pack_begins(self, url: str) -> None:
        """Writes down a folder that is about to be there."""
        raise NotImplementedError


class ReferringRunner(Runner):
    """A runner of this machine: its tasks are this Python, where jobs and mrjob are installed and compiled, so nothing is
    shipped; their lines refer to the pack's own file."""

    @classmethod
    def carries_blocks(cls, user: Switches) -> bool:
        return False

    def bring(self, pack: Pack) -> None:
        # Tasks have working folders of their own.
        blocks = f"--blocks={os.path.abspath(pack.blocks)}"
        self.arguments = [*self.user.with_defaults(self.common_defaults()), blocks]
        self.inputs = [os.path.abspath(pack.index)]


def kernel_choice() -> list[str]:
    """What chooses the numeric kernels here is given to the tasks, whose environment is clean: else other bits."""
    return [f"--cmdenv={name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(KERNEL_VARIABLES)]


def block_lines(blocks: str, index: str) -> Iterable[bytes]:
    """The lines that hold a pack's blocks themselves, made from its references."""
    file = BlocksFile(blocks)
    try:
        with open(index, "rb") as f:
            for line in f:
                part, number, n_rows, offset, n_bytes = (int(piece) for piece in line.split()[1:])
                yield block_line(part, number, n_rows, file.read_bytes(offset, n_bytes)) + b"\n"
    finally:
        file.close()


def carried_bytes(n_bytes: int) -> int:
    """The bytes of lines that carry blocks of so many bytes, in base64."""
    return -(-n_bytes * 4 // 3)


def n_splits(n_bytes: int) -> int:
    """How many map tasks so many bytes are worth."""
    return max(1, -(-n_bytes // SPLIT_BYTES))
