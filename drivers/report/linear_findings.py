"""What the numbers of a linear fit say, in sentences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from drivers.linear.descent import STOPPED_EARLY
from drivers.loop import CONVERGED, DIVERGED
from drivers.report.comparison import SMALL, Comparison
from drivers.report.formats import number, share
from drivers.wording import count

# Rows of equal weight, below which the sandwich of a sample is worth a word of caution.
FEW = 300
# Of the root mean square error: iterative solvers end no nearer to each other.
SAME = 1e-5


def findings(model: dict[str, Any], comparison: Comparison) -> list[tuple[str, str]]:
    """Topic and paragraph for each question: the fit, the descent, the sample, the truth."""
    paragraphs = [
        ("Fit", _fit(model, comparison)),
        ("Descent", _descent(model["training"])),
        ("Sample", _sample(model, comparison)),
        ("Truth", _truth(comparison)),
    ]
    return [(topic, paragraph) for topic, paragraph in paragraphs if paragraph]


def _fit(model: dict[str, Any], comparison: Comparison) -> str:
    inference, training, truth = model["inference"], model["training"], comparison.truth
    target = model["target"]
    weighted = "weighted " if model["weight"] else ""
    rows = "the training rows" if model.get("validation", {}).get("holdout") else "all rows"
    if inference:
        r_squared, rmse, where = inference["r_squared"], inference["rmse"], ""
    else:
        r_squared, rmse, where = _sample_r_squared(comparison), math.sqrt(2 * training["loss"]), " in the sample"
        rows += ", one step before the end"
    if r_squared < 0:
        text = f"The fit predicts {target}{where} worse than its mean would (R\N{SUPERSCRIPT TWO} {number(r_squared, 3)}). "
    elif math.isfinite(r_squared):
        text = f"The fit explains {share(r_squared)} of the {weighted}variance of {target}{where} (R\N{SUPERSCRIPT TWO}). "
    else:
        text = f"{target} does not vary, so there is no variance to explain. "
    text += f"Predictions are off by {number(rmse, 3)} ({weighted}root mean square over {rows})."
    if truth is not None and truth.noise is not None:
        text += f" The noise the data were made with has the standard deviation {number(truth.noise, 3)}."
    if inference and inference["df_residuals"] <= 0:
        text += " There are no more rows than coefficients, so the fit had to pass through every row."
    return text


def _sample_r_squared(comparison: Comparison) -> float:
    sample = comparison.sample
    if not len(sample.w):
        return math.nan
    residuals = sample.y - comparison.ours[0] - sample.X @ comparison.ours[1:]
    spread = sample.y - np.average(sample.y, weights=sample.w)
    total = np.sum(sample.w * spread**2)
    return float(1 - np.sum(sample.w * residuals**2) / total) if total > 0 else math.nan


def _descent(training: dict[str, Any]) -> str:
    if training["solver"] != "gd":
        return ""
    candidates = training["candidates"]
    chosen = candidates[training["chosen"]]
    how = {
        "converged": "converged",
        "stopped early": "stopped early: its steps had become small before it had arrived",
        "max_iter": "did not converge within the passes allowed (--max-iter)",
    }.get(training["status"], training["status"])
    text = f"Gradient descent with the learning rate {number(chosen['learning_rate'])} {how}, "
    text += f"after {count(chosen['n_passes'], 'pass', 'passes')}. "
    remaining = training["remaining_distance"]
    if math.isfinite(remaining):
        text += (
            f"From the way its steps shrink, about {number(remaining, 2)} is left to where it is heading "
            "(distance in the space of the coefficients)."
        )
    elif chosen["n_passes"] < 2:
        text += "A single step does not tell how far it still has to go."
    else:
        text += "Its steps do not shrink, so nothing can be said about how far it still has to go."
    if len(candidates) > 1:
        converged = sum(candidate["status"] == CONVERGED for candidate in candidates)
        diverged = sum(candidate["status"] == DIVERGED for candidate in candidates)
        early = sum(candidate["status"] == STOPPED_EARLY for candidate in candidates)
        text += f" Of {len(candidates)} candidates {converged} converged, {early} stopped early and {diverged} diverged."
    if training["gradient"] == "classical":
        text += " It followed the classical form of the gradient, whose root is not the least-squares fit."
    return text


def _sample(model: dict[str, Any], comparison: Comparison) -> str:
    sample, fit = comparison.sample, comparison.sample_fit
    if sample.n_drawn == 0 or not model["features"]:
        return ""
    if fit is None:
        return "The sample has no row to fit, so there is nothing to compare with."
    difference = fit.coefficients - comparison.ours
    if comparison.is_penalised:
        return _penalised_sample(model, comparison, difference)
    gap = f"the fitted values of the two differ by {number(comparison.prediction_gap(difference), 3)} at most on the sample"
    worth = f"worth {number(sample.effective_size, 3)} rows of equal weight"
    size = count(len(sample.w), "row")
    if sample.is_everything:
        text = "The sample holds every row, so scikit-learn fitted the same data: "
        text += (
            "the two fits agree up to rounding." if comparison.rounding(difference) else gap + _reason(model["training"])
        )
        if comparison.sample_is_small:
            text += f" The {size} are {worth}: too small a number to learn much from."
        return text
    name = f"The sample of {size} ({share(sample.share, 2)} of all)"
    if comparison.sample_is_small:
        return f"{name} is {worth} (fewer than {SMALL}): too small to compare its fit with the fit of all rows."
    if not comparison.is_determined:
        return f"{name} does not determine every coefficient, so coefficients are not compared; {gap}."
    if comparison.rounding(difference):
        return f"scikit-learn's fit of the sample ({size}) and the fit of all rows agree up to rounding."
    z = comparison.sample_z()
    if z is None:
        return f"scikit-learn's fit of the sample ({size}) leaves no residuals to judge a difference by; {gap}."
    text = (
        f"scikit-learn's fit of the sample ({size}, {share(sample.share, 2)} of all) and the fit of all rows "
        f"{_verdict(comparison, z)}: {_largest(comparison, z, difference)} The standard errors are the HC3 sandwich on the "
        f"sample, which is {worth}"
    )
    text += "; with so few it runs low." if sample.effective_size < FEW else "."
    if sample.held_out:
        text += " The sample holds rows that were held out of the fit as well."
    if model["training"].get("gradient") == "classical":
        text += " The two estimate different things: see the gradient."
    return text


def _penalised_sample(model: dict[str, Any], comparison: Comparison, difference: np.ndarray) -> str:
    """Like with like, by what they predict: of coefficients that are shrunk, and may be zero, no test holds."""
    sample = comparison.sample
    rmse = model["inference"]["rmse"]
    gaps = difference[0] + sample.X @ difference[1:]
    typical = float(np.sqrt(np.average(np.square(gaps), weights=sample.w)))
    apart = f"the fitted values of the two differ by {number(float(np.abs(gaps).max()), 3)} at most on the sample"
    if rmse > 0:
        apart += f" and by {share(typical / rmse, 2)} of the fit's own error typically"
    kind = "scikit-learn's fit with the same penalty"
    if sample.is_everything:
        if comparison.rounding(difference) or (rmse > 0 and typical < SAME * rmse):
            return f"The sample holds every row, and {kind} agrees with this one."
        return f"The sample holds every row; {kind} ends elsewhere: {apart}."
    text = f"{kind[:1].upper()}{kind[1:]} on the sample ({count(len(sample.w), 'row')}, {share(sample.share, 2)} of all"
    return f"{text}): {apart}. Shrunken coefficients are not tested against each other."


def _reason(training: dict[str, Any]) -> str:
    """Why two fits of the same rows are not the same."""
    if training.get("gradient") == "classical":
        return ", since they estimate different things."
    return ", which gradient descent still had to go." if training["solver"] == "gd" else ", which is more than rounding."


def _truth(comparison: Comparison) -> str:
    truth = comparison.truth
    if truth is None:
        return ""
    difference = comparison.ours - truth.coefficients
    if comparison.dependent:
        return "The truth is known, but the features do not determine the coefficients, so they are not compared with it."
    if comparison.rounding(difference):
        return "The fit of all rows and the truth agree up to rounding."
    if comparison.is_penalised:
        j = int(np.argmax(np.abs(difference[1:]) * comparison.sample.spread)) + 1
        return (
            "The truth is known, but a penalised fit is biased towards zero on purpose, so it is not tested against it. "
            f"Furthest off is {_named(comparison, j)}, by {number(float(difference[j]), 3)}."
        )
    if comparison.errors is None:
        j = int(np.argmax(np.abs(difference)))
        return (
            f"Against the truth, {_named(comparison, j)} is the furthest off, by {number(float(difference[j]), 3)}. "
            "Gradient descent gives no standard errors to judge this by; --solver exact does."
        )
    if comparison.table_is_small:
        return "The rows are worth too few of equal weight: too small to compare the fit with the truth."
    z = comparison.truth_z()
    if z is None:
        return "There are no standard errors to compare the fit with the truth by."
    return (
        f"The fit of all rows and the truth {_verdict(comparison, z)}: {_largest(comparison, z, difference)} "
        "Each coefficient is judged by the widest of its standard errors."
    )


def _verdict(comparison: Comparison, z: np.ndarray) -> str:
    return "agree within chance" if np.abs(z).max() <= comparison.limit() else "differ by more than chance"


def _largest(comparison: Comparison, z: np.ndarray, difference: np.ndarray) -> str:
    j = int(np.argmax(np.abs(z)))
    return (
        f"the largest difference, in {_named(comparison, j)}, is {number(float(difference[j]), 3)} or "
        f"{number(float(z[j]), 2)} standard errors, where the largest of {len(z)} would stay within "
        f"{number(comparison.limit(), 3)} in 95 of 100 cases."
    )


def _named(comparison: Comparison, j: int) -> str:
    return "the intercept" if j == 0 else f"the coefficient of {comparison.names[j]}"
