"""The truth that generated data were made from: `<input>.truth.json` beside each input."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Truth:
    """Intercept and slopes in the order of the model's features, shape (p + 1,), and the noise's standard deviation."""

    coefficients: np.ndarray
    noise: float | None


def find_truth(sources: list[dict], features: list[str], target: str) -> Truth | None:
    """The truth of these files, None where there is none that says what these features' coefficients should be."""
    found: list[dict[str, Any]] = []
    for source in sources:
        try:
            with open(f"{source['path']}.truth.json", encoding="utf-8") as f:
                truth = json.load(f)
        except (OSError, ValueError):
            return None
        found.append(truth)
    try:
        made_from = [
            (truth["target"], dict(zip(truth["features"], truth["coefficients"])), float(truth["intercept"]))
            for truth in found
        ]
        if not made_from or any(other != made_from[0] for other in made_from[1:]):
            return None
        true_target, slopes, intercept = made_from[0]
        # A feature that is left out moves the coefficients of those that stay; one too many has the coefficient 0.
        if true_target != target or not set(slopes) <= set(features):
            return None
        coefficients = np.array([intercept, *(slopes.get(name, 0.0) for name in features)], dtype=float)
        noise = found[0].get("noise")
        return Truth(coefficients, None if noise is None else float(noise))
    except (KeyError, TypeError, ValueError):
        return None
