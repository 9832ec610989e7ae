"""The candidates of a fit: every penalty, on all rows and without each fold."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from drivers.glm.coordinates import Coordinates
from drivers.glm.options import N_ALPHAS, Settings
from drivers.glm.penalties import Penalties
from jobs.design import Rows
from jobs.kernels.glm import NONE, GLMQuery, GLMStatistics

# From the penalty that leaves no coefficient down to this share of it.
SMALLEST = 1e-4
# The matrices of candidates that a task holds at once.
MOST_BYTES = 256 << 20


@dataclass
class Candidates:
    """m candidates, each penalty on all rows first and then without each fold: alphas, l1_ratios, left_out (m,)."""

    alphas: np.ndarray
    l1_ratios: np.ndarray
    left_out: np.ndarray
    n_folds: int

    @classmethod
    def of(cls, points: list[tuple[float, float]], n_folds: int) -> Candidates:
        """For penalties (alpha, l1_ratio)."""
        folds = [NONE, *(range(n_folds) if n_folds > 1 else ())]
        each = [(alpha, ratio, fold) for alpha, ratio in points for fold in folds]
        alphas, ratios, left_out = (np.array(values) for values in zip(*each))
        return cls(alphas.astype(float), ratios.astype(float), left_out.astype(np.int64), len(folds) - 1)

    def chunks(self, D: int) -> list[Candidates]:
        """Those that a task can hold at once, and then the next."""
        size = 1 + self.n_folds
        at_once = max(1, MOST_BYTES // (8 * D * D * size)) * size
        return [
            Candidates(
                self.alphas[i : i + at_once], self.l1_ratios[i : i + at_once], self.left_out[i : i + at_once], self.n_folds
            )
            for i in range(0, len(self.alphas), at_once)
        ]

    def penalties(self, settings: Settings, spreads: np.ndarray) -> Penalties:
        """Their penalties; spreads: the standard deviations of the features, (p,)."""
        p = len(spreads)
        made = Penalties.none(len(self.alphas), p)
        made.by_mean = settings.by_mean
        if settings.is_penalised:
            share = {"ridge": np.zeros(len(self.alphas)), "lasso": np.ones(len(self.alphas))}.get(
                settings.penalty.kind, self.l1_ratios
            )
            made.l1, made.l2 = self.alphas * share, self.alphas * (1 - share)
        if settings.penalty.standardize:
            made.scale = np.where(spreads > 0, spreads, 1.0)
        if settings.bounds is not None:
            made.lower, made.upper = np.full(p, settings.bounds[0]), np.full(p, settings.bounds[1])
        return made


def penalty_points(
    settings: Settings, model: tuple[str, str, float], sample: Rows, coordinates: Coordinates, cold: np.ndarray,
    n_rows: float, spreads: np.ndarray,
) -> list[tuple[float, float]]:  # fmt: skip
    """The penalties to try, the largest first.

    Without a list of them they go from the one that leaves no coefficient, judged by the sample, down to a ten-thousandth.

    :param cold: the start without slopes, (q, d)
    :param n_rows: of the table, which a penalty by the sum grows with
    """
    if not settings.is_penalised:
        return [(0.0, 0.0)]
    ratios = settings.l1_ratios if settings.penalty.kind == "elastic-net" else [float(settings.penalty.kind == "lasso")]
    if settings.alphas is not None:
        return [(alpha, ratio) for ratio in ratios for alpha in sorted(settings.alphas, reverse=True)]
    gradient = _null_gradient(model, sample, coordinates, cold)
    scale = np.where(spreads > 0, spreads, 1.0) if settings.penalty.standardize else np.ones(len(spreads))
    steepest = float((np.abs(gradient[:, 1:]) / scale).max(initial=0.0)) / max(float(sample.w.sum()), 1e-300)
    top = steepest * (1.0 if settings.by_mean else n_rows)
    top = top if top > 0 and math.isfinite(top) else 1.0
    # A ridge leaves every coefficient, so its path begins where scikit-learn's elastic net would with little of it.
    return [
        (float(alpha), ratio)
        for ratio in ratios
        for alpha in np.geomspace(top / max(ratio, 1e-2), top / max(ratio, 1e-2) * SMALLEST, N_ALPHAS)
    ]


def _null_gradient(model: tuple[str, str, float], sample: Rows, coordinates: Coordinates, cold: np.ndarray) -> np.ndarray:
    query = GLMQuery.at(model, coordinates.center, coordinates.basis, cold[None])
    statistics = GLMStatistics.zero(query)
    statistics.add(sample, query)
    return coordinates.gradient_of_coefficients(statistics.gradient[0].reshape(cold.shape))
