"""scikit-learn's Ridge, Lasso and ElasticNet with the penalty of a model, on rows that fit in memory."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

# Of coordinate descent: far below what a reader sees of a difference.
TOLERANCE, MAX_ITER = 1e-10, 20_000


def fit_penalised(X: np.ndarray, y: np.ndarray, w: np.ndarray, penalty: dict[str, Any], part: float) -> np.ndarray:
    """Intercept and slopes (p + 1,) of the penalised fit of the rows X (n, p), y (n,), w (n,).

    :param penalty: that of the model
    :param part: the sum of w over the sum of weights that the model was fitted with
    """
    scale = _spread(X, w) if penalty["standardize"] else np.ones(X.shape[1])
    estimator = _estimator(penalty, part, X.shape)
    with warnings.catch_warnings():
        # Nearly dependent features converge slowly; the report tells how far the two fits are apart.
        warnings.simplefilter("ignore")
        estimator.fit(X / scale, y, sample_weight=w)
    return np.array([float(estimator.intercept_), *(np.ravel(estimator.coef_) / scale)])


def _spread(X: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The weighted standard deviation of each feature, 1 for a constant one."""
    deviation = np.sqrt(np.average(np.square(X - np.average(X, axis=0, weights=w)), axis=0, weights=w))
    return np.where(deviation > 0, deviation, 1.0)


def _estimator(penalty: dict[str, Any], part: float, shape: tuple[int, int]) -> Any:
    from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge

    kind, alpha, positive = penalty["kind"], penalty["alpha"], penalty["positive"]
    if kind == "none" or alpha == 0:
        return LinearRegression(positive=positive)
    if kind == "ridge":
        return Ridge(alpha=alpha * part, positive=positive, solver="auto" if positive else "svd", tol=TOLERANCE)
    options: dict[str, Any] = {"positive": positive, "tol": TOLERANCE, "max_iter": MAX_ITER}
    options["precompute"] = shape[1] <= shape[0]
    if kind == "lasso":
        return Lasso(alpha=alpha, **options)
    return ElasticNet(alpha=alpha, l1_ratio=penalty["l1_ratio"], **options)
