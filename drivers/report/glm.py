"""The report of a generalised linear model (kinds "logistic" and "glm"): findings, pictures, coefficients, classes."""

from __future__ import annotations

from typing import Any

from drivers.model import class_names
from drivers.packing.cache import Pack
from drivers.report import classifier_pictures, glm_pictures, glm_tables
from drivers.report.figures import Picture
from drivers.report.formats import number, share
from drivers.report.glm_findings import findings
from drivers.report.page import Page
from drivers.report.run_sections import add_rows, names_of, weighing
from drivers.run_directory import RunDirectory
from drivers.terminal.glm_result import describe


def title(model: dict[str, Any]) -> str:
    """What the model is of."""
    return f"{describe(model)}: {model['target']} on {names_of(model['design']['features'])}"


def method(model: dict[str, Any]) -> str:
    """What was done, in a sentence or two."""
    name = describe(model)
    offset = f", with the offset {model['design']['offset']}" if model["design"].get("offset") else ""
    text = (
        f"{model['target']} was explained by {names_of(model['design']['features'])}{weighing(model)}{offset}. "
        f"The method: {name[:1].lower()}{name[1:]}."
    )
    classes = class_names(model)
    if len(classes) == 2:
        text += f" Coefficients, odds and probabilities are those of {classes[1]} against {classes[0]}."
    return text


def add_sections(page: Page, model: dict[str, Any], directory: RunDirectory, pack: Pack | None) -> None:
    """All that the page says about the fit."""
    page.heading("Findings")
    for topic, text in findings(model, pack):
        page.paragraph(text, topic=topic)
    if pictures := glm_pictures.draw_all(directory, model, pack):
        page.heading("Pictures")
        _show(page, pictures)
    page.heading("Coefficients")
    glm_tables.add_coefficients(page, model)
    if classifier_pictures.leading(model):
        page.heading("Classes")
        _show(page, classifier_pictures.draw_all(directory, model))
        glm_tables.add_classes(page, model)
    glm_tables.add_candidates(page, model)
    _show(page, glm_pictures.draw_validation(directory, model))
    glm_tables.add_measures(page, model)
    if pictures := glm_pictures.draw_passes(directory, model):
        page.heading("Convergence")
        _show(page, pictures)
    add_rows(page, model, _weights(model))


def _show(page: Page, pictures: list[Picture]) -> None:
    for picture in pictures:
        page.picture(picture)


def _weights(model: dict[str, Any]) -> list[tuple[str, str, Any]]:
    training, inference = model["training"], model["inference"]
    rows: list[tuple[str, str, Any]] = []
    if model.get("weight"):
        rows.append(("sum of the weights", number(training["weight_sum"]), training["weight_sum"]))
        if inference:
            effective, largest = inference["effective_sample_size"], inference["largest_weight_share"]
            rows += [
                ("effective sample size", number(effective), effective),
                ("largest share of one row", share(largest), largest),
            ]
    return rows
