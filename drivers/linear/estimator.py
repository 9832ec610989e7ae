"""A linear model as scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np


def to_sklearn_linear(model: dict[str, Any]) -> Any:
    """The fitted LinearRegression with the model's parameters."""
    from sklearn.linear_model import LinearRegression

    estimator = LinearRegression()
    estimator.coef_ = np.asarray(model["parameters"]["coefficients"], dtype=float)
    estimator.intercept_ = float(model["parameters"]["intercept"])
    estimator.n_features_in_ = len(model["features"])
    return estimator
