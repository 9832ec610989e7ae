"""The passes of an evaluation: one; and where clusters are judged by their features, a second, which knows their means."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.evaluating import clusters
from drivers.evaluating.checks import check_cells
from drivers.evaluating.question import Question, cost_table, with_clusters
from drivers.evaluating.result import Figures, needs_clusters
from drivers.run import Run
from drivers.training import training_of
from drivers.wording import count
from jobs.errors import ScanError
from jobs.kernels.evaluation import CLASSIFICATION, REGRESSION, EvaluationStatistics
from jobs.mr_evaluate import MREvaluate

FORMAT, VERSION = "scanlearn-evaluation", 1


def evaluate(run: Run, question: Question, options: Any) -> dict[str, Any]:
    """Makes the passes, and gives all that there is to say.

    :raises ScanError: no row with weight, or fewer than two clusters to tell apart
    """
    check_cells(question.design, run.pack)
    costs = None
    if options.cost is not None:
        costs = cost_table(options.cost, question.classes)
    statistics: EvaluationStatistics = run.scan("evaluation", MREvaluate, question.query, question.design)
    total = float(statistics.sums[:, 0].sum())
    if not total > 0:
        n_missing = run.counts.missing
        raise ScanError(
            "no row can be judged"
            + (f": truth or prediction is missing in {count(n_missing, 'row')}" if n_missing else ": all weights are 0")
        )
    run.warnings += question.remarks
    if statistics.off_weight:
        run.warnings.append(
            f"the probabilities of {100 * statistics.off_weight / total:.3g} % of the weight do not add up to 1; "
            "log-loss and Brier score are those of what stands there"
        )
    figures = Figures(question, statistics, costs, options.confidence)
    whole, segments = figures.whole(), figures.segments()
    if needs_clusters(question):
        _add_separation(run, question, statistics, whole, segments, options)
    effective = total * total / statistics.weight_square_sum
    return {
        "format": FORMAT,
        "version": VERSION,
        "task": question.query.task,
        **_columns_told(question),
        "bootstrap": {"replicates": question.query.n_replicates, "confidence": options.confidence, "seed": options.seed},
        "whole": whole,
        "segments": segments,
        "training": {
            **training_of(run, "evaluation", True),
            "weight_sum": total,
            "effective_sample_size": effective,
            "largest_weight_share": statistics.weight_max / total,
        },
    }


def _columns_told(question: Question) -> dict[str, Any]:
    asked, design, query = question.asked, question.design, question.query
    told: dict[str, Any] = {
        "target": asked.target,
        "predictions": asked.predictions,
        "probabilities": asked.probabilities,
        "label": asked.label,
        "features": asked.features,
        "weight": design.weight,
        "id": design.id,
        "by": design.fold,
        "models": question.models,
    }
    if query.task == CLASSIFICATION:
        told["classes"] = question.classes
        told["positive"] = question.classes[1] if len(question.classes) == 2 else None
    elif query.task != REGRESSION:
        told["classes"], told["clusters"] = question.classes, question.predicted
    return told


def _add_separation(
    run: Run, question: Question, first: EvaluationStatistics, whole: dict[str, Any], segments: list[Any], options: Any
) -> None:
    """Adds what the features say of the clusters, by a second pass."""
    means, masses, squares = clusters.moments(first.cluster_sums)
    if np.count_nonzero(masses) < 2:
        raise ScanError("all rows are in one cluster, and there is nothing to tell it apart from; leave out --features")
    second = with_clusters(question, means, masses, squares)
    statistics: EvaluationStatistics = run.scan("silhouettes", MREvaluate, second.query, second.design)
    figures = Figures(second, statistics, None, options.confidence)
    for mine, more in zip([whole, *segments], [figures.whole(), *figures.segments()]):
        model, other = mine["models"][0], more["models"][0]
        model["measures"].update(other["measures"])
        model["intervals"].update(other["intervals"])
    separation = clusters.separation(means, masses, squares, statistics.cluster_sums[:, 1])
    whole["models"][0]["measures"].update(separation)
    whole["models"][0]["clusters"] = clusters.cluster_rows(question.predicted, masses, squares, statistics.cluster_sums)
