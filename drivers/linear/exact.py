"""The exact weighted least-squares fit: one pass, or two with sandwich standard errors.

A fit gives (parameters, inference, training): the three parts of the model that differ between algorithms.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.designs import feature_centers, target_center
from drivers.linear.inference import classical_table, measures_of_fit, sandwich_tables
from drivers.run import Run
from drivers.wording import count
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.wols import WOLSQuery, exact_sum, solve
from jobs.kernels.wols_robust import WOLSRobustQuery
from jobs.mr_wols import MRWOLS
from jobs.mr_wols_robust import MRWOLSRobust

Parts = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]

# Below this share of the rows the weights are so uneven that classical standard errors cannot be believed.
UNEVEN = 0.01


def fit_exactly(run: Run, design: Design, robust: bool | None = None, level: float = 0.95) -> Parts:
    """One pass for the coefficients and classical inference; one more for sandwich standard errors.

    :param robust: None: where the effective sample size is below a hundredth of the rows
    """
    manifest = run.pack.manifest
    assert design.target is not None
    center = feature_centers(manifest, design)
    query = WOLSQuery(center, target_center(manifest, design))
    statistics = run.scan("exact", MRWOLS, query, design)
    if statistics.n_rows == 0:
        raise ScanError("no row is left that has a positive weight and every cell it needs")
    n_coefficients = len(design.feature_names) + 1
    if statistics.n_rows < n_coefficients:
        raise ScanError(
            f"{count(statistics.n_rows, 'row')} of positive weight with every cell they need are too few for "
            f"{n_coefficients} coefficients; name fewer features with --features"
        )
    solution = solve(statistics, query)
    measures = measures_of_fit(statistics, solution)
    tables = [classical_table(solution, measures, level)]
    uneven = measures["effective_sample_size"] < UNEVEN * statistics.n_rows
    if robust or (robust is None and uneven):
        centred_intercept = exact_sum([solution.intercept, -query.target_center], center, solution.coefficients)
        robust_query = WOLSRobustQuery(centred_intercept, query.target_center, solution.coefficients, center)
        sandwich = run.scan("robust", MRWOLSRobust, robust_query, design)
        tables += sandwich_tables(solution, sandwich, center, level)
    _warn(run, design, statistics, solution, measures, tables)
    parameters = {"coefficients": solution.coefficients, "intercept": solution.intercept}
    inference = {
        **measures,
        "confidence_level": level,
        "weight_type": "analytic",
        "dependent_features": [design.feature_names[j] for j in solution.dependent],
        "coefficients": [table.to_json() for table in tables],
    }
    return parameters, inference, training_of(run, statistics, solver="exact", converged=True)


def training_of(run: Run, statistics: Any, solver: str, converged: bool) -> dict[str, Any]:
    """What the model file says of its training; `statistics` None where no pass has summed the weights."""
    training = {
        "solver": solver,
        "converged": converged,
        "n_passes": run.n_passes,
        "rows_in": run.counts.read + run.pack.manifest.n_rejected,
        "rows_used": run.counts.used,
        "rows_rejected": run.counts.rejected + run.pack.manifest.n_rejected,
        "rows_missing": run.counts.missing,
        "data_fingerprint": run.pack.manifest.fingerprint,
    }
    if statistics is not None:
        training.update(n_rows=statistics.n_rows, n_zero_weight=statistics.n_zero_weight, weight_sum=statistics.weight_sum)
    return training


def _warn(run: Run, design: Design, statistics: Any, solution: Any, measures: dict[str, Any], tables: list) -> None:
    if solution.dependent:
        names = ", ".join(repr(design.feature_names[j]) for j in solution.dependent)
        run.warnings.append(
            f"the matrix is singular (rank {solution.rank} of {len(design.feature_names)}); dependent on the intercept and "
            f"the features before: {names}. These are the coefficients of least norm"
        )
    if measures["df_residuals"] <= 0:
        run.warnings.append("there are no more rows than coefficients: nothing is left to estimate errors from")
    if statistics.n_zero_weight:
        run.warnings.append(f"rows of weight zero, which do not count: {statistics.n_zero_weight}")
    effective, n = measures["effective_sample_size"], statistics.n_rows
    if effective < UNEVEN * n:
        text = (
            f"the weights are so uneven that {n:,} rows are worth {effective:,.0f} of equal weight, and one row carries "
            f"{measures['largest_weight_share']:.0%} of it all; do not believe the classical standard errors"
        )
        if len(tables) == 3:
            ratio = tables[2].standard_errors / tables[0].standard_errors
            text += f" ({np.nanmax(ratio):.0f} times too small if all rows are equally noisy)"
        run.warnings.append(text)
