"""The penalised solution, its penalty chosen by cross-validation; and the cross-validation of least squares."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from drivers.linear.choice import Choice, plain, validation_of
from drivers.linear.cross_validation import CrossValidation, cross_validate
from drivers.linear.gathered import Gathered
from drivers.linear.options import Settings
from drivers.linear.penalties import coefficient_path, leverage_root, penalised_covariance_root
from drivers.linear.penalty import Penalty
from drivers.linear.scores import square_errors, total_square_sum
from jobs.errors import ScanError
from jobs.kernels.wols import solve

SHRUNKEN = "errors of a shrunken estimate about its own mean, which know nothing of its bias"
GIVEN = "errors given which coefficients are not zero, which know nothing of that choice"
LABELS = {"none": GIVEN, "ridge": SHRUNKEN, "lasso": f"{SHRUNKEN}; {GIVEN}", "elastic-net": f"{SHRUNKEN}; {GIVEN}"}


def plain_on_folds(gathered: Gathered) -> Choice:
    """Least squares of all features, and how it does on each fold."""
    choice = plain(gathered)
    checked = cross_validate(gathered.training, gathered.query, Penalty("none"), [0.0])
    choice.validation = validation_of(gathered, checked.mse.folds[:, 0])
    return choice


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
        checked = cross_validate(
            gathered.training, query, penalty, alphas, settings.l1_ratios if penalty.kind == "elastic-net" else None
        )
        place = checked.best if settings.choice == "min" else checked.one_standard_error
        penalty, path = checked.penalty, checked.path
    else:
        assert alphas is not None  # nothing to choose
        place = 0
        path = coefficient_path(whole, query, penalty, alphas)
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
        choice.validation = validation_of(gathered, checked.mse.folds[:, place])
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
