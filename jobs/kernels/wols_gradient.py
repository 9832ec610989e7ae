"""Weighted least squares by gradient descent, any number of learning rates and starting points in each pass.

For candidate k with coefficients b_k = (intercept, slopes), e = x'b_k - y and W = sum w:

    loss      f(b) = 0.5 sum w e^2 / W                                       (1)
    gradient  g(b) = sum w e (1, x) / W                                      (2)
    step      b   <- b - rate g(b)                                           (3)

f is a convex quadratic, so (3) converges exactly when rate < 2 / (largest eigenvalue of its Hessian), and along a run of
(3) the loss, a sum of exponentials in the step number, is convex: once it rises it rises for ever (Nocedal and Wright,
*Numerical Optimization*, 2nd ed., ch. 3). A form often taught in its place,

    "classical" g(b) = (sum e, sum w e x) / n                                (4)

leaves the weight out of one component and is the gradient of no function. Its root solves sum e = 0 and sum w x e = 0:
the instrumental-variable estimate with instruments (1, w x) (Wooldridge, *Econometric Analysis*, 2nd ed., 5.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.kernels.contract import Statistics
from jobs.records import Record, array_field

GRADIENTS = ("weighted", "classical")


@dataclass
class WOLSGradientQuery(Record):
    """The candidates, coefficients (p + 1, m) with the intercept first, and the centre of the data."""

    target_center: float
    coefficients: np.ndarray = array_field("<f8", 2)
    center: np.ndarray = array_field("<f8", 1)


@dataclass
class WOLSGradientStatistics(Statistics):
    """Sums over rows for each of m candidates, x about the centre."""

    n_rows: int
    weight_sum: float
    loss_sum: np.ndarray = array_field("<f8", 1)  # (m,): 0.5 sum w e^2
    e_sum: np.ndarray = array_field("<f8", 1)  # (m,)
    we_sum: np.ndarray = array_field("<f8", 1)  # (m,)
    wex_sum: np.ndarray = array_field("<f8", 2)  # (p, m): sum w e (x - c)

    @classmethod
    def zero(cls, query: WOLSGradientQuery) -> WOLSGradientStatistics:
        p, m = len(query.center), query.coefficients.shape[1]
        return cls(0, 0.0, np.zeros(m), np.zeros(m), np.zeros(m), np.zeros((p, m)))

    def add(self, rows: Any, query: WOLSGradientQuery) -> None:
        intercepts, slopes = query.coefficients[0], query.coefficients[1:]
        x = rows.X - query.center
        e = x @ slopes
        e += intercepts + query.center @ slopes - query.target_center
        e -= (rows.y - query.target_center)[:, None]
        we = e * rows.w[:, None]
        self.n_rows += len(rows.w)
        self.weight_sum += float(rows.w.sum())
        self.loss_sum += 0.5 * np.sum(we * e, axis=0)
        self.e_sum += e.sum(axis=0)
        self.we_sum += we.sum(axis=0)
        self.wex_sum += x.T @ we


@dataclass
class WOLSGradientState(Record):
    """All candidates of a run; m is their number. `alive` says which still take part in the passes."""

    target_center: float
    gradient: str  # "weighted" (2) or "classical" (4)
    rates: np.ndarray = array_field("<f8", 1)
    coefficients: np.ndarray = array_field("<f8", 2)  # (p + 1, m)
    center: np.ndarray = array_field("<f8", 1)
    alive: np.ndarray = array_field("|b1", 1)
    loss: np.ndarray = array_field("<f8", 1)  # (m,): (1) where the last gradient was taken; NaN before
    gradient_norm: np.ndarray = array_field("<f8", 1)
    first_gradient_norm: np.ndarray = array_field("<f8", 1)
    step_norm: np.ndarray = array_field("<f8", 1)
    contraction: np.ndarray = array_field("<f8", 1)  # |step| over |step before|: rho of the linear convergence
    diverged: np.ndarray = array_field("|b1", 1)

    @classmethod
    def start(
        cls, rates: Any, coefficients: np.ndarray, center: np.ndarray, target_center: float, gradient: str = "weighted"
    ) -> WOLSGradientState:
        """The state before the first pass: rates (m,), coefficients (p + 1, m)."""
        m = coefficients.shape[1]
        nothing = np.full(m, np.nan)
        return cls(
            target_center, gradient, rates, coefficients, center, np.ones(m, bool), nothing, nothing, nothing, nothing,
            nothing, np.zeros(m, bool),
        )  # fmt: skip

    def query(self) -> WOLSGradientQuery:
        """What the next pass needs: the candidates still alive."""
        return WOLSGradientQuery(self.target_center, self.coefficients[:, self.alive], self.center)

    def retire(self, done: np.ndarray) -> WOLSGradientState:
        """The state with the candidates of the mask `done` (m,) out of the passes."""
        return WOLSGradientState(**{**vars(self), "alive": self.alive & ~done})

    def remaining_distance(self) -> np.ndarray:
        """The estimated distance still to go, |step| rho / (1 - rho): the rest of a geometric series; shape (m,)."""
        rho = self.contraction
        rest = np.divide(rho, 1 - rho, out=np.full_like(rho, np.inf), where=rho < 1)
        with np.errstate(invalid="ignore"):  # 0 times infinity, which is not taken
            return np.where(self.step_norm == 0, 0.0, self.step_norm * rest)


def gradient(statistics: WOLSGradientStatistics, query: WOLSGradientQuery, form: str = "weighted") -> np.ndarray:
    """(2), or (4) for form "classical": shape (p + 1, m), intercept first, with respect to raw x."""
    wex_sum = statistics.wex_sum + np.outer(query.center, statistics.we_sum)
    if form == "classical":
        return np.vstack([statistics.e_sum, wex_sum]) / statistics.n_rows
    return np.vstack([statistics.we_sum, wex_sum]) / statistics.weight_sum


def update(state: WOLSGradientState, statistics: WOLSGradientStatistics) -> WOLSGradientState:
    """One step (3) of every candidate that is alive."""
    alive = state.alive
    g = gradient(statistics, state.query(), state.gradient)
    step = state.rates[alive] * g
    values: dict[str, Any] = {
        name: value.copy() if isinstance(value, np.ndarray) else value for name, value in vars(state).items()
    }
    norm = np.linalg.norm(g, axis=0)
    step_norm = np.linalg.norm(step, axis=0)
    loss = statistics.loss_sum / statistics.weight_sum
    values["coefficients"][:, alive] -= step
    values["gradient_norm"][alive] = norm
    first = np.isnan(state.first_gradient_norm[alive])
    values["first_gradient_norm"][alive] = np.where(first, norm, state.first_gradient_norm[alive])
    with np.errstate(divide="ignore", invalid="ignore"):
        values["contraction"][alive] = step_norm / state.step_norm[alive]
    values["step_norm"][alive] = step_norm
    values["loss"][alive] = loss
    # A rise is final for a quadratic, unless it is rounding: of data almost without noise the loss has few right digits
    # once the gradient is nearly zero. (4) descends nothing, so there only a growing gradient is a sign.
    if state.gradient == "weighted":
        rising = (loss > state.loss[alive] * (1 + 1e-9)) & (norm > 1e-8 * values["first_gradient_norm"][alive])
    else:
        rising = norm > 1e3 * values["first_gradient_norm"][alive]
    values["diverged"][alive] = rising | ~np.isfinite(loss) | ~np.isfinite(norm)
    return WOLSGradientState(**values)
