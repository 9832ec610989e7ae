"""Numbers as a person reads them: a column with one number of decimals, shares, seconds, bytes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

NOTHING = "\N{EN DASH}"
# Wider fixed-point numbers than these are harder to read than powers of ten.
MAX_DIGITS, MAX_WHOLE_DIGITS = 11, 9
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
# Parts of a model that hold numbers, and what they hold of texts: "NaN" may well be the name of a column.
_NUMERIC: dict[str, tuple[str, ...]] = {
    "parameters": ("metric", "covariance_type", "classes"),
    "evaluation": ("class",),
    "passes": (),
    "clusters": (),
    "components": (),
    "candidates": ("status",),
    "way": (),
    "inference": ("dependent_features", "place"),
    "training": (),
    "validation": ("fold_by",),
    "penalty": (),
    "path": (),
    "selection": ("candidates", "features", "term", "terms"),
}


def restore(model: dict[str, Any]) -> dict[str, Any]:
    """A model read from JSON with the floats that JSON cannot hold, which stand there as strings."""

    def numbers_in(value: Any, texts: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {key: item if key in texts else numbers_in(item, texts) for key, item in value.items()}
        if isinstance(value, list):
            return [numbers_in(item, texts) for item in value]
        return _SPECIAL.get(value, value) if isinstance(value, str) else value

    return {key: numbers_in(value, _NUMERIC[key]) if key in _NUMERIC else value for key, value in model.items()}


def number(value: Any, digits: int = 6) -> str:
    """One number with that many significant digits; whole numbers in full."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return NOTHING
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, float) and math.isinf(value):
        return "\N{INFINITY}" if value > 0 else "-\N{INFINITY}"
    if isinstance(value, int):
        return f"{value:,}"
    if value and not 1e-5 <= abs(value) < 10**MAX_WHOLE_DIGITS:
        return f"{value:.{digits - 1}e}"
    whole_digits = len(str(int(abs(value))))
    return f"{value:,.{digits}g}" if whole_digits <= digits else f"{value:,.0f}"


def column(values: Sequence[Any], digits: int = 6) -> list[str]:
    """The numbers of a column, with one number of decimals where their sizes allow it, so that the points line up.

    The largest has at least `digits` significant digits, the smallest four.
    """
    sizes = [abs(value) for value in values if isinstance(value, float) and math.isfinite(value) and value]
    if not sizes or not all(isinstance(value, (float, type(None))) for value in values):
        return [number(value, digits) for value in values]
    smallest, largest = (math.floor(math.log10(size)) for size in (min(sizes), max(sizes)))
    decimals = max(digits - 1 - largest, min(digits, 4) - 1 - smallest, 0)
    if max(largest + 1, 1) + decimals > MAX_DIGITS or largest >= MAX_WHOLE_DIGITS:
        return [number(value, digits) for value in values]
    return [f"{value:,.{decimals}f}" if value is not None and math.isfinite(value) else number(value) for value in values]


def scores(values: Sequence[float | None], error: float | None = None) -> list[str]:
    """A column of scores that differ little, to the second digit of their standard error and the fourth of the largest."""
    sizes = [abs(value) for value in values if value is not None and math.isfinite(value) and value]
    largest = math.floor(math.log10(max(sizes))) if sizes else 0
    decimals = max(3 - largest, 0)
    if error and math.isfinite(error):
        decimals = max(decimals, 1 - math.floor(math.log10(abs(error))))
    if largest >= MAX_WHOLE_DIGITS or max(largest + 1, 1) + decimals > MAX_DIGITS:
        return [number(value, 5) for value in values]
    return [number(None) if value is None else fixed(value, decimals) for value in values]


def names_told(names: Sequence[str], most: int = 8) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(name[:40] for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def p_value(value: float) -> str:
    """A p-value with three decimals; smaller ones are said to be so."""
    if math.isnan(value):
        return NOTHING
    return f"{value:.3f}" if value >= 0.001 else "<0.001"


def fixed(value: float, decimals: int = 2) -> str:
    """A number with so many decimals."""
    return f"{value:,.{decimals}f}" if math.isfinite(value) else number(value)


def share(value: float, digits: int = 3) -> str:
    """A share as per cent, with the nines that are left of 100 per cent."""
    if not math.isfinite(value):
        return NOTHING
    if 0 < 1 - value < 0.01:
        digits += max(math.floor(-math.log10(1 - value)) - 1, 0)
    text = f"{100 * value:.{min(digits, 12)}g}"
    return f"{100 * value:.0f} %" if "e+" in text else f"{text} %"


def duration(seconds: float) -> str:
    """Seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
