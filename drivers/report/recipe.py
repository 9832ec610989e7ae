"""The report of a recipe: what it makes of each column, as a picture and as a table."""

from __future__ import annotations

from typing import Any

from drivers.packing.cache import Pack
from drivers.report import recipe_pictures
from drivers.report.formats import number
from drivers.report.page import Column, Page
from drivers.report.run_sections import add_rows
from drivers.run_directory import RunDirectory
from drivers.wording import count, listed
from jobs.recipe import Recipe

FEATURES_SHOWN, COLUMNS_SHOWN = 4, 25


def title(told: dict[str, Any]) -> str:
    """What was prepared."""
    return f"A recipe of {count(len(told['features']), 'feature')}"


def method(told: dict[str, Any]) -> str:
    """What was done, in a sentence or two."""
    taken = [column for column in told["columns"] if not column["left_out"]]
    n_steps = len(told["recipe"]["steps"])
    target = f" for the target {told['target']}" if told["target"] else ""
    return (
        f"{count(n_steps, 'step')} make {count(len(told['features']), 'feature')} of {count(len(taken), 'column')}{target}."
    )


def add_sections(page: Page, told: dict[str, Any], directory: RunDirectory, pack: Pack | None) -> None:
    """All that the page says about the recipe."""
    add_recipe(page, directory, Recipe.from_json(told["recipe"]), pack)
    if told["left_out"]:
        page.heading("Columns left out")
        names = list(told["left_out"])
        page.table(
            "Columns that are no features",
            [Column("", names), Column("why", [told["left_out"][name] for name in names], is_text=True)],
            folded="All of them" if len(names) > COLUMNS_SHOWN else None,
        )
    _add_steps(page, told["columns"])
    add_rows(page, told, [])


def add_recipe(page: Page, directory: RunDirectory, recipe: Recipe, pack: Pack | None) -> None:
    """The picture of a recipe, in the report of a model too."""
    if pack is None or not recipe.steps:
        return
    page.heading("What the recipe makes of each column")
    for picture in recipe_pictures.draw_recipe(directory, recipe, pack):
        page.picture(picture)


def _add_steps(page: Page, columns: list[dict[str, Any]]) -> None:
    taken = [column for column in columns if not column["left_out"]]
    page.heading("Steps")
    page.table(
        "What is done to each column, and the features that come of it",
        [
            Column("", [column["name"] for column in taken]),
            Column("type", [column["type"] for column in taken], is_text=True),
            Column("missing", [number(column["missing"]) for column in taken], [column["missing"] for column in taken]),
            Column("becomes", ["; ".join(column["steps"]) or "as it is" for column in taken], is_text=True, wraps=True),
            Column("features", [_features(column["features"]) for column in taken], is_text=True, wraps=True),
        ],
        folded="All columns" if len(taken) > COLUMNS_SHOWN else None,
    )


def _features(names: list[str]) -> str:
    more = len(names) - FEATURES_SHOWN
    return listed(names, FEATURES_SHOWN).removesuffix(", ...") + (f" and {more:,} more" if more > 0 else "")
