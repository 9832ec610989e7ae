"""Gaussian mixtures: one step of EM for any number of candidates, each with its own number of components, in each pass.

For a candidate with weights pi_j, means mu_j and covariances S_j = L_j L_j', j = 1 ... k, and rows x of weight w,

    log p_j(x) = log pi_j - (p log 2 pi) / 2 - log |L_j| - |y_j|^2 / 2,   y_j = L_j^-1 (x - mu_j)      (1)
    log p(x)   = log sum_j exp log p_j(x)                                                              (2)
    r_j(x)     = exp(log p_j(x) - log p(x))                                       (E step)             (3)

    N_j  = sum w r_j                                                                                   (4)
    pi_j <- N_j / sum w                                                           (M step)             (5)
    mu_j <- mu_j + L_j d_j,                          d_j = sum w r_j y_j / N_j                         (6)
    S_j  <- L_j (sum w r_j y_j y_j' / N_j - d_j d_j') L_j' + reg I                                     (7)

(6) is the mean of the rows by their parts r_j, and (7) their covariance about that new mean: the sums are taken of y, whose
mean is near 0 and whose variance is near 1, so no digits are lost however far the data are from 0. From a step to the next
the sum of w log p(x) gains no less than the expected one of rows whose components are known (Dempster, Laird and Rubin,
"Maximum likelihood from incomplete data via the EM algorithm", JRSS B 39, 1977; Bishop, *Pattern Recognition and Machine
Learning*, 2006, 9.2), for any covariances S'_j that the step goes on with; L'_j their roots, T_j = L'_j^-1 L_j, and C_j
what stands in the brackets of (7):

    sum_j N_j (log (pi'_j / pi_j) - (tr T_j C_j T_j' - log |T_j|^2) / 2) + sum w r_j |y_j|^2 / 2        (8)

With reg = 0 that is never below 0. With another it may be, and what the passes find is held against it all the same.

Covariances: full, each its own; tied, the mean of (7) by N_j for all components of a candidate; diag, the diagonal of (7);
spherical, the mean of that diagonal. docs/gmm.md has these equations by the same numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels.contract import Statistics
from jobs.kernels.farthest import in_single_precision, nothing, take
from jobs.records import Record, array_field

COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")
# Rows at a time, so that what is computed of them stays in a processor's cache.
VALUES = 1 << 18
# Below the surprise of any row.
NEVER = -1e300


@dataclass
class GMMQuery(Record):
    """The components of all candidates, one after another.

    log_weights: (K,), log pi; means: (K, p); roots: the inverse L^-1 of each root of a covariance: (K, p, p) for full,
    (m, p, p) for tied, (K, 1, p) for diag, (K, 1, 1) for spherical; offsets: (m + 1,), candidate i has the components
    offsets[i] ... offsets[i + 1] - 1; origin: (p,), where the rows are taken from
    """

    covariance_type: str
    log_weights: np.ndarray = array_field("<f8", 1)
    means: np.ndarray = array_field("<f8", 2)
    roots: np.ndarray = array_field("<f8", 3)
    offsets: np.ndarray = array_field("<i8", 1)
    origin: np.ndarray = array_field("<f8", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        K, p = self.means.shape
        steps = np.diff(self.offsets)
        if not (len(steps) and self.offsets[0] == 0 and steps.min() > 0 and self.offsets[-1] == K):
            raise BadRecord("components that the offsets do not deal to candidates of one or more")
        if self.covariance_type not in COVARIANCE_TYPES or self.log_weights.shape != (K,) or self.origin.shape != (p,):
            raise BadRecord(f"{K} components of {p} features, {len(self.log_weights)} weights, {self.covariance_type!r}")
        if self.roots.shape != shape_of_covariances(self.covariance_type, K, len(steps), p):
            raise BadRecord(f"roots of the shape {self.roots.shape} for covariances of the type {self.covariance_type}")

    def candidates(self) -> list[slice]:
        """The components of each candidate."""
        return [slice(a, b) for a, b in zip(self.offsets[:-1].tolist(), self.offsets[1:].tolist())]


def shape_of_covariances(covariance_type: str, K: int, m: int, p: int) -> tuple[int, int, int]:
    """The shape of the covariances of K components in m candidates, or of their roots."""
    return {"full": (K, p, p), "tied": (m, p, p), "diag": (K, 1, p), "spherical": (K, 1, 1)}[covariance_type]


@dataclass
class GMMStatistics(Statistics):
    """Sums over rows for K components in m candidates.

    log_likelihood: (m,), sum w log p(x); entropy: (m,), - sum w sum_j r_j log r_j; r_sum: (K,), (4); ry_sum: (K, p);
    ryy_sum: sum w r y y', shaped as the covariances: for tied summed over components, for diag its diagonal, for spherical
    the sum of that
    surprise: (m,), the largest - log p(x) of a row with weight, NEVER without one; rarest, places: (m, p) and (m, 3), that
    row, as it stands in the data, and where
    """

    n_rows: int
    weight_sum: float
    log_likelihood: np.ndarray = array_field("<f8", 1)
    entropy: np.ndarray = array_field("<f8", 1)
    r_sum: np.ndarray = array_field("<f8", 1)
    ry_sum: np.ndarray = array_field("<f8", 2)
    ryy_sum: np.ndarray = array_field("<f8", 3)
    surprise: np.ndarray = array_field("<f8", 1)
    rarest: np.ndarray = array_field("<f8", 2)
    places: np.ndarray = array_field("<i8", 2)

    @classmethod
    def zero(cls, query: GMMQuery) -> GMMStatistics:
        K, p = query.means.shape
        m = len(query.offsets) - 1
        log_likelihood, entropy = np.zeros((2, m))
        return cls(
            0, 0.0, log_likelihood, entropy, np.zeros(K), np.zeros((K, p)), np.zeros(query.roots.shape),
            *nothing(m, p, NEVER),
        )  # fmt: skip

    def add(self, rows: Any, query: GMMQuery) -> None:
        n, p = rows.X.shape
        largest = int(np.diff(query.offsets).max())
        size = max(256, VALUES // (largest * p))
        for start in range(0, n, size):
            self._add_some(rows, query, slice(start, min(start + size, n)))
        self.n_rows += n
        self.weight_sum += float(rows.w.sum())

    def _add_some(self, rows: Any, query: GMMQuery, some: slice) -> None:
        x = np.ascontiguousarray((rows.X[some] - query.origin).T)
        w = rows.w[some]
        counts = w > 0
        for i, at in enumerate(query.candidates()):
            y, log_p = _log_densities(query, i, at, x)
            top = log_p.max(axis=0)
            r = np.exp(log_p - top)
            total = r.sum(axis=0)
            log_total = top + np.log(total)
            r *= w / total
            self.log_likelihood[i] += w @ log_total
            # Of what it hardly differs from: the difference of the two sums would have no right digits.
            log_p -= log_total
            self.entropy[i] -= np.vdot(r, np.where(r > 0, log_p, 0.0))
            self.r_sum[at] += r.sum(axis=1)
            self.ry_sum[at] += np.matmul(y, r[:, :, None])[:, :, 0]
            self._add_squares(query.covariance_type, i, at, y, r)
            if counts.any():
                rare = np.where(counts, -log_total, NEVER)
                j = int(in_single_precision(rare).argmax())
                one, row = slice(i, i + 1), np.array([some.start + j])
                mine = self.surprise[one], self.rarest[one], self.places[one]
                take(mine, (rare[j : j + 1], rows.X[row], rows.places(row)))

    def _add_squares(self, covariance_type: str, i: int, at: slice, y: np.ndarray, r: np.ndarray) -> None:
        if covariance_type in ("full", "tied"):
            for j in range(at.start, at.stop):
                own = y[j - at.start]
                self.ryy_sum[j if covariance_type == "full" else i] += (own * r[j - at.start]) @ own.T
            return
        squares = np.matmul(y * y, r[:, :, None])[:, :, 0]
        self.ryy_sum[at] += squares[:, None] if covariance_type == "diag" else squares.sum(axis=1)[:, None, None]

    def merge(self, other: GMMStatistics) -> GMMStatistics:
        merged = super().merge(other)
        merged.surprise, merged.rarest, merged.places = self.surprise.copy(), self.rarest.copy(), self.places.copy()
        take((merged.surprise, merged.rarest, merged.places), (other.surprise, other.rarest, other.places))
        return merged

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        """Equal up to rounding, and of the same rarest rows."""
        return isinstance(other, GMMStatistics) and super().close(other, rtol) and np.array_equal(self.places, other.places)


def _log_densities(query: GMMQuery, i: int, at: slice, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """y (k, p, n) and log p_j(x) (k, n), see (1), of rows about the origin (p, n), for the components of candidate i."""
    p, k = len(x), at.stop - at.start
    means = query.means[at] - query.origin
    if query.covariance_type in ("full", "tied"):
        roots = query.roots[at] if query.covariance_type == "full" else np.repeat(query.roots[i : i + 1], k, axis=0)
        y = roots.reshape(k * p, p) @ x
        y -= np.matmul(roots, means[:, :, None]).reshape(k * p, 1)
        y = y.reshape(k, p, -1)
        diagonals = np.diagonal(roots, axis1=1, axis2=2)
    else:
        diagonals = np.broadcast_to(query.roots[at][:, 0], (k, p))
        y = (x - means[:, :, None]) * diagonals[:, :, None]
    log_p = np.einsum("kjn,kjn->kn", y, y)
    log_p *= -0.5
    constants = query.log_weights[at] + np.log(diagonals).sum(axis=1) - p / 2 * math.log(2 * math.pi)
    log_p += constants[:, None]
    return y, log_p


def log_densities(query: GMMQuery, X: np.ndarray) -> np.ndarray:
    """log p_j(x), (1), of rows (n, p) for the components of the only candidate; shape (n, k)."""
    return _log_densities(query, 0, query.candidates()[0], np.ascontiguousarray((X - query.origin).T))[1].T
