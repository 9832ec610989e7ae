"""The result of a generalised linear model on the terminal, within 80 columns."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from drivers.linear.words import COVARIANCE_TITLES, PENALTY_NAMES
from drivers.model import explained
from drivers.terminal.tables import (
    NAME_WIDTH,
    number,
    open_console,
    pairs_table,
    plain_table,
    print_first_that_fits,
    print_remarks,
)

# More than these are left to the report and the model file.
ROWS_SHOWN, CLASSES_SHOWN = 60, 6


def describe(model: dict[str, Any]) -> str:
    """What the fit is, in words."""
    parameters, penalty = model["parameters"], model["training"]["penalty"]
    family = parameters["family"]
    if model["kind"] == "logistic":
        n = len(parameters["classes"])
        text = "Logistic regression" if n == 2 else f"Multinomial logistic regression of {n} classes"
    else:
        text = f"Generalised linear model, {family} with the {parameters['link']} link"
        if family == "negative-binomial":
            text += f", alpha {parameters['alpha']:g}"
    if penalty["kind"] != "none":
        text += f"; {PENALTY_NAMES[penalty['kind']].lower()}, alpha {penalty['alpha']:.4g}"
    return text


def print_result(model: dict[str, Any], warnings: list[str]) -> None:
    """The coefficients, the measures of fit, the evaluation and the warnings of a model."""
    console = open_console()
    console.print(f"{describe(model)}: {explained(model)}")
    tables = model["inference"].get("coefficients", [])
    for values in tables[:CLASSES_SHOWN]:
        print_first_that_fits(console, (_coefficients(model, values, less) for less in range(3)))
    if len(tables) > CLASSES_SHOWN:
        console.print(f"and {len(tables) - CLASSES_SHOWN} more classes, in the report and the model file")
    if not tables:
        console.print(_bare(model))
    if len(model["candidates"]) > 1:
        console.print(_candidates(model))
    console.print(_measures(model))
    _print_evaluation(console, model)
    print_remarks(console, warnings)


def _coefficients(model: dict[str, Any], values: dict[str, Any], less: int) -> Table:
    """The table with 0, 1 or 2 times less to tell: digits, then intervals, which the report has."""
    level, word = model["inference"]["confidence_level"], model["inference"]["ratio"]
    ends = [f"[{0.5 - level / 2:.3g}", f"{0.5 + level / 2:.3g}]"] if less < 2 else []
    table = plain_table("", "coef", "std err", "z", "P>|z|", *ends, *([word] if word else []))
    if less == 2:
        table.columns[0].min_width = NAME_WIDTH
    kind = values["covariance_type"]
    errors = "" if kind == "classical" else COVARIANCE_TITLES[kind]
    title = [text for text in (values["contrast"], errors, values["label"]) if text]
    if title:
        table.title = "\n".join(title)
    names = ["intercept", *model["features"]]
    if len(names) > ROWS_SHOWN:
        table.caption = f"and {len(names) - ROWS_SHOWN:,} more coefficients, in the report and the model file"
    for j, name in enumerate(names[:ROWS_SHOWN]):
        digits = 3 if less else 4
        table.add_row(
            name, number(values["estimates"][j], digits + 1), number(values["standard_errors"][j], digits),
            number(values["statistics"][j], digits), number(values["p_values"][j], 2),
            *([number(end, digits) for end in values["intervals"][j]] if ends else []),
            *([number(values["ratios"][j], digits)] if word else []),
        )  # fmt: skip
    return table


def _bare(model: dict[str, Any]) -> Table:
    parameters = model["parameters"]
    several = len(parameters["classes"]) > 2
    heads = parameters["classes"][:CLASSES_SHOWN] if several else ["coef"]
    table = plain_table("", *heads)
    columns = parameters["coefficients"] if several else [parameters["coefficients"]]
    intercepts = parameters["intercept"] if several else [parameters["intercept"]]
    table.add_row("intercept", *(number(value, 6) for value in intercepts[:CLASSES_SHOWN]))
    for j, name in enumerate(model["features"][:ROWS_SHOWN]):
        table.add_row(name, *(number(column[j], 6) for column in columns[:CLASSES_SHOWN]))
    return table


def _candidates(model: dict[str, Any]) -> Table:
    several = len({row["l1_ratio"] for row in model["candidates"]}) > 1
    table = plain_table(
        "penalties", "alpha", *(["l1 ratio"] if several else []), "not zero", "passes", "deviance", "std err"
    )
    for n, row in enumerate(model["candidates"]):
        deviance = [("" if row[name] is None else number(row[name], 6)) for name in ("deviance", "standard_error")]
        table.add_row(
            "chosen" if n == model["chosen"] else "", number(row["alpha"], 4),
            *([number(row["l1_ratio"], 3)] if several else []), number(row["n_nonzero"]), number(row["n_passes"]),
            *deviance,
        )  # fmt: skip
    return table


def _measures(model: dict[str, Any]) -> Table:
    training, inference = model["training"], model["inference"]
    rows = [
        ("rows used", number(training["rows_used"])), ("rows in", number(training["rows_in"])),
        ("rejected", number(training["rows_rejected"])), ("missing", number(training["rows_missing"])),
        ("sum of weights", number(training["weight_sum"], 6)), ("passes over the data", number(training["n_passes"])),
    ]  # fmt: skip
    if inference:
        names = [
            ("deviance", "deviance", 8), ("null deviance", "null_deviance", 8), ("log-likelihood", "log_likelihood", 8),
            ("AIC", "aic", 8), ("BIC", "bic", 8), ("pseudo R squared", "pseudo_r_squared", 6),
            ("Pearson chi-square", "pearson_chi2", 8), ("dispersion", "dispersion", 6),
            ("LR chi-square", "lr_statistic", 6), ("P(LR)", "lr_p_value", 4), ("df of the model", "df_model", 6),
            ("df of residuals", "df_residuals", 8), ("effective sample size", "effective_sample_size", 6),
        ]  # fmt: skip
        rows += [(title, number(inference[name], digits)) for title, name, digits in names]
    if len(rows) % 2:
        rows.append(("", ""))
    return pairs_table(rows)


def _print_evaluation(console: Console, model: dict[str, Any]) -> None:
    figures = {"the rows it was fitted to": model["evaluation"].get("in_sample"),
               "rows of other folds": model["evaluation"].get("out_of_fold")}  # fmt: skip
    for title, found in figures.items():
        if not found:
            continue
        table = plain_table("class", "weight", "precision", "recall", "F1", "AUC", "PR AUC")
        curves = {curve["class"]: curve for curve in found["curves"]}
        for row in found["classes"][:20]:
            curve = curves.get(row["class"])
            areas = [number(curve[name], 5) for name in ("auc", "average_precision")] if curve else ["", ""]
            table.add_row(
                row["class"], number(row["weight"], 6), number(row["precision"], 4), number(row["recall"], 4),
                number(row["f1"], 4), *areas,
            )  # fmt: skip
        table.title = f"on {title}"
        table.caption = (
            f"accuracy {number(found['accuracy'], 5)}, log-loss {number(found['log_loss'], 5)}, Brier "
            f"{number(found['brier'], 4)}, MCC {number(found['mcc'], 4)}"
        )
        console.print(table)
