"""The result of models by group on the terminal, within 80 columns."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from drivers.grouped.fits import measure_of, method_of
from drivers.model import explained
from drivers.terminal.tables import number, open_console, pairs_table, plain_table, print_remarks
from drivers.wording import count

# More than these are left to the report; so are the quantiles between.
FEATURES_SHOWN = 30
SHOWN = {0.0: "least", 0.05: "5 %", 0.5: "median", 0.95: "95 %", 1.0: "largest"}


def print_result(model: dict[str, Any], warnings: list[str]) -> None:
    """How many groups there are, how their coefficients are spread, and the warnings."""
    console = open_console()
    inference, training = model["inference"], model["training"]
    groups = f"{count(inference['n_groups'], 'group')} by {model['design']['group']}"
    console.print(f"{method_of(model)} of {explained(model)} in {groups}, {inference['n_fitted']:,} of them fitted")
    console.print(_coefficients(model))
    statuses = [(name, number(n)) for name, n in inference["statuses"].items() if n or name == "fitted"]
    console.print(
        pairs_table(
            [
                ("rows used", number(training["rows_used"])), ("rows in", number(training["rows_in"])),
                ("rejected", number(training["rows_rejected"])), ("missing", number(training["rows_missing"])),
                ("sum of weights", number(float(training["weight_sum"]), 8)),
                ("passes over the data", number(training["n_passes"])),
                *statuses,
                *([("", "")] if len(statuses) % 2 else []),
            ]
        )
    )  # fmt: skip
    print_remarks(console, warnings)


def _coefficients(model: dict[str, Any]) -> Table:
    inference = model["inference"]
    at = [inference["probabilities"].index(p) for p in SHOWN]
    table = plain_table("over the groups", *SHOWN.values())
    names = ["intercept", *model["features"]]
    for j, name in enumerate(names[:FEATURES_SHOWN]):
        table.add_row(name, *(number(float(inference["coefficients"][i][j]), 5) for i in at))
    for name, key in (measure_of(model)[::-1], ("rows", "n_rows")):
        table.add_row(name, *(number(float(inference[key][i]), 5) for i in at), style="dim")
    if len(names) > FEATURES_SHOWN:
        table.caption = f"and {count(len(names) - FEATURES_SHOWN, 'more feature')}, in the report and groups.csv"
    return table
