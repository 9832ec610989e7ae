"""What is checked of the columns in their roles, by the manifest; where a row must be named it is looked for."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Collection, Iterable
from functools import partial

import numpy as np

from drivers.packing.cache import Pack
from drivers.packing.kinds import DATE, HASH, INTEGER, TEXT, is_number, to_arrow
from drivers.packing.locate import first_row_where, place_of_row
from drivers.wording import count
from jobs.design import Design, missing_cells
from jobs.errors import ScanError, quoted

# Each text of a feature is a coefficient; a design matrix of more columns would not fit a task's memory.
MOST_CATEGORIES = 2000
SHOWN = 6
# The roles of columns that only tell rows apart, and the option that names each.
IDENTITIES = {"id": "id", "fold": "fold_by", "cluster": "cluster"}
# Numbers as people and spreadsheets write them: 1,5  1.234,56  1,234,567  5 %  $3.20.
_WRITTEN_NUMBER = re.compile(r"[-+]?[$€£]?\s?\d{1,3}(?:([,.' ]?)\d{3}(?:\1\d{3})*)?(?:[.,]\d+)?\s?[%$€£]?", re.ASCII)


def check_names(design: Design) -> None:
    """:raises ScanError: a 0-1 column of a text that has the name of another feature"""
    names = design.feature_names
    if len(set(names)) < len(names):
        twice = max(set(names), key=names.count)
        raise ScanError(f"{twice!r} would be the name of two features, one of them a text's; leave one out with --exclude")


def check_number_of_categories(name: str, n: int, role: str) -> None:
    """:raises ScanError: more than a model can have"""
    if n <= MOST_CATEGORIES:
        return
    remedy = "name another one with --target"
    if role == "feature":
        remedy = f"group the rare ones with --min-frequency, or leave it out with {exclude_option([name])}"
    raise ScanError(
        f"column {name!r} has {n:,} different texts, and at most {MOST_CATEGORIES:,} can be told apart by a {role}; "
        f"{remedy}"
    )


def check_empty(design: Design, pack: Pack) -> None:
    """:raises ScanError: a column in a role that has no value at all; with it the features that are constant"""
    manifest = pack.manifest
    empty = [name for name in design.columns() if manifest.n_missing[manifest.index(name)] == manifest.n_rows]
    for name in empty:
        if name not in design.sources():
            option = next(
                {**IDENTITIES, "group": "group_by"}.get(role, role)
                for role in ("target", "weight", "offset", "group", *IDENTITIES)
                if getattr(design, role) == name
            )
            raise ScanError(f"column {name!r} has no value in any row; name another one with --{option.replace('_', '-')}")
    if empty:
        constant = [name for name in _constant(design, pack) if name in design.sources()]
        told = [f"{name!r} has no value in any row" for name in empty[:SHOWN]]
        told += [f"{name!r} is the same in every row" for name in constant[:SHOWN]]
        what = "column " if len(told) == 1 else ""
        raise ScanError(f"{what}{', '.join(told)}; leave {_them(told)} out with {exclude_option([*empty, *constant])}")


def _them(things: list) -> str:
    return "it" if len(things) == 1 else "them"


def exclude_option(names: list[str]) -> str:
    """The option that leaves columns out, as a shell takes it."""
    return f"--exclude {shlex.quote(','.join(names))}"


def check_missing(names: Iterable[str], missing: str, pack: Pack, features: Collection[str] = ()) -> None:
    """:raises ScanError: a missing cell in one of these columns, where that is to be an error"""
    for name in names:
        n_missing = int(pack.manifest.n_missing[pack.manifest.index(name)])
        if n_missing and missing == "error":
            found = first_row_where(pack, name, _absent)
            place = place_of_row(pack, found[0]) if found else "a row"
            more = f" (the first of {n_missing:,} such rows)" if n_missing > 1 else ""
            fills = ", --impute median fills the cells of features" if name in features else ""
            raise ScanError(
                f"{place}, column {name!r}: the cell is missing{more}; --missing drop leaves such rows out{fills}"
            )


def check_written_numbers(options: argparse.Namespace, design: Design, pack: Pack) -> None:
    """:raises ScanError: a column of text that holds nothing but numbers written for people, and is not said to be text"""
    for name in [*design.sources(), *([design.target] if design.target else [])]:
        is_date = design.recipe is not None and name in design.recipe.formats
        if pack.manifest.kind(name) != TEXT or name in options.text or is_date:
            continue
        texts = pack.texts[name]
        codes = [code for code, text in enumerate(texts) if not is_number(text)]
        if not codes or not all(map(_WRITTEN_NUMBER.fullmatch, texts)):
            continue
        found = first_row_where(pack, name, partial(np.isin, test_elements=codes))
        assert found is not None
        place, cell = place_of_row(pack, found[0]), cell_text(pack, name, found[1])
        raise ScanError(
            f"{place}, column {name!r}: {quoted(cell)} is not a number as programs write it; write it like 1234.5, or take "
            f"the column as text with --text {shlex.quote(name)}"
        )


def cell_text(pack: Pack, name: str, value: float) -> str:
    """A packed cell as it was written, or nearly so."""
    kind = pack.manifest.kind(name)
    values = np.array([value]) if kind == DATE else np.array([int(value)])
    return str(to_arrow(values, kind, pack.texts.get(name), pack.manifest.types()[name])[0].as_py())


def _absent(values: np.ndarray) -> np.ndarray:
    found = missing_cells(values)
    return np.zeros(len(values), bool) if found is None else found


def check_weights(design: Design, pack: Pack) -> None:
    name = design.weight
    if name is None:
        return
    manifest = pack.manifest
    if not manifest.is_numeric(name) or manifest.kind(name) == DATE:
        found = first_row_where(pack, name, lambda values: ~_absent(values))
        assert found is not None
        place = place_of_row(pack, found[0])
        if manifest.kind(name) == INTEGER:
            raise ScanError(f"{place}, column {name!r}: weights are numbers up to 2^53; divide these by a constant")
        value = cell_text(pack, name, found[1])
        raise ScanError(f"{place}, column {name!r}: {quoted(value)} is no weight; weights are numbers")
    j = manifest.index(name)
    if manifest.minima[j] < 0:
        found = first_row_where(pack, name, lambda values: values < 0)
        assert found is not None
        place = place_of_row(pack, found[0])
        raise ScanError(f"{place}, column {name!r}: the weight {found[1]:g} is negative; weights are 0 or more")
    if manifest.maxima[j] == 0 and not pack.is_partial:
        raise ScanError(f"all weights in column {name!r} are zero, so no row counts")


def check_offset(design: Design, pack: Pack) -> None:
    name = design.offset
    if name is not None and (not pack.manifest.is_numeric(name) or pack.manifest.kind(name) == DATE):
        raise ScanError(f"the offset {name!r} is a column of {pack.manifest.kind(name)}; an offset is a column of numbers")


def check_group(design: Design, pack: Pack) -> None:
    name = design.group
    if name is not None and pack.manifest.kind(name) == HASH:
        raise ScanError(
            f"the column {name!r} has too many different texts to name groups by; name another column with --group-by, or "
            "number its texts"
        )


def check_counts(design: Design, pack: Pack) -> None:
    """:raises ScanError: a weight that is no whole number, where weights say how many rows a row stands for"""
    name = design.weight
    assert name is not None
    found = first_row_where(pack, name, lambda values: np.where(_absent(values), 0, values) % 1 != 0)
    if found is not None:
        raise ScanError(
            f"{place_of_row(pack, found[0])}, column {name!r}: the weight {found[1]:g} is no count of rows; "
            "--weight-type frequency needs whole numbers"
        )


def check_clusters(design: Design, pack: Pack) -> None:
    """:raises ScanError: rows that are all in one cluster"""
    name = design.cluster
    if value := _only_identity(pack, name):
        raise ScanError(
            f"all rows are in one cluster, {name!r} is {value}, and nothing tells how clusters vary; name another column "
            "with --cluster"
        )


def check_folds(n_folds: int, design: Design, pack: Pack) -> None:
    """:raises ScanError: folds that cannot all have a row"""
    if n_folds == 1:
        return
    name = design.fold
    if value := _only_identity(pack, name):
        raise ScanError(f"all rows would share a fold, {name!r} is {value}; name another column with --fold-by")
    if n_folds > pack.manifest.n_rows:
        raise ScanError(
            f"{count(pack.manifest.n_rows, 'row')} cannot be dealt to {n_folds} folds; ask for fewer with --folds"
        )


def _only_identity(pack: Pack, name: str | None) -> str | None:
    """Likewise of a column that only tells rows apart, whose whole numbers may differ beyond the 53 bits of a minimum."""
    return None if name is None or pack.manifest.kind(name) == INTEGER else _only_value(pack, name)


def may_have_few_rows(options: argparse.Namespace) -> bool:
    """Whether what is fitted has a solution with fewer rows than coefficients."""
    penalised = getattr(options, "penalty", "none") != "none" or getattr(options, "positive", False)
    return penalised or getattr(options, "select", None) is not None


def check_enough_rows(design: Design, pack: Pack) -> None:
    n_rows, n_coefficients = pack.manifest.n_rows, len(design.feature_names) + 1
    if design.target is not None and n_rows < n_coefficients:
        features = "1 feature" if n_coefficients == 2 else f"{n_coefficients - 1} features"
        raise ScanError(
            f"{n_rows} {'row is' if n_rows == 1 else 'rows are'} too few for {n_coefficients} coefficients, those of "
            f"{features} and the intercept; name fewer with --features"
        )


def check_constant(design: Design, pack: Pack, filled: Collection[str] = (), may_be_features: bool = False) -> None:
    """
    :param filled: columns whose missing cells a recipe fills, by which texts tell rows apart
    :raises ScanError: a feature or target that has one value in every row; of features only if they may not
    """
    blank = {
        name for name in filled if pack.manifest.kind(name) == TEXT and pack.manifest.n_missing[pack.manifest.index(name)]
    }
    constant = {name: value for name, value in _constant(design, pack).items() if name not in blank}
    if design.target in constant:
        raise ScanError(f"the target {design.target!r} is {constant[design.target]}: there is nothing to explain")
    if constant and not may_be_features:
        told = [f"{name!r} is {value}" for name, value in constant.items()]
        raise ScanError(
            f"{', '.join(told[:SHOWN])}, which cannot be told from the intercept; leave {_them(told)} out with "
            f"{exclude_option(list(constant))}"
        )


def _constant(design: Design, pack: Pack) -> dict[str, str]:
    """The features, and perhaps the target, that have one value, and which."""
    names = [*design.sources(), *([design.target] if design.target else [])]
    values = {name: _only_value(pack, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _only_value(pack: Pack, name: str) -> str | None:
    """The one value of a column and where it stands, in words; None where there are several, or nobody knows."""
    manifest = pack.manifest
    if manifest.kind(name) == HASH:
        return None
    j = manifest.index(name)
    rows = "wherever it has a value" if manifest.n_missing[j] else "in every row"
    if manifest.kind(name) == TEXT:
        return f"{quoted(pack.texts[name][0])} {rows}" if manifest.n_texts[j] == 1 else None
    if manifest.minima[j] == manifest.maxima[j]:
        digits = " to the 53 bits of a number" if manifest.kind(name) == INTEGER else ""
        return f"{manifest.minima[j]:.15g} {rows}{digits}"
    return None
