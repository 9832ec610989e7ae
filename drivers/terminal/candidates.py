"""The candidates of a clustering on the terminal: for each number of clusters the best start, and which was chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.table import Table

from drivers.terminal.tables import number, plain_table

# More than these are left to the report.
SHOWN = 30


def candidates_table(
    model: dict[str, Any], size: Callable[[dict[str, Any]], int], columns: dict[str, tuple[str, int]], index: str
) -> Table:
    """
    :param size: the number of clusters of a candidate
    :param columns: by heading the name of a value and its digits
    :param index: what chose among several numbers
    """
    best = [entry for entry in model["candidates"] if entry["is_best"]]
    table = plain_table("k", *columns, "passes", "status")
    for entry in best[:SHOWN]:
        is_chosen = entry is model["candidates"][model["chosen"]]
        cells = [number(entry[name], digits) for name, digits in columns.values()]
        table.add_row(
            f"{size(entry)}{' *' if is_chosen else ''}", *cells, number(entry["n_passes"]), entry["status"],
            style="bold" if is_chosen else None,
        )  # fmt: skip
    n_restarts = len(model["candidates"]) // max(len(best), 1)
    words = [f"* chosen by {index}"] if len(best) > 1 else []
    words += [f"the best of {n_restarts} starts each"] if n_restarts > 1 else []
    table.caption = ", ".join(words)
    return table
