"""The tables of a generalised linear model: coefficients a contrast, measures of fit, classes, penalties."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from drivers.loop import MAX_ITER
from drivers.model import class_names
from drivers.report.classifier_pictures import SEEN
from drivers.report.formats import NOTHING, column, fixed, number, p_value, share
from drivers.report.page import Column, Page

# More contrasts than these stand in one table behind a line; more classes in a confusion matrix are in the picture alone.
CONTRASTS, CONFUSED = 4, 10
LONG = 25
DOUBT = "where the passes were ended: they have no finite maximum, and nothing here is to be trusted"
STATUS = {MAX_ITER: "limit of passes"}
SQUARED = "R\N{SUPERSCRIPT TWO}"
MEASURES = {
    "deviance": "deviance",
    "null_deviance": "deviance without features",
    "deviance_explained": "share of the deviance explained",
    "log_likelihood": "log-likelihood",
    "null_log_likelihood": "log-likelihood without features",
    "pseudo_r_squared": f"pseudo {SQUARED} (McFadden)",
    "aic": "AIC",
    "bic": "BIC",
    "pearson_chi2": "Pearson's X\N{SUPERSCRIPT TWO}",
    "dispersion": "dispersion of the standard errors",
    "lr_statistic": "likelihood-ratio statistic",
    "lr_df": "its degrees of freedom",
    "lr_p_value": "P(LR)",
    "df_model": "degrees of freedom, model",
    "df_residuals": "degrees of freedom, residuals",
}
# Of a penalised fit, of one without a finite maximum, and with weights of classes no law is known.
UNKNOWN_LAW = ("lr_statistic", "lr_df", "lr_p_value")


def add_coefficients(page: Page, model: dict[str, Any]) -> None:
    """A table for each contrast of classes, or the only one; without inference the bare coefficients."""
    names = ["intercept", *model["features"]]
    tables = model["inference"].get("coefficients", [])
    if len(tables) > CONTRASTS:
        _add_bare(page, model)
        _add_contrasts(page, model, tables, names)
        _add_errors(page, model, tables, names)
        return
    if not tables:
        _add_bare(page, model)
        return
    word, is_separated = model["inference"]["ratio"], model["training"]["status"] == "separated"
    for n, table in enumerate(tables):
        head = f"Coefficients of {table['contrast']}" if table["contrast"] else f"Coefficients: {model['target']}"
        kind = "" if table["covariance_type"] == "classical" else f"standard errors {table['covariance_type']}"
        caption = "; ".join(filter(None, (head, kind, table["label"], DOUBT if is_separated else "")))
        folded = head if n and len(names) > LONG else None
        page.table(caption, _columns(model, [table], names), folded=folded)
    _add_errors(page, model, tables, names)
    if word and not is_separated:
        title = f"{word[:1].upper()}{word[1:]}s, exp of the coefficients, for one unit more of the feature"
        page.table(title, _ratios(model, tables, names), folded=title if len(names) > LONG else None)


def _columns(model: dict[str, Any], tables: list[dict[str, Any]], names: list[str]) -> list[Column]:
    """One table after another, in the same columns."""
    estimates, errors, z, p = (_all(tables, key) for key in ("estimates", "standard_errors", "statistics", "p_values"))
    return [
        Column("", _texts(tables, names)),
        Column("coefficient", column(estimates), estimates),
        Column("std. error", column(errors, 4), errors),
        Column("z", [fixed(value) for value in z], z),
        Column("P>|z|", [p_value(value) for value in p], p),
        *_bounds(model, tables, "intervals", 5),
    ]


def _add_errors(page: Page, model: dict[str, Any], tables: list[dict[str, Any]], names: list[str]) -> None:
    """The standard errors of each kind side by side, where there are several."""
    others = model["inference"].get("other_coefficients", [])
    if not others:
        return
    columns = [Column("", _texts(tables, names))]
    for kind in dict.fromkeys(table["covariance_type"] for table in [*tables, *others]):
        errors = _all([table for table in [*tables, *others] if table["covariance_type"] == kind], "standard_errors")
        columns.append(Column(kind, column(errors, 4), errors))
    title = f"All standard errors side by side; {model['inference']['covariance_type']} leads"
    page.table(title, columns, folded=title if len(columns[0].texts) > LONG else None)
    page.paragraph(
        "classical: by the variance of the family. HC0 to HC3: any variance in any row. cluster: rows of one cluster may "
        "depend on each other.",
        "note",
    )


def _ratios(model: dict[str, Any], tables: list[dict[str, Any]], names: list[str]) -> list[Column]:
    ratios = _all(tables, "ratios")
    return [
        Column("", _texts(tables, names)),
        Column(model["inference"]["ratio"], column(ratios, 4), ratios),
        *_bounds(model, tables, "ratio_intervals", 4),
    ]


def _bounds(model: dict[str, Any], tables: list[dict[str, Any]], key: str, digits: int) -> list[Column]:
    level = model["inference"]["confidence_level"]
    lows, highs = ([ends[side] for ends in _all(tables, key)] for side in (0, 1))
    return [
        Column(share(0.5 - level / 2), column(lows, digits), lows),
        Column(share(0.5 + level / 2), column(highs, digits), highs),
    ]


def _all(tables: list[dict[str, Any]], key: str) -> list[Any]:
    return [value for table in tables for value in table[key]]


def _texts(tables: list[dict[str, Any]], names: list[str]) -> list[str]:
    return names if len(tables) == 1 else [f"{table['contrast']}: {name}" for table in tables for name in names]


def _add_contrasts(page: Page, model: dict[str, Any], tables: list[dict[str, Any]], names: list[str]) -> None:
    kind = "" if tables[0]["covariance_type"] == "classical" else f"standard errors {tables[0]['covariance_type']}"
    page.table(
        "; ".join(filter(None, ("Each class against the first", kind, tables[0]["label"]))),
        _columns(model, tables, names),
        folded=f"All {len(tables)} contrasts of classes, with standard errors",
    )


def _add_bare(page: Page, model: dict[str, Any]) -> None:
    """Coefficients alone, of several classes a row each."""
    parameters = model["parameters"]
    names = ["intercept", *model["features"]]
    if len(parameters["classes"]) <= 2:
        values = [float(parameters["intercept"]), *map(float, parameters["coefficients"])]
        page.table("Coefficients", [Column("", names), Column("coefficient", column(values, 8), values)])
        return
    every = np.column_stack([parameters["intercept"], np.array(parameters["coefficients"], dtype=float)])
    columns = [Column("class", [str(name) for name in class_names(model)])]
    columns += [Column(name, column(every[:, j].tolist(), 5), every[:, j].tolist()) for j, name in enumerate(names)]
    page.table("Coefficients of each class; between two of them the difference counts", columns)


def add_measures(page: Page, model: dict[str, Any]) -> None:
    """Deviances, likelihoods, criteria, the test of all slopes."""
    inference = model["inference"]
    if not inference:
        return
    training = model["training"]
    is_lawless = training["penalty"]["kind"] != "none" or training["status"] == "separated" or training["class_weights"]
    rows = []
    for key, name in MEASURES.items():
        if is_lawless and key in UNKNOWN_LAW:
            continue
        value = inference[key]
        rows.append((name, p_value(value) if key == "lr_p_value" else number(value), value))
    if inference["df_residuals"] > 0 and not model["parameters"]["classes"]:
        ratio = inference["pearson_chi2"] / inference["df_residuals"]
        rows.append(("X\N{SUPERSCRIPT TWO} / df of residuals", number(ratio), ratio))
    page.heading("Measures of fit")
    page.pairs(f"Fit of {model['target']}", rows)


def add_classes(page: Page, model: dict[str, Any]) -> None:
    """What the classes are told apart by: measures, a row a class, and the confusion."""
    for key, told in SEEN.items():
        figures = model["evaluation"].get(key)
        if not figures:
            continue
        is_second = key == "in_sample" and bool(model["evaluation"].get("out_of_fold"))
        curves = {curve["class"]: curve for curve in figures["curves"]}
        rows = figures["classes"]
        names = [row["class"] for row in rows]
        columns = [Column("class", names)]
        weights = [float(row["weight"]) for row in rows]
        columns.append(Column("weight" if model.get("weight") else "rows", [number(_whole(w)) for w in weights], weights))
        for name in ("precision", "recall", "f1"):
            values = [float(row[name]) for row in rows]
            columns.append(Column("F1" if name == "f1" else name, [f"{value:.4f}" for value in values], values))
        for name, heading in (
            ("auc", "ROC area"), ("auc_error", "\N{PLUS-MINUS SIGN}"), ("average_precision", "PR area"), ("ks", "KS"),
        ):  # fmt: skip
            found = [float(curves[n][name]) if n in curves else None for n in names]
            texts = [NOTHING if v is None or math.isnan(v) else _area(v, name) for v in found]
            columns.append(Column(heading, texts, found))
        page.table(f"Classes, on {told}", columns, folded=f"The same on {told}" if is_second else None)
    figures = {key: value for key, value in model["evaluation"].items() if value}
    keys = [key for key in SEEN if key in figures]
    names = [
        ("log_loss", "log-loss"), ("brier", "Brier score"), ("accuracy", "accuracy"),
        ("balanced_accuracy", "balanced accuracy"), ("mcc", "Matthews' correlation"),
    ]  # fmt: skip
    columns = [Column("", [name for _, name in names])]
    for key in keys:
        values = [float(figures[key][name]) for name, _ in names]
        columns.append(Column(SEEN[key], [f"{value:.5f}" for value in values], values))
    page.table("All classes together", columns)
    _add_confusion(page, model)
    page.paragraph(
        "Rows are put in the class of largest probability, of two classes in the second from a half on. The areas are "
        "computed from counts in bins of the score; \N{PLUS-MINUS SIGN} says how much that leaves open. KS is the largest "
        "distance of the true and false positive rates.",
        "note",
    )


def _area(value: float, name: str) -> str:
    return number(value, 2) if name == "auc_error" else f"{value:.4f}"


def _whole(value: float) -> int | float:
    return int(value) if value == int(value) else value


def _add_confusion(page: Page, model: dict[str, Any]) -> None:
    key = "out_of_fold" if model["evaluation"].get("out_of_fold") else "in_sample"
    figures = model["evaluation"][key]
    names = [row["class"] for row in figures["classes"]]
    if len(names) > CONFUSED:
        return
    confusion = np.array(figures["confusion"], dtype=float)
    columns = [Column("true", names)]
    for j, name in enumerate(names):
        values = confusion[:, j].tolist()
        columns.append(Column(f"taken for {name}", [number(_whole(v)) for v in values], values))
    page.table(f"Confusion, on {SEEN[key]}", columns)


def add_candidates(page: Page, model: dict[str, Any]) -> None:
    """Every penalty that was tried."""
    rows = model["candidates"]
    if not rows:
        return
    is_penalised = model["training"]["penalty"]["kind"] != "none"
    several = len({row["l1_ratio"] for row in rows}) > 1
    alphas = [row["alpha"] for row in rows]
    columns = [Column("alpha", [number(alpha, 5) for alpha in alphas], alphas)]
    if several:
        columns.append(Column("l1 ratio", [number(row["l1_ratio"], 3) for row in rows]))
    columns += [
        Column("not zero", [number(row["n_nonzero"]) for row in rows]),
        Column("passes", [number(row["n_passes"]) for row in rows]),
        Column("status", [STATUS.get(row["status"], row["status"]) for row in rows], is_text=True),
        Column("objective", [number(row["objective"], 8) for row in rows], [row["objective"] for row in rows]),
    ]
    if model["validation"]:
        for key, heading, digits in (("deviance", "deviance a row", 6), ("standard_error", "std. error", 3)):
            values = [row[key] for row in rows]
            columns.append(Column(heading, column(values, digits), values))
    page.heading("Penalties" if is_penalised else "Validation")
    page.table("All fitted in the same passes" if len(rows) > 1 else "The fit", columns, chosen=model["chosen"])
    if model["validation"]:
        validation = model["validation"]
        by = f"the value of {validation['fold_by']}" if validation["fold_by"] else "where a row stands"
        page.paragraph(
            f"Each of {validation['n_folds']} folds is predicted by a fit of the others, made in the same passes. Folds "
            f"were drawn by {by} and the seed {validation['seed']}. The standard error is of the mean, from how the folds "
            "differ.",
            "note",
        )
    scaling = model["training"]["penalty"]["scaling"]
    if is_penalised:
        of = "half the deviance, as a mean over rows" if scaling == "mean" else "the log-loss, summed over rows"
        page.paragraph(f"alpha is a multiple of the penalty beside {of}.", "note")
