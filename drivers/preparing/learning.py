"""What the steps of a recipe learn of the training rows, by as few passes as their order allows.

A step learns from its columns as the steps before it leave them. So all steps whose columns no waiting step changes learn
in one pass, by the profile of these columns; then the next ones. A recipe that imputes, groups rare texts and takes dates
apart is learned in one pass, one that scales what it has imputed in two. Target encodings have a pass of their own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np

from drivers.describing.question import query_about
from drivers.designs import block_of_sample, column_ranges, design_of_sample, target_center
from drivers.packing.cache import Pack
from drivers.preparing.column_facts import ColumnFacts, facts_of
from drivers.preparing.lessons import LESSONS, needs_values
from drivers.preparing.target_encodings import encodings_of
from drivers.role_checks import check_number_of_categories
from drivers.wording import listed
from jobs.block_job import BlockJob
from jobs.design import Design
from jobs.errors import BadRecord, ScanError
from jobs.kernels.folds import Folds
from jobs.kernels.table_profile import CODE, MOMENTS, NUMBER
from jobs.kernels.target_sums import TargetSumsQuery
from jobs.mr_profile import MRProfile
from jobs.mr_target_sums import MRTargetSums
from jobs.recipe import Recipe
from jobs.recipe.categories import OneHot, TargetEncode
from jobs.recipe.missing import CONSTANT, Impute
from jobs.recipe.step import Step
from jobs.records import Record

# One pass: phase, job, question, design; gives the statistics.
Scan = Callable[[str, type[BlockJob], Record, Design], Any]
# By what a step is learned.
AT_ONCE, BY_PROFILE, BY_TARGET = "at once", "profile", "target"
# More different texts than these cannot be counted one by one.
MOST_COUNTED = 1 << 17


def learned(
    recipe: Recipe,
    steps: Sequence[Step],
    design: Design,
    pack: Pack,
    scan: Scan,
    facts: dict[str, ColumnFacts] | None = None,
) -> Recipe:
    """The recipe with these steps, all of which know what they need.

    :param recipe: its inputs, and the features before the steps
    :param facts: what is known of columns of the table as it is, for which no pass is made
    :param design: the roles of the columns: what is learned is learned of the rows that have them, and are not held out
    :raises ScanError: a step that cannot be of its columns; a job that failed
    """
    waiting = list(enumerate(steps))
    known: dict[int, Step] = {}
    known_facts, n_passes = facts or {}, 0
    while waiting:
        so_far = _with(recipe, known)
        phase = f"recipe {n_passes + 1}"
        kind, group = next_round(waiting, so_far.made, lambda step: not step.is_learned)
        for _, step in group:
            _check_columns(step, so_far)
        if kind == BY_PROFILE:
            names = list(dict.fromkeys(name for _, step in group for name in step.columns))
            changed = {name for step in so_far.steps for name in step.columns}
            if any(step.is_of_training_alone for step in so_far.steps):
                known_facts = {}  # which are of rows that are left out too
            found = {name: known_facts[name] for name in names if name in known_facts and name not in changed}
            if missing := [name for name in names if name not in found]:
                counted = {name for _, step in group if needs_values(step) for name in step.columns}
                found |= _facts_of(missing, counted, so_far, design, pack, scan, phase)
                n_passes += 1
            known.update((place, _taught(step, found, so_far)) for place, step in group)
        elif kind == BY_TARGET:
            (place, step), *_ = group
            assert isinstance(step, TargetEncode)
            known[place] = _by_target(step, so_far, design, pack, scan, phase)
            n_passes += 1
        else:
            known.update((place, _without_pass(step, so_far)) for place, step in group)
        waiting = [(place, step) for place, step in waiting if place not in known]
    return _with(recipe, known)


def next_round(
    waiting: list[tuple[int, Step]], made: Collection[str], is_to_learn: Callable[[Step], bool]
) -> tuple[str, list[tuple[int, Step]]]:
    """Which of the steps that wait are learned next, and by what.

    :param made: the columns that there are by now
    """
    ready: list[tuple[int, Step]] = []
    pending: set[str] = set()
    rows_wait = False
    for place, step in waiting:
        # A column that is not there may be made by a step that waits, and rows that are to be left out teach nothing.
        unknown = bool(ready) and any(name not in made for name in step.columns)
        if pending.isdisjoint(step.columns) and not unknown and not (rows_wait and is_to_learn(step)):
            ready.append((place, step))
        pending.update(step.columns, step.features([]))
        rows_wait = rows_wait or (step.is_of_training_alone and is_to_learn(step))
    by = {AT_ONCE: [], BY_PROFILE: [], BY_TARGET: []}  # type: dict[str, list[tuple[int, Step]]]
    for place, step in ready:
        needs_pass = is_to_learn(step) and not isinstance(step, OneHot)
        how = AT_ONCE if not needs_pass else BY_TARGET if isinstance(step, TargetEncode) else BY_PROFILE
        by[how].append((place, step))
    kind = next(kind for kind in (AT_ONCE, BY_PROFILE, BY_TARGET) if by[kind])
    return kind, by[kind][:1] if kind == BY_TARGET else by[kind]


def passes_to_learn(recipe: Recipe) -> int:
    """How many passes it takes to learn a recipe like this one."""

    def is_to_learn(step: Step) -> bool:
        if isinstance(step, Impute) and step.strategy == CONSTANT:
            return step.indicator
        return type(step) in LESSONS or isinstance(step, TargetEncode)

    waiting, n_passes = list(enumerate(recipe.steps)), 0
    while waiting:
        kind, group = next_round(waiting, {*recipe.made, *(n for s in recipe.steps for n in s.columns)}, is_to_learn)
        n_passes += kind != AT_ONCE
        done = {place for place, _ in group}
        waiting = [(place, step) for place, step in waiting if place not in done]
    return n_passes


def _with(recipe: Recipe, known: dict[int, Step]) -> Recipe:
    try:
        for place in sorted(known):
            recipe = recipe.with_step(known[place])
    except BadRecord as error:  # two columns of one name
        raise ScanError(f"{error}; leave one out with --exclude, or rename it in the table") from None
    return recipe


def _check_columns(step: Step, so_far: Recipe) -> None:
    """:raises ScanError: columns that are not there, or of another kind than the step is of"""
    for name in step.columns:
        if name not in so_far.made:
            raise ScanError(
                f"the step {step.word} is of a column {name!r}, which neither the table nor a step before it has; there "
                f"are {listed(sorted(so_far.made))}"
            )
        has_levels = name in so_far.categories
        if step.of_levels is not None and step.of_levels != has_levels:
            here, there = ("texts", "numbers") if has_levels else ("numbers", "texts")
            raise ScanError(f"the column {name!r} is one of {here}, and the step {step.word} is of {there}")


def _without_pass(step: Step, so_far: Recipe) -> Step:
    if isinstance(step, OneHot) and not step.is_learned:
        for name in step.columns:
            check_number_of_categories(name, len(so_far.categories[name]), "feature")
        return dataclasses.replace(step, levels={name: so_far.categories[name] for name in step.columns})
    return step


def _facts_of(
    names: list[str], counted: set[str], so_far: Recipe, design: Design, pack: Pack, scan: Scan, phase: str
) -> dict[str, ColumnFacts]:
    """What a pass tells of these columns; counted: those whose values are asked for, not only their moments."""
    looking = _looking_at(names, so_far, design)
    n_texts = max((len(so_far.categories[name]) for name in names if name in so_far.categories), default=0)
    if n_texts > MOST_COUNTED:
        name = max((name for name in names if name in so_far.categories), key=lambda name: len(so_far.categories[name]))
        raise ScanError(
            f"the column {name!r} has {n_texts:,} different texts, more than the {MOST_COUNTED:,} that can be counted; "
            "leave it out with --exclude"
        )
    kinds = [CODE if name in so_far.categories else NUMBER if name in counted else MOMENTS for name in names]
    query = query_about(np.array(kinds, np.uint8), column_ranges(pack, looking), n_exact=n_texts)
    return dict(zip(names, facts_of(scan(phase, MRProfile, query, looking))))


def _taught(step: Step, facts: dict[str, ColumnFacts], so_far: Recipe) -> Step:
    for name in step.columns:
        if not facts[name].n_present:
            raise ScanError(
                f"the column {name!r} has no value in any training row, and the step {step.word} learns nothing"
            )
    try:
        return LESSONS[type(step)](step, {name: facts[name] for name in step.columns}, so_far.categories)
    except BadRecord as error:
        raise ScanError(str(error)) from None


def _by_target(step: TargetEncode, so_far: Recipe, design: Design, pack: Pack, scan: Scan, phase: str) -> Step:
    if design.target is None:
        raise ScanError("a target encoding needs a --target")
    classes = design.categories.get(design.target, [])
    looking = _looking_at(step.columns, so_far, design)
    n_levels = np.array([len(so_far.categories[name]) for name in step.columns])
    folds = Folds(step.n_folds, seed=step.seed)
    center = 0.0 if classes else target_center(pack.manifest, design)
    try:
        query = TargetSumsQuery(folds, len(classes), center, n_levels)
    except BadRecord as error:
        raise ScanError(f"{error}; name fewer columns") from None
    found = encodings_of(scan(phase, MRTargetSums, query, looking), query, step.smooth)
    return dataclasses.replace(step, classes=classes, encodings=dict(zip(step.columns, found)))


def _looking_at(names: list[str], so_far: Recipe, design: Design) -> Design:
    """The design of a pass over columns as the recipe so far leaves them: levels as numbers, missing cells as they are."""
    target = {design.target: design.categories[design.target]} if design.target in design.categories else {}
    return dataclasses.replace(design, features=names, recipe=so_far, missing="keep", categories=target)


def scan_of_sample(pack: Pack) -> Scan:
    """A pass over the rows that packing drew, for a look ahead: no job runs."""

    def scan(phase: str, job: Any, question: Any, design: Design) -> Any:
        statistics = job.statistics_class.zero(question)
        with np.errstate(all="ignore"):
            statistics.add(design_of_sample(design, "keep").apply(block_of_sample(pack, design)), question)
        return statistics

    return scan
