"""Two statistics files over the same columns: in one order, with the texts of both, about one centre.

Any of it is a change of columns, [1, Z'] = [1, Z] T: R of the one is R of R T. With T a constant more for each column, as
where the centre moves, only the first row of R changes.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from drivers.linear.statistics_file import LinearStatistics
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.folds import Folds
from jobs.kernels.wols import r_factor
from jobs.kernels.wols_folds import WOLSFoldsStatistics


def aligned(a: LinearStatistics, b: LinearStatistics, sign: int) -> tuple[LinearStatistics, LinearStatistics, list[str]]:
    """Both over the same columns, about the centre of what comes of them, with the same parts."""
    _check_same_columns(a, b)
    remarks: list[str] = []
    categories = {name: sorted({*a.categories[name], *b.categories[name]}) for name in a.categories}
    same_rows = a.folds == b.folds and a.fold_by == b.fold_by
    if not same_rows or (sign < 0 and a.fold_by is None and a.folds.n_parts > 1):
        if max(a.folds.n_parts, b.folds.n_parts) > 1:
            why = "were dealt by where rows stood" if same_rows else "differ"
            remarks.append(f"the folds of the two {why}, so the result has none; folds by --id or --fold-by are kept")
        a, b = _unfolded(a), _unfolded(b)
    b = dataclasses.replace(b, features=a.features, target=a.target) if b.columns == a.columns else b
    center = _center(a, b, categories, sign)
    return moved(a, a.features, a.target, categories, center), moved(b, a.features, a.target, categories, center), remarks


def _check_same_columns(a: LinearStatistics, b: LinearStatistics) -> None:
    if len({file.recipe.md5() if file.recipe is not None else "" for file in (a, b)}) > 1:
        raise ScanError(
            "the recipes of the files differ, by what they have learned at least; make one with prepare.py, and save both "
            "with the same --recipe, without target encodings, which every run learns itself"
        )
    mine, theirs = {*a.features, a.target}, {*b.features, b.target}
    if mine != theirs:
        alone = sorted(mine ^ theirs)
        shown = ", ".join(repr(name) for name in alone[:6]) + (", ..." if len(alone) > 6 else "")
        raise ScanError(f"the files do not have the same columns: {shown} only in one; save both with the same --features")
    for name in sorted({*a.categories, *b.categories}):
        if (name in a.categories) != (name in b.categories):
            raise ScanError(
                f"the column {name!r} is text in one file and numbers in the other; --text {name} makes it text"
            )
    for target in {a.target, b.target} & {*a.categories}:
        if a.categories[target] != b.categories[target] or a.target != b.target:
            raise ScanError(
                f"the target {target!r} is text, and the files have not the same texts of it; save both with it as a number"
            )
    if a.weight != b.weight or a.weight_type != b.weight_type:
        named = [f"{file.weight!r} ({file.weight_type})" if file.weight else "none" for file in (a, b)]
        raise ScanError(
            f"the files do not have the same weights: {named[0]} and {named[1]}; save both with the same --weight"
        )


def _unfolded(file: LinearStatistics) -> LinearStatistics:
    return dataclasses.replace(file, folds=Folds(), fold_by=None, statistics=WOLSFoldsStatistics.of_parts([file.total]))


def _means(file: LinearStatistics) -> dict[str, float]:
    """The weighted mean of each column of R."""
    r = file.total.r
    means = file.center + (r[0, 1:] / r[0, 0] if r[0, 0] else 0.0)
    return dict(zip(file.columns, means.tolist()))


def _center(a: LinearStatistics, b: LinearStatistics, categories: dict, sign: int) -> dict[str, float]:
    """The means of what comes of both; none for the 0-1 columns of a text, which have no digits to lose."""
    weights = float(a.statistics.weight_sum.sum()), sign * float(b.statistics.weight_sum.sum())
    whole = sum(weights)
    here, there = _means(a), _means(b)
    if not whole > 0.01 * weights[0]:
        return here
    columns = [name for name in [*a.features, a.target] if name not in categories]
    return {name: (weights[0] * here[name] + weights[1] * there[name]) / whole for name in columns}


def moved(
    file: LinearStatistics, features: list[str], target: str, categories: dict, center: dict[str, float]
) -> LinearStatistics:
    """The same rows with other categories, in another order, about another centre."""
    design = Design(features, categories=categories)
    moved_center = np.array([0.0 if name in categories else center[name] for name in _bases(design, target)])
    turn = _turn(file, design, target, moved_center)
    parts = [dataclasses.replace(part, r=_refactored(part.r @ turn)) for part in file.statistics.parts()]
    return dataclasses.replace(
        file, features=features, target=target, categories=categories, center=moved_center,
        statistics=WOLSFoldsStatistics.of_parts(parts),
    )  # fmt: skip


def _bases(design: Design, target: str) -> list[str]:
    """The column of the table behind each column of R."""
    return [*(name for name, term in zip(design.features, design.terms) for _ in term), target]


def _turn(file: LinearStatistics, design: Design, target: str, center: np.ndarray) -> np.ndarray:
    """T with [1, Z] T = [1, Z'], shape (columns of the file + 1, columns of the design + 2)."""
    place = {name: j + 1 for j, name in enumerate(file.columns)}
    turn = np.zeros((len(place) + 1, len(center) + 1))
    turn[0, 0] = 1.0
    # Behind the constant, the column j of R is x - center: its constant is put back, and that of the new column taken off.
    known_center = dict(zip(file.columns, file.center.tolist()))
    columns = [*design.feature_names, target]
    for j, (column, base) in enumerate(zip(columns, _bases(design, target)), 1):
        known = file.categories.get(base, []) if base != target else []
        if column in place:
            turn[place[column], j] = 1.0
            turn[0, j] = known_center[column] - center[j - 1]
        elif known and column == f"{base}={known[0]}":  # 1 in the rows that have none of the others
            others = [f"{base}={text}" for text in known[1:]]
            turn[[place[other] for other in others], j] = -1.0
            turn[0, j] = 1.0 - sum(known_center[other] for other in others) - center[j - 1]
        else:
            turn[0, j] = -center[j - 1]
    return turn


def _refactored(matrix: np.ndarray) -> np.ndarray:
    """R of a matrix that may be a triangle already."""
    k = matrix.shape[1]
    if len(matrix) < k:
        matrix = np.vstack([matrix, np.zeros((k - len(matrix), k))])
    return matrix[:k] if not np.tril(matrix, -1).any() else r_factor(matrix)
