"""The figures of a classifier over some rows: measures of its labels, losses of its probabilities, a curve for each class.

One code for the rows of a score file and for those that a model was fitted to (drivers/glm/evaluation.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.evaluating.classes import class_rows, table_measures
from drivers.evaluating.curves import Bins, curve


def classifier_figures(
    table: np.ndarray, losses: dict[str, float], scores: np.ndarray, bins: list[Bins], classes: list[str], shown: list[str]
) -> dict[str, Any]:
    """The figures by name; {} of rows without weight.

    :param table: (C, C), the weight of each true class taken for each
    :param losses: sums over rows, by name
    :param scores: (H, 3, bins), a histogram for each of the classes `shown`
    """
    total = float(table.sum())
    if not total > 0:
        return {}
    return {
        "weight": total,
        **{name: value / total for name, value in losses.items()},
        **{name: float(value) for name, value in table_measures(table).items()},
        "confusion": table,
        "classes": class_rows(table, classes),
        "curves": [{"class": name, **curve(one, own)} for name, one, own in zip(shown, scores, bins)],
    }
