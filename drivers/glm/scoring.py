"""The figures of a classifier, from its passes or by one of their own."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.glm.evaluation import evaluate, joined
from drivers.glm.problem import Problem
from drivers.glm.state import Evaluated
from drivers.loop import Fit
from jobs.kernels.glm import GLMQuery, GLMStatistics
from jobs.mr_glm import MRGLM


def figures_of(problem: Problem, places: list[tuple[Fit, int]], chosen: int, size: int, scored: bool) -> dict[str, Any]:
    """The figures of the chosen model on the rows it has learnt from, and on those that each fold's model has not."""
    group = places[chosen : chosen + size]
    found, edges = [fit.state.found[i] for fit, i in group], group[0][0].state.edges
    if not scored or not all(one.confusion.size for one in found):
        found, edges = _scored(problem, group)
    figures = {"in_sample": evaluate(found[0], problem.classes, edges)}
    if size > 1:
        figures["out_of_fold"] = evaluate(joined(found[1:]), problem.classes, edges)
    return figures


def _scored(problem: Problem, group: list[tuple[Fit, int]]) -> tuple[list[Evaluated], np.ndarray]:
    """What a pass of its own finds of some candidates where they have ended, and the bins of their scores."""
    states = [fit.state for fit, _ in group]
    points = np.array([state.base[i] for state, (_, i) in zip(states, group)])
    left_out = np.array([state.left_out[i] for state, (_, i) in zip(states, group)])
    m, edges = len(points), problem.score_edges(points)
    question = GLMQuery.at(
        problem.model, problem.coordinates.center, problem.coordinates.basis, points, folds=problem.settings.folds,
        left_out=left_out, pool=np.arange(m), class_weights=problem.class_weights, edges=edges,
    )  # fmt: skip
    statistics: GLMStatistics = problem.run.scan("evaluation", MRGLM, question, problem.design)
    return [Evaluated.of(statistics, j, j) for j in range(m)], edges
