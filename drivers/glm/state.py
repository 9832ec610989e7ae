"""The state of generalised linear models between the passes: the next points, and whether the last ones are better.

A pass gives everything at the full step, and the objective alone at shorter ones. The full step is taken where it lowers
the objective enough (Armijo's condition; Nocedal and Wright, *Numerical Optimization*, 2nd ed., 2006, 3.1); otherwise the
best of the shorter ones, which costs one more pass.

The objective of a candidate is the loss of jobs/kernels/glm.py and the penalty of drivers/glm/penalties.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.glm.coordinates import Coordinates
from drivers.glm.penalties import Penalties
from drivers.glm.score_bins import even_edges
from drivers.glm.steps import Memory, lbfgs_step, newton_step
from jobs.kernels.families import BINOMIAL, MULTINOMIAL, WITH_DISPERSION
from jobs.kernels.folds import Folds
from jobs.kernels.glm import NEVER, NONE, GLMQuery, GLMStatistics
from jobs.records import Record, array_field

NEWTON, LBFGS, GRADIENT = "newton", "lbfgs", "gd"
SOLVERS = (NEWTON, LBFGS, GRADIENT)
# What the decrease must be at least, of what the slope promises.
ARMIJO = 1e-4
# A loss is a sum of many terms: what two of them may differ by without a reason, relative to its parts.
ROUNDING = 1e-12
# The shorter steps of a pass, where the step is so long that it may be too long: its root mean square in eta.
SHORTER, LONG = (0.5, 0.2, 0.05), 0.1
# Of a gradient, whose length says little, longer ones are tried as well.
OTHERS = (0.25, 0.5, 2.0, 4.0)
SHORTEST, MOST_SHORTENED = 1e-12, 25
# A gap that a Newton step does not close: it squares what is small.
FAR = 3e-3


@dataclass
class Evaluated(Record):
    """What a pass has found at a point of one candidate; see GLMStatistics. n_counted ... weight_max: of all rows with
    weight, own_weight the sum of their own weights."""

    weight: float
    saturated: float
    constant: float
    loss: float
    square: float
    held_weight: float
    held_loss: float
    margin: float
    brier: float
    n_counted: int
    own_weight: float
    weight_square_sum: float
    weight_log_sum: float
    weight_max: float
    y_sum: np.ndarray = array_field("<f8", 1)
    move: np.ndarray = array_field("<f8", 1)
    gradient: np.ndarray = array_field("<f8", 1)
    information: np.ndarray = array_field("<f8", 2)
    curvature: np.ndarray = array_field("<f8", 2)
    scores: np.ndarray = array_field("<f8", 3)
    confusion: np.ndarray = array_field("<f8", 2)

    @classmethod
    def of(cls, statistics: GLMStatistics, j: int, pool: int) -> Evaluated:
        """The part of candidate j."""
        s, has_scores = statistics, pool != NONE
        return cls(
            weight=float(s.weight[j]), saturated=float(s.saturated[j]), constant=float(s.constant[j]),
            loss=float(s.loss[j]), square=float(s.square[j]), held_weight=float(s.held_weight[j]),
            held_loss=float(s.held_loss[j]), margin=float(s.margin[j]),
            brier=float(s.brier[pool]) if has_scores else 0.0, n_counted=s.n_rows - s.n_zero_weight,
            own_weight=s.weight_sum, weight_square_sum=s.weight_square_sum, weight_log_sum=s.weight_log_sum,
            weight_max=s.weight_max, y_sum=s.y_sum[j], move=s.move[j], gradient=s.gradient[j],
            information=s.information[j], curvature=s.curvature[j],
            scores=s.scores[pool] if has_scores else np.zeros((0, 3, 0)),
            confusion=s.confusion[pool] if has_scores else np.zeros((0, 0)),
        )  # fmt: skip

    @property
    def class_sums(self) -> np.ndarray:
        """What the rows of each class weigh, (C,)."""
        return self.y_sum if len(self.y_sum) > 1 else np.array([self.weight - self.y_sum[0], self.y_sum[0]])

    def lacks_class(self, family: str) -> bool:
        """Whether no row of a class counts, so that an intercept has no finite best value, whatever the penalty."""
        return family in (BINOMIAL, MULTINOMIAL) and bool((self.class_sums <= 0).any())

    @property
    def second(self) -> np.ndarray:
        """What a Newton step takes for the second derivative, (D, D)."""
        return self.curvature if self.curvature.size else self.information


@dataclass
class GLMState(Record):
    """All candidates of a run, those of `alive` still in the passes; edges: of the bins of their scores, see GLMQuery.

    points: (m, q, d), to be evaluated next; cold: (m, q, d), where to begin if the first points are out of range; steps:
    for each candidate the lengths of the other steps of the next pass, of the same direction; base: (m, q, d), the best
    points so far, and of them: objective (m,), gap (m,), the largest cosine between the residuals and a feature, and what
    the passes have found, `found`; direction: (m, q, d), from the base to the points; slope: (m,), of the objective along
    it shortened: (m,), by how much the step has been shortened since it was computed; n_shortened: (m,), how often in all
    n_taken: (m,), steps that were taken; separated: (m,), whether no finite point is the best one
    """

    family: str
    link: str
    alpha: float
    solver: str
    folds: Folds
    coordinates: Coordinates
    penalties: Penalties
    found: list
    memory: list
    steps: list
    class_weights: np.ndarray = array_field("<f8", 1)
    edges: np.ndarray = array_field("<f8", 2)
    left_out: np.ndarray = array_field("<i8", 1)
    scored: np.ndarray = array_field("|b1", 1)
    points: np.ndarray = array_field("<f8", 3)
    cold: np.ndarray = array_field("<f8", 3)
    base: np.ndarray = array_field("<f8", 3)
    direction: np.ndarray = array_field("<f8", 3)
    objective: np.ndarray = array_field("<f8", 1)
    gap: np.ndarray = array_field("<f8", 1)
    slope: np.ndarray = array_field("<f8", 1)
    shortened: np.ndarray = array_field("<f8", 1)
    n_shortened: np.ndarray = array_field("<i8", 1)
    n_taken: np.ndarray = array_field("<i8", 1)
    separated: np.ndarray = array_field("|b1", 1)
    alive: np.ndarray = array_field("|b1", 1)

    @classmethod
    def start(
        cls, model: tuple[str, str, float], solver: str, coordinates: Coordinates, penalties: Penalties, points: np.ndarray,
        folds: Folds | None = None, left_out: np.ndarray | None = None, class_weights: np.ndarray | None = None,
        scored: np.ndarray | None = None,
    ) -> GLMState:  # fmt: skip
        """The state before the first pass.

        :param model: family, link, and the alpha of a negative binomial family
        :param points: theta to begin from, (m, q, d), which the link has means for
        """
        m = len(points)
        family, link, alpha = model
        return cls(
            family=family, link=link, alpha=alpha, solver=solver, folds=folds or Folds(), coordinates=coordinates,
            penalties=penalties, found=[None] * m, memory=[Memory.empty() for _ in range(m)], steps=[[] for _ in range(m)],
            class_weights=np.zeros(0) if class_weights is None else class_weights,
            edges=even_edges(points.shape[1]) if scored is not None and scored.any() else np.zeros((0, 0)),
            left_out=np.full(m, NONE) if left_out is None else left_out,
            scored=np.zeros(m, bool) if scored is None else scored,
            points=points, cold=points, base=points, direction=np.zeros_like(points), objective=np.full(m, np.nan),
            gap=np.full(m, np.nan), slope=np.zeros(m), shortened=np.ones(m), n_shortened=np.zeros(m, np.int64),
            n_taken=np.zeros(m, np.int64), separated=np.zeros(m, bool), alive=np.ones(m, bool),
        )  # fmt: skip

    def query(self) -> GLMQuery:
        """What the next pass needs: the points of the candidates still alive, and their shorter steps."""
        alive = np.flatnonzero(self.alive)
        trials = [self.base[i] + step * self.direction[i] for i in alive for step in self.steps[i]]
        shape = self.points.shape[1:]
        scored = self.scored_now()[alive]
        return GLMQuery(
            self.family, self.link, self.alpha, self.folds, self.solver == NEWTON, self.coordinates.center,
            self.coordinates.basis, self.points[alive], self.points[alive] - self.base[alive], self.left_out[alive],
            np.array(trials).reshape(-1, *shape),
            np.array([j for j, i in enumerate(alive) for _ in self.steps[i]], dtype=np.int64),
            np.where(scored, np.cumsum(scored) - 1, NONE), self.class_weights,
            self.edges if scored.any() else np.zeros((0, 0)),
        )  # fmt: skip

    def spread(self, found: Evaluated) -> float:
        """The square of the residuals' length in the metric of the weights; no more than the family expects, where it does:
        a single row that is far off its mean would hide how far the others are from the optimum."""
        if self.family in WITH_DISPERSION:
            return found.square
        return min(found.square, found.weight * max(self.points.shape[1] - 1, 1))

    def scored_now(self) -> np.ndarray:
        """Whose scores the next pass gathers, (m,): it is not the last one of a candidate that is far from its end."""
        return self.scored & ~(self.gap > FAR)

    def retire(self, done: np.ndarray) -> GLMState:
        """The state with the candidates of the mask `done` (m,) out of the passes."""
        return GLMState(**{**vars(self), "alive": self.alive & ~done})


def update(state: GLMState, statistics: GLMStatistics) -> GLMState:
    """The better point of each candidate that is alive, and the step from it to try next."""
    values: dict[str, Any] = {
        name: value.copy() if isinstance(value, (np.ndarray, list)) else value for name, value in vars(state).items()
    }
    trial = pool = 0
    scored = state.scored_now()
    for j, i in enumerate(np.flatnonzero(state.alive).tolist()):
        n_steps = len(state.steps[i])
        trials = statistics.trial_loss[trial : trial + n_steps]
        found = Evaluated.of(statistics, j, pool if scored[i] else NONE)
        trial, pool = trial + n_steps, pool + int(scored[i])
        objective = found.loss + state.penalties.value(i, state.coordinates, state.points[i], found.weight)
        if (
            np.isnan(state.objective[i])
            and not np.isfinite(objective)
            and not np.array_equal(state.points[i], state.cold[i])
        ):
            values["points"][i] = values["base"][i] = state.cold[i]
        elif np.isnan(state.objective[i]) or objective <= _bound(state, i, found):
            _take(values, state, i, found, objective, trials)
        else:
            _shorten(values, state, i, trials)
    return GLMState(**values)


def _bound(state: GLMState, i: int, found: Evaluated) -> float:
    slack = ROUNDING * (abs(state.objective[i]) + abs(found.saturated))
    return float(state.objective[i] + ARMIJO * state.slope[i] + slack)


def _take(values: dict[str, Any], state: GLMState, i: int, found: Evaluated, objective: float, trials: np.ndarray) -> None:
    point, before = state.points[i], state.found[i]
    if state.solver != NEWTON:
        better = _longer(state, i, objective, trials, found.weight)
        if better is not None:  # evaluated as a whole by the next pass
            values["points"][i] = state.base[i] + better * state.direction[i]
            values["direction"][i], values["slope"][i] = better * state.direction[i], better * state.slope[i]
            values["steps"][i] = []
            return
    values["base"][i], values["objective"][i], values["found"][i] = point, objective, found
    values["n_taken"][i] += before is not None
    values["gap"][i] = state.penalties.gap(i, state.coordinates, point, found, state.spread(found))
    if not np.isfinite(objective) or not np.isfinite(found.gradient).all() or not found.information.any():
        values["gap"][i] = np.inf  # the means have run to where nothing tells them apart
        return
    if state.solver == NEWTON:
        direction, slope = newton_step(i, state.coordinates, state.penalties, point, found)
    else:
        if before is not None:
            change = found.gradient - before.gradient
            penalty = state.penalties.gradient(i, state.coordinates, point, found.weight)
            penalty = penalty - state.penalties.gradient(i, state.coordinates, state.base[i], found.weight)
            values["memory"][i] = state.memory[i].with_pair((point - state.base[i]).ravel(), change + penalty)
        memory = values["memory"][i] if state.solver == LBFGS else Memory.empty()
        direction, slope = lbfgs_step(i, state.coordinates, state.penalties, point, found, memory)
    spread = np.sqrt(max(-slope, 0.0) / found.weight) if found.weight > 0 else 0.0
    values["direction"][i], values["slope"][i], values["points"][i] = direction, slope, point + direction
    values["shortened"][i] = 1.0
    values["steps"][i] = _other_steps(state.solver, spread)
    values["separated"][i] = _is_separated(state, i, found)


def _other_steps(solver: str, spread: float) -> list[float]:
    if solver == GRADIENT:
        return list(OTHERS)
    return list(SHORTER) if spread > LONG or solver == LBFGS else []


def _longer(state: GLMState, i: int, objective: float, trials: np.ndarray, weight: float) -> float | None:
    """The other step that is better than the full one, if one is much better."""
    if not len(trials) or state.found[i] is None:
        return None
    found = _objectives(state, i, trials, weight)
    best = int(np.nanargmin(found))
    gained = state.objective[i] - objective
    return state.steps[i][best] if found[best] < objective - 0.1 * abs(gained) else None


def _shorten(values: dict[str, Any], state: GLMState, i: int, trials: np.ndarray) -> None:
    weight = state.found[i].weight
    found = _objectives(state, i, trials, weight)
    values["n_shortened"][i] += 1
    good = found <= state.objective[i] + ARMIJO * np.array(state.steps[i]) * state.slope[i]
    if good.any():
        step, others = state.steps[i][int(np.nanargmin(np.where(good, found, np.nan)))], []
    else:
        step, others = min(state.steps[i], default=1.0) / 4, list(SHORTER)
    values["shortened"][i] *= step
    values["direction"][i], values["slope"][i] = step * state.direction[i], step * state.slope[i]
    values["points"][i], values["steps"][i] = state.base[i] + values["direction"][i], others
    if values["shortened"][i] < SHORTEST or values["n_shortened"][i] > MOST_SHORTENED:
        values["gap"][i] = np.inf  # nothing on the way is better, or the way leads out of the range: given up


def _objectives(state: GLMState, i: int, trials: np.ndarray, weight: float) -> np.ndarray:
    points = [state.base[i] + step * state.direction[i] for step in state.steps[i]]
    penalties = [state.penalties.value(i, state.coordinates, point, weight) for point in points]
    return np.where(np.isfinite(trials), trials + np.array(penalties), np.inf)


def _is_separated(state: GLMState, i: int, found: Evaluated) -> bool:
    """Whether the coefficients grow without end: every row is on its side of the boundary, or the last steps have taken
    some rows further on their side and none back (Albert and Anderson, "On the existence of maximum likelihood estimates in
    logistic regression models", Biometrika 71, 1984)."""
    if found.lacks_class(state.family):
        return True
    if state.penalties.binds(i):
        return False
    if 0 < found.margin < NEVER:
        return True
    back, forward = found.move
    return bool(state.n_taken[i] >= 4 and NEVER > forward > 0.05 and back >= -1e-6 * forward)
