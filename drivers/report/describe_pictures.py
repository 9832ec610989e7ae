"""Pictures of a table: the histogram of each column, many to a picture, and a heat map of the correlations."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from drivers.report.figures import OURS, POINTS, WIDTH, Picture, draw, inches, label
from drivers.report.formats import number
from drivers.report.heat_map import paint_correlations
from drivers.run_directory import RunDirectory
from drivers.wording import count

ACROSS, DOWN = 3, 8
# In inches.
PANEL_WIDTH, PANEL_HEIGHT, BAR_HEIGHT, MARGIN = 1.85, 1.05, 0.55, 0.05
LEAST_SHARE = 0.01  # of the most frequent text
MOST_PICTURES, BARS, CORRELATED_SHOWN, TOLD = 15, 8, 40, 4


def draw_histograms(directory: RunDirectory, profile: dict[str, Any]) -> list[Picture]:
    """The columns in their order, as many to a picture as stay readable; those without two values are left out."""
    drawn = [column for column in profile["columns"] if _bars(column)]
    n = ACROSS * DOWN
    pages = [drawn[start : start + n] for start in range(0, len(drawn), n)]
    left = len(drawn) - n * MOST_PICTURES
    pictures = []
    for i, columns in enumerate(pages[:MOST_PICTURES]):
        caption = "How many rows have a value of each size, or each of the most frequent texts." if i == 0 else ""
        if i == 0 and any((column["histogram"] or {}).get("outside") for column in drawn):
            caption += " Where a few rows lie far off, the outermost 0.5 % at either end are left out."
        if i == MOST_PICTURES - 1 and left > 0:
            caption += f" {count(left, 'more column')} without a picture."
        pictures.append(
            _draw_page(directory, f"histograms-{i + 1}", columns, caption or f"Histograms, continued ({i + 1}).")
        )
    return pictures


def _draw_page(directory: RunDirectory, name: str, columns: list[dict[str, Any]], caption: str) -> Picture:
    n_down = -(-len(columns) // ACROSS)
    height = n_down * PANEL_HEIGHT + MARGIN

    def paint(figure: Figure) -> None:
        axes = inches(figure, height)
        for color, is_numbers in ((OURS, True), (POINTS, False)):
            chosen = [(k, column) for k, column in enumerate(columns) if (column["histogram"] is not None) == is_numbers]
            panels = [_outlines(column, *_corner(k)) for k, column in chosen]
            axes.add_collection(PolyCollection([one for panel in panels for one in panel], facecolors=color, linewidths=0))
        for k, column in enumerate(columns):
            x, y = _corner(k)
            _, _, _, ends = _bars(column) or ([], [], [], ("", ""))
            axes.plot([x, x + PANEL_WIDTH], [y, y], color="#5b6675", linewidth=0.8)
            axes.text(x + PANEL_WIDTH / 2, y + BAR_HEIGHT + 0.04, label(column["name"], 26), ha="center", fontsize=9)
            for right, text, side in ((0, ends[0], "left"), (PANEL_WIDTH, ends[1], "right")):
                axes.text(x + right, y - 0.04, label(text, 13), ha=side, va="top", fontsize=7.5)

    names = ", ".join(column["name"] for column in columns)
    return draw(directory, name, height, f"Histograms of {names}.", caption, paint)


def _corner(k: int) -> tuple[float, float]:
    """The lower left corner of a panel's bars, in inches from the upper left corner of the picture."""
    across, down = k % ACROSS, k // ACROSS
    return across * WIDTH / ACROSS + (WIDTH / ACROSS - PANEL_WIDTH) / 2, -(down * PANEL_HEIGHT + 0.25 + BAR_HEIGHT)


def _outlines(column: dict[str, Any], x: float, y: float) -> list[np.ndarray]:
    """The bars of a panel as polygons, (4, 2) each."""
    left, widths, heights, _ = _bars(column) or ([], [], [], ("", ""))
    begins, breadth = np.array(left, float), np.array(widths, float)
    span = begins[-1] + breadth[-1] - begins[0]
    begins = x + (begins - begins[0]) / span * PANEL_WIDTH
    ends = begins + breadth / span * PANEL_WIDTH
    tops = y + np.array(heights, float) / max(*heights, 1) * BAR_HEIGHT
    bottoms = np.full(len(tops), y)
    return list(
        np.stack([np.column_stack(edge) for edge in zip((begins, begins, ends, ends), (bottoms, tops, tops, bottoms))], 1)
    )


def _bars(column: dict[str, Any]) -> tuple[list[float], list[float], list[float], tuple[str, str]] | None:
    """Left edges, widths and heights of the bars, and what stands below the first and the last; None without two."""
    histogram = column["histogram"]
    if histogram is not None:
        edges = histogram["edges"]
        ends = (_end(column, edges[0], "min"), _end(column, edges[-1], "max"))
        return edges[:-1], np.diff(edges).tolist(), histogram["rows"], ends
    if column["quantiles"] is not None or column["distinct"]["value"] < 2 or not column["top"]:
        return None
    if column["top"][0]["rows"] < LEAST_SHARE * (column["rows"] - column["missing"]):  # all of them as good as nothing
        return None
    top = column["top"][:BARS]
    shown = [str(entry["value"]) for entry in top]
    return [float(i) for i in range(len(top))], [0.85] * len(top), [entry["rows"] for entry in top], (shown[0], shown[-1])


def _end(column: dict[str, Any], edge: float, extreme: str) -> str:
    """An end of a histogram: the extreme cell, unless the histogram ends before it."""
    value = column[extreme]
    if not column["histogram"]["outside"]:
        return value if isinstance(value, str) else number(float(value), 4)
    return number(edge, 4) if not isinstance(value, str) else str(np.datetime64(round(edge), "D"))


def draw_correlations(
    directory: RunDirectory, profile: dict[str, Any], pairs: list[tuple[str, str, float]]
) -> list[Picture]:
    """The heat map, of the columns most correlated with another one where there are many; none without a pair."""
    if not pairs:
        return []
    names = profile["correlations"]["names"]
    matrix = np.array([[np.nan if r is None else r for r in row] for row in profile["correlations"]["matrix"]])
    sizes = np.where(np.isfinite(matrix), np.abs(matrix), 0.0)
    np.fill_diagonal(sizes, 0.0)
    shown = np.sort(np.argsort(-sizes.max(axis=1), kind="stable")[:CORRELATED_SHOWN])
    part, n = matrix[np.ix_(shown, shown)], len(shown)
    size = 10.0 if n <= 12 else 8.5 if n <= 20 else 6.0

    def paint(figure: Figure) -> None:
        paint_correlations(figure, part, [label(names[j], 16) for j in shown], size)

    of = (
        "all columns of numbers" if n == len(names) else f"the {n} of {len(names)} columns most correlated with another one"
    )
    told = ", ".join(f"{a} and {b} {number(r, 3)}" for a, b, r in pairs[:TOLD])
    caption = (
        f"Correlations of {of}: red where two rise together, blue where one falls as the other rises. Strongest: {told}."
    )
    return [
        draw(directory, "correlations", 1.8 + 0.5 * n if n <= 6 else 5.0, f"Heat map. Strongest: {told}.", caption, paint)
    ]
