"""A generalised linear model for each of many groups: what a pass gathers of each.

A row x of group g has the linear predictor eta = offset + theta_g' z, with z = (1, (x - c_g) / s_g) by the mean and the
spread of the features within the group, so that every group is as well conditioned as its features allow. Of a group the
statistic is (5) of jobs/kernels/glm.py at its own theta, and the loss at some points between it and the best one so far.
The state of all groups is part of the question; jobs/kernels/glm_groups_newton.py makes the next state of it, in the
reducers. A group that has ended is no longer in the question, and its rows cost nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels import families
from jobs.kernels.families import LINKS, MULTINOMIAL, NEGATIVE_BINOMIAL
from jobs.kernels.keyed import Keyed, KeyedStatistics, grouped
from jobs.kernels.wols_groups import STATUSES as OF_FEATURES
from jobs.records import Record, array_field

ONE_VALUE, NO_OPTIMUM, NOT_CONVERGED = range(len(OF_FEATURES), len(OF_FEATURES) + 3)
STATUSES = (*OF_FEATURES, "one value of the target", "no finite optimum", "not converged")


@dataclass
class GLMGroups(Keyed):
    """Where G groups of p features stand, d = p + 1; what is not known of a group is NaN.

    status: one of STATUSES by its number, NOT_CONVERGED while the passes go on; target_mean: the weighted mean of y;
    center, scale: c and s, (G, p); base: the best theta so far, (G, d), whose objective it is; point: the theta to be
    looked at next; slope: of the objective from base to point; n_taken, n_shortened: the steps that were taken, and how
    often one was shortened. At the base: loss, square (sum w (y - mu)^2 / V), gap, the largest cosine between
    residuals and a feature, and the standard errors (G, d) of the coefficients as they stand, intercept first; null_loss:
    without features.
    """

    n_rows: np.ndarray = array_field("<i8", 1)
    weight_sum: np.ndarray = array_field("<f8", 1)
    target_mean: np.ndarray = array_field("<f8", 1)
    status: np.ndarray = array_field("|i1", 1)
    center: np.ndarray = array_field("<f8", 2)
    scale: np.ndarray = array_field("<f8", 2)
    base: np.ndarray = array_field("<f8", 2)
    point: np.ndarray = array_field("<f8", 2)
    objective: np.ndarray = array_field("<f8", 1)
    slope: np.ndarray = array_field("<f8", 1)
    n_taken: np.ndarray = array_field("<i8", 1)
    n_shortened: np.ndarray = array_field("<i8", 1)
    loss: np.ndarray = array_field("<f8", 1)
    null_loss: np.ndarray = array_field("<f8", 1)
    square: np.ndarray = array_field("<f8", 1)
    gap: np.ndarray = array_field("<f8", 1)
    standard_errors: np.ndarray = array_field("<f8", 2)

    @property
    def coefficients(self) -> np.ndarray:
        """Of the features as they stand, intercept first, at the base, (G, d)."""
        slopes = self.base[:, 1:] / self.scale
        return np.column_stack([self.base[:, 0] - np.einsum("gj,gj->g", self.center, slopes), slopes])


@dataclass
class GLMGroupsQuery(Record):
    """The groups that are not at their end, ascending by key, and how their rows are looked at.

    l2: of the penalty l2 sum b^2 / 2 on slopes, times the weight of a group's rows where by_mean; tol: of the gap;
    fractions: where between base (0) and point (1) the loss alone is looked at, (T,); frequency: weights are counts of rows
    """

    family: str
    link: str
    alpha: float
    l2: float
    by_mean: bool
    tol: float
    frequency: bool
    groups: GLMGroups
    fractions: np.ndarray = array_field("<f8", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.link not in LINKS.get(self.family, ()) or self.family == MULTINOMIAL:
            raise BadRecord(f"a family {self.family!r} with the link {self.link!r} for groups")
        if self.family == NEGATIVE_BINOMIAL and not 0 < self.alpha < math.inf:
            raise BadRecord(f"a negative binomial family with alpha = {self.alpha}")
        d = self.groups.point.shape[1]
        if self.groups.center.shape[1] != d - 1 or not len(self.fractions):
            raise BadRecord("groups of which the points are not those of their features, or no fraction to look at")
        if (self.groups.keys[1:] <= self.groups.keys[:-1]).any():
            raise BadRecord("groups whose keys do not ascend")


@dataclass
class GLMGroupsStatistics(KeyedStatistics):
    """Sums over the rows of positive weight at the point of each group: see GLMStatistics. information: the rows of its
    upper triangle, (G, d (d + 1) / 2); curvature: the same, or (G, 0) where it is the information; trial_loss: (G, T)."""

    loss: np.ndarray = array_field("<f8", 1)
    square: np.ndarray = array_field("<f8", 1)
    gradient: np.ndarray = array_field("<f8", 2)
    information: np.ndarray = array_field("<f8", 2)
    curvature: np.ndarray = array_field("<f8", 2)
    trial_loss: np.ndarray = array_field("<f8", 2)
    margin: np.ndarray = array_field("<f8", 1)
    move: np.ndarray = array_field("<f8", 2)

    @classmethod
    def zero(cls, query: GLMGroupsQuery) -> GLMGroupsStatistics:
        d = query.groups.point.shape[1]
        size = d * (d + 1) // 2
        own = size if families.has_own_curvature(query.family, query.link) else 0
        none = np.zeros(0)
        return cls(
            np.zeros(0), none, none, np.zeros((0, d)), np.zeros((0, size)), np.zeros((0, own)),
            np.zeros((0, len(query.fractions))), none, np.zeros((0, 2)),
        )  # fmt: skip

    @classmethod
    def leaf(cls, rows: Any, query: GLMGroupsQuery) -> GLMGroupsStatistics:
        groups = query.groups
        if rows.X.shape[1] != groups.center.shape[1]:
            raise BadRecord(f"rows of {rows.X.shape[1]} features where {groups.center.shape[1]} are asked for")
        keys = rows.group_keys
        if not len(groups.keys):
            return cls.zero(query)
        place = np.minimum(np.searchsorted(groups.keys, keys), len(groups.keys) - 1)
        counted = np.flatnonzero((groups.keys[place] == keys) & (rows.w > 0))
        if not len(counted):
            return cls.zero(query)
        order, begins = grouped(keys[counted])
        at = counted[order]
        place, w, y = place[at], rows.w[at], rows.y[at]
        z = np.ones((len(at), groups.point.shape[1]), order="F")
        for j in range(rows.X.shape[1]):
            z[:, j + 1] = (rows.X[at, j] - groups.center[place, j]) / groups.scale[place, j]
        eta = np.einsum("ij,ij->i", z, groups.point[place])
        if rows.offset is not None:
            eta += rows.offset[at]
        move = np.einsum("ij,ij->i", z, (groups.point - groups.base)[place])
        return cls._of_rows(query, keys[at][begins], begins, z, y, w, eta, move)

    @classmethod
    def _of_rows(
        cls, query: GLMGroupsQuery, keys: np.ndarray, begins: np.ndarray, z: np.ndarray, y: np.ndarray, w: np.ndarray,
        eta: np.ndarray, move: np.ndarray,
    ) -> GLMGroupsStatistics:  # fmt: skip
        family, link, alpha = query.family, query.link, query.alpha
        of_y = families.saturated(family, y, alpha)

        def total(values: np.ndarray) -> np.ndarray:
            return np.add.reduceat(w * values, begins)

        def losses(eta: np.ndarray) -> np.ndarray:
            return total(families.losses(family, link, y, eta, alpha, of_y))

        score, information, curvature, square = families.derivatives(family, link, y, eta, alpha)
        d = z.shape[1]
        pairs = [(i, j) for i in range(d) for j in range(i, d)]

        def triangle(values: np.ndarray) -> np.ndarray:
            return np.column_stack([total(values * z[:, i] * z[:, j]) for i, j in pairs])

        has_own = families.has_own_curvature(family, link)
        forward = families.margins(family, link, y, move)
        return cls(
            keys, losses(eta), total(square), np.column_stack([-total(score * z[:, j]) for j in range(d)]),
            triangle(information), triangle(curvature) if has_own else np.zeros((len(keys), 0)),
            np.column_stack([losses(eta + (fraction - 1) * move) for fraction in query.fractions.tolist()]),
            np.minimum.reduceat(families.margins(family, link, y, eta), begins),
            np.column_stack([np.minimum.reduceat(forward, begins), np.maximum.reduceat(forward, begins)]),
        )  # fmt: skip

    def pair(self, other: GLMGroupsStatistics) -> GLMGroupsStatistics:
        merged = super().pair(other)
        merged.margin = np.minimum(self.margin, other.margin)
        merged.move = np.column_stack([
            np.minimum(self.move[:, 0], other.move[:, 0]), np.maximum(self.move[:, 1], other.move[:, 1]),
        ])  # fmt: skip
        return merged
