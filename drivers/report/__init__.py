"""The report of a run: one self-contained page, report.html, and its pictures as PNG files beside it.

It is made on the driver from what the run left behind (model.json, the ledger, the checkpoint) and from the sample that
packing drew, so it takes no pass over the data. A fit of a statistics file has no data at all: `pack` is None.
"""

from __future__ import annotations

import importlib
from typing import Any

from drivers.model_kinds import KINDS
from drivers.packing.cache import Pack
from drivers.report import run_sections
from drivers.report.formats import restore
from drivers.report.page import Page
from drivers.report.recipe import add_recipe
from drivers.run_directory import MODEL, RunDirectory
from jobs.recipe import Recipe

REPORT = "report.html"
RECIPE = "recipe"  # whose own report has it among its sections


def write_report(directory: RunDirectory, pack: Pack | None) -> str:
    """Writes report.html and its pictures into the run directory, from its model.json; returns the page's path."""
    model: dict[str, Any] = restore(directory.read_json(MODEL))
    passes = directory.passes()
    # Imported late: each kind brings libraries that nothing before the result may wait for.
    kind = importlib.import_module(KINDS[model["kind"]].report)
    page = Page(kind.title(model))
    run_sections.add_summary(page, model, kind.method(model), pack, directory, passes)
    run_sections.add_warnings(page, model)
    kind.add_sections(page, model, directory, pack)
    if model["kind"] != RECIPE and model["design"].get("recipe"):
        add_recipe(page, directory, Recipe.from_json(model["design"]["recipe"]), pack)
    if pack is not None:
        run_sections.add_columns(page, model, pack)
    run_sections.add_passes(page, passes)
    run_sections.add_again(page, directory)
    directory.write(REPORT, page.render())
    return directory.file(REPORT)
