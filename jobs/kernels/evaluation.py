"""What is needed to judge predictions that stand beside the truth: sums, tables and histograms, for every segment of the
rows and for every replicate of a bootstrap, in one pass.

Almost all measures are functions of sums over rows: of errors and their squares, of losses, of cells of a table of true by
predicted classes. They are added exactly. Measures of an order, such as areas under curves and quantiles of errors, are
read from histograms whose bins the query lays; bins add too. A replicate of the bootstrap is the same pass with the weight
of each row multiplied by how often it is drawn (jobs/kernels/evaluation_bootstrap.py), so the sums of all replicates are
one product of matrices,

    F' W,      F (n, K) what a row adds to each sum, W (n, B) its weight in each replicate.                       (1)

A replicate's histograms are of scores alone, and have `coarse` bins of the others in one of theirs.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels.contract import Statistics
from jobs.kernels.evaluation_bootstrap import poisson_counts
from jobs.records import Record, array_field

REGRESSION, CLASSIFICATION, CLUSTERING = "regression", "classification", "clustering"
TASKS = (REGRESSION, CLASSIFICATION, CLUSTERING)
# What is summed of every row, and of a row for each model; y and p are taken from the centre.
OF_TRUTH = ("weight", "y", "y_square")
OF_ERRORS = ("error", "error_square", "error_size", "error_share", "p", "p_square", "py")
OF_PROBABILITIES = ("log_loss", "brier")
# Rows of a histogram: of scores the weight of the rows of other classes, of the class, and sum w p; of errors the weight.
OF_SCORES = ("negatives", "positives", "p_sum")
# Values of W at a time.
VALUES = 1 << 21
# Beyond any error.
NEVER = 1e308
# More models, segments, classes or replicates than these, or bytes of sums, are no question.
MOST, MOST_BYTES = 1 << 16, 1 << 31
# A share of nothing: below the smallest |y| that an error is divided by; and the nearest that a probability is to certain.
EPSILON = float(np.finfo(float).eps)
# Rounding in a file may move the sum of some probabilities so far from 1.
SUM_TOLERANCE = 1e-4


@dataclass
class EvaluationQuery(Record):
    """What is judged. Rows bring in X the predictions: those of M models of a number; the probability of the second of two
    classes by each of M models, or those of C classes by one; or the features of clusters. In y they have the truth, a
    number or its level, in `clusters` the level that is predicted, in `fold_ids` the segment.

    n_true, n_predicted: rows and columns of the table of truth by prediction, 0 without one
    threshold: of two classes, from which probability a row without a label is taken for the second
    by_segment: whether replicates are of each segment, or of all rows alone
    center: (1,), where y and p are taken from; of clusters (p,)
    edges: (H, bins - 1), ascending: a value v is in the bin of as many edges as are <= v
    means, masses, squares: (K, p) from the centre, (K,) and (K,): of each cluster the mean, the weight and the sum of
    squared distances from the mean, where they are known
    """

    task: str
    n_models: int
    n_true: int
    n_predicted: int
    has_labels: bool
    threshold: float
    n_segments: int
    n_replicates: int
    by_segment: bool
    seed: int
    coarse: int
    center: np.ndarray = array_field("<f8", 1)
    edges: np.ndarray = array_field("<f8", 2)
    means: np.ndarray = array_field("<f8", 2)
    masses: np.ndarray = array_field("<f8", 1)
    squares: np.ndarray = array_field("<f8", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.task not in TASKS or min(self.n_models, self.n_segments, self.coarse) < 1 or self.n_replicates < 0:
            raise BadRecord(f"an evaluation of the task {self.task!r} with {self.n_segments} segments")
        counts = (self.n_models, self.n_true, self.n_predicted, self.n_segments, self.n_replicates, self.coarse)
        if min(counts) < 0 or max(counts) > MOST or self.n_bytes > MOST_BYTES:
            raise BadRecord("an evaluation of more models, segments, classes or replicates than there can be")
        if not (self.edges[:, 1:] >= self.edges[:, :-1]).all():  # some end in infinities
            raise BadRecord("edges of bins that do not ascend")
        if self.means.shape != (len(self.masses), len(self.center)) and len(self.means):
            raise BadRecord(f"means of the shape {self.means.shape} for {len(self.masses)} clusters")

    @property
    def is_binary(self) -> bool:
        """Whether the probabilities are of the second of two classes."""
        return self.task == CLASSIFICATION and self.n_true == 2

    @property
    def names(self) -> list[tuple[str, int]]:
        """What each column of `sums` holds, and of which model."""
        each: tuple[str, ...] = ()
        if self.task == REGRESSION:
            each = OF_ERRORS
        elif self.task == CLASSIFICATION and len(self.edges):
            each = OF_PROBABILITIES
        elif len(self.means):
            each = ("silhouette",)
        of_all = OF_TRUTH if self.task == REGRESSION else OF_TRUTH[:1]
        return [(name, 0) for name in of_all] + [(name, m) for m in range(self.n_models) for name in each]

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the arrays of EvaluationStatistics."""
        S, B, M, H = self.n_segments, self.n_replicates, self.n_models, len(self.edges)
        R = S if self.by_segment else 1
        K, cells, n_bins = len(self.names), self.n_true * self.n_predicted, self.edges.shape[1] + 1
        kinds = len(OF_SCORES) if self.task == CLASSIFICATION else 1
        tables = M if cells else 0
        n_errors = M if self.task == REGRESSION else 0
        drawn = H if self.task == CLASSIFICATION else 0
        gathered = 0 if self.task != CLUSTERING or not len(self.center) else 2 if len(self.means) else len(self.center) + 2
        return {
            "n_rows": (S,),
            "sums": (S, K),
            "tables": (S, tables, cells),
            "histograms": (S, H, kinds, n_bins),
            "least": (S, n_errors),
            "largest": (S, n_errors),
            "cluster_sums": (self.n_predicted if gathered else 0, gathered),
            "replicate_sums": (R, K, B),
            "replicate_tables": (R, tables, cells, B),
            "replicate_histograms": (R, drawn, 2, -(-n_bins // self.coarse) if B else 0, B),
        }

    @property
    def n_bytes(self) -> int:
        """The size of an EvaluationStatistics."""
        return 8 * sum(math.prod(shape) for shape in self.shapes().values())


@dataclass
class EvaluationStatistics(Statistics):
    """S segments, K sums, M models, H histograms, B replicates; R is S, or 1 where replicates are of all rows.

    weight_square_sum, weight_max: of all rows; off_weight: of rows whose probabilities do not add up to 1; n_rows: (S,)
    sums: (S, K), as `EvaluationQuery.names` says; tables: (S, M, true x predicted), weights; histograms: (S, H, kinds,
    bins) least, largest: (S, M), the errors furthest below and above 0 of rows with weight cluster_sums: (K, p + 2), of
    each cluster sum w, sum w x, sum w |x|^2; or (K, 2), sum w s, s being the silhouette of a row, and sum w |x - mean|
    replicate_sums, replicate_tables, replicate_histograms: (R, K, B), (R, M, cells, B) and, of scores, (R, H, 2, coarse
    bins, B)
    """

    weight_square_sum: float
    weight_max: float
    off_weight: float
    n_rows: np.ndarray = array_field("<i8", 1)
    sums: np.ndarray = array_field("<f8", 2)
    tables: np.ndarray = array_field("<f8", 3)
    histograms: np.ndarray = array_field("<f8", 4)
    least: np.ndarray = array_field("<f8", 2)
    largest: np.ndarray = array_field("<f8", 2)
    cluster_sums: np.ndarray = array_field("<f8", 2)
    replicate_sums: np.ndarray = array_field("<f8", 3)
    replicate_tables: np.ndarray = array_field("<f8", 4)
    replicate_histograms: np.ndarray = array_field("<f8", 5)

    @classmethod
    def zero(cls, query: EvaluationQuery) -> EvaluationStatistics:
        arrays = {name: np.zeros(shape) for name, shape in query.shapes().items()}
        arrays["n_rows"] = np.zeros(query.n_segments, np.int64)
        arrays["least"] += NEVER
        arrays["largest"] -= NEVER
        return cls(0.0, 0.0, 0.0, **arrays)

    def add(self, rows: Any, query: EvaluationQuery) -> None:
        n = len(rows.w)
        segments = np.zeros(n, np.int64)
        if query.n_segments > 1:
            segments = np.asarray(rows.fold_ids).astype(np.int64)
        self.n_rows += np.bincount(segments, minlength=query.n_segments)
        self.weight_square_sum += float(rows.w @ rows.w)
        self.weight_max = max(self.weight_max, float(rows.w.max(initial=0.0)))
        size = max(256, VALUES // (query.n_replicates + 1))
        for start in range(0, n, size):
            at = slice(start, min(start + size, n))
            y = None if rows.y is None else rows.y[at]
            labels = None if rows.clusters is None else np.asarray(rows.clusters[at]).astype(np.int64)
            some = _Judged.of(query, rows.X[at], y, rows.w[at], labels)
            self._add_some(query, some, rows.w[at], segments[at])
            if query.n_replicates:
                counts = poisson_counts(rows.keys[at], query.seed, query.n_replicates)
                self._add_replicates(query, some, counts * rows.w[at, None], segments[at])

    def _add_some(self, query: EvaluationQuery, some: _Judged, w: np.ndarray, segments: np.ndarray) -> None:
        S, n_bins = query.n_segments, query.edges.shape[1] + 1
        _add_by_group(self.sums, segments, some.added * w[:, None])
        if some.off is not None:
            self.off_weight += float(w[some.off].sum())
        for m, cells in enumerate(some.cells):
            n_cells = self.tables.shape[2]
            self.tables[:, m] += np.bincount(segments * n_cells + cells, w, S * n_cells).reshape(S, n_cells)
        for h, (values, mine) in enumerate(some.scores):
            places = segments * n_bins + some.bins[h]
            parts = [w] if mine is None else [np.where(mine, 0.0, w), np.where(mine, w, 0.0), w * values]
            for kind, part in enumerate(parts):
                self.histograms[:, h, kind] += np.bincount(places, part, S * n_bins).reshape(S, n_bins)
        counted = w > 0
        for m in range(self.least.shape[1]):
            errors = some.scores[2 * m][0][counted]
            np.minimum.at(self.least[:, m], segments[counted], errors)
            np.maximum.at(self.largest[:, m], segments[counted], errors)
        for j, values in enumerate(some.by_cluster):
            self.cluster_sums[:, j] += np.bincount(np.asarray(some.labels), w * values, len(self.cluster_sums))

    def _add_replicates(self, query: EvaluationQuery, some: _Judged, W: np.ndarray, segments: np.ndarray) -> None:
        R, H, _, n_coarse = self.replicate_histograms.shape[:4]
        if R == 1:
            segments = np.zeros(len(W), np.int64)
            self.replicate_sums[0] += some.added.T @ W
        else:
            order, present, starts = _groups(segments)
            for segment, start, end in zip(present, starts, [*starts[1:], len(order)]):
                at = order[start:end]
                self.replicate_sums[segment] += some.added[at].T @ W[at]
        n_cells = self.replicate_tables.shape[2]
        for m, cells in enumerate(some.cells):
            _add_by_group(self.replicate_tables, (segments * len(some.cells) + m) * n_cells + cells, W)
        for h, (_, mine) in enumerate(some.scores[:H]):
            places = ((segments * H + h) * 2 + np.asarray(mine)) * n_coarse + some.bins[h] // query.coarse
            _add_by_group(self.replicate_histograms, places, W)

    def merge(self, other: EvaluationStatistics) -> EvaluationStatistics:
        merged = super().merge(other)
        merged.weight_max = max(self.weight_max, other.weight_max)
        merged.least = np.minimum(self.least, other.least)
        merged.largest = np.maximum(self.largest, other.largest)
        return merged


@dataclass
class _Judged:
    """What some rows add. added: (n, K); cells: for each model (n,), where in its table; scores: for each histogram the
    values and, of a class, which rows are of it; off: the rows whose probabilities do not add up; labels, by_cluster: the
    cluster of each row, and what it adds to that; bins: for each histogram where the values are."""

    added: np.ndarray
    cells: list[np.ndarray]
    scores: list[tuple[np.ndarray, np.ndarray | None]]
    off: np.ndarray | None = None
    labels: np.ndarray | None = None
    by_cluster: list[np.ndarray] = dataclasses.field(default_factory=list)
    bins: list[np.ndarray] = dataclasses.field(default_factory=list)

    @classmethod
    def of(
        cls, query: EvaluationQuery, X: np.ndarray, y: np.ndarray | None, w: np.ndarray, labels: np.ndarray | None
    ) -> _Judged:
        if query.task == REGRESSION:
            made = _of_numbers(query, X, y)
        elif query.task == CLASSIFICATION:
            made = _of_classes(query, X, y, labels)
        else:
            made = _of_clusters(query, X, y, w, labels)
        made.bins = [np.searchsorted(query.edges[h], values, side="right") for h, (values, _) in enumerate(made.scores)]
        return made


def _of_numbers(query: EvaluationQuery, X: np.ndarray, y: Any) -> _Judged:
    """Of predicted numbers X (n, M): the two histograms of each model are of its errors and of their sizes."""
    centred = y - query.center[0]
    scores: list[tuple[np.ndarray, np.ndarray | None]] = []
    added = [np.ones(len(y)), centred, centred * centred]
    for m in range(query.n_models):
        error, p = X[:, m] - y, X[:, m] - query.center[0]
        size = np.abs(error)
        added += [error, error * error, size, size / np.maximum(np.abs(y), EPSILON), p, p * p, p * centred]
        scores += [(error, None), (size, None)]
    return _Judged(np.column_stack(added), [], scores)


def _of_classes(query: EvaluationQuery, X: np.ndarray, y: Any, labels: np.ndarray | None) -> _Judged:
    """Of the probabilities X of classes, if there are any, and of the labels, if there are."""
    C, n = query.n_true, len(y)
    truth = np.clip(y, 0, C - 1).astype(np.int64)
    added, cells, scores, off = [np.ones(n)], [], [], None
    has_probabilities = len(query.edges) > 0
    if has_probabilities and query.is_binary:
        for m in range(query.n_models):
            p = X[:, m]
            certain = np.clip(p, EPSILON, 1 - EPSILON)
            added += [-np.where(truth == 1, np.log(certain), np.log1p(-certain)), (truth - p) ** 2]
            scores.append((p, truth == 1))
            predicted = labels if query.has_labels else (p >= query.threshold).astype(np.int64)
            cells.append(truth * C + predicted)
    elif has_probabilities:
        own = X[np.arange(n), truth]
        added += [-np.log(np.clip(own, EPSILON, 1 - EPSILON)), (X * X).sum(axis=1) - own * own + (1 - own) ** 2]
        scores += [(X[:, j], truth == j) for j in range(C)]
        off = np.abs(X.sum(axis=1) - 1) > SUM_TOLERANCE
        cells.append(truth * C + (labels if query.has_labels else X.argmax(axis=1)))
    else:
        cells.append(truth * C + labels)
    return _Judged(np.column_stack(added), cells, scores, off)


def _of_clusters(query: EvaluationQuery, X: np.ndarray, y: Any, w: np.ndarray, labels: Any) -> _Judged:
    """Of the clusters of rows, with their true levels, if there are any, and their features, if there are."""
    added, cells, by_cluster = [np.ones(len(w))], [], []
    if query.n_true:
        cells.append(np.clip(y, 0, query.n_true - 1).astype(np.int64) * query.n_predicted + labels)
    if len(query.means):
        silhouette, distance = silhouettes(X - query.center, w, labels, query.means, query.masses, query.squares)
        added.append(silhouette)
        by_cluster = [silhouette, distance]
    elif len(query.center):
        centred = X - query.center
        by_cluster = [added[0], *centred.T, (centred * centred).sum(axis=1)]
    return _Judged(np.column_stack(added), cells, [], labels=labels, by_cluster=by_cluster)


def silhouettes(
    X: np.ndarray, w: np.ndarray, labels: np.ndarray, means: np.ndarray, masses: np.ndarray, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The silhouette of each row under the squared Euclidean distance, and its distance from its cluster's mean, (n,) each.

    The sum of squared distances from a row to all of a cluster is mass |x - mean|^2 + squares, so the mean distances are
    exact (as in Spark's ClusteringEvaluator). A row of its own cluster is left out of that with the weight of one row,
    min(w, 1); a row alone in its cluster has the silhouette 0.
    """
    at = np.arange(len(X))
    square = np.empty((len(X), len(means)))
    for k, mean in enumerate(means):
        away = X - mean
        square[:, k] = (away * away).sum(axis=1)
    distance = np.sqrt(square[at, labels])
    with np.errstate(divide="ignore", invalid="ignore"):
        others = masses[labels] - np.minimum(w, 1.0)
        inner = (masses[labels] * square[at, labels] + squares[labels]) / others
        outer = np.where(masses > 0, square + squares / masses, np.inf)
        outer[at, labels] = np.inf
        nearest = outer.min(axis=1)
        found = (nearest - inner) / np.maximum(nearest, inner)
    return np.where((others > 0) & np.isfinite(found), found, 0.0), distance


def _groups(groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An order in which rows of a group lie together, the groups there are, and where each begins."""
    order = np.argsort(groups, kind="stable")
    ascending = groups[order]
    starts = np.flatnonzero(np.concatenate([[True], ascending[1:] != ascending[:-1]])) if len(order) else order
    return order, ascending[starts], starts


def _add_by_group(into: np.ndarray, groups: np.ndarray, values: np.ndarray) -> None:
    """Adds rows (n, m) to those of `into`, (..., m), that `groups` names, its leading axes taken as one."""
    flat = into.reshape(-1, values.shape[1])
    if len(flat) == 1:
        flat[0] += values.sum(axis=0)
        return
    order, present, starts = _groups(groups)
    if len(present):
        flat[present] += np.add.reduceat(values[order], starts, axis=0)
