"""From the file of a model of clusters to its scorer, jobs/kernels/scorers.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.clustering.mixture_file import mixture_from_model
from jobs.kernels.gmm_state import Mixture
from jobs.kernels.scorers import ClusterScorer, MixtureScorer


def cluster_scorer(model: dict[str, Any]) -> ClusterScorer:
    """Of k-means."""
    return ClusterScorer(model["parameters"]["metric"], np.asarray(model["parameters"]["centers"], dtype=float))


def mixture_scorer(model: dict[str, Any]) -> MixtureScorer:
    """Of a Gaussian mixture, of which a component may have a weight of 0."""
    return scorer_of_mixture(mixture_from_model(model))


def scorer_of_mixture(mixture: Mixture) -> MixtureScorer:
    """The same by its parameters."""
    with np.errstate(divide="ignore"):
        return MixtureScorer(np.log(mixture.weights), mixture.means, mixture.inverse_roots())
