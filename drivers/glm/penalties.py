"""Penalties on the slopes of each candidate, and bounds; the intercept is free.

With b_j a slope times the scale of its feature (1, or its standard deviation with --standardize), a candidate's penalty is

    l1 sum |b_j| + l2 sum b_j^2 / 2

times the weight of its rows where the scaling is by the mean, as scikit-learn's PoissonRegressor has it; not so where it is
by the sum, as its LogisticRegression has it with l1 + l2 = 1 / C.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drivers.glm.coordinates import Coordinates
from jobs.records import Record, array_field

if TYPE_CHECKING:
    from drivers.glm.state import Evaluated


@dataclass
class Penalties(Record):
    """l1, l2: (m,); scale: (p,); by_mean: see the module; lower, upper: (p,), of the slopes of every candidate; free:
    (m, p), which features a candidate has, the slopes of the others are 0."""

    by_mean: bool
    l1: np.ndarray = array_field("<f8", 1)
    l2: np.ndarray = array_field("<f8", 1)
    scale: np.ndarray = array_field("<f8", 1)
    lower: np.ndarray = array_field("<f8", 1)
    upper: np.ndarray = array_field("<f8", 1)
    free: np.ndarray = array_field("|b1", 2)

    @classmethod
    def none(cls, m: int, p: int) -> Penalties:
        """No penalty of m candidates on p features."""
        bounds = np.full(p, np.inf)
        return cls(False, np.zeros(m), np.zeros(m), np.ones(p), -bounds, bounds, np.ones((m, p), bool))

    def binds(self, i: int) -> bool:
        """Whether coefficients cannot grow without end."""
        return bool(self.l1[i] or self.l2[i])

    @property
    def bounded(self) -> bool:
        """Whether a slope has a bound."""
        return bool(np.isfinite(self.lower).any() or np.isfinite(self.upper).any())

    def of(self, i: int, weight: float) -> tuple[np.ndarray, np.ndarray]:
        """l1 and l2 of each slope as it stands, (p,) each, for rows of this weight."""
        times = weight if self.by_mean else 1.0
        return times * self.l1[i] * self.scale, times * self.l2[i] * self.scale**2

    def slopes(self, i: int, coordinates: Coordinates, theta: np.ndarray) -> np.ndarray:
        """The slopes at theta, (q, p): where rounding alone keeps one from 0, or from its bound, it is that exactly."""
        found = coordinates.coefficients(theta)[:, 1:]
        known = 64 * np.finfo(float).eps * coordinates.sizes(theta)[:, 1:]
        if self.l1[i] or not self.free[i].all():
            found = np.where(np.abs(found) <= known, 0.0, found)
        for bound in (self.lower, self.upper):
            found = np.where(np.abs(found - bound) <= known, bound, found)
        return found

    def value(self, i: int, coordinates: Coordinates, theta: np.ndarray, weight: float) -> float:
        """The penalty at theta (q, d)."""
        if not self.binds(i):
            return 0.0
        slopes = self.slopes(i, coordinates, theta)
        l1, l2 = self.of(i, weight)
        return float((np.abs(slopes) @ l1 + slopes**2 @ l2 / 2).sum())

    def gradient(self, i: int, coordinates: Coordinates, theta: np.ndarray, weight: float) -> np.ndarray:
        """That of the smooth part, with respect to theta, (D,)."""
        if not self.l2[i]:
            return np.zeros(theta.size)
        b = coordinates.coefficients(theta)
        b[:, 0] = 0.0
        b[:, 1:] *= self.of(i, weight)[1]
        return coordinates.gradient_of_theta(b).ravel()

    def second(self, i: int, coordinates: Coordinates, q: int, weight: float) -> np.ndarray:
        """The second derivative of the smooth part, with respect to theta, (D, D)."""
        own = np.concatenate([[0.0], self.of(i, weight)[1]])
        return np.kron(np.eye(q), coordinates.basis.T @ (own[:, None] * coordinates.basis))

    def gap(self, i: int, coordinates: Coordinates, theta: np.ndarray, found: Evaluated, spread: float) -> float:
        """How far theta is from the minimum: the largest cosine between the residuals and a feature about the centre, both
        in the metric of the weights, or how far it is beyond what the penalty allows; 0 at the minimum, 1 at most without a
        penalty."""
        q = len(theta)
        slopes = self.slopes(i, coordinates, theta)
        gradient = coordinates.gradient_of_coefficients(found.gradient.reshape(theta.shape))
        l1, l2 = self.of(i, found.weight)
        own = gradient[:, 1:] + l2 * slopes
        own = np.where(slopes == 0, np.sign(own) * np.maximum(np.abs(own) - l1, 0.0), own + l1 * np.sign(slopes))
        # At a bound the objective may fall beyond it.
        own = np.where((slopes <= self.lower) & (own > 0) | (slopes >= self.upper) & (own < 0), 0.0, own)
        own = np.where(self.free[i], own, 0.0)
        lengths = coordinates.widths_of_second(found.information, q) * np.sqrt(max(spread, 0.0))
        whole = np.abs(np.column_stack([gradient[:, 0], own]))
        with np.errstate(divide="ignore", invalid="ignore"):
            # A column of zeros has no length: whatever its slope, no residual has a part along it.
            return float(np.where((whole > 0) & (lengths > 0), whole / lengths, 0.0).max())
