"""How good predicted probabilities are, from what the passes of a fit have gathered of them (drivers/evaluating/)."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.evaluating.classifier import classifier_figures
from drivers.evaluating.curves import Bins
from drivers.glm.state import Evaluated


def joined(parts: list[Evaluated]) -> Evaluated:
    """The figures of several folds, each from the model that has not seen it, as if of one."""
    whole = parts[0]
    values = {**vars(whole)}
    for name in ("held_weight", "held_loss", "brier", "scores", "confusion"):
        values[name] = sum(getattr(part, name) for part in parts)
    return Evaluated(**values)


def evaluate(found: Evaluated, classes: list[str], edges: np.ndarray) -> dict[str, Any]:
    """The measures of a classifier over the rows that it was held to, by name.

    :param classes: the names of the classes; two for a binomial model, whose curves are those of the second
    :param edges: of the bins of scores, see GLMQuery
    """
    if not found.held_weight > 0 or not found.confusion.size:
        return {}
    shown = classes[1:] if len(found.scores) == 1 else classes
    losses = {"log_loss": found.held_loss, "brier": found.brier}
    return classifier_figures(found.confusion, losses, found.scores, [Bins.of(row) for row in edges], classes, shown)
