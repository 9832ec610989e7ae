"""From the answer of a pass to the figures of an evaluation: of all rows, and of each segment."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.evaluating import clusters, errors
from drivers.evaluating.classes import table_measures
from drivers.evaluating.classifier import classifier_figures
from drivers.evaluating.curves import NEGATIVES, POSITIVES, cost_curve, curve_measures, gains, thresholds
from drivers.evaluating.intervals import differences, intervals
from drivers.evaluating.question import Question
from jobs.kernels.evaluation import CLASSIFICATION, CLUSTERING, OF_PROBABILITIES, OF_TRUTH, REGRESSION, EvaluationStatistics

# Lists of a curve, which segments do without.
POINTS = ("false_positive_rate", "true_positive_rate", "precision", "threshold")
# The measures of a curve that replicates are made of.
OF_CURVES = ("auc", "average_precision", "ks")


class Figures:
    """What there is to say of a pass.

    costs: (C, C), what a row of each class costs that is taken for each, or None; level: of the intervals
    """

    def __init__(
        self, question: Question, statistics: EvaluationStatistics, costs: np.ndarray | None = None, level: float = 0.95
    ) -> None:
        self.question, self.statistics, self.query = question, statistics, question.query
        self.costs, self.level = costs, level

    def whole(self) -> dict[str, Any]:
        """The figures of all rows."""
        return self._of(None)

    def segments(self) -> list[dict[str, Any]]:
        """The figures of each segment that has rows, without the points of its curves."""
        found = []
        for s, name in enumerate(self.question.segments):
            if self.statistics.n_rows[s]:
                found.append({"segment": name, **_without_points(self._of(s))})
        return found

    def _of(self, segment: int | None) -> dict[str, Any]:
        statistics = self.statistics
        if segment is None:
            parts = [getattr(statistics, name).sum(axis=0) for name in ("sums", "tables", "histograms")]
            ends = statistics.least.min(axis=0, initial=np.inf), statistics.largest.max(axis=0, initial=-np.inf)
        else:
            parts = [getattr(statistics, name)[segment] for name in ("sums", "tables", "histograms")]
            ends = statistics.least[segment], statistics.largest[segment]
        sums, tables, histograms = parts
        n_rows = statistics.n_rows.sum() if segment is None else statistics.n_rows[segment]
        models = []
        first = None
        for m, name in enumerate(self.question.models):
            if self.query.task == REGRESSION:
                figures = self._regression(m, sums, histograms, ends)
            elif self.query.task == CLASSIFICATION:
                figures = self._classification(m, sums, tables, histograms)
            else:
                figures = self._clustering(sums, tables)
            replicates = self._replicates(m, segment, histograms)
            models.append({"model": name, **figures, "intervals": intervals(replicates, self.level)})
            first = first or replicates
            if m and replicates:
                models[m]["less_first"] = differences(models[m], models[0], replicates, first, self.level)
        return {"n_rows": int(n_rows), "weight": float(sums[0]), "models": models}

    # -- one model -----------------------------------------------------------------------------------------------------

    def _named(self, m: int, sums: np.ndarray) -> dict[str, np.ndarray]:
        """The sums of all models and of one, by name: sums (K, ...)."""
        return {name: sums[j] for j, (name, of) in enumerate(self.query.names) if of == m or name in OF_TRUTH}

    def _regression(self, m: int, sums: np.ndarray, histograms: np.ndarray, ends: Any) -> dict[str, Any]:
        measures = errors.error_measures(self._named(m, sums), float(self.query.center[0]))
        least, largest = float(ends[0][m]), float(ends[1][m])
        some = least <= largest
        furthest = max(abs(least), abs(largest))
        of_errors = (histograms[2 * m, 0], self.query.edges[2 * m], least, largest)
        of_sizes = (histograms[2 * m + 1, 0], self.query.edges[2 * m + 1], 0.0, furthest)
        return {
            "measures": {
                **{name: float(value) for name, value in measures.items()},
                "max_error": furthest if some else float("nan"),
            },
            "error_quantiles": errors.quantiles(*of_errors) if some else [],
            "size_quantiles": errors.quantiles(*of_sizes) if some else [],
            "percentiles": {
                "error": [row["value"] for row in errors.quantiles(*of_errors, errors.PERCENTILES)] if some else [],
                "size": [row["value"] for row in errors.quantiles(*of_sizes, errors.PERCENTILES)] if some else [],
            },
        }

    def _classification(self, m: int, sums: np.ndarray, tables: np.ndarray, histograms: np.ndarray) -> dict[str, Any]:
        question, C = self.question, self.query.n_true
        table = tables[m].reshape(C, C)
        named = self._named(m, sums)
        losses = {name: float(named[name]) for name in OF_PROBABILITIES if name in named}
        at = [m] if self.query.is_binary and len(histograms) else list(range(len(histograms)))
        bins = [question.bins(h) for h in at]
        figures = classifier_figures(table, losses, histograms[at], bins, question.classes, question.shown)
        if not figures:
            return {"measures": {}, "confusion": table, "classes": [], "curves": []}
        lists = {name: figures.pop(name) for name in ("confusion", "classes", "curves")}
        figures.pop("weight")
        if self.costs is not None:
            figures["cost"] = float((table * self.costs).sum() / table.sum())
        costs = (float(self.costs[0, 1]), float(self.costs[1, 0])) if self.costs is not None and C == 2 else None
        for h, own, curve in zip(at, bins, lists["curves"]):
            curve["gains"] = gains(histograms[h])
            curve["best"] = thresholds(histograms[h], own, costs)
            if costs is not None:
                curve["costs"] = cost_curve(histograms[h], own, costs)
        if lists["curves"]:
            figures.update(_mean_of_curves(lists["curves"]))
        return {"measures": figures, **lists}

    def _clustering(self, sums: np.ndarray, tables: np.ndarray) -> dict[str, Any]:
        measures: dict[str, float] = {}
        if tables.size:
            table = tables[0].reshape(self.query.n_true, self.query.n_predicted)
            measures = {name: float(value) for name, value in clusters.agreement(table).items()}
            return {"measures": measures, "contingency": table}
        if "silhouette" in dict(self.query.names) and sums[0] > 0:
            measures["silhouette"] = float(sums[1] / sums[0])
        return {"measures": measures}

    # -- intervals -------------------------------------------------------------------------------------------------------

    def _replicates(self, m: int, segment: int | None, histograms: np.ndarray) -> dict[str, np.ndarray]:
        """Each measure in the replicates, (B,); {} where none were drawn."""
        query, statistics = self.query, self.statistics
        if not query.n_replicates or (segment is not None and not query.by_segment):
            return {}
        arrays = (statistics.replicate_sums, statistics.replicate_tables, statistics.replicate_histograms)
        sums, tables, counted = (a.sum(axis=0) if segment is None else a[segment] for a in arrays)
        named = self._named(m, sums)
        if query.task == REGRESSION:
            return errors.error_measures(named, float(query.center[0]))
        replicates: dict[str, np.ndarray] = {}
        with np.errstate(divide="ignore", invalid="ignore"):
            replicates.update({name: sum_ / named["weight"] for name, sum_ in named.items() if name != "weight"})
            if len(tables):
                shape = (query.n_true, query.n_predicted)
                drawn = np.moveaxis(tables[m], -1, 0).reshape(-1, *shape)
                replicates.update(table_measures(drawn) if query.task == CLASSIFICATION else clusters.agreement(drawn))
                if self.costs is not None:
                    replicates["cost"] = (drawn * self.costs).sum(axis=(1, 2)) / drawn.sum(axis=(1, 2))
        if len(counted):
            replicates.update(self._replicated_curves(m, histograms, counted))
        return replicates

    def _replicated_curves(self, m: int, histograms: np.ndarray, counted: np.ndarray) -> dict[str, np.ndarray]:
        """The measures of curves in the replicates, means over the classes, less what the coarser bins of replicates move
        the measure of the rows themselves."""
        query = self.query
        at = [m] if query.is_binary else list(range(len(histograms)))
        drawn: dict[str, list[np.ndarray]] = {name: [] for name in OF_CURVES}
        starts = np.arange(0, query.edges.shape[1] + 1, query.coarse)
        for h in at:
            fine = self.question.bins(h)
            coarse = fine.coarse(query.coarse)
            negatives, positives = histograms[h, NEGATIVES], histograms[h, POSITIVES]
            exact = curve_measures(negatives, positives, fine)
            rough = curve_measures(np.add.reduceat(negatives, starts), np.add.reduceat(positives, starts), coarse)
            replicates = curve_measures(counted[h, NEGATIVES].T, counted[h, POSITIVES].T, coarse)
            for name in OF_CURVES:
                if np.isfinite(exact[name]):
                    drawn[name].append(np.clip(replicates[name] + (exact[name] - rough[name]), 0.0, 1.0))
        return {name: _mean_of_known(np.array(values)) for name, values in drawn.items() if values}


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    """The mean over the classes (C, B) that a replicate has rows of, (B,), NaN without any."""
    known = np.isfinite(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0)


def _mean_of_curves(curves: list[dict[str, Any]]) -> dict[str, float]:
    """The measures of the curve, or their means over the classes that some row is of and some is not."""
    known = [curve for curve in curves if np.isfinite(curve["auc"])]
    names = [name for measure in OF_CURVES for name in (measure, f"{measure}_error")]
    found = {name: float(np.mean([curve[name] for curve in known])) if known else float("nan") for name in names}
    errors_of = [curve["calibration"]["expected_calibration_error"] for curve in curves]
    return {**found, "calibration_error": float(np.mean(errors_of))}


def _without_points(figures: dict[str, Any]) -> dict[str, Any]:
    for model in figures["models"]:
        model.pop("percentiles", None)
        for curve in model.get("curves", []):
            for name in (*POINTS, "costs"):
                curve.pop(name, None)
    return figures


def needs_clusters(question: Question) -> bool:
    """Whether a second pass measures how clusters lie."""
    return question.query.task == CLUSTERING and bool(question.asked.features)
