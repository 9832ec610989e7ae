"""The report of a linear fit (kind "wols"): findings, pictures, tables of coefficients, measures of fit."""

from __future__ import annotations

from typing import Any

from drivers.linear.words import describe
from drivers.loop import MAX_ITER
from drivers.packing.cache import Pack
from drivers.report import (
    correlation_picture,
    descent_pictures,
    line_pictures,
    linear_checks,
    path_pictures,
    plane_pictures,
    residual_pictures,
    residual_tables,
    validation_picture,
)
from drivers.report.check_findings import check_findings
from drivers.report.coefficient_tables import add_comparison, add_tables
from drivers.report.comparison import Comparison, compare
from drivers.report.figures import Picture
from drivers.report.formats import number, p_value, share
from drivers.report.linear_findings import findings
from drivers.report.page import Column, Page
from drivers.report.run_sections import add_rows, names_of, weighing
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
    "condition_number": "condition number, features centred and scaled",
    "condition_number_raw": "condition number as they stand, with the constant",
}
# Of a penalised fit.
UNKNOWN_LAW = ("f_statistic", "f_p_value")
STOPS = {
    "gradient": "a candidate has converged when its gradient is at most {tol} of its first one",
    "step": "a candidate has converged when the square of its step is at most {tol}",
}
STATUS = {MAX_ITER: "limit of passes"}
START_SHOWN = 4


def title(model: dict[str, Any]) -> str:
    """What the model is of."""
    return f"{describe(model)}: {model['target']} on {names_of(model['design']['features'])}"


def method(model: dict[str, Any]) -> str:
    """What was done, in a sentence or two."""
    selection = model.get("selection")
    chosen = f", chosen out of {len(selection['candidates'])}" if selection else ""
    name = describe(model)
    return (
        f"{model['target']} was explained by {names_of(model['design']['features'])}{chosen}{weighing(model)}. "
        f"The method: {name[:1].lower()}{name[1:]}."
    )


def add_sections(page: Page, model: dict[str, Any], directory: RunDirectory, pack: Pack | None) -> None:
    """All that the page says about the fit."""
    comparison = compare(model, pack)
    page.heading("Findings")
    for topic, paragraph in [*findings(model, comparison), *check_findings(model)]:
        page.paragraph(paragraph, topic=topic)
    _add_pictures(page, model, comparison, directory)
    page.heading("Coefficients")
    add_tables(page, model, comparison)
    add_comparison(page, comparison)
    _add_checks(page, model, comparison, directory)
    if model["inference"]:
        page.heading("Measures of fit")
        measures = model["inference"]
        page.pairs(
            f"Fit of {model['target']}",
            [
                (name, p_value(measures[key]) if key == "f_p_value" else number(measures[key]), measures[key])
                for key, name in MEASURES.items()
                if not (comparison.is_penalised and key in UNKNOWN_LAW)
            ],
        )
    if model["training"]["solver"] == "gd":
        page.heading("Gradient descent")
        _add_candidates(page, model["training"])
    add_rows(page, model, _weights(model, comparison))


def _add_checks(page: Page, model: dict[str, Any], comparison: Comparison, directory: RunDirectory) -> None:
    """The sections on what was asked for beyond the fit."""
    if not model["inference"]:
        return
    if pictures := correlation_picture.draw_all(directory, model):
        page.heading("Correlations")
        _show(page, pictures)
    if model.get("validation"):
        linear_checks.add_validation(page, model)
    if model.get("penalty"):
        linear_checks.add_penalty(page, model)
    if model.get("path"):
        spread = comparison.sample.spread if len(comparison.sample.y) else None
        _show(page, path_pictures.draw_all(directory, model, spread) + validation_picture.draw_all(directory, model))
        linear_checks.add_path(page, model)
    if model.get("selection"):
        linear_checks.add_selection(page, model)
    if model["inference"].get("diagnostics"):
        page.heading("Residuals")
        residual_tables.add_residuals(page, model)
        _show(page, residual_pictures.draw_all(directory, model, comparison))
        residual_tables.add_influential(page, model)


def _show(page: Page, pictures: list[Picture]) -> None:
    for picture in pictures:
        page.picture(picture)


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
    _show(page, pictures)


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
