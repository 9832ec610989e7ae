"""How good predicted probabilities are, from what a pass has gathered of them: histograms, confusion, losses.

Precision, recall and F1 are those of scikit-learn's precision_recall_fscore_support; the curves are those of the bins, and
each area says by how much it may be off (jobs/kernels/scores.py).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from drivers.glm.state import Evaluated
from jobs.kernels.scores import N_BINS, auc, bin_edges

# Points of a drawn curve; bins of a calibration table.
CURVE_POINTS, CALIBRATION_BINS = 200, 10


def joined(parts: list[Evaluated]) -> Evaluated:
    """The figures of several folds, each from the model that has not seen it, as if of one."""
    whole = parts[0]
    values = {**vars(whole)}
    for name in ("held_weight", "held_loss", "brier", "scores", "confusion"):
        values[name] = sum(getattr(part, name) for part in parts)
    return Evaluated(**values)


def evaluate(found: Evaluated, classes: list[str]) -> dict[str, Any]:
    """The measures of a classifier over the rows that it was held to, by name.

    :param classes: the names of the classes; two for a binomial model, whose curves are those of the second
    """
    confusion, total = found.confusion, found.held_weight
    if not total > 0 or not confusion.size:
        return {}
    right = np.diag(confusion)
    true, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    recall, precision = _ratio(right, true), _ratio(right, predicted)
    f1 = _ratio(2 * right, true + predicted)
    shown = classes[1:] if len(found.scores) == 1 else classes
    curves = [_curves(scores) for scores in found.scores]
    return {
        "weight": total,
        "log_loss": found.held_loss / total,
        "brier": found.brier / total,
        "accuracy": float(right.sum() / total),
        "balanced_accuracy": float(np.mean(recall[true > 0])),
        "mcc": _matthews(confusion),
        "confusion": confusion,
        "classes": [
            {"class": name, "weight": true[j], "precision": precision[j], "recall": recall[j], "f1": f1[j]}
            for j, name in enumerate(classes)
        ],
        "curves": [{"class": name, **curve} for name, curve in zip(shown, curves)],
    }


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, and 0 where there is nothing, as scikit-learn has it."""
    return np.divide(a, b, out=np.zeros(len(a)), where=b > 0)


def _matthews(confusion: np.ndarray) -> float:
    """The correlation of true and predicted classes (Gorodkin, "Comparing two K-category assignments by a K-category
    correlation coefficient", Computational Biology and Chemistry 28, 2004)."""
    true, predicted, total = confusion.sum(axis=1), confusion.sum(axis=0), confusion.sum()
    shared = np.trace(confusion) * total - true @ predicted
    spread = (total**2 - predicted @ predicted) * (total**2 - true @ true)
    return float(shared / math.sqrt(spread)) if spread > 0 else 0.0


def _curves(scores: np.ndarray) -> dict[str, Any]:
    negatives, positives, p_sum = scores
    area, error = auc(negatives, positives)
    # From the highest scores down: what is taken for the class when the threshold falls.
    false, true = np.cumsum(negatives[::-1]), np.cumsum(positives[::-1])
    n_negative, n_positive = max(false[-1], 1e-300), max(true[-1], 1e-300)
    precision = np.divide(true, true + false, out=np.ones(N_BINS), where=true + false > 0)
    recall = true / n_positive
    average = float(np.sum(np.diff(recall, prepend=0.0) * precision))
    at = _spread(recall, false / n_negative)
    edges = bin_edges()
    return {
        "auc": area,
        "auc_error": error,
        "average_precision": average,
        "ks": float(np.max(np.abs(recall - false / n_negative))),
        "false_positive_rate": false[at] / n_negative,
        "true_positive_rate": recall[at],
        "precision": precision[at],
        "threshold": edges[:-1][::-1][at],
        "calibration": _calibration(negatives, positives, p_sum),
    }


def _spread(recall: np.ndarray, fall_out: np.ndarray) -> np.ndarray:
    """Places on the curve that are about as far from one another as can be drawn."""
    way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(recall)) + np.abs(np.diff(fall_out)))])
    wanted = np.linspace(0, way[-1], CURVE_POINTS)
    return np.unique(np.concatenate([np.searchsorted(way, wanted).clip(0, len(way) - 1), [len(way) - 1]]))


def _calibration(negatives: np.ndarray, positives: np.ndarray, p_sum: np.ndarray) -> dict[str, Any]:
    """Rows in groups of about the same weight by their predicted probability: its mean, and how often the class is true;
    and the expected calibration error, the mean difference of the two over these groups, by weight (Naeini,
    Cooper and Hauskrecht, AAAI 2015)."""
    weights = negatives + positives
    total = weights.sum()
    group = np.minimum((np.cumsum(weights) - weights / 2) / total * CALIBRATION_BINS, CALIBRATION_BINS - 1).astype(int)
    sums = [np.bincount(group, values, CALIBRATION_BINS) for values in (weights, p_sum, positives)]
    kept = sums[0] > 0
    return {
        "weight": sums[0][kept],
        "predicted": sums[1][kept] / sums[0][kept],
        "observed": sums[2][kept] / sums[0][kept],
        "expected_calibration_error": float(np.abs(sums[1] - sums[2]).sum() / total),
    }
