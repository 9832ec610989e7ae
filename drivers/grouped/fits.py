"""The fits of all groups, as every kind of model has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from jobs.kernels.wols_groups import FITTED

# What tells how well a group is explained, and its words.
MEASURES = {"r_squared": "R-squared", "d_squared": "deviance explained"}
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass
class GroupFits:
    """G groups of p features: what a group that is not fitted has no value for is NaN.

    status: one of `statuses` by its number, (G,); measures: further columns by name, the first tells how well a group is
    explained, 1 at best; coefficients, standard_errors: (G, p + 1), intercept first; df: of Student's t, (G,), infinite
    where errors have a normal law
    """

    keys: np.ndarray
    n_rows: np.ndarray
    weight_sum: np.ndarray
    status: np.ndarray
    statuses: tuple[str, ...]
    measures: dict[str, np.ndarray]
    coefficients: np.ndarray
    standard_errors: np.ndarray
    df: np.ndarray

    @property
    def fitted(self) -> np.ndarray:
        """Which groups are fitted, (G,)."""
        return self.status == FITTED

    @property
    def p_values(self) -> np.ndarray:
        """Of each coefficient, (G, p + 1); NaN where there is none."""
        with np.errstate(divide="ignore", invalid="ignore"):
            t = np.abs(self.coefficients / self.standard_errors)
        df = np.broadcast_to(np.where(self.df > 0, self.df, np.nan)[:, None], t.shape)
        return np.where(np.isinf(df), 2 * special.ndtr(-t), 2 * special.stdtr(df, -t))

    def told(self) -> str:
        """How many groups are not fitted, and why."""
        numbers = {name: int(np.sum(self.status == code)) for code, name in enumerate(self.statuses) if code != FITTED}
        return ", ".join(f"{name} {n:,}" for name, n in numbers.items() if n)

    def summary(self) -> dict[str, Any]:
        """What the groups are like: how many there are by status, and quantiles over those that are fitted, one row a
        probability, the intercept first."""
        fitted = self.fitted
        name, measure = next(iter(self.measures.items()))
        measure = measure[fitted & ~np.isnan(measure)]  # a target that does not vary has none
        return {
            "n_groups": len(fitted),
            "n_fitted": int(fitted.sum()),
            "statuses": {name: int(np.sum(self.status == code)) for code, name in enumerate(self.statuses)},
            "probabilities": list(QUANTILES),
            "coefficients": np.quantile(self.coefficients[fitted], QUANTILES, axis=0),
            name: np.quantile(measure, QUANTILES) if len(measure) else np.full(len(QUANTILES), np.nan),
            "n_rows": np.quantile(self.n_rows, QUANTILES),
        }


def measure_of(model: dict[str, Any]) -> tuple[str, str]:
    """The name in the model file, and the words, of what tells how well the groups are explained."""
    return next((name, words) for name, words in MEASURES.items() if name in model["inference"])


def method_of(model: dict[str, Any]) -> str:
    """What is done within each group, in two or three words."""
    parameters = model["parameters"]
    if "family" not in parameters:
        return "least squares"
    return "logistic regression" if parameters["classes"] else f"{parameters['family']} regression"
