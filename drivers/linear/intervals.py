"""Intervals about the predictions of a linear model: for the mean of y at x, and for one more row there.

x'b +- q se and x'b +- q sqrt(se^2 + sigma^2), se^2 = z' Cov z, q the quantile of the law of the model's standard errors,
for a row of weight 1 (Greene, *Econometric Analysis*, 7th ed., 4.6). The columns are those of statsmodels' summary_frame.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from drivers.linear.inference import prediction_errors
from drivers.model import predict
from jobs.errors import ScanError

COLUMNS = ("mean_se", "mean_ci_lower", "mean_ci_upper", "obs_ci_lower", "obs_ci_upper")


def check_intervals(model: dict[str, Any]) -> None:
    """:raises ScanError: a model without standard errors"""
    if model["kind"] != "wols":
        raise ScanError(f"--intervals is of linear models, and this one is of the kind {model['kind']}; leave it out")
    found = model.get("inference", {}).get("prediction")
    if not found:
        raise ScanError("the model has no standard errors, and so no intervals; the exact solver of run_wols.py gives them")
    if not np.isfinite(np.array([found["residual_variance"]], dtype=float)).all():
        raise ScanError("the model has no more rows than coefficients, and so no intervals")


def intervals(model: dict[str, Any], X: np.ndarray, level: float) -> dict[str, np.ndarray]:
    """The columns of COLUMNS for the rows of X (n, p), each of shape (n,); `model` as read from its file."""
    found = model["inference"]["prediction"]
    covariance, center = np.array(found["covariance"], dtype=float), np.array(found["center"], dtype=float)
    fitted = predict(model, X)
    mean, new = prediction_errors(covariance, float(found["residual_variance"]), X, center=center)
    df = float(found["df"])
    q = special.ndtri(0.5 + level / 2) if math.isinf(df) else special.stdtrit(df, 0.5 + level / 2)
    arrays = mean, fitted - q * mean, fitted + q * mean, fitted - q * new, fitted + q * new
    return dict(zip(COLUMNS, arrays))
