"""Intervals of measures from the replicates of the Poisson bootstrap: between two percentiles (Efron and Tibshirani, *An
Introduction to the Bootstrap*, 1993, ch. 13)."""

from __future__ import annotations

from typing import Any

import numpy as np


def intervals(replicates: dict[str, np.ndarray], level: float) -> dict[str, list[float]]:
    """The interval of each measure, (B,) replicates by name, those without a value not counted."""
    found = {}
    for name, values in replicates.items():
        known = values[np.isfinite(values)]
        if len(known) > 1:
            found[name] = [float(end) for end in np.quantile(known, [0.5 - level / 2, 0.5 + level / 2])]
    return found


def differences(
    model: dict[str, Any],
    first: dict[str, Any],
    of_model: dict[str, np.ndarray],
    of_first: dict[str, np.ndarray],
    level: float,
) -> dict[str, dict[str, Any]]:
    """What the measures of a model have more than those of the first, with intervals: both have drawn the same rows, so
    what the models share takes no part in them."""
    shared = {name: of_model[name] - of_first[name] for name in of_model if name in of_first}
    found = {}
    for name, ends in intervals(shared, level).items():
        found[name] = {"difference": model["measures"][name] - first["measures"][name], "interval": ends}
    return found
