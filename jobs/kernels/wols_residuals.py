"""The second pass of weighted least squares: what a fit says about itself through its residuals.

With z = (1, x - c), W the weights and G a root of the (penalised) inverse, G G' = (Z'WZ)^-1, every row is looked at in the
coordinates q = G'z, in which the weighted features are orthonormal: sums of squares and products there keep their digits.
A row counts a times with weight d: a = 1, d = w for analytic weights, Var(e) = sigma^2 / w; a = w, d = 1 for frequency
weights, w copies of the row. With e = y - yhat, u = sqrt(d) e, v = u / sigma and h = d |q|^2 the pass gathers

    leverage          sum a h, the trace of the hat matrix (Hoaglin and Welsch, The American Statistician 32, 1978)
    sandwich middles  sum a d v^2 q q' (1 - h)^-j, j = 0, 1, 2: HC0 (White, Econometrica 48, 1980), HC2 and HC3 (MacKinnon
                      and White, Journal of Econometrics 29, 1985);  sum a d^2 q q': rows of one variance whatever w
    cluster scores    sum over the rows of each cluster of a sqrt(d) v q (Liang and Zeger, Biometrika 73, 1986)
    Grams             of (1, v, v^2 - 1, f, f^2, q), f = yhat / sigma, for moments up to 4 and the regressions of u^2 on x
                      (Koenker, Journal of Econometrics 17, 1981); of (1, v^2 - 1, all products of q) for White's (1980)
    PRESS             sum a (v / (1 - h))^2 (Allen, Technometrics 16, 1974)
    influence         the rows of largest D = v^2 h / (1 - h)^2, with their places: Cook's distance times the number of
                      coefficients (Cook, Technometrics 19, 1977)
    succession        sum of (v_i - v_(i-1))^2 within each piece of the data (Durbin and Watson, Biometrika 37, 1950) and
                      both ends of each piece, which whoever has all pieces joins in the order of the data

A row with h = 1 is fitted whatever its y: its e is 0, its 1 / (1 - h) infinite. It is counted, named, and left out of HC2,
HC3, PRESS and D.

The root and the residuals are those of a query: any linear fit has one, penalised or not.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels.clusters import sums_by_key
from jobs.kernels.contract import Statistics, close_arrays, close_grams
from jobs.kernels.wols import WOLSQuery, WOLSSolution, WOLSStatistics
from jobs.records import Record, array_field

WEIGHT_TYPES = ("analytic", "frequency")
# White's regression has (p + 1)(p + 2) / 2 columns, whose Gram matrix costs the square of that a row.
WHITE_MOST_FEATURES = 15
# e / (1 - h) is rounding error where 1 - h is below this.
LEVERAGE_ONE = 1e-10
SLICE_CELLS = 2**15  # of q: a slice and its products stay in the processor's cache
# The columns of variance_gram before those of q, and of white_gram before the products.
ONE, V, V2, FITTED, FITTED2, Q = range(6)
WHITE_V2, WHITE_PRODUCTS = 1, 2
# The columns of influence.
COOK, LEVERAGE, WEIGHTED_RESIDUAL, RESIDUAL = range(4)


@dataclass
class WOLSResidualsQuery(Record):
    """The fit whose residuals are wanted.

    centred_intercept: of y - target_center on x - center; coefficients: the slopes, shape (p,)
    root: G, shape (p + 1, r), intercept first
    sigma: the unit of the residuals sqrt(d) e, any positive number of their size
    n_influential: how many rows of largest influence to keep
    tests: whether to gather what takes the leverage of each row or is about the residuals themselves; without, there is
        what HC0, HC1, the equal-variance and the cluster sandwich are made of
    white: whether to gather White's products
    durbin_watson: whether to follow the residuals in the order of the data, for which each `add` must take contiguous rows
    """

    centred_intercept: float
    target_center: float
    sigma: float
    coefficients: np.ndarray = array_field("<f8", 1)
    center: np.ndarray = array_field("<f8", 1)
    root: np.ndarray = array_field("<f8", 2)
    weight_type: str = "analytic"
    tests: bool = True
    n_influential: int = 10
    white: bool = True
    durbin_watson: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight_type not in WEIGHT_TYPES:
            raise BadRecord(f"weight_type is one of {', '.join(WEIGHT_TYPES)}, not {self.weight_type!r}")
        if not 0 < self.sigma < math.inf:
            raise BadRecord(f"sigma is a positive number, not {self.sigma!r}")


@dataclass
class WOLSResidualsStatistics(Statistics):
    """Sums over the rows of positive weight, residuals in units of sigma; Grams of shape (r, r) unless said otherwise."""

    n_influential: int
    n_rows: int
    n_observations: float  # sum a: the number of rows, copies counted
    residual_square_sum: float  # sum a e^2 / sigma^2
    press: float
    leverage_sum: float
    leverage_max: float
    n_leverage_one: int  # rows with h = 1; none stands for several, whose leverages would be equal and their sum at most 1
    successive_square_sum: float
    residual_range: np.ndarray = array_field("<f8", 1)  # of v and zero: the weighted residuals of a fit have both signs
    hc0_gram: np.ndarray = array_field("<f8", 2)
    hc2_gram: np.ndarray = array_field("<f8", 2)
    hc3_gram: np.ndarray = array_field("<f8", 2)
    square_gram: np.ndarray = array_field("<f8", 2)
    variance_gram: np.ndarray = array_field("<f8", 2)  # (r + 5, r + 5), or (0, 0)
    white_gram: np.ndarray = array_field("<f8", 2)  # (r (r + 1) / 2 + 2, the same), or (0, 0)
    influence: np.ndarray = array_field("<f8", 2)  # (s, 4), s <= n_influential, descending: D, h, v, e
    influence_places: np.ndarray = array_field("<i8", 2)  # (s, 3): part, block, row
    leverage_one_places: np.ndarray = array_field("<i8", 2)  # (s, 3), s <= n_influential, the first in the data
    piece_places: np.ndarray = array_field("<i8", 2)  # (b, 3): where each piece begins, in the order of the data
    piece_ends: np.ndarray = array_field("<f8", 2)  # (b, 2): first and last v of each piece
    cluster_keys: np.ndarray = array_field("<u8", 1)  # (G,), ascending
    cluster_scores: np.ndarray = array_field("<f8", 2)  # (G, r)

    @classmethod
    def zero(cls, query: WOLSResidualsQuery) -> WOLSResidualsStatistics:
        r = query.root.shape[1]
        n_columns = Q + r if query.tests else 0
        n_white = WHITE_PRODUCTS + r * (r + 1) // 2 if query.tests and query.white else 0
        nowhere = np.zeros((0, 3), np.int64)
        return cls(
            n_influential=query.n_influential, n_rows=0, n_observations=0.0, residual_square_sum=0.0, press=0.0,
            leverage_sum=0.0, leverage_max=0.0, n_leverage_one=0, successive_square_sum=0.0,
            residual_range=np.zeros(2),
            hc0_gram=np.zeros((r, r)), hc2_gram=np.zeros((r, r)), hc3_gram=np.zeros((r, r)), square_gram=np.zeros((r, r)),
            variance_gram=np.zeros((n_columns, n_columns)), white_gram=np.zeros((n_white, n_white)),
            influence=np.zeros((0, 4)), influence_places=nowhere, leverage_one_places=nowhere,
            piece_places=nowhere, piece_ends=np.zeros((0, 2)),
            cluster_keys=np.zeros(0, np.uint64), cluster_scores=np.zeros((0, r)),
        )  # fmt: skip

    def add(self, rows: Any, query: WOLSResidualsQuery) -> None:
        present = np.flatnonzero(rows.w > 0)
        n, r = len(present), query.root.shape[1]
        if not n:
            return
        everything = n == len(rows.w)
        features = rows.X.T if everything else rows.X.T[:, present]  # by features: each lies together in memory
        y, w = (rows.y, rows.w) if everything else (rows.y[present], rows.w[present])
        keys = rows.cluster_keys
        scores = np.empty((0 if keys is None else n, r))
        e, v, h = np.empty(n), np.empty(n), np.empty(n)
        height = max(SLICE_CELLS // (r + 2), 1024)
        for start in range(0, n, height):
            cut = slice(start, start + height)
            e[cut], v[cut], h[cut], score = self._add_slice(features[:, cut], y[cut], w[cut], query, keys is not None)
            scores[cut] = score
        self.n_rows += n
        times = w if query.weight_type == "frequency" else np.ones(n)
        self.n_observations += float(times.sum())

        if query.tests:
            self._add_rows(rows, present, e, v, h, times, query)
        if keys is not None:
            keys, sums = sums_by_key(keys[present], scores)
            merged = np.concatenate([self.cluster_keys, keys]), np.concatenate([self.cluster_scores, sums])
            self.cluster_keys, self.cluster_scores = sums_by_key(*merged)

    def _add_rows(
        self,
        rows: Any,
        present: np.ndarray,
        e: np.ndarray,
        v: np.ndarray,
        h: np.ndarray,
        times: np.ndarray,
        query: WOLSResidualsQuery,
    ) -> None:
        """Adds what is known of single rows: their leverage and influence, and how they follow each other."""

        def places(chosen: np.ndarray) -> np.ndarray:
            positions = rows.positions[present[chosen]]
            return np.column_stack([np.full_like(positions, rows.part), np.full_like(positions, rows.number), positions])

        self._add_leverage(e, v, h, times, places)
        self.residual_range = np.array([min(self.residual_range[0], v.min()), max(self.residual_range[1], v.max())])
        if query.durbin_watson:
            steps = np.diff(v)
            self.successive_square_sum += float(np.dot(steps, steps))
            ends = np.concatenate([self.piece_ends, [[v[0], v[-1]]]])
            self.piece_places, self.piece_ends = _in_order(np.concatenate([self.piece_places, places(np.arange(1))]), ends)

    def _add_slice(
        self, features: np.ndarray, y: np.ndarray, w: np.ndarray, query: WOLSResidualsQuery, scored: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Adds the matrices of some rows, features of shape (p, n); returns their e, v, h and, where wanted, scores."""
        frequency = query.weight_type == "frequency"
        z = np.empty((len(features) + 1, len(y)))
        z[0] = 1
        np.subtract(features, query.center[:, None], out=z[1:])
        fitted = query.centred_intercept + query.coefficients @ z[1:]
        e = (y - query.target_center) - fitted
        q = query.root.T @ z
        root_w = np.sqrt(w)
        v = e / query.sigma if frequency else root_w * (e / query.sigma)
        scaled = q * (root_w * v)  # of either weight type: sqrt(a d) = sqrt(w)
        self.hc0_gram += _gram(scaled)
        self.square_gram += _gram(q * (root_w if frequency else w))
        times_e2 = w * e**2 if frequency else e**2
        self.residual_square_sum += float(np.sum(times_e2 / query.sigma**2))
        score = (scaled * root_w if frequency else scaled).T if scored else np.empty((0, len(q)))
        if not query.tests:
            return e, v, np.zeros(len(y)), score
        h = np.einsum("ij,ij->j", q, q)
        if not frequency:
            h *= w
        left = 1 - h
        with np.errstate(divide="ignore"):
            inverse = np.where(left > LEVERAGE_ONE, 1 / left, 0.0)
        self.hc2_gram += _gram(scaled * np.sqrt(inverse))
        self.hc3_gram += _gram(scaled * inverse)
        columns = np.empty((Q + len(q), len(y)))
        columns[ONE], columns[V], columns[V2] = 1, v, v**2 - 1
        columns[FITTED] = fitted / query.sigma
        np.square(columns[FITTED], out=columns[FITTED2])
        columns[Q:] = q
        self.variance_gram += _gram(columns * root_w if frequency else columns)
        if query.white:
            products = _products(columns[[ONE, V2]], q)
            self.white_gram += _gram(products * root_w if frequency else products)
        return e, v, h, score

    def _add_leverage(
        self,
        e: np.ndarray,
        v: np.ndarray,
        h: np.ndarray,
        times: np.ndarray,
        places: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        self.leverage_sum += float(np.dot(times, h))
        self.leverage_max = max(self.leverage_max, float(h.max()))
        left = 1 - h
        one = np.flatnonzero(left <= LEVERAGE_ONE)
        if len(one):
            self.n_leverage_one += len(one)
            found = np.concatenate([self.leverage_one_places, places(one)])
            self.leverage_one_places = _first(self.n_influential, found)
            left[one] = math.inf
        deleted = v / left
        self.press += float(np.dot(times, np.square(deleted)))
        distance = np.square(deleted) * h
        distance[one] = -1.0
        enters = _may_enter(distance, self.influence[:, COOK], self.n_influential)
        values = np.column_stack([distance[enters], h[enters], v[enters], e[enters]])
        self.influence, self.influence_places = _largest(
            self.n_influential,
            np.concatenate([self.influence, values]),
            np.concatenate([self.influence_places, places(enters)]),
        )

    def merge(self, other: WOLSResidualsStatistics) -> WOLSResidualsStatistics:
        def both(name: str) -> np.ndarray:
            return np.concatenate([getattr(self, name), getattr(other, name)])

        sums = (
            "n_rows", "n_observations", "residual_square_sum", "press", "leverage_sum", "n_leverage_one",
            "successive_square_sum", "hc0_gram", "hc2_gram", "hc3_gram", "square_gram", "variance_gram", "white_gram",
        )  # fmt: skip
        influence, influence_places = _largest(self.n_influential, both("influence"), both("influence_places"))
        piece_places, piece_ends = _in_order(both("piece_places"), both("piece_ends"))
        cluster_keys, cluster_scores = sums_by_key(both("cluster_keys"), both("cluster_scores"))
        (low, high), (other_low, other_high) = self.residual_range, other.residual_range
        return WOLSResidualsStatistics(
            n_influential=self.n_influential,
            leverage_max=max(self.leverage_max, other.leverage_max),
            residual_range=np.array([min(low, other_low), max(high, other_high)]),
            influence=influence,
            influence_places=influence_places,
            leverage_one_places=_first(self.n_influential, both("leverage_one_places")),
            piece_places=piece_places,
            piece_ends=piece_ends,
            cluster_keys=cluster_keys,
            cluster_scores=cluster_scores,
            **{name: getattr(self, name) + getattr(other, name) for name in sums},
        )

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        """Grams by entry, influence by column, places and keys exactly."""
        if not isinstance(other, WOLSResidualsStatistics):
            return False
        numbers = (
            "n_influential", "n_rows", "n_observations", "residual_square_sum", "press", "leverage_sum", "leverage_max",
            "n_leverage_one", "successive_square_sum", "residual_range", "piece_ends", "cluster_scores",
        )  # fmt: skip
        grams = ("hc0_gram", "hc2_gram", "hc3_gram", "square_gram", "variance_gram", "white_gram")
        exact = ("influence_places", "leverage_one_places", "piece_places", "cluster_keys")
        return (
            all(np.array_equal(getattr(self, name), getattr(other, name)) for name in exact)
            and all(close_arrays(getattr(self, name), getattr(other, name), rtol) for name in numbers)
            and all(close_grams(getattr(self, name), getattr(other, name), rtol) for name in grams)
            and self.influence.shape == other.influence.shape
            and all(close_arrays(a, b, rtol) for a, b in zip(self.influence.T, other.influence.T))
        )


def residuals_query(
    query: WOLSQuery,
    statistics: WOLSStatistics,
    solution: WOLSSolution,
    weight_type: str = "analytic",
    tests: bool = True,
    root_of_inverse: np.ndarray | None = None,
) -> WOLSResidualsQuery:
    """The second pass over a fit, from the first: nothing here subtracts the centre again, which would cost its digits.

    :param root_of_inverse: of (Z'WZ + penalty)^-1 in the form of the solution's covariance root, for a penalised fit
    """
    r11, r1x, r1y = statistics.r[0, 0], statistics.r[0, 1:-1], statistics.r[0, -1]
    root = centred_root(statistics, solution.covariance_root if root_of_inverse is None else root_of_inverse)
    n = statistics.weight_sum if weight_type == "frequency" else statistics.n_rows
    sigma = math.sqrt(solution.residual_square_sum / max(n - root.shape[1], 1.0))
    return WOLSResidualsQuery(
        centred_intercept=float((r1y - r1x @ solution.coefficients) / r11),
        target_center=query.target_center,
        sigma=sigma if sigma > 0 else 1.0,
        coefficients=solution.coefficients,
        center=query.center,
        root=root,
        weight_type=weight_type,
        tests=tests,
        white=len(query.center) <= WHITE_MOST_FEATURES,
    )


def centred_root(statistics: WOLSStatistics, root: np.ndarray) -> np.ndarray:
    """A covariance root about the origin, (p + 1, r), turned to the coordinates (1, x - c) of the pass."""
    centred = root.copy()
    centred[0, 0] = 1 / statistics.r[0, 0]
    centred[0, 1:] = -(statistics.r[0, 1:-1] / statistics.r[0, 0]) @ root[1:, 1:]
    return centred


def _gram(matrix: np.ndarray) -> np.ndarray:
    """The sums of products of the rows of a matrix."""
    return matrix @ matrix.T


def _products(first: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Some rows, then the products q_i q_j, i <= j."""
    r = len(q)
    found = np.empty((len(first) + r * (r + 1) // 2, q.shape[1]))
    found[: len(first)] = first
    end = len(first)
    for i in range(r):
        start, end = end, end + r - i
        np.multiply(q[i:], q[i], out=found[start:end])
    return found


def _may_enter(distance: np.ndarray, kept: np.ndarray, k: int) -> np.ndarray:
    """The rows that may be among the k largest: the cheap comparison spares the sort of almost all."""
    threshold = kept[-1] if len(kept) == k > 0 else 0.0
    if len(distance) > k > 0:
        threshold = max(threshold, np.partition(distance, len(distance) - k)[len(distance) - k])
    return np.flatnonzero(distance >= threshold * (1 - 1e-9)) if k else np.zeros(0, np.intp)


def _largest(k: int, influence: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The k rows of largest distance. Among equal ones the place decides, and the last bits of a distance, which depend on
    the rows beside, make it no larger."""
    mantissa, exponent = np.frexp(influence[:, COOK])
    coarse = np.ldexp(np.round(mantissa * 2.0**36), exponent)
    chosen = np.lexsort((places[:, 2], places[:, 1], places[:, 0], -coarse))[:k]
    return influence[chosen], places[chosen]


def _in_order(places: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((places[:, 2], places[:, 1], places[:, 0]))
    return places[order], values[order]


def _first(k: int, places: np.ndarray) -> np.ndarray:
    return _in_order(places, places)[0][:k]
