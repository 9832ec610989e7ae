"""The report of a linear fit (kind "wols"): findings, pictures, tables of coefficients, measures of fit."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.linear.words import letter, title_of
from drivers.loop import MAX_ITER
from drivers.packing.cache import Pack
from drivers.report import descent_pictures, line_pictures, plane_pictures
from drivers.report.comparison import Comparison, compare
from drivers.report.formats import NOTHING, column, number, p_value, share
from drivers.report.linear_findings import findings
from drivers.report.page import Column, Page
from drivers.report.run_sections import add_rows
from drivers.run_directory import RunDirectory

MEASURES = {
    "r_squared": "R\N{SUPERSCRIPT TWO}",
    "r_squared_adjusted": "adjusted R\N{SUPERSCRIPT TWO}",
    "rmse": "root mean square error, weighted",
    "mse": "mean square error, weighted",
    "residual_variance": "residual variance \N{GREEK SMALL LETTER SIGMA}\N{SUPERSCRIPT TWO}",
    "f_statistic": "F",
    "f_p_value": "P(F)",
    "df_model": "degrees of freedom, model",
    "df_residuals": "degrees of freedom, residuals",
    "log_likelihood": "log-likelihood",
    "aic": "AIC",
    "bic": "BIC",
    "condition_number": "condition number",
}
STOPS = {
    "gradient": "a candidate has converged when its gradient is at most {tol} of its first one",
    "step": "a candidate has converged when the square of its step is at most {tol}",
}
STATUS = {MAX_ITER: "limit of passes"}
START_SHOWN = 4


def add_sections(page: Page, model: dict[str, Any], directory: RunDirectory, pack: Pack | None) -> None:
    """All that the page says about the fit."""
    comparison = compare(model, pack)
    page.heading("Findings")
    for paragraph in findings(model, comparison):
        page.paragraph(paragraph)
    _add_pictures(page, model, comparison, directory)
    page.heading("Coefficients")
    _add_coefficients(page, model, comparison)
    _add_comparison(page, comparison)
    if model["inference"]:
        page.heading("Measures of fit")
        measures = model["inference"]
        page.pairs(
            f"Fit of {model['target']}",
            [
                (name, p_value(measures[key]) if key == "f_p_value" else number(measures[key]), measures[key])
                for key, name in MEASURES.items()
            ],
        )
    if model["training"]["solver"] == "gd":
        page.heading("Gradient descent")
        _add_candidates(page, model["training"])
    add_rows(page, model, _weights(model, comparison))


def _add_pictures(page: Page, model: dict[str, Any], comparison: Comparison, directory: RunDirectory) -> None:
    pictures = []
    if len(comparison.sample.y):
        if len(model["features"]) == 1:
            pictures += line_pictures.draw_all(directory, model, comparison)
        elif model["features"]:
            pictures += plane_pictures.draw_all(directory, model, comparison)
    if model["training"]["solver"] == "gd":
        pictures += descent_pictures.draw_all(directory, model, comparison)
    if pictures:
        page.heading("Pictures")
    for picture in pictures:
        page.picture(picture)


def _add_coefficients(page: Page, model: dict[str, Any], comparison: Comparison) -> None:
    tables = model["inference"].get("coefficients", [])
    if not tables:
        values = comparison.ours.tolist()
        page.table(
            "Where gradient descent ended",
            [Column("", comparison.names), Column("coefficient", column(values, 10), values)],
        )
        return
    level = model["inference"]["confidence_level"]
    # The table to go by comes first; of many features only this one lies open.
    ordered = sorted(tables, key=lambda table: table is not comparison.table)
    for table in ordered:
        of = letter(table)
        lows, highs = [low for low, _ in table["intervals"]], [high for _, high in table["intervals"]]
        caption = title_of(model, table)
        caption = caption[:1].upper() + caption[1:]
        columns = [
            Column("", comparison.names),
            Column("coefficient", column(table["estimates"]), table["estimates"]),
            Column("std. error", column(table["standard_errors"], 4), table["standard_errors"]),
            Column(of, [f"{value:,.2f}" for value in table["statistics"]], table["statistics"]),
            Column(f"P>|{of}|", [p_value(value) for value in table["p_values"]], table["p_values"]),
            Column(f"{share(0.5 - level / 2)}", column(lows, 5), lows),
            Column(f"{share(0.5 + level / 2)}", column(highs, 5), highs),
        ]
        is_folded = table is not comparison.table and len(comparison.names) > 10
        page.table(caption, columns, folded=caption if is_folded else None)


def _add_comparison(page: Page, comparison: Comparison) -> None:
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
        if not comparison.sample.is_everything:
            columns.append(z_of("z, sample \N{MINUS SIGN} all", comparison.sample_z()))
    if truth is not None:
        columns += [values_of("truth", truth.coefficients), z_of("z, all \N{MINUS SIGN} truth", comparison.truth_z())]
    page.table(
        "Beside scikit-learn's fit of the sample" + (" and the truth" if truth is not None else ""),
        columns,
        folded="All coefficients beside each other" if len(comparison.names) > 10 else None,
    )


def _add_candidates(page: Page, training: dict[str, Any]) -> None:
    candidates, chosen = training["candidates"], training["chosen"]
    rates, losses = ([candidate[key] for candidate in candidates] for key in ("learning_rate", "loss"))
    status = [STATUS.get(candidate["status"], candidate["status"]) for candidate in candidates]
    status[chosen] += ", chosen"
    page.table(
        "Candidates, all in the same passes",
        [
            Column("learning rate", [number(float(rate)) for rate in rates], rates),
            Column("start", [_start(candidate["start"]) for candidate in candidates]),
            Column("passes", [number(candidate["n_passes"]) for candidate in candidates]),
            Column("status", status, is_text=True),
            Column("loss", [number(loss, 10) for loss in losses], losses),
        ],
        chosen=chosen,
    )
    rule = STOPS[training["stop"]].format(tol=f"{training['tol']:g}")
    page.paragraph(
        f"Rule for stopping: {rule}. The loss is half the weighted mean of the squared residuals, at the place where the "
        "last gradient was taken.",
        "note",
    )
    page.pairs(
        "Where it stopped",
        [
            ("loss", number(training["loss"], 10), training["loss"]),
            ("estimated distance left", number(training["remaining_distance"], 3), training["remaining_distance"]),
        ],
    )


def _start(values: list[float]) -> str:
    shown = ", ".join(number(float(value), 4) for value in values[:START_SHOWN])
    return f"{shown}, ... ({len(values)} numbers)" if len(values) > START_SHOWN else shown


def _weights(model: dict[str, Any], comparison: Comparison) -> list[tuple[str, str, Any]]:
    inference, training, sample = model["inference"], model["training"], comparison.sample
    rows: list[tuple[str, str, Any]] = []
    if inference and model["weight"]:
        effective, largest = inference["effective_sample_size"], inference["largest_weight_share"]
        rows += [
            ("sum of the weights", number(training["weight_sum"]), training["weight_sum"]),
            ("effective sample size", number(effective), effective),
            ("largest share of one row", share(largest), largest),
            ("rows of weight zero", number(training["n_zero_weight"]), training["n_zero_weight"]),
        ]
    if len(sample.w) and not sample.is_everything:
        rows += [
            ("rows in the sample", number(len(sample.w)), len(sample.w)),
            ("effective size of the sample", number(sample.effective_size), sample.effective_size),
        ]
    return rows
