"""Tables on the terminal, within 80 columns, and those of a plan, of the first rows and of a statistics file."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from drivers.wording import count, size

WIDTH = 80
NAME_WIDTH, LEAST_NAME_WIDTH = 30, 16


def print_statistics(path: str, file: Any, remarks: list[str], quiet: bool) -> None:
    """What a statistics file holds: a drivers.linear.statistics_file.LinearStatistics."""
    console = open_console()
    if not quiet:
        table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
        rows = [
            ("statistics", path),
            ("rows", f"{file.n_rows:,} of positive weight"),
            ("sum of weights", number(float(file.statistics.weight_sum.sum()), 8)),
            ("columns", textwrap.shorten(", ".join(file.columns), WIDTH - 20, placeholder=" ...")),
            ("folds", count(file.folds.n_folds, "fold") if file.folds.n_folds > 1 else "none"),
            ("right digits", f"about {max(math.floor(file.digits), 0)}"),
        ]
        for name, text in rows:
            table.add_row(name, text)
        console.print(table)
    print_remarks(console, remarks)


def print_plan(plan: dict[str, Any]) -> None:
    """What a run would cost."""
    console = open_console()
    about = "" if plan["exact"] else "about "
    low, high = plan["passes"]
    n_files, n_tasks = len(plan["inputs"]), plan["tasks"]
    rows = [
        ("runner", plan["runner"]),
        ("input", f"{size(plan['input_bytes'])} in {count(n_files, 'file')}"),
        ("table", f"{about}{plan['rows']:,} rows x {plan['columns']:,} columns"),
        ("passes", f"{low:,}" if low == high else f"{low:,} to {high:,}"),
        *((f"  {p['name']}", _passes(p)) for p in plan["phases"] if len(plan["phases"]) > 1 or p["why"]),
    ]
    if not plan["phases"]:
        rows.append(("", "the rows stream through this program once"))
    else:
        rows += [
            ("packing", _packing(plan)),
            ("read a pass", f"{about}{size(plan['bytes_a_pass'])} by {count(n_tasks, 'map task')}"),
            ("memory a task", f"about {size(plan['memory_a_task'])}"),
            ("shuffled a pass", f"at most {plan['records_shuffled']:,} records"),
            ("disk", f"{about}{size(plan['disk']['pack'])} for the pack"),
        ]
    if plan["disk"]["cluster"]:
        where = "sent to S3" if plan["emr"] else "disk of the cluster"
        rows.append((where, f"{about}{size(plan['disk']['cluster'])} for the packed lines"))
    rows += _rented(plan["emr"]) if plan["emr"] else []
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for row in rows:
        table.add_row(*row)
    console.print(table)
    print_remarks(console, plan["remarks"])


def print_dry_run(told: dict[str, Any]) -> None:
    """What the first rows hold."""
    console = open_console()
    for note in told["notes"]:
        console.print(textwrap.fill(note, WIDTH))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    longest = max(len(column["name"]) for column in told["columns"])
    table.add_column("column", min_width=min(longest, NAME_WIDTH), overflow="fold")
    for heading in ("role", "kind"):
        table.add_column(heading, no_wrap=True)
    table.add_column("missing", justify="right", no_wrap=True)
    table.add_column("holds", no_wrap=True, overflow="ellipsis")
    for column in told["columns"]:
        table.add_row(column["name"], column["role"], column["kind"], f"{column['missing']:,}", column["holds"])
    console.print(table)
    print_remarks(console, told["remarks"])
    sound = f"all {count(told['rows'], 'row')}" if told["whole"] else f"the first {count(told['rows'], 'row')}"
    if told["rejected"]:
        sound += f", but for {count(told['rejected'], 'bad one')}"
    console.print(f"the options are sound, and so are {sound}")


def _rented(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """The rows of a plan on EMR, and what they assume."""
    core, assumed = plan["nodes"] - 1, plan["assumed"]
    nodes = f"1 {plan['primary_type']}" + (f" and {core} {plan['core_type']}" if core else "")
    start = f"{assumed['start_seconds'] // 60} min to start, " if assumed["start_seconds"] else ""
    rows = [
        ("steps on EMR", _range(plan["steps"], "{:,}")),
        ("cluster", f"{count(plan['nodes'], 'node')}: {nodes}"),
        ("instance hours", f"about {_range(plan['instance_hours'], '{:,.2f}')}"),
    ]
    if plan["cost"]:
        rows.append(("cost", f"about {_range(plan['cost'], '{:,.2f}')}, at {plan['hourly_price']:g} a node and hour"))
    rate = size(assumed["node_bytes_a_second"])
    rows.append(("  assumed", f"{start}{assumed['step_seconds']} s a step, {rate} a second and node"))
    return rows


def _packing(plan: dict[str, Any]) -> str:
    if plan["is_packed"]:
        return "done already"
    jobs = plan["packing_jobs"]
    return f"{_range(jobs, '{:,}')} jobs where the table lies" if jobs[1] else "one read of the input"


def _range(ends: list[Any], form: str) -> str:
    low, high = (form.format(end) for end in ends)
    return low if low == high else f"{low} to {high}"


def _passes(phase: dict[str, Any]) -> str:
    low, high = phase["at_least"], phase["at_most"]
    return f"{low:,}" if low == high else f"{low:,} to {high:,}: {phase['why']}"


def print_remarks(console: Console, remarks: list[str]) -> None:
    """Sentences that must not be overlooked."""
    for remark in remarks:
        console.print(textwrap.fill(f"! {remark}", WIDTH, subsequent_indent="  "), style="yellow")


def number(value: Any, digits: int = 5) -> str:
    """A number in the fewest characters that show its digits."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:.{digits}g}"


def open_console() -> Console:
    """80 columns, and a name in brackets is a name and no markup."""
    return Console(width=WIDTH, highlight=False, markup=False, emoji=False)


def plain_table(*columns: str) -> Table:
    """A table whose first column names its rows."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), title_justify="left")
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=i > 0, overflow="ellipsis")
    return table


def print_first_that_fits(console: Console, tables: Iterable[Table]) -> None:
    """Prints the first of some tables, ever narrower ones, that leaves room for its names; the last one where none does."""
    table = Table()
    for table in tables:
        table.columns[0].max_width = LEAST_NAME_WIDTH
        width = Measurement.get(console, console.options.update(max_width=10 * WIDTH), table).maximum
        table.columns[0].max_width = None
        if width <= WIDTH:
            break
    console.print(table)


def pairs_table(pairs: list[tuple[str, str]]) -> Table:
    """Names and values, two pairs on a line."""
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for justify in ("left", "right", "left", "right"):
        table.add_column(justify=justify)  # type: ignore[arg-type]
    for left, right in zip(pairs[::2], pairs[1::2]):
        table.add_row(*left, *right)
    return table
