"""A generalised linear model as scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.errors import ScanError
from jobs.kernels.families import GAMMA, GAUSSIAN, IDENTITY, LOG, POISSON


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
            f"scikit-learn has no estimator of the family {family} with the link {link}; score.py applies the model"
        )
    estimator = known[family, link]()
    estimator.coef_, estimator.intercept_, estimator.n_features_in_ = coefficients, float(intercept), len(coefficients)
    if (family, link) != (GAUSSIAN, IDENTITY):
        estimator._base_loss = estimator._get_loss()
    return estimator
