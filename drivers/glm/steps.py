"""Where to go from a point: by Newton's method, by L-BFGS, down the gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from drivers.glm.coordinates import Coordinates
from drivers.glm.penalties import Penalties
from drivers.glm.quadratic import minimum
from jobs.records import Record, array_field

if TYPE_CHECKING:
    from drivers.glm.state import Evaluated

# Steps that L-BFGS remembers.
DEPTH = 10
# Directions in which the second derivative is smaller, relative to its largest, are rounding: the data say nothing of them.
DEPENDENT = 1e-13


@dataclass
class Memory(Record):
    """The last steps (h, D) of L-BFGS and how they changed the gradient."""

    steps: np.ndarray = array_field("<f8", 2)
    changes: np.ndarray = array_field("<f8", 2)

    @classmethod
    def empty(cls) -> Memory:
        return cls(np.zeros((0, 0)), np.zeros((0, 0)))

    def with_pair(self, step: np.ndarray, change: np.ndarray) -> Memory:
        """With one more, if the objective is convex along it."""
        if not step @ change > 1e-14 * np.linalg.norm(step) * np.linalg.norm(change):
            return self
        size = (-1, len(step))
        return Memory(
            np.vstack([self.steps.reshape(size), step])[-DEPTH:], np.vstack([self.changes.reshape(size), change])[-DEPTH:]
        )


def newton_step(
    i: int, coordinates: Coordinates, penalties: Penalties, point: np.ndarray, found: Evaluated
) -> tuple[np.ndarray, float]:
    """The step to the minimum of the quadratic model with the penalty, (q, d), and the slope of the objective along it."""
    q = len(point)
    gradient = found.gradient + penalties.gradient(i, coordinates, point, found.weight)
    if penalties.l1[i] or penalties.bounded:
        return minimum(i, coordinates, penalties, point, found)
    second = found.second
    if penalties.l2[i]:
        second = second + penalties.second(i, coordinates, q, found.weight)
    directions = None if penalties.free[i].all() else coordinates.directions(penalties.free[i], q)
    if directions is not None:
        second, gradient = directions.T @ second @ directions, directions.T @ gradient
    step = -pseudo_solve(second, gradient)
    slope = float(gradient @ step)
    if directions is not None:
        step = directions @ step
    return step.reshape(point.shape), slope


def pseudo_solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The least solution of a symmetric system that may be singular."""
    values, vectors = np.linalg.eigh(matrix)
    kept = values > DEPENDENT * max(values[-1], 0.0) * len(values)
    return vectors[:, kept] @ ((vectors[:, kept].T @ right) / values[kept])


def lbfgs_step(
    i: int, coordinates: Coordinates, penalties: Penalties, point: np.ndarray, found: Evaluated, memory: Memory
) -> tuple[np.ndarray, float]:
    """The step of L-BFGS (Nocedal and Wright, 2006, algorithm 7.4) from the diagonal of the second derivative; down the
    gradient, in its scale, without memory."""
    gradient = found.gradient + penalties.gradient(i, coordinates, point, found.weight)
    diagonal = found.information[:, 0].copy()
    if penalties.l2[i]:
        own = np.concatenate([[0.0], penalties.of(i, found.weight)[1]])
        diagonal += np.tile(own * coordinates.basis[0] ** 2, len(point))
    diagonal = np.where(diagonal > 0, diagonal, max(diagonal.max(), 1.0))
    free = np.tile(np.concatenate([[True], penalties.free[i]]), len(point))
    v = np.where(free, gradient, 0.0)
    shares = []
    for step, change in zip(memory.steps[::-1], memory.changes[::-1]):
        share = (step @ v) / (step @ change)
        v = v - share * change
        shares.append(share)
    v = v / diagonal
    for step, change, share in zip(memory.steps, memory.changes, shares[::-1]):
        v = v + step * (share - (change @ v) / (step @ change))
    v = np.where(free, -v, 0.0)
    return v.reshape(point.shape), float(gradient @ v)
