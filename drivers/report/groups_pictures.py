"""Pictures of models by group: each coefficient over the groups, and how well groups of each size are explained."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from drivers.grouped.table import GroupTable
from drivers.report.figures import OURS, POINTS, POINTS_SHOWN, SAMPLE, Picture, draw, few_ticks, label, legend_above
from drivers.report.formats import number
from drivers.run_directory import RunDirectory

PANELS, BINS = 12, 40
# The rest lies outside the picture: one group that is far off would leave one bar of all others.
INNER = (0.005, 0.995)


def draw_all(directory: RunDirectory, model: dict[str, Any], table: GroupTable) -> list[Picture]:
    """The coefficients, and R-squared against the number of rows where there is one."""
    fitted = np.array([status == "fitted" for status in table.statuses])
    pictures = [_draw_coefficients(directory, model, table.coefficients[fitted])]
    known = fitted & ~np.isnan(table.r_squared)
    if known.sum() > 1:
        pictures.append(_draw_r_squared(directory, table.n_rows[known], table.r_squared[known]))
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


def _draw_r_squared(directory: RunDirectory, n_rows: np.ndarray, r_squared: np.ndarray) -> Picture:
    # Evenly from small to large groups.
    order = np.argsort(n_rows, kind="stable")
    chosen = order[np.unique(np.linspace(0, len(order) - 1, min(POINTS_SHOWN, len(order))).astype(int))]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.scatter(n_rows[chosen], r_squared[chosen], s=14, alpha=0.35, color=POINTS, linewidths=0)
        if n_rows.max() > 20 * max(n_rows.min(), 1):
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("rows of the group")
        axes.set_ylabel("R-squared")
        axes.set_ylim(min(-0.02, float(r_squared[chosen].min())), 1.02)

    some = "" if len(chosen) == len(order) else f", {len(chosen):,} of {len(order):,} groups"
    caption = f"R-squared against the rows of a group{some}. In small groups it is large by chance alone."
    low, high = np.quantile(r_squared, [0.05, 0.95])
    alt = f"R-squared of each group against its rows; nine tenths of the groups have {low:.3f} to {high:.3f}."
    return draw(directory, "r-squared-by-group", 3.8, alt, caption, paint)
