"""Histograms of predicted probabilities, from which curves and areas are read.

Bins are even in t(p) = u / (1 + |u|), u = log(p / (1 - p)): as fine near 0 and 1, where the scores of a rare class lie, as
about a half. They merge by adding. Two rows in the same bin cannot be told apart, so an area under the ROC curve is known
to half the share of pairs that share a bin, and `auc` says how much that is.
"""

from __future__ import annotations

import numpy as np

N_BINS = 2048


def bins_of(p: np.ndarray) -> np.ndarray:
    """The bin of each probability, (n,), int64, rising with it."""
    with np.errstate(divide="ignore"):
        u = np.log(p) - np.log1p(-p)
    with np.errstate(invalid="ignore"):
        t = np.where(np.isinf(u), np.sign(u), u / (1 + np.abs(u)))
    return np.clip(((t + 1) * (N_BINS / 2)).astype(np.int64), 0, N_BINS - 1)


def bin_edges() -> np.ndarray:
    """The probabilities between bins, (N_BINS + 1,), from 0 to 1."""
    t = np.linspace(-1, 1, N_BINS + 1)
    with np.errstate(divide="ignore", over="ignore"):
        u = t / (1 - np.abs(t))
        return 1 / (1 + np.exp(-u))


def auc(negatives: np.ndarray, positives: np.ndarray) -> tuple[float, float]:
    """The area under the ROC curve from the weights of both classes by bin, and by how much it may be off.

    The area is the chance that a row of the class scores above one that is not of it, ties counted half (Hanley and McNeil,
    "The meaning and use of the area under a ROC curve", Radiology 143, 1982).
    """
    pairs = negatives.sum() * positives.sum()
    if not pairs:
        return float("nan"), float("nan")
    below = np.concatenate([[0.0], np.cumsum(negatives)[:-1]])
    ties = negatives * positives
    return float((positives @ below + ties.sum() / 2) / pairs), float(ties.sum() / 2 / pairs)
