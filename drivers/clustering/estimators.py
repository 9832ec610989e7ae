"""Clusters and mixtures as scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.clustering.mixture_file import mixture_from_model


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


def to_sklearn_mixture(model: dict[str, Any]) -> Any:
    """The fitted GaussianMixture with the model's weights, means and covariances, its columns in the order of
    model["features"]."""
    from sklearn.mixture import GaussianMixture

    mixture = mixture_from_model(model)
    kind, chosen = mixture.covariance_type, model["candidates"][model["chosen"]]
    estimator = GaussianMixture(len(mixture.weights), covariance_type=kind, reg_covar=model["training"]["reg_covar"])
    inverse = mixture.inverse_roots()
    if kind in ("full", "tied"):  # P P' = S^-1 with P = (L^-1)'
        inverse = np.swapaxes(inverse, 1, 2)
    estimator.weights_, estimator.means_ = mixture.weights, mixture.means
    estimator.covariances_ = _as_sklearn(kind, mixture.covariances)
    estimator.precisions_cholesky_ = _as_sklearn(kind, inverse)
    root = estimator.precisions_cholesky_
    estimator.precisions_ = root @ np.swapaxes(root, -1, -2) if kind in ("full", "tied") else root**2
    estimator.converged_ = bool(model["training"]["converged"])
    estimator.n_iter_ = int(model["training"]["n_iter"])
    estimator.lower_bound_ = float(chosen["mean_log_likelihood"])
    estimator.n_features_in_ = mixture.means.shape[1]
    return estimator


def _as_sklearn(kind: str, values: np.ndarray) -> np.ndarray:
    """Covariances or their roots in the shapes of scikit-learn: (k, p, p), (p, p), (k, p) or (k,)."""
    return {"full": values, "tied": values[0], "diag": values[:, 0], "spherical": values[:, 0].ravel()}[kind]
