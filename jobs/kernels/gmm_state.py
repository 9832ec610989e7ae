"""The state of Gaussian mixtures between the passes: the M step, and the points that a pass tries.

A pass evaluates for each candidate the step of EM from the best point there is, and beside it points extrapolated from
the steps before (jobs/kernels/anderson.py): the sums of all come from the same scan, and the best one is gone on from.
So the log-likelihood never falls below that of a plain step.

A point is extrapolated as a vector in which every vector is a mixture: the logarithms of the weights, the means, and the
roots of the covariances with the logarithms of their diagonals, all in units of the features' spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.kernels.anderson import extrapolate
from jobs.kernels.gmm import NEVER, GMMQuery, GMMStatistics, shape_of_covariances
from jobs.records import Record, array_field

# Steps that are remembered, and of them those from which a second point is extrapolated: the oldest may mislead.
DEPTH, LATEST = 8, 3
# A component with less of the rows than this is of none.
LEAST_SHARE = 1e-12


@dataclass
class Mixture(Record):
    """A mixture of k Gaussians in p dimensions: weights (k,); means (k, p); covariances (k, p, p), (1, p, p) for tied,
    (k, 1, p) for diag, (k, 1, 1) for spherical."""

    covariance_type: str
    weights: np.ndarray = array_field("<f8", 1)
    means: np.ndarray = array_field("<f8", 2)
    covariances: np.ndarray = array_field("<f8", 3)

    def roots(self) -> np.ndarray:
        """The lower roots L of the covariances, L L' = S, shaped as they are.

        :raises numpy.linalg.LinAlgError: a covariance that is not positive definite
        """
        if self.covariance_type in ("full", "tied"):
            return np.linalg.cholesky(self.covariances)
        if not (self.covariances > 0).all():
            raise np.linalg.LinAlgError("a variance that is not positive")
        return np.sqrt(self.covariances)

    def inverse_roots(self) -> np.ndarray:
        """L^-1, of the same shape."""
        roots = self.roots()
        if self.covariance_type in ("full", "tied"):
            return np.linalg.solve(roots, np.broadcast_to(np.eye(roots.shape[1]), roots.shape))
        return 1 / roots

    def vector(self, scale: np.ndarray) -> np.ndarray:
        """The mixture as a vector, see the module; scale: (p,)."""
        roots = self.roots()
        if self.covariance_type in ("full", "tied"):
            roots = roots / scale[:, None]
            lower = np.tril_indices(len(scale))
            packed = roots.copy()
            diagonal = np.arange(len(scale))
            packed[:, diagonal, diagonal] = np.log(roots[:, diagonal, diagonal])
            packed = packed[:, lower[0], lower[1]]
        else:
            packed = np.log(roots)
        log_weights = np.log(np.maximum(self.weights, np.finfo(float).tiny))
        return np.concatenate([log_weights, (self.means / scale).ravel(), packed.ravel()])

    def like(self, vector: np.ndarray, scale: np.ndarray) -> Mixture:
        """The mixture of a vector, of the kind and size of this one."""
        (k, p), n_roots = self.means.shape, len(self.covariances)
        log_weights, means, packed = np.split(vector, [k, k + k * p])
        weights = np.exp(log_weights - log_weights.max())
        if self.covariance_type in ("full", "tied"):
            lower, diagonal = np.tril_indices(p), np.arange(p)
            roots = np.zeros((n_roots, p, p))
            roots[:, lower[0], lower[1]] = packed.reshape(n_roots, -1)
            roots[:, diagonal, diagonal] = np.exp(roots[:, diagonal, diagonal])
            roots *= scale[:, None]
            covariances = roots @ np.swapaxes(roots, 1, 2)
        else:
            covariances = np.exp(2 * packed).reshape(self.covariances.shape)
        return Mixture(self.covariance_type, weights / weights.sum(), means.reshape(k, p) * scale, covariances)


@dataclass
class Step(Record):
    """A point and where EM leads from it; log_likelihood: of the point, a mean over rows; floor: below which that of the
    image cannot be, -inf where nothing is known of it."""

    point: Mixture
    image: Mixture
    log_likelihood: float
    floor: float


@dataclass
class GMMState(Record):
    """All candidates of a run, those of `alive` still in the passes.

    trials: for each candidate the points of the next pass, the plain step first; steps: for each the last ones, the best
    point last; weight_sum: of all rows; the rest is of the best point: log_likelihood: (m,), a mean over rows; floor: (m,),
    what the next one cannot be below; entropy: (m,), of the whole; r_sum: for each candidate (k,), the rows by their parts;
    move: (m,), the sum over components of how far a step of EM moves the means; n_reseeded: (m,), components that were
    begun anew; by_extrapolation: (m,), passes in which an extrapolated point was the best one
    """

    reg_covar: float
    accelerate: bool
    weight_sum: float
    trials: list
    steps: list
    r_sum: list
    origin: np.ndarray = array_field("<f8", 1)
    scale: np.ndarray = array_field("<f8", 1)
    alive: np.ndarray = array_field("|b1", 1)
    log_likelihood: np.ndarray = array_field("<f8", 1)
    floor: np.ndarray = array_field("<f8", 1)
    entropy: np.ndarray = array_field("<f8", 1)
    move: np.ndarray = array_field("<f8", 1)
    n_reseeded: np.ndarray = array_field("<i8", 1)
    by_extrapolation: np.ndarray = array_field("<i8", 1)

    @classmethod
    def start(
        cls, mixtures: list[Mixture], origin: np.ndarray, scale: np.ndarray, reg_covar: float, accelerate: bool
    ) -> GMMState:
        """The state before the first pass; scale: (p,), the features' spread."""
        m = len(mixtures)
        nothing = np.full(m, np.nan)
        zeros = np.zeros(m, np.int64)
        return cls(
            reg_covar, accelerate, 0.0, [[mixture] for mixture in mixtures], [[] for _ in mixtures], [[] for _ in mixtures],
            origin, scale, np.ones(m, bool), nothing, nothing, nothing, nothing, zeros, zeros,
        )  # fmt: skip

    def query(self) -> GMMQuery:
        """What the next pass needs: the points of the candidates still alive."""
        tried = [mixture for i in np.flatnonzero(self.alive) for mixture in self.trials[i]]
        with np.errstate(divide="ignore"):
            return GMMQuery(
                tried[0].covariance_type,
                np.concatenate([np.log(mixture.weights) for mixture in tried]),
                np.concatenate([mixture.means for mixture in tried]),
                np.concatenate([mixture.inverse_roots() for mixture in tried]),
                np.cumsum([0, *(len(mixture.weights) for mixture in tried)]),
                self.origin,
            )

    def retire(self, done: np.ndarray) -> GMMState:
        """The state with the candidates of the mask `done` (m,) out of the passes."""
        return GMMState(**{**vars(self), "alive": self.alive & ~done})

    def best(self, candidate: int) -> Mixture:
        """The best point that a pass has seen."""
        return self.steps[candidate][-1].point


def update(state: GMMState, statistics: GMMStatistics) -> GMMState:
    """The better point of each candidate that is alive, the step of EM from it, and the points to try next."""
    values: dict[str, Any] = {
        name: value.copy() if isinstance(value, (np.ndarray, list)) else value for name, value in vars(state).items()
    }
    values["weight_sum"] = statistics.weight_sum
    trial = first = 0
    for i in np.flatnonzero(state.alive).tolist():
        steps, sums = [], []
        for point in state.trials[i]:
            at = slice(first, first + len(point.weights))
            image, gain, n_reseeded = m_step(point, statistics, trial, at, state.reg_covar)
            reached = statistics.log_likelihood[trial] / statistics.weight_sum
            steps.append(Step(point, image, reached, reached + gain))
            sums.append((statistics.entropy[trial], statistics.r_sum[at], n_reseeded))
            trial, first = trial + 1, at.stop
        best = max(range(len(steps)), key=lambda t: (steps[t].log_likelihood, -t))
        entropy, r_sum, n_reseeded = sums[best]
        known = [step for step in state.steps[i] if np.isfinite(step.log_likelihood)]
        others = [step for t, step in enumerate(steps) if t != best and np.isfinite(step.log_likelihood)]
        # What was learnt before a component began anew says nothing of the new one.
        values["steps"][i] = [steps[best]] if n_reseeded else [*known, *others, steps[best]][-DEPTH:]
        values["trials"][i] = next_trials(values["steps"][i], state)
        values["r_sum"][i] = r_sum
        values["log_likelihood"][i], values["floor"][i] = steps[best].log_likelihood, steps[best].floor
        values["entropy"][i] = entropy
        moved = steps[best].image.means - steps[best].point.means
        values["move"][i] = np.sqrt((moved**2).sum(axis=1)).sum()
        values["n_reseeded"][i] += n_reseeded
        values["by_extrapolation"][i] += best > 0
    return GMMState(**values)


def next_trials(steps: list[Step], state: GMMState) -> list[Mixture]:
    """The plain step from the best point, and where the steps so far seem to lead."""
    plain = steps[-1].image
    if not state.accelerate or len(steps) < 2:
        return [plain]
    pairs = [[mixture.vector(state.scale) for mixture in (step.point, step.image)] for step in steps]
    points, images = (np.array([pair[side] for pair in pairs]) for side in (0, 1))
    trials = [plain]
    for depth in (DEPTH, LATEST)[: 1 + (len(steps) > LATEST)]:
        guess = extrapolate(points[-depth:], images[-depth:])
        with np.errstate(over="ignore", invalid="ignore"):
            found = plain.like(guess, state.scale)
            if _is_usable(found):
                trials.append(found)
    return trials


def _is_usable(mixture: Mixture) -> bool:
    try:
        return all(np.isfinite(part).all() for part in (mixture.weights, mixture.means, mixture.inverse_roots()))
    except np.linalg.LinAlgError:
        return False


def m_step(
    point: Mixture, statistics: GMMStatistics, trial: int, at: slice, reg_covar: float
) -> tuple[Mixture, float, int]:
    """(5) to (7) of jobs/kernels/gmm.py; what the mean log-likelihood gains at least, (8), -inf where that is not known;
    and how many components were begun anew: one that no row is part of takes the row of least density for its mean, and
    the mean covariance of the others."""
    r_sum, total = statistics.r_sum[at], statistics.weight_sum
    kind, (k, p) = point.covariance_type, point.means.shape
    parts = np.maximum(r_sum, np.finfo(float).tiny)
    d = statistics.ry_sum[at] / parts[:, None]
    roots = point.roots()
    shape = shape_of_covariances(kind, k, 1, p)
    ryy = statistics.ryy_sum[trial : trial + 1] if kind == "tied" else statistics.ryy_sum[at]
    if kind in ("full", "tied"):
        each = np.broadcast_to(roots, (k, p, p))
        moves = np.matmul(each, d[:, :, None])[:, :, 0]
        outer = d[:, :, None] * d[:, None]
        if kind == "full":
            inside = ryy / parts[:, None, None] - outer
        else:
            inside = (ryy - (r_sum[:, None, None] * outer).sum(axis=0)) / total
        inside = (inside + np.swapaxes(inside, 1, 2)) / 2
        covariances = roots @ inside @ np.swapaxes(roots, 1, 2) + reg_covar * np.eye(p)
    else:
        moves = roots[:, 0] * d
        inside = ryy / parts[:, None, None]
        inside = inside - (d[:, None] ** 2 if kind == "diag" else (d**2).sum(axis=1)[:, None, None])
        covariances = roots**2 * np.maximum(inside, 0.0) / (1 if kind == "diag" else p) + reg_covar
    means = point.means + moves
    weights = r_sum / total
    assert covariances.shape == shape
    image = Mixture(kind, weights, means, covariances)
    begun, n_reseeded = _begun_anew(image, statistics, trial)
    squares = float(np.trace(ryy.sum(axis=0)) if kind in ("full", "tied") else ryy.sum())
    gain = -np.inf if n_reseeded else _least_gain(point, image, inside, squares, r_sum)
    return begun, gain / total, n_reseeded


def _least_gain(point: Mixture, image: Mixture, inside: np.ndarray, squares: float, r_sum: np.ndarray) -> float:
    """(8) of jobs/kernels/gmm.py, for rows of the weight 1 each.

    :param inside: the covariances of the M step in units of the point's roots, before --reg-covar
    :param squares: sum w r |y|^2
    """
    kind, p = point.covariance_type, point.means.shape[1]
    try:
        before, after = point.roots(), image.roots()
    except np.linalg.LinAlgError:
        return -np.inf
    if kind in ("full", "tied"):
        ratios = np.linalg.solve(after, before)  # both are triangular, so it is too
        spread = (ratios @ inside * ratios).sum(axis=(1, 2)) - 2 * np.log(np.diagonal(ratios, axis1=1, axis2=2)).sum(axis=1)
    else:
        ratios = (before / after)[:, 0] ** 2
        spread = (ratios * np.maximum(inside[:, 0], 0.0) - np.log(ratios) * (1 if kind == "diag" else p)).sum(axis=1)
    with_rows = r_sum > 0
    weights = r_sum[with_rows] @ np.log(image.weights[with_rows] / point.weights[with_rows])
    return float(weights + (squares - (np.broadcast_to(spread, len(r_sum)) * r_sum).sum()) / 2)


def _begun_anew(image: Mixture, statistics: GMMStatistics, trial: int) -> tuple[Mixture, int]:
    lost = image.weights <= LEAST_SHARE
    if image.covariance_type != "tied":
        for j in np.flatnonzero(~lost):
            one = Mixture(image.covariance_type, image.weights[:1], image.means[:1], image.covariances[j : j + 1])
            try:
                one.roots()
            except np.linalg.LinAlgError:
                lost[j] = True
    if not lost.any() or lost.all() or statistics.surprise[trial] == NEVER:
        return image, 0
    first = int(np.flatnonzero(lost)[0])  # one a step: there is one rarest row
    kept = ~lost
    weights, means, covariances = image.weights.copy(), image.means.copy(), image.covariances.copy()
    means[first] = statistics.rarest[trial]
    weights[first] = 1 / len(weights)
    if image.covariance_type != "tied":
        covariances[first] = np.average(covariances[kept], axis=0, weights=np.maximum(weights[kept], LEAST_SHARE))
        for other in np.flatnonzero(lost)[1:]:
            covariances[other], weights[other] = covariances[first], LEAST_SHARE
    return Mixture(image.covariance_type, weights / weights.sum(), means, covariances), 1
