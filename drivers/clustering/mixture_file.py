"""A mixture as its model file has it."""

from __future__ import annotations

from typing import Any

import numpy as np

from jobs.kernels.gmm_state import Mixture


def mixture_from_model(model: dict[str, Any]) -> Mixture:
    """The mixture of a model file."""
    parameters = model["parameters"]
    means = np.array(parameters["means"], dtype=float)
    covariances, (k, p) = np.array(parameters["covariances"], dtype=float), means.shape
    shape = {"full": (k, p, p), "tied": (1, p, p), "diag": (k, 1, p), "spherical": (k, 1, 1)}
    kind = parameters["covariance_type"]
    return Mixture(kind, np.array(parameters["weights"], dtype=float), means, covariances.reshape(shape[kind]))
