"""The extrema and inflection points of a polynomial on the terminal, within 80 columns."""

from __future__ import annotations

import textwrap

from drivers.calculus.extrema import Extrema
from drivers.calculus.words import primes, reason
from drivers.terminal.tables import WIDTH, number, open_console, plain_table, print_remarks


def print_result(result: Extrema) -> None:
    """The points, what decides of each, and what the grid says."""
    console = open_console()
    f = result.polynomial
    for order in range(3):
        console.print(f"f{primes(order)}(x) = {f.derivative(order)}")
    table = plain_table("", "x", "f(x)", "f'(x)", "f''(x)", "since")
    for point in result.points:
        values = (point.x, point.value, point.slope, point.curvature)
        table.add_row(point.name, *(number(value, 7) for value in values), reason(point))
    table.title = f"on the interval from {result.domain[0]:g} to {result.domain[1]:g}"
    console.print(table)
    console.print(textwrap.fill(result.agreement(), WIDTH))
    print_remarks(console, result.remarks())
