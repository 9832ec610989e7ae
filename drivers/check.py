"""Check a runner: count the rows of a table in two passes, and say what computes here and on the nodes.

python drivers/check.py
python drivers/check.py -r hadoop --python-bin /path/to/python3
python drivers/check.py data.csv -r local --num-cores 4
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from typing import Any

from drivers.app import OK, run_program
from drivers.demonstration import demonstration_regression
from drivers.foresight import Foresight, Phase, look_ahead, wants_foresight
from drivers.options import Parser, build_parser
from drivers.packing.cache import Pack
from drivers.roles import contents_for
from drivers.runners.switches import Switches
from drivers.terminal.findings import print_findings
from drivers.workspace import Workspace
from jobs.design import Design
from jobs.environment import Environment
from jobs.errors import ScanError
from jobs.kernels.count import CountQuery
from jobs.mr_count import MRCount
from jobs.records import readable

DEMONSTRATION_ROWS = 200_000
# The first pass pays what is paid once a run; the second is what each further pass costs.
N_PASSES = 2
# What the last bits of a result depend on.
DECISIVE = ("numpy", "blas", "cpu")


def make_parser() -> Parser:
    parser = build_parser(MRCount, __doc__.splitlines()[0] if __doc__ else None)
    # A missing cell says nothing against a runner.
    parser.set_defaults(missing="drop")
    return parser


def run(options: argparse.Namespace) -> int:
    if not options.inputs:
        options.inputs = [demonstration_regression(options.cache_dir, "check.csv", DEMONSTRATION_ROWS)]
        options.columns = ["y", "x", "w"]
    if wants_foresight(options):
        return look_ahead(options, contents_for(options), foresee)
    workspace = Workspace(options, "check", contents_for(options))
    findings = examine(workspace)
    if options.json:
        print(json.dumps(readable(findings), allow_nan=False))
    else:
        print_findings(findings)
    sys.stdout.flush()
    leave(workspace)
    return OK


def foresee(options: argparse.Namespace, pack: Pack) -> Foresight:
    """The passes of a check."""
    return Foresight(Design(pack.manifest.columns, missing=options.missing), [Phase("count", N_PASSES, N_PASSES)])


def examine(workspace: Workspace) -> dict[str, Any]:
    """Makes the passes, and gives all that there is to tell.

    :raises ScanError: a pass that failed, or a count that is not that of the table
    """
    run = workspace.run
    design = Design(workspace.pack.manifest.columns, missing=workspace.options.missing)
    seconds = []
    for _ in range(N_PASSES):
        started = time.perf_counter()
        # Under a new name each time: the passes of a check that is resumed are made, not remembered.
        statistics = run.scan(f"pass {run.n_passes + 1}", MRCount, CountQuery(), design)
        seconds.append(time.perf_counter() - started)
        if statistics.n_rows != run.counts.used:
            raise ScanError(f"the job counted {statistics.n_rows} rows where its tasks used {run.counts.used}")
    passes = workspace.directory.passes()[-N_PASSES:]
    last = passes[-1]
    here = Environment.here()
    nodes = [{**environment, "n_tasks": n_tasks} for environment, n_tasks in last["environments"]]
    return {
        "runner": run.alias,
        "rows": {name: last[f"rows_{name}"] for name in ("in", "used", "rejected", "missing")},
        "passes": [
            {"seconds": round(taken, 4), "n_tasks": entry["n_tasks"], "task_seconds": entry["task_seconds"]}
            for taken, entry in zip(seconds, passes)
        ],
        "software": {**software(), **software_of_runner(run.alias, last["command"], workspace.options.mrjob_args)},
        "driver": {**here.to_json(), "system": f"{platform.system()} {platform.release()}", "n_cores": os.cpu_count()},
        "nodes": nodes,
        "differing": [name for name in DECISIVE if {node[name] for node in nodes} - {getattr(here, name)}],
        "warnings": run.warnings,
    }


def software() -> dict[str, str | None]:
    """The versions of what drives the jobs from here."""
    return {name: _installed(name) for name in ("scanlearn", "mrjob", "pyarrow")}


def software_of_runner(alias: str, command: str, mrjob_args: list[str]) -> dict[str, str | None]:
    """The versions of what the runner hands its jobs to, as the command of a pass names it."""
    if alias == "spark":
        return {"pyspark": _installed("pyspark")}
    if alias != "hadoop":
        return {}
    named = dict(word.split("=", 1) for word in shlex.split(command) if word.startswith("--hadoop-") and "=" in word)
    # What mrjob.conf sets is in no command.
    binary = named.get("--hadoop-bin") or Switches(alias, mrjob_args).conf["hadoop_bin"]
    jar = named.get("--hadoop-streaming-jar") or Switches(alias, mrjob_args).conf.get("hadoop_streaming_jar")
    program = binary if isinstance(binary, str) else binary[0]
    told = subprocess.run([program, "version"], capture_output=True, text=True).stdout
    return {"hadoop": told.partition("\n")[0].removeprefix("Hadoop ") or None, "streaming_jar": jar}


def _installed(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def leave(workspace: Workspace) -> None:
    """Removes what the check has left, for it is no result; a directory that the user has named stays."""
    directory, options = workspace.directory, workspace.options
    directory.close()
    if options.run_dir or options.resume:
        shutil.rmtree(directory.file("tmp"), ignore_errors=True)
        return
    shutil.rmtree(directory.path, ignore_errors=True)
    with suppress(OSError):  # other runs lie there
        os.rmdir(os.path.dirname(directory.path))


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
