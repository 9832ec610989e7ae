"""Which column plays which role, and what the recipe makes of them, checked before a pass of the fit is spent."""

from __future__ import annotations

import argparse
import dataclasses

from drivers.designs import id_hashes, level_of_codes
from drivers.option_values import names
from drivers.packing.cache import Pack
from drivers.packing.contents import PackContents
from drivers.packing.kinds import DATE, HASH, INTEGER, TEXT, is_number
from drivers.preparing.learning import Scan, scan_of_sample
from drivers.preparing.options import add_recipe_options, asked_of, check_steps
from drivers.preparing.recipe_file import ROLES
from drivers.preparing.recipes import filled_by, follow, inputs_for, recipe_is_wanted
from drivers.role_checks import (
    IDENTITIES,
    SHOWN,
    check_constant,
    check_empty,
    check_enough_rows,
    check_group,
    check_missing,
    check_names,
    check_number_of_categories,
    check_offset,
    check_weights,
    check_written_numbers,
    may_have_few_rows,
)
from drivers.wording import listed
from jobs.design import Design
from jobs.errors import ScanError


def add_role_options(parser: argparse.ArgumentParser, target: bool = True, recipe: bool = True) -> None:
    """--target unless nothing is to be explained, --features, --exclude, --weight and --id, and those of a recipe."""
    roles = parser.add_argument_group("roles of the columns")
    if target:
        roles.add_argument("--target", metavar="NAME", help="the column to explain")
    parser.set_defaults(target=None, explains=target)
    roles.add_argument(
        "--features", type=names, metavar="NAMES",
        help=("what explains it" if target else "what rows are compared by")
        + "; one of text becomes a 0-1 column for each of its texts but the first; Default: all other columns of numbers",
    )  # fmt: skip
    roles.add_argument("--exclude", type=names, default=[], metavar="NAMES", help="columns that are no features")
    roles.add_argument("--weight", metavar="NAME", help="the column of row weights; Default: every row weighs the same")
    roles.add_argument("--id", metavar="NAME", help="a column from which random choices about a row are drawn")
    if recipe:
        add_recipe_options(parser)


def take_recipe(options: argparse.Namespace) -> None:
    """Takes from the recipe what the options do not say: roles, and which columns are text.

    :raises UsageError: steps that make no sense together
    """
    check_steps(options)
    file = options.recipe
    if file is None:
        options.text = list(dict.fromkeys([*options.text, *(options.date_formats or {})]))
        return
    for role in ROLES:
        if getattr(options, role, None) is None and role in file.roles and (options.explains or role != "target"):
            setattr(options, role, file.roles[role])
    options.text = list(dict.fromkeys([*options.text, *file.recipe.texts, *file.recipe.formats]))


def contents_for(options: argparse.Namespace) -> PackContents:
    """What the pack must hold: the columns with a role where the features are named, else all."""
    features, identities = getattr(options, "features", None), _identities(options)
    chosen = None
    if getattr(options, "recipe", None) is not None:
        features = options.recipe.recipe.inputs
    if features is not None:
        named = {*features, options.target, options.weight, _offset(options), _group(options), *identities.values()}
        chosen = tuple(sorted(name for name in named if name))
    hashed = tuple(sorted(set(identities.values())))
    return PackContents(chosen, hashed, options.max_bad_rows, options.sample_rows)


def make_design(options: argparse.Namespace, pack: Pack, scan: Scan | None = None) -> tuple[Design, list[str]]:
    """The design step of a run, and what the user should know about it.

    :param scan: by which a recipe is learned; None to learn it of the sample, for a look ahead
    :raises ScanError: a role given twice, columns that cannot play theirs, a missing cell that is not to be dropped
    """
    identities = _identities(options)
    offset, group = _offset(options), _group(options)
    for name in (options.target, options.weight, offset, group, *identities.values()):
        if name is not None:
            pack.manifest.index(name)
    features, remarks = _features(options, pack)
    if options.weight is not None and options.weight == options.target:
        raise ScanError(f"the column {options.target!r} is both target and weight; name another one for either")
    if offset is not None and offset in (options.target, options.weight, *features):
        raise ScanError(f"the offset {offset!r} has another role; name another column with --offset")
    if group is not None and group in (options.target, options.weight, offset, *features):
        raise ScanError(f"the column {group!r} of the groups has another role; name another column with --group-by")
    design = Design(features, options.target, options.weight, missing=options.missing, offset=offset, group=group)
    design.id, design.fold, design.cluster = (identities.get(role) for role in IDENTITIES)
    if options.recipe is not None:
        design.recipe = dataclasses.replace(options.recipe.recipe, steps=[], features=features)
    elif recipe_is_wanted(options):
        design.recipe = inputs_for(features, asked_of(options), pack)
    if not pack.is_partial:
        check_empty(design, pack)
    sources = design.sources()
    roles = [name for name in design.columns() if name not in sources]
    # Which blanks a recipe fills is known once it has been learned.
    check_missing(roles if design.recipe is not None else design.columns(), design.missing, pack, sources)
    check_weights(design, pack)
    check_offset(design, pack)
    check_group(design, pack)
    check_written_numbers(options, design, pack)
    remarks += code_texts(design, pack, getattr(options, "target_is_class", False))
    filled: set[str] = set()
    if design.recipe is not None:
        design, more = follow(options, design, pack, scan or scan_of_sample(pack))
        remarks += more
        assert design.recipe is not None
        filled = filled_by(design.recipe, pack)
        check_missing([name for name in sources if name not in filled], design.missing, pack, sources)
        if options.recipe is not None:
            design.features = _chosen(options, design.features)
        for name in design.features:
            check_number_of_categories(name, len(design.categories.get(name, [])), "feature")
    check_names(design)
    if not pack.is_partial:
        if not may_have_few_rows(options):
            check_enough_rows(design, pack)
        # Of several tables that will be added up, a column may have one value in each; and a constant tells no rows apart.
        may_be = options.target is None or bool(getattr(options, "save_statistics", None))
        check_constant(design, pack, filled, may_be)
    return design, remarks


def _identities(options: argparse.Namespace) -> dict[str, str]:
    """The columns that only tell rows apart, by role."""
    named = {role: getattr(options, option, None) for role, option in IDENTITIES.items()}
    return {role: name for role, name in named.items() if name}


def _offset(options: argparse.Namespace) -> str | None:
    return getattr(options, "offset", None)


def _group(options: argparse.Namespace) -> str | None:
    return getattr(options, "group_by", None)


def _features(options: argparse.Namespace, pack: Pack) -> tuple[list[str], list[str]]:
    """The columns of the table that features are made of, and a remark on the others."""
    manifest = pack.manifest
    roles = {options.target, options.weight, _offset(options), _group(options), *_identities(options).values()}
    if options.recipe is not None:
        features = options.recipe.recipe.inputs
        for name in features:
            manifest.index(name)
            if name in roles - set(_identities(options).values()):
                raise ScanError(f"the column {name!r} is one of the recipe's, and has another role")
        return features, []
    others = {*roles, *options.exclude}
    if options.features is None:
        for name in options.exclude:
            manifest.index(name)
        free = [name for name in manifest.columns if name not in others]
        features = [name for name in free if _is_taken(name, options, pack)]
        return features, _remark_on(sorted({*free, *manifest.left_out} - {*features, *options.exclude}), pack)
    features = _chosen(options, options.features)
    for name in features:
        if manifest.kind(name) == HASH:
            raise ScanError(f"the feature {name!r} has too many different texts to be one")
    if options.target is not None and options.target in features:
        raise ScanError(f"the target {options.target!r} is among the features; leave it out of --features")
    return features, []


def _is_taken(name: str, options: argparse.Namespace, pack: Pack) -> bool:
    """Whether a column is a feature where none are named: numbers, and what a step is of."""
    asked, kind = asked_of(options), pack.manifest.kind(name)
    if name in asked.names():
        return True
    if kind == DATE:
        return asked.dates.every is not None
    if kind == TEXT:
        return asked.encode.every is not None
    return pack.manifest.is_numeric(name)


def _chosen(options: argparse.Namespace, known: list[str]) -> list[str]:
    """Of the known names those that --features names, without those that --exclude does.

    :raises ScanError: a name that is not known, or named twice
    """
    named = known if options.features is None else options.features
    for name in named:
        if name not in known:
            raise ScanError(f"the recipe makes no feature {name!r}; it makes {listed(known)}")
    for name in options.exclude:
        if name not in named:
            raise ScanError(f"--exclude {name}: there is no such name among --features")
    features = [name for name in named if name not in options.exclude]
    if twice := sorted({name for name in features if features.count(name) > 1}):
        raise ScanError(f"the feature {twice[0]!r} is named twice in --features")
    return features


def _remark_on(names: list[str], pack: Pack) -> list[str]:
    """A sentence on the columns that are no features because they are no numbers."""
    if not names:
        return []
    manifest = pack.manifest
    kinds = {INTEGER: "whole numbers beyond 2^53", HASH: "identities"}
    told = []
    for name in names:
        why = manifest.left_out.get(name) or kinds.get(manifest.kind(name), manifest.kind(name))
        told.append(f"{name} ({why})")
    shown = ", ".join(told[:SHOWN]) + (f" and {len(told) - SHOWN} more" if len(told) > SHOWN else "")
    return [f"not among the features, since they are no numbers: {shown}; --features names what is to be used"]


def code_texts(design: Design, pack: Pack, target_is_class: bool) -> list[str]:
    """Gives the design the texts and levels of its columns of text: in alphabetical order, whatever that of the rows, or
    by size where all classes are numbers. Those of a recipe are left to it."""
    remarks = []
    features = [name for name in design.features if name not in design.made]
    for name in [*features, *([design.target] if design.target else [])]:
        if pack.manifest.kind(name) == HASH:
            raise ScanError(f"the column {name!r} has too many different texts for its role")
        if pack.manifest.kind(name) != TEXT:
            continue
        texts = pack.texts[name]
        is_numbers = name == design.target and target_is_class and all(map(is_number, texts))
        categories = sorted(texts, key=float) if is_numbers else sorted(texts)
        check_number_of_categories(name, len(categories), "target" if name == design.target else "feature")
        design.categories[name] = categories
        design.levels[name] = level_of_codes(texts, categories)
        if name == design.target and not target_is_class:
            codes = ", ".join(f"{text} = {level}" for level, text in enumerate(categories[:SHOWN]))
            more = ", ..." if len(categories) > SHOWN else ""
            remarks.append(f"the target {name!r} is text and is fitted as a number: {codes}{more}")
    code_identities(design, pack)
    return remarks


def code_identities(design: Design, pack: Pack) -> None:
    """Gives the design what keys are made of where an id, a fold or a cluster is text: the same in any pack."""
    for name in filter(None, (getattr(design, role) for role in IDENTITIES)):
        if pack.manifest.kind(name) == TEXT and name not in design.categories:
            design.levels[name] = id_hashes(pack.texts[name])
