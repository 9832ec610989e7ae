"""Measures of predicted numbers, from sums of their errors e = p - y, and quantiles of errors from histograms.

They are those of sklearn.metrics. With W the sum of the weights: MSE = sum w e^2 / W, MAE = sum w |e| / W, MAPE = sum w |e|
/ max(|y|, eps) / W, bias = sum w e / W, R^2 = 1 - sum w e^2 / sum w (y - mean)^2, explained variance likewise without the
bias.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# The share of the sum of squares about nothing that rounding leaves of one about the mean, where all values are the same.
ROUNDING = 1e-24
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
PERCENTILES = tuple(k / 100 for k in range(1, 100))


def error_measures(sums: dict[str, np.ndarray], center: float) -> dict[str, np.ndarray]:
    """The measures by name, NaN without weight; sums: arrays by the names of jobs/kernels/evaluation.py, y and p being from
    the centre, all of one shape, which the measures have."""
    total = sums["weight"]
    with np.errstate(divide="ignore", invalid="ignore"):
        mse, mae, mape, bias = (sums[name] / total for name in ("error_square", "error_size", "error_share", "error"))
        y_spread = _about_mean(sums["y_square"], sums["y"], total, center)
        p_spread = _about_mean(sums["p_square"], sums["p"], total, center)
        together = sums["py"] - sums["p"] * sums["y"] / total
        r_squared = 1 - sums["error_square"] / y_spread
        explained = 1 - np.maximum(sums["error_square"] - sums["error"] * bias, 0.0) / y_spread
        correlation = np.clip(together / np.sqrt(y_spread * p_spread), -1.0, 1.0)
    constant, exact = (y_spread <= 0) & (total > 0), sums["error_square"] <= 0
    return {
        "rmse": np.sqrt(mse),
        "mse": mse,
        "mae": mae,
        "mape": mape,
        "bias": bias,
        "r_squared": np.where(constant, np.where(exact, 1.0, 0.0), r_squared),
        "explained_variance": np.where(constant, np.where(exact, 1.0, 0.0), explained),
        "correlation": np.where((y_spread > 0) & (p_spread > 0), correlation, np.nan),
    }


def _about_mean(square: np.ndarray, plain: np.ndarray, total: np.ndarray, center: float) -> np.ndarray:
    """The sum of squares about the mean; 0 where only rounding is left of it."""
    found = square - plain * plain / total
    return np.where(found <= ROUNDING * (square + total * center * center), 0.0, found)


def quantiles(
    weights: np.ndarray, edges: np.ndarray, least: float, largest: float, probabilities: Sequence[float] = QUANTILES
) -> list[dict[str, Any]]:
    """Quantiles of a histogram: `value`, and the `low` and `high` ends between which the quantile surely lies.

    That of q is the smallest value that at least the share q of the weight is at or below.

    :param weights: (bins,); edges: (bins - 1,), what lies between the bins
    :param least: the smallest value of a row with weight, and the largest
    """
    total = weights.sum()
    if not total > 0:
        return []
    lower = np.clip(np.concatenate([[-np.inf], edges]), least, largest)
    upper = np.clip(np.concatenate([np.nextafter(edges, -np.inf), [np.inf]]), least, largest)
    summed = np.cumsum(weights)
    rows = []
    for q in probabilities:
        j = int(np.searchsorted(summed, q * total * (1 - 1e-12)))
        j = min(j, int(np.flatnonzero(weights)[-1]))
        into = (q * total - (summed[j] - weights[j])) / weights[j]
        low, high = float(lower[j]), float(max(upper[j], lower[j]))
        rows.append({"probability": q, "value": low + min(max(into, 0.0), 1.0) * (high - low), "low": low, "high": high})
    return rows
