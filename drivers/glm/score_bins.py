"""Where the histograms of a classifier's scores have their bins: by what the models say of the sample."""

from __future__ import annotations

import numpy as np

from drivers.evaluating.bins import padded, score_edges
from jobs.design import Rows
from jobs.kernels import families
from jobs.kernels.glm import GLMQuery
from jobs.kernels.scores import N_BINS, bin_edges

# Scores of a class that the bins are laid by.
MOST_SCORES = 1 << 17


def even_edges(n_drawn: int) -> np.ndarray:
    """Those of scores of which nothing is known, (n_drawn, bins - 1)."""
    return np.tile(bin_edges()[1:-1], (n_drawn, 1))


def laid_edges(query: GLMQuery, sample: Rows) -> np.ndarray:
    """Those by the scores of the sample at the points of a query, (n_drawn, bins - 1)."""
    assert sample.y is not None
    m, q, d = query.points.shape
    rows = np.arange(len(sample.y))[:: max(1, len(sample.y) * m // MOST_SCORES)]
    eta = (query.z(sample.X[rows]) @ query.points.reshape(-1, d).T).reshape(len(rows), m, q)
    if sample.offset is not None:
        eta += sample.offset[rows, None, None]
    labels = np.tile(np.floor(sample.y[rows] + 0.5), m)
    eta = eta.transpose(1, 0, 2).reshape(-1, q)
    if q == 1:
        scores, classes = families.mean_of(query.link, eta[:, 0], query.alpha)[0][:, None], [1]
    else:
        scores, classes = families.softmax(eta)[0], list(range(q))
    known = np.isfinite(scores).all(axis=1)
    edges = [score_edges(scores[known, j], labels[known] == own, N_BINS) for j, own in enumerate(classes)]
    return padded(edges)
