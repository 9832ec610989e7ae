"""The profile of a table on the terminal, within 80 columns."""

from __future__ import annotations

import math
from typing import Any

from rich.table import Table

from drivers.describing.summary import EMPTY, NUMBER, TEXTS, TRUTH, WHOLE_NUMBER
from drivers.terminal.tables import number, open_console, plain_table, print_remarks
from drivers.wording import count

# More than these are left to the report.
COLUMNS_SHOWN, REMARKS_SHOWN = 40, 25
NAME_WIDTH, VALUE_WIDTH, HOLDS_WIDTH, CELL_WIDTH = 16, 18, 36, 8
SHORT_TYPES = {WHOLE_NUMBER: "whole", TRUTH: "yes/no"}


def print_result(profile: dict[str, Any], warnings: list[str]) -> None:
    """What is remarkable comes last, where it is seen."""
    console = open_console()
    columns = profile["columns"]
    shown = columns[:COLUMNS_SHOWN]
    console.print(f"{count(profile['rows'], 'row')} of {count(len(columns), 'column')}")
    numbers = [column for column in shown if column["type"] in (NUMBER, WHOLE_NUMBER)]
    others = [column for column in shown if column["type"] not in (NUMBER, WHOLE_NUMBER)]
    if numbers:
        console.print(_numbers(numbers))
    if others:
        console.print(_others(others))
    if len(columns) > len(shown):
        console.print(f"and {count(len(columns) - len(shown), 'more column')}, in the report and the profile's file")
    if any(column["distinct"]["relative_error"] for column in shown):
        error = max(column["distinct"]["relative_error"] for column in shown)
        console.print(f"~ estimated, with a relative standard error of {100 * error:.2g} %")
    remarks = [f"{remark['topic']}: {remark['text']}" for remark in profile["remarks"]]
    print_remarks(console, [*warnings, *remarks[:REMARKS_SHOWN]])
    if len(remarks) > REMARKS_SHOWN:
        console.print(f"and {count(len(remarks) - REMARKS_SHOWN, 'more remark')}, in the report")


def _numbers(columns: list[dict[str, Any]]) -> Table:
    table = plain_table("number", "missing", "distinct", "mean", "sd", "min", "median", "max")
    table.padding = 0  # the columns of so many numbers need the room
    table.columns[0].max_width = NAME_WIDTH
    table.columns[0].no_wrap = True
    for column in columns:
        table.add_row(
            column["name"], number(column["missing"]), _distinct(column), _short(column["mean"]), _short(column["sd"]),
            _short(column["min"]), _short(_median(column)), _short(column["max"]),
        )  # fmt: skip
    return table


def _others(columns: list[dict[str, Any]]) -> Table:
    table = plain_table("column", "type", "missing", "distinct", "most frequent, or from to")
    table.columns[0].max_width = NAME_WIDTH
    table.columns[0].no_wrap = True
    for place in (1, 4):
        table.columns[place].justify = "left"
    table.columns[4].max_width = HOLDS_WIDTH
    for column in columns:
        kind = column["type"]
        table.add_row(
            column["name"], SHORT_TYPES.get(kind, kind), number(column["missing"]), _distinct(column), _holds(column)
        )
    return table


def _holds(column: dict[str, Any]) -> str:
    if column["type"] == EMPTY:
        return ""
    if column["type"] in (TEXTS, TRUTH):
        present = column["rows"] - column["missing"]
        return ", ".join(
            f"{_text(entry['value'])} {100 * entry['rows'] / present:.2g} %" for entry in column["top"][:3] if present
        )
    return f"{str(column['min'])[:16]} {str(column['max'])[:16]}"


def _text(value: Any) -> str:
    text = " ".join(str(value).split())
    return text if len(text) <= VALUE_WIDTH else text[: VALUE_WIDTH - 3] + "..."


def _median(column: dict[str, Any]) -> Any:
    quantiles = column["quantiles"]
    return None if quantiles is None else quantiles["values"][quantiles["probabilities"].index(0.5)]


def _distinct(column: dict[str, Any]) -> str:
    """Estimates with as many digits as are known."""
    n = column["distinct"]["value"]
    if not column["distinct"]["relative_error"]:
        return number(n)
    if n < 10**4:
        return f"~{round(n, 2 - math.floor(math.log10(n))):,}"
    unit, power = ("k", 3) if n < 999_500 else ("M", 6) if n < 999_500_000 else ("G", 9)
    return f"~{n / 10**power:.{max(2 - math.floor(math.log10(n / 10**power)), 0)}f}{unit}"


def _short(value: Any) -> str:
    """A number in at most CELL_WIDTH characters."""
    if isinstance(value, int) and abs(value) >= 10**6:
        value = float(value)
    texts = [number(value, digits) for digits in (4, 3, 2)]
    return next((text for text in texts if len(text) <= CELL_WIDTH), texts[-1])
