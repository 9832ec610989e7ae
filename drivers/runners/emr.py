"""Hadoop Streaming on a cluster of Amazon's Elastic MapReduce."""

from __future__ import annotations

import os

from drivers.packing.cache import Pack
from drivers.runners.runner import Runner, block_lines, kernel_choice
from drivers.runners.shipping import build_zip


class EMR(Runner):
    """See the module."""

    def bring(self, pack: Pack) -> None:
        code = self.setting.directory.file("jobs.zip")
        build_zip(code)
        lines = os.path.join(self.temporary(), "blocks.txt")
        with open(lines, "wb") as f:
            f.writelines(block_lines(pack.blocks, pack.index))
        jobconf = self.user.jobconf({"mapreduce.job.reduces": "1"})
        self.arguments = [
            *jobconf, *kernel_choice(), *self.user.with_defaults(self.common_defaults()), f"--py-files={code}"
        ]  # fmt: skip
        self.inputs = [lines]
