"""What a generalised linear model says of new rows, and its estimator in scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.errors import ScanError
from jobs.kernels import families
from jobs.kernels.families import GAMMA, GAUSSIAN, IDENTITY, LOG, POISSON


def linear_predictors(model: dict[str, Any], X: np.ndarray, offset: np.ndarray | None = None) -> np.ndarray:
    """eta of rows (n, p), of shape (n, q): q is 1, or the number of classes where there are more than two."""
    parameters = model["parameters"]
    slopes = np.atleast_2d(np.asarray(parameters["coefficients"], float))
    eta = X @ slopes.T + np.atleast_1d(np.asarray(parameters["intercept"], float))
    return eta if offset is None else eta + offset[:, None]


def probabilities(model: dict[str, Any], X: np.ndarray, offset: np.ndarray | None = None) -> np.ndarray:
    """The probability of each class, (n, C), not a number where a feature is missing."""
    eta = linear_predictors(model, X, offset)
    if eta.shape[1] > 1:
        with np.errstate(invalid="ignore"):
            return families.softmax(eta)[0]
    p, rest = families.sigmoid(eta[:, 0])
    return np.column_stack([rest, p])


def means(model: dict[str, Any], X: np.ndarray, offset: np.ndarray | None = None) -> np.ndarray:
    """The mean of each row, (n,), not a number where a feature is missing."""
    parameters = model["parameters"]
    return families.mean_of(parameters["link"], linear_predictors(model, X, offset)[:, 0], parameters["alpha"])[0]


def to_sklearn_glm(model: dict[str, Any]) -> Any:
    """The fitted LogisticRegression, or the regressor of the family, with the model's parameters.

    :raises ScanError: a family with a link that scikit-learn has no estimator of
    """
    from sklearn import linear_model

    parameters = model["parameters"]
    coefficients, intercept = np.asarray(parameters["coefficients"], float), parameters["intercept"]
    family, link = parameters["family"], parameters["link"]
    if model["kind"] == "logistic":
        estimator = linear_model.LogisticRegression()
        estimator.classes_ = np.array(parameters["classes"])
        estimator.coef_, estimator.intercept_ = np.atleast_2d(coefficients), np.atleast_1d(np.asarray(intercept, float))
        estimator.n_iter_ = np.array([model["training"]["n_passes"]])
        estimator.n_features_in_ = coefficients.shape[-1]
        return estimator
    known = {
        (GAUSSIAN, IDENTITY): linear_model.LinearRegression, (POISSON, LOG): linear_model.PoissonRegressor,
        (GAMMA, LOG): linear_model.GammaRegressor,
    }  # fmt: skip
    if (family, link) not in known:
        raise ScanError(
            f"scikit-learn has no estimator of the family {family} with the link {link}; predict.py applies the model"
        )
    estimator = known[family, link]()
    estimator.coef_, estimator.intercept_, estimator.n_features_in_ = coefficients, float(intercept), len(coefficients)
    if (family, link) != (GAUSSIAN, IDENTITY):
        estimator._base_loss = estimator._get_loss()
    return estimator
