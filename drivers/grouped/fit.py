"""Least squares for each group in one pass; the driver gets the solved groups, writes their table and sums them up."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.grouped.table import TABLE, write_table
from drivers.model import make_model
from drivers.run import Run
from drivers.training import training_of
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.wols_groups import FITTED, STATUSES, WOLSGroups, WOLSGroupsQuery
from jobs.mr_wols_groups import MRWOLSGroups

KIND = "wols-groups"
QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


def least_rows(design: Design, min_rows: int | None) -> int:
    """The rows that a group must have: without other wishes so many that its errors have a degree of freedom."""
    return len(design.feature_names) + 2 if min_rows is None else min_rows


def fit_groups(run: Run, design: Design, min_rows: int | None, weight_type: str) -> dict[str, Any]:
    """The model, whose table is in the run directory.

    :raises ScanError: no group that can be fitted
    """
    least = least_rows(design, min_rows)
    query = WOLSGroupsQuery(len(design.feature_names), least, weight_type == "frequency")
    groups: WOLSGroups = run.scan("groups", MRWOLSGroups, query, design)
    fitted = groups.status == FITTED
    if not fitted.any():
        raise ScanError(
            f"none of {len(fitted):,} groups by {design.group!r} can be fitted: {_unfitted(groups)}; name fewer "
            "--features, or another column with --group-by"
        )
    write_table(run.directory.file(TABLE), groups, design, run.pack)
    if not fitted.all():
        n_unfitted = len(fitted) - int(fitted.sum())
        run.warnings.append(f"groups that are not fitted: {n_unfitted:,} of {len(fitted):,} ({_unfitted(groups)})")
    n_rows = int(groups.n_rows.sum())
    sums = {
        "n_rows": n_rows,
        "n_zero_weight": run.counts.used - n_rows,
        "weight_sum": float(groups.weight_sum.sum()),
    }
    if sums["n_zero_weight"]:
        run.warnings.append(f"rows of weight 0, which are as if they were not there: {sums['n_zero_weight']:,}")
    manifest = run.pack.manifest
    parameters = {"table": TABLE, "delimiter": manifest.delimiter, "group_kind": manifest.kind(str(design.group))}
    training = {**training_of(run, "exact", True), **sums}
    return make_model(KIND, design, parameters, summary(groups, least, weight_type), training)


def summary(groups: WOLSGroups, min_rows: int, weight_type: str) -> dict[str, Any]:
    """What the groups are like: how many there are by status, and quantiles over those that are fitted, one row a
    probability, the intercept first."""
    fitted = groups.status == FITTED
    r_squared = groups.r_squared[fitted]
    r_squared = r_squared[~np.isnan(r_squared)]  # a target that does not vary has none
    return {
        "n_groups": len(fitted),
        "n_fitted": int(fitted.sum()),
        "statuses": {name: int(np.sum(groups.status == code)) for code, name in enumerate(STATUSES)},
        "min_rows": min_rows,
        "weight_type": weight_type,
        "probabilities": list(QUANTILES),
        "coefficients": np.quantile(groups.coefficients[fitted], QUANTILES, axis=0),
        "r_squared": np.quantile(r_squared, QUANTILES) if len(r_squared) else np.full(len(QUANTILES), np.nan),
        "n_rows": np.quantile(groups.n_rows, QUANTILES),
    }


def _unfitted(groups: WOLSGroups) -> str:
    numbers = {name: int(np.sum(groups.status == code)) for code, name in enumerate(STATUSES) if code != FITTED}
    return ", ".join(f"{name} {n:,}" for name, n in numbers.items() if n)
