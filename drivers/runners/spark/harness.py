"""What spark-submit runs on this machine: mrjob's harness, which leads a job on Spark, begun as every task of ours begins.

spark-submit ... drivers/runners/spark/harness.py mr_wols_1.MRWOLS INPUT OUTPUT ...
"""

from __future__ import annotations

import os
import runpy
import sys

# The modules beside this one have short names, which here may mean others.
sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
# spark-submit puts pyspark as a zip before all else, which is compiled anew each time: half a second.
_home = os.environ.get("SPARK_HOME", "")
if os.path.basename(_home) == "pyspark" and os.path.dirname(_home) in sys.path:
    sys.path[:] = [path for path in sys.path if not path.startswith(os.path.join(_home, "python"))]
# pyspark looks for pandas by importing it: as long again.
sys.modules["pandas"] = None  # type: ignore[assignment]

import jobs.mrjob_compat  # noqa: E402, F401  (before mrjob, see there)

if __name__ == "__main__":
    # As the main module, whose functions travel to the workers as they are: there nothing may import mrjob before jobs.
    runpy.run_module("mrjob.spark.harness", run_name="__main__", alter_sys=True)
