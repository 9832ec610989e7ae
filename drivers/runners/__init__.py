"""The runners of mrjob, one module each behind the contract of runner.py: what a runner needs before a pass, how it shows
where a pass stands, what its errors mean, and what must be removed when the run has ended.

inline.py    this process                            hadoop.py   YARN, by Hadoop Streaming
local.py     processes on this machine               spark.py    Spark: this machine, a master, or YARN
                                                     emr.py      Hadoop on a cluster of AWS

switches.py   what the user set, which always wins       execution.py  one job, its output, its log
failures.py   one message for a failed job               shipping.py   the zip that takes the code to the nodes
staging.py    what a run brings to a cluster's files     leftovers.py  what a killed run leaves, removed by the next one

mrjob_*.py    mrjob's own runners, refined               hadoop_*, spark_*, emr_*.py  what one runner alone needs
aws.py        clients of AWS, and its errors             s3_files.py   the files of a run on S3
"""

from __future__ import annotations

import importlib

from drivers.runners.runner import Runner
from jobs.errors import ScanError

RUNNERS = {"inline": "Inline", "local": "Local", "hadoop": "Hadoop", "spark": "Spark", "emr": "EMR"}


def check_runner(alias: str | None) -> None:
    """:raises ScanError: an unknown runner"""
    if alias is not None and alias not in RUNNERS:
        raise ScanError(f"-r {alias}: the runners are {', '.join(RUNNERS)}")


def runner_class(alias: str) -> type[Runner]:
    """The class of a runner, whose module is imported when it is first asked for."""
    check_runner(alias)
    return getattr(importlib.import_module(f"drivers.runners.{alias}"), RUNNERS[alias])
