"""What spark-submit runs on this machine: mrjob's harness, which leads a job on Spark, for one job after another.

spark-submit ... drivers/runners/spark/harness.py PIPE

PIPE gives a job a line, see application.py, and ends with the process that writes it.
"""

from __future__ import annotations

import fcntl
import json
import os
import runpy
import sys
import traceback
from typing import Any

MARK = "scanlearn: the job has ended"


def prepare() -> None:
    """Begins as every task of ours begins."""
    # The modules beside this one have short names, which here may mean others.
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    # spark-submit puts pyspark as a zip before all else, which is compiled anew each time: half a second.
    home = os.environ.get("SPARK_HOME", "")
    if os.path.basename(home) == "pyspark" and os.path.dirname(home) in sys.path:
        sys.path[:] = [path for path in sys.path if not path.startswith(os.path.join(home, "python"))]
    # pyspark looks for pandas by importing it: as long again.
    sys.modules["pandas"] = None  # type: ignore[assignment]
    import jobs.mrjob_compat  # noqa: F401  (before mrjob, see there)


def serve(pipe: str) -> None:
    """Runs the jobs, each to its end, and tells how it ended."""
    import pyspark

    # Of which mrjob's harness makes one for each job.
    context = pyspark.SparkContext.getOrCreate
    pyspark.SparkContext = context  # type: ignore[assignment, misc]
    # Without waiting for a process that would write, which may be gone.
    handle = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(handle, fcntl.F_SETFL, os.O_RDONLY)
    with os.fdopen(handle, encoding="utf-8") as lines:
        for line in lines:
            status = 0
            try:
                run(json.loads(line), context)
            except BaseException:
                traceback.print_exc()
                status = 1
            sys.stderr.flush()
            # The end of a line before, where Spark draws its bars.
            print(f"\n{MARK} {status} {n_stages(context)}", flush=True)


def run(job: dict[str, Any], context: Any) -> None:
    """Runs a job by mrjob's harness."""
    for path in job["files"]:
        context().addFile(path)
    sys.argv[1:] = job["arguments"]
    # As the main module, whose functions travel to the workers as they are: there nothing may import mrjob before jobs.
    runpy.run_module("mrjob.spark.harness", run_name="__main__", alter_sys=True)


def n_stages(context: Any) -> int:
    """How many stages there have been, in all jobs."""
    try:
        tracker = context().statusTracker()
        jobs = [tracker.getJobInfo(number) for number in tracker.getJobIdsForGroup()]
        return 1 + max((stage for job in jobs if job is not None for stage in job.stageIds), default=-1)
    except Exception:  # Spark has ended
        return 0


if __name__ == "__main__":
    prepare()
    serve(sys.argv[1])
