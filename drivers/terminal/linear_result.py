"""The result of a linear fit on the terminal, within 80 columns."""

from __future__ import annotations

import math
from typing import Any

from rich.table import Table

from drivers.linear.words import describe, letter, title_of
from drivers.terminal.tables import (
    NAME_WIDTH,
    number,
    open_console,
    pairs_table,
    plain_table,
    print_first_that_fits,
    print_remarks,
)

# More coefficients than these are left to the report.
ROWS_SHOWN = 60
INFLUENTIAL_SHOWN = 5


def print_result(model: dict[str, Any], warnings: list[str]) -> None:
    """The coefficients, the measures of fit and the warnings of a linear model."""
    console = open_console()
    console.print(f"{describe(model)}: {model['target']}")
    inference = model["inference"]
    tables = inference.get("coefficients", [])
    if not tables:
        console.print(_bare_coefficients(model))
        console.print(_descent(model["training"]))
    else:
        leading = next(table for table in tables if table["covariance_type"] == inference["covariance_type"])
        print_first_that_fits(console, (_coefficients(model, leading, less) for less in range(3)))
        if len(tables) > 1:
            console.print(_all_errors(model, tables))
        console.print(_measures(model))
        for table in _more(model):
            console.print()
            console.print(table)
    print_remarks(console, warnings)


def _coefficients(model: dict[str, Any], values: dict[str, Any], less: int) -> Table:
    """The table with 0, 1 or 2 times less to tell: digits, then intervals, which the report has."""
    level, of = model["inference"]["confidence_level"], letter(values)
    ends = [f"[{0.5 - level / 2:.3g}", f"{0.5 + level / 2:.3g}]"] if less < 2 else []
    table = plain_table("", "coef", "std err", of, f"P>|{of}|", *ends)
    if less == 2:
        table.columns[0].min_width = NAME_WIDTH
    table.title = title_of(model, values)
    if values["label"]:
        table.title += f"\n{values['label']}"
    names = ["intercept", *model["features"]]
    if len(names) > ROWS_SHOWN:
        table.caption = f"and {len(names) - ROWS_SHOWN:,} more coefficients, in the report and the model file"
    for j, name in enumerate(names[:ROWS_SHOWN]):
        digits = 3 if less else 4
        table.add_row(
            name, number(values["estimates"][j], digits + 2), number(values["standard_errors"][j], digits),
            number(values["statistics"][j], digits), _p(values["p_values"][j]),
            *([number(end, digits + 1) for end in values["intervals"][j]] if ends else []),
        )  # fmt: skip
    return table


def _all_errors(model: dict[str, Any], tables: list[dict[str, Any]]) -> Table:
    """The standard errors of every covariance side by side."""
    short = {"equal-variance": "equal var."}
    table = plain_table("std err", *(short.get(t["covariance_type"], t["covariance_type"]) for t in tables))
    names = ["intercept", *model["features"]]
    for j, name in enumerate(names[:ROWS_SHOWN]):
        table.add_row(name, *(number(t["standard_errors"][j], 4) for t in tables))
    return table


def _measures(model: dict[str, Any]) -> Table:
    inference, training = model["inference"], model["training"]
    leading = next(t for t in inference["coefficients"] if t["covariance_type"] == inference["covariance_type"])
    return pairs_table(
        [
            ("rows used", number(training["rows_used"])), ("R squared", number(inference["r_squared"], 8)),
            ("rows in", number(training["rows_in"])), ("adjusted R squared", number(inference["r_squared_adjusted"], 8)),
            ("rejected", number(training["rows_rejected"])), ("F", number(leading["f_statistic"], 8)),
            ("missing", number(training["rows_missing"])), ("P(F)", number(leading["f_p_value"], 8)),
            ("sum of weights", number(training["weight_sum"], 6)), ("RMSE", number(inference["rmse"], 8)),
            ("effective sample size", number(inference["effective_sample_size"], 6)), ("MSE", number(inference["mse"], 8)),
            ("largest share of one row", number(inference["largest_weight_share"], 6)),
            ("log-likelihood", number(inference["log_likelihood"], 8)),
            ("condition number", number(inference["condition_number"], 6)), ("AIC", number(inference["aic"], 8)),
            ("Cond. No., not centred", number(inference["condition_number_raw"], 6)),
            ("BIC", number(inference["bic"], 8)),
            ("df of the model", number(inference["df_model"], 6)),
            ("df of residuals", number(inference["df_residuals"], 8)),
            ("passes over the data", number(training["n_passes"])), ("", ""),
        ]
    )  # fmt: skip


def _more(model: dict[str, Any]) -> list[Table]:
    """What was asked for beyond the fit, a table each."""
    tables = []
    if model.get("selection"):
        tables.append(_selection(model["selection"]))
    if model.get("path"):
        tables.append(_path(model["path"]))
    if model.get("validation"):
        tables.append(_validation(model["validation"]))
    if model["inference"].get("diagnostics"):
        tables += _diagnostics(model["inference"]["diagnostics"])
    return tables


def _validation(validation: dict[str, Any]) -> Table:
    table = plain_table("on rows it was not trained on", "RMSE", "std err", "R squared", "std err")
    if "rmse" in validation:
        rmse, r_squared = validation["rmse"], validation["r_squared"]
        table.add_row(
            f"{validation['n_folds']} folds", number(rmse["mean"], 6), number(rmse["standard_error"], 3),
            number(r_squared["mean"], 6), number(r_squared["standard_error"], 3),
        )  # fmt: skip
    if holdout := validation.get("holdout"):
        table.add_row(
            f"holdout, {holdout['n_rows']:,} rows", number(holdout["rmse"], 6), "", number(holdout["r_squared"], 6), ""
        )
    return table


def _path(path: dict[str, Any]) -> Table:
    """The two penalties that are worth a choice."""
    several = len(set(path["l1_ratios"])) > 1
    ratio = ["l1 ratio"] if several else []
    table = plain_table(f"of {len(path['alphas'])} penalties", "alpha", *ratio, "not zero", "df", "CV MSE", "std err")
    for name, place in (("least error", path["best"]), ("one std err", path["one_standard_error"])):
        nonzero = sum(value != 0 for value in path["coefficients"][place])
        table.add_row(
            name, number(float(path["alphas"][place]), 5),
            *([number(float(path["l1_ratios"][place]), 3)] if several else []),
            number(nonzero), number(float(path["df"][place]), 4), number(float(path["mse"][place]), 6),
            number(float(path["mse_standard_error"][place]), 3),
        )  # fmt: skip
    return table


def _selection(selection: dict[str, Any]) -> Table:
    table = plain_table(f"{selection['method']} selection", "features", "RSS", "AIC", "BIC")
    criterion = selection["criterion"]
    rows = selection["table"]
    first = max(0, min(selection["chosen"] - ROWS_SHOWN // 2, len(rows) - ROWS_SHOWN))
    for row in rows[first : first + ROWS_SHOWN]:
        what = {"add": "+ ", "drop": "- "}.get(row["action"], "") + (row["term"] or row["action"])
        mark = "* " if row["step"] == selection["chosen"] else "  "
        table.add_row(f"{mark}{what}", number(len(row["terms"])), *(number(row[key], 7) for key in ("rss", "aic", "bic")))
    table.caption = f"* chosen by {criterion.upper()}"
    if len(rows) > ROWS_SHOWN:
        table.caption += f"; {len(rows) - ROWS_SHOWN:,} more steps in the report and the model file"
    return table


def _diagnostics(found: dict[str, Any]) -> list[Table]:
    tests = plain_table("test of the residuals", "statistic", "p", "null hypothesis")
    tests.add_row("omnibus", number(found["omnibus"], 6), _p(found["omnibus_p_value"]), "normal")
    tests.add_row("Jarque-Bera", number(found["jarque_bera"], 6), _p(found["jarque_bera_p_value"]), "normal")
    for name, key, null in (
        ("Breusch-Pagan, LM", "breusch_pagan", "variance apart from x"),
        ("White, LM", "white", "... and from products"),
        ("White's special case, LM", "white_special", "... and from the fit"),
    ):
        if found[key]:
            tests.add_row(name, number(found[key]["lm"], 6), _p(found[key]["lm_p_value"]), null)
    if found["durbin_watson"] is not None:
        tests.add_row("Durbin-Watson", number(found["durbin_watson"], 6), "", "2: no succession")
    tables = [
        tests,
        pairs_table(
            [
                ("skew of the residuals", number(found["skew"], 6)), ("largest leverage", number(found["leverage_max"], 5)),
                ("kurtosis", number(found["kurtosis"], 6)), ("PRESS", number(found["press"], 8)),
                ("mean leverage", number(found["leverage_mean"], 5)),
                ("predicted R squared", number(found["predicted_r_squared"], 8)),
            ]
        ),
    ]  # fmt: skip
    if found["influential"]:
        rows = plain_table("rows of the largest influence", "Cook's D", "leverage", "studentised", "residual")
        for row in found["influential"][:INFLUENTIAL_SHOWN]:
            rows.add_row(
                row["place"], number(row["cooks_distance"], 4), number(row["leverage"], 4),
                number(row["studentized_residual"], 4), number(row["residual"], 4),
            )  # fmt: skip
        tables.append(rows)
    return tables


def _bare_coefficients(model: dict[str, Any]) -> Table:
    table = plain_table("", "coef")
    values = [model["parameters"]["intercept"], *model["parameters"]["coefficients"]]
    for name, value in zip(["intercept", *model["features"]], values):
        table.add_row(name, number(float(value), 10))
    return table


def _descent(training: dict[str, Any]) -> Table:
    table = plain_table("learning rate", "passes", "status", "loss")
    for k, candidate in enumerate(training["candidates"]):
        cells = [number(candidate["learning_rate"]), number(candidate["n_passes"]), candidate["status"]]
        table.add_row(*cells, number(candidate["loss"], 10), style="bold" if k == training["chosen"] else None)
    return table


def _p(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"
