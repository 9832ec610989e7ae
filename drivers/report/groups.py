"""The report of models by group: how many there are, how their coefficients are spread, and which stand out."""

from __future__ import annotations

from typing import Any

import numpy as np

from drivers.grouped.fits import measure_of, method_of
from drivers.grouped.table import GroupTable
from drivers.model import explained
from drivers.packing.cache import Pack
from drivers.report import groups_pictures
from drivers.report.formats import column, number, share
from drivers.report.page import Column, Page
from drivers.report.run_sections import add_rows, names_of, weighing
from drivers.run_directory import RunDirectory
from drivers.wording import count

# Of each coefficient so many groups at either end.
ENDS, FEATURES_SHOWN = 5, 12
HEADINGS = ("least", "5 %", "25 %", "median", "75 %", "95 %", "largest")


def title(model: dict[str, Any]) -> str:
    """What the model is of."""
    return f"{explained(model)} by {names_of(model['design']['features'])}, for each {model['design']['group']}"


def method(model: dict[str, Any]) -> str:
    """What was done, in a sentence or two."""
    return (
        f"{explained(model)} was explained by {names_of(model['design']['features'])} for each of "
        f"{count(model['inference']['n_groups'], 'value')} of {model['design']['group']}{weighing(model)}. The method: "
        f"{_method(model)}."
    )


def _method(model: dict[str, Any]) -> str:
    if "family" not in model["parameters"]:
        return "weighted least squares within each group, all groups in one pass"
    link, penalty = model["parameters"]["link"], model["training"]["penalty"]
    shrunk = f", with a ridge penalty of {penalty['alpha']:g}" if penalty["alpha"] else ""
    return (
        f"{method_of(model)} with the {link} link within each group{shrunk}, by Newton's method, a step of all groups in "
        "one pass; a group that has converged leaves the passes"
    )


def add_sections(page: Page, model: dict[str, Any], directory: RunDirectory, pack: Pack | None) -> None:
    """All that the page says about the groups."""
    table = GroupTable.read(directory.path, model)
    page.heading("Findings")
    for topic, text in findings(model):
        page.paragraph(text[:1].upper() + text[1:], topic=topic)
    page.heading("Coefficients over the groups")
    _add_quantiles(page, model)
    for picture in groups_pictures.draw_all(directory, model, table):
        page.picture(picture)
    page.heading("Groups at the ends")
    _add_ends(page, model, table)
    page.paragraph("groups.csv in the run directory has every group.", "note")
    total = model["training"]["weight_sum"]
    add_rows(page, model, [("sum of the weights", number(total), total)] if model.get("weight") else [])


def findings(model: dict[str, Any]) -> list[tuple[str, str]]:
    """Topics and sentences."""
    inference = model["inference"]
    n_groups, n_fitted = inference["n_groups"], inference["n_fitted"]
    low, median, high = (inference["n_rows"][inference["probabilities"].index(p)] for p in (0.0, 0.5, 1.0))
    found = [
        ("Groups", f"{n_fitted:,} of {count(n_groups, 'group')} were fitted ({share(n_fitted / n_groups)})."),
        ("How large", f"the groups have {number(low)} to {number(high)} rows, half of them {number(median)} or fewer."),
    ]
    reasons = [f"{n:,} for {name}" for name, n in inference["statuses"].items() if n and name != "fitted"]
    if reasons:
        found.append(("Not fitted", f"{', '.join(reasons)}; a group needs {count(inference['min_rows'], 'row')}."))
    name, words = measure_of(model)
    measure = inference[name][inference["probabilities"].index(0.5)]
    if measure == measure:
        found.append(("How well", f"half of the fitted groups have {_a(words)} of {measure:.3f} or more."))
    return found


def _a(words: str) -> str:
    return f"an {words}" if words == "R-squared" else f"a share of {words}"


def _add_quantiles(page: Page, model: dict[str, Any]) -> None:
    inference = model["inference"]
    measure, words = measure_of(model)
    names = ["intercept", *model["features"], words]
    rows = [*zip(*inference["coefficients"]), inference[measure]]
    columns = [Column("", names)]
    for heading, values in zip(HEADINGS, zip(*rows)):
        columns.append(Column(heading, [number(value, 5) for value in values], values))
    page.table("Quantiles over the groups that were fitted", columns)


def _add_ends(page: Page, model: dict[str, Any], table: GroupTable) -> None:
    """For each coefficient the groups where it is least and where it is largest."""
    fitted = np.flatnonzero([status == "fitted" for status in table.statuses])
    names = ["intercept", *model["features"]]
    for j, name in list(enumerate(names))[1 : FEATURES_SHOWN + 1] or [(0, names[0])]:
        ascending = fitted[np.argsort(table.coefficients[fitted, j], kind="stable")]
        ends = ascending if len(ascending) <= 2 * ENDS else np.concatenate([ascending[:ENDS], ascending[-ENDS:]])
        values = {"coefficient": table.coefficients[ends, j], "standard error": table.standard_errors[ends, j]}
        columns = [Column(model["design"]["group"], [str(table.groups[int(i)].as_py()) for i in ends])]
        columns += [Column(heading, column(list(cells), 5), list(cells)) for heading, cells in values.items()]
        columns.append(Column("rows", [number(int(table.n_rows[i])) for i in ends]))
        columns.append(Column(measure_of(model)[1], [number(float(table.measure[i]), 4) for i in ends]))
        page.table(
            f"{name}: the least and the largest coefficients", columns, folded=f"Groups by {name}" if j > 1 else None
        )
