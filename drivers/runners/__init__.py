"""The runners of mrjob, each behind the contract of runner.py: what a runner needs before a pass, how it shows where a pass
stands, what its errors mean, and what must be removed when the run has ended.

inline.py   this process                             hadoop/   YARN, by Hadoop Streaming
local/      processes on this machine                spark/    Spark: this machine, a master, or YARN
                                                     emr/      Hadoop on a cluster of AWS; aws/ talks to AWS

switches.py   what the user set, which always wins   execution.py      one job, its output, its log
failures.py   one message for a failed job           shipping.py       the zip that takes the code to the nodes
staging.py    names for what a run brings elsewhere  leftovers.py      what a killed run leaves, removed by the next one
                                                     leftover_kinds.py what is removed, and how
"""

from __future__ import annotations

import importlib

from drivers.runners.runner import Runner
from jobs.errors import ScanError

# The module and the class of each.
RUNNERS = {
    "inline": ("inline", "Inline"),
    "local": ("local.runner", "Local"),
    "hadoop": ("hadoop.runner", "Hadoop"),
    "spark": ("spark.runner", "Spark"),
    "emr": ("emr.runner", "EMR"),
}


def check_runner(alias: str | None) -> None:
    """:raises ScanError: an unknown runner"""
    if alias is not None and alias not in RUNNERS:
        raise ScanError(f"-r {alias}: the runners are {', '.join(RUNNERS)}")


def runner_class(alias: str) -> type[Runner]:
    """The class of a runner, whose module is imported when it is first asked for."""
    check_runner(alias)
    module, name = RUNNERS[alias]
    return getattr(importlib.import_module(f"drivers.runners.{module}"), name)
