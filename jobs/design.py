"""The design step: from a block's columns to the arrays that a kernel computes with.

The same numpy code runs in the mapper and wherever a model is applied, so training and prediction see the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Optional

import numpy as np

from jobs import keys
from jobs.blocks import Block
from jobs.errors import BadBlock, BadRecord, BadRow, quoted
from jobs.kernels.folds import Folds
from jobs.kernels.keyed import keys_of
from jobs.recipe import Recipe
from jobs.recipe.frame import MISSING_LEVEL, UNKNOWN_LEVEL, Frame, either
from jobs.records import Record

MISSING_POLICIES = ("error", "drop", "keep")
# What stands for a missing cell in a column of codes and in one of exact whole numbers; among floats it is NaN.
MISSING_CODE = -1
MISSING_INTEGER = -(2**63)


@dataclass
class RowCounts(Record):
    """What became of the rows of a pass: read = used + rejected + missing.

    rejected: they cannot be read, or the recipe leaves them out of training. filled: rows of which the recipe filled a
    missing cell; unknown: rows with a text in a feature that was not there in training.
    """

    read: int = 0
    used: int = 0
    rejected: int = 0
    missing: int = 0
    filled: int = 0
    unknown: int = 0

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


@dataclass
class Rows:
    """Rows ready for a kernel: X (n, p) with contiguous columns, y (n,) or None, w (n,)."""

    X: np.ndarray
    y: np.ndarray | None
    w: np.ndarray
    part: int
    number: int
    positions: np.ndarray  # (n,) int64: where in the block each row stands
    ids: np.ndarray | None
    counts: RowCounts
    fold_ids: np.ndarray | None = None  # (n,): rows with the same value are in the same fold
    clusters: np.ndarray | None = None  # (n,): rows with the same value have dependent errors
    offset: np.ndarray | None = None  # (n,): what stands in a linear predictor with the coefficient 1
    groups: np.ndarray | None = None  # (n,): rows with the same value have a model of their own

    @cached_property
    def keys(self) -> np.ndarray:
        """The row keys, shape (n,), uint64."""
        if self.ids is not None:
            return keys.id_keys(self.ids)
        n_rows = int(self.positions[-1]) + 1 if len(self.positions) else 0
        return keys.row_keys(self.part, self.number, n_rows)[self.positions]

    def places(self, at: np.ndarray) -> np.ndarray:
        """Where some of the rows stand in the data: part, block, row; indices (m,), shape (m, 3), int64."""
        found = np.empty((len(at), 3), np.int64)
        found[:, 0], found[:, 1], found[:, 2] = self.part, self.number, self.positions[at]
        return found

    @property
    def fold_keys(self) -> np.ndarray:
        """What the fold of a row is drawn from, shape (n,), uint64."""
        return self.keys if self.fold_ids is None else keys.id_keys(self.fold_ids)

    def at(self, indices: np.ndarray) -> Rows:
        """Some of the rows: ascending indices, shape (m,)."""
        X = np.empty((len(indices), self.X.shape[1]), order="F")
        for j in range(X.shape[1]):  # by columns: each lies together in memory
            X[:, j] = self.X[indices, j]

        def some(values: np.ndarray | None) -> np.ndarray | None:
            return None if values is None else values[indices]

        return Rows(
            X=X,
            y=some(self.y),
            w=self.w[indices],
            part=self.part,
            number=self.number,
            positions=self.positions[indices],
            ids=some(self.ids),
            counts=RowCounts(read=len(indices), used=len(indices)),
            fold_ids=some(self.fold_ids),
            clusters=some(self.clusters),
            offset=some(self.offset),
            groups=some(self.groups),
        )

    @property
    def group_keys(self) -> np.ndarray:
        """The key of the group of each row, shape (n,), uint64: one from which its value can be read again.

        :raises BadRecord: rows without groups
        """
        if self.groups is None:
            raise BadRecord("rows without groups; the design names the column of the groups")
        return keys_of(self.groups)

    @property
    def cluster_keys(self) -> np.ndarray | None:
        """A key for the cluster of each row, shape (n,), uint64; None without clusters."""
        return None if self.clusters is None else keys.id_keys(self.clusters)


@dataclass
class Design(Record):
    """Which columns play which role, and what happens to rows with a missing cell in one of them.

    missing: "error" stops, "drop" leaves the row out and counts it, "keep" leaves NaN in X (never in the other roles).
    categories: for a feature or target of text, its texts by level. A feature of L levels becomes L - 1 columns of X, one
    for each level but the first, 1 in the rows that have it and 0 elsewhere (treatment coding: Chambers and Hastie,
    *Statistical Models in S*, 1992, ch. 2); a target becomes its level as a number.
    levels: for the same columns, the level of each code that stands in the blocks; for an id, fold or cluster of text, each
    code's hash.
    fold: the column whose values keep rows together in one fold. cluster: the column whose values group dependent errors.
    held_out: the rows of its holdout count as if they had no weight. offset: the column that stands in a linear predictor
    with the coefficient 1. group: the column whose values have a model each; a text's codes are its values. recipe: makes
    columns of others, before all this; a feature is one of these where there is one of its name. Its columns of text have
    levels too: of each code the place of its text, or the date that it stands for.
    """

    features: list[str]
    target: Optional[str] = None  # noqa: UP045  (evaluated on Python 3.9)
    weight: Optional[str] = None  # noqa: UP045
    id: Optional[str] = None  # noqa: UP045
    missing: str = "error"
    categories: dict = field(default_factory=dict)
    levels: dict = field(default_factory=dict)
    fold: Optional[str] = None  # noqa: UP045
    cluster: Optional[str] = None  # noqa: UP045
    held_out: Optional[Folds] = None  # noqa: UP045
    offset: Optional[str] = None  # noqa: UP045
    group: Optional[str] = None  # noqa: UP045
    recipe: Optional[Recipe] = None  # noqa: UP045

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.missing not in MISSING_POLICIES:
            raise BadRecord(f"missing is one of {', '.join(MISSING_POLICIES)}, not {self.missing!r}")

    @property
    def feature_names(self) -> list[str]:
        """The columns of X: a name for each number, "name=text" for each level but the first of a text."""
        found: list[str] = []
        for name in self.features:
            found += [f"{name}={text}" for text in self.categories[name][1:]] if name in self.categories else [name]
        return found

    @property
    def terms(self) -> list[list[int]]:
        """For each feature its columns of X, from 0: one for a number, one for each level but the first of a text."""
        found: list[list[int]] = []
        j = 0
        for name in self.features:
            width = len(self.categories[name]) - 1 if name in self.categories else 1
            found.append(list(range(j, j + width)))
            j += width
        return found

    @property
    def made(self) -> frozenset[str]:
        """The columns that the recipe makes."""
        return frozenset() if self.recipe is None else self.recipe.made

    @property
    def texts(self) -> dict[str, list[str]]:
        """The known texts of the columns of text that features are made of."""
        own = {name: known for name, known in self.categories.items() if name in self.features and name not in self.made}
        return own if self.recipe is None else {**own, **self.recipe.texts}

    def sources(self) -> list[str]:
        """The columns of the table that features are made of, each once."""
        own = [name for name in self.features if name not in self.made]
        return own if self.recipe is None else list(dict.fromkeys([*own, *self.recipe.inputs]))

    def columns(self) -> list[str]:
        """The columns the design reads, each once."""
        return list(dict.fromkeys([*self.sources(), *self._other_roles]))

    @property
    def _other_roles(self) -> list[str]:
        """The columns in a role that is no feature's."""
        roles = [self.target, self.weight, self.id, self.fold, self.cluster, self.offset, self.group]
        return [name for name in roles if name is not None]

    def apply(self, block: Block) -> Rows:
        """The arrays of a block.

        :raises BadRow: a weight that is negative or infinite; a missing cell where `missing` is "error"
        """
        n_rows, found, columns = block.n_rows, None, block.columns
        if self.recipe is not None:
            found = self.follow_recipe(block)
            columns = {**columns, **found.columns}
        complete, n_missing = self._complete(columns, block.number), 0
        if complete is not None:
            n_missing = n_rows - int(np.count_nonzero(complete))
        if found is not None and found.dropped is not None:
            complete = ~found.dropped if complete is None else complete & ~found.dropped
        positions = np.arange(n_rows) if complete is None else np.flatnonzero(complete)

        def some(values: np.ndarray) -> np.ndarray:
            return values if complete is None else values[complete]

        def column(name: str) -> np.ndarray:
            return some(block.columns[name])

        w = np.ones(len(positions)) if self.weight is None else np.asarray(column(self.weight), dtype=float)
        if len(w) and not (w.min() >= 0 and w.max() < np.inf):
            bad = int(np.flatnonzero(~((w >= 0) & (w < np.inf)))[0])
            raise BadRow(
                f"the weight {self.weight!r} is {w[bad]:g} in row {positions[bad] + 1} of block {block.number}; "
                "weights must be finite and not negative"
            )
        X, unknown = self._features({name: some(columns[name]) for name in self.features}, len(positions))
        if found is not None and found.unknown is not None:
            unknown = either(unknown, some(found.unknown))
        filled = 0 if found is None or found.filled is None else int(np.count_nonzero(some(found.filled)))
        rows = Rows(
            X=X,
            y=None if self.target is None else self._numbers(self.target, column(self.target)),
            w=w,
            part=block.part,
            number=block.number,
            positions=positions,
            ids=None if self.id is None else self._ids(self.id, column(self.id)),
            fold_ids=None if self.fold is None else self._ids(self.fold, column(self.fold)),
            clusters=None if self.cluster is None else self._ids(self.cluster, column(self.cluster)),
            offset=None if self.offset is None else np.asarray(column(self.offset), dtype=float),
            groups=None if self.group is None else column(self.group),
            counts=RowCounts(
                read=n_rows, used=len(positions), rejected=n_rows - n_missing - len(positions), missing=n_missing,
                filled=filled, unknown=0 if unknown is None else int(np.count_nonzero(unknown)),
            ),
        )  # fmt: skip
        if self.held_out is not None:
            rows.w = np.where(self.held_out.assign(rows.fold_keys) == self.held_out.n_folds, 0.0, rows.w)
        return rows

    def follow_recipe(self, block: Block) -> Frame:
        """The columns that the recipe makes of a block."""
        assert self.recipe is not None
        columns = {}
        for name in self.recipe.inputs:
            values = block.columns[name]
            if name in self.recipe.formats and values.dtype.kind != "f":  # else they are dates by now
                columns[name] = self._of_codes(name, values, np.append(self.levels[name], np.nan))
            elif name in self.recipe.texts:
                columns[name] = self._levels_of(name, values).astype(np.int32)
            else:
                columns[name] = np.asarray(_as_floats(values), dtype=float)

        def fold_keys() -> np.ndarray:
            name = self.fold or self.id
            if name is None:
                return keys.row_keys(block.part, block.number, block.n_rows)
            return keys.id_keys(self._ids(name, block.columns[name]))

        return self.recipe.apply(columns, block.n_rows, fold_keys)

    def _features(self, columns: dict[str, np.ndarray], n_rows: int) -> tuple[np.ndarray, np.ndarray | None]:
        """X, and which rows have a text that is unknown, None for none."""
        X = np.empty((n_rows, len(self.feature_names)), order="F")
        unknown = None
        j = 0
        for name in self.features:
            values = columns[name]
            if name not in self.categories:
                X[:, j] = _as_floats(values)
                j += 1
                continue
            level = values if name in self.made else self._levels_of(name, values)
            absent = level < 0
            any_absent = bool(absent.any())
            if any_absent:
                unknown = either(unknown, level == UNKNOWN_LEVEL)
            for k in range(1, len(self.categories[name])):
                X[:, j] = level == k
                if any_absent:
                    X[absent, j] = np.nan
                j += 1
        return X, unknown

    def _numbers(self, name: str, values: np.ndarray) -> np.ndarray:
        return (self._levels_of(name, values) if name in self.categories else np.asarray(values)).astype(float, copy=False)

    def _ids(self, name: str, values: np.ndarray) -> np.ndarray:
        """Values that are equal where the cells are, for a column in any role but a feature's or the target's."""
        if name in self.categories:
            return self._levels_of(name, values)
        return self._of_codes(name, values, np.asarray(self.levels[name])) if name in self.levels else values

    def _levels_of(self, name: str, codes: np.ndarray) -> np.ndarray:
        """The level of each row of a text column, -1 where its cell is missing, -2 where its text is unknown."""
        return self._of_codes(name, codes, np.append(self.levels[name], MISSING_LEVEL))

    def _of_codes(self, name: str, codes: np.ndarray, values: np.ndarray) -> np.ndarray:
        """What stands for each code; numpy would count one below zero from the end."""
        n_codes = len(self.levels[name])
        if len(codes) and not (codes.min() >= MISSING_CODE and codes.max() < n_codes):
            raise BadBlock(f"column {quoted(name)} holds a code for which there is no text")
        return values[codes]

    def _complete(self, columns: dict[str, np.ndarray], number: int) -> np.ndarray | None:
        """Which rows have every cell that is needed; None when all have."""
        complete = None
        for name in dict.fromkeys([*self.features, *self._other_roles]):
            if self.missing == "keep" and name in self.features:
                continue
            absent = _without_level(columns[name]) if name in self.made else missing_cells(columns[name])
            if absent is None:
                continue
            if self.missing == "error":
                row = int(np.flatnonzero(absent)[0]) + 1
                raise BadRow(
                    f"column {name!r} has a missing cell in row {row} of block {number}; "
                    "--missing drop leaves such rows out"
                )
            complete = ~absent if complete is None else complete & ~absent
        return complete


def missing_cells(values: np.ndarray) -> np.ndarray | None:
    """Which cells of a column are missing, shape (n,); None when none is."""
    if values.dtype.kind == "f":
        # A sum is NaN when a cell is: one cheap look at each column, the mask only when there is something to mask.
        if not np.isnan(values.sum()):
            return None
        absent = np.isnan(values)
    else:
        absent = values == (MISSING_INTEGER if values.dtype.itemsize == 8 else MISSING_CODE)
    return absent if absent.any() else None


def _without_level(values: np.ndarray) -> np.ndarray | None:
    """Likewise of a column that a recipe makes: there an unknown text counts as missing."""
    if values.dtype.kind == "f":
        return missing_cells(values)
    absent = values < 0
    return absent if absent.any() else None


def _as_floats(values: np.ndarray) -> np.ndarray:
    """A column as float64, NaN where a cell is missing."""
    if values.dtype.kind == "f":
        return values
    absent = _without_level(values) if values.dtype.itemsize == 4 else missing_cells(values)
    return values if absent is None else np.where(absent, np.nan, values)
