"""Curves and areas of scores, from the weights of both classes by bin (jobs/kernels/scores.py).

What is counted above an edge of a bin is exact. Between two edges nothing is known of the order, so each measure that needs
it comes with the most that it may be off, `..._error`: no part of it where all rows of a bin have the same score.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.evaluating.classes import ratio
from jobs.kernels.scores import auc

# Points of a drawn curve; bins of a calibration table; shares of the rows whose gains are told.
CURVE_POINTS, CALIBRATION_BINS = 200, 10
DEPTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
# Of a histogram of scores these rows, in this order.
NEGATIVES, POSITIVES, P_SUM = 0, 1, 2


@dataclass
class Bins:
    """Where scores are told apart: the lower ends of bins (bins,), ascending, and which bins hold a single score."""

    lower: np.ndarray
    tied: np.ndarray

    @classmethod
    def of(cls, edges: np.ndarray) -> Bins:
        """Those of a row of EvaluationQuery.edges, (bins - 1,)."""
        lower = np.concatenate([[-np.inf], edges])
        upper = np.concatenate([edges, [np.inf]])
        return cls(lower, np.nextafter(lower, np.inf) == upper)

    def coarse(self, factor: int) -> Bins:
        """Those that have `factor` of these in one."""
        if factor == 1:
            return self
        lower = self.lower[::factor]
        return Bins(lower, np.zeros(len(lower), bool))


def curve_measures(negatives: np.ndarray, positives: np.ndarray, bins: Bins) -> dict[str, np.ndarray]:
    """The areas under the ROC curve and that of precision and recall (as average_precision_score of scikit-learn), and the
    largest difference of the two distributions (Kolmogorov and Smirnov), each with its error; weights (..., bins), shapes
    (...), NaN where a class has no weight."""
    area, area_error = auc(negatives, positives, bins.tied)
    false, true = _falling(negatives), _falling(positives)
    n_negative, n_positive = false[..., -1:], true[..., -1:]
    n, p = negatives[..., ::-1], positives[..., ::-1]
    tied = bins.tied[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        # What a bin adds to the average precision, times n_positive: with one score; with its rows of the class first, all
        # with one score; and with these last, one by one, in the limit of light ones the integral of (T + x) / (T + x + F).
        at_once = p * ratio(true, true + false)
        first = np.where(tied, at_once, p * ratio(true, true + false - n))
        last = np.where(tied, at_once, p - np.where(false > 0, false * np.log1p(p / (true - p + false)), 0.0))
        average, high, low = (values.sum(axis=-1) / n_positive[..., 0] for values in (at_once, first, last))
        recall, fall_out = true / n_positive, false / n_negative
        gap = np.abs(recall - fall_out).max(axis=-1)
        # Within a bin either class may come first.
        before = recall - p / n_positive, fall_out - n / n_negative
        widest = np.maximum(np.abs(recall - before[1]), np.abs(fall_out - before[0]))
        widest = np.where(tied, 0.0, widest).max(axis=-1)
    known = (n_negative[..., 0] > 0) & (n_positive[..., 0] > 0)
    measures = {
        "auc": area,
        "auc_error": area_error,
        "average_precision": average,
        "average_precision_error": np.maximum(np.maximum(high - average, average - low), 0.0),
        "ks": gap,
        "ks_error": np.maximum(widest - gap, 0.0),
    }
    return {name: np.where(known, values, np.nan) for name, values in measures.items()}


def _falling(weights: np.ndarray) -> np.ndarray:
    """The weight above each bin's lower edge, from the highest bin down."""
    return np.cumsum(weights[..., ::-1], axis=-1)


def curve(scores: np.ndarray, bins: Bins) -> dict[str, Any]:
    """All that is told of a histogram of scores (3, bins): measures, points of the curves, calibration.

    Of a threshold t the rows with p >= t are taken for the class.
    """
    negatives, positives, p_sum = scores
    measures = {name: float(value) for name, value in curve_measures(negatives, positives, bins).items()}
    false, true = _falling(negatives), _falling(positives)
    n_negative, n_positive = max(false[-1], 1e-300), max(true[-1], 1e-300)
    precision = np.where(true + false > 0, ratio(true, true + false), 1.0)
    recall = true / n_positive
    at = _spread(recall, false / n_negative)
    return {
        **measures,
        "false_positive_rate": false[at] / n_negative,
        "true_positive_rate": recall[at],
        "precision": precision[at],
        "threshold": np.clip(bins.lower[::-1][at], 0.0, None),
        "calibration": calibration(negatives, positives, p_sum),
    }


def _spread(recall: np.ndarray, fall_out: np.ndarray) -> np.ndarray:
    """Places on the curve that are about as far from one another as can be drawn."""
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(recall)) + np.abs(np.diff(fall_out)))])
    wanted = np.linspace(0, way[-1], CURVE_POINTS)
    return np.unique(np.concatenate([np.searchsorted(way, wanted).clip(0, len(way) - 1), [len(way) - 1]]))


def calibration(negatives: np.ndarray, positives: np.ndarray, p_sum: np.ndarray) -> dict[str, Any]:
    """Rows in groups of about the same weight by their predicted probability: its mean, and how often the class is true;
    and the expected calibration error, the mean difference of the two over these groups, by weight (Naeini,
    Cooper and Hauskrecht, AAAI 2015)."""
    weights = negatives + positives
    total = weights.sum() or 1.0
    group = np.minimum((np.cumsum(weights) - weights / 2) / total * CALIBRATION_BINS, CALIBRATION_BINS - 1).astype(int)
    sums = [np.bincount(group, values, CALIBRATION_BINS) for values in (weights, p_sum, positives)]
    kept = sums[0] > 0
    return {
        "weight": sums[0][kept],
        "predicted": sums[1][kept] / sums[0][kept],
        "observed": sums[2][kept] / sums[0][kept],
        "expected_calibration_error": float(np.abs(sums[1] - sums[2]).sum() / total),
    }


def gains(scores: np.ndarray) -> list[dict[str, float]]:
    """What is found of the class in the rows of the highest scores, for some shares of the rows: `found` of the class,
    `lift` the rate there against that of all rows; found_error: by how much `found` may be off, for the share may end in a
    bin."""
    false, true = _falling(scores[NEGATIVES]), _falling(scores[POSITIVES])
    depth = true + false
    if not (true[-1] > 0 and depth[-1] > 0):
        return []
    rows = []
    for share in DEPTHS:
        wanted = share * depth[-1]
        j = min(int(np.searchsorted(depth, wanted * (1 - 1e-12))), len(depth) - 1)
        before = depth[j - 1] if j else 0.0, true[j - 1] if j else 0.0
        into = (wanted - before[0]) / (depth[j] - before[0]) if depth[j] > before[0] else 1.0
        found = before[1] + into * (true[j] - before[1])
        low = max(before[1], true[j] - (depth[j] - wanted))
        high = min(true[j], before[1] + wanted - before[0])
        error = max(high - found, found - low, 0.0)
        rows.append(
            {
                "share": share, "found": float(found / true[-1]), "found_error": float(error / true[-1]),
                "lift": float(found / wanted * depth[-1] / true[-1]),
            }
        )  # fmt: skip
    return rows


def thresholds(scores: np.ndarray, bins: Bins, costs: tuple[float, float] | None) -> dict[str, dict[str, float]]:
    """The best of the thresholds at edges of bins, by F1, by recall less fall-out (Youden's J), and by the cost of a row,
    where a false positive and a false negative cost these; each with what it comes to there. Rows with p >= threshold are
    taken."""
    # Above each edge, and above all of them: nothing is taken.
    false, true = (np.concatenate([[0.0], _falling(scores[kind])]) for kind in (NEGATIVES, POSITIVES))
    at = np.concatenate([[np.inf], np.clip(bins.lower[::-1], 0.0, None)])
    n_negative, n_positive = false[-1], true[-1]
    if not n_negative + n_positive > 0:
        return {}
    recall, fall_out = ratio(true, np.full(len(true), n_positive)), ratio(false, np.full(len(false), n_negative))
    values = {"f1": ratio(2 * true, true + false + n_positive), "youden": recall - fall_out}
    if costs is not None:
        values["cost"] = (costs[0] * false + costs[1] * (n_positive - true)) / (n_negative + n_positive)
    found = {}
    for name, each in values.items():
        i = int(each.argmin() if name == "cost" else each.argmax())
        found[name] = {
            "threshold": float(at[i]), name: float(each[i]), "precision": float(ratio(true, true + false)[i]),
            "recall": float(recall[i]), "false_positive_rate": float(fall_out[i]),
            "taken": float((true[i] + false[i]) / (n_negative + n_positive)),
        }  # fmt: skip
    return found


def cost_curve(scores: np.ndarray, bins: Bins, costs: tuple[float, float]) -> dict[str, np.ndarray]:
    """The cost of a row at some thresholds, which are edges of bins."""
    false, true = _falling(scores[NEGATIVES]), _falling(scores[POSITIVES])
    total = max(false[-1] + true[-1], 1e-300)
    cost = (costs[0] * false + costs[1] * (true[-1] - true)) / total
    at = _spread(true / max(true[-1], 1e-300), false / max(false[-1], 1e-300))
    return {"threshold": np.clip(bins.lower[::-1][at], 0.0, None), "cost": cost[at]}
