"""What `drivers/check.py` found, on the terminal, within 80 columns."""

from __future__ import annotations

import os
import textwrap
from typing import Any

from rich.console import Console
from rich.table import Table

from drivers.terminal.tables import WIDTH

TITLES = {"hadoop": "Hadoop", "streaming_jar": "streaming jar", "blas": "BLAS"}


def print_findings(findings: dict[str, Any]) -> None:
    """The passes, the versions, what computes where; the last line is the verdict."""
    console = Console(width=WIDTH, highlight=False, markup=False)
    console.print(_facts(findings), "", _environments(findings), "")
    for text in [agreement(findings["differing"]), *(f"! {warning}" for warning in findings["warnings"])]:
        console.print(textwrap.fill(text, WIDTH, subsequent_indent="  "))
    n_rows, seconds = findings["rows"]["used"], findings["passes"][-1]["seconds"]
    console.print(f"the runner {findings['runner']} works: {n_rows:,} rows counted, a pass takes {duration(seconds)}")


def agreement(differing: list[str]) -> str:
    """Whether this runner's results are, to the last bit, those that this machine would compute."""
    if not differing:
        return "the tasks have this machine's numpy, BLAS and cpu: results are the same bits"
    names = " and ".join(TITLES.get(name, name) for name in differing)
    return f"the tasks have another {names} than this machine: results agree to about 1e-12, not bit for bit"


def duration(seconds: float) -> str:
    """Seconds with the digits that matter."""
    return f"{seconds:,.1f} s" if seconds >= 1 else f"{seconds:.2g} s"


def _facts(findings: dict[str, Any]) -> Table:
    table = _grid()
    table.add_row("runner", findings["runner"])
    rows = "{in:,} in = {used:,} used + {rejected:,} rejected + {missing:,} missing"
    table.add_row("rows", rows.format(**findings["rows"]))
    first, second = findings["passes"]
    table.add_row("first pass", f"{duration(first['seconds'])}, set-up included")
    table.add_row("second pass", duration(second["seconds"]))
    table.add_row("map tasks", f"{second['n_tasks']:,}, which took {duration(second['task_seconds'])} together")
    for name, value in findings["software"].items():
        if name == "streaming_jar" and value:
            value = f"{os.path.basename(value)} in {os.path.dirname(value)}"
        table.add_row(TITLES.get(name, name), value or "unknown")
    table.add_row("this machine", "{system}, {n_cores} cores".format(**findings["driver"]))
    return table


def _environments(findings: dict[str, Any]) -> Table:
    table = _grid("", "Python", "numpy", "BLAS", "cpu")
    rows = [("here", findings["driver"])]
    rows += [("1 task" if node["n_tasks"] == 1 else f"{node['n_tasks']:,} tasks", node) for node in findings["nodes"]]
    for name, environment in rows:
        table.add_row(name, *(environment[field] for field in ("python", "numpy", "blas", "cpu")))
    return table


def _grid(*titles: str) -> Table:
    table = Table(box=None, show_header=bool(titles), pad_edge=False, padding=(0, 2, 0, 0))
    for title in titles or ("", ""):
        table.add_column(title, overflow="fold", no_wrap=bool(titles) and title != "BLAS")
    return table
