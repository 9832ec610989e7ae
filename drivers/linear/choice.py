"""What is chosen before a linear fit is judged: nothing, the features, or the penalty. All without a pass over the data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from drivers.linear.cross_validation import (
    CrossValidation,
    Score,
    complements,
    cross_validate,
    square_errors,
    total_square_sum,
)
from drivers.linear.gathered import Gathered
from drivers.linear.options import Settings
from drivers.linear.penalties import Penalty, auto_alphas, coefficient_path, leverage_root, penalised_covariance_root
from drivers.linear.selection import select, selection_error
from drivers.wording import listed
from jobs.errors import ScanError
from jobs.kernels.wols import WOLSSolution, WOLSStatistics, solve

SHRUNKEN = "errors of a shrunken estimate about its own mean, which know nothing of its bias"
GIVEN = "errors given which coefficients are not zero, which know nothing of that choice"
LABELS = {"none": GIVEN, "ridge": SHRUNKEN, "lasso": f"{SHRUNKEN}; {GIVEN}", "elastic-net": f"{SHRUNKEN}; {GIVEN}"}
SELECTED = "the features were chosen by the same data, of which these errors and p-values know nothing"


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
    """Least squares, and its cross-validation where there are folds."""
    whole = gathered.whole
    choice = Choice(gathered, whole, solve(whole, gathered.query))
    if gathered.folds.n_folds > 1:
        checked = cross_validate(gathered.training, gathered.query, Penalty("none"), [0.0])
        choice.validation = _validation(gathered, checked, 0)
    return choice


# -- the penalty ----------------------------------------------------------------------------------------------------------


def choose_penalty(gathered: Gathered, settings: Settings) -> Choice:
    """The penalised solution, its penalty chosen by cross-validation where there is a choice.

    :raises ScanError: a choice without folds
    """
    whole, query, penalty = gathered.whole, gathered.query, settings.penalty
    has_folds = gathered.folds.n_folds > 1
    if settings.chooses_penalty and not has_folds:
        raise ScanError(
            "to choose among penalties the statistics must be kept by fold: save them with --folds, or give one penalty "
            "with --alphas"
        )
    penalty = replace(penalty, l1_ratio=settings.l1_ratios[0])
    alphas = settings.alphas if penalty.kind != "none" else [0.0]
    checked = None
    if has_folds:
        grid = alphas if alphas is not None else None
        checked = cross_validate(
            gathered.training, query, penalty, grid, settings.l1_ratios if penalty.kind == "elastic-net" else None
        )
        place = checked.best if settings.choice == "min" else checked.one_standard_error
        penalty, path = checked.penalty, checked.path
    else:
        place = 0
        path = coefficient_path(whole, query, penalty, alphas or auto_alphas(whole, query, penalty, settings.n_alphas))
    alpha, coefficients = float(path.alphas[place]), path.coefficients[place]
    ordinary = solve(whole, query)
    total = total_square_sum(whole)
    rss = float(square_errors(whole, coefficients[None], path.centred_intercepts[place : place + 1])[0])
    solution = replace(
        ordinary,
        intercept=float(path.intercepts[place]),
        coefficients=coefficients,
        residual_square_sum=rss,
        explained_square_sum=total - rss,
        covariance_root=penalised_covariance_root(whole, query, penalty, alpha, coefficients),
    )
    told = {
        "kind": penalty.kind,
        "alpha": alpha,
        "l1_ratio": penalty.l1_ratio if penalty.kind == "elastic-net" else None,
        "standardize": penalty.standardize,
        "positive": penalty.positive,
        "choice": settings.choice if settings.chooses_penalty else "given",
        "df": float(path.df[place]),
        "n_nonzero": int(np.count_nonzero(coefficients)),
        "kkt_residual": float(path.residuals[place]),
    }
    choice = Choice(
        gathered,
        whole,
        solution,
        df=float(path.df[place]),
        root_of_inverse=leverage_root(whole, query, penalty, alpha, coefficients),
        label=LABELS[penalty.kind],
        penalty=told,
    )
    if checked is not None:
        choice.validation = _validation(gathered, checked, place)
        if settings.chooses_penalty:
            choice.path = _path(checked)
            choice.remarks = _remarks(checked, settings)
    return choice


def _path(checked: CrossValidation) -> dict[str, Any]:
    """Every penalty: the coefficients of all training rows, and how each did on the folds."""
    path = checked.path
    return {
        "alphas": checked.alphas,
        "l1_ratios": checked.l1_ratios,
        "coefficients": path.coefficients,
        "intercepts": path.intercepts,
        "df": path.df,
        "mse": checked.mse.mean,
        "mse_standard_error": checked.mse.standard_error,
        "r_squared": checked.r_squared.mean,
        "difference": checked.difference.mean,
        "difference_standard_error": checked.difference.standard_error,
        "best": checked.best,
        "one_standard_error": checked.one_standard_error,
    }


def _remarks(checked: CrossValidation, settings: Settings) -> list[str]:
    same = np.flatnonzero(checked.l1_ratios == checked.l1_ratios[checked.best])
    alphas = checked.alphas[same]
    at = checked.alphas[checked.best]
    if len(alphas) < 2 or alphas.min() < at < alphas.max():
        return []
    end = "largest" if at == alphas.max() else "smallest"
    if settings.alphas is None and end == "smallest":
        return ["the smallest penalty did best: least squares without a penalty may do as well"]
    if settings.alphas is None:
        return ["the largest penalty did best: the features explain hardly anything"]
    return [f"the {end} of the penalties did best; the best one may lie beyond, widen --alphas"]


# -- the features ---------------------------------------------------------------------------------------------------------


def choose_features(gathered: Gathered, settings: Settings) -> Choice:
    """Least squares on the features that the criterion is best with.

    :raises ScanError: more features than `best` can look through; a criterion cv without folds
    """
    features, terms = _terms(gathered)
    folds = gathered.training if gathered.folds.n_folds > 1 else None
    assert settings.select is not None
    if settings.criterion == "cv" and (folds is None or len(folds) < 3):
        raise ScanError(
            "--criterion cv needs statistics that are kept in 3 folds or more: the choice is judged by a fold that it has "
            "not seen; save them with --folds"
        )
    whole = gathered.whole
    if settings.select == "best":
        _check_independent(gathered, whole)
        for k, training in enumerate(complements(folds) if folds else []):
            _check_independent(gathered, training, f" among the rows outside of fold {k + 1}")
    if settings.weight_type == "frequency":
        whole, folds = _as_rows(whole), None if folds is None else [_as_rows(fold) for fold in folds]
    found = select(whole, gathered.query, settings.select, settings.criterion, terms, folds)
    kept = [features[term] for term in found.terms]
    narrowed = gathered.narrowed(kept)
    choice = Choice(narrowed, narrowed.whole, solve(narrowed.whole, narrowed.query), label=SELECTED)
    choice.selection = {
        "method": found.method,
        "criterion": found.criterion,
        "candidates": features,
        "features": kept,
        "chosen": found.chosen,
        "table": [
            {
                **vars(row),
                "term": None if row.term is None else features[row.term],
                "terms": [features[term] for term in row.terms],
            }
            for row in found.table
        ],
    }
    if folds is not None:
        errors = selection_error(folds, gathered.query, settings.select, settings.criterion, terms)
        choice.validation = _validation_of(gathered, errors.folds[:, 0])
    if not kept:
        choice.remarks.append("no feature is worth its place by the criterion: what is left is the mean")
    return choice


def _check_independent(gathered: Gathered, statistics: WOLSStatistics, where: str = "") -> None:
    names = gathered.design.feature_names
    dependent = [names[j] for j in solve(statistics, gathered.query).dependent]
    if dependent:
        raise ScanError(
            "--select best needs features that do not depend on each other, and these depend on the ones before them"
            f"{where}: {listed(dependent)}; leave them out with --exclude, or take --select forward"
        )


def _as_rows(statistics: WOLSStatistics) -> WOLSStatistics:
    """The same with each row written out as often as its weight says, for the criteria that count rows."""
    return replace(statistics, n_rows=round(statistics.weight_sum), weight_log_sum=0.0)


def _terms(gathered: Gathered) -> tuple[list[str], list[list[int]]]:
    """The features, and the columns of each."""
    design, terms, j = gathered.design, [], 0
    for name in design.features:
        width = len(design.categories[name]) - 1 if name in design.categories else 1
        terms.append(list(range(j, j + width)))
        j += width
    return list(design.features), terms


# -- validation -----------------------------------------------------------------------------------------------------------


def _validation(gathered: Gathered, checked: CrossValidation, place: int) -> dict[str, Any]:
    return _validation_of(gathered, checked.mse.folds[:, place])


def _validation_of(gathered: Gathered, mse: np.ndarray) -> dict[str, Any]:
    """How the fit does on each fold when it is trained on the others: mse (K,)."""
    folds = gathered.training
    weights = np.array([fold.weight_sum for fold in folds])
    totals = np.array([total_square_sum(fold) for fold in folds])
    r_squared = np.where(totals > 0, 1 - mse * weights / np.where(totals > 0, totals, 1.0), math.nan)
    return {
        "n_folds": len(folds),
        "fold_by": gathered.fold_by,
        "seed": gathered.folds.seed,
        "n_rows": [fold.n_rows for fold in folds],
        "weights": weights,
        **{
            name: {"mean": score.mean[0], "standard_error": score.standard_error[0], "folds": score.folds[:, 0]}
            for name, score in (
                ("mse", Score.of(mse[:, None], weights)),
                ("rmse", Score.of(np.sqrt(mse)[:, None], weights)),
                ("r_squared", Score.of(r_squared[:, None], weights)),
            )
        },
    }
