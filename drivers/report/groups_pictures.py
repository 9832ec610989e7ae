"""Pictures of models by group: each coefficient over the groups, and how well groups of each size are explained."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from drivers.grouped.fits import measure_of
from drivers.grouped.table import GroupTable
from drivers.report.figures import OURS, POINTS, POINTS_SHOWN, SAMPLE, Picture, draw, few_ticks, label, legend_above
from drivers.report.formats import number
from drivers.run_directory import RunDirectory

PANELS, BINS = 12, 40
# The rest lies outside the picture: one group that is far off would leave one bar of all others.
INNER = (0.005, 0.995)


def draw_all(directory: RunDirectory, model: dict[str, Any], table: GroupTable) -> list[Picture]:
    """The coefficients, and how well groups are explained against their rows."""
    fitted = np.array([status == "fitted" for status in table.statuses])
    pictures = [_draw_coefficients(directory, model, table.coefficients[fitted])]
    known = fitted & ~np.isnan(table.measure)
    if known.sum() > 1:
        pictures.append(_draw_measure(directory, measure_of(model), table.n_rows[known], table.measure[known]))
    return pictures


def _draw_coefficients(directory: RunDirectory, model: dict[str, Any], coefficients: np.ndarray) -> Picture:
    names = ["intercept", *model["features"]][:PANELS]
    n_rows = -(-len(names) // 2)
    medians = np.median(coefficients, axis=0)

    def paint(figure: Figure) -> None:
        axes = figure.subplots(n_rows, 2, squeeze=False)
        for j, panel in enumerate(axes.ravel()):
            if j >= len(names):
                panel.set_axis_off()
                continue
            low, high = np.quantile(coefficients[:, j], INNER)
            if not low < high:
                low, high = low - 0.5 * (abs(low) or 1.0), high + 0.5 * (abs(high) or 1.0)
            panel.hist(coefficients[:, j], bins=BINS, range=(low, high), color=OURS)
            panel.axvline(medians[j], color=SAMPLE, linestyle="--", label="median" if j == 0 else None)
            panel.set_title(label(names[j]), fontsize=11)
            panel.set_ylabel("groups" if j % 2 == 0 else "")
            few_ticks(panel)
            panel.locator_params(axis="x", nbins=4)
        legend_above(figure, columns=1)

    told = ", ".join(f"{name} {number(float(value), 4)}" for name, value in zip(names, medians))
    caption = f"How many groups have a coefficient of each size, the outermost {100 * 2 * INNER[0]:g} % left out."
    if len(model["features"]) + 1 > len(names):
        caption += f" The first {len(names)} of {len(model['features']) + 1} coefficients."
    alt = f"Histograms of the coefficients over {len(coefficients):,} groups; medians: {told}."
    return draw(directory, "coefficients-by-group", 0.6 + 1.9 * n_rows, alt, caption, paint)


def _draw_measure(directory: RunDirectory, measure: tuple[str, str], n_rows: np.ndarray, values: np.ndarray) -> Picture:
    name, words = measure
    words = words[0].upper() + words[1:]
    # Evenly from small to large groups.
    order = np.argsort(n_rows, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(POINTS_SHOWN, len(order))).astype(int))]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.scatter(n_rows[chosen], values[chosen], s=14, alpha=0.35, color=POINTS, linewidths=0)
        if n_rows.max() > 20 * max(n_rows.min(), 1):
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("rows of the group")
        axes.set_ylabel(words)
        axes.set_ylim(min(-0.02, float(values[chosen].min())), 1.02)

    some = "" if len(chosen) == len(order) else f", {len(chosen):,} of {len(order):,} groups"
    caption = f"{words} against the rows of a group{some}. In small groups it is large by chance alone."
    low, high = np.quantile(values, [0.05, 0.95])
    alt = f"{words} of each group against its rows; nine tenths of the groups have {low:.3f} to {high:.3f}."
    return draw(directory, f"{name.replace('_', '-')}-by-group", 3.8, alt, caption, paint)
