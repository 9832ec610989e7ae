"""What a recipe makes of each column on the terminal, within 80 columns."""

from __future__ import annotations

from typing import Any

from drivers.terminal.tables import open_console, plain_table, print_remarks
from drivers.wording import count, listed

# More than these are left to the report.
COLUMNS_SHOWN, LEFT_OUT_SHOWN = 60, 12
NAME_WIDTH = 20


def print_result(told: dict[str, Any], warnings: list[str]) -> None:
    """A line for each column, then what is left out."""
    console = open_console()
    taken = [column for column in told["columns"] if not column["left_out"]]
    console.print(f"{count(len(told['features']), 'feature')} of {count(len(taken), 'column')}")
    table = plain_table("column", "type", "becomes", "features")
    for place in (1, 2):
        table.columns[place].justify = "left"
    table.columns[0].max_width = NAME_WIDTH
    for place in (0, 1, 3):  # what a column becomes takes several lines where it must
        table.columns[place].no_wrap = True
    table.columns[2].no_wrap, table.columns[2].overflow = False, "fold"
    for column in taken[:COLUMNS_SHOWN]:
        becomes = ", then ".join(column["steps"]) or "as it is"
        table.add_row(column["name"], column["type"], becomes, f"{len(column['features']):,}")
    console.print(table)
    if len(taken) > COLUMNS_SHOWN:
        console.print(f"and {count(len(taken) - COLUMNS_SHOWN, 'more column')}, in the report and the recipe")
    by_reason: dict[str, list[str]] = {}
    for name, why in told["left_out"].items():
        by_reason.setdefault(why, []).append(name)
    remarks = [f"left out, {why}: {listed(names, LEFT_OUT_SHOWN)}" for why, names in by_reason.items()]
    print_remarks(console, [*warnings, *remarks])
