"""The state of k-means between the passes: the new centres, (3) of jobs/kernels/kmeans.py, and the quality, (4) to (7)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.kernels.kmeans import KMeansQuery, KMeansStatistics
from jobs.records import Record, array_field

INDICES = ("silhouette", "calinski_harabasz", "davies_bouldin")


@dataclass
class KMeansState(Record):
    """All candidates of a run, those of `alive` still in the passes.

    centers: (K, p), of the next pass; the rest is of the pass before, NaN before the first: evaluated: (K, p), its
    centres; n_cluster, w_sum, sse, distance_sum, radius: (K,), as in KMeansStatistics; silhouette, calinski_harabasz,
    davies_bouldin, total_sse, gain: (m,), see (2) and (4) to (7); n_moved: (m,), centres of empty clusters that were moved
    n_empty: (m,), clusters without rows, of which there are more than can be moved where rows repeat themselves
    """

    metric: str
    centers: np.ndarray = array_field("<f8", 2)
    offsets: np.ndarray = array_field("<i8", 1)
    origin: np.ndarray = array_field("<f8", 1)
    alive: np.ndarray = array_field("|b1", 1)
    evaluated: np.ndarray = array_field("<f8", 2)
    n_cluster: np.ndarray = array_field("<i8", 1)
    w_sum: np.ndarray = array_field("<f8", 1)
    sse: np.ndarray = array_field("<f8", 1)
    distance_sum: np.ndarray = array_field("<f8", 1)
    radius: np.ndarray = array_field("<f8", 1)
    total_sse: np.ndarray = array_field("<f8", 1)
    gain: np.ndarray = array_field("<f8", 1)
    shift: np.ndarray = array_field("<f8", 1)
    silhouette: np.ndarray = array_field("<f8", 1)
    calinski_harabasz: np.ndarray = array_field("<f8", 1)
    davies_bouldin: np.ndarray = array_field("<f8", 1)
    n_moved: np.ndarray = array_field("<i8", 1)
    n_empty: np.ndarray = array_field("<i8", 1)

    @classmethod
    def start(cls, centers: list[np.ndarray], origin: np.ndarray, metric: str = "euclidean") -> KMeansState:
        """The state before the first pass: for each candidate its centres (k, p)."""
        offsets = np.cumsum([0, *map(len, centers)])
        together = np.concatenate(centers).astype(float)
        if metric == "cosine":
            together = _directions(together, together)
        K, m = len(together), len(centers)
        of_clusters = {name: np.full(K, np.nan) for name in ("w_sum", "sse", "distance_sum", "radius")}
        of_candidates = {name: np.full(m, np.nan) for name in ("total_sse", "gain", "shift", *INDICES)}
        return cls(
            metric, together, offsets, origin, np.ones(m, bool), np.full(together.shape, np.nan), np.zeros(K, np.int64),
            **of_clusters, **of_candidates, n_moved=np.zeros(m, np.int64), n_empty=np.zeros(m, np.int64),
        )  # fmt: skip

    def query(self) -> KMeansQuery:
        """What the next pass needs: the candidates still alive."""
        sizes = np.diff(self.offsets)
        return KMeansQuery(
            self.metric, self.centers[np.repeat(self.alive, sizes)], np.cumsum([0, *sizes[self.alive]]), self.origin
        )

    def retire(self, done: np.ndarray) -> KMeansState:
        """The state with the candidates of the mask `done` (m,) out of the passes."""
        return KMeansState(**{**vars(self), "alive": self.alive & ~done})

    def clusters(self, candidate: int) -> slice:
        """The clusters of a candidate."""
        return slice(int(self.offsets[candidate]), int(self.offsets[candidate + 1]))


def update(state: KMeansState, statistics: KMeansStatistics) -> KMeansState:
    """(3) for every candidate that is alive, with what the pass says about the centres it had."""
    query = state.query()
    values: dict[str, Any] = {
        name: value.copy() if isinstance(value, np.ndarray) else value for name, value in vars(state).items()
    }
    live = np.repeat(state.alive, np.diff(state.offsets))
    values["evaluated"][live] = query.centers
    for name in ("n_cluster", "w_sum", "sse", "distance_sum", "radius"):
        values[name][live] = getattr(statistics, name)
    for i, at in zip(np.flatnonzero(state.alive).tolist(), query.candidates()):
        centers, n_moved = _new_centers(query, statistics, at)
        moves = ((centers - query.centers[at]) ** 2).sum(axis=1)
        values["centers"][state.clusters(i)] = centers
        values["total_sse"][i] = statistics.sse[at].sum()
        values["gain"][i] = (statistics.w_sum[at] * moves).sum()
        values["shift"][i] = moves.sum()
        values["n_moved"][i] += n_moved
        values["n_empty"][i] = (statistics.w_sum[at] == 0).sum()
        for name, value in quality(query, statistics, at).items():
            values[name][i] = value
    return KMeansState(**values)


def _new_centers(query: KMeansQuery, statistics: KMeansStatistics, at: slice) -> tuple[np.ndarray, int]:
    """The next centres of one candidate, and how many of them were moved."""
    weights = statistics.w_sum[at]
    means = statistics.wx_sum[at] / np.where(weights > 0, weights, 1)[:, None]
    if query.metric == "cosine":
        means = _directions(means, query.centers[at])
    centers = np.where((weights > 0)[:, None], query.origin + means, query.centers[at])
    empty = np.flatnonzero(weights == 0)
    radius, places = statistics.radius[at], statistics.places[at]
    order = np.lexsort((places[:, 2], places[:, 1], places[:, 0], -radius))
    far = order[radius[order] > 0][: len(empty)]
    centers[empty[: len(far)]] = query.origin + statistics.farthest[at][far]
    return centers, len(far)


def quality(query: KMeansQuery, statistics: KMeansStatistics, at: slice) -> dict[str, float]:
    """(5) to (7) of one candidate; NaN where they are not defined: with one cluster, or one that has no rows."""
    weights, k = statistics.w_sum[at], at.stop - at.start
    if k < 2 or not (weights > 0).all():
        return dict.fromkeys(INDICES, np.nan)
    means = statistics.wx_sum[at] / weights[:, None]
    total = weights.sum()
    about = means - weights @ means / total
    between = float((weights * (about**2).sum(axis=1)).sum())
    moved = ((means + query.origin - query.centers[at]) ** 2).sum(axis=1)
    within = float((statistics.sse[at] - weights * moved).sum())
    apart = np.sqrt(((means[:, None] - means) ** 2).sum(axis=2))
    spread = statistics.distance_sum[at] / weights
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (spread[:, None] + spread) / apart
        np.fill_diagonal(ratio, -np.inf)
        return {
            "silhouette": float(statistics.silhouette_sum[at].sum() / total),
            "calinski_harabasz": float(np.divide(between / (k - 1), within / (total - k))) if total > k else np.nan,
            "davies_bouldin": float(ratio.max(axis=1).mean()),
        }


def _directions(vectors: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """Vectors (k, p) of length one; where a vector is zero, another one."""
    lengths = np.sqrt((vectors**2).sum(axis=1))[:, None]
    return np.where(lengths > 0, vectors / np.where(lengths > 0, lengths, 1), otherwise)
