"""k-means: any number of candidates, each with its own number of clusters, in each pass.

For a candidate with centres c_1 ... c_k, and rows x of weight w,

    assignment  a(x) = argmin_j |x - c_j|^2, of equals the first                            (1)
    objective   SSE  = sum w |x - c_a(x)|^2                                                 (2)
    new centre  c_j <- sum_{a(x) = j} w x / sum_{a(x) = j} w                                (3)

(1) and (3) in turn never raise (2) (Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28, 1982). Before
it is known, the next pass is known to be lower by at least

    gain = sum_j W_j |c_j - new c_j|^2,     W_j = sum_{a(x) = j} w                          (4)

since each row may stay where it is. A cluster without rows takes the farthest row of another cluster for its centre, each
a different one.

With the metric "cosine" every row counts by its direction, x / |x|, and so does a new centre: then (2) is twice the sum of
w (1 - cos) (Dhillon and Modha, "Concept decompositions for large sparse text data", Machine Learning 42, 2001).

The quality of each candidate comes from the same pass. With a and b the distances of a row from its centre and from the
next nearest one:

    simplified silhouette  mean of w (b - a) / max(a, b)                                    (5)
    Calinski-Harabasz      (B / (k - 1)) / (SSE / (W - k)), B = sum_j W_j |m_j - m|^2        (6)
    Davies-Bouldin         mean over j of max_i (s_i + s_j) / |m_i - m_j|                   (7)

m_j: the mean of cluster j, m: of all, s_j: the mean distance of the rows of cluster j from its centre (Hruschka, de Castro
and Campello, ICDM 2004; Calinski and Harabasz, Commun. in Statistics 3, 1974; Davies and Bouldin, IEEE PAMI 1, 1979).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import BadRecord, BadRow
from jobs.kernels.contract import Statistics
from jobs.kernels.farthest import NOWHERE, in_single_precision, nothing, take
from jobs.records import Record, array_field

# Rows so near to a centre, relative to the origin, that the difference of two squares has few right digits.
BLURRED = 1e-5
METRICS = ("euclidean", "cosine")


@dataclass
class KMeansQuery(Record):
    """The centres of all candidates, one after another.

    centers: (K, p); offsets: (m + 1,), candidate i has the centres offsets[i] ... offsets[i + 1] - 1; origin: (p,), where
    sums are taken from, zero for cosine
    """

    metric: str
    centers: np.ndarray = array_field("<f8", 2)
    offsets: np.ndarray = array_field("<i8", 1)
    origin: np.ndarray = array_field("<f8", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        steps = np.diff(self.offsets)
        if not (len(steps) and self.offsets[0] == 0 and steps.min() > 0 and self.offsets[-1] == len(self.centers)):
            raise BadRecord("centres that the offsets do not deal to candidates of one centre or more")
        if self.centers.shape[1:] != self.origin.shape or self.metric not in METRICS:
            raise BadRecord(f"centres of {self.centers.shape[1]} columns, an origin of {len(self.origin)}, {self.metric!r}")

    def candidates(self) -> list[slice]:
        """The centres of each candidate."""
        return [slice(a, b) for a, b in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist())]


@dataclass
class KMeansStatistics(Statistics):
    """Sums over the rows of each of K clusters, x about the origin.

    n_rows, weight_sum: of all rows; n_cluster: (K,) rows; w_sum: (K,); wx_sum: (K, p); sse: (K,), sum w d^2 of the
    distance d from the centre; distance_sum: (K,), sum w d; silhouette_sum: (K,), the sum of (5)
    radius: (K,), the largest d^2 of a row with weight, -1 without one; farthest, places: (K, p) and (K, 3), that row, about
    the origin, and where it stands
    """

    n_rows: int
    weight_sum: float
    n_cluster: np.ndarray = array_field("<i8", 1)
    w_sum: np.ndarray = array_field("<f8", 1)
    wx_sum: np.ndarray = array_field("<f8", 2)
    sse: np.ndarray = array_field("<f8", 1)
    distance_sum: np.ndarray = array_field("<f8", 1)
    silhouette_sum: np.ndarray = array_field("<f8", 1)
    radius: np.ndarray = array_field("<f8", 1)
    farthest: np.ndarray = array_field("<f8", 2)
    places: np.ndarray = array_field("<i8", 2)

    @classmethod
    def zero(cls, query: KMeansQuery) -> KMeansStatistics:
        K, p = query.centers.shape
        sse, distance_sum, silhouette_sum = np.zeros((3, K))
        return cls(
            0, 0.0, np.zeros(K, np.int64), np.zeros(K), np.zeros((K, p)), sse, distance_sum, silhouette_sum, *nothing(K, p)
        )

    def add(self, rows: Any, query: KMeansQuery) -> None:
        n, p = rows.X.shape
        if n == 0:
            return
        # A one in each row: so one product adds |c|^2, and one gives the weight of a cluster with its other sums.
        x = np.empty((p + 4, n))
        x[:p], x[p] = points(rows.X, query).T, 1.0
        square = np.einsum("jn,jn->n", x[:p], x[:p])
        centers = query.centers - query.origin
        lines = np.column_stack([-2 * centers, np.einsum("kj,kj->k", centers, centers)])
        for candidate in query.candidates():
            self._add_candidate(candidate, lines[candidate] @ x[: p + 1], centers[candidate], x, square, rows)
        self.n_rows += n
        self.weight_sum += float(rows.w.sum())

    def _add_candidate(
        self, at: slice, distances: np.ndarray, centers: np.ndarray, x: np.ndarray, square: np.ndarray, rows: Any
    ) -> None:
        """
        :param distances: d^2 - |x|^2, shape (k, n), which is spoilt
        :param centers: (k, p), about the origin
        :param x: (p + 4, n), whose last lines are free
        """
        nearest = distances.min(axis=0)
        is_in = distances == nearest
        n = len(nearest)
        if np.count_nonzero(is_in) > n:  # as near to two centres
            is_in &= is_in.cumsum(axis=0) == 1
        np.putmask(distances, is_in, np.inf)
        second = distances.min(axis=0)
        # Rounding may make a small square negative.
        d2 = np.maximum(nearest + square, 0.0)
        blurred = np.flatnonzero(d2 < BLURRED * square)
        if len(blurred):
            own = centers[is_in[:, blurred].argmax(axis=0)]
            d2[blurred] = ((x[:-4, blurred].T - own) ** 2).sum(axis=1)
        d = np.sqrt(d2)
        with np.errstate(invalid="ignore"):
            silhouette = 1 - d / np.sqrt(np.maximum(second + square, 0.0))
        silhouette[~np.isfinite(silhouette)] = 0.0  # on two centres at once; with one cluster d / inf is 0, see `quality`
        x[-3], x[-2], x[-1] = d2, d, silhouette
        sums = (is_in * rows.w) @ x.T
        self.n_cluster[at] += is_in.sum(axis=1)
        self.wx_sum[at] += sums[:, :-4]
        self.w_sum[at] += sums[:, -4]
        self.sse[at] += sums[:, -3]
        self.distance_sum[at] += sums[:, -2]
        self.silhouette_sum[at] += sums[:, -1]
        mine = np.where(is_in, in_single_precision(np.where(rows.w > 0, d2, -1.0)), np.float32(-1.0))
        far = mine.argmax(axis=1)
        radius = np.where(mine[np.arange(len(far)), far] < 0, -1.0, d2[far])
        places = np.where((radius < 0)[:, None], NOWHERE, rows.places(far))
        take((self.radius[at], self.farthest[at], self.places[at]), (radius, x[:-4, far].T, places))

    def merge(self, other: KMeansStatistics) -> KMeansStatistics:
        merged = super().merge(other)
        merged.radius, merged.farthest, merged.places = self.radius.copy(), self.farthest.copy(), self.places.copy()
        take((merged.radius, merged.farthest, merged.places), (other.radius, other.farthest, other.places))
        return merged

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        """Equal up to rounding, and of the same farthest rows."""
        return (
            isinstance(other, KMeansStatistics) and super().close(other, rtol) and np.array_equal(self.places, other.places)
        )


def square_distances(x: np.ndarray, centers: np.ndarray) -> np.ndarray:
    """|x - c|^2 of rows (n, p) and centres (k, p), but for rounding, which may make one negative; shape (k, n)."""
    lengths = np.einsum("kj,kj->k", centers, centers)[:, None] - 2 * (centers @ x.T)
    return lengths + np.einsum("nj,nj->n", x, x)


def points(X: np.ndarray, query: Any) -> np.ndarray:
    """Rows (n, p) as distances are taken of them: about the origin, or their directions.

    :raises BadRow: a row of zeros, which has no direction
    """
    if query.metric == "euclidean":
        return X - query.origin
    lengths = np.sqrt(np.einsum("nj,nj->n", X, X))
    if not lengths.all():
        raise BadRow("a row is zero in all features, so it has no direction; --metric euclidean takes it")
    return X / lengths[:, None]
