"""What the classes, clusters and segments of a score file are called, and what class each column of scores is of."""

from __future__ import annotations

import argparse
import math

import numpy as np

from drivers.app import UsageError
from drivers.evaluating.options import PROBABILITY, Asked
from drivers.packing.cache import Pack
from drivers.packing.kinds import TEXT, is_number
from drivers.wording import listed
from jobs.errors import ScanError
from jobs.kernels.evaluation import CLUSTERING, REGRESSION, SUM_TOLERANCE

MOST_CLASSES, MOST_CLUSTERS = 200, 500


def sorted_names(texts: list[str]) -> list[str]:
    """Texts in alphabetical order, or by size where all are numbers."""
    return sorted(texts, key=float) if texts and all(map(is_number, texts)) else sorted(texts)


def texts_of(pack: Pack, name: str, option: str) -> list[str]:
    """The texts of a column, by code.

    :raises ScanError: more than a pack keeps
    """
    if pack.manifest.kind(name) != TEXT:
        raise ScanError(f"column {name!r} has too many different values for {option}; name another column")
    return list(pack.texts[name])


def levels(options: argparse.Namespace, asked: Asked, pack: Pack, remarks: list[str]) -> tuple[list[str], list[str]]:
    """The names of the true classes, and of the predicted ones.

    :raises ScanError: more than can be told apart, or columns of probabilities that are not theirs
    """
    if asked.task == REGRESSION:
        return [], []
    true = [] if asked.target is None else texts_of(pack, asked.target, "--target")
    labels = [] if asked.label is None else texts_of(pack, asked.label, "--prediction")
    if asked.task == CLUSTERING:
        most = max(len(true), len(labels))
        if most > MOST_CLUSTERS:
            raise ScanError(f"{most:,} different names are no clusters or classes; at most {MOST_CLUSTERS} are told apart")
        return sorted_names(true), sorted_names(labels)
    classes = _classes(options, asked, pack, true, labels, remarks)
    if len(classes) > MOST_CLASSES:
        raise ScanError(
            f"the columns of classes hold {len(classes):,} different names, and at most {MOST_CLASSES} classes are "
            "told apart; numbers are for --task regression"
        )
    return classes, classes


def _classes(
    options: argparse.Namespace, asked: Asked, pack: Pack, true: list[str], labels: list[str], remarks: list[str]
) -> list[str]:
    """The classes of a classifier; puts the columns of probabilities in their order, of two classes the one column."""
    said = [name[len(PROBABILITY) :] for name in asked.probabilities if name.startswith(PROBABILITY)]
    same = same_numbers([*true, *labels, *said])
    found = {same[name] for name in (*true, *labels)}
    named = _classes_named(asked.probabilities, found, same, pack)
    if len(asked.probabilities) > 1 and named is None and len(found) > 2:
        raise ScanError(
            f"the columns of probabilities {listed(asked.probabilities)} do not end in the names of the classes "
            f"{listed(sorted_names(list(found)))}; name them like '{PROBABILITY}NAME'"
        )
    classes = sorted_names(list(found | set(named or ())))
    positive = options.positive
    if asked.probabilities and len(classes) == 1:
        # All rows are of one class; of the other nothing is known but that it is another.
        other = f"not {classes[0]}"
        classes = [classes[0], other] if positive == other else [other, classes[0]]
        remarks.append(f"all rows are of the class {classes[1]!r}, so no area under a curve is known")
    if positive is not None:
        if len(classes) != 2 or positive not in classes:
            raise UsageError(f"--positive is one of two classes; there are {listed(classes)}")
        classes = [name for name in classes if name != positive] + [positive]
    if not asked.probabilities:
        return classes
    if named is None:
        if len(classes) > 2:
            raise ScanError(
                f"the column {asked.probabilities[0]!r} is of one class, and there are {len(classes)}: "
                f"{listed(classes)}; name a column of probabilities for each"
            )
        if len(asked.probabilities) > 1 and asked.label:
            raise UsageError("--prediction is of one model, and --probability of several; leave one of them out")
        return classes
    columns = dict(zip(named, asked.probabilities))
    absent = [name for name in classes if name not in columns]
    if len(classes) == 2:
        only = columns.get(classes[1])
        if only is None:
            raise UsageError(f"{asked.probabilities[0]!r} is of {named[0]!r}; say --positive {named[0]}")
        asked.probabilities = [only]
        return classes
    if absent:
        raise ScanError(
            f"there is no column of probabilities for the class {absent[0]!r}; name all with --probability, or clean "
            "the target"
        )
    asked.probabilities = [columns[name] for name in classes]
    return classes


def same_numbers(names: list[str]) -> dict[str, str]:
    """What each name is called: itself, but 1 and 1.0, written by two programs, are one class where all are numbers, and so
    are True and true where all are that or false."""
    different = sorted(set(names), key=lambda name: (len(name), name))
    if {name.lower() for name in different} <= {"true", "false"}:
        found: dict[str, str] = {}
        return {name: found.setdefault(name.lower(), name) for name in different}
    if not all(is_number(name) and math.isfinite(float(name)) for name in different):
        return {name: name for name in different}
    called: dict[float, str] = {}
    for name in different:
        called.setdefault(float(name), name)
    return {name: called[float(name)] for name in different}


def _classes_named(columns: list[str], found: set[str], same: dict[str, str], pack: Pack) -> list[str] | None:
    """The class that each column of probabilities is of; None where the columns do not say."""
    if columns and all(name.startswith(PROBABILITY) for name in columns):
        return [same[name[len(PROBABILITY) :]] for name in columns]
    named = [max((text for text in found if name.endswith(text)), key=len, default="") for name in columns]
    if not named or not all(named) or len(set(named)) < max(len(named), len(found)):
        return None
    # Two models of one class may be called model_0 and model_1, and the classes 0 and 1.
    return named if len(named) > 2 or _add_up(columns, pack) else None


def _add_up(columns: list[str], pack: Pack) -> bool:
    """Whether the probabilities of the rows that packing drew add up to 1."""
    rows = pack.sample().rows[:, [pack.manifest.index(name) for name in columns]]
    return bool((np.abs(rows.sum(axis=1) - 1) <= SUM_TOLERANCE)[~np.isnan(rows).any(axis=1)].all())
