"""What robust covariances of a generalised linear model are made of: the scores of rows and clusters, in one more pass.

With the row's score u = w s z (jobs/kernels/glm.py), at the point that the fit has ended at,

    HC0             sum u u'                                                                            (6)
    HC2, HC3        divided by 1 - h, by (1 - h)^2, h = w i z' I^-1 z, i the row's information           (7)
    cluster         the sum of u over each cluster                                                       (8)

(White, "Maximum likelihood estimation of misspecified models", Econometrica 50, 1982; MacKinnon and White, Journal of
Econometrics 29, 1985; Liang and Zeger, Biometrika 73, 1986). Where weights count rows, each of the w copies is a row of its
own. A multinomial model, whose rows have a matrix for an h, has no (7).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels import families
from jobs.kernels.clusters import sums_by_key
from jobs.kernels.contract import Statistics, close_arrays, close_grams
from jobs.kernels.families import MULTINOMIAL
from jobs.kernels.glm import VALUES, GLMQuery
from jobs.records import Record, array_field


@dataclass
class GLMScoresQuery(Record):
    """question: of one candidate; counts: whether weights count rows; root: L (d, r) with L L' = I^-1, or (0, 0) where no
    leverage is asked for."""

    question: GLMQuery
    counts: bool
    root: np.ndarray = array_field("<f8", 2)

    def __post_init__(self) -> None:
        super().__post_init__()
        m, q, d = self.question.points.shape
        if m != 1 or (self.root.size and (q > 1 or self.root.shape[0] != d)):
            raise BadRecord(f"{m} candidates, and leverages by a root of the shape {self.root.shape}")


@dataclass
class GLMScoresStatistics(Statistics):
    """hc0, hc2, hc3: (6) and (7), (D, D), the last two (0, 0) where no leverage is asked for; n_leverage_one: rows that are
    fitted whatever their target is; cluster_keys: (G,), ascending, cluster_scores: (8), (G, D)."""

    n_rows: int
    n_leverage_one: int
    hc0: np.ndarray = array_field("<f8", 2)
    hc2: np.ndarray = array_field("<f8", 2)
    hc3: np.ndarray = array_field("<f8", 2)
    cluster_keys: np.ndarray = array_field("<u8", 1)
    cluster_scores: np.ndarray = array_field("<f8", 2)

    @classmethod
    def zero(cls, query: GLMScoresQuery) -> GLMScoresStatistics:
        _, q, d = query.question.points.shape
        D = q * d
        own = np.zeros((D, D)) if query.root.size else np.zeros((0, 0))
        return cls(0, 0, np.zeros((D, D)), own, own, np.zeros(0, np.uint64), np.zeros((0, D)))

    def add(self, rows: Any, query: GLMScoresQuery) -> None:
        n, (_, q, d) = len(rows.y), query.question.points.shape
        size = max(256, VALUES // (q * d))
        keys = rows.cluster_keys
        for start in range(0, n, size):
            at = slice(start, min(start + size, n))
            offset = None if rows.offset is None else rows.offset[at]
            own_keys = None if keys is None else keys[at]
            self._add_some(query, query.question.z(rows.X[at]), rows.y[at], rows.w[at], offset, own_keys)
        self.n_rows += n

    def _add_some(
        self, query: GLMScoresQuery, z: np.ndarray, y: np.ndarray, w: np.ndarray, offset: np.ndarray | None,
        keys: np.ndarray | None,
    ) -> None:  # fmt: skip
        question = query.question
        eta = z @ question.points[0].T
        if offset is not None:
            eta = eta + offset[:, None]
        if question.family == MULTINOMIAL:
            labels = np.clip(np.floor(y + 0.5), 0, eta.shape[1] - 1).astype(np.int64)
            scores = (labels[:, None] == np.arange(eta.shape[1])) - families.softmax(eta)[0]
            information = np.zeros(len(y))
        else:
            score, information, _, _ = families.derivatives(question.family, question.link, y, eta[:, 0], question.alpha)
            scores, labels = score[:, None], np.clip(np.floor(y + 0.5), 0, 1).astype(np.int64)
        weights = w * question.class_weights[labels] if len(question.class_weights) else w
        each = (scores[:, :, None] * z[:, None, :]).reshape(len(y), -1)
        # As one row of the whole weight, or as so many rows of weight one.
        rows = each * (np.sqrt(weights) if query.counts else weights)[:, None]
        self.hc0 = self.hc0 + rows.T @ rows
        if query.root.size:
            leverage = (1.0 if query.counts else weights) * information * ((z @ query.root) ** 2).sum(axis=1)
            certain = (leverage > 1 - 1e-10) & (weights > 0)
            self.n_leverage_one += int(np.count_nonzero(certain))
            rest = np.where(certain, 1.0, 1 - leverage)
            for name, shrunk in (("hc2", rows / np.sqrt(rest)[:, None]), ("hc3", rows / rest[:, None])):
                setattr(self, name, getattr(self, name) + shrunk.T @ shrunk)
        if keys is not None:
            counted = weights > 0
            found = sums_by_key(keys[counted], each[counted] * weights[counted, None])
            merged = (np.concatenate(pair) for pair in zip((self.cluster_keys, self.cluster_scores), found))
            self.cluster_keys, self.cluster_scores = sums_by_key(*merged)

    def merge(self, other: GLMScoresStatistics) -> GLMScoresStatistics:
        keys, scores = sums_by_key(
            np.concatenate([self.cluster_keys, other.cluster_keys]),
            np.concatenate([self.cluster_scores, other.cluster_scores]),
        )
        return GLMScoresStatistics(
            self.n_rows + other.n_rows, self.n_leverage_one + other.n_leverage_one, self.hc0 + other.hc0,
            self.hc2 + other.hc2, self.hc3 + other.hc3, keys, scores,
        )  # fmt: skip

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        """Equal up to rounding, and of the same clusters."""
        return (
            isinstance(other, GLMScoresStatistics)
            and (self.n_rows, self.n_leverage_one) == (other.n_rows, other.n_leverage_one)
            and all(close_grams(getattr(self, name), getattr(other, name), rtol) for name in ("hc0", "hc2", "hc3"))
            and np.array_equal(self.cluster_keys, other.cluster_keys)
            and close_arrays(self.cluster_scores, other.cluster_scores, rtol)
        )
