"""The pictures of docs/performance.md, by matplotlib, each saved as PNG."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from bench.results import PYSPARK, PYSPARK_FIT, SKLEARN, Point, Results
from drivers.report.figures import STYLE

# As large as is legible at half size.
WIDTH, HEIGHT, DPI, FONT = 8.0, 5.0, 150, 13
# Okabe and Ito's palette, which colour-blind readers can tell apart; a dash pattern and a mark tell twins apart.
BLUE, ORANGE, GREEN, BLACK = "#0072b2", "#d55e00", "#009e73", "#000000"
LINE_GAP = 0.062  # between two labels, as a share of the height


@dataclass(frozen=True)
class Series:
    side: str
    label: str
    colour: str
    dashed: bool = False
    mark: str = "o"


FITS = (
    Series(PYSPARK, "PySpark", GREEN, mark="^"),
    Series(PYSPARK_FIT, "PySpark, no session", GREEN, dashed=True, mark="^"),
    Series("local-cold", "local, cold", ORANGE, mark="s"),
    Series("local-warm", "local, warm", ORANGE, dashed=True, mark="s"),
    Series(SKLEARN, "scikit-learn", BLACK, mark="D"),
    Series("inline-cold", "inline, cold", BLUE),
    Series("inline-warm", "inline, warm", BLUE, dashed=True),
)


def draw_all(results: Results, folder: Path) -> None:
    """performance-rows.png, -columns.png, -memory.png and -packing.png."""
    folder.mkdir(parents=True, exist_ok=True)
    rows, features = results.by_rows(), results.by_features()

    def seconds_by_rows(figure: Figure) -> None:
        axes = figure.subplots()
        _lines(axes, results, FITS, rows, _n_rows, "wall", 1.0)
        _dress(axes, rows, _n_rows, "rows", "seconds of the whole process")

    def seconds_by_features(figure: Figure) -> None:
        axes = figure.subplots()
        _lines(axes, results, FITS, features, _n_features, "wall", 1.0)
        _dress(axes, features, _n_features, "columns of features", "seconds of the whole process")

    def memory_by_rows(figure: Figure) -> None:
        axes = figure.subplots()
        series = [one for one in FITS if one.side != PYSPARK_FIT]
        _lines(axes, results, series, rows, _n_rows, "summed", 1e6)
        _dress(axes, rows, _n_rows, "rows", "peak memory of all processes, MB")

    _draw(folder / "performance-rows.png", seconds_by_rows)
    _draw(folder / "performance-columns.png", seconds_by_features)
    _draw(folder / "performance-memory.png", memory_by_rows)
    _draw(folder / "performance-packing.png", lambda figure: _packing(figure, results))


def _packing(figure: Figure, results: Results) -> None:
    points = results.points("pack")
    panels = figure.subplots(1, 2)
    for axes, name, unit, title in (
        (panels[0], "wall", 1.0, "seconds of the whole process"),
        (panels[1], "summed", 1e6, "peak memory, MB"),
    ):
        for columns in sorted({point.columns for point in points}, reverse=True):
            wide = columns != points[0].columns
            series = [
                Series("pack", f"packing, {columns} columns", BLUE, wide),
                Series("arrow", f"pyarrow, {columns} columns", BLACK, wide, "D"),
            ]
            _lines(axes, results, series, [p for p in points if p.columns == columns], _n_rows, name, unit, labels=False)
        _dress(axes, points, _n_rows, "rows", title)
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper center", ncols=2, fontsize=FONT, handlelength=3)


def _draw(path: Path, paint: Callable[[Figure], None]) -> None:
    with matplotlib.rc_context():
        # A matplotlibrc of the machine's is not to change the pictures.
        matplotlib.rcdefaults()
        matplotlib.rcParams.update({**STYLE, "font.size": FONT, "figure.constrained_layout.use": True})
        figure = Figure(figsize=(WIDTH, HEIGHT))
        paint(figure)
        figure.savefig(path, dpi=DPI, metadata={"Software": None})


def _n_rows(point: Point) -> int:
    return point.rows


def _n_features(point: Point) -> int:
    return point.features


def _lines(
    axes: Axes, results: Results, series: Sequence[Series], points: Sequence[Point], position: Callable[[Point], int],
    name: str, unit: float, labels: bool = True,
) -> None:  # fmt: skip
    ends = []
    for one in series:
        values = [(position(point), results.figure(point, one.side, name)) for point in points]
        drawn = [(x, value / unit) for x, value in values if value is not None]
        if not drawn:
            continue
        axes.loglog(
            *zip(*drawn), color=one.colour, linestyle=(0, (4, 2)) if one.dashed else "-", marker=one.mark, markersize=7,
            markerfacecolor="white" if one.dashed else one.colour, label=one.label,
        )  # fmt: skip
        ends.append((one, drawn[-1][1]))
    if labels and ends:
        _label_ends(axes, ends)


def _label_ends(axes: Axes, ends: list[tuple[Series, float]]) -> None:
    """Each line's name at the height of its last point, moved apart where two would touch."""
    low, high = (math.log(limit) for limit in axes.get_ylim())
    wanted = sorted(((math.log(value) - low) / (high - low), one.label, one.colour) for one, value in ends)
    for height, (_, label, colour) in zip(spaced([height for height, _, _ in wanted], LINE_GAP), wanted):
        axes.text(1.02, height, label, color=colour, va="center", transform=axes.transAxes)


def spaced(heights: Sequence[float], gap: float) -> list[float]:
    """Ascending heights moved as little as need be, in the sense of least squares, for neighbours to be `gap` apart."""
    groups: list[tuple[float, int]] = []  # (middle of the lowest if it stood alone, number of labels) by pooling
    for i, height in enumerate(heights):
        start, n = height - i * gap, 1
        while groups and groups[-1][0] >= start:
            other, m = groups.pop()
            start, n = (other * m + start * n) / (m + n), m + n
        groups.append((start, n))
    starts = [start for start, n in groups for _ in range(n)]
    return [start + i * gap for i, start in enumerate(starts)]


def _dress(axes: Axes, points: Sequence[Point], position: Callable[[Point], int], x_title: str, y_title: str) -> None:
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(sorted({position(point) for point in points}) or [1]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    low, high = axes.get_ylim()
    # Between a label that stands alone and more than can be read.
    subs = (1, 2, 3, 4, 5, 7) if high / low < 8 else (1, 2, 5) if high / low < 500 else (1, 3)
    axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlabel(x_title)
    axes.set_title(y_title, loc="left", fontsize=FONT)


def short(value: float) -> str:
    """100k, 10M."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
