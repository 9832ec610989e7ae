"""Measures of predicted classes, from tables of true by predicted weights.

They are those of sklearn.metrics: precision, recall and F1 are 0 where there is nothing to divide by, and means over
classes are over those that some row is of or is taken for. All take tables with leading axes, (..., C, C), and give arrays
with the same: those of all replicates of a bootstrap are computed at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

MEANS = ("macro", "micro", "weighted")


def table_measures(tables: np.ndarray) -> dict[str, np.ndarray]:
    """The measures of tables (..., C, C), by name, NaN for a table without weight; shapes (...)."""
    parts = class_measures(tables)
    right = np.trace(tables, axis1=-2, axis2=-1)
    true, predicted, total = parts["weight"], tables.sum(axis=-2), tables.sum(axis=(-2, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        accuracy = right / total
        found: dict[str, np.ndarray] = {"accuracy": accuracy}
        there = true > 0
        found["balanced_accuracy"] = np.where(there, parts["recall"], 0.0).sum(axis=-1) / there.sum(axis=-1)
        seen = (true > 0) | (predicted > 0)
        for name in ("precision", "recall", "f1"):
            found[f"{name}_macro"] = np.where(seen, parts[name], 0.0).sum(axis=-1) / seen.sum(axis=-1)
            found[f"{name}_micro"] = accuracy
            found[f"{name}_weighted"] = (parts[name] * true).sum(axis=-1) / total
        by_chance = (true * predicted).sum(axis=-1)
        if tables.shape[-1] == 2:  # of the second class, which is the one to find
            found.update({name: parts[name][..., 1] for name in ("precision", "recall", "f1")})
            found["specificity"] = parts["recall"][..., 0]
        found["mcc"] = _matthews(right, total, by_chance, true, predicted)
        found["kappa"] = 1 - (1 - accuracy) / (1 - by_chance / total**2)
    return found


def class_measures(tables: np.ndarray) -> dict[str, np.ndarray]:
    """Of each class its weight, precision, recall and F1, shapes (..., C)."""
    right = np.diagonal(tables, axis1=-2, axis2=-1)
    true, predicted = tables.sum(axis=-1), tables.sum(axis=-2)
    return {
        "weight": true,
        "precision": ratio(right, predicted),
        "recall": ratio(right, true),
        "f1": ratio(2 * right, true + predicted),
    }


def ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, and 0 where there is nothing."""
    return np.divide(a, b, out=np.zeros(np.broadcast_shapes(np.shape(a), np.shape(b))), where=np.asarray(b) > 0)


def _matthews(
    right: np.ndarray, total: np.ndarray, by_chance: np.ndarray, true: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """The correlation of true and predicted classes (Gorodkin, "Comparing two K-category assignments by a K-category
    correlation coefficient", Computational Biology and Chemistry 28, 2004); 0 where one of both is the same in every
    row."""
    spread = (total**2 - (predicted**2).sum(axis=-1)) * (total**2 - (true**2).sum(axis=-1))
    found = ratio(right * total - by_chance, np.sqrt(np.maximum(spread, 0.0)))
    return np.where(np.asarray(total) > 0, found, np.nan)


def class_rows(table: np.ndarray, names: list[str]) -> list[dict[str, Any]]:
    """The measures of each class of a table (C, C)."""
    parts = class_measures(table)
    return [{"class": name, **{key: float(values[j]) for key, values in parts.items()}} for j, name in enumerate(names)]
