"""Every kind of result, and what knows of it: one entry a kind, its modules imported when they are needed."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Kind:
    """report: the module of its report, which has `title(model)`, `method(model)`, a sentence or two, and
    `add_sections(page, model, directory, pack)`; scores, estimator: "module:function" of its scorer (jobs/kernels/
    scorers.py), without which it is no model, and of its estimator in scikit-learn, "" where there is none."""

    report: str
    scores: str = ""
    estimator: str = ""

    def scorer(self, *arguments: Any) -> Any:
        """The scorer of a model."""
        return _function(self.scores)(*arguments)

    def to_sklearn(self, model: dict[str, Any]) -> Any:
        """The fitted estimator of a model."""
        return _function(self.estimator)(model)


_SCORERS, _CLUSTERS = "drivers.scoring.scorers", "drivers.clustering"
KINDS = {
    "wols": Kind("drivers.report.linear", f"{_SCORERS}:predictor_scorer", "drivers.linear.estimator:to_sklearn_linear"),
    "wols-groups": Kind("drivers.report.groups", f"{_SCORERS}:group_scorer"),
    "logistic": Kind("drivers.report.glm", f"{_SCORERS}:predictor_scorer", "drivers.glm.estimator:to_sklearn_glm"),
    "glm": Kind("drivers.report.glm", f"{_SCORERS}:predictor_scorer", "drivers.glm.estimator:to_sklearn_glm"),
    "glm-groups": Kind("drivers.report.groups", f"{_SCORERS}:group_scorer"),
    "kmeans": Kind(
        "drivers.report.kmeans", f"{_CLUSTERS}.scorers:cluster_scorer", f"{_CLUSTERS}.estimators:to_sklearn_kmeans"
    ),
    "gmm": Kind("drivers.report.gmm", f"{_CLUSTERS}.scorers:mixture_scorer", f"{_CLUSTERS}.estimators:to_sklearn_mixture"),
    "profile": Kind("drivers.report.describe"),
    "recipe": Kind("drivers.report.recipe"),
}
# Whose parameters are a table of groups.
GROUPED = ("wols-groups", "glm-groups")


def _function(name: str) -> Callable[..., Any]:
    module, function = name.split(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found
