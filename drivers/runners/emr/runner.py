"""Hadoop Streaming on Amazon's Elastic MapReduce. The packed table and the code go to S3 once; a driver makes one cluster
for all its jobs and ends it, or uses the one that --cluster-id names and leaves it running.

On S3, below scanlearn/ in the folder that --cloud-tmp-dir names:

    packs/NAME/blocks.txt   a packed table, found again by later runs; one packed there has a file a task
    code/HASH/jobs.zip      the code, and archives of the user's
    tmp/RUN/                what the jobs of one run write besides, removed with it
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from drivers import interruption
from drivers.durations import show_duration
from drivers.packing.cache import Pack
from drivers.packing.stores import s3
from drivers.runners.aws.clients import UnreachableError, region_or_default
from drivers.runners.aws.s3_files import S3Files
from drivers.runners.emr.clusters import (
    OVER,
    Cluster,
    create,
    describe,
    terminate,
    terminate_named,
    wait_until_ready,
    why_ended,
)
from drivers.runners.emr.mrjob_runner import EMRRunner
from drivers.runners.emr.options import check, home_of, request_for
from drivers.runners.emr.request import instance_hours
from drivers.runners.emr.steps import await_end, cancel_named
from drivers.runners.failures import YARN_HINTS
from drivers.runners.hadoop.runner import QUIET
from drivers.runners.runner import PackingRunner, Setting, block_lines, carried_bytes, kernel_choice
from drivers.runners.shipping import build_zip
from drivers.runners.staging import archives_of, digest, name_of_run, pieces, plain_name
from drivers.runners.switches import Switches
from drivers.terminal.progress import Meter
from drivers.terminal.watching import ticking
from drivers.wording import count
from jobs.errors import ScanError
from jobs.mrjob_compat import MRJob

SECONDS_BETWEEN_LOOKS = 5
# AWS takes 10,240 characters for all words of a step: ours, 1,200, and some of the user's find room beside the inputs.
INPUT_CHARACTERS = 6144
RECURSIVE = "mapreduce.input.fileinputformat.input.dir.recursive"


class EMR(PackingRunner):
    """See the module."""

    packs_on = "s3://"
    hints: ClassVar[dict[str, str]] = {
        r"keeps no logs": "logs tell a task's own error: `drivers/cluster.py create --log-uri s3://...` keeps them",
        r"its logs cannot be read": "logs tell a task's own error, and may not be read here",
        **YARN_HINTS,
        r"AccessControlException|Access Denied|Status Code: 403": (
            "the nodes may not read or write a bucket; their instance profile needs it, or --pack-here for that of a table"
        ),
    }

    @classmethod
    def check(cls, user: Switches) -> None:
        check(user)
        if not user.option("cluster_id"):
            request_for(user, region_or_default(user.option("region")), "")

    def __init__(self, setting: Setting) -> None:
        super().__init__(setting)
        self.region = region_or_default(self.user.option("region"))
        self.home = home_of(self.user).rstrip("/")
        self.files = S3Files(self.region, setting.leftovers)
        name = name_of_run(setting)
        self.tmp = f"{self.home}/tmp/{name}/"
        self.every = float(self.user.option("check_cluster_every") or SECONDS_BETWEEN_LOOKS)
        self.cluster_id = self.user.option("cluster_id") or None
        self._lent = self.cluster_id is not None
        self._left: dict[str, tuple[str, dict[str, str]]] = {}  # by what it is: its name among the leftovers, what is known
        self._folders: dict[str, str] = {}  # that are removed with the run, and their names among the leftovers
        self._staged: tuple[str, dict[str, str]] | None = None
        self._is_ready = False
        if self.cluster_id:
            lent = describe(self.region, self.cluster_id)
            if lent.state in OVER:
                raise ScanError(f"the cluster {self.cluster_id} has ended: {why_ended(lent, self.region)}")
        else:
            self.request = request_for(self.user, self.region, f"scanlearn {name}")

    def bring(self, pack: Pack) -> None:
        """Sends the code and the lines of the pack to S3, unless they are there, and sees that there is a cluster."""
        self._stage_code()
        self.inputs = [pack.url or self._stage_lines(pack)]
        self.make_ready()
        self.arguments = [*self.maps_for(carried_bytes(pack.n_bytes)), *self.arguments]

    def make_ready(self) -> None:
        if self._is_ready:
            return
        code, archives = self._stage_code()
        self._folder_begins(self.tmp)
        # When all is there: nothing is rented while bytes travel.
        if self.cluster_id is None:
            self._make_cluster()
        cluster = self._await_cluster()
        defaults = {
            **self.common_defaults(),
            "--check-cluster-every": str(SECONDS_BETWEEN_LOOKS),
            "--cloud-fs-sync-secs": "0",
            "--no-check-input-paths": None,
            "--release-label": cluster.release or None,
        }
        jobconf = self.user.jobconf({"mapreduce.job.reduces": "1", **QUIET})
        ours = {"--region": self.region, "--cloud-tmp-dir": self.tmp, "--cluster-id": cluster.cluster_id}
        arguments = [archives.get(word, word) for word in self.user.with_defaults(defaults)]
        arguments = [word for word in arguments if word.partition("=")[0] not in ours]
        chosen = [f"{switch}={value}" for switch, value in ours.items()]
        self.arguments = [*jobconf, *kernel_choice(), *arguments, *chosen, f"--py-files={code}"]
        self._is_ready = True

    def stand_down(self) -> None:
        if self._is_ready and not self._lent:
            self._end_cluster()
            self.cluster_id, self._is_ready = None, False

    def job_runner(self, job: MRJob) -> EMRRunner:
        job._runner_class = lambda: EMRRunner
        running = job.make_runner()
        running.files, running.tell = self.files, lambda text: None
        # A job that failed ends the run, and the logs of a cluster come sooner when it has ended.
        running.give_up = self._end_cluster
        return running

    @contextmanager
    def watching(self, meter: Meter, n_blocks: int, last_seconds: float | None, running: Any) -> Iterator[None]:
        """Tells what the step does; one that is given up is ended, which would outlive its driver."""
        told = "being submitted"

        def tell(text: str) -> None:
            nonlocal told
            told = text

        def tick() -> None:
            meter.set(last_seconds and min(meter.seconds / last_seconds, 0.99), told)

        running.tell = tell
        if self._lent:
            self._remember("step", cluster_id=str(self.cluster_id), name=running.get_job_key())
        try:
            with ticking(meter, tick):
                yield
        except BaseException as error:
            with interruption.held():
                self._give_up(meter if isinstance(error, KeyboardInterrupt) else None, running)
            raise
        self._forget("step")

    def close(self) -> None:
        """Ends the cluster of this run, and removes what its jobs have on S3, but for packs that are whole."""
        errors = []
        for end in (self._end_cluster, self._cancel_step, self.files.close, self._remove_files):
            try:
                end()
            except ScanError as error:
                errors.append(str(error))
        if errors:
            raise ScanError("; ".join(errors))

    # -- S3 --------------------------------------------------------------------------------------------------------------

    def inputs_for(self, urls: list[str]) -> list[str] | None:
        if sum(len("-input") + len(url) for url in urls) <= INPUT_CHARACTERS:
            return urls
        # A folder names them all, if there is nothing else in it, and it is not of those that Hadoop passes over.
        folder = os.path.commonprefix(urls).rpartition("/")[0]
        is_seen = re.fullmatch(r"s3://[^/]+/(.*/)?[^/_.][^/]*", folder)
        is_whole = is_seen and {source.path for source in s3.find(f"{folder}/")} == set(urls)
        return ["-D", f"{RECURSIVE}=true", folder] if is_whole else None

    def keep_pack(self, url: str) -> None:
        self._forget_folder(f"{url}/")

    def has_pack(self, url: str) -> bool:
        return bool(self.files.below(f"{url}/part-"))

    def read_pack(self, url: str) -> Iterator[bytes]:
        for source in s3.find(f"{url}/part-*"):
            with s3.open_stream(source) as stream:
                yield from stream

    def _pack_begins(self, url: str) -> None:
        self._folder_begins(f"{url}/")

    def _stage_lines(self, pack: Pack) -> str:
        uri = f"{self.home}/packs/{pack.name}/blocks.txt"
        self._put(block_lines(pack.blocks, pack.index), uri, carried_bytes(pack.n_bytes))
        return uri

    def _stage_code(self) -> tuple[str, dict[str, str]]:
        """Brings the code and the user's archives to S3, once; gives where the code is, and the switch for each archive by
        the switch that names it here."""
        if self._staged is None:
            zip_path = self.setting.directory.file("jobs.zip")
            build_zip(zip_path)
            archives = {word: switch(self._stage(path)) for word, (path, switch) in archives_of(self.user).items()}
            self._staged = self._stage(zip_path), archives
        return self._staged

    def _stage(self, path: str) -> str:
        uri = f"{self.home}/code/{digest(path)}/{plain_name(path)}"
        self._put(pieces(path), uri, os.path.getsize(path))
        return uri

    def _put(self, content: Iterable[bytes], uri: str, n_bytes: int) -> None:
        if not self.files.present(uri):
            with self.setting.progress.bytes("to S3", n_bytes) as advance:
                self.files.put(content, uri, n_bytes, advance)

    def _remove_files(self) -> None:
        for folder in list(self._folders):
            self.files.remove(folder)
            self._forget_folder(folder)

    def _folder_begins(self, uri: str) -> None:
        """Writes down a folder that is about to be there."""
        if uri not in self._folders:
            self._folders[uri] = self.setting.leftovers.add("s3", region=self.region, uri=uri)

    def _forget_folder(self, uri: str) -> None:
        """It is gone, or is to stay."""
        self.setting.leftovers.forget(self._folders.pop(uri))

    # -- the cluster -----------------------------------------------------------------------------------------------------

    def _make_cluster(self) -> None:
        request, say = self.request, self.setting.progress.say
        say(f"asking AWS for a cluster in {self.region}: {count(request.n_nodes, 'node')}, {request.release}")
        # A signal must not come between the cluster and its name.
        with interruption.held():
            self._remember("cluster", name=request.name)
            try:
                self.cluster_id = create(request)
            except UnreachableError:
                raise  # there may be one
            except ScanError:
                self._forget("cluster")
                raise
            self._made = time.monotonic()
            say(f"the cluster {self.cluster_id} is made for this run, and ends with it")

    def _await_cluster(self) -> Cluster:
        assert self.cluster_id is not None
        with self.setting.progress.metered(f"the cluster {self.cluster_id}") as meter:
            return wait_until_ready(
                self.region, self.cluster_id, lambda state, seconds: meter.set(None, state.lower()), self.every
            )

    def _end_cluster(self) -> None:
        """Ends the cluster that was made for this run; a second call does nothing."""
        if "cluster" not in self._left:
            return
        if self.cluster_id is None:
            terminate_named(self.region, self.request.name)
        else:
            terminate(self.region, self.cluster_id)
            with suppress(ScanError):  # of two by that name the other ends itself, too, later
                terminate_named(self.region, self.request.name)
            seconds = time.monotonic() - self._made
            hours = instance_hours(self.request.n_nodes, seconds)
            lived = show_duration(seconds if seconds < 60 else seconds // 60 * 60)
            self.setting.progress.say(
                f"the cluster {self.cluster_id} is being ended, after {lived}: {hours:,.2f} instance hours"
            )
        self._forget("cluster")

    def _cancel_step(self) -> None:
        """Cancels a step on a cluster that is lent."""
        if "step" in self._left:
            cancel_named(self.region, **self._left["step"][1])
            self._forget("step")

    def _give_up(self, meter: Meter | None, running: EMRRunner) -> None:
        """Ends what a job has running; what cannot be ended now is tried once more by `close`."""
        with suppress(ScanError):
            if self._lent:
                if meter and running.step_id:
                    meter.say(f"cancelling {running.step_id}; {self.cluster_id} goes on")
                self._cancel_step()
            else:
                self._end_cluster()
                if running.step_id:
                    await_end(self.region, str(self.cluster_id), [running.step_id])

    # -- what is left if this process is killed --------------------------------------------------------------------------

    def _remember(self, kind: str, **what: str) -> None:
        """Before the thing is made."""
        self._left[kind] = self.setting.leftovers.add(kind, region=self.region, **what), what

    def _forget(self, kind: str) -> None:
        if kind in self._left:
            self.setting.leftovers.forget(self._left.pop(kind)[0])
