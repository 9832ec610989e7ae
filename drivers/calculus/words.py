"""What decides of a root's convergence and of a point's kind, in symbols, on the terminal and in the report alike."""

from __future__ import annotations

from drivers.calculus.extrema import END, INFLECTION, LEVEL_INFLECTION, OUTSIDE, Point
from drivers.calculus.newton import Newton


def limit_formula(result: Newton) -> str:
    """What the limit of the ratios of errors is."""
    if result.root is not None and result.root.multiplicity > 1:
        return f"1 - 1/{result.root.multiplicity}, at a root r of that multiplicity"
    return "|f''(r) / (2 f'(r))| at the root r"


def reason(point: Point) -> str:
    """What decides of the kind of a point."""
    if point.kind == INFLECTION:
        text = "f'' changes sign"
    elif point.kind == LEVEL_INFLECTION:
        text = f"first not 0: f{primes(point.order)}"
    else:
        text = f"f{primes(point.order)} {'>' if point.decisive > 0 else '<'} 0"
    if point.place == END:
        return f"end, {text}"
    return f"outside, {text}" if point.place == OUTSIDE else text


def primes(order: int) -> str:
    """The mark of a derivative: ', '', ''', ^(4)."""
    return "'" * order if order < 4 else f"^({order})"
