"""Where the candidates start: from the fit on the sample that packing drew, or from the mean alone."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable

import numpy as np

from drivers.designs import column_ranges
from drivers.glm.coordinates import Coordinates
from drivers.glm.state import NEWTON, GLMState, update
from drivers.loop import CONVERGED, ObjectiveWarning, iterate
from drivers.packing.cache import Pack
from jobs.design import Design, Rows
from jobs.kernels import families
from jobs.kernels.families import MULTINOMIAL
from jobs.kernels.glm import GLMStatistics

# Of one coefficient, so many rows of the sample make a start; with fewer the fit is more noise than help.
ROWS_A_COEFFICIENT = 5
SAMPLE_PASSES = 30


def widths(pack: Pack, design: Design, center: np.ndarray) -> np.ndarray:
    """How far each column of X may be from its centre, (p,)."""
    _, low, high = column_ranges(pack, design).T
    return np.maximum(high - center, center - low)


def coordinates_for(sample: Rows, center: np.ndarray, reach: np.ndarray, solver: str) -> Coordinates:
    """The coordinates that the passes compute in; reach: see `widths`."""
    make = Coordinates.of_rows if solver == NEWTON else Coordinates.scaled
    return make(sample.X, sample.w, center, reach)


def cold_start(model: tuple[str, str, float], sample: Rows, n_classes: int, coordinates: Coordinates) -> np.ndarray:
    """theta (q, d) of a model without slopes, whose mean is that of the sample."""
    family, link, alpha = model
    d = len(coordinates.center) + 1
    b = np.zeros((n_classes if family == MULTINOMIAL else 1, d))
    total = sample.w.sum()
    offset = 0.0 if sample.offset is None else float(np.average(sample.offset, weights=sample.w)) if total else 0.0
    assert sample.y is not None
    if family == MULTINOMIAL:
        counts = np.bincount(sample.y.astype(np.int64), sample.w, n_classes) + 0.5
        b[:, 0] = np.log(counts / counts.sum())
        b[:, 0] -= b[:, 0].mean()
        return coordinates.theta(b)
    mean = float(np.average(sample.y, weights=sample.w)) if total else 0.5
    if family == families.BINOMIAL:
        mean = (mean * total + 0.5) / (total + 1)
    elif family != families.GAUSSIAN or link == families.LOG:
        mean = max(mean, 1e-3)
    b[0, 0] = families.link_of(link, mean, alpha) - offset
    return coordinates.theta(b)


def fitted_to_sample(state: GLMState, sample: Rows, say: Callable[[str], None]) -> GLMState:
    """The state with the points that the same loop finds on the sample, where they are of use."""
    assert sample.y is not None
    q, d = state.points.shape[1:]
    if len(sample.y) < ROWS_A_COEFFICIENT * q * d:
        return state

    def step(state: GLMState) -> GLMStatistics:
        query = state.query()
        statistics = GLMStatistics.zero(query)
        statistics.add(sample, query)
        return statistics

    own = dataclasses.replace(state, scored=np.zeros(len(state.alive), bool))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ObjectiveWarning)
        fit = iterate(
            step, update, own, distance=distance, tol=1e-6, max_iter=SAMPLE_PASSES, objective=lambda state: state.objective
        )
    good = np.array([status == CONVERGED for status in fit.status]) & ~fit.state.separated
    if not good.all():
        say("the sample alone does not settle every candidate: those start from the mean")
    points = np.where(good[:, None, None], fit.state.base, state.cold)
    return dataclasses.replace(state, points=points, base=points)


def distance(old: GLMState, new: GLMState, _: object) -> np.ndarray:
    """How far each candidate is from its minimum; infinite where it has none, or none is found."""
    first = np.isnan(new.objective)  # a start that was out of range
    return np.where(
        new.separated, np.inf, np.where(first, 1.0, np.where(_moved(old, new), new.gap, np.maximum(new.gap, 1.0)))
    )


def _moved(old: GLMState, new: GLMState) -> np.ndarray:
    """Whether a candidate's step was taken, so that its gap is of the last pass."""
    return (new.n_taken > old.n_taken) | np.isnan(old.objective)
