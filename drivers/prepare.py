"""The recipe of a table: what becomes of its columns before they are features, learned of the training rows.

python drivers/prepare.py data.csv --target y -o recipe.json
python drivers/prepare.py data.csv --target y --scale standard --outliers iqr:clip --encode city=target -o recipe.json
python drivers/prepare.py hdfs:///data/*.csv --target y --holdout 0.2 -r hadoop -o recipe.json

A step that no option asks for is chosen by the profile of the table; none as its word leaves it out.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from typing import Any

from drivers.app import OK, leaving_nothing_half_done, parse_call, run_program
from drivers.demonstration import demonstration_glm
from drivers.describing.profile_file import TableProfile
from drivers.describing.question import profile_query
from drivers.describing.told import told_of
from drivers.designs import level_of_codes
from drivers.foresight import Foresight, Phase, look_ahead, wants_foresight
from drivers.model import design_json
from drivers.option_values import share
from drivers.options import Parser, build_parser
from drivers.output_files import check_place
from drivers.packing.cache import Pack
from drivers.packing.kinds import HASH, TEXT
from drivers.preparing.automatic import suggested
from drivers.preparing.column_facts import ColumnFacts, facts_of
from drivers.preparing.learning import learned
from drivers.preparing.options import add_recipe_options, asked_of
from drivers.preparing.recipe_file import ROLES, RecipeFile, held_out_folds, held_out_rows
from drivers.preparing.recipes import inputs_for, steps_of, take_levels, with_recipe
from drivers.preparing.story import story_of
from drivers.roles import add_role_options, code_identities, code_texts, contents_for, take_recipe
from drivers.runners.execution import one_blas_thread
from drivers.terminal.recipe_result import print_result
from drivers.training import training_of
from drivers.workspace import Workspace
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.families import BINOMIAL
from jobs.kernels.table_profile import TableProfileStatistics
from jobs.mr_profile import MRProfile
from jobs.recipe import Recipe
from jobs.records import readable

NAME, RECIPE = "prepare", "recipe.json"


def make_parser() -> Parser:
    parser = build_parser(MRProfile, __doc__.splitlines()[0] if __doc__ else None)
    add_role_options(parser, recipe=False)
    group = parser.add_argument_group("what is learned")
    group.add_argument("-o", "--out", metavar="FILE", help="write the recipe there too")
    group.add_argument("--holdout", type=share, metavar="SHARE", help="of the rows, of which nothing is learned")
    group.add_argument("--fold-by", metavar="NAME", help="rows with one value of it are in one fold")
    add_recipe_options(parser, reads=False)
    parser.set_defaults(chooses=True)
    return parser


def run(options: argparse.Namespace) -> int:
    if not options.inputs:
        options.inputs = [demonstration_glm(options.cache_dir, BINOMIAL)]
        options.target = options.target or "y"
    take_recipe(options)
    if options.out is not None:
        check_place(options.out, "the recipe", options.inputs)
    if wants_foresight(options):
        return look_ahead(options, contents_for(options), foresee)
    workspace, file, told = prepare(options)
    finish(workspace, file, told, print_result)
    return OK


def foresee(options: argparse.Namespace, pack: Pack) -> Foresight:
    """The pass of the profile, and what is learned of columns that are not as they are in the table."""
    why = "one for each step that learns of what another has made, or of the target"
    phases = [Phase("profile", 1, 1), Phase("recipe", 0, 3, why)]
    return Foresight(design_of_table(options, pack), phases)


def prepare(options: argparse.Namespace) -> tuple[Workspace, RecipeFile, dict[str, Any]]:
    """Packs, makes the passes, and gives the workspace, the recipe and what is told of it.

    :raises ScanError: columns that cannot play their roles, a step that cannot be learned
    """
    workspace = Workspace(options, NAME, contents_for(options))
    pack, run = workspace.pack, workspace.run
    table = design_of_table(options, pack)
    statistics = run.scan("profile", MRProfile, profile_query(pack, False), table)
    profile = told_of(TableProfile.of(pack, statistics))
    suggestion = suggested(profile, free_columns(options, pack), options.features or (), options.target, asked_of(options))
    if not suggestion.features:
        raise ScanError("no column is left that could be a feature; name some with --features")
    inputs = inputs_for(suggestion.features, suggestion.asked, pack)
    design = dataclasses.replace(table, features=suggestion.features, recipe=inputs)
    code_texts(design, pack, target_is_class=True)
    run.warnings += take_levels(design, pack)
    steps = steps_of(suggestion.asked, design, pack)
    recipe = learned(inputs, steps, design, pack, run.scan, known_facts(statistics, inputs, pack))
    design = with_recipe(design, recipe, pack)
    roles = {role: name for role in ROLES if (name := getattr(options, role))}
    told = {
        "kind": "recipe", "columns": _columns(profile, recipe, suggestion.left_out), "left_out": suggestion.left_out,
        "recipe": recipe.settled().to_json(), "roles": roles, "features": design.feature_names, "target": options.target,
        "weight": options.weight, "design": design_json(design), "training": training_of(run, "What is learned", True),
    }  # fmt: skip
    path = workspace.directory.file(RECIPE)
    return workspace, RecipeFile(path, roles, recipe.settled(), held_out_rows(options, pack)), told


def design_of_table(options: argparse.Namespace, pack: Pack) -> Design:
    """All columns of the table as they are, of the rows that something is learned of."""
    for role in ("target", "weight", "id", "fold_by"):
        if (name := getattr(options, role)) is not None:
            pack.manifest.index(name)
    design = Design(
        pack.manifest.columns, options.target, options.weight, options.id, "keep", fold=options.fold_by,
        held_out=held_out_folds(options),
    )  # fmt: skip
    code_identities(design, pack)
    return design


def free_columns(options: argparse.Namespace, pack: Pack) -> list[str]:
    """The columns that may be features."""
    roles = {options.target, options.weight, options.id, options.fold_by}
    if options.features is not None:
        for name in options.features:
            pack.manifest.index(name)
        return [name for name in options.features if name not in {*roles, *options.exclude}]
    names = [name for name in pack.manifest.columns if name not in {*roles, *options.exclude}]
    return [name for name in names if pack.manifest.kind(name) != HASH]


def known_facts(statistics: TableProfileStatistics, inputs: Recipe, pack: Pack) -> dict[str, ColumnFacts]:
    """What the profile of a table tells of its columns, by which steps learn without a further pass. Of texts that are
    dates it tells nothing."""
    found = {}
    for name, kind, facts in zip(pack.manifest.columns, pack.manifest.kinds, facts_of(statistics)):
        if name in inputs.formats:
            continue
        if kind == TEXT:
            if not facts.values.summary.is_exact:  # of more texts than could be counted
                continue
            facts.levels = level_of_codes(pack.texts[name], sorted(pack.texts[name]))
        found[name] = facts
    return found


def _columns(profile: dict[str, Any], recipe: Recipe, left_out: dict[str, str]) -> list[dict[str, Any]]:
    """What is told of each column: what it holds, what is done to it, and what comes of it."""
    blank = {column["name"] for column in profile["columns"] if column["missing"]}
    chapters = {chapter.name: chapter for chapter in story_of(recipe, blank)}
    columns = []
    for column in profile["columns"]:
        name = column["name"]
        if name not in chapters and name not in left_out:
            continue
        found = {key: column[key] for key in ("name", "type", "rows", "missing")}
        chapter = chapters.get(name)
        found |= {"steps": [], "features": [], "left_out": left_out[name]} if chapter is None else {
            "steps": chapter.steps, "features": _columns_of(recipe, chapter.features), "left_out": "",
        }  # fmt: skip
        columns.append(found)
    return columns


def _columns_of(recipe: Recipe, features: list[str]) -> list[str]:
    """The columns of X that features become."""
    return Design(
        features, categories={name: recipe.categories[name] for name in features if name in recipe.categories}
    ).feature_names


def finish(workspace: Workspace, file: RecipeFile, told: dict[str, Any], show: Any) -> None:
    """Writes the recipe, the summary and the report, and prints."""
    file.write()
    out = workspace.options.out
    if out is not None:
        dataclasses.replace(file, path=out).write()
    workspace.finish(told, show)
    workspace.progress.say(f"recipe  {os.path.relpath(out or file.path)}")


def recipe_of(inputs: Sequence[str] | str, **arguments: Any) -> dict[str, Any]:
    """The recipe of a table with the options of the command line as keywords, as in the file's JSON.

    :raises ScanError: what the program would end with
    """
    options = parse_call(make_parser(), inputs, {"quiet": True, **arguments})
    take_recipe(options)
    with leaving_nothing_half_done(options), one_blas_thread():
        workspace, file, told = prepare(options)
        finish(workspace, file, told, None)
    return readable(told["recipe"])


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
