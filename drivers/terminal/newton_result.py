"""The way of Newton's method on the terminal, within 80 columns."""

from __future__ import annotations

from drivers.calculus.newton import Newton
from drivers.calculus.words import limit_formula
from drivers.terminal.tables import number, open_console, plain_table, print_remarks

# More iterates than these are left to result.json: the first and the last are shown.
ROWS_SHOWN = 40


def print_result(result: Newton) -> None:
    """The iterates, where they have led, and the remarks."""
    console = open_console()
    console.print(f"f(x) = {result.polynomial}")
    power = "" if result.order == 1 else "^2"
    headings = ("f(x_k)", "f'(x_k)", "error e_k", f"e_k/e_(k-1){power}")
    table = plain_table("k", "x_k", *(headings if result.converged else headings[:2]))
    n_left_out = max(len(result.iterates) - ROWS_SHOWN, 0)
    for entry in result.iterates:
        if n_left_out and entry.k == ROWS_SHOWN // 2:
            table.add_row("...")
        if ROWS_SHOWN // 2 <= entry.k < ROWS_SHOWN // 2 + n_left_out:
            continue
        cells = [str(entry.k), f"{entry.x:.10f}" if 1e-4 <= abs(entry.x) < 1e6 or not entry.x else f"{entry.x:.10g}"]
        cells += [number(value, 8) for value in (entry.value, entry.slope)]
        if result.converged:
            cells += [number(entry.error, 4), number(entry.ratio, 5)]
        table.add_row(*cells)
    console.print(table)
    console.print(f"tangent at x_0: {result.iterates[0].tangent()}")
    if result.root is not None:
        console.print(f"root by the companion matrix: {result.root.value!r}")
        console.print(f"limit of e_k/e_(k-1){power}: {number(result.limit, 5)} = {limit_formula(result)}")
    print_remarks(console, result.remarks())
