"""Weighted least squares for each of many groups in one pass: minimise sum_i w_i (y_i - a_g - x_i'b_g)^2 over group g.

Of each group the statistic is W = sum w, the mean m of z = (x, y), and S = sum w (z - m)(z - m)'. Two sets of rows merge by

    d = m_B - m_A,   m = m_A + (W_B / W) d,   S = S_A + S_B + (W_A W_B / W) d d'

(Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The American Statistician 37, 1983). A group may
lie far from all others and be narrow, so no centre is shared: a mean is kept as one row of the group, its origin, and the
small way from there. Differences of rows that lie near each other are exact in doubles, so S keeps its digits wherever the
group lies.

With s = diag(S)^(1/2) and the correlations C of the features, C = V diag(l) V',

    b = diag(1/s) V diag(1/l) V' r s_y,   Cov(a, b) = sigma^2 (X'WX)^-1,   sigma^2 = RSS / (n - p - 1)

Normal equations have the square of the features' condition number. A group for which less than six digits would be left is
not fitted, and is said to have dependent features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels.contract import Statistics, close_arrays
from jobs.kernels.keyed import Keyed, KeyedStatistics, grouped
from jobs.records import Record, array_field

EPS = float(np.finfo(float).eps)
FITTED, TOO_FEW, CONSTANT, DEPENDENT, TOO_LARGE = range(5)
STATUSES = ("fitted", "too few rows", "constant feature", "dependent features", "numbers too large")
# The least eigenvalue of the correlations of features that are told apart.
LEAST_EIGENVALUE = 2.0**20 * EPS


@dataclass
class WOLSGroupsQuery(Record):
    """The number of features; the rows that a group must have; and whether weights are counts of rows."""

    n_features: int
    min_rows: int
    frequency: bool = False


@dataclass
class WOLSGroupsStatistics(KeyedStatistics):
    """Sums over the rows of positive weight; k columns, the features and the target.

    The mean of a column is origin + offset; products: S, the rows of its upper triangle, (G, k (k + 1) / 2).
    """

    n_rows: np.ndarray = array_field("<i8", 1)
    weight_sum: np.ndarray = array_field("<f8", 1)
    origin: np.ndarray = array_field("<f8", 2)
    offset: np.ndarray = array_field("<f8", 2)
    products: np.ndarray = array_field("<f8", 2)

    @classmethod
    def zero(cls, query: WOLSGroupsQuery) -> WOLSGroupsStatistics:
        k = query.n_features + 1
        nothing = np.zeros((0, k))
        return cls(np.zeros(0), np.zeros(0), np.zeros(0), nothing, nothing, np.zeros((0, k * (k + 1) // 2)))

    @classmethod
    def leaf(cls, rows: Any, query: WOLSGroupsQuery) -> WOLSGroupsStatistics:
        if rows.X.shape[1] != query.n_features:
            raise BadRecord(f"rows of {rows.X.shape[1]} features where {query.n_features} are asked for")
        counted = np.flatnonzero(rows.w > 0)
        if not len(counted):
            return cls.zero(query)
        keys = rows.group_keys[counted]
        order, begins = grouped(keys)
        at, w = counted[order], rows.w[counted[order]]
        lengths = np.diff(np.append(begins, len(order)))
        weight_sum = np.add.reduceat(w, begins)
        columns = [*(rows.X[:, j] for j in range(query.n_features)), rows.y]
        k = len(columns)
        origin = np.empty((len(begins), k))
        offset = np.empty((len(begins), k))
        products = np.empty((len(begins), k * (k + 1) // 2))
        centred = []
        for j, column in enumerate(columns):
            z = column[at]
            origin[:, j] = z[begins]
            z = z - np.repeat(origin[:, j], lengths)
            offset[:, j] = np.add.reduceat(w * z, begins) / weight_sum
            centred.append(z - np.repeat(offset[:, j], lengths))
        with np.errstate(over="ignore", invalid="ignore"):
            pairs = [(i, j) for i in range(k) for j in range(i, k)]
            for place, (i, j) in enumerate(pairs):
                products[:, place] = np.add.reduceat(w * centred[i] * centred[j], begins)
        return cls(keys[order[begins]], lengths, weight_sum, origin, offset, products)

    def pair(self, other: WOLSGroupsStatistics) -> WOLSGroupsStatistics:
        i, j = np.triu_indices(self.origin.shape[1])
        total = self.weight_sum + other.weight_sum
        share = (other.weight_sum / total)[:, None]
        with np.errstate(over="ignore", invalid="ignore"):
            d = (other.origin - self.origin) + (other.offset - self.offset)
            products = d[:, i] * (self.weight_sum[:, None] * share)
            products *= d[:, j]
            products += self.products
            products += other.products
            offset = self.offset + share * d
        return WOLSGroupsStatistics(self.keys, self.n_rows + other.n_rows, total, self.origin, offset, products)

    @property
    def mean(self) -> np.ndarray:
        """The means of the columns, (G, k)."""
        return self.origin + self.offset

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        """Which row is the origin of a group is no matter of what it holds."""
        if not isinstance(other, WOLSGroupsStatistics) or not np.array_equal(self.keys, other.keys):
            return False
        names = ("n_rows", "weight_sum", "mean", "products")
        return all(close_arrays(getattr(self, name), getattr(other, name), rtol) for name in names)


@dataclass
class WOLSGroups(Keyed):
    """The fits of G groups of p features: what a group that is not fitted has no value for is NaN.

    status: one of STATUSES by its number. coefficients (G, p + 1) and standard_errors, intercept first. condition: the
    condition number of the features, each centred and scaled.
    """

    n_rows: np.ndarray = array_field("<i8", 1)
    weight_sum: np.ndarray = array_field("<f8", 1)
    status: np.ndarray = array_field("|i1", 1)
    coefficients: np.ndarray = array_field("<f8", 2)
    standard_errors: np.ndarray = array_field("<f8", 2)
    df_residuals: np.ndarray = array_field("<f8", 1)
    sigma: np.ndarray = array_field("<f8", 1)
    r_squared: np.ndarray = array_field("<f8", 1)
    condition: np.ndarray = array_field("<f8", 1)


@dataclass
class Spread:
    """What the first p columns of groups, their features, are like.

    status: (G,), FITTED where they can be told apart, or why not. Of the g groups that can, by their places `at`: scale
    (g, p), the roots of the diagonal of S; values (g, p) and vectors (g, p, p) of the correlations; S (g, k, k); condition
    (g,), the condition number of the features, each centred and scaled.
    """

    status: np.ndarray
    at: np.ndarray
    scale: np.ndarray
    values: np.ndarray
    vectors: np.ndarray
    products: np.ndarray
    condition: np.ndarray


def spread_of(statistics: WOLSGroupsStatistics, n: np.ndarray, min_rows: int, p: int) -> Spread:
    """
    :param n: the rows of each group, or the rows that they stand for, (G,)
    :param min_rows: what they must be at least
    """
    k = statistics.origin.shape[1]
    status = np.full(len(n), FITTED, np.int8)
    i, j = np.triu_indices(k)
    variances = statistics.products[:, i == j]
    status[(n < min_rows) | (n < p + 1)] = TOO_FEW
    finite = np.isfinite(statistics.products).all(axis=1) & np.isfinite(statistics.mean).all(axis=1)
    status[(status == FITTED) & ~finite] = TOO_LARGE
    with np.errstate(over="ignore", invalid="ignore"):
        spread = np.sqrt(variances)
        # A column is known to EPS times its size about zero.
        size = np.sqrt(variances + statistics.weight_sum[:, None] * statistics.mean**2)
        constant = (spread[:, :p] <= 4 * EPS * size[:, :p]).any(axis=1)
    status[(status == FITTED) & constant] = CONSTANT
    at = np.flatnonzero(status == FITTED)
    s, whole = spread[at, :p], square(statistics.products[at], k)
    values, vectors = np.linalg.eigh(whole[:, :p, :p] / (s[:, :, None] * s[:, None, :]))
    least = values[:, 0] if p else np.ones(len(at))
    largest = values[:, -1] if p else np.ones(len(at))
    inexact = 16 * EPS * np.sqrt(p + 1) * np.max(size[at, :p] / s, axis=1, initial=1.0)
    apart = least > np.maximum(LEAST_EIGENVALUE, inexact**2)
    status[at[~apart]] = DEPENDENT
    condition = np.sqrt(largest[apart] / least[apart])
    return Spread(status, at[apart], s[apart], values[apart], vectors[apart], whole[apart], condition)


def solve_groups(statistics: WOLSGroupsStatistics, query: WOLSGroupsQuery) -> WOLSGroups:
    """The fit of every group, all at once."""
    n_groups, p = len(statistics.keys), query.n_features
    n = statistics.weight_sum if query.frequency else statistics.n_rows.astype(float)
    features = spread_of(statistics, n, query.min_rows, p)
    at, s, values, vectors, S = features.at, features.scale, features.values, features.vectors, features.products
    found = WOLSGroups(
        statistics.keys,
        statistics.n_rows,
        statistics.weight_sum,
        features.status,
        np.full((n_groups, p + 1), np.nan),
        np.full((n_groups, p + 1), np.nan),
        n - p - 1,
        np.full(n_groups, np.nan),
        np.full(n_groups, np.nan),
        np.full(n_groups, np.nan),
    )
    some = statistics.take(at)
    found.condition[at] = features.condition
    # In the directions of the eigenvectors, where the inverse is a division.
    t = np.einsum("gji,gj->gi", vectors, S[:, :p, p] / s)
    b = np.einsum("gij,gj->gi", vectors, t / values) / s
    way = np.einsum("gji,gj->gi", vectors, some.mean[:, :p] / s)
    near = some.offset[:, p] - np.einsum("gj,gj->g", some.offset[:, :p], b)
    found.coefficients[at, 0] = near + (some.origin[:, p] - np.einsum("gj,gj->g", some.origin[:, :p], b))
    found.coefficients[at, 1:] = b
    tss = S[:, p, p]
    rss = np.maximum(tss - np.sum(t**2 / values, axis=1), 0.0)
    df = found.df_residuals[at]
    with np.errstate(divide="ignore", invalid="ignore"):
        sigma = np.sqrt(np.where(df > 0, rss / df, np.nan))
        found.r_squared[at] = np.where(tss > 0, 1 - rss / tss, np.nan)
    found.sigma[at] = sigma
    found.standard_errors[at, 0] = sigma * np.sqrt(1 / some.weight_sum + np.sum(way**2 / values, axis=1))
    found.standard_errors[at, 1:] = sigma[:, None] * np.sqrt(np.einsum("gij,gj->gi", vectors**2, 1 / values)) / s
    return found


def square(triangles: np.ndarray, k: int) -> np.ndarray:
    """Symmetric matrices (G, k, k) from the rows of their upper triangles."""
    i, j = np.triu_indices(k)
    found = np.empty((len(triangles), k, k))
    found[:, i, j] = triangles
    found[:, j, i] = triangles
    return found
