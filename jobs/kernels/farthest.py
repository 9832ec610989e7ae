"""The row that lies farthest from something, and where it stands: of equals the one that comes first in the data.

Distances are compared in single precision. A row that is there twice has two distances that differ in the last bits, by
where it stands in a block; these are to be equal."""

from __future__ import annotations

import numpy as np

# Distances (n,), rows (n, p) and places (n, 3).
Farthest = tuple[np.ndarray, np.ndarray, np.ndarray]
NOWHERE = (2**63 - 1,) * 3  # comes after every place


def nothing(n: int, n_columns: int, least: float = -1.0) -> Farthest:
    """Distances (n,), below the `least` there is, rows (n, n_columns) and places (n, 3) of no rows."""
    return np.full(n, least), np.zeros((n, n_columns)), np.tile(np.array(NOWHERE, np.int64), (n, 1))


def in_single_precision(values: np.ndarray) -> np.ndarray:
    """Values as they are compared; the largest become infinite."""
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def is_farther(a: np.ndarray, a_places: np.ndarray, b: np.ndarray, b_places: np.ndarray) -> np.ndarray:
    """Where b is farther than a, or as far and earlier in the data; distances (n,), places (n, 3), shape (n,)."""
    earlier = np.zeros(len(a), bool)
    for j in (2, 1, 0):
        earlier = (b_places[:, j] < a_places[:, j]) | ((b_places[:, j] == a_places[:, j]) & earlier)
    a, b = in_single_precision(a), in_single_precision(b)
    return (b > a) | ((b == a) & earlier)


def take(mine: Farthest, others: Farthest) -> None:
    """Puts what is farther among the others into mine, in place."""
    better = is_farther(mine[0], mine[2], others[0], others[2])
    for own, other in zip(mine, others):
        own[better] = other[better]
