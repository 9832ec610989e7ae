"""The sampled rows as the report of a mixture sees them: the parts that components have in them, and the true ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.clustering.scorers import mixture_scorer, scorer_of_mixture
from drivers.designs import sample_rows
from drivers.packing.cache import Pack
from drivers.report.mixture_truth import TrueMixture


@dataclass
class MixtureRows:
    """Rows of the sample, those with weight.

    X: (n, p); w: (n,); r: (n, k), the responsibilities; true_parts: (n,), the true component of each, -1 where it is not
    known; None where there is no truth
    """

    X: np.ndarray
    w: np.ndarray
    r: np.ndarray
    true_parts: np.ndarray | None

    @property
    def parts(self) -> np.ndarray:
        """The component of greatest part in each row, shape (n,)."""
        return self.r.argmax(axis=1)


def rows_of(pack: Pack | None, model: dict[str, Any], truth: TrueMixture | None) -> MixtureRows | None:
    """What packing drew; None without a row."""
    if pack is None:
        return None
    rows = sample_rows(pack, model)
    rows = rows.at(np.flatnonzero(rows.w > 0))
    if not len(rows.X):
        return None
    true_parts = None if truth is None else _true_parts(truth, pack, rows.positions, rows.X)
    return MixtureRows(rows.X, rows.w, mixture_scorer(model).parts(rows.X)[0], true_parts)


def _true_parts(truth: TrueMixture, pack: Pack, positions: np.ndarray, X: np.ndarray) -> np.ndarray:
    """By the label where there is one, or else the component of greatest part in the row."""
    if truth.label is None:
        return scorer_of_mixture(truth.mixture).parts(X)[0].argmax(axis=1)
    labels = pack.sample().rows[positions, pack.manifest.index(truth.label)]
    known = np.isfinite(labels) & (labels >= 0) & (labels < len(truth.mixture.weights))
    return np.where(known, labels, -1).astype(np.int64)
