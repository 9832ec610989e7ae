"""Pictures of a fit with one feature: the lines over the data, and what lies between lines too close to tell apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy import special

from drivers.linear.inference import prediction_errors
from drivers.report.comparison import BAND, ROUNDING, Comparison, line_errors
from drivers.report.figures import (
    OURS,
    POINTS_SHOWN,
    SAMPLE,
    TRUTH,
    Picture,
    draw,
    few_ticks,
    label,
    legend_above,
    scatter,
)
from drivers.report.formats import number, share
from drivers.run_directory import RunDirectory
from drivers.wording import count

# Ours lies over the sample's, which is wider as a rule.
BAND_ALPHA = {OURS: 0.4, SAMPLE: 0.15}


@dataclass
class Line:
    """A line with intercept and slope (2,), their covariance where it is known, and its looks."""

    name: str
    coefficients: np.ndarray
    covariance: np.ndarray | None
    color: str
    dashes: Any

    def at(self, x: np.ndarray) -> np.ndarray:
        return self.coefficients[0] + self.coefficients[1] * x

    def band(self, x: np.ndarray) -> np.ndarray | None:
        """Half the width of its band, None where nothing is known of it."""
        if self.covariance is None or not np.isfinite(self.covariance).all():
            return None
        return BAND * line_errors(self.covariance, x[:, None])

    def equation(self) -> str:
        intercept, slope = (float(value) for value in self.coefficients)
        return f"{number(intercept)} {'-' if slope < 0 else '+'} {number(abs(slope))} x"


def draw_all(directory: RunDirectory, model: dict[str, Any], comparison: Comparison) -> list[Picture]:
    """The picture of the lines, and that of their differences where there are any beyond rounding."""
    grid, lines = line_grid(comparison), _lines(comparison)
    pictures = [_draw_lines(directory, model, comparison, grid, lines)]
    reach = [np.abs(line.coefficients - comparison.reference) @ [1.0, np.abs(grid).max()] for line in lines]
    bands = [float(band.max()) for line in lines if (band := line.band(grid)) is not None]
    if max([*reach, *bands]) > ROUNDING * np.abs(comparison.sample.y).max():
        pictures.append(_draw_differences(directory, model, comparison, grid, lines))
    return pictures


def line_grid(comparison: Comparison) -> np.ndarray:
    """Places on the axis of the feature, over the range of the sample."""
    low, high = float(comparison.sample.X.min()), float(comparison.sample.X.max())
    room = 0.02 * (high - low) or max(abs(low), 1.0)
    return np.linspace(low - room, high + room, 201)


def _lines(comparison: Comparison) -> list[Line]:
    """The lines to draw, the uppermost last."""
    fit, truth = comparison.sample_fit, comparison.truth
    ours = Line(comparison.our_label, comparison.ours, comparison.covariance, OURS, "-")
    theirs = []
    if fit is not None:
        theirs.append(Line(comparison.sample_label, fit.coefficients, fit.covariance, SAMPLE, (0, (5, 2))))
    # Two fits of the same rows are one line: then the dashes must lie on top to be seen.
    lines = [ours, *theirs] if comparison.sample.is_everything else [*theirs, ours]
    return lines if truth is None else [*lines, Line("truth", truth.coefficients, None, TRUTH, (0, (1, 1.5)))]


def _draw_lines(
    directory: RunDirectory, model: dict[str, Any], comparison: Comparison, grid: np.ndarray, lines: list[Line]
) -> Picture:
    sample = comparison.sample
    intervals = _intervals(model, grid)
    middle = comparison.ours[0] + comparison.ours[1] * grid

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        if intervals is not None:
            mean, new = intervals.mean, intervals.new
            axes.fill_between(
                grid, middle - new, middle + new, color=OURS, alpha=0.1, linewidth=0, label=intervals.new_name
            )
            axes.fill_between(
                grid, middle - mean, middle + mean, color=OURS, alpha=0.4, linewidth=0, label=intervals.mean_name
            )
        scatter(axes, sample.X[:, 0], sample.y, sample.w)
        for line in lines:
            axes.plot(grid, line.at(grid), color=line.color, linestyle=line.dashes, label=line.name)
        _name_axes(axes, model, grid)
        legend_above(figure, columns=2)

    told = "; ".join(f"{line.name}: {line.equation()}" for line in lines)
    weight = f"; the larger and darker a point, the larger its {model['weight']}" if model["weight"] else ""
    n_shown = count(min(len(sample.y), POINTS_SHOWN), "row")
    caption = f"{n_shown} of the sample, with the fitted lines{weight}."
    if intervals is not None:
        caption += f" {intervals.told()}"
    alt = f"Scatter plot of {model['target']} against {model['features'][0]} with straight lines. {told}."
    if intervals is not None:
        alt += f" {intervals.ends(middle)}"
    return draw(directory, "lines", 4.4, alt, caption, paint)


@dataclass
class Intervals:
    """Half the widths of the interval of the mean and of that of a new row, (m,), at this level; weight: of the new row."""

    mean: np.ndarray
    new: np.ndarray
    level: float
    weight: float | None

    @property
    def mean_name(self) -> str:
        return f"{share(self.level)} of the mean"

    @property
    def new_name(self) -> str:
        return f"{share(self.level)} of new rows"

    def told(self) -> str:
        of = "" if self.weight is None else f" of the mean weight, {number(self.weight, 3)},"
        return (
            f"The dark band is where the line itself may lie (confidence band of the mean, {share(self.level)}), the light "
            f"one where a new row{of} is expected in {100 * self.level:.4g} of 100 cases if errors are normal (prediction "
            "interval)."
        )

    def ends(self, middle: np.ndarray) -> str:
        k = len(middle) // 2
        mean, new, at = (number(float(value), 3) for value in (self.mean[k], self.new[k], middle[k]))
        return (
            f"In the middle the line is at {at}, its band \N{PLUS-MINUS SIGN}{mean}, the interval of a new row "
            f"\N{PLUS-MINUS SIGN}{new}."
        )


def _intervals(model: dict[str, Any], grid: np.ndarray) -> Intervals | None:
    """None where nothing is known of the errors."""
    found = model["inference"].get("prediction")
    if not found:
        return None
    covariance, variance = np.asarray(found["covariance"], dtype=float), float(found["residual_variance"])
    if not np.isfinite(covariance).all() or not np.isfinite(variance) or variance <= 0:
        return None
    level, df, training = model["inference"]["confidence_level"], float(found["df"]), model["training"]
    # The variance of a row is that over its weight; what stands for a number of rows is many rows of weight one.
    is_weighted = model["weight"] and model["inference"]["weight_type"] == "analytic"
    weight = training["weight_sum"] / training["n_rows"] if is_weighted else None
    weights = None if weight is None else np.full(len(grid), weight)
    quantile = special.ndtri(0.5 + level / 2) if np.isinf(df) else special.stdtrit(df, 0.5 + level / 2)
    mean, new = prediction_errors(covariance, variance, grid[:, None], weights, np.asarray(found["center"], dtype=float))
    return Intervals(quantile * mean, quantile * new, level, weight)


def _draw_differences(
    directory: RunDirectory, model: dict[str, Any], comparison: Comparison, grid: np.ndarray, lines: list[Line]
) -> Picture:
    against = "the truth" if comparison.truth is not None else "the fit of all rows"
    # Differences of coefficients and not of lines, whose values may be so large that rounding hides the difference.
    shifted = [replace(line, coefficients=line.coefficients - comparison.reference) for line in lines]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for line in shifted:
            middle, band = line.at(grid), line.band(grid)
            if band is not None:
                axes.fill_between(
                    grid, middle - band, middle + band, color=line.color, alpha=BAND_ALPHA[line.color], linewidth=0
                )
            axes.plot(grid, middle, color=line.color, linestyle=line.dashes, label=line.name)
        _name_axes(axes, model, grid)
        axes.set_ylabel(f"line \N{MINUS SIGN} {against}")
        legend_above(figure, columns=2)

    caption = (
        f"The same lines minus {against}: what the picture above is too coarse to show. Bands: {comparison.errors_told()}"
    )
    told = []
    for line in shifted:
        left, right = (number(float(value), 3) for value in line.at(grid[[0, -1]]))
        told.append(f"{line.name}: from {left} on the left to {right} on the right")
    return draw(directory, "differences", 3.8, f"Each line minus {against}. {'; '.join(told)}.", caption, paint)


def _name_axes(axes: Any, model: dict[str, Any], grid: np.ndarray) -> None:
    axes.set_xlabel(label(model["features"][0], 48))
    axes.set_ylabel(label(model["target"], 36))
    axes.set_xlim(grid[0], grid[-1])
    few_ticks(axes)
