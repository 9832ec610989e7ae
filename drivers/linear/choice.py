"""What is fitted before it is judged: all features as they are, or a choice (penalised.py, selected.py). Without a pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drivers.linear.gathered import Gathered
from drivers.linear.scores import Score, r_squared_of_folds
from jobs.kernels.wols import WOLSSolution, WOLSStatistics, solve


@dataclass
class Choice:
    """A solution and how it came about.

    df: effective degrees of freedom without the intercept, None for least squares; root_of_inverse: for the leverage, see
    `residuals_query`; label: what the reader of standard errors must know; the dictionaries are parts of the model.
    """

    gathered: Gathered
    whole: WOLSStatistics
    solution: WOLSSolution
    df: float | None = None
    root_of_inverse: np.ndarray | None = None
    label: str = ""
    validation: dict[str, Any] = field(default_factory=dict)
    penalty: dict[str, Any] | None = None
    path: dict[str, Any] | None = None
    selection: dict[str, Any] | None = None
    remarks: list[str] = field(default_factory=list)


def plain(gathered: Gathered) -> Choice:
    """Least squares of all features."""
    whole = gathered.whole
    return Choice(gathered, whole, solve(whole, gathered.query))


def validation_of(gathered: Gathered, mse: np.ndarray) -> dict[str, Any]:
    """How the fit does on each fold when it is trained on the others: mse (K,)."""
    folds = gathered.training
    weights = np.array([fold.weight_sum for fold in folds])
    mse = mse[:, None]
    return {
        "n_folds": len(folds),
        "fold_by": gathered.fold_by,
        "seed": gathered.folds.seed,
        "n_rows": [fold.n_rows for fold in folds],
        "weights": weights,
        **{
            name: {"mean": score.mean[0], "standard_error": score.standard_error[0], "folds": score.folds[:, 0]}
            for name, score in (
                ("mse", Score.of(mse, weights)),
                ("rmse", Score.of(np.sqrt(mse), weights)),
                ("r_squared", Score.of(r_squared_of_folds(mse, folds), weights)),
            )
        },
    }
