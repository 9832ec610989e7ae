"""What becomes of the fits of all groups: their table, what is told of them, and the model file."""

from __future__ import annotations

from typing import Any

from drivers.grouped.fits import GroupFits
from drivers.grouped.table import TABLE, write_table
from drivers.model import make_model
from drivers.run import Run
from drivers.training import training_of
from jobs.design import Design
from jobs.errors import ScanError


def least_rows(design: Design, min_rows: int | None) -> int:
    """The rows that a group must have: without other wishes so many that its errors have a degree of freedom."""
    return len(design.feature_names) + 2 if min_rows is None else min_rows


def model_of_groups(
    run: Run, design: Design, kind: str, fits: GroupFits, parameters: dict[str, Any], inference: dict[str, Any],
    training: dict[str, Any],
) -> dict[str, Any]:  # fmt: skip
    """The model, whose table is written into the run directory.

    :param inference, training: what there is to tell besides
    :raises ScanError: no group that can be fitted
    """
    fitted = fits.fitted
    if not fitted.any():
        told = f"none of {len(fitted):,} groups by {design.group!r} can be fitted: {fits.told()}"
        more_passes = "; allow more passes with --max-iter" if "not converged" in told else ""
        raise ScanError(f"{told}; name fewer --features, or another column with --group-by{more_passes}")
    write_table(run.directory.file(TABLE), fits, design, run.pack)
    if not fitted.all():
        n_unfitted = len(fitted) - int(fitted.sum())
        run.warnings.append(f"groups that are not fitted: {n_unfitted:,} of {len(fitted):,} ({fits.told()})")
    n_rows = int(fits.n_rows.sum())
    sums = {
        "n_rows": n_rows,
        "n_zero_weight": run.counts.used - n_rows,
        "weight_sum": float(fits.weight_sum.sum()),
    }
    if sums["n_zero_weight"]:
        run.warnings.append(f"rows of weight 0, which are as if they were not there: {sums['n_zero_weight']:,}")
    manifest = run.pack.manifest
    whole = {
        "table": TABLE, "delimiter": manifest.delimiter, "group_kind": manifest.kind(str(design.group)), **parameters
    }  # fmt: skip
    summary = {**fits.summary(), **inference}
    return make_model(kind, design, whole, summary, {**training_of(run, "exact", True), **sums, **training})
