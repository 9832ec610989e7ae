"""The exact weighted least-squares fit, from what one pass has gathered; a second pass looks at the residuals.

choose      the features (--select), or the penalty by cross-validation (--penalty), without a pass
solve       the coefficients
refine      their last digits, by a pass (--refine)
look back   at the residuals, by a pass (--diagnostics): robust errors, tests, influence
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from drivers.linear.choice import Choice, plain
from drivers.linear.collinearity import correlation, variance_inflation
from drivers.linear.diagnostics import diagnostics, remarks
from drivers.linear.gathered import Gathered
from drivers.linear.inference import (
    CoefficientTable,
    classical_table,
    estimates_of,
    measures_of_fit,
    sandwich_tables,
)
from drivers.linear.options import Settings
from drivers.linear.refinement import refine
from drivers.linear.scores import evaluate
from drivers.linear.training import training_of_statistics, training_with_sums
from drivers.model import make_model
from drivers.packing.locate import name_of_row
from drivers.run import Run
from drivers.wording import count, listed
from jobs.errors import ScanError
from jobs.kernels.exact_products import exact_sum
from jobs.kernels.wols import WOLSStatistics
from jobs.kernels.wols_residuals import residuals_query
from jobs.mr_wols_residuals import MRWOLSResiduals

# Below this share of the rows the weights are so uneven that classical standard errors cannot be believed.
UNEVEN = 0.01
# Of more coefficients than these only the covariance that leads is kept, and no correlations.
MANY_COEFFICIENTS = 100
HIGH_INFLATION = 10.0


def fit_exactly(gathered: Gathered, settings: Settings, warnings: list[str], run: Run | None) -> dict[str, Any]:
    """The model.

    :param warnings: grows by what the user must know
    :param run: makes the further passes; None where there are no rows to pass over, only their statistics
    :raises ScanError: no rows, fewer than a fit without a penalty needs, or no folds to choose by
    """
    whole = gathered.whole
    _check_rows(gathered, whole, settings)
    _check_parts(gathered)
    choice = _choose(gathered, settings)
    gathered, whole, solution = choice.gathered, choice.whole, choice.solution
    if settings.refine and run is not None:
        solution = refine(run, gathered.design_of_training(), whole, gathered.query, solution)
        # As a checkpoint has them, for products round by where numbers lie: a run that is resumed has the same bits.
        solution = dataclasses.replace(
            solution,
            coefficients=np.ascontiguousarray(solution.coefficients),
            covariance_root=np.ascontiguousarray(solution.covariance_root),
        )
    measures = measures_of_fit(whole, solution, settings.weight_type, choice.df, gathered.query.center)
    tables = [classical_table(whole, solution, measures, settings.level, choice.label)]
    uneven = measures["effective_sample_size"] < UNEVEN * measures["n_observations"]
    found = None
    if run is not None and (settings.diagnostics or (settings.diagnostics is None and uneven)):
        found, more = _look_back(gathered, whole, dataclasses.replace(choice, solution=solution), settings, measures, run)
        tables += more
    leading = _leading(tables, settings, uneven)
    _warn(warnings, choice, whole, measures, tables, uneven)
    if found is not None:
        warnings += remarks(found)
    inference = {
        **measures,
        "confidence_level": settings.level,
        "weight_type": settings.weight_type,
        "covariance_type": leading,
        "label": choice.label,
        "dependent_features": [gathered.design.feature_names[j] for j in solution.dependent],
        "variance_inflation": variance_inflation(whole, gathered.query),
        "coefficients": [_as_json(table, leading) for table in tables],
        "prediction": _prediction(next(t for t in tables if t.covariance_type == leading), gathered, measures),
        "diagnostics": found,
    }
    if len(solution.coefficients) < MANY_COEFFICIENTS:
        inference["correlation"] = correlation(whole)
    _warn_of_inflation(warnings, gathered, solution.dependent, inference["variance_inflation"])
    validation = dict(choice.validation)
    if gathered.holdout is not None:
        query = gathered.query
        # Large terms cancel where the data lie far from zero.
        centred = exact_sum([solution.intercept, -query.target_center], query.center, solution.coefficients)
        validation["holdout"] = evaluate(gathered.holdout, gathered.query, solution.coefficients, centred)
    parameters = {"coefficients": solution.coefficients, "intercept": solution.intercept}
    training = training_with_sums(run, whole, "exact", True) if run is not None else training_of_statistics(whole)
    model = make_model("wols", gathered.design, parameters, inference, training)
    chosen = {"validation": validation, "penalty": choice.penalty, "path": choice.path, "selection": choice.selection}
    return {**model, **{name: value for name, value in chosen.items() if value}}


def _choose(gathered: Gathered, settings: Settings) -> Choice:
    # Imported where they are wanted: scipy.linalg takes a tenth of a second, which a plain fit does not wait for.
    if settings.select:
        from drivers.linear.selected import choose_features

        return choose_features(gathered, settings)
    if not settings.is_penalised and gathered.folds.n_folds == 1:
        return plain(gathered)
    from drivers.linear.penalised import choose_penalty, plain_on_folds

    return choose_penalty(gathered, settings) if settings.is_penalised else plain_on_folds(gathered)


def _check_rows(gathered: Gathered, whole: WOLSStatistics, settings: Settings) -> None:
    if whole.n_rows == 0:
        raise ScanError("no row is left that has a positive weight and every cell it needs")
    n_coefficients = len(gathered.design.feature_names) + 1
    if whole.n_rows < n_coefficients and not settings.is_penalised and settings.select is None:
        raise ScanError(
            f"{count(whole.n_rows, 'row')} of positive weight with every cell they need are too few for "
            f"{n_coefficients} coefficients; name fewer features with --features"
        )


def _check_parts(gathered: Gathered) -> None:
    """:raises ScanError: a fold or a holdout that there is nothing to judge by"""
    n_folds, n_rows = gathered.folds.n_folds, [part.n_rows for part in gathered.training]
    if n_folds > 1 and not all(n_rows):
        remedy = "ask for fewer folds"
        if gathered.fold_by is not None:
            remedy += f", or deal the rows by a column of more values than {gathered.fold_by!r}"
        raise ScanError(f"fold {n_rows.index(0) + 1} of {n_folds} has no row of positive weight to judge by; {remedy}")
    if gathered.holdout is not None and gathered.holdout.n_rows == 0:
        raise ScanError(
            f"--holdout {gathered.folds.holdout:g} has held out no row of positive weight to judge by; hold out a larger "
            "share, or other rows with --seed"
        )


def _look_back(
    gathered: Gathered,
    whole: WOLSStatistics,
    choice: Choice,
    settings: Settings,
    measures: dict[str, Any],
    run: Run,
) -> tuple[dict[str, Any] | None, list[CoefficientTable]]:
    """The second pass: diagnostics where they were asked for, and tables of errors that do not trust the weights."""
    tests = bool(settings.diagnostics)  # where nobody has asked, the standard errors are what the weights ask for
    query = residuals_query(
        gathered.query, whole, choice.solution, settings.weight_type, tests=tests, root_of_inverse=choice.root_of_inverse
    )
    residuals = run.scan("residuals", MRWOLSResiduals, query, gathered.design_of_training())
    found = diagnostics(residuals, query, measures) if tests else None
    for row in [*found["influential"], *found["leverage_one"]] if found else []:
        row["place"] = name_of_row(run.pack, row["part"], row["block"], row["position"])
    estimates = estimates_of(choice.solution)
    return found, sandwich_tables(estimates, query, residuals, measures, settings.level, label=choice.label)


def _leading(tables: list[CoefficientTable], settings: Settings, uneven: bool) -> str:
    """The covariance to go by: the one asked for; else, where the weights are very uneven, the widest sandwich, without HC2
    and HC3, which are infinite, or nearly, where so few rows matter; else the classical."""
    if settings.covariance:
        return settings.covariance
    candidates = [table for table in tables if table.covariance_type in ("HC0", "equal-variance")]
    if not uneven or not candidates:
        return "classical"
    with np.errstate(divide="ignore", invalid="ignore"):
        widths = [float(np.nanmean(np.log(table.standard_errors))) for table in candidates]
    return candidates[int(np.argmax(widths))].covariance_type


def _prediction(leading: CoefficientTable, gathered: Gathered, measures: dict[str, Any]) -> dict[str, Any]:
    """What intervals of predictions are made of: the covariance of the fit on x - center, see `prediction_errors`."""
    return {
        "center": gathered.query.center,
        "covariance": leading.centred_covariance,
        "residual_variance": measures["residual_variance"],
        "law": leading.law,
        "df": leading.df,
    }


def _as_json(table: CoefficientTable, leading: str) -> dict[str, Any]:
    told = table.to_json()
    if len(table.estimates) > MANY_COEFFICIENTS and table.covariance_type != leading:
        del told["covariance"]
    return told


# -- warnings -------------------------------------------------------------------------------------------------------------


def _warn(
    warnings: list[str],
    choice: Choice,
    whole: WOLSStatistics,
    measures: dict[str, Any],
    tables: list[CoefficientTable],
    uneven: bool,
) -> None:
    names, solution = choice.gathered.design.feature_names, choice.solution
    warnings += choice.remarks
    if solution.dependent and choice.penalty is None:
        dependent = ", ".join(repr(names[j]) for j in solution.dependent)
        warnings.append(
            f"the matrix is singular (rank {solution.rank} of {len(names)}); dependent on the intercept and "
            f"the features before: {dependent}. These are the coefficients of least norm"
        )
    if measures["df_residuals"] <= 0:
        warnings.append("there are no more rows than coefficients: nothing is left to estimate errors from")
    if whole.n_zero_weight:
        warnings.append(f"rows of weight zero, which do not count: {whole.n_zero_weight}")
    if uneven:
        effective, n = measures["effective_sample_size"], whole.n_rows
        text = f"the weights are so uneven that {n:,} rows are worth {effective:,.0f} of equal weight"
        if math.isfinite(measures["largest_weight_share"]):
            text += f", and one row carries {measures['largest_weight_share']:.0%} of it all"
        text += "; do not believe the classical standard errors"
        by_type = {table.covariance_type: table for table in tables}
        if "equal-variance" in by_type:
            with np.errstate(invalid="ignore"):  # of a coefficient that is zero neither table has an error
                ratio = by_type["equal-variance"].standard_errors / by_type["classical"].standard_errors
            text += f" ({np.nanmax(ratio):.0f} times too small if all rows are equally noisy)"
        warnings.append(text)


def _warn_of_inflation(warnings: list[str], gathered: Gathered, dependent: list[int], inflation: np.ndarray) -> None:
    """A feature that the others nearly explain has a coefficient of large error; dependent ones are told already."""
    if dependent:
        return
    high = {name: v for name, v in zip(gathered.design.feature_names, inflation.tolist()) if v > HIGH_INFLATION}
    if high:
        worst = sorted(high, key=lambda name: -high[name])
        told = listed([f"{name} ({high[name]:,.0f})" for name in worst[:4]])
        more = f" and {len(high) - 4} more" if len(high) > 4 else ""
        warnings.append(f"variance inflation above {HIGH_INFLATION:.0f}, the features explain each other: {told}{more}")
