"""From the manifest of a pack to the design step over it: centres for a kernel, and a model's design for another table."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from drivers.packing.cache import Pack
from drivers.packing.kinds import TEXT, Texts, hashes
from drivers.packing.manifest import Manifest
from drivers.written_dates import days_of
from jobs.blocks import Block
from jobs.design import MISSING_CODE, Design, Rows
from jobs.recipe import Recipe
from jobs.recipe.frame import UNKNOWN_LEVEL, Frame


def column_ranges(pack: Pack, design: Design) -> np.ndarray:
    """About the mean, the least and the largest cell of each column of X, (p, 3): of a column of the table as packing has
    found them, of one that the recipe makes as it is in the sample; 0, 0, 1 of the 0-1 columns of a text."""
    manifest = pack.manifest
    found = np.tile([0.0, 0.0, 1.0], (len(design.feature_names), 1))
    sampled = None
    for name, term in zip(design.features, design.terms):
        if name in design.categories:
            continue
        if name not in design.made:
            j = manifest.index(name)
            found[term[0]] = manifest.mean(name), manifest.minima[j], manifest.maxima[j]
            continue
        if sampled is None:
            sampled = design_of_sample(design, "keep").apply(block_of_sample(pack, design)).X
        cells = sampled[:, term[0]]
        cells = cells[np.isfinite(cells)]
        found[term[0]] = (cells.mean(), cells.min(), cells.max()) if len(cells) else 0.0
    return found


def feature_centers(pack: Pack, design: Design) -> np.ndarray:
    """Where sums about the columns of X are taken from, shape (p,): the mean of a number; the 0-1 columns of a text have
    no digits to lose."""
    return column_ranges(pack, design)[:, 0]


def target_center(manifest: Manifest, design: Design) -> float:
    """Where sums about the target are taken from."""
    assert design.target is not None
    return 0.0 if design.target in design.categories else manifest.mean(design.target)


def level_of_codes(texts: list[str], categories: list[str]) -> np.ndarray:
    """The level of each code of a dictionary, UNKNOWN_LEVEL for a text that is no category; shape (len(texts),)."""
    place = {text: level for level, text in enumerate(categories)}
    return np.array([place.get(text, UNKNOWN_LEVEL) for text in texts], dtype=np.int64)


def levels_of(recipe: Recipe, texts: dict[str, list[str]]) -> dict[str, np.ndarray]:
    """What each code of the columns of text of a recipe stands for, where they have these dictionaries."""
    levels = {name: level_of_codes(texts[name], known) for name, known in recipe.texts.items() if name in texts}
    return levels | {name: days_of(texts[name], how) for name, how in recipe.formats.items() if name in texts}


def id_hashes(texts: list[str]) -> np.ndarray:
    """What keys are made of where the id column is text: equal ids have equal keys, whatever their codes."""
    return hashes(Texts(np.arange(len(texts)), texts))


def design_of(model: dict[str, Any], texts: dict[str, list[str]] | None = None, missing: str = "keep") -> Design:
    """The design of a model, for blocks whose columns of text have these dictionaries."""
    made = model.get("design", {"features": model["features"]})
    categories = made.get("categories", {})
    recipe = Recipe.from_json(made["recipe"]) if made.get("recipe") else None
    design = Design(
        made["features"], model.get("target"), model.get("weight"), None, missing, categories, {},
        offset=made.get("offset"), recipe=recipe,
    )  # fmt: skip
    return reading(design, texts or {})


def reading(design: Design, texts: dict[str, list[str]]) -> Design:
    """The design for blocks whose columns of text have these dictionaries."""
    own = {name: known for name, known in design.categories.items() if name not in design.made and name in texts}
    levels = {name: level_of_codes(texts[name], known) for name, known in own.items()}
    if design.recipe is not None:
        levels |= levels_of(design.recipe, texts)
    return dataclasses.replace(design, levels=levels)


def sample_rows(pack: Pack, model: dict[str, Any]) -> Rows:
    """The rows that packing drew, as the model's design makes them, without those that have a missing cell."""
    return rows_of_sample(pack, design_of(model, pack.texts))


def weighted_sample(pack: Pack, design: Design) -> Rows:
    """Of the rows that packing drew those with weight, as a design makes them, without those that have a missing cell."""
    rows = rows_of_sample(pack, design)
    return rows.at(np.flatnonzero(rows.w > 0))


def rows_of_sample(pack: Pack, design: Design) -> Rows:
    """The rows that packing drew, as a design makes them, without those that have a missing cell."""
    return design_of_sample(design, "drop").apply(block_of_sample(pack, design))


def design_of_sample(design: Design, missing: str) -> Design:
    """The design for a sample: what only tells rows apart is not kept of it, so its rows are in no fold."""
    recipe = None if design.recipe is None else design.recipe.settled()
    return dataclasses.replace(design, id=None, fold=None, cluster=None, group=None, missing=missing, recipe=recipe)


def sample_frame(pack: Pack, recipe: Recipe, steps: bool = True) -> Frame:
    """The columns of the rows that packing drew, as a recipe makes them, or as they are before its steps."""
    recipe = recipe.settled() if steps else dataclasses.replace(recipe, steps=[], features=recipe.inputs)
    design = reading(Design(recipe.features, recipe=recipe, missing="keep"), pack.texts)
    return design.follow_recipe(block_of_sample(pack, design))


def block_of_sample(pack: Pack, design: Design) -> Block:
    """The rows that packing drew, with the columns that a design of a sample reads."""
    rows = pack.sample().rows
    columns = {}
    for name in design_of_sample(design, design.missing).columns():
        values = rows[:, pack.manifest.index(name)]
        if pack.manifest.kind(name) == TEXT:
            values = np.where(np.isnan(values), MISSING_CODE, values).astype(np.int32)
        columns[name] = values
    return Block(0, 0, len(rows), columns)
