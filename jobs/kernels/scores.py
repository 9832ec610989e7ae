"""Histograms of scores, from which curves and areas are read.

The bins are laid by a sample of the scores (drivers/evaluating/bins.py). Where nothing is known of them they are even in
t(p) = u / (4 + |u|), u = log(p / (1 - p)): nearly even in the log odds between 1 : 50 and 50 : 1, where the scores of one
class among many lie as well as those of two, and ever wider beyond, so that even odds of 1 to a million have hundreds of
bins. Histograms merge by adding. Two rows in the same bin cannot be told apart, so an area under the ROC curve is known to
half the share of pairs that share a bin, and `auc` says how much that is.
"""

from __future__ import annotations

import numpy as np

N_BINS = 4096
# Log odds of this size have the half of all bins that lie on their side of even odds between them and even odds.
SCALE = 4.0


def bin_edges(n_bins: int = N_BINS) -> np.ndarray:
    """The probabilities between bins that are even in t, (n_bins + 1,), from 0 to 1."""
    t = np.linspace(-1, 1, n_bins + 1)
    with np.errstate(divide="ignore", over="ignore"):
        u = SCALE * t / (1 - np.abs(t))
        return 1 / (1 + np.exp(-u))


def auc(negatives: np.ndarray, positives: np.ndarray, tied: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The areas under ROC curves from the weights of both classes by bin, (..., bins), and by how much they may be off; NaN
    where a class has no weight.

    The area is the chance that a row of the class scores above one that is not of it, ties counted half (Hanley and McNeil,
    "The meaning and use of the area under a ROC curve", Radiology 143, 1982).

    :param tied: (bins,), the bins of a single score, whose rows are no better known apart
    """
    pairs = negatives.sum(axis=-1) * positives.sum(axis=-1)
    shared = negatives * positives
    below = np.cumsum(negatives, axis=-1) - negatives
    with np.errstate(divide="ignore", invalid="ignore"):
        area = ((positives * below).sum(axis=-1) + shared.sum(axis=-1) / 2) / pairs
        unknown = shared if tied is None else np.where(tied, 0.0, shared)
        return area, unknown.sum(axis=-1) / 2 / pairs
