"""What the model file says of the chosen candidate: parameters and inference."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.glm.inference import LABELS, Curvature, measures, n_observations, ratio_word, tables_of
from drivers.glm.problem import Problem
from drivers.glm.robust import robust_covariances
from drivers.glm.state import NEWTON, Evaluated, GLMState


def model_parts(problem: Problem, state: GLMState, i: int, found: Evaluated, null: float | None) -> dict[str, Any]:
    """Parameters and inference, of candidate i of a state; null: see drivers/glm/inference.py."""
    settings, coordinates = problem.settings, state.coordinates
    theta = state.base[i]
    q = len(theta)
    b = coordinates.coefficients(theta).copy()
    b[:, 1:] = state.penalties.slopes(i, coordinates, theta)
    if q > 1:  # what is added to every class alike changes nothing
        b -= b.mean(axis=0) if not state.penalties.l1[i] else np.append(b[:, 0].mean(), np.zeros(b.shape[1] - 1))
    intercepts = b[:, 0] - b[:, 1:] @ coordinates.center
    parameters: dict[str, Any] = {
        "family": problem.model[0],
        "link": problem.model[1],
        "alpha": problem.model[2],
        "classes": problem.classes,
        "coefficients": b[:, 1:] if q > 1 else b[0, 1:],
        "intercept": intercepts if q > 1 else float(intercepts[0]),
    }
    inference: dict[str, Any] = {}
    if settings.solver == NEWTON:
        inference = _inference(problem, state, i, found, null)
    return {"parameters": parameters, "inference": inference}


def _inference(problem: Problem, state: GLMState, i: int, found: Evaluated, null: float | None) -> dict[str, Any]:
    settings, model = problem.settings, problem.model
    label = LABELS[settings.penalty.kind]
    if settings.bounds is not None:
        label = "; ".join(filter(None, (label, "errors that know nothing of the bounds")))
    n = n_observations(found, found.n_counted, settings.weight_type)
    theta = state.base[i]
    curvature = Curvature.of(i, state.coordinates, state.penalties, theta, found)
    numbers = measures(
        model, found, curvature.rank, n, settings.weight_type, problem.design.weight is not None, null
    )  # fmt: skip
    covariances = {"classical": numbers["dispersion"] * curvature.covariance()}
    if settings.covariance != "classical":
        covariances |= robust_covariances(problem, state, i, curvature, n)
    tables, *others = [
        tables_of(
            i,
            state.coordinates,
            state.penalties,
            theta,
            covariances[kind],
            settings.level,
            _label(problem, label, kind),
            kind,
        )  # fmt: skip
        for kind in sorted(covariances, key=lambda kind: kind != settings.covariance)
    ]
    contrasts = [f"{name} against {problem.classes[0]}" for name in problem.classes[1:]] if len(problem.cold) > 1 else [""]
    word = ratio_word(model)
    return {
        **numbers,
        "covariance_type": settings.covariance,
        "confidence_level": settings.level,
        "ratio": word,
        "coefficients": [
            {
                "contrast": name, **table.to_json(),
                **({"ratios": np.exp(np.minimum(table.estimates, 700.0)),
                    "ratio_intervals": np.exp(np.minimum(table.intervals, 700.0))} if word else {}),
            }
            for name, table in zip(contrasts, tables)
        ],
        "other_coefficients": [
            {"contrast": name, **table.to_json()} for group in others for name, table in zip(contrasts, group)
        ],
    }  # fmt: skip


def _label(problem: Problem, label: str, kind: str) -> str:
    """What the reader of standard errors of this kind must know."""
    counted = "errors as if the weights of classes were counts of rows" if len(problem.class_weights) else ""
    return "; ".join(filter(None, (label, counted if kind == "classical" else "")))
