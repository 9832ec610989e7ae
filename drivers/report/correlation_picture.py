"""A picture of the correlations of all columns, the target last."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drivers.report.figures import Picture, draw, label
from drivers.report.formats import number
from drivers.report.heat_map import paint_correlations
from drivers.run_directory import RunDirectory

COLUMNS_SHOWN = 30
PAIRS_TOLD = 4


def draw_all(directory: RunDirectory, model: dict[str, Any]) -> list[Picture]:
    """The picture, where two features or more vary and there are not too many to have kept their correlations."""
    matrix = model["inference"].get("correlation")
    if matrix is None or len(model["features"]) < 2:
        return []
    values = np.asarray(matrix, dtype=float)
    return [_draw(directory, model, values)] if np.isfinite(values - np.diag(np.diag(values))).any() else []


def _draw(directory: RunDirectory, model: dict[str, Any], values: np.ndarray) -> Picture:
    names = [*model["features"], model["target"]]
    shown = _shown(values)
    n = len(shown)
    part = values[np.ix_(shown, shown)]
    size = 10.0 if n <= 12 else 9.0 if n <= 20 else 7.5

    def paint(figure: Figure) -> None:
        axes = paint_correlations(figure, part, [label(names[j], 18) for j in shown], size)
        axes.axhline(n - 1.5, color="white", linewidth=2)
        axes.axvline(n - 1.5, color="white", linewidth=2)

    weighted = "weighted " if model["weight"] else ""
    of = (
        "all features"
        if n == len(names)
        else f"the {n - 1} of {len(names) - 1} features most correlated with another column"
    )
    told = _largest(values, names)
    caption = (
        f"The {weighted}correlations of {of} and of {model['target']}, which is last: red where two rise together, blue "
        f"where one falls as the other rises. {told}"
    )
    height = 1.6 + 0.5 * n if n <= 6 else 4.9
    return draw(directory, "correlations", height, f"Heat map of correlations. {told}", caption, paint)


def _shown(values: np.ndarray) -> np.ndarray:
    """The columns to show, in the order of the model: the target, and features by their largest correlation."""
    n = len(values)
    if n <= COLUMNS_SHOWN:
        return np.arange(n)
    sizes = np.where(np.isfinite(values), np.abs(values), 0.0)
    np.fill_diagonal(sizes, 0.0)
    features = np.argsort(-sizes[:-1].max(axis=1), kind="stable")[: COLUMNS_SHOWN - 1]
    return np.append(np.sort(features), n - 1)


def _largest(values: np.ndarray, names: list[str]) -> str:
    """The pairs of features of the largest correlation, and the feature most correlated with the target."""
    features = np.where(np.isfinite(values), np.abs(values), -1.0)[:-1, :-1]
    i, j = np.triu_indices(len(features), 1)
    order = np.argsort(-features[i, j], kind="stable")[:PAIRS_TOLD]
    pairs = [(i[k], j[k]) for k in order if features[i[k], j[k]] >= 0]
    told = [f"{names[a]} and {names[b]} {number(float(values[a, b]), 3)}" for a, b in pairs]
    text = f"Largest between features: {', '.join(told)}." if told else ""
    target = np.where(np.isfinite(values[-1, :-1]), np.abs(values[-1, :-1]), -1.0)
    k = int(np.argmax(target))
    if target[k] >= 0:
        text += f" Largest with {names[-1]}: {names[k]} {number(float(values[-1, k]), 3)}."
    return text.strip()
