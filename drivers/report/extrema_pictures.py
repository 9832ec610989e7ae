"""Pictures of a polynomial on an interval: f, f' and f'' alone and together, the points of interest marked and named."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from drivers.calculus.extrema import INSIDE, MAXIMUM, MINIMUM, OUTSIDE, Extrema, Point
from drivers.report.curves import formula, function_name
from drivers.report.figures import EXTRA, OURS, POINTS, SAMPLE, TRUTH, Picture, draw, few_ticks, legend_above
from drivers.report.formats import number
from drivers.run_directory import RunDirectory

NAMES = ("function", "first-derivative", "second-derivative")
COLORS, DASHES = (OURS, SAMPLE, EXTRA), ("-", (0, (5, 2)), "-.")
# More letters than these make a legend longer than the picture; the table has all points.
LETTERS = "ABCDEFGHIJKL"
# Names of no more letters have room in two columns.
SHORT = 31
MARKERS = {MAXIMUM: "^", MINIMUM: "v"}
CAPTIONS = (
    "f with its extrema and inflection points; at an end the sign of f\N{PRIME} decides.",
    "f\N{PRIME} is zero where f has an extremum inside, and an extremum itself where f has an inflection point.",
    "Where f\N{DOUBLE PRIME} is below zero f is concave, where it is above zero convex; where its sign changes, f has an "
    "inflection point.",
)


def draw_all(directory: RunDirectory, result: Extrema) -> list[Picture]:
    """f, f' and f'', and the three together."""
    return [*(_draw_one(directory, result, order) for order in range(3)), _draw_together(directory, result)]


def values_of(point: Point) -> tuple[float, float, float]:
    """f, f' and f'' at a point."""
    return point.value, point.slope, point.curvature


def shown(result: Extrema) -> list[Point]:
    """The points of the domain."""
    return [point for point in result.points if point.place != OUTSIDE]


def _draw_one(directory: RunDirectory, result: Extrema, order: int) -> Picture:
    f, points, name = result.polynomial.derivative(order), shown(result), function_name(order)
    names = [f"{a}  {_told(point, order)} {_pair(point, order, 4)}" for a, point in zip(LETTERS, points)]
    columns = 2 if max(map(len, names)) <= SHORT else 1

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot(result.grid, f.in_doubles(result.grid), color=COLORS[order], label=f"{name}(x) = {formula(f)}")
        for letter, point, text in zip(LETTERS, points, names):
            _mark(axes, point, order, letter, text)
        _finish(axes, result)
        axes.set_ylabel(f"{name}(x)")
        legend_above(figure, columns=columns)

    told = "; ".join(f"{_told(point, order)} {_pair(point, order)}" for point in points)
    alt = f"The curve of {name}(x) = {f} from {result.domain[0]:g} to {result.domain[1]:g}. Marked: {told}."
    caption = CAPTIONS[order]
    if order == 0 and len(points) < len(result.points):
        outside = [point for point in result.points if point.place == OUTSIDE]
        caption += f" Outside the interval: {', '.join(f'{point.kind} {_pair(point, 0)}' for point in outside)}."
    height = 3.6 + 0.25 * -(-(len(names) + 1) // columns)
    return draw(directory, NAMES[order], height, alt, caption, paint)


def _draw_together(directory: RunDirectory, result: Extrema) -> Picture:
    polynomials, points = [result.polynomial.derivative(order) for order in range(3)], shown(result)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for point in points:
            if point.place == INSIDE:
                axes.axvline(point.x, color=POINTS, linewidth=1, linestyle=":")
        for order, f in enumerate(polynomials):
            axes.plot(
                result.grid, f.in_doubles(result.grid), color=COLORS[order], linestyle=DASHES[order],
                label=f"{function_name(order)}(x) = {formula(f)}",
            )  # fmt: skip
        for letter, point in zip(LETTERS, points):
            _mark(axes, point, 0, letter, None)
        _finish(axes, result)
        legend_above(figure, columns=1)

    inside = ", ".join(f"{point.kind} at {number(point.x)}" for point in points if point.place == INSIDE)
    caption = "All three on one axis; the dotted lines are where f has an extremum or an inflection point inside."
    alt = f"The curves of {polynomials[0]}, {polynomials[1]} and {polynomials[2]}. Inside: {inside or 'nothing'}."
    return draw(directory, "together", 4.4, alt, caption, paint)


def _mark(axes: Any, point: Point, order: int, letter: str, name: str | None) -> None:
    """A marker by its kind, its letter beside it, and its name for the legend."""
    height = values_of(point)[order]
    axes.plot(
        [point.x], [height], MARKERS.get(point.kind, "D"), color=TRUTH, markersize=6, clip_on=False, zorder=3, label=name
    )
    is_above = point.kind != MINIMUM
    axes.annotate(
        letter, (point.x, height), xytext=(0, 6 if is_above else -6), textcoords="offset points", ha="center",
        va="bottom" if is_above else "top",
    )  # fmt: skip


def _finish(axes: Any, result: Extrema) -> None:
    axes.axhline(0, color=TRUTH, linewidth=0.8, zorder=1)
    room = 0.03 * (result.domain[1] - result.domain[0])
    axes.set_xlim(result.domain[0] - room, result.domain[1] + room)
    axes.margins(y=0.12)
    axes.set_xlabel("x")
    few_ticks(axes)


def _told(point: Point, order: int) -> str:
    """What a point of f is, on the curve of a derivative too."""
    return point.name if order == 0 else f"{point.kind} of f"


def _pair(point: Point, order: int, digits: int = 5) -> str:
    return f"({number(point.x, digits)}, {number(values_of(point)[order], digits)})"
