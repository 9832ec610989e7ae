"""The tables of the coefficients: with each kind of standard errors, beside each other, and beside other fits."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.linear.words import letter, title_of
from drivers.report.comparison import Comparison
from drivers.report.formats import NOTHING, column, fixed, number, p_value, share
from drivers.report.page import Column, Page

# A table of more rows than these is folded away where it is not the first.
LONG = 10


def add_tables(page: Page, model: dict[str, Any], comparison: Comparison) -> None:
    """The table that leads, then all errors side by side, then the other tables."""
    tables = model["inference"].get("coefficients", [])
    if not tables:
        values = comparison.ours.tolist()
        page.table(
            "Where gradient descent ended",
            [Column("", comparison.names), Column("coefficient", column(values, 10), values)],
        )
        return
    leading = comparison.table if comparison.table is not None else tables[0]
    inflation = model["inference"].get("variance_inflation")
    _add_table(page, model, comparison, leading, inflation if len(model["features"]) > 1 else None)
    if len(tables) > 1:
        _add_errors(page, comparison, tables, leading)
    if model["features"] and not leading["label"]:
        _add_tests(page, tables)
    for table in tables:
        if table is not leading:
            _add_table(page, model, comparison, table, None, is_folded=True)


def _add_table(
    page: Page,
    model: dict[str, Any],
    comparison: Comparison,
    table: dict[str, Any],
    inflation: list[float] | None,
    is_folded: bool = False,
) -> None:
    of, level = letter(table), model["inference"]["confidence_level"]
    lows, highs = [low for low, _ in table["intervals"]], [high for _, high in table["intervals"]]
    caption = title_of(model, table)
    caption = caption[:1].upper() + caption[1:]
    columns = [
        Column("", comparison.names),
        Column("coefficient", column(table["estimates"]), table["estimates"]),
        Column("std. error", column(table["standard_errors"], 4), table["standard_errors"]),
        Column(of, [fixed(value) for value in table["statistics"]], table["statistics"]),
        Column(f"P>|{of}|", [p_value(value) for value in table["p_values"]], table["p_values"]),
        Column(f"{share(0.5 - level / 2)}", column(lows, 5), lows),
        Column(f"{share(0.5 + level / 2)}", column(highs, 5), highs),
    ]
    if inflation is not None:
        columns.append(Column("VIF", ["", *(number(value, 3) for value in inflation)], [None, *inflation]))
    page.table(
        f"{caption}; {table['label']}" if table["label"] else caption, columns, folded=caption if is_folded else None
    )
    if inflation is not None:
        page.paragraph(
            "VIF, the variance inflation factor: how many times the variance of the coefficient is what it would be if no "
            "other feature were correlated with this one. Above 10 is commonly called high.",
            "note",
        )


def _add_errors(page: Page, comparison: Comparison, tables: list[dict[str, Any]], leading: dict[str, Any]) -> None:
    columns = [Column("", comparison.names)]
    for table in tables:
        heading = {"equal-variance": "equal var."}.get(table["covariance_type"], table["covariance_type"])
        columns.append(Column(heading, column(table["standard_errors"], 4), table["standard_errors"]))
    label = f"; {leading['label']}" if leading["label"] else ""
    page.table(
        f"All standard errors side by side; {leading['covariance_type']} leads{label}",
        columns,
        folded="All standard errors side by side" if len(comparison.names) > LONG else None,
    )


def _add_tests(page: Page, tables: list[dict[str, Any]]) -> None:
    statistics, p_values = ([table[key] for table in tables] for key in ("f_statistic", "f_p_value"))
    page.table(
        "Whether all coefficients but the intercept could be zero, by each kind of standard errors",
        [
            Column("", [table["covariance_type"] for table in tables]),
            Column("F", [number(value, 6) for value in statistics], statistics),
            Column("degrees of freedom", [" and ".join(number(value, 6) for value in table["f_df"]) for table in tables]),
            Column("P(F)", [p_value(value) for value in p_values], p_values),
            Column("law of a coefficient", [_law(table) for table in tables], is_text=True),
        ],
    )


def _law(table: dict[str, Any]) -> str:
    return f"Student's t, {number(table['df'], 6)} df" if table["law"] == "t" else "normal"


def add_comparison(page: Page, comparison: Comparison) -> None:
    """Our coefficients beside those of the sample and of the truth, where there are such."""
    fit, truth = comparison.sample_fit, comparison.truth
    if fit is None and truth is None:
        return

    def values_of(heading: str, values: np.ndarray) -> Column:
        return Column(heading, column(values.tolist()), values.tolist())

    def z_of(heading: str, z: np.ndarray | None) -> Column:
        if z is None:
            return Column(heading, [NOTHING] * len(comparison.names))
        return Column(heading, [f"{value:.2f}" for value in z], z.tolist())

    columns = [Column("", comparison.names), values_of("all rows", comparison.ours)]
    if fit is not None:
        heading = "scikit-learn" if comparison.sample.is_everything else f"{share(comparison.sample.share, 2)} sample"
        columns.append(values_of(heading, fit.coefficients))
        if not comparison.sample.is_everything and not comparison.is_penalised:
            columns.append(z_of("z, sample \N{MINUS SIGN} all", comparison.sample_z()))
    if truth is not None:
        columns.append(values_of("truth", truth.coefficients))
        if not comparison.is_penalised:
            columns.append(z_of("z, all \N{MINUS SIGN} truth", comparison.truth_z()))
    penalised = ", with the same penalty," if comparison.is_penalised else ""
    page.table(
        f"Beside scikit-learn's fit{penalised} of the sample" + (" and the truth" if truth is not None else ""),
        columns,
        folded="All coefficients beside each other" if len(comparison.names) > LONG else None,
    )
