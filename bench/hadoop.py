"""What a pass on Hadoop costs beside its job: the seconds of a pass over those of the bare `hadoop jar` of the same mapper.

A stand-in for the `hadoop` command notes when each call of it begins and ends, so the bare command and the pass around it
are one and the same, and the ratio does not depend on what else the machine does.

    make hadoop-up
    eval "$(.venv/bin/python hadoop/cluster.py env)"
    python bench/hadoop.py --rows 1000000 --passes 5 --check
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAND_IN = """#!/bin/sh
began=$(date +%s.%N)
"$SCANLEARN_BENCH_HADOOP" "$@"
status=$?
echo "$1 $began $(date +%s.%N)" >> "$SCANLEARN_BENCH_CALLS"
exit $status
"""
RATIO, CALLS = 1.5, 6


def run(rows: int, passes: int, work: Path) -> tuple[list[float], list[float], int]:
    """Seconds of each pass and of its `hadoop jar`, and the most other calls in a pass."""
    data, command, calls = work / "d.csv", work / "hadoop", work / "calls"
    subprocess.run(
        [sys.executable, str(ROOT / "data_gen" / "gen_regression.py"), "--out", str(data), "--rows", str(rows)], check=True
    )
    command.write_text(STAND_IN)
    command.chmod(0o755)
    binary = os.path.join(os.environ["HADOOP_HOME"], "bin", "hadoop")
    subprocess.run(
        [
            sys.executable, str(ROOT / "drivers" / "run_wols.py"), str(data), "--columns", "y,x,w", "--target", "y",
            "--weight", "w", "--solver", "gd", "--start", "0,0", "--tol", "1e-300", "--max-iter", str(passes),
            "--no-report", "--quiet", "--no-conf", "--cache-dir", str(work / "cache"), "--run-dir", str(work / "run"),
            "-r", "hadoop", "--hadoop-bin", str(command),
        ],
        env={**os.environ, "SCANLEARN_BENCH_HADOOP": binary, "SCANLEARN_BENCH_CALLS": str(calls)}, check=False,
    )  # fmt: skip
    with open(work / "run" / "passes.jsonl", encoding="utf-8") as file:
        whole = [json.loads(line)["seconds"] for line in file]
    noted = [line.split() for line in calls.read_text().splitlines()]
    at = [i for i, (name, _, _) in enumerate(noted) if name == "jar"]
    bare = [float(noted[i][2]) - float(noted[i][1]) for i in at]
    others = [j - i - 1 for i, j in zip(at, at[1:])]
    return whole, bare, max(others, default=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--rows", type=int, default=1_000_000, help="Default: %(default)s")
    parser.add_argument("--passes", type=int, default=5, help="Default: %(default)s")
    parser.add_argument("--check", action="store_true", help="end with status 1 where a bar fails")
    options = parser.parse_args()
    if "HADOOP_HOME" not in os.environ:
        parser.error('HADOOP_HOME is not set; make hadoop-up, then eval "$(python hadoop/cluster.py env)"')
    with tempfile.TemporaryDirectory(prefix="scanlearn-bench-") as work:
        whole, bare, calls = run(options.rows, options.passes, Path(work))
    ratios = [a / b for a, b in zip(whole, bare, strict=True)]
    ratio = statistics.median(ratios)
    print(f"{len(whole)} passes over {options.rows:,} rows x 3 columns")
    print(f"seconds of a pass      {statistics.median(whole):6.2f}  ({min(whole):.2f} to {max(whole):.2f})")
    print(f"of its `hadoop jar`    {statistics.median(bare):6.2f}  ({min(bare):.2f} to {max(bare):.2f})")
    print(f"ratio                  {ratio:6.3f}  ({min(ratios):.3f} to {max(ratios):.3f}), bar {RATIO}")
    print(f"other calls in a pass  {calls:6d}, bar {CALLS}")
    return int(options.check and (ratio > RATIO or calls > CALLS))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
