"""One round of k-means||: rows drawn in proportion to the square of their distance from the centres there are.

With the centres C of the rounds before and d(x) the distance of a row from the nearest of them, a round draws k rows
without replacement, each next one x in proportion to

    w d(x)^2                                                                                 (1)

of those left (Bahmani, Moseley, Vattani, Kumar and Vassilvitskii, "Scalable k-means++", PVLDB 5, 2012, who draw each row by
itself, about k of them). The k rows of smallest key

    -log(u) / (w d^2),    u uniform on (0, 1) by the row's key                               (2)

are such a draw (Efraimidis and Spirakis, "Weighted random sampling with a reservoir", Information Processing Letters 97,
2006), and they merge exactly: no pass is needed for the sum of (1), and the draw is the same on every runner.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels.contract import Statistics, close_arrays
from jobs.kernels.kmeans import METRICS, points, square_distances
from jobs.keys import derive
from jobs.records import Record, array_field

MOST_DRAWN = 100_000


@dataclass
class KMeansParallelQuery(Record):
    """A round: k rows are to be drawn, by the numbers of this seed and round; centers: (c, p), of rounds before."""

    metric: str
    k: int
    seed: int
    round: int
    centers: np.ndarray = array_field("<f8", 2)
    origin: np.ndarray = array_field("<f8", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 < self.k <= MOST_DRAWN and len(self.centers) and self.metric in METRICS):
            raise BadRecord(f"{self.k} rows to be drawn at {len(self.centers)} centres, {self.metric!r}")


@dataclass
class KMeansParallelStatistics(Statistics):
    """The rows drawn: keys (s,), see (2), ascending; rows (s, p), as they stand in the data; places (s, 3)."""

    order_free: ClassVar[bool] = True

    k: int
    keys: np.ndarray = array_field("<f8", 1)
    rows: np.ndarray = array_field("<f8", 2)
    places: np.ndarray = array_field("<i8", 2)

    @classmethod
    def zero(cls, query: KMeansParallelQuery) -> KMeansParallelStatistics:
        return cls(query.k, np.zeros(0), np.zeros((0, query.centers.shape[1])), np.zeros((0, 3), np.int64))

    def add(self, rows: Any, query: KMeansParallelQuery) -> None:
        x, centers = points(rows.X, query), query.centers - query.origin
        nearest = square_distances(x, centers).argmin(axis=0)
        # Once more, column by column: a product of matrices rounds by the shape of a block, and the draw must not.
        d2 = np.zeros(len(x))
        for j in range(x.shape[1]):
            d2 += (x[:, j] - centers[nearest, j]) ** 2
        weights = rows.w * d2
        bits = derive(rows.keys, query.seed, f"k-means|| {query.round}")
        # From the middle of each of 2^53 pieces: never 0, never 1.
        u = ((bits >> np.uint64(11)).astype(float) + 0.5) * 2.0**-53
        with np.errstate(divide="ignore"):
            keys = np.where(weights > 0, -np.log(u) / weights, np.inf)
        enters = np.flatnonzero(keys <= self.keys[-1] if len(self.keys) == self.k else keys < np.inf)
        if not len(enters):
            return
        merged = self.merge(KMeansParallelStatistics(self.k, keys[enters], rows.X[enters], rows.places(enters)))
        self.keys, self.rows, self.places = merged.keys, merged.rows, merged.places

    def merge(self, other: KMeansParallelStatistics) -> KMeansParallelStatistics:
        keys, places = np.concatenate([self.keys, other.keys]), np.concatenate([self.places, other.places])
        chosen = np.lexsort((places[:, 2], places[:, 1], places[:, 0], keys))[: self.k]
        rows = np.concatenate([self.rows, other.rows])[chosen]
        return KMeansParallelStatistics(self.k, keys[chosen], rows, places[chosen])

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        """The same rows; their keys but for rounding."""
        if not isinstance(other, KMeansParallelStatistics):
            return False
        same = self.k == other.k and np.array_equal(self.places, other.places)
        return same and close_arrays(self.keys, other.keys, rtol) and np.array_equal(self.rows, other.rows)
