"""Least squares for each group in one pass: the driver gets the solved groups."""

from __future__ import annotations

from typing import Any

from drivers.grouped.fits import GroupFits
from drivers.grouped.outcome import least_rows, model_of_groups
from drivers.run import Run
from jobs.design import Design
from jobs.kernels.wols_groups import STATUSES, WOLSGroups, WOLSGroupsQuery
from jobs.mr_wols_groups import MRWOLSGroups

KIND = "wols-groups"


def fit_linear_groups(run: Run, design: Design, min_rows: int | None, weight_type: str) -> dict[str, Any]:
    """The model, whose table is in the run directory.

    :raises ScanError: no group that can be fitted
    """
    least = least_rows(design, min_rows)
    query = WOLSGroupsQuery(len(design.feature_names), least, weight_type == "frequency")
    found: WOLSGroups = run.scan("groups", MRWOLSGroups, query, design)
    measures = {"r_squared": found.r_squared, "sigma": found.sigma, "condition_number": found.condition}
    fits = GroupFits(
        found.keys, found.n_rows, found.weight_sum, found.status, STATUSES, measures, found.coefficients,
        found.standard_errors, found.df_residuals,
    )  # fmt: skip
    return model_of_groups(run, design, KIND, fits, {}, {"min_rows": least, "weight_type": weight_type}, {})
