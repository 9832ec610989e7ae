"""Pictures of the second pass: the residuals against the normal law, and the rows of the largest influence."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from scipy import special

from drivers.report.comparison import Comparison, line_errors
from drivers.report.figures import OURS, POINTS, POINTS_SHOWN, SAMPLE, TRUTH, Picture, draw, few_ticks, legend_above
from drivers.report.formats import number
from drivers.run_directory import RunDirectory
from drivers.wording import count

# All of so many at either end, and so many of the rest: more points would only hide each other.
TAIL, MIDDLE = 60, 200
FEW = 8
# Cook's distance from which a row is worth a look, and from which it rules the fit (Cook and Weisberg, "Residuals and
# influence in regression", 1982, 5.3).
COOK_LEVELS = (0.5, 1.0)
# From this ratio of the largest to the smallest leverage on, the axis is logarithmic.
WIDE = 20
NUMBERED = 5
# Of the axes: where a number may stand from its point, and what it needs for itself.
SIDES = tuple(
    np.array(side) for side in ((0.022, 0.0), (-0.022, 0.0), (0.0, 0.05), (0.0, -0.05), (0.022, 0.05), (0.022, -0.05))
)
ROOM = np.array([0.018, 0.042])
QUANTILE_LEVEL = 0.95
# Within this of one a residual is rounding error.
LEVERAGE_ONE = 1e-9
# Where every row has more, the fit passes through all of them and none stands out.
NEARLY_ONE = 0.999


def draw_all(directory: RunDirectory, model: dict[str, Any], comparison: Comparison) -> list[Picture]:
    """Those there is something to draw for."""
    sigma = float(np.sqrt(model["inference"]["residual_variance"]))
    if not np.isfinite(sigma) or sigma <= 0:
        return []
    pictures = []
    if len(comparison.sample.y) >= FEW:
        pictures.append(_draw_quantiles(directory, model, comparison, sigma))
    rows = [row for row in model["inference"]["diagnostics"]["influential"] if np.isfinite(row["cooks_distance"])]
    leverages = [row["leverage"] for row in rows]
    if rows and max(leverages) > 0 and min(leverages) < NEARLY_ONE:
        pictures.append(_draw_influence(directory, model, comparison, rows, sigma))
    return pictures


def standardised(model: dict[str, Any], comparison: Comparison, sigma: float) -> np.ndarray:
    """The weighted residuals of the sample over sigma, (n,): sqrt(w) e where weights are inverse variances."""
    sample = comparison.sample
    residuals = sample.y - comparison.ours[0] - sample.X @ comparison.ours[1:]
    if model["inference"]["weight_type"] == "frequency":
        return residuals / sigma
    result: np.ndarray = np.sqrt(sample.w) * residuals / sigma
    return result


def _draw_quantiles(directory: RunDirectory, model: dict[str, Any], comparison: Comparison, sigma: float) -> Picture:
    found = model["inference"]["diagnostics"]
    values = standardised(model, comparison, sigma)
    counts = comparison.sample.w if model["inference"]["weight_type"] == "frequency" else np.ones(len(values))
    order = np.argsort(values, kind="stable")
    values, counts = values[order], counts[order]
    n = float(counts.sum())
    probability = (np.cumsum(counts) - counts / 2) / n
    expected = special.ndtri(probability)
    shown = _some(len(values))
    x = expected[shown]
    ranks = np.clip(probability[shown] * n + 0.5, 1, n)
    tail = (1 - QUANTILE_LEVEL) / 2
    low, high = (special.ndtri(special.betaincinv(ranks, n + 1 - ranks, p)) for p in (tail, 1 - tail))

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.fill_between(x, low, high, color=SAMPLE, alpha=0.2, linewidth=0, label="95 of 100 samples of normal errors")
        axes.plot(x, x, color=TRUTH, linestyle=(0, (1, 1.5)), linewidth=1.5, label="normal")
        axes.scatter(x, values[shown], s=14, color=OURS, alpha=0.7, linewidths=0, label="residuals")
        axes.set_xlabel("quantile of the normal law")
        axes.set_ylabel("residual / \N{GREEK SMALL LETTER SIGMA}")
        few_ticks(axes)
        legend_above(figure, columns=3)

    outside = int(np.sum((values[shown] < low) | (values[shown] > high)))
    weighted = "weighted residuals" if model["weight"] else "residuals"
    skew, kurtosis = number(found["skew"], 3), number(found["kurtosis"], 4)
    caption = (
        f"The {weighted} of {count(len(values), 'row')} of the sample, sorted, against what normal errors would give "
        f"({len(shown)} of them drawn, all at the ends). On the dotted line they are normal; the band is for one place at "
        f"a time.{_held_out_told(comparison)} Of all rows of the fit the skew is {skew} (normal: 0) and the kurtosis "
        f"{kurtosis} (normal: 3)."
    )
    ends = [number(float(value), 3) for value in (values[0], expected[0], values[-1], expected[-1])]
    alt = (
        f"Quantiles of the residuals against those of the normal law: the smallest is {ends[0]} standard deviations where "
        f"{ends[1]} is expected, the largest {ends[2]} where {ends[3]} is; {outside} of {len(shown)} points lie outside "
        "the band."
    )
    return draw(directory, "normal_quantiles", 4.0, alt, caption, paint)


def _held_out_told(comparison: Comparison) -> str:
    return " The sample holds rows that were held out of the fit as well." if comparison.sample.held_out else ""


def _some(n: int) -> np.ndarray:
    """Places among n sorted values: every one at the ends, some between."""
    if n <= 2 * TAIL + MIDDLE:
        return np.arange(n)
    between = np.linspace(TAIL, n - TAIL - 1, MIDDLE).astype(int)
    return np.unique(np.concatenate([np.arange(TAIL), between, np.arange(n - TAIL, n)]))


def _draw_influence(
    directory: RunDirectory, model: dict[str, Any], comparison: Comparison, rows: list[dict[str, Any]], sigma: float
) -> Picture:
    leverage = np.array([row["leverage"] for row in rows])
    residual = np.array([row["studentized_residual"] for row in rows])
    n_coefficients = model["inference"]["df_model"] + 1
    others = _leverages(model, comparison, sigma)
    smallest = min(leverage.min(), others[0].min()) if others is not None else leverage.min()
    largest = leverage.max()
    is_wide = largest > WIDE * smallest > 0
    # Where its lines are lowest, at the right, must be within the picture.
    right = max(largest, others[0].max()) if others is not None else largest
    highest = max(np.abs(residual).max(), np.abs(others[1]).max() if others is not None else 0.0)
    levels = [level for level in COOK_LEVELS if np.sqrt(level * n_coefficients * (1 - right) / right) < highest]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        if others is not None:
            axes.scatter(*others, s=10, color=POINTS, alpha=0.35, linewidths=0, label="rows of the sample")
        axes.scatter(leverage, residual, s=34, color=SAMPLE, linewidths=0, label="largest Cook's distance", zorder=3)
        axes.axhline(0, color="#5b6675", linewidth=1)
        if is_wide:
            axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        ends, low, high = axes.get_xlim(), *axes.get_ylim()
        h = np.geomspace(max(ends[0], smallest / 10, 1e-12), min(ends[1], 1 - 1e-9), 200)
        for level in levels:
            height = np.sqrt(level * n_coefficients * (1 - h) / h)
            dashes = (0, (1, 1.5)) if level < 1 else (0, (5, 2))
            axes.plot(h, height, color=TRUTH, linewidth=1.2, linestyle=dashes, label=f"Cook's distance {level:g}")
            axes.plot(h, -height, color=TRUTH, linewidth=1.2, linestyle=dashes)
        axes.set_xlim(*ends)
        axes.set_ylim(low, high)
        _number(axes, leverage, residual)
        if not is_wide:
            few_ticks(axes)
        axes.set_xlabel("leverage" + (" (logarithmic)" if is_wide else ""))
        axes.set_ylabel("studentised residual")
        legend_above(figure, columns=2)

    first = rows[0]
    told = f"{count(len(rows), 'row')} of the largest influence, numbered as in the table"
    grey = f" Grey: rows of the sample.{_held_out_told(comparison)}" if others is not None else ""
    beyond = " and ".join(f"{level:g}" for level in levels)
    lines = (
        f" Beyond the {'lines' if len(levels) > 1 else 'line'} Cook's distance is above {beyond}."
        if levels
        else f" Cook's distance stays below {COOK_LEVELS[0]:g} everywhere."
    )
    caption = (
        "Leverage, how much a row's own target pulls its prediction, against the residual in its standard deviations: "
        f"{told}.{grey}{lines}"
    )
    alt = (
        f"Scatter plot of leverage against studentised residual. The row of the largest Cook's distance, "
        f"{number(first['cooks_distance'], 3)}, has leverage {number(first['leverage'], 3)} and residual "
        f"{number(first['studentized_residual'], 3)}."
    )
    return draw(directory, "influence", 4.0, alt, caption, paint)


def _number(axes: Any, x: np.ndarray, y: np.ndarray) -> None:
    """Numbers beside the first points, on a side where no other point or number lies."""
    places = axes.transAxes.inverted().transform(axes.transData.transform(np.column_stack([x, y])))
    taken = list(places)
    for i in range(min(NUMBERED, len(x))):
        free = [side for side in SIDES if not any(_is_close(places[i] + side, other) for other in taken)]
        side = free[0] if free else SIDES[0]
        taken.append(places[i] + side)
        axes.text(
            *(places[i] + side), str(i + 1), transform=axes.transAxes, ha="center", va="center", fontsize=10, zorder=4
        )


def _is_close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.all(np.abs(a - b) < ROOM))


def _leverages(model: dict[str, Any], comparison: Comparison, sigma: float) -> tuple[np.ndarray, np.ndarray] | None:
    """Leverage and studentised residual of rows of the sample; None where the model cannot tell them.

    h = w z' (Z'WZ)^-1 z from the classical covariance, which a penalised fit has not, and of features far from zero not to
    enough digits.
    """
    inference, sample = model["inference"], comparison.sample
    classical = inference["coefficients"][0]
    if comparison.is_penalised or inference["weight_type"] == "frequency" or not len(sample.y) or comparison.dependent:
        return None
    if classical["covariance_type"] != "classical" or "covariance" not in classical:
        return None
    covariance = np.asarray(classical["covariance"], dtype=float)
    if not np.isfinite(covariance).all():
        return None
    X, w = sample.X[:POINTS_SHOWN], sample.w[:POINTS_SHOWN]
    leverage = w * np.square(line_errors(covariance, X) / sigma)
    known = inference["diagnostics"]["leverage_max"]
    if inference["condition_number_raw"] > 1e6 or leverage.min() <= 0 or leverage.max() > 1.01 * known or known >= 1:
        return None
    residuals = standardised(model, comparison, sigma)[:POINTS_SHOWN]
    below = leverage < 1 - LEVERAGE_ONE
    return (leverage[below], residuals[below] / np.sqrt(1 - leverage[below])) if below.any() else None
