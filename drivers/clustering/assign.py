"""Which cluster a row is in, by a model file, and the same model as scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.kernels.kmeans import KMeansQuery, points, square_distances

# As many distances at a time as a processor's cache takes.
DISTANCES = 1 << 20


def assign(model: dict[str, Any], X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The cluster of each row of X (n, p), whose columns are model["features"], and its distance from that centre: shapes
    (n,) int64 and (n,); -1 and NaN for a row with a missing cell.

    :raises BadRow: a row of zeros where rows count by their direction
    """
    centers = np.asarray(model["parameters"]["centers"], dtype=float)
    is_whole = ~np.isnan(X).any(axis=1)
    origin = centers.mean(axis=0) if model["parameters"]["metric"] == "euclidean" else np.zeros(X.shape[1])
    query = KMeansQuery(model["parameters"]["metric"], centers, np.array([0, len(centers)]), origin)
    clusters, distances = np.full(len(X), -1, np.int64), np.full(len(X), np.nan)
    rows = np.flatnonzero(is_whole)
    size = max(1, DISTANCES // len(centers))
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        x = points(X[some], query)
        clusters[some] = square_distances(x, centers - origin).argmin(axis=0)
        # Of the nearest once more, by the difference itself, which keeps its digits.
        distances[some] = np.sqrt(((x - (centers - origin)[clusters[some]]) ** 2).sum(axis=1))
    return clusters, distances


def to_sklearn_kmeans(model: dict[str, Any]) -> Any:
    """The fitted KMeans with the model's centres, for rows as they stand, or, with the metric cosine, of length one."""
    from sklearn.cluster import KMeans

    centers = np.ascontiguousarray(model["parameters"]["centers"], dtype=float)
    estimator = KMeans(len(centers))
    estimator.cluster_centers_ = centers
    estimator.inertia_ = float(model["candidates"][model["chosen"]]["sse"])
    estimator.n_iter_ = int(model["training"]["n_iter"])
    estimator.n_features_in_ = centers.shape[1]
    estimator._n_threads = 1
    return estimator
