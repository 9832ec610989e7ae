"""The fits of a linear report side by side, all over (1, features): ours, scikit-learn's on the sample, the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from drivers.packing.cache import Pack
from drivers.report.figures import OUR_LABEL, TRAINING_LABEL
from drivers.report.formats import number, share
from drivers.report.sample_fit import Sample, SampleFit, fit_sample, take_sample
from drivers.report.truth import Truth, find_truth

# Rows of equal weight. Below it a standard error is itself so uncertain that z says nothing.
SMALL = 30
# Relative to the size of a prediction: beyond this two fits of the same rows are not the same up to rounding.
ROUNDING = 1e-9
# Two-sided 95 % of the normal law.
BAND = 1.96
KINDS = {
    "classical": "classical",
    **{kind: f"{kind} sandwich" for kind in ("HC0", "HC1", "HC2", "HC3", "cluster", "equal-variance")},
}


@dataclass
class Comparison:
    """Coefficient arrays have shape (p + 1,), the intercept first.

    dependent: features that depend on others
    is_penalised: whether coefficients are shrunk or bound; then so are those of the sample's fit, and neither is tested
    label: what the reader of standard errors must know, "" for least squares
    table: the coefficient table that leads, None without inference
    errors: the widest standard error of each coefficient over all its tables, None without inference
    """

    names: list[str]
    ours: np.ndarray
    table: dict[str, Any] | None
    errors: np.ndarray | None
    effective_size: float | None
    sample: Sample
    sample_fit: SampleFit | None
    truth: Truth | None
    dependent: list[str]
    is_penalised: bool = False
    label: str = ""

    @property
    def our_label(self) -> str:
        """What our own fit is called in a picture."""
        return TRAINING_LABEL if self.sample.held_out else OUR_LABEL

    @property
    def sample_label(self) -> str:
        """What the sample's fit is called: by its share of the rows."""
        part = "the same rows" if self.sample.is_everything else f"{share(self.sample.share, 2)} sample"
        return f"scikit-learn, {part}"

    @property
    def covariance(self) -> np.ndarray | None:
        """Of our coefficients, by `table`."""
        return None if self.table is None else np.asarray(self.table["covariance"], dtype=float)

    @property
    def sample_is_small(self) -> bool:
        """Whether the sample's weight lies on too few rows to compare anything with its fit."""
        return self.sample.effective_size < SMALL

    @property
    def table_is_small(self) -> bool:
        """The same for all rows; where that is not known, for the sample."""
        size = self.sample.effective_size if self.effective_size is None else self.effective_size
        return size < SMALL

    @property
    def reference(self) -> np.ndarray:
        """What the others are drawn against: the truth, or our fit."""
        return self.ours if self.truth is None else self.truth.coefficients

    @property
    def is_determined(self) -> bool:
        """Whether all rows, and the sample as well, determine every coefficient."""
        fit = self.sample_fit
        return not self.dependent and fit is not None and bool(np.isfinite(fit.covariance).all())

    def sample_z(self) -> np.ndarray | None:
        """(b_sample - b_ours) / its standard error; None where there is nothing to compare."""
        fit = self.sample_fit
        if fit is None or not self.is_determined or self.sample_is_small or self.sample.is_everything:
            return None
        errors = np.sqrt(np.diag(fit.covariance) * self.sample.independence)
        return _ratio(fit.coefficients - self.ours, errors)

    def truth_z(self) -> np.ndarray | None:
        """(b_ours - b_true) / the widest standard error; None where there is nothing to compare."""
        if self.truth is None or self.errors is None or self.dependent or self.table_is_small or self.is_penalised:
            return None
        return _ratio(self.ours - self.truth.coefficients, self.errors)

    def rounding(self, difference: np.ndarray) -> bool:
        """Whether fits whose coefficients differ by this (p + 1,) predict the same on the sample but for rounding."""
        largest = float(np.abs(self.sample.y).max(initial=0.0))
        return self.prediction_gap(difference) <= ROUNDING * largest

    def prediction_gap(self, difference: np.ndarray) -> float:
        """By how much the fitted values of two fits differ at most on the sample."""
        return float(np.abs(difference[0] + self.sample.X @ difference[1:]).max(initial=0.0))

    def errors_told(self) -> str:
        """Which standard errors the bands and bars of the pictures are made of."""
        told = []
        covariance = self.covariance
        if self.table is not None and covariance is not None and np.isfinite(covariance).all():
            told.append(f"{KINDS[self.table['covariance_type']]} for all rows")
        if self.sample_fit is not None and np.isfinite(self.sample_fit.covariance).all():
            told.append("HC3 sandwich on the sample for scikit-learn's fit")
        text = (
            f"\N{PLUS-MINUS SIGN}{BAND} standard errors ({'; '.join(told)})."
            if told
            else "none, for want of standard errors."
        )
        if told and self.label:
            text += f" Those of all rows: {self.label}."
        if self.table is None:
            text += " Gradient descent gives no standard errors."
        if told and self.sample_is_small:
            worth = number(self.sample.effective_size, 3)
            text += f" The sample is worth only {worth} rows of equal weight: its standard errors are too small."
        return text

    def limit(self) -> float:
        """Within this |z| the largest of p + 1 lies by chance in 95 of 100 cases (Bonferroni)."""
        return float(special.ndtri(1 - 0.025 / len(self.ours)))


def compare(model: dict[str, Any], pack: Pack | None) -> Comparison:
    """All that is known of the coefficients of a linear model."""
    inference = model["inference"]
    sample = take_sample(pack, model)
    tables = inference.get("coefficients", [])
    errors = None
    if tables:
        all_errors = np.array([table["standard_errors"] for table in tables], dtype=float)
        errors = np.fmax.reduce(all_errors, axis=0)
    parameters = model["parameters"]
    return Comparison(
        names=["intercept", *model["features"]],
        ours=np.array([parameters["intercept"], *parameters["coefficients"]], dtype=float),
        table=next((table for table in tables if table["covariance_type"] == inference["covariance_type"]), None),
        errors=errors,
        effective_size=inference.get("effective_sample_size"),
        sample=sample,
        sample_fit=fit_sample(sample, model),
        truth=find_truth(pack.manifest.sources, model["features"], model["target"]) if pack is not None else None,
        dependent=inference.get("dependent_features", []),
        is_penalised=bool(model.get("penalty")),
        label=inference.get("label", ""),
    )


def line_errors(covariance: np.ndarray, X: np.ndarray) -> np.ndarray:
    """The standard error of the fitted value in each row of X (n, p); shape (n,)."""
    Z = np.column_stack([np.ones(len(X)), X])
    return np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", Z, covariance, Z, optimize=True), 0.0))


def _ratio(difference: np.ndarray, errors: np.ndarray) -> np.ndarray | None:
    with np.errstate(divide="ignore", invalid="ignore"):
        z = difference / errors
    return z if np.isfinite(z).all() else None
