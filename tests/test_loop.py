"""The training loop, without data: candidates end one by one, and a checkpoint goes on to the same end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from drivers.loop import CONVERGED, DIVERGED, MAX_ITER, Fit, ObjectiveWarning, iterate
from jobs.records import Record, array_field


@dataclass
class Halving(Record):
    """Each value is multiplied by its factor; it converges to 0 where the factor is below 1."""

    values: np.ndarray = array_field("<f8", 1)
    factors: np.ndarray = array_field("<f8", 1)
    alive: np.ndarray = array_field("|b1", 1)

    def retire(self, done):
        return Halving(self.values, self.factors, self.alive & ~done)


def start(*factors):
    return Halving(np.ones(len(factors)), np.array(factors), np.ones(len(factors), bool))


def update(state, statistics):
    return Halving(np.where(state.alive, statistics, state.values), state.factors, state.alive)


def distance(old, new, statistics):
    return np.where(new.values > 1e6, np.inf, np.abs(new.values))


def run(state, **keywords):
    calls = []

    def step(state):
        calls.append(state.alive.copy())
        return state.values * state.factors

    arguments = {"distance": distance, "tol": 1e-3, "max_iter": 100, **keywords}
    return iterate(step, update, state, **arguments), calls


def test_each_candidate_ends_by_itself():
    fit, calls = run(start(0.5, 0.09, 100.0))
    assert fit.status == [CONVERGED, CONVERGED, DIVERGED]
    assert fit.n_iters == [10, 3, 4]
    assert len(calls) == fit.n_iter == 10
    assert not fit.converged
    assert np.isnan(fit.history[5]["distance"][1])


def test_the_passes_are_limited():
    fit, _ = run(start(0.5), max_iter=4)
    assert (fit.status, fit.n_iter) == ([MAX_ITER], 4)


def test_the_first_state_is_not_written_into():
    state = start(0.5)
    run(state)
    assert state.values.tolist() == [1.0]
    assert state.alive.all()


@pytest.mark.parametrize("stop", range(1, 10))
def test_a_checkpoint_goes_on_to_the_same_end(stop):
    whole, _ = run(start(0.5, 0.3))
    checkpoints = []
    run(start(0.5, 0.3), max_iter=stop, on_pass=lambda fit: checkpoints.append(fit.to_line()))
    resumed, calls = run(start(9.0, 9.0), resume=Fit.from_line(checkpoints[-1]))
    assert resumed.to_line() == whole.to_line()
    assert len(calls) == whole.n_iter - stop


def test_an_objective_that_goes_the_wrong_way_is_said():
    with pytest.warns(ObjectiveWarning, match="candidate 1 falls .* be no more than 2, but is 4 in pass 2"):
        run(start(2.0), objective=lambda state: state.values, monotone="falls", max_iter=3)


def test_an_objective_beyond_the_bound_that_the_state_gives_is_said():
    def bounded(by):
        return run(start(0.5), objective=lambda s: s.values, monotone="rises", bound=lambda s: s.values * by, max_iter=3)

    bounded(0.5)
    with pytest.warns(ObjectiveWarning, match="candidate 1 rises .* be no less than 0.75, but is 0.5 in pass 1"):
        bounded(0.75)


def test_a_trace_is_kept():
    fit, _ = run(start(0.5), trace=lambda state: {"values": state.values.tolist()})
    assert fit.history[1]["values"] == [0.25]
