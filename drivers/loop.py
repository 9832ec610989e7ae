"""The training loop: the only one, for every iterative algorithm, in memory or on any runner. It knows nothing of mrjob.

A state has a mask `alive` of its m candidates and a method `retire(done)` that takes candidates out of the passes; each
candidate ends by itself, and the passes go on until none is alive.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.records import Record

RUNNING, CONVERGED, DIVERGED, MAX_ITER = "running", "converged", "diverged", "max_iter"


class ObjectiveWarning(UserWarning):
    """An objective that should only fall, or only rise, did not."""


@dataclass
class Fit(Record):
    """Where the loop stands: the checkpoint while it runs and the result when it has ended.

    status: a word a candidate; n_iters: the passes each candidate took part in; history: for each pass the objective and
    the distance of each candidate, NaN where it took no part.
    """

    state: Any
    n_iter: int
    status: list[str]
    n_iters: list[int]
    history: list[dict]

    @property
    def converged(self) -> bool:
        """Whether every candidate has converged."""
        return all(status == CONVERGED for status in self.status)


def iterate(
    step: Callable[[Any], Any],
    update: Callable[[Any, Any], Any],
    state: Any,
    *,
    distance: Callable[[Any, Any, Any], np.ndarray],
    tol: float,
    max_iter: int,
    objective: Callable[[Any], np.ndarray] | None = None,
    monotone: str | None = None,
    bound: Callable[[Any], np.ndarray] | None = None,
    trace: Callable[[Any], dict] | None = None,
    resume: Fit | None = None,
    on_pass: Callable[[Fit], None] = lambda fit: None,
) -> Fit:
    """Iterates `state = update(state, step(state))` until every candidate has converged, diverged or run out of passes.

    :param step: state -> statistics, one pass over the data
    :param update: (state, statistics) -> next state, without side effects
    :param distance: (state, next state, statistics) -> shape (m,); at most `tol`: converged; not finite: diverged
    :param objective: state -> shape (m,), recorded a pass
    :param monotone: "falls" or "rises": warns with ObjectiveWarning when the objective does otherwise
    :param bound: state -> shape (m,), what the next objective must not be beyond, NaN where nothing is known; without it
        that is the objective before
    :param trace: state -> numbers and lists to keep in the history of each pass
    :param resume: a checkpoint to go on from
    :param on_pass: called with the checkpoint after every pass
    """
    m = len(state.alive)
    fit = resume or Fit(state, 0, [RUNNING] * m, [0] * m, [])
    while fit.state.alive.any() and fit.n_iter < max_iter:
        bounds = bound(fit.state) if bound else _last_objective(fit)
        fit = _advance(fit, step(fit.state), update, distance, tol, objective, trace)
        _check_monotone(fit, monotone, bounds)
        on_pass(fit)
    ended = [MAX_ITER if status == RUNNING else status for status in fit.status]
    return Fit(fit.state, fit.n_iter, ended, fit.n_iters, fit.history)


def _advance(fit: Fit, statistics: Any, update: Any, distance: Any, tol: float, objective: Any, trace: Any) -> Fit:
    alive = fit.state.alive.copy()
    state = update(fit.state, statistics)
    gaps = np.where(alive, distance(fit.state, state, statistics), np.nan)
    values = np.where(alive, objective(state), np.nan) if objective else np.full(len(alive), np.nan)
    converged, diverged = alive & (gaps <= tol), alive & ~np.isfinite(gaps)
    status = [CONVERGED if converged[k] else DIVERGED if diverged[k] else before for k, before in enumerate(fit.status)]
    return Fit(
        state=state.retire(converged | diverged),
        n_iter=fit.n_iter + 1,
        status=status,
        n_iters=[n + int(took_part) for n, took_part in zip(fit.n_iters, alive)],
        history=[
            *fit.history,
            {"objective": values.tolist(), "distance": gaps.tolist(), **(trace(state) if trace else {})},
        ],
    )


def _last_objective(fit: Fit) -> np.ndarray:
    return np.array(fit.history[-1]["objective"]) if fit.history else np.full(len(fit.status), np.nan)


def _check_monotone(fit: Fit, monotone: str | None, bounds: np.ndarray) -> None:
    if monotone is None:
        return
    found = _last_objective(fit)
    beyond = found - bounds if monotone == "falls" else bounds - found
    # Rounding may move an objective at its optimum by a little either way.
    wrong = np.flatnonzero(beyond > np.sqrt(np.finfo(float).eps) * np.abs(bounds))
    running = [int(k) for k in wrong if fit.status[k] != DIVERGED]
    if running:
        limit = "more" if monotone == "falls" else "less"
        warnings.warn(
            f"the objective of candidate {running[0] + 1} {monotone} from pass to pass and should be no {limit} than "
            f"{bounds[running[0]]:.17g}, but is {found[running[0]]:.17g} in pass {fit.n_iter}",
            ObjectiveWarning,
            stacklevel=3,
        )
