"""Measures of clusters: against true classes from the table of both, and by the features from sums for each cluster.

They are those of sklearn.metrics; rows of weight w count as w rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def agreement(tables: np.ndarray) -> dict[str, np.ndarray]:
    """How far clusters and classes agree: tables (..., R, K) of true classes by clusters, shapes (...).

    The adjusted Rand index (Hubert and Arabie, "Comparing partitions", Journal of Classification 2, 1985), mutual
    information as a share of the mean of both entropies, and homogeneity, completeness and their harmonic mean, the
    V-measure (Rosenberg and Hirschberg, EMNLP 2007).
    """
    total = tables.sum(axis=(-2, -1))
    true, found = tables.sum(axis=-1), tables.sum(axis=-2)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = tables / total[..., None, None]
        by_chance = (true[..., :, None] * found[..., None, :]) / (total**2)[..., None, None]
        terms = np.where(tables > 0, shares * np.log(shares / by_chance), 0.0)
        information = np.maximum(terms.sum(axis=(-2, -1)), 0.0)
        of_true, of_found = _entropy(true), _entropy(found)
        homogeneity = np.where(of_true > 0, information / of_true, 1.0)
        completeness = np.where(of_found > 0, information / of_found, 1.0)
        v_measure = np.where(
            homogeneity + completeness > 0, 2 * homogeneity * completeness / (homogeneity + completeness), 0.0
        )
        mean = (of_true + of_found) / 2
        shared = np.where(mean > 0, information / mean, 1.0)
    measures = {
        "adjusted_rand": _adjusted_rand(tables, true, found, total), "nmi": shared, "v_measure": v_measure,
        "homogeneity": homogeneity, "completeness": completeness,
    }  # fmt: skip
    return {name: np.where(total > 0, values, np.nan) for name, values in measures.items()}


def _entropy(weights: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = weights / weights.sum(axis=-1, keepdims=True)
        return np.maximum(-np.where(weights > 0, shares * np.log(shares), 0.0).sum(axis=-1), 0.0)


def _adjusted_rand(tables: np.ndarray, true: np.ndarray, found: np.ndarray, total: np.ndarray) -> np.ndarray:
    """From pairs of rows: in one class or two, in one cluster or two."""
    both = (tables**2).sum(axis=(-2, -1))
    one_class, one_cluster = (true**2).sum(axis=-1), (found**2).sum(axis=-1)
    together = both - total
    apart_by_clusters, apart_by_classes = one_class - both, one_cluster - both
    neither = total**2 - together - apart_by_clusters - apart_by_classes - total
    scale = (together + apart_by_clusters) * (apart_by_clusters + neither)
    scale = scale + (together + apart_by_classes) * (apart_by_classes + neither)
    with np.errstate(divide="ignore", invalid="ignore"):
        index = 2 * (together * neither - apart_by_clusters * apart_by_classes) / scale
    return np.where((apart_by_clusters == 0) & (apart_by_classes == 0), 1.0, index)


def moments(cluster_sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each cluster the mean (K, p), the weight (K,) and the sum of squares about the mean (K,), from
    EvaluationStatistics.cluster_sums."""
    masses, plain, square = cluster_sums[:, 0], cluster_sums[:, 1:-1], cluster_sums[:, -1]
    means = np.divide(plain, masses[:, None], out=np.zeros_like(plain), where=masses[:, None] > 0)
    return means, masses, np.maximum(square - (plain * means).sum(axis=1), 0.0)


def separation(means: np.ndarray, masses: np.ndarray, squares: np.ndarray, distance_sums: np.ndarray) -> dict[str, float]:
    """The index of Calinski and Harabasz (Communications in Statistics 3, 1974), which is large, and that of Davies and
    Bouldin (IEEE TPAMI 1, 1979), which is small, where clusters are dense and far apart; distance_sums: (K,), sum w |x -
    mean|."""
    kept = masses > 0
    means, masses, squares = means[kept], masses[kept], squares[kept]
    n, total = len(masses), float(masses.sum())
    center = masses @ means / total
    between, within = float(masses @ ((means - center) ** 2).sum(axis=1)), float(squares.sum())
    calinski_harabasz = 1.0 if within == 0 else between * (total - n) / (within * (n - 1))
    spreads = distance_sums[kept] / masses
    apart = np.sqrt(((means[:, None] - means[None]) ** 2).sum(axis=2))
    if np.allclose(spreads, 0) or np.allclose(apart, 0):
        return {"calinski_harabasz": calinski_harabasz, "davies_bouldin": 0.0}
    apart[apart == 0] = np.inf
    return {
        "calinski_harabasz": calinski_harabasz,
        "davies_bouldin": float(np.mean(np.max((spreads[:, None] + spreads) / apart, axis=1))),
    }


def cluster_rows(names: list[str], masses: np.ndarray, squares: np.ndarray, sums: np.ndarray) -> list[dict[str, Any]]:
    """Of each cluster its weight, mean silhouette, mean distance from its mean and sum of squares; sums: (K, 2)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        silhouettes, distances = sums[:, 0] / masses, sums[:, 1] / masses
    return [
        {
            "cluster": name, "weight": float(masses[k]), "silhouette": float(silhouettes[k]),
            "distance": float(distances[k]), "sum_of_squares": float(squares[k]),
        }
        for k, name in enumerate(names)
    ]  # fmt: skip
