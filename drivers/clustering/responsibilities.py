"""The part that each component of a mixture has in a row, by a model file, and the same model as scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.clustering.mixture_starts import mixture_from_model
from jobs.kernels.gmm import VALUES, GMMQuery, log_densities
from jobs.kernels.gmm_state import Mixture


def responsibilities(model: dict[str, Any], X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The responsibilities r_j(x), (3) of jobs/kernels/gmm.py, of each row of X (n, p), whose columns are
    model["features"], and its log-density log p(x), (2): shapes (n, k) and (n,); NaN for a row with a missing cell.

    A row beyond the reach of every component, whose densities are all 0 in doubles, is dealt by their logarithms, as any
    other.
    """
    return responsibilities_of(mixture_from_model(model), X)


def responsibilities_of(mixture: Mixture, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same by a mixture."""
    k, p = mixture.means.shape
    query = _query(mixture)
    r, log_density = np.full((len(X), k), np.nan), np.full(len(X), np.nan)
    rows = np.flatnonzero(~np.isnan(X).any(axis=1))
    size = max(1, VALUES // (k * p))
    for start in range(0, len(rows), size):
        some = rows[start : start + size]
        log_p = log_densities(query, X[some])
        top = log_p.max(axis=1, keepdims=True)
        parts = np.exp(log_p - top)
        total = parts.sum(axis=1, keepdims=True)
        r[some], log_density[some] = parts / total, (top + np.log(total))[:, 0]
    return r, log_density


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


def _query(mixture: Mixture) -> GMMQuery:
    # A component may have a weight of 0.
    with np.errstate(divide="ignore"):
        log_weights = np.log(mixture.weights)
    offsets, origin = np.array([0, len(mixture.weights)]), mixture.weights @ mixture.means
    return GMMQuery(mixture.covariance_type, log_weights, mixture.means, mixture.inverse_roots(), offsets, origin)


def _as_sklearn(kind: str, values: np.ndarray) -> np.ndarray:
    """Covariances or their roots in the shapes of scikit-learn: (k, p, p), (p, p), (k, p) or (k,)."""
    return {"full": values, "tied": values[0], "diag": values[:, 0], "spherical": values[:, 0].ravel()}[kind]
