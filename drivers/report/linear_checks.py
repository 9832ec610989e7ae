"""Sections of a linear report on what was checked and chosen: validation, penalty, selection."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.linear.words import PENALTY_NAMES
from drivers.report.formats import NOTHING, column, names_told, number, scores
from drivers.report.page import Column, Page
from drivers.wording import count

SQUARED = "R\N{SUPERSCRIPT TWO}"
CHOICES = {
    "min": "the least error of cross-validation",
    "1se": "the largest within one standard error of the least error",
    "given": "given",
}
ACTIONS = {"start": "no feature", "add": "add", "drop": "drop"}


# -- validation -----------------------------------------------------------------------------------------------------------


def add_validation(page: Page, model: dict[str, Any]) -> None:
    """How the fit does on rows it has not seen: fold by fold, and on the holdout."""
    validation, inference = model["validation"], model["inference"]
    page.heading("Validation")
    names: list[str] = []
    n_rows: list[int | None] = []
    found: dict[str, list[float | None]] = {"rmse": [], "mse": [], "r_squared": []}

    def add(name: str, n: int | None, values: dict[str, Any]) -> None:
        names.append(name)
        n_rows.append(n)
        for key, column_of in found.items():
            column_of.append(values.get(key))

    has_folds = "rmse" in validation
    if has_folds:
        for k in range(validation["n_folds"]):
            add(f"fold {k + 1}", validation["n_rows"][k], {key: validation[key]["folds"][k] for key in found})
        add("mean of the folds", sum(validation["n_rows"]), {key: validation[key]["mean"] for key in found})
        add("its standard error", None, {key: validation[key]["standard_error"] for key in found})
    if holdout := validation.get("holdout"):
        add("holdout", holdout["n_rows"], holdout)
    add("training rows, for comparison", model["training"]["n_rows"], inference)
    page.table(
        "Errors on rows that the fit was not trained on",
        [
            Column("", names),
            Column("rows", [NOTHING if n is None else number(n) for n in n_rows], n_rows),
            *(
                Column(name, scores(found[key], validation[key]["standard_error"] if has_folds else None), found[key])
                for name, key in (("RMSE", "rmse"), ("MSE", "mse"), (SQUARED, "r_squared"))
            ),
        ],
        chosen=validation["n_folds"] if has_folds else None,
    )
    page.paragraph(_how(model, validation, has_folds), "note")


def _how(model: dict[str, Any], validation: dict[str, Any], has_folds: bool) -> str:
    weight = " Errors are weighted, and so is the mean of the folds." if model["weight"] else ""
    text = ""
    if has_folds:
        by = f"the value of {validation['fold_by']}" if validation["fold_by"] else "where a row stands"
        text = (
            f"Each fold is predicted by a fit of the others. Folds were drawn by {by} and the seed {validation['seed']}. "
            f"The standard error is of the mean, from how the folds differ. {SQUARED} of a fold is against its own mean."
        )
        if model.get("path"):
            text += " The penalty was chosen by these folds, which makes their error look a little better than it is."
        if model.get("selection"):
            text += " For each fold the features were chosen anew without it."
    if validation.get("holdout"):
        text += " The rows held out took no part in any fit or choice."
    return f"{text}{weight}".strip()


# -- the penalty ----------------------------------------------------------------------------------------------------------


def add_penalty(page: Page, model: dict[str, Any]) -> None:
    """What was chosen, and what else there was."""
    penalty = model["penalty"]
    is_bound = penalty["kind"] == "none"
    page.heading("Bound" if is_bound else "Penalty")
    rows: list[tuple[str, str, Any]] = []
    if not is_bound:
        rows += [
            ("penalty", PENALTY_NAMES[penalty["kind"]], None),
            ("alpha", number(float(penalty["alpha"])), penalty["alpha"]),
            ("chosen as", CHOICES[penalty["choice"]], None),
        ]
        if penalty["l1_ratio"] is not None:
            rows.append(("l1 ratio", number(float(penalty["l1_ratio"])), penalty["l1_ratio"]))
        standardised = (
            "yes, times the spread of their feature" if penalty["standardize"] else "no, in the units of the data"
        )
        rows.append(("coefficients standardised", standardised, None))
    rows += [
        ("coefficients below zero", "not allowed" if penalty["positive"] else "allowed", None),
        ("effective degrees of freedom", number(float(penalty["df"])), penalty["df"]),
        (f"coefficients not zero, of {len(model['features']):,}", number(penalty["n_nonzero"]), penalty["n_nonzero"]),
        ("KKT residual", number(float(penalty["kkt_residual"]), 3), penalty["kkt_residual"]),
    ]
    page.pairs("What the coefficients were fitted under", rows)
    page.paragraph(
        "The KKT residual is the largest violation of the conditions of an exact solution (Karush, Kuhn and Tucker), in "
        "the units of a correlation: zero up to rounding says that this is the exact one. The intercept is not penalised. "
        "Degrees of freedom are without the intercept.",
        "note",
    )


def add_path(page: Page, model: dict[str, Any]) -> None:
    """The penalties worth a choice, and all others behind a line."""
    path, penalty = model["path"], model["penalty"]
    best, one = path["best"], path["one_standard_error"]
    same = [k for k, ratio in enumerate(path["l1_ratios"]) if ratio == path["l1_ratios"][best]]
    alphas = path["alphas"]
    largest, smallest = max(same, key=lambda k: alphas[k]), min(same, key=lambda k: alphas[k])
    names = ["least error", "one std. error", "largest", "smallest"]
    chosen = 1 if penalty["choice"] == "1se" else 0
    names[chosen] += " (chosen)"
    page.table(
        "Penalties compared by cross-validation", _path_columns(path, names, [best, one, largest, smallest]), chosen=chosen
    )
    everything = list(range(len(alphas)))
    page.table(
        "Every penalty that was tried",
        _path_columns(path, [str(k + 1) for k in everything], everything, is_full=True),
        chosen=one if chosen else best,
        folded=f"All {count(len(alphas), 'penalty', 'penalties')} that were tried",
    )
    page.paragraph(
        "CV MSE is the mean square error of cross-validation. The difference is against the penalty of the least error in "
        "the same folds, so that its standard error is the one to judge by whether a penalty is worse.",
        "note",
    )


def _path_columns(path: dict[str, Any], names: list[str], places: list[int], is_full: bool = False) -> list[Column]:
    def of(heading: str, key: str, digits: int = 6) -> Column:
        values = [None if path[key][k] is None else float(path[key][k]) for k in places]
        return Column(heading, scores(values) if key == "r_squared" else column(values, digits), values)

    nonzero = np.count_nonzero(np.asarray(path["coefficients"], dtype=float), axis=1).tolist()
    alphas = [float(path["alphas"][k]) for k in places]
    columns = [Column("", names), Column("alpha", [number(alpha, 5) for alpha in alphas], alphas)]
    if len(set(path["l1_ratios"])) > 1:
        ratios = [float(path["l1_ratios"][k]) for k in places]
        columns.append(Column("l1 ratio", [number(ratio, 4) for ratio in ratios], ratios))
    return [
        *columns,
        Column("not zero", [number(nonzero[k]) for k in places], [nonzero[k] for k in places]),
        of("df", "df", 4),
        of("CV MSE", "mse"),
        of("std. error", "mse_standard_error", 4),
        *([of(f"CV {SQUARED}", "r_squared", 4)] if is_full else []),
        of("difference", "difference", 4),
        of("std. error", "difference_standard_error", 4),
    ]


# -- selection ------------------------------------------------------------------------------------------------------------


def add_selection(page: Page, model: dict[str, Any]) -> None:
    """Every step, or the best subset of every size, with the one that was chosen."""
    selection = model["selection"]
    page.heading("Selection")
    table = selection["table"]
    page.paragraph(f"Kept: {_all_of(selection['features'])}.")
    dropped = [name for name in selection["candidates"] if name not in selection["features"]]
    if dropped:
        page.paragraph(f"Left out: {_all_of(dropped)}.")

    def of(heading: str, key: str, digits: int = 7) -> Column:
        values = [row[key] for row in table]
        return Column(heading, column(values, digits), values)

    n_features = [len(row["terms"]) for row in table]
    texts = [number(n) for n in n_features]
    is_best = selection["method"] == "best"
    columns = [Column("features", texts, n_features)]
    if not is_best:
        columns = [Column("step", [_step(row) for row in table]), *columns]
    columns += [of("RSS", "rss", 6), of("AIC", "aic"), of("BIC", "bic")]
    if any(row["cv"] is not None for row in table):
        columns += [of("CV MSE", "cv", 6), of("std. error", "cv_standard_error", 4)]
    if is_best:
        columns.append(Column("which", [_all_of(row["terms"]) for row in table], is_text=True, wraps=True))
    criterion = {"cv": "error of cross-validation"}.get(selection["criterion"], selection["criterion"].upper())
    title = "Best subset of each size" if is_best else f"Steps, {selection['method']} selection"
    marked = count(n_features[selection["chosen"]], "feature")
    page.table(f"{title}; marked, with {marked}, is that of the least {criterion}", columns, chosen=selection["chosen"])


def _step(row: dict[str, Any]) -> str:
    return f"{row['step']}: {ACTIONS[row['action']]} {row['term'] or ''}".strip()


def _all_of(names: list[str]) -> str:
    return names_told(names, 60) if names else "nothing but the intercept"
