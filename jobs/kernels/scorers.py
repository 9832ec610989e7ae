"""What a model says of rows: each kind of model by numpy alone, in a map task, in the driver and in a service.

A row has the same bits in all three, whatever rows stand beside it. A product of matrices gives other last bits to one row
than to the same row among many, for a BLAS takes another way through it; so sums over the features run column by column,
each step an operation on single numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import BadRecord, BadRow
from jobs.kernels import families
from jobs.kernels.kmeans import METRICS
from jobs.records import Record, array_field

# So many numbers at a time stay in a processor's cache.
VALUES = 1 << 15


@dataclass
class Output:
    """A column of scores: values (n,), numbers with NaN where there is none, or whole numbers with -1 there, which are the
    places of `texts` where it has them."""

    name: str
    values: np.ndarray
    texts: list[str] | None = None

    @property
    def missing(self) -> np.ndarray:
        """Which rows have none, (n,)."""
        return np.isnan(self.values) if self.values.dtype.kind == "f" else self.values < 0


@dataclass
class Scorer(Record):
    """Base of the scorers. A row with a missing feature has no score."""

    def score(self, rows: Any) -> list[Output]:
        """The columns for some rows, as a design step gives them.

        :raises BadRow: a row that the model can say nothing of, though nothing of it is missing
        """
        raise NotImplementedError


def by_columns(X: np.ndarray, coefficients: np.ndarray, intercept: np.ndarray) -> np.ndarray:
    """X B' + a for rows (n, p), B (q, p), or (n, q, p) for each row, a (q,) or (n, q); shape (n, q)."""
    q = coefficients.shape[-2]
    found = np.empty((len(X), q))
    found[:] = intercept
    for j in range(X.shape[1]):
        found += X[:, j, None] * coefficients[..., j]
    return found


def pieces(n: int, width: int) -> Iterator[slice]:
    """Rows at a time, of so many numbers each."""
    size = max(1, VALUES // max(width, 1))
    return (slice(start, min(start + size, n)) for start in range(0, n, size))


def nearest(values: np.ndarray, none: np.ndarray) -> np.ndarray:
    """Where each row of (n, k) is largest, the first of equals; -1 where the mask `none` (n,) says so."""
    return np.where(none, -1, np.where(np.isnan(values), -np.inf, values).argmax(axis=1))


@dataclass
class PredictorScorer(Scorer):
    """Of models with linear predictors: intercept (q,), coefficients (q, p). With classes a probability for each of them,
    or the mean by the link."""

    link: str
    alpha: float
    classes: list[str]
    intercept: np.ndarray = array_field("<f8", 1)
    coefficients: np.ndarray = array_field("<f8", 2)

    def predictors(self, X: np.ndarray, offset: np.ndarray | None = None) -> np.ndarray:
        """eta of rows (n, p), (n, q).

        :raises BadRecord: rows of another number of features
        """
        if X.shape[1] != self.coefficients.shape[1]:
            raise BadRecord(f"rows of {X.shape[1]} features for a model of {self.coefficients.shape[1]}")
        eta = np.empty((len(X), len(self.intercept)))
        for at in pieces(*eta.shape):
            eta[at] = by_columns(X[at], self.coefficients, self.intercept)
        return eta if offset is None else eta + offset[:, None]

    def means(self, X: np.ndarray, offset: np.ndarray | None = None) -> np.ndarray:
        """The mean of each row, of a model with one predictor, (n,)."""
        return families.mean_of(self.link, self.predictors(X, offset)[:, 0], self.alpha)[0]

    def score(self, rows: Any) -> list[Output]:
        return of_predictors(self.predictors(rows.X, rows.offset), self.link, self.alpha, self.classes)


def of_predictors(eta: np.ndarray, link: str, alpha: float, classes: list[str]) -> list[Output]:
    """The mean of each row, or its class and the probability of each class, by the predictors (n, q)."""
    if not classes:
        return [Output("prediction", families.mean_of(link, eta[:, 0], alpha)[0])]
    with np.errstate(invalid="ignore"):
        p = families.softmax(eta)[0] if eta.shape[1] > 1 else np.column_stack(families.sigmoid(eta[:, 0])[::-1])
    found = [Output("class", nearest(p, np.isnan(p[:, 0])), classes)]
    return found + [Output(f"probability {name}", p[:, j]) for j, name in enumerate(classes)]


@dataclass
class IntervalScorer(Scorer):
    """Least squares with the standard error of the mean, and the ends of intervals for the mean and for one more row.

    plain: without them; root: R with R R' the covariance of the coefficients about the centre (p,), the intercept first,
    (p + 1, p + 1); quantile: how many standard errors an interval goes to each side
    """

    plain: PredictorScorer
    residual_variance: float
    quantile: float
    center: np.ndarray = array_field("<f8", 1)
    root: np.ndarray = array_field("<f8", 2)

    def score(self, rows: Any) -> list[Output]:
        fitted = self.plain.predictors(rows.X)[:, 0]
        variance = np.empty(len(rows.X))
        for at in pieces(len(rows.X), len(self.root)):
            parts = by_columns(rows.X[at] - self.center, self.root.T[:, 1:], self.root[0])
            total = np.zeros(len(parts))
            for column in parts.T:
                total += column * column
            variance[at] = total
        mean, new = np.sqrt(variance), np.sqrt(variance + self.residual_variance)
        ends = [("mean_ci_lower", fitted - self.quantile * mean), ("mean_ci_upper", fitted + self.quantile * mean)]
        ends += [("obs_ci_lower", fitted - self.quantile * new), ("obs_ci_upper", fitted + self.quantile * new)]
        return [Output("prediction", fitted), Output("mean_se", mean), *(Output(*end) for end in ends)]


@dataclass
class GroupScorer(Scorer):
    """Of models by group: keys (G,), ascending, which are the keys of rows (jobs/keys.py) whose id is their group;
    intercept (G,) and coefficients (G, p). A row of a group that is not there has no score."""

    link: str
    alpha: float
    classes: list[str]
    keys: np.ndarray = array_field("<u8", 1)
    intercept: np.ndarray = array_field("<f8", 1)
    coefficients: np.ndarray = array_field("<f8", 2)

    def score(self, rows: Any) -> list[Output]:
        keys, eta = rows.keys, np.full((len(rows.X), 1), np.nan)
        place = np.minimum(np.searchsorted(self.keys, keys), max(len(self.keys) - 1, 0))
        known = np.flatnonzero(self.keys[place] == keys) if len(self.keys) else np.zeros(0, np.int64)
        for some in pieces(len(known), rows.X.shape[1]):
            at = known[some]
            own = place[at]
            eta[at] = by_columns(rows.X[at], self.coefficients[own][:, None], self.intercept[own][:, None])
        if rows.offset is not None:
            eta += rows.offset[:, None]
        return of_predictors(eta, self.link, self.alpha, self.classes)


@dataclass
class ClusterScorer(Scorer):
    """Of k-means: the number of the nearest centre, (k, p), and the distance from it."""

    metric: str
    centers: np.ndarray = array_field("<f8", 2)

    def nearest(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The cluster of each row (n, p), int64, and its distance from the centre, (n,) each; -1 and NaN for a row with a
        missing cell.

        :raises BadRow: a row of zeros where rows count by their direction
        """
        n, (k, p) = len(X), self.centers.shape
        clusters, distances = np.full(n, -1, np.int64), np.full(n, np.nan)
        X = _directions(X) if self.metric == METRICS[1] else X
        for at in pieces(n, k):
            squares = np.zeros((len(X[at]), k))
            for j in range(p):
                squares += (X[at, j, None] - self.centers[:, j]) ** 2
            whole = ~np.isnan(squares[:, 0])
            clusters[at] = nearest(-squares, ~whole)
            distances[at] = np.sqrt(squares.min(axis=1))
        return clusters, distances

    def score(self, rows: Any) -> list[Output]:
        clusters, distances = self.nearest(rows.X)
        return [Output("cluster", clusters), Output("distance", distances)]


def _directions(X: np.ndarray) -> np.ndarray:
    """Rows at the length one, (n, p).

    :raises BadRow: a row of zeros
    """
    square = np.zeros(len(X))
    for j in range(X.shape[1]):
        square += X[:, j] ** 2
    if (square == 0).any():
        raise BadRow("a row is zero in all features, so it has no direction, by which the model takes distances")
    return X / np.sqrt(square)[:, None]


@dataclass
class MixtureScorer(Scorer):
    """Of Gaussian mixtures: the component with the largest part in a row, the log-density there, and each part.

    log_weights: (k,); means: (k, p); roots: L^-1 of each covariance L L', (k or 1, p, p), lower triangles, or (k or 1, 1,
    p or 1), their diagonals
    """

    log_weights: np.ndarray = array_field("<f8", 1)
    means: np.ndarray = array_field("<f8", 2)
    roots: np.ndarray = array_field("<f8", 3)

    def parts(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The responsibilities r_j(x), (3) of jobs/kernels/gmm.py, of rows (n, p), and the log-density log p(x), (2):
        (n, k) and (n,); NaN for a row with a missing cell. A row beyond the reach of every component, whose densities are
        all 0 in doubles, is dealt by their logarithms, as any other."""
        n, k = len(X), len(self.means)
        r, log_density = np.empty((n, k)), np.empty(n)
        for at in pieces(n, k):
            log_p = self._log_densities(X[at])
            top = log_p.max(axis=1)
            parts = np.exp(log_p - top[:, None])
            total = np.zeros(len(parts))
            for j in range(k):
                total += parts[:, j]
            r[at], log_density[at] = parts / total[:, None], top + np.log(total)
        return r, log_density

    def score(self, rows: Any) -> list[Output]:
        r, log_density = self.parts(rows.X)
        component = nearest(r, np.isnan(log_density))
        found = [Output("component", component), Output("log_density", log_density)]
        return found + [Output(f"responsibility {j}", r[:, j]) for j in range(r.shape[1])]

    def _log_densities(self, X: np.ndarray) -> np.ndarray:
        """log p_j(x), (1) of jobs/kernels/gmm.py, (n, k)."""
        (k, p), n_roots = self.means.shape, len(self.roots)
        found = np.empty((len(X), k))
        is_triangle = self.roots.shape[1] > 1
        for j in range(k):
            root = self.roots[j if n_roots > 1 else 0]
            diagonal = np.diag(root) if is_triangle else np.broadcast_to(root[0], (p,))
            away = X - self.means[j]
            square = np.zeros(len(X))
            for i in range(p):
                if is_triangle:
                    part = np.zeros(len(X))
                    for m in range(i + 1):
                        part += away[:, m] * root[i, m]
                else:
                    part = away[:, i] * diagonal[i]
                square += part * part
            found[:, j] = self.log_weights[j] + np.log(diagonal).sum() - (p * math.log(2 * math.pi) + square) / 2
        return found
