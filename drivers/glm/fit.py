"""A generalised linear model over all rows: starts, passes, the choice of a penalty, and what the model says."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from drivers.glm.candidates import Candidates, penalty_points
from drivers.glm.model_parts import model_parts
from drivers.glm.options import Settings
from drivers.glm.problem import Problem, check_classes, make_problem, weight_of_table
from drivers.glm.remarks import warn
from drivers.glm.scoring import figures_of
from drivers.glm.starts import distance, fitted_to_sample
from drivers.glm.state import GLMState, update
from drivers.linear.scores import Score
from drivers.loop import CONVERGED, Fit
from drivers.run import Run
from drivers.training import training_of
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.glm import NONE
from jobs.mr_glm import MRGLM

# With more candidates than these the figures of the chosen one are gathered by a pass of their own.
MOST_SCORED = 12


def fit_glm(run: Run, design: Design, settings: Settings, classes: list[str]) -> dict[str, Any]:
    """The parts of the model: parameters, inference, training, evaluation, validation.

    :param classes: the names of the classes that the target's numbers stand for, none where it is no class
    :raises ScanError: one class alone; a start that the link has no mean for
    """
    problem = make_problem(run, design, settings, classes)
    points = penalty_points(
        settings, problem.model, problem.sample, problem.coordinates, problem.cold, weight_of_table(problem),
        problem.spreads,
    )  # fmt: skip
    candidates = Candidates.of(points, settings.folds.n_folds)
    q, d = problem.cold.shape
    chunks = candidates.chunks(q * d)
    scored = len(candidates.alphas) <= MOST_SCORED and bool(problem.classes)
    # With an offset the model without features has no closed form: it is a candidate of the first chunk.
    fits = [
        _iterate(
            problem, chunk, f"fit {k + 1}" if len(chunks) > 1 else "fit", scored,
            has_null=k == 0 and design.offset is not None,
        )
        for k, chunk in enumerate(chunks)
    ]  # fmt: skip
    return _parts(problem, candidates, fits, scored)


def _iterate(problem: Problem, candidates: Candidates, phase: str, scored: bool, has_null: bool) -> Fit:
    """The passes of some candidates, and, where has_null, of one without features after them."""
    settings, run = problem.settings, problem.run
    m = len(candidates.alphas)
    if has_null:
        candidates = dataclasses.replace(
            candidates, alphas=np.append(candidates.alphas, 0.0), l1_ratios=np.append(candidates.l1_ratios, 0.0),
            left_out=np.append(candidates.left_out, NONE),
        )  # fmt: skip
    penalties = candidates.penalties(settings, problem.spreads)
    if has_null:
        penalties.free[m] = False

    def start() -> GLMState:
        points = np.repeat(problem.cold[None], m + has_null, axis=0)
        state = GLMState.start(
            problem.model, settings.solver, problem.coordinates, penalties, points, settings.folds, candidates.left_out,
            problem.class_weights, np.arange(m + has_null) < (m if scored else 0),
        )  # fmt: skip
        state = fitted_to_sample(state, problem.sample, run.progress.say)
        known = state.scored & (state.points != state.cold).any(axis=(1, 2))
        if known.any():
            state = dataclasses.replace(state, edges=problem.score_edges(state.points[known]))
        # Of a table that is larger than its sample the first pass is not the last: no scores need be gathered.
        is_all = len(problem.sample.w) == run.pack.manifest.n_rows
        return state if is_all else dataclasses.replace(state, gap=np.ones(m + has_null))

    return run.iterate(
        phase, MRGLM, problem.design, start, update=update, distance=distance, tol=settings.tol,
        max_iter=settings.max_iter, objective=lambda state: state.objective, monotone="falls",
    )  # fmt: skip


def _parts(problem: Problem, candidates: Candidates, fits: list[Fit], scored: bool) -> dict[str, Any]:
    settings, run = problem.settings, problem.run
    size = 1 + candidates.n_folds
    m = len(candidates.alphas)
    null = None
    places: list[tuple[Fit, int]] = []
    for fit in fits:
        own = len(fit.state.alive)
        if problem.design.offset is not None and fit is fits[0]:
            own -= 1
            null = fit.state.found[own].loss
        places += [(fit, i) for i in range(own)]
    assert len(places) == m
    if problem.classes and (whole := places[0][0].state.found[places[0][1]]) is not None:
        check_classes(problem.classes, whole.class_sums)
    penalised = list(range(0, m, size))
    validation = _validation(candidates, places) if candidates.n_folds else None
    chosen = penalised[_choose(validation, candidates, settings) if validation and len(penalised) > 1 else 0]
    fit, i = places[chosen]
    state, found = fit.state, fit.state.found[i]
    if found is None or not math.isfinite(found.loss):
        raise ScanError(
            f"the {state.link} link gives no mean that the {state.family} family has for some rows, not even without "
            "features; take another --link"
        )
    status = fit.status[i]
    separated = bool(state.separated[i])
    figures = {} if not problem.classes else figures_of(problem, places, chosen, size, scored)
    parts = model_parts(problem, state, i, found, null)
    table = (
        [_row(candidates, places, j, validation, n) for n, j in enumerate(penalised)]
        if settings.is_penalised or candidates.n_folds
        else []
    )
    warn(run, problem, status, separated, fit, i)
    return {
        **parts,
        "evaluation": figures,
        "validation": None if validation is None else {
            "n_folds": candidates.n_folds, "seed": settings.folds.seed, "fold_by": problem.design.fold,
            "choose": settings.choice,
        },
        "candidates": table,
        "chosen": penalised.index(chosen),
        "passes": [
            {"objective": entry["objective"][i], "distance": entry["distance"][i]}
            for entry in fit.history[: fit.n_iters[i]]
        ],
        "training": {
            **training_of(run, settings.solver, status == CONVERGED),
            "status": "separated" if separated else status,
            "weight_sum": found.weight,
            "weight_type": settings.weight_type,
            "tol": settings.tol,
            "gap": float(state.gap[i]),
            "n_iter": fit.n_iters[i],
            "n_shortened": int(state.n_shortened[i]),
            "penalty": {
                "kind": settings.penalty.kind, "alpha": float(candidates.alphas[chosen]),
                "l1_ratio": float(candidates.l1_ratios[chosen]), "standardize": settings.penalty.standardize,
                "scaling": "mean" if settings.by_mean else "sum",
            },
            "bounds": settings.bounds,
            "class_weights": dict(zip(problem.classes, problem.class_weights.tolist())) or None,
        },
    }  # fmt: skip


def _validation(candidates: Candidates, places: list[tuple[Fit, int]]) -> Score:
    """The deviance of each fold for each penalty, by the model that has not seen it."""
    size = 1 + candidates.n_folds
    n = len(candidates.alphas) // size
    deviance, weights = np.zeros((candidates.n_folds, n)), np.zeros(candidates.n_folds)
    for j, (fit, i) in enumerate(places):
        fold, found = int(candidates.left_out[j]), fit.state.found[i]
        if fold == NONE:
            continue
        if found is None or not found.held_weight > 0:
            raise ScanError(f"fold {fold + 1} has no row that counts; ask for fewer with --folds")
        if found.lacks_class(fit.state.family):
            raise ScanError(
                f"fold {fold + 1} holds every row of a class, so it cannot be left out; ask for fewer with --folds"
            )
        deviance[fold, j // size] = 2 * found.held_loss / found.held_weight
        weights[fold] = found.held_weight
    return Score.of(deviance, weights)


def _choose(validation: Score, candidates: Candidates, settings: Settings) -> int:
    """The penalty of the least deviance, or the largest within one standard error of it, of the same l1 ratio."""
    size = 1 + candidates.n_folds
    alphas, ratios = candidates.alphas[::size], candidates.l1_ratios[::size]
    best = int(np.nanargmin(validation.mean))
    if settings.choice == "min":
        return best
    within = (validation.mean <= validation.mean[best] + validation.standard_error[best]) & (ratios == ratios[best])
    return int(np.argmax(np.where(within, alphas, -1.0)))


def _row(candidates: Candidates, places: list[tuple[Fit, int]], j: int, validation: Score | None, n: int) -> dict[str, Any]:
    fit, i = places[j]
    state = fit.state
    slopes = state.penalties.slopes(i, state.coordinates, state.base[i])
    return {
        "alpha": float(candidates.alphas[j]),
        "l1_ratio": float(candidates.l1_ratios[j]),
        "status": "separated" if state.separated[i] else fit.status[i],
        "n_passes": fit.n_iters[i],
        "objective": float(state.objective[i]),
        "n_nonzero": int(np.count_nonzero((slopes != 0).any(axis=0))),
        "deviance": None if validation is None else float(validation.mean[n]),
        "standard_error": None if validation is None else float(validation.standard_error[n]),
        "deviance_of_folds": None if validation is None else validation.folds[:, n],
    }
