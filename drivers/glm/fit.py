"""A generalised linear model over all rows: starts, passes, the choice of a penalty, and what the model says."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from drivers.designs import feature_centers
from drivers.glm.candidates import Candidates, has_classes, penalty_points
from drivers.glm.coordinates import Coordinates
from drivers.glm.evaluation import evaluate, joined
from drivers.glm.inference import LABELS, measures, n_observations, ratio_word, tables_of
from drivers.glm.options import Settings
from drivers.glm.starts import cold_start, coordinates_for, distance, fitted_to_sample, sample_for, widths
from drivers.glm.state import NEWTON, Evaluated, GLMState, update
from drivers.linear.scores import Score
from drivers.loop import CONVERGED, Fit
from drivers.run import Run
from drivers.training import training_of
from drivers.wording import count
from jobs.design import Design, Rows
from jobs.errors import ScanError
from jobs.kernels import families
from jobs.kernels.families import MULTINOMIAL
from jobs.kernels.folds import Folds
from jobs.kernels.glm import NONE, GLMQuery, GLMStatistics
from jobs.mr_glm import MRGLM

# With more candidates than these the figures of the chosen one are gathered by a pass of their own.
MOST_SCORED = 12


@dataclasses.dataclass
class Problem:
    """What the passes of a run have in common.

    model: family, link and the alpha of a negative binomial; classes: their names, none where the target is a number;
    spreads: the standard deviations of the features, (p,)
    """

    run: Run
    design: Design
    settings: Settings
    model: tuple[str, str, float]
    classes: list[str]
    sample: Rows
    coordinates: Coordinates
    cold: np.ndarray
    class_weights: np.ndarray
    spreads: np.ndarray


def fit_glm(run: Run, design: Design, settings: Settings, classes: list[str]) -> dict[str, Any]:
    """The parts of the model: parameters, inference, training, evaluation, validation.

    :param classes: the names of the classes that the target's numbers stand for, none where it is no class
    :raises ScanError: one class alone; a start that the link has no mean for
    """
    problem = _problem(run, design, settings, classes)
    points = penalty_points(
        settings, problem.model, problem.sample, problem.coordinates, problem.cold, _weight_of_table(problem),
        problem.spreads,
    )  # fmt: skip
    candidates = Candidates.of(points, settings.folds.n_folds)
    q, d = problem.cold.shape
    chunks = candidates.chunks(q * d)
    scored = len(candidates.alphas) <= MOST_SCORED and bool(problem.classes)
    fits = [
        _iterate(problem, chunk, f"fit {k + 1}" if len(chunks) > 1 else "fit", scored) for k, chunk in enumerate(chunks)
    ]
    return _parts(problem, candidates, fits, scored)


def _problem(run: Run, design: Design, settings: Settings, classes: list[str]) -> Problem:
    family = MULTINOMIAL if len(classes) > 2 else settings.family
    model = (family, settings.link, settings.alpha)
    center = feature_centers(run.pack.manifest, design)
    sample = sample_for(run.pack, design)
    if not len(sample.w):
        raise ScanError("no row of the sample has weight; ask for a larger one with --sample-rows")
    coordinates = coordinates_for(sample, center, widths(run.pack, design, center), settings.solver)
    cold = cold_start(model, sample, len(classes), coordinates)
    problem = Problem(
        run, design, settings, model, classes, sample, coordinates, cold, np.zeros(0), np.ones(len(center))
    )  # fmt: skip
    if settings.class_weight is not None:
        problem.class_weights = _class_weights(problem)
    if settings.penalty.standardize:
        problem.spreads = _spreads(problem)
    return problem


def _weight_of_table(problem: Problem) -> float:
    return float(problem.sample.w.mean()) * problem.run.pack.manifest.n_rows


def _question(problem: Problem, model: tuple[str, str, float], point: np.ndarray, second: bool) -> GLMQuery:
    return GLMQuery(
        *model, Folds(), second, problem.coordinates.center, problem.coordinates.basis, point[None],
        np.zeros((1, *point.shape)), np.array([NONE]), np.zeros((0, *point.shape)), np.zeros(0, np.int64), np.array([NONE]),
        np.zeros(0),
    )  # fmt: skip


def _class_weights(problem: Problem) -> np.ndarray:
    """The weight of each class, (C,); balanced: n / (C n_c) by a pass that counts, as scikit-learn has it."""
    asked, classes = problem.settings.class_weight, problem.classes
    if isinstance(asked, dict):
        unknown = sorted(set(asked) - set(classes))
        if unknown:
            raise ScanError(f"--class-weight names {unknown[0]!r}, which is no class; the classes are {', '.join(classes)}")
        return np.array([asked.get(name, 1.0) for name in classes])
    question = _question(problem, problem.model, problem.cold, second=False)
    found: GLMStatistics = problem.run.scan("classes", MRGLM, question, problem.design)
    counts = found.y_sum[0] if len(classes) > 2 else np.array([found.weight[0] - found.y_sum[0, 0], found.y_sum[0, 0]])
    _check_classes(classes, counts)
    return counts.sum() / (len(classes) * counts)


def _spreads(problem: Problem) -> np.ndarray:
    """The weighted standard deviations of the features, by a pass."""
    d = len(problem.coordinates.center) + 1
    model = (families.GAUSSIAN, families.IDENTITY, 0.0)
    question = _question(problem, model, np.zeros((1, d)), second=problem.settings.solver == NEWTON)
    found: GLMStatistics = problem.run.scan("spreads", MRGLM, question, problem.design)
    square = problem.coordinates.widths_of_second(found.information[0], 1)[0] ** 2
    if problem.settings.solver != NEWTON:
        return np.sqrt(square[1:] / square[0])
    # About the mean of the weighted rows, which is not quite the centre.
    root = problem.coordinates.root
    gram = root.T @ found.information[0] @ root
    return np.sqrt(np.maximum(np.diag(gram)[1:] / gram[0, 0] - (gram[0, 1:] / gram[0, 0]) ** 2, 0.0))


def _check_classes(classes: list[str], counts: np.ndarray) -> None:
    for name, weight in zip(classes, counts.tolist()):
        if not weight > 0:
            raise ScanError(f"no row of the class {name!r} counts: they are left out or have no weight")


def _iterate(problem: Problem, candidates: Candidates, phase: str, scored: bool) -> Fit:
    settings, run = problem.settings, problem.run
    penalties = candidates.penalties(settings, problem.spreads)
    m = len(candidates.alphas)
    has_null = problem.sample.offset is not None and phase in ("fit", "fit 1")
    if has_null:  # without features; with an offset it has no closed form
        candidates = dataclasses.replace(
            candidates, alphas=np.append(candidates.alphas, 0.0), l1_ratios=np.append(candidates.l1_ratios, 0.0),
            left_out=np.append(candidates.left_out, NONE),
        )  # fmt: skip
        penalties = candidates.penalties(settings, problem.spreads)
        penalties.free[m] = False
        penalties.l1[m] = penalties.l2[m] = 0.0

    def start() -> GLMState:
        points = np.repeat(problem.cold[None], m + has_null, axis=0)
        state = GLMState.start(
            problem.model, settings.solver, problem.coordinates, penalties, points, settings.folds, candidates.left_out,
            problem.class_weights, np.arange(m + has_null) < (m if scored else 0),
        )  # fmt: skip
        state = fitted_to_sample(state, problem.sample, run.progress.say)
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
        if problem.sample.offset is not None and fit is fits[0]:
            own -= 1
            null = fit.state.found[own].loss
        places += [(fit, i) for i in range(own)]
    assert len(places) == m
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
    if problem.classes:
        q = len(problem.cold)
        weights = found.y_sum if q > 1 else np.array([found.weight - found.y_sum[0], found.y_sum[0]])
        _check_classes(problem.classes, weights)
    status = fit.status[i]
    separated = bool(state.separated[i])
    figures = {} if not problem.classes else _evaluation(problem, places, chosen, size, scored)
    parts = _model(problem, state, i, found, null)
    table = (
        [_row(candidates, places, j, validation, n) for n, j in enumerate(penalised)]
        if settings.is_penalised or candidates.n_folds
        else []
    )
    _warn(run, problem, status, separated, fit, i)
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


def _model(problem: Problem, state: GLMState, i: int, found: Evaluated, null: float | None) -> dict[str, Any]:
    """Parameters and inference."""
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
    if len(problem.class_weights):
        label = "; ".join(filter(None, (label, "errors as if the weights of classes were counts of rows")))
    n = n_observations(found, found.n_counted, settings.weight_type)
    sums = {"weight_sum": found.own_weight, "weight_log_sum": found.weight_log_sum,
            "weight_square_sum": found.weight_square_sum, "weight_max": found.weight_max}  # fmt: skip
    rank_of = tables_of(i, state.coordinates, state.penalties, state.base[i], found, 1.0, settings.level, label)[1]
    numbers = measures(
        model, found, rank_of, n, sums, settings.weight_type, problem.design.weight is not None, null
    )  # fmt: skip
    tables, _ = tables_of(
        i, state.coordinates, state.penalties, state.base[i], found, numbers["dispersion"], settings.level, label
    )  # fmt: skip
    contrasts = [f"{name} against {problem.classes[0]}" for name in problem.classes[1:]] if len(problem.cold) > 1 else [""]
    word = ratio_word(model)
    return {
        **numbers,
        "covariance_type": "classical",
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
    }  # fmt: skip


def _evaluation(problem: Problem, places: list[tuple[Fit, int]], chosen: int, size: int, scored: bool) -> dict[str, Any]:
    """The figures of the chosen model on the rows it has learnt from, and on those that each fold's model has not."""
    group = places[chosen : chosen + size]
    found = [fit.state.found[i] for fit, i in group]
    if not scored or not all(one.confusion.size for one in found):
        found = _scored(problem, group)
    figures = {"in_sample": evaluate(found[0], problem.classes)}
    if size > 1:
        figures["out_of_fold"] = evaluate(joined(found[1:]), problem.classes)
    return figures


def _scored(problem: Problem, group: list[tuple[Fit, int]]) -> list[Evaluated]:
    """What a pass of its own finds of some candidates where they have ended."""
    states = [fit.state for fit, _ in group]
    points = np.array([state.base[i] for state, (_, i) in zip(states, group)])
    left_out = np.array([state.left_out[i] for state, (_, i) in zip(states, group)])
    m = len(points)
    question = GLMQuery(
        *problem.model, problem.settings.folds, False, problem.coordinates.center, problem.coordinates.basis, points,
        np.zeros_like(points), left_out, np.zeros((0, *points.shape[1:])), np.zeros(0, np.int64), np.arange(m),
        problem.class_weights,
    )  # fmt: skip
    statistics: GLMStatistics = problem.run.scan("evaluation", MRGLM, question, problem.design)
    return [Evaluated.of(statistics, j, j) for j in range(m)]


def _warn(run: Run, problem: Problem, status: str, separated: bool, fit: Fit, i: int) -> None:
    if separated:
        what = "the classes" if has_classes(problem.model) else "rows of count 0 and the others"
        run.warnings.append(
            f"{what} are separated by the features, at least some rows: their coefficients have no finite maximum and grow "
            "from pass to pass; the passes were ended, and no standard error is to be trusted. --penalty ridge gives "
            "finite ones, or leave the feature out whose coefficient is largest"
        )
    elif status != CONVERGED:
        why = "no shorter step was better" if not np.isfinite(fit.state.gap[i]) else "--max-iter allows more"
        run.warnings.append(f"not converged within {count(fit.n_iters[i], 'pass', 'passes')}; {why}")
    others = [j for j in range(len(fit.status)) if j != i and fit.status[j] != CONVERGED]
    if others:
        run.warnings.append(f"{len(others)} of {len(fit.status)} candidates have not converged")
    rank_lost = problem.settings.solver == NEWTON and not problem.settings.is_penalised
    if rank_lost and not separated:
        _warn_of_dependence(run, problem, fit.state, i)


def _warn_of_dependence(run: Run, problem: Problem, state: GLMState, i: int) -> None:
    q, d = state.base[i].shape
    _, rank = tables_of(i, state.coordinates, state.penalties, state.base[i], state.found[i], 1.0, 0.95, "")
    expected = (q - 1) * d if q > 1 else d
    if rank < expected:
        run.warnings.append(
            f"{expected - rank} of {expected} coefficients depend on the others: columns are sums of one another. The "
            "least ones were taken, predictions do not depend on it, and their standard errors are of these"
        )
