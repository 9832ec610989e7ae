"""Pictures of a fit with several features: coefficients with their intervals, predictions and residuals on the sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drivers.report.comparison import BAND, ROUNDING, Comparison
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
from drivers.report.formats import number
from drivers.run_directory import RunDirectory
from drivers.wording import count

# More dots than these cannot be told apart on one picture.
FEATURES_SHOWN = 40
# From this ratio of the largest to the smallest spread of a feature on, raw coefficients say little beside each other.
WILD = 20
MEANS = 20


@dataclass
class Dots:
    """Coefficients of one fit, shape (p,), and half the widths of their intervals, None without."""

    name: str
    values: np.ndarray
    widths: np.ndarray | None
    color: str
    marker: str


def draw_all(directory: RunDirectory, model: dict[str, Any], comparison: Comparison) -> list[Picture]:
    """Coefficients, their differences, predicted against actual, residuals."""
    pictures = [_draw_coefficients(directory, model, comparison, differences=False)]
    if comparison.is_determined:
        pictures.append(_draw_coefficients(directory, model, comparison, differences=True))
    fitted = comparison.ours[0] + comparison.sample.X @ comparison.ours[1:]
    return [
        *pictures,
        _draw_predictions(directory, model, comparison, fitted),
        _draw_residuals(directory, model, comparison, fitted),
    ]


def _draw_coefficients(
    directory: RunDirectory, model: dict[str, Any], comparison: Comparison, differences: bool
) -> Picture:
    spread = comparison.sample.spread
    is_scaled = spread.max() > WILD * spread.min()
    scale = spread if is_scaled else np.ones_like(spread)
    base = comparison.reference[1:] * scale if differences else np.zeros_like(scale)
    shown = _largest(comparison.ours[1:] * spread)
    sets = _sets(comparison, scale, base, differences)
    against = "the truth" if comparison.truth is not None else "the fit of all rows"

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        places = np.arange(len(shown))
        for i, dots in enumerate(sets):
            offset = (i - (len(sets) - 1) / 2) * 0.24
            widths = None if dots.widths is None else dots.widths[shown]
            axes.errorbar(
                dots.values[shown], places + offset, xerr=widths, color=dots.color, fmt=dots.marker, markersize=5,
                linewidth=0, elinewidth=1.5, label=dots.name,
            )  # fmt: skip
        axes.axvline(0, color="#5b6675", linewidth=1)
        axes.set_yticks(places, [label(model["features"][j]) for j in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        axes.grid(axis="y", visible=False)
        unit = " per standard deviation" if is_scaled else ""
        axes.set_xlabel(f"coefficient{unit}" + (f" \N{MINUS SIGN} {against}" if differences else ""))
        few_ticks(axes)
        legend_above(figure, columns=2)

    of = f"the {len(shown)} of {len(spread)} features that matter most" if len(shown) < len(spread) else "all features"
    bars = f" Bars: {comparison.errors_told()}"
    if differences:
        caption = f"The same coefficients minus those of {against}.{bars}"
        name, alt = "coefficient_differences", f"Coefficients of {of} minus {against}, with intervals."
    else:
        meaning = ", each times the standard deviation of its feature" if is_scaled else ""
        caption = f"Coefficients of {of}{meaning}; without the intercept.{bars}"
        name = "coefficients"
        leading = ", ".join(f"{model['features'][j]} {comparison.ours[1 + j] * scale[j]:.4g}" for j in shown[:5])
        more = ", ..." if len(shown) > 5 else "."
        alt = f"Dots with intervals: the coefficients of {of}. {comparison.our_label}: {leading}{more}"
    return draw(directory, name, 1.3 + (0.27 if len(shown) > 15 else 0.4) * max(len(shown), 3), alt, caption, paint)


def _sets(comparison: Comparison, scale: np.ndarray, base: np.ndarray, differences: bool) -> list[Dots]:
    sets = [
        Dots(comparison.our_label, comparison.ours[1:] * scale - base, _widths(comparison.covariance, scale), OURS, "o")
    ]
    fit = comparison.sample_fit
    if fit is not None:
        sets.append(
            Dots(comparison.sample_label, fit.coefficients[1:] * scale - base, _widths(fit.covariance, scale), SAMPLE, "s")
        )
    if comparison.truth is not None and not differences:
        sets.append(Dots("truth", comparison.truth.coefficients[1:] * scale, None, TRUTH, "x"))
    return sets


def _widths(covariance: np.ndarray | None, scale: np.ndarray) -> np.ndarray | None:
    if covariance is None or not np.isfinite(covariance).all():
        return None
    return BAND * np.sqrt(np.maximum(np.diag(covariance)[1:], 0.0)) * scale


def _largest(effects: np.ndarray) -> np.ndarray:
    """The features to show, in the order of the model."""
    if len(effects) <= FEATURES_SHOWN:
        return np.arange(len(effects))
    return np.sort(np.argsort(-np.abs(effects), kind="stable")[:FEATURES_SHOWN])


def _draw_predictions(
    directory: RunDirectory, model: dict[str, Any], comparison: Comparison, fitted: np.ndarray
) -> Picture:
    y = comparison.sample.y

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        scatter(axes, y, fitted, comparison.sample.w)
        ends = [min(y.min(), fitted.min()), max(y.max(), fitted.max())]
        axes.plot(ends, ends, color=TRUTH, linestyle=(0, (1, 1.5)), label="prediction = actual")
        axes.set_xlabel(label(f"actual {model['target']}", 48))
        few_ticks(axes)
        axes.set_ylabel(label(f"predicted {model['target']}", 36))
        legend_above(figure)

    n_shown = count(min(len(y), POINTS_SHOWN), "row")
    varies = len(y) > 1 and y.std() > 0 and fitted.std() > ROUNDING * np.abs(fitted).max()
    correlation = np.corrcoef(y, fitted)[0, 1] if varies else np.nan
    told = f" Their correlation is {number(float(correlation), 5)}." if np.isfinite(correlation) else ""
    alt = f"Scatter plot of predicted against actual {model['target']}.{told}"
    return draw(directory, "predictions", 4.2, alt, f"Predicted against actual, {n_shown} of the sample.{told}", paint)


def _draw_residuals(directory: RunDirectory, model: dict[str, Any], comparison: Comparison, fitted: np.ndarray) -> Picture:
    sample = comparison.sample
    residuals = sample.y - fitted
    parts = [
        part for part in np.array_split(np.argsort(fitted, kind="stable"), min(MEANS, len(fitted) // 20) or 1) if len(part)
    ]
    shows_means = len(fitted) >= 100
    means = [(fitted[part].mean(), np.average(residuals[part], weights=sample.w[part])) for part in parts]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        scatter(axes, fitted, residuals, sample.w)
        axes.axhline(0, color=TRUTH, linestyle=(0, (1, 1.5)), linewidth=1.5)
        if shows_means:
            axes.plot(*zip(*means), color=SAMPLE, marker="o", markersize=4, label="mean of neighbouring rows")
            legend_above(figure)
        axes.set_xlabel(label(f"predicted {model['target']}", 48))
        few_ticks(axes)
        axes.set_ylabel("actual \N{MINUS SIGN} predicted")

    caption = f"Residuals against the prediction, {count(min(len(fitted), POINTS_SHOWN), 'row')} of the sample."
    alt = f"Scatter plot of the residuals of {model['target']} against its prediction."
    if shows_means:
        weighted = "weighted " if model["weight"] else ""
        heights = [height for _, height in means]
        caption += (
            f" The {weighted}means of {len(means)} groups of neighbours scatter about zero where a linear model is right."
        )
        alt += f" The means of {len(means)} groups lie between {min(heights):.3g} and {max(heights):.3g}."
    return draw(directory, "residuals", 3.8, alt, caption, paint)
