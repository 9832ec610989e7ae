"""The recipe of a run: from its file, or learned in the run by what its options ask for."""

from __future__ import annotations

import argparse
import dataclasses
from functools import partial

import numpy as np

from drivers.designs import levels_of
from drivers.packing.cache import Pack
from drivers.packing.kinds import HASH, TEXT
from drivers.packing.locate import first_row_where, place_of_row
from drivers.preparing.asked import Asked
from drivers.preparing.learning import Scan, learned, passes_to_learn
from drivers.preparing.options import asked_of
from drivers.preparing.recipe_file import held_out_folds, held_out_rows
from drivers.wording import count, listed
from drivers.written_dates import days_of
from jobs.design import Design
from jobs.errors import BadRecord, ScanError, quoted
from jobs.recipe import Recipe
from jobs.recipe.categories import TargetEncode
from jobs.recipe.frame import MISSING_LEVEL
from jobs.recipe.step import Step


def recipe_is_wanted(options: argparse.Namespace) -> bool:
    """Whether the columns are more than taken as they are."""
    return options.recipe is not None or asked_of(options).is_given


def inputs_for(features: list[str], asked: Asked, pack: Pack) -> Recipe:
    """A recipe of these columns of a table, and no step.

    :raises ScanError: columns that cannot be features
    """
    kinds = {name: pack.manifest.kind(name) for name in features}
    for name, kind in kinds.items():
        if kind == HASH:
            raise ScanError(f"the feature {name!r} has too many different texts to be one")
    for name in asked.formats:
        if kinds.get(name) != TEXT:
            raise ScanError(
                f"--date-formats: {name!r} is no feature of text; dates that are all written as in ISO 8601 need no format"
            )
    of_text = [name for name in features if kinds[name] == TEXT]
    texts = {name: sorted(pack.texts[name]) for name in of_text if name not in asked.formats}
    numbers = [name for name in features if name not in of_text]
    return Recipe(numbers, texts, asked.formats, [], features)


def follow(options: argparse.Namespace, design: Design, pack: Pack, scan: Scan) -> tuple[Design, list[str]]:
    """The design with the recipe that the options name or ask for, and what the user should know of it.

    :param design: with the roles, and a recipe of the inputs without a step
    :raises ScanError: what cannot be learned; a column that the table does not have as the recipe takes it
    """
    assert design.recipe is not None
    remarks = take_levels(design, pack)
    if options.recipe is None:
        steps = steps_of(asked_of(options), design, pack)
    else:
        _check_texts(options.recipe.recipe, pack)
        steps = [_of_this_target(step, design) for step in options.recipe.recipe.steps]
    # What a holdout keeps out of the fit is kept out of this too.
    learning = dataclasses.replace(design, held_out=held_out_folds(options))
    recipe = learned(design.recipe, steps, learning, pack, scan)
    if options.recipe is not None:
        recipe = dataclasses.replace(recipe, features=_kept(recipe, options.recipe.recipe))
        held_out = held_out_rows(options, pack)
        if held_out and held_out != options.recipe.held_out:
            remarks.append(
                f"the recipe {options.recipe.path} may have learned of rows that are held out here; prepare.py with the "
                "same --holdout, --seed and --id keeps them apart"
            )
    return with_recipe(design, recipe, pack), remarks


def _kept(recipe: Recipe, of_file: Recipe) -> list[str]:
    """The features of a file's recipe, which may be some of those that its steps make; encodings of this run's target
    instead of those of the file's, where they have other names."""
    if set(of_file.features) <= recipe.made:
        return of_file.features
    left_out = set(of_file.made) - set(of_file.features)
    return [name for name in recipe.features if name not in left_out]


def steps_of(asked: Asked, design: Design, pack: Pack) -> list[Step]:
    """The steps that are asked for, none of them learned yet.

    :raises ScanError: what a step cannot be
    """
    classes = design.categories.get(design.target, []) if design.target else []
    try:
        return asked.steps(design.features, pack, classes)
    except BadRecord as error:
        raise ScanError(str(error)) from None


def _of_this_target(step: Step, design: Design) -> Step:
    """A step of a file, to be learned anew where it is of the target: which rows are out of a fold only a run knows, whose
    row keys depend on what is packed; by all rows each would be told of its own target."""
    if not isinstance(step, TargetEncode) or design.target is None:
        return step
    return dataclasses.replace(step, encodings={})


def passes_before(options: argparse.Namespace, design: Design) -> int:
    """How many passes learn the recipe of a run before its fit begins."""
    if design.recipe is None or "recipe" not in options:  # of a model that is applied
        return 0
    if options.recipe is None:
        return passes_to_learn(design.recipe)
    return sum(isinstance(step, TargetEncode) for step in design.recipe.steps) if design.target is not None else 0


def with_recipe(design: Design, recipe: Recipe, pack: Pack) -> Design:
    """The design with a recipe that has been learned, whose features are its."""
    target = {name: known for name, known in design.categories.items() if name == design.target}
    levels = {name: recipe.categories[name] for name in recipe.features if name in recipe.categories}
    found = dataclasses.replace(design, features=recipe.features, recipe=recipe, categories={**target, **levels})
    found.levels = {**design.levels, **levels_of(recipe, pack.texts)}
    return found


def filled_by(recipe: Recipe, pack: Pack) -> set[str]:
    """The columns of the table whose missing cells leave no feature missing."""
    names = recipe.inputs
    columns = {name: np.repeat(_present(recipe, name, pack), len(names)) for name in names}
    for row, name in enumerate(names):
        columns[name][row] = MISSING_LEVEL if name in recipe.texts else np.nan
    with np.errstate(all="ignore"):
        frame = recipe.settled().apply(columns, len(names), lambda: np.zeros(len(names), np.uint64))
    is_filled = np.ones(len(names), bool)
    for name in recipe.features:
        values = frame.columns[name]
        is_filled &= ~np.isnan(values) if values.dtype.kind == "f" else values >= 0
    return {name for name, whole in zip(names, is_filled.tolist()) if whole}


def _present(recipe: Recipe, name: str, pack: Pack) -> np.ndarray:
    """A cell of a column that is not missing, (1,)."""
    if name in recipe.texts:
        return np.zeros(1, np.int32)
    if name in recipe.formats:
        days = days_of(pack.texts.get(name, [])[:100], recipe.formats[name])
        return np.append(days[~np.isnan(days)], 0.0)[:1]
    high = float(pack.manifest.maxima[pack.manifest.index(name)])
    return np.array([high if np.isfinite(high) else 1.0])


def _check_texts(recipe: Recipe, pack: Pack) -> None:
    """:raises ScanError: a column of another kind than the recipe has learned"""
    for name in recipe.inputs:
        is_text = pack.manifest.kind(name) == TEXT
        if is_text != (name in recipe.texts or name in recipe.formats):
            here, there = ("texts", "numbers") if is_text else ("numbers", "texts")
            raise ScanError(f"the column {name!r} holds {here}, and the recipe was learned where it held {there}")


def take_levels(design: Design, pack: Pack) -> list[str]:
    """Gives the design what the codes of its recipe's columns of text stand for; tells of texts that are no dates.

    :raises ScanError: a column of dates without one
    """
    assert design.recipe is not None
    design.levels |= levels_of(design.recipe, pack.texts)
    remarks = []
    for name in design.recipe.formats:
        wrong = np.flatnonzero(np.isnan(design.levels[name]))
        if not len(wrong):
            continue
        if len(wrong) == len(pack.texts[name]):
            raise ScanError(
                f"no text of the column {name!r} is a date as --date-formats has it; the first is "
                f"{quoted(pack.texts[name][0])}"
            )
        found = first_row_where(pack, name, partial(np.isin, test_elements=wrong))
        shown = listed([quoted(pack.texts[name][code]) for code in wrong[:4]])
        where = f", the first in {place_of_row(pack, found[0])}" if found else ""
        remarks.append(
            f"{count(len(wrong), 'text')} of the column {name!r} {'is no date' if len(wrong) == 1 else 'are no dates'} as "
            f"--date-formats has them, and count as missing cells: {shown}{where}"
        )
    return remarks
