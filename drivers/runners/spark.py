"""Spark, by mrjob's harness: on this machine, on a master of its own, or on YARN."""

from __future__ import annotations

import os
import sys
from typing import ClassVar

from drivers.packing.cache import Pack
from drivers.runners.runner import Runner, block_lines, kernel_choice
from drivers.runners.shipping import build_zip


class Spark(Runner):
    """See the module."""

    hints: ClassVar[dict[str, str]] = {
        r"Connection refused|All masters are unresponsive": "the cluster does not answer; is it up?",
    }

    def bring(self, pack: Pack) -> None:
        code = self.setting.directory.file("jobs.zip")
        build_zip(code)
        lines = os.path.join(self.temporary(), "blocks.txt")
        with open(lines, "wb") as f:
            f.writelines(block_lines(pack.blocks, pack.index))
        defaults = {**self.common_defaults(), "--python-bin": sys.executable, "--spark-tmp-dir": self.temporary()}
        jobconf = self.user.jobconf({"mapreduce.job.reduces": "1", "spark.log.level": "ERROR"})
        self.arguments = [*jobconf, *kernel_choice(), *self.user.with_defaults(defaults), f"--py-files={code}"]
        self.inputs = [lines]
