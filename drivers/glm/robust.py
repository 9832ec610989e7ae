"""Robust covariances of the coefficients, from the scores that one more pass gathers (jobs/kernels/glm_scores.py).

    HC0             L M L'                              any variance in any row
    HC1             n / (n - k) HC0                     the same, for few rows
    HC2, HC3        divided by 1 - h, by (1 - h)^2      the same, where leverage is uneven
    cluster         G/(G-1) (n-1)/(n-k) sum_g u_g u_g'  any dependence within G clusters

By the normal law, as statsmodels' GLM has HC0 and cluster; its HC1 is HC0.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from drivers.glm.inference import Curvature
from drivers.glm.problem import Problem
from drivers.glm.state import GLMState
from jobs.errors import ScanError
from jobs.kernels.families import MULTINOMIAL
from jobs.kernels.glm_scores import GLMScoresQuery, GLMScoresStatistics
from jobs.mr_glm_scores import MRGLMScores


def robust_covariances(problem: Problem, state: GLMState, i: int, curvature: Curvature, n: float) -> dict[str, np.ndarray]:
    """The covariances (D, D) of the coefficients of candidate i, by their names.

    :raises ScanError: a single cluster
    """
    theta = state.base[i]
    question = dataclasses.replace(
        problem.question(problem.model, theta, second=False), class_weights=problem.class_weights
    )
    has_leverage = problem.model[0] != MULTINOMIAL
    root = curvature.leverage_root() if has_leverage else np.zeros((0, 0))
    query = GLMScoresQuery(question, problem.settings.weight_type == "frequency", root)
    found: GLMScoresStatistics = problem.run.scan("scores", MRGLMScores, query, problem.design)
    over_df = 1 / (n - curvature.rank) if n > curvature.rank else np.nan
    middles = {"HC0": found.hc0, "HC1": n * over_df * found.hc0}
    if has_leverage:
        no_bound = np.inf if found.n_leverage_one else 1.0
        middles |= {"HC2": no_bound * found.hc2, "HC3": no_bound * found.hc3}
    if problem.design.cluster is not None:
        G = len(found.cluster_keys)
        if G < 2:
            raise ScanError(
                "cluster-robust standard errors need two clusters or more, and every row is in the same; name another "
                "column with --cluster"
            )
        middles["cluster"] = G / (G - 1) * (n - 1) * over_df * (found.cluster_scores.T @ found.cluster_scores)
    # As White has it: the second derivative as it is, which that of another link than the canonical one does not expect.
    bread = Curvature.of(i, state.coordinates, state.penalties, theta, state.found[i], observed=True)
    return {
        kind: bread.covariance(middle) if np.isfinite(middle).all() else np.full_like(middle, np.inf)
        for kind, middle in middles.items()
    }
