"""The picture of the coefficients along the penalties."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drivers.report.figures import PALETTE, Picture, draw, label, legend_above
from drivers.report.formats import names_told, number
from drivers.report.penalty_axis import (
    Penalties,
    alpha_at,
    choices_told,
    chosen_place,
    is_several,
    mark_choices,
    penalty_axis,
    place_of_zero,
    zero_told,
)
from drivers.report.plane_pictures import WILD
from drivers.run_directory import RunDirectory
from drivers.wording import count

NAMED = 8
FAINT = "#c3cad3"
# Of the height of the axes, between two names.
LINE_HEIGHT = 0.062


def draw_all(directory: RunDirectory, model: dict[str, Any], spread: np.ndarray | None) -> list[Picture]:
    """The picture, where there are several penalties to draw.

    :param spread: the standard deviation of each feature, shape (p,), None where it is not known
    """
    path = model["path"]
    if len(set(path["alphas"])) < 2 or not model["features"]:
        return []
    smallest = place_of_zero(np.asarray(path["alphas"], dtype=float))
    penalties = Penalties.of(path, path["l1_ratios"][path["best"]], smallest)
    return [_draw(directory, model, penalties, smallest, spread)] if len(penalties.alphas) > 1 else []


def _draw(
    directory: RunDirectory, model: dict[str, Any], penalties: Penalties, smallest: float, spread: np.ndarray | None
) -> Picture:
    path = model["path"]
    values = np.asarray(path["coefficients"], dtype=float)[penalties.rows]
    sizes = np.ones(values.shape[1]) if spread is None else spread
    is_scaled = spread is not None and spread.max() > WILD * spread.min()
    drawn = values * sizes if is_scaled else values
    leading = _leading(values * sizes, int(np.flatnonzero(penalties.rows == chosen_place(model))[0]))
    names = [label(model["features"][j], 16) for j in leading]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        others = [j for j in range(drawn.shape[1]) if j not in leading]
        for j in others:
            axes.plot(penalties.x, drawn[:, j], color=FAINT, linewidth=1)
        axes.axhline(0, color="#5b6675", linewidth=1)
        for i, j in enumerate(leading):
            dashes: Any = "-" if i < len(PALETTE) // 2 else (0, (5, 2))
            axes.plot(penalties.x, drawn[:, j], color=PALETTE[i], linestyle=dashes, linewidth=1.8)
        penalty_axis(axes, penalties.alphas, smallest)
        axes.set_ylabel("coefficient" + (" per standard deviation" if is_scaled else ""))
        handles = mark_choices(axes, model, penalties)
        if others:
            text = count(len(others), "other feature")
            handles.append(Line2D([], [], color=FAINT, linewidth=1, label=text))
        legend_above(figure, handles, columns=2)
        _name_ends(axes, drawn[-1, leading], names)

    meaning = ", each times the standard deviation of its feature," if is_scaled else ""
    of = "all features" if len(leading) == drawn.shape[1] else f"{drawn.shape[1]} features, the largest named"
    ratio = number(float(path["l1_ratios"][chosen_place(model)]), 3)
    several = f" The l1 ratio is {ratio}." if is_several(path) else ""
    caption = (
        f"The coefficients of {of},{meaning} with the largest penalty on the left and the smallest on the right"
        f"{zero_told(penalties.alphas)}. {choices_told(model)}{several}"
    ).replace(",,", ",")
    if spread is None:
        caption += " Without rows the spread of a feature is not known, so that the units of the features show here."
    at = chosen_place(model)
    told = names_told([f"{model['features'][j]} {number(float(path['coefficients'][at][j]), 4)}" for j in leading])
    alt = (
        f"Lines: the coefficients against alpha, from {number(float(penalties.alphas[0]), 3)} on the left to "
        f"{number(float(penalties.alphas[-1]), 3)} on the right. At the chosen penalty, {number(alpha_at(path, at), 4)}, "
        f"they are: {told}."
    )
    return draw(directory, "penalty_path", 4.6, alt, caption, paint)


def _leading(effects: np.ndarray, chosen: int) -> list[int]:
    """The features of the largest effect at the chosen penalty; where that leaves too few, along the whole path."""
    along = np.abs(effects).max(axis=0)
    at = np.abs(effects[chosen])
    order = np.lexsort((-along, -at))
    return [int(j) for j in order[:NAMED] if along[j] > 0]


def _name_ends(axes: Any, ends: np.ndarray, names: list[str]) -> None:
    """The names of the lines right of their ends, moved apart where they would lie on one another."""
    low, high = axes.get_ylim()
    wanted = (ends - low) / (high - low)
    order = np.argsort(wanted, kind="stable")
    places = np.empty(len(wanted))
    last = -np.inf
    for i in order:
        last = places[i] = max(wanted[i], last + LINE_HEIGHT)
    # What has been pushed up as a heap comes down by half of it, and by all that sticks out at the top.
    limit = np.inf
    for i in order[::-1]:
        limit = places[i] = min(places[i], limit - LINE_HEIGHT, 1.0)
    for i in order:
        axes.plot(
            [1.0, 1.03], [wanted[i], places[i]], transform=axes.transAxes, color=PALETTE[i], linewidth=0.8, clip_on=False
        )
        axes.text(1.04, places[i], names[i], transform=axes.transAxes, color=PALETTE[i], va="center", fontsize=10)
