"""What scikit-learn finds on the rows that fit in memory, and how sure that can be.

The covariance of the sample's fit is White's sandwich (*Econometrica* 48, 1980), with Z = (1, X), B = (Z'WZ)^-1:

    Cov(b) = B (sum w^2 e^2 / (1 - h)^2 z z') B,  h = w z' B z               (HC3)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from drivers.designs import sample_rows
from drivers.packing.cache import Pack
from drivers.report.penalised_fit import fit_penalised
from jobs.recipe.categories import TargetEncode


@dataclass
class Sample:
    """The sampled rows that count, complete and of positive weight: X (n, p), y (n,), w (n,).

    n_drawn of the n_table rows were drawn. They stand in the order of their keys, so the first k are a sample as well.
    held_out: the share of the table's rows that the fit did not see, and the sample did.
    """

    X: np.ndarray
    y: np.ndarray
    w: np.ndarray
    n_drawn: int
    n_table: int
    held_out: float = 0.0

    @property
    def is_everything(self) -> bool:
        """Whether these are the very rows of the fit."""
        return self.n_drawn == self.n_table and not self.held_out

    @property
    def share(self) -> float:
        """Of the table's rows."""
        return self.n_drawn / self.n_table

    @property
    def independence(self) -> float:
        """The variance of (sample - fit) over that of the sample's fit, both means of rows of one kind.

        m of N rows in the sample, (1 - h) N in the fit and (1 - h) m in both: (1/m - 1/N (1 - 2h) / (1 - h)) / (1/m). The
        more of the rows they share, the less they can differ.
        """
        return 1 - self.share * (1 - 2 * self.held_out) / (1 - self.held_out)

    @property
    def effective_size(self) -> float:
        """(sum w)^2 / sum w^2, 0 without rows."""
        return float(self.w.sum() ** 2 / np.square(self.w).sum()) if len(self.w) else 0.0

    @cached_property
    def spread(self) -> np.ndarray:
        """The standard deviation of each feature, 1 for a constant one, shape (p,)."""
        deviation = self.X.std(axis=0)
        return np.where(deviation > 0, deviation, 1.0)


@dataclass
class SampleFit:
    """Intercept and slopes (p + 1,), and their covariance: NaN if the sample's matrix is singular or the fit penalised."""

    coefficients: np.ndarray
    covariance: np.ndarray


def take_sample(pack: Pack | None, model: dict[str, Any]) -> Sample:
    """The rows that packing drew, in the roles of the model; none where there are no data."""
    if pack is None:
        return Sample(np.empty((0, len(model["features"]))), np.empty(0), np.empty(0), 0, 1)
    rows = sample_rows(pack, model)
    assert rows.y is not None
    counts = rows.w > 0
    holdout = model.get("validation", {}).get("holdout", {}).get("n_rows", 0)
    held_out = holdout / (holdout + model["training"]["n_rows"]) if holdout else 0.0
    return Sample(rows.X[counts], rows.y[counts], rows.w[counts], rows.counts.read, pack.manifest.n_rows, held_out)


def fit_sample(sample: Sample, model: dict[str, Any] | None = None) -> SampleFit | None:
    """scikit-learn's fit of the sample with the penalty of the model, if it has one; None without rows or features."""
    # Of target encodings a model applies those by all rows, and a fit of the sample would know its own targets by them.
    steps = ((model or {}).get("design", {}).get("recipe") or {}).get("steps", [])
    if not sample.X.size or any(step["step"] == TargetEncode.word for step in steps):
        return None
    from sklearn.linear_model import LinearRegression

    # Only ratios of weights matter, and scikit-learn takes their roots and sums as they come.
    weights = sample.w / sample.w.max()
    penalty = (model or {}).get("penalty")
    if model is not None and penalty:
        # The square errors of the sample are a part of the table's, and the ridge's share of alpha is as large.
        part = weights.sum() / model["training"]["weight_sum"]
        coefficients = fit_penalised(sample.X, sample.y, weights, penalty, part)
        return SampleFit(coefficients, np.full((len(coefficients),) * 2, np.nan))
    estimator = LinearRegression().fit(sample.X, sample.y, sample_weight=weights)
    coefficients = np.array([estimator.intercept_, *estimator.coef_])
    residuals = sample.y - estimator.predict(sample.X)
    return SampleFit(coefficients, _sandwich(sample.X, weights, residuals))


def _sandwich(X: np.ndarray, w: np.ndarray, residuals: np.ndarray) -> np.ndarray:
    """HC3 for the coefficients of (1, X) (MacKinnon and White, "Some heteroskedasticity-consistent covariance matrix
    estimators with improved finite sample properties", Journal of Econometrics 29, 1985).

    A sandwich and not the equal-variance form: it holds for any noise, and since it is also the variance that drawing the
    rows at random gives, it is the one to compare the sample's fit with the fit of all rows by. HC3 and not HC0, whose
    errors are too small where few rows decide a coefficient, such as one of many categories. Where few rows carry all the
    weight it is still too small; below an effective size of SMALL (findings.py) it is not used at all.
    """
    center = np.average(X, axis=0, weights=w)
    scale = np.sqrt(np.average(np.square(X - center), axis=0, weights=w))
    scale = np.where(scale > 0, scale, 1.0)
    root = np.sqrt(w)
    Z = np.column_stack([root, (X - center) / scale * root[:, None]])
    n, k = Z.shape
    left, singular, right = np.linalg.svd(Z, full_matrices=False)
    if n < k or singular[-1] <= singular[0] * max(n, k) * np.finfo(float).eps:
        return np.full((k, k), np.nan)
    # A row of leverage 1 is fitted exactly and says nothing of its noise.
    left_over = np.maximum(1 - np.square(left).sum(axis=1), np.finfo(float).eps)
    scores = left * (root * residuals / left_over)[:, None]
    back = right.T / singular
    covariance = back @ (scores.T @ scores) @ back.T
    # From the centred and scaled features to (1, X).
    turn = np.diag(np.concatenate([[1.0], 1 / scale]))
    turn[0, 1:] = -center / scale
    return turn @ covariance @ turn.T
