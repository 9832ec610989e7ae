"""The picture of the error of cross-validation with each penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from drivers.report.figures import OURS, PALETTE, Picture, draw, legend_above
from drivers.report.formats import number
from drivers.report.penalty_axis import (
    Penalties,
    choices_told,
    mark_choices,
    penalty_axis,
    place_of_zero,
    zero_told,
)
from drivers.run_directory import RunDirectory

# More curves than these are not told apart by colour and dashes.
CURVES = 6
FAINT = "#c3cad3"
DASHES: tuple[Any, ...] = ((0, (5, 2)), (0, (1, 1.2)), "-.", (0, (8, 2, 1, 2, 1, 2)), (0, (3, 3)))
# Standard errors above the least error, where the picture ends: any higher, and the bottom of the curve looks flat.
HEIGHT = 25
# How many sizes of the model fit along the top.
SIZES = 8


def draw_all(directory: RunDirectory, model: dict[str, Any]) -> list[Picture]:
    """The picture, where there are several penalties to draw."""
    path = model["path"]
    if len(set(path["alphas"])) < 2:
        return []
    return [_draw(directory, model, place_of_zero(np.asarray(path["alphas"], dtype=float)))]


def _draw(directory: RunDirectory, model: dict[str, Any], smallest: float) -> Picture:
    path = model["path"]
    mse, error = (np.asarray(path[key], dtype=float) for key in ("mse", "mse_standard_error"))
    ratios = list(dict.fromkeys(path["l1_ratios"]))
    best_ratio = path["l1_ratios"][path["best"]]
    curves = {ratio: Penalties.of(path, ratio, smallest) for ratio in ratios}
    chosen = curves[best_ratio]
    top = float(mse[path["best"]] + HEIGHT * error[path["best"]])
    is_cut = bool(error[path["best"]] > 0 and mse.max() > 1.05 * top)
    power = _power_of_ten(min(top, float(mse.max())) if is_cut else float(mse.max()))
    unit = 10.0**power
    left = max(_enters(mse[curve.rows], curve, top) for curve in curves.values()) if is_cut else None
    shows_df = model["penalty"]["kind"] == "ridge"
    sizes = np.asarray(path["df"], dtype=float) if shows_df else _n_nonzero(path)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        handles = []
        low, high = ((mse[chosen.rows] + sign * error[chosen.rows]) / unit for sign in (-1, 1))
        axes.fill_between(chosen.x, low, high, color=OURS, alpha=0.25, linewidth=0)
        # The one that was chosen lies on top.
        for i, ratio in enumerate(sorted(ratios, key=lambda ratio: ratio == best_ratio)):
            curve, is_best = curves[ratio], ratio == best_ratio
            color = OURS if is_best else PALETTE[1 + i % (len(PALETTE) - 2)] if len(ratios) <= CURVES else FAINT
            name = f"l1 ratio {number(float(ratio), 3)}" if len(ratios) > 1 else "mean of the folds"
            if is_best:
                name += " \N{PLUS-MINUS SIGN} one std. error"
            line = axes.plot(
                curve.x, mse[curve.rows] / unit, color=color, linestyle="-" if is_best else DASHES[i % len(DASHES)],
                marker="o" if len(curve.x) <= 15 else None, markersize=4, label=name,
            )  # fmt: skip
            handles += line if is_best or len(ratios) <= CURVES else []
        if is_cut:
            axes.set_ylim(float(low.min()) - 0.04 * (top / unit - float(low.min())), top / unit)
        alphas = np.asarray(path["alphas"], dtype=float)
        penalty_axis(axes, alphas, smallest, left)
        axes.set_ylabel("mean square error on folds" + (f" / $10^{{{power}}}$" if power else ""))
        handles += mark_choices(axes, model, chosen)
        legend_above(figure, handles, columns=2)
        _size_axis(
            axes, chosen, sizes[chosen.rows], "degrees of freedom" if shows_df else "coefficients not zero", is_df=shows_df
        )

    n_folds = model["validation"]["n_folds"]
    size = "effective degrees of freedom" if shows_df else "the number of coefficients that are not zero"
    of = f" of the l1 ratio {number(float(best_ratio), 3)}" if len(ratios) > 1 else ""
    beyond = f" Where it leaves the picture it rises on, up to {number(float(mse.max()), 4)}." if is_cut else ""
    caption = (
        f"The mean square error on the rows of each of {n_folds} folds, predicted by a fit of the others, with the largest "
        f"penalty on the left{zero_told(np.asarray(path['alphas'], dtype=float))}; on top {size}{of}.{beyond} "
        f"{choices_told(model)}"
    )
    alt = f"Curve of the error of cross-validation against alpha. {_errors_told(path, curves, mse)}"
    return draw(directory, "cross_validation", 4.2, alt, caption, paint)


def _enters(mse: np.ndarray, curve: Penalties, top: float) -> float:
    """The smallest penalty before the error first falls to this height, the largest coming first."""
    inside = np.flatnonzero(mse <= top)
    return float(curve.x[max(int(inside[0]) - 1, 0)]) if len(inside) else float(curve.x[-1])


def _power_of_ten(largest: float) -> int:
    """What to divide the errors by to have few digits on the axis: 0 for none."""
    power = int(np.floor(np.log10(largest))) if largest > 0 else 0
    return power if not -3 <= power < 6 else 0


def _n_nonzero(path: dict[str, Any]) -> np.ndarray:
    return np.count_nonzero(np.asarray(path["coefficients"], dtype=float), axis=1).astype(float)


def _size_axis(axes: Any, penalties: Penalties, sizes: np.ndarray, name: str, is_df: bool) -> None:
    """How large the model is along the top, at some of the penalties."""
    top = axes.twiny()
    top.set_xscale("log")
    top.set_xlim(axes.get_xlim())
    largest = min(penalties.x[0], axes.get_xlim()[0])
    left, right = np.log(axes.get_xlim())
    share = np.log(largest / penalties.x[-1]) / (left - right)
    wanted = np.linspace(np.log(largest), np.log(penalties.x[-1]), max(round(SIZES * share), 2))
    at = sorted({int(np.argmin(np.abs(np.log(penalties.x) - place))) for place in wanted})
    at = [i for i in at if penalties.x[i] <= largest]
    top.xaxis.set_major_locator(FixedLocator([float(penalties.x[i]) for i in at]))
    top.xaxis.set_minor_locator(NullLocator())
    texts = [f"{sizes[i]:.3g}" if is_df else f"{sizes[i]:.0f}" for i in at]
    top.set_xticklabels(texts)
    top.set_xlabel(name, fontsize=10)
    top.grid(visible=False)


def _errors_told(path: dict[str, Any], curves: dict[float, Penalties], mse: np.ndarray) -> str:
    told = []
    for ratio, curve in list(curves.items())[:CURVES]:
        values = mse[curve.rows]
        name = f"l1 ratio {number(float(ratio), 3)}: " if len(curves) > 1 else ""
        least = int(np.argmin(values))
        told.append(
            f"{name}{number(float(values[0]), 4)} at alpha {number(float(curve.alphas[0]), 3)}, least "
            f"{number(float(values[least]), 4)} at {number(float(curve.alphas[least]), 3)}, "
            f"{number(float(values[-1]), 4)} at {number(float(curve.alphas[-1]), 3)}"
        )
    return "; ".join(told) + "."
