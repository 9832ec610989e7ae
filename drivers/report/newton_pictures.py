"""Pictures of Newton's method: the tangents that lead from iterate to iterate, and the errors on a logarithmic axis."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from drivers.calculus.newton import LEVEL, Iterate, Newton
from drivers.report.curves import formula
from drivers.report.figures import EXTRA, OURS, PALETTE, POINTS, SAMPLE, TRUTH, Picture, draw, few_ticks, legend_above
from drivers.report.formats import number
from drivers.run_directory import RunDirectory

# Later tangents are too short to be seen, or too many.
TANGENTS, NAMED_TANGENTS = 6, 3
# Names of iterates closer than this share of the width would lie on each other.
APART = 0.06
DASHES: tuple[Any, ...] = ((0, (5, 2)), (0, (1, 1.2)), "-.")


def draw_all(directory: RunDirectory, result: Newton) -> list[Picture]:
    """The tangents, and the errors where there are enough of them."""
    pictures = [_draw_tangents(directory, result)]
    if sum(bool(entry.error) for entry in result.iterates) >= 3:
        pictures.append(_draw_errors(directory, result))
    return pictures


def _draw_tangents(directory: RunDirectory, result: Newton) -> Picture:
    shown = result.iterates[: TANGENTS + 1]
    places = [entry.x for entry in shown] + ([] if result.root is None else [result.root.value])
    width = (max(places) - min(places)) or max(abs(places[0]), 1.0)
    grid = np.linspace(min(places) - 0.12 * width, max(places) + 0.12 * width, 401)
    heights = [0.0, *(entry.value for entry in shown)]
    height = (max(heights) - min(heights)) or 1.0

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.axhline(0, color=TRUTH, linewidth=1)
        axes.plot(grid, result.polynomial.in_doubles(grid), color=OURS, label=f"f(x) = {formula(result.polynomial)}")
        for entry, after in zip(shown, shown[1:]):
            color, dashes = PALETTE[1 + entry.k % 3], DASHES[entry.k % 3]
            is_named = entry.k < NAMED_TANGENTS
            ends = grid[[0, -1]] if is_named else np.array([entry.x, after.x])
            name = f"tangent at $x_{{{entry.k}}}$: {entry.tangent()}" if is_named else None
            line = entry.value + entry.slope * (ends - entry.x)
            axes.plot(ends, line, color=color, linestyle=dashes, linewidth=1.6, label=name)
        if result.status == LEVEL and len(shown) == len(result.iterates):
            axes.axhline(shown[-1].value, color=SAMPLE, linewidth=1.6, linestyle=":", label="level tangent")
        for entry in shown:
            axes.plot([entry.x, entry.x], [0.0, entry.value], color=POINTS, linewidth=1, linestyle=":")
        axes.plot([entry.x for entry in shown], [entry.value for entry in shown], "o", color=OURS, markersize=5)
        if result.root is not None:
            axes.plot([result.root.value], [0.0], "D", color=EXTRA, markersize=6, label=f"root {result.root.value:.8g}")
        _name_iterates(axes, shown, width)
        axes.set_xlim(grid[0], grid[-1])
        axes.set_ylim(min(heights) - 0.15 * height, max(heights) + 0.15 * height)
        axes.set_xlabel("x")
        few_ticks(axes)
        legend_above(figure, columns=1)

    way = ", ".join(number(entry.x, 8) for entry in shown)
    caption = "Each tangent leads from a point of the curve to the next iterate on the axis."
    if len(result.iterates) > len(shown):
        caption += f" The first {TANGENTS} of {len(result.iterates) - 1} steps."
    alt = f"The curve of {result.polynomial} and the tangents at the iterates {way}; the first is {shown[0].tangent()}."
    return draw(directory, "tangents", 4.6, alt, caption, paint)


def _name_iterates(axes: Any, shown: list[Iterate], width: float) -> None:
    """Names below or above the axis, on the other side than the curve, as far as there is room."""
    named: list[float] = []
    for entry in shown:
        if any(abs(entry.x - x) < APART * width for x in named):
            continue
        named.append(entry.x)
        above = entry.value <= 0
        axes.annotate(
            f"$x_{{{entry.k}}}$", (entry.x, 0.0),
            xytext=(0, 6 if above else -6), textcoords="offset points", ha="center", va="bottom" if above else "top",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 0.5},
        )  # fmt: skip


def _draw_errors(directory: RunDirectory, result: Newton) -> Picture:
    errors = np.array([entry.error or np.nan for entry in result.iterates], dtype=float)
    limit = result.limit or 0.0
    power = "^2" if result.order == 2 else ""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        steps = np.arange(len(errors))
        axes.plot(steps, errors, color=OURS, marker="o", markersize=5, label="error $e_k$")
        if limit:
            name = f"{number(limit, 5)} $e_{{k-1}}{power}$, the limit"
            axes.plot(steps[1:], limit * errors[:-1] ** result.order, "x", color=SAMPLE, markersize=8, label=name)
        axes.set_yscale("log")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("step k")
        legend_above(figure, columns=2)

    what = "the right digits double at each step" if result.order == 2 else "each step takes the same share of it"
    caption = f"The distance from the root, its axis logarithmic: {what}, until what is left is rounding."
    told = ", ".join(number(float(value), 3) for value in errors if np.isfinite(value))
    return draw(directory, "errors", 3.6, f"Error against step on a logarithmic axis: {told}.", caption, paint)
