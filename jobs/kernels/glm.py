"""Generalised linear models: loss, gradient and second derivatives of any number of candidates in each pass.

Rows x of weight w have the linear predictor eta = offset + theta' z, where

    z = B' (1, x - c)                                                                                  (4)

for a centre c and a basis B that makes the columns of z nearly orthogonal: B is the inverse of the R of a sample. A Gram
matrix of such columns, one product of matrices a block, is as exact as a QR factorisation of the features themselves, at a
quarter of its price (Cholesky QR with a preconditioner: Yamamoto, Nakatsukasa, Yanagisawa and Fukaya, "Roundoff error
analysis of the CholeskyQR2 algorithm", Electronic Transactions on Numerical Analysis 44, 2015). For each candidate theta,
with loss, score s, information and curvature h of a row from jobs/kernels/families.py,

    sum w loss,      - sum w s z,      sum w h z z'                                                    (5)

over the rows of all folds but the one that is left out for it; of that one, the loss. The trials of a line search are
further thetas of which a pass gives the loss alone. A multinomial model has a theta for each class, and (5) has a block for
each pair of classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels import families
from jobs.kernels.contract import Statistics
from jobs.kernels.families import BINOMIAL, LINKS, MULTINOMIAL, NEGATIVE_BINOMIAL, POISSON
from jobs.kernels.folds import Folds
from jobs.records import Record, array_field

# Values of z at a time, so that what is computed of them stays in a processor's cache.
VALUES = 1 << 17
NONE = -1
# Beyond the margin of any row.
NEVER = 1e300


@dataclass
class GLMQuery(Record):
    """The points of m candidates, and how rows are looked at. q is 1, or the number of classes of a multinomial model.

    alpha: of the negative binomial family; center: c (p,); basis: B (d, d), d = p + 1, or (1, d), the diagonal of one
    points: theta (m, q, d); moves: (m, q, d), by which they differ from the points before
    left_out: (m,), the fold whose rows a candidate does not learn from, -1 for none
    trials, trial_of: (T, q, d) and (T,), further points, and whose they are
    pool: (m,), the histogram that the candidate's scores go to, -1 for none
    edges: (c, bins - 1), the least probability of each bin but the first, ascending, for each class with a histogram
    class_weights: (C,), what rows of each class count besides, or (0,)
    second: whether second derivatives are asked for
    """

    family: str
    link: str
    alpha: float
    folds: Folds
    second: bool
    center: np.ndarray = array_field("<f8", 1)
    basis: np.ndarray = array_field("<f8", 2)
    points: np.ndarray = array_field("<f8", 3)
    moves: np.ndarray = array_field("<f8", 3)
    left_out: np.ndarray = array_field("<i8", 1)
    trials: np.ndarray = array_field("<f8", 3)
    trial_of: np.ndarray = array_field("<i8", 1)
    pool: np.ndarray = array_field("<i8", 1)
    class_weights: np.ndarray = array_field("<f8", 1)
    edges: np.ndarray = array_field("<f8", 2)

    def __post_init__(self) -> None:
        super().__post_init__()
        m, q, d = self.points.shape
        if self.link not in LINKS.get(self.family, ()):
            raise BadRecord(f"a family {self.family!r} with the link {self.link!r}")
        if self.family == NEGATIVE_BINOMIAL and not 0 < self.alpha < math.inf:
            raise BadRecord(f"a negative binomial family with alpha = {self.alpha}")
        if not (m and q and (q > 1) == (self.family == MULTINOMIAL) and len(self.center) == d - 1):
            raise BadRecord(f"points of the shape {self.points.shape} for {len(self.center)} features, {self.family}")
        if self.basis.shape not in ((d, d), (1, d)) or self.moves.shape != self.points.shape:
            raise BadRecord(f"a basis of the shape {self.basis.shape}, moves of {self.moves.shape}")
        own = self.left_out.shape == self.pool.shape == (m,) and self.trials.shape == (len(self.trial_of), q, d)
        if not own or not _between(self.trial_of, 0, m) or not _between(self.left_out, NONE, self.folds.n_folds):
            raise BadRecord("folds or trials that are not those of the candidates")
        if not _between(self.pool, NONE, m) or len(self.class_weights) not in (0, self.n_classes):
            raise BadRecord("histograms or weights of classes that are not those of the candidates")
        if self.n_pools and (len(self.edges) != self.n_drawn or (self.edges[:, 1:] < self.edges[:, :-1]).any()):
            raise BadRecord("bins of scores that are not those of the classes")

    @classmethod
    def at(
        cls, model: tuple[str, str, float], center: np.ndarray, basis: np.ndarray, points: np.ndarray, second: bool = False,
        folds: Folds | None = None, left_out: np.ndarray | None = None, pool: np.ndarray | None = None,
        class_weights: np.ndarray | None = None, edges: np.ndarray | None = None,
    ) -> GLMQuery:  # fmt: skip
        """What there is at points that no step has led to.

        :param model: family, link and alpha
        """
        m, *shape = points.shape
        return cls(
            *model, folds or Folds(), second, center, basis, points, np.zeros_like(points),
            np.full(m, NONE) if left_out is None else left_out, np.zeros((0, *shape)), np.zeros(0, np.int64),
            np.full(m, NONE) if pool is None else pool, np.zeros(0) if class_weights is None else class_weights,
            np.zeros((0, 0)) if edges is None else edges,
        )  # fmt: skip

    @property
    def n_classes(self) -> int:
        """2 for a binomial model, 0 for one without classes."""
        return self.points.shape[1] if self.family == MULTINOMIAL else 2 if self.family == BINOMIAL else 0

    @property
    def n_drawn(self) -> int:
        """How many classes have a histogram: of two the second."""
        return 1 if self.n_classes == 2 and self.points.shape[1] == 1 else self.n_classes

    @property
    def n_pools(self) -> int:
        """How many histograms there are."""
        return int(self.pool.max(initial=NONE)) + 1

    def z(self, X: np.ndarray) -> np.ndarray:
        """(4) of rows (n, p), shape (n, d)."""
        centred = np.empty((len(X), X.shape[1] + 1))
        centred[:, 0] = 1.0
        np.subtract(X, self.center, out=centred[:, 1:])
        return centred * self.basis if len(self.basis) == 1 else centred @ self.basis


def _between(values: np.ndarray, low: int, high: int) -> bool:
    return not len(values) or (int(values.min()) >= low and int(values.max()) < high)


@dataclass
class GLMStatistics(Statistics):
    """Sums over rows, for m candidates, with D = q d.

    n_zero_weight ... weight_max: of all rows, by their own weights weight: (m,), of the rows that a candidate learns from,
    with those of classes; y_sum: (m, q), sum w y, for classes the weight of each; saturated, constant: (m,), what the loss
    and the log-likelihood have of y alone loss, gradient, information, curvature: (5); the last is (m, 0, 0) where it is
    the information; where second derivatives are not asked for the information is its diagonal, (m, D, 1); square: (m,),
    sum w (y - mu)^2 / V trial_loss: (T,); held_weight, held_loss: (m,), of the fold that is left out, of all that is learnt
    from without one, by the rows' own weights margin: (m,), how far the least favoured row is on its side of the boundary
    between the classes, where there are two or more; move: (m, 2), how far the last move has taken the row that it took
    back most, and forward most scores: (P, C, 3, bins): for each histogram and class the weight of the rows of other
    classes, of its own, and the sum of w p; the one class of a binomial model is the second. confusion: (P, C, C), true by
    predicted; brier: (P,), sum w |y - p|^2
    """

    n_rows: int
    n_zero_weight: int
    weight_sum: float
    weight_square_sum: float
    weight_log_sum: float
    weight_max: float
    weight: np.ndarray = array_field("<f8", 1)
    y_sum: np.ndarray = array_field("<f8", 2)
    saturated: np.ndarray = array_field("<f8", 1)
    constant: np.ndarray = array_field("<f8", 1)
    loss: np.ndarray = array_field("<f8", 1)
    gradient: np.ndarray = array_field("<f8", 2)
    information: np.ndarray = array_field("<f8", 3)
    curvature: np.ndarray = array_field("<f8", 3)
    square: np.ndarray = array_field("<f8", 1)
    trial_loss: np.ndarray = array_field("<f8", 1)
    held_weight: np.ndarray = array_field("<f8", 1)
    held_loss: np.ndarray = array_field("<f8", 1)
    margin: np.ndarray = array_field("<f8", 1)
    move: np.ndarray = array_field("<f8", 2)
    scores: np.ndarray = array_field("<f8", 4)
    confusion: np.ndarray = array_field("<f8", 3)
    brier: np.ndarray = array_field("<f8", 1)

    @classmethod
    def zero(cls, query: GLMQuery) -> GLMStatistics:
        m, q, d = query.points.shape
        D = q * d
        own = D if query.second and families.has_own_curvature(query.family, query.link) else 0
        n_pools, n_classes = query.n_pools, query.n_classes
        return cls(
            n_rows=0, n_zero_weight=0, weight_sum=0.0, weight_square_sum=0.0, weight_log_sum=0.0, weight_max=0.0,
            weight=np.zeros(m), y_sum=np.zeros((m, q)), saturated=np.zeros(m), constant=np.zeros(m), loss=np.zeros(m),
            gradient=np.zeros((m, D)), information=np.zeros((m, D, D if query.second else 1)),
            curvature=np.zeros((m, own, own)), square=np.zeros(m), trial_loss=np.zeros(len(query.trials)),
            held_weight=np.zeros(m), held_loss=np.zeros(m), margin=np.full(m, NEVER),
            move=np.tile([NEVER, -NEVER], (m, 1)), scores=np.zeros((n_pools, query.n_drawn, 3, query.edges.shape[1] + 1)),
            confusion=np.zeros((n_pools, n_classes, n_classes)), brier=np.zeros(n_pools),
        )  # fmt: skip

    def add(self, rows: Any, query: GLMQuery) -> None:
        n, d = len(rows.y), query.points.shape[2]
        size = max(256, VALUES // d)
        parts = query.folds.assign(rows.fold_keys) if query.folds.n_parts > 1 else np.zeros(n, np.int64)
        for start in range(0, n, size):
            at = slice(start, min(start + size, n))
            offset = None if rows.offset is None else rows.offset[at]
            self._add_some(query, query.z(rows.X[at]), rows.y[at], rows.w[at], parts[at], offset)
        counted = rows.w > 0
        self.n_rows += n
        self.n_zero_weight += n - int(np.count_nonzero(counted))
        self.weight_sum += float(rows.w.sum())
        self.weight_square_sum += float(rows.w @ rows.w)
        self.weight_log_sum += float(np.log(rows.w[counted]).sum())
        self.weight_max = max(self.weight_max, float(rows.w.max(initial=0.0)))

    def _add_some(
        self, query: GLMQuery, z: np.ndarray, y: np.ndarray, w: np.ndarray, parts: np.ndarray, offset: np.ndarray | None
    ) -> None:
        (m, q, d), T = query.points.shape, len(query.trials)
        everything = np.concatenate([query.points, query.moves, query.trials]).reshape(-1, d)
        eta = (z @ everything.T).reshape(len(z), 2 * m + T, q)
        if offset is not None:
            eta[:, :m] += offset[:, None, None]
            eta[:, 2 * m :] += offset[:, None, None]
        rows = _Rows.of(query, z, y, w)
        training = {}
        for left_out in sorted(set(query.left_out.tolist())):
            kept = (parts != left_out) & (parts < query.folds.n_folds)
            training[left_out] = np.where(kept, rows.counting, 0.0)
        for i, left_out in enumerate(query.left_out.tolist()):
            held = np.where(parts == left_out, w, 0.0) if left_out != NONE else np.where(training[NONE] > 0, w, 0.0)
            own = np.ascontiguousarray(eta[:, i])
            self._add_candidate(query, i, rows, own, training[left_out], held)
            self._add_moves(query, i, rows, own, np.ascontiguousarray(eta[:, m + i]), training[left_out])
        for t, i in enumerate(query.trial_of.tolist()):
            weights = training[int(query.left_out[i])]
            loss = rows.losses(np.ascontiguousarray(eta[:, 2 * m + t]))
            self.trial_loss[t] += _sum(weights, loss)

    def _add_candidate(
        self, query: GLMQuery, i: int, rows: _Rows, eta: np.ndarray, w: np.ndarray, held: np.ndarray
    ) -> None:
        loss = rows.losses(eta)
        self.weight[i] += w.sum()
        self.y_sum[i] += w @ rows.observed
        self.saturated[i] += w @ rows.saturated
        self.constant[i] += w @ rows.constant
        self.loss[i] += _sum(w, loss)
        self.held_weight[i] += held.sum()
        self.held_loss[i] += _sum(held, loss)
        has_scores = query.pool[i] != NONE and query.n_classes > 0
        if query.family == MULTINOMIAL:
            p = families.softmax(eta)[0]
            self._add_classes(query, i, rows, p, w)
        else:
            self._add_derivatives(query, i, rows, eta[:, 0], w)
            p = families.mean_of(query.link, eta[:, 0], query.alpha)[0][:, None] if has_scores else eta
        if has_scores:
            self._add_scores(query, int(query.pool[i]), rows, p, held)

    def _add_derivatives(self, query: GLMQuery, i: int, rows: _Rows, eta: np.ndarray, w: np.ndarray) -> None:
        found = families.derivatives(query.family, query.link, rows.y, eta, query.alpha)
        score, information, curvature, square = found
        self.gradient[i] -= (w * score) @ rows.z
        self.square[i] += w @ square
        if query.second:
            self.information[i] += _gram(rows.z, w * information)
        else:
            self.information[i, :, 0] += (w * information) @ rows.z**2
        if self.curvature.shape[1]:
            self.curvature[i] += _gram(rows.z, w * curvature)

    def _add_classes(self, query: GLMQuery, i: int, rows: _Rows, p: np.ndarray, w: np.ndarray) -> None:
        q, d = query.points.shape[1:]
        score = rows.observed - p
        self.gradient[i] -= ((score * w[:, None]).T @ rows.z).ravel()
        # Pearson's statistic of a multinomial row: sum over classes of (y - p)^2 / p.
        self.square[i] += w @ (score**2 / np.maximum(p, families.LEAST)).sum(axis=1)
        if not query.second:
            self.information[i, :, 0] += ((p * (1 - p) * w[:, None]).T @ rows.z**2).ravel()
            return
        blocks = self.information[i].reshape(q, d, q, d)
        for a in range(q):
            blocks[a, :, a] += _gram(rows.z, w * p[:, a] * (1 - p[:, a]))
            for b in range(a):
                block = _gram(rows.z, w * p[:, a] * p[:, b])
                blocks[a, :, b] -= block
                blocks[b, :, a] -= block

    def _add_moves(self, query: GLMQuery, i: int, rows: _Rows, eta: np.ndarray, move: np.ndarray, w: np.ndarray) -> None:
        counted = w > 0
        if not counted.any():
            return
        margin = rows.margins(eta)[counted]
        if query.n_classes:
            self.margin[i] = min(self.margin[i], float(margin.min()))
        forward = rows.margins(move)[counted]
        self.move[i, 0] = min(self.move[i, 0], float(forward.min()))
        self.move[i, 1] = max(self.move[i, 1], float(forward.max()))

    def _add_scores(self, query: GLMQuery, pool: int, rows: _Rows, p: np.ndarray, w: np.ndarray) -> None:
        C = self.confusion.shape[1]
        labels = rows.labels
        shown = p if p.shape[1] > 1 else np.column_stack([1 - p[:, 0], p[:, 0]])
        self.brier[pool] += w @ ((shown - rows.one_hot) ** 2).sum(axis=1) / (2 if p.shape[1] == 1 else 1)
        # Of equals the first class, but for two the second at a half: as p >= 1/2 is taken.
        predicted = (p[:, 0] >= 0.5).astype(np.int64) if p.shape[1] == 1 else p.argmax(axis=1)
        found = np.bincount(labels * C + predicted, w, C * C)
        self.confusion[pool] += found.reshape(C, C)
        for j in range(self.scores.shape[1]):
            own, probability = (1, p[:, 0]) if p.shape[1] == 1 else (j, p[:, j])
            bins, n_bins = np.searchsorted(query.edges[j], probability, side="right"), self.scores.shape[3]
            mine = labels == own
            self.scores[pool, j, 0] += np.bincount(bins, np.where(mine, 0.0, w), n_bins)
            self.scores[pool, j, 1] += np.bincount(bins, np.where(mine, w, 0.0), n_bins)
            self.scores[pool, j, 2] += np.bincount(bins, w * probability, n_bins)

    def merge(self, other: GLMStatistics) -> GLMStatistics:
        merged = super().merge(other)
        merged.weight_max = max(self.weight_max, other.weight_max)
        merged.margin = np.minimum(self.margin, other.margin)
        merged.move = np.column_stack([
            np.minimum(self.move[:, 0], other.move[:, 0]), np.maximum(self.move[:, 1], other.move[:, 1]),
        ])  # fmt: skip
        return merged


@dataclass
class _Rows:
    """Rows of a block and what is the same of them for every candidate; counting: their weights with those of classes."""

    query: GLMQuery
    z: np.ndarray
    y: np.ndarray
    counting: np.ndarray
    observed: np.ndarray  # (n, q): y, or which class
    saturated: np.ndarray
    constant: np.ndarray
    labels: np.ndarray
    one_hot: np.ndarray

    @classmethod
    def of(cls, query: GLMQuery, z: np.ndarray, y: np.ndarray, w: np.ndarray) -> _Rows:
        n, C = len(y), query.n_classes
        labels, one_hot = np.zeros(n, np.int64), np.zeros((n, 0))
        if C:
            # A share of a binomial row counts for the nearer class where classes are counted.
            labels = np.clip(np.floor(y + 0.5), 0, C - 1).astype(np.int64)
            one_hot = (labels[:, None] == np.arange(C)).astype(float)
        if query.family == MULTINOMIAL:
            observed, saturated = one_hot, np.zeros(n)
        else:
            observed, saturated = y[:, None], families.saturated(query.family, y, query.alpha)
        weights = w * query.class_weights[labels] if len(query.class_weights) else w
        constant = log_likelihood_constants(query.family, y, query.alpha)
        return cls(query, z, y, weights, observed, saturated, constant, labels, one_hot)

    def losses(self, eta: np.ndarray) -> np.ndarray:
        """The loss of each row, (n,), at its predictors (n, q)."""
        if self.query.family == MULTINOMIAL:
            return families.softmax(eta)[1] - np.take_along_axis(eta, self.labels[:, None], axis=1)[:, 0]
        return families.losses(self.query.family, self.query.link, self.y, eta[:, 0], self.query.alpha, self.saturated)

    def margins(self, eta: np.ndarray) -> np.ndarray:
        """How far each row is on its side of the nearest boundary, (n,); see jobs/kernels/families.py."""
        if self.query.family == MULTINOMIAL:
            own = np.take_along_axis(eta, self.labels[:, None], axis=1)[:, 0]
            return own - np.where(self.one_hot > 0, -np.inf, eta).max(axis=1)
        return families.margins(self.query.family, self.query.link, self.y, eta[:, 0])


def log_likelihood_constants(family: str, y: np.ndarray, alpha: float) -> np.ndarray:
    """What the log-likelihood of each row has beside - loss, where the dispersion is known, (n,)."""
    if family == POISSON:
        return families.saturated(family, y) - _by_value(lambda value: math.lgamma(value + 1), y)
    if family == NEGATIVE_BINOMIAL:
        r = 1 / alpha

        def choose(value: float) -> float:
            return math.lgamma(value + r) - math.lgamma(r) - math.lgamma(value + 1) + value * math.log(alpha)

        return families.saturated(family, y, alpha) + _by_value(choose, y)
    return np.zeros(len(y))


def _by_value(function: Any, y: np.ndarray) -> np.ndarray:
    """A function of each count, computed once for each different one."""
    values, places = np.unique(y, return_inverse=True)
    return np.array([function(value) for value in values.tolist()])[places]


def _sum(w: np.ndarray, loss: np.ndarray) -> float:
    """Sum w loss, where what has no weight has no say even if it is infinite."""
    if np.isfinite(loss).all():
        return float(w @ loss)
    return float(w @ np.where(w > 0, loss, 0.0)) if not np.isinf(loss[w > 0]).any() else math.inf


def _gram(z: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Sum h z z' of weights that are not negative: a matrix by itself, which is half the work of a product."""
    scaled = z * np.sqrt(h)[:, None]
    return scaled.T @ scaled
