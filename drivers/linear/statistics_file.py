"""Statistics files: all that a linear fit needs of a table, without its rows; they add up and subtract.

The file holds R of sqrt(w) [1, X - c, y - c_y] (jobs/kernels/wols.py), by fold where there were folds. Any column can be
the target of a fit and any others its features. R of two tables together is R of their stacked factors. R of a table
without some of its rows has

    R_C'R_C = R_A'R_A - R_B'R_B = R_A'(I - V'V) R_A,    V = R_B R_A^-1,

and with the singular values s of V = P S Q' it is the triangle of sqrt(1 - s^2) Q'R_A (block downdating: Golub and Van
Loan, *Matrix Computations*, 4th ed., 6.5.4). What B holds of a direction is s^2 of it, and the smallest 1 - s^2 tells how
many digits go.

Columns are moved to a common centre before: [1, X - c] T with T a constant more changes R in its first row alone.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from dataclasses import dataclass
from typing import Optional

import numpy as np

from jobs.design import Design
from jobs.errors import BadRecord, ScanError
from jobs.kernels.folds import Folds
from jobs.kernels.wols import EPS, WOLSQuery, WOLSStatistics, r_factor
from jobs.kernels.wols_folds import WOLSFoldsStatistics
from jobs.records import Record, array_field

# With fewer digits than these left, the user is told.
PROMISED_DIGITS = 9
# Of the weight of the rows with a text, less than this is left of none.
NO_ROWS = 1e-12


@dataclass
class Source(Record):
    """A table that was added to the file, or taken from it (sign -1)."""

    fingerprint: str
    n_rows: int
    sign: int = 1


@dataclass
class LinearStatistics(Record):
    """What a statistics file holds.

    features, target, weight, categories: the columns, as in the design step; R has a column for the constant, then one for
    each of `columns`. center: shape (len(columns),). folds: how rows were dealt to the parts of `statistics`, by the values
    of `fold_by` or else by where they stood. digits: an estimate of how many are right in what is solved from the file.
    """

    features: list[str]
    target: str
    weight: Optional[str]  # noqa: UP045
    weight_type: str
    categories: dict
    folds: Folds
    fold_by: Optional[str]  # noqa: UP045
    sources: list
    digits: float
    statistics: WOLSFoldsStatistics
    center: np.ndarray = array_field("<f8", 1)

    @classmethod
    def of(
        cls, design: Design, query: WOLSQuery, folds: Folds, parts: list[WOLSStatistics], weight_type: str, fingerprint: str
    ) -> LinearStatistics:
        """What a pass over a table has gathered by this design."""
        assert design.target is not None
        return cls(
            design.features, design.target, design.weight, weight_type, design.categories, folds, design.fold or design.id,
            [Source(fingerprint, sum(part.n_rows for part in parts))], 16.0, WOLSFoldsStatistics.of_parts(parts),
            np.append(query.center, query.target_center),
        )  # fmt: skip

    @property
    def columns(self) -> list[str]:
        """The columns of R behind the constant: those of X, then the target."""
        return [*Design(self.features, categories=self.categories).feature_names, self.target]

    @property
    def n_rows(self) -> int:
        """Rows of positive weight, in all parts."""
        return int(self.statistics.n_rows.sum())

    @property
    def total(self) -> WOLSStatistics:
        """The statistic of all parts together."""
        return functools.reduce(WOLSStatistics.merge, self.statistics.parts())

    def write(self, path: str) -> None:
        """Writes the file, whole or not at all.

        :raises ScanError: where it cannot be written
        """
        partial = f"{path}.partial"
        try:
            with open(partial, "w", encoding="ascii") as f:
                f.write(self.to_line() + "\n")
            os.replace(partial, path)
        except OSError as error:
            raise ScanError(f"the statistics file {path} cannot be written: {error.strerror}") from None

    @classmethod
    def read(cls, path: str) -> LinearStatistics:
        """Reads a statistics file.

        :raises ScanError: where it cannot be read, is damaged, or is no such file
        """
        try:
            with open(path, "rb") as f:
                return cls.from_line(f.read())
        except OSError as error:
            raise ScanError(f"the statistics file {path or repr(path)} cannot be read: {error.strerror}") from None
        except BadRecord as error:
            why, _, _ = str(error).partition(": '")  # without what stands in the file
            if why.startswith("this is not"):
                raise ScanError(f"{path} is not a statistics file; --save-statistics of run_wols.py makes one") from None
            raise ScanError(f"{path} is not a statistics file that can be used: {why}; copy or save it again") from None


def check_place(path: str) -> None:
    """:raises ScanError: a path that no file can be written to, told before a pass is spent"""
    folder = os.path.dirname(path) or "."
    why = None
    if not path or os.path.isdir(path):
        why = "it is a directory" if path else "its name is empty"
    elif not os.path.isdir(folder):
        why = f"there is no directory {folder}"
    elif not os.access(folder, os.W_OK):
        why = f"the directory {folder} may not be written to"
    if why:
        raise ScanError(f"the statistics file {path or repr(path)} cannot be written: {why}")


def add(a: LinearStatistics, b: LinearStatistics) -> tuple[LinearStatistics, list[str]]:
    """The statistics of both tables, and what the user should know.

    :raises ScanError: columns that do not match; a table that is in both
    """
    twice = {source.fingerprint for source in a.sources if source.sign > 0} & {
        source.fingerprint for source in b.sources if source.sign > 0
    }
    if twice:
        raise ScanError("both hold the same table, whose rows would count twice")
    a, b, remarks = _aligned(a, b, 1)
    parts = [left.merge(right) for left, right in zip(a.statistics.parts(), b.statistics.parts())]
    return _with_parts(a, parts, [*a.sources, *b.sources], min(a.digits, b.digits)), remarks


def subtract(a: LinearStatistics, b: LinearStatistics) -> tuple[LinearStatistics, list[str]]:
    """The statistics of the rows of a that are not in b, and what the user should know.

    :raises ScanError: columns that do not match; rows in b that cannot all be in a
    """
    gone = {source.fingerprint for source in a.sources if source.sign < 0}
    if gone & {source.fingerprint for source in b.sources if source.sign > 0}:
        raise ScanError("its rows have been taken away already")
    a, b, remarks = _aligned(a, b, -1)
    texts = _columns_of_texts(a)
    outcomes = [_without(left, right, texts) for left, right in zip(a.statistics.parts(), b.statistics.parts())]
    digits = min([a.digits, b.digits, *(lost for _, lost in outcomes)])
    if digits < PROMISED_DIGITS:
        remarks.append(
            f"the subtraction leaves about {max(math.floor(digits), 0)} right digits: what is left is little of what there "
            "was in some direction; gather the statistics of the remaining rows anew if that is too few"
        )
    negative = [Source(source.fingerprint, source.n_rows, -source.sign) for source in b.sources]
    rest = _with_parts(a, [part for part, _ in outcomes], [*a.sources, *negative], digits)
    return _without_lost_texts(rest, a.total), remarks


def _with_parts(
    like: LinearStatistics, parts: list[WOLSStatistics], sources: list[Source], digits: float
) -> LinearStatistics:
    net = {source.fingerprint: 0 for source in sources}
    for source in sources:
        net[source.fingerprint] += source.sign
    kept: dict[tuple[str, int], Source] = {}
    for source in sources:
        if net[source.fingerprint]:
            kept.setdefault((source.fingerprint, source.sign), source)
    return dataclasses.replace(
        like, statistics=WOLSFoldsStatistics.of_parts(parts), sources=list(kept.values()), digits=digits
    )


def _without(a: WOLSStatistics, b: WOLSStatistics, texts: list[list[int]]) -> tuple[WOLSStatistics, float]:
    """The rows of a that are not in b, and how many digits are left.

    :param texts: for each feature of text, its columns of R
    """
    if b.n_rows == 0 and b.n_zero_weight == 0:
        return a, 16.0
    if b.n_rows > a.n_rows or b.n_zero_weight > a.n_zero_weight or b.weight_sum > a.weight_sum * (1 + 1e-9):
        raise ScanError(f"{b.n_rows:,} rows cannot be taken from {a.n_rows:,} that do not hold them")
    # Without the columns of which nothing is left, as of a text that b alone has: their rest would be rounding error.
    kept, others = _columns_left(a.r, b.r, texts)
    whole, taken = a.r[:, kept], b.r[:, kept]
    scale = np.linalg.norm(whole, axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    # A direction that does not vary in a cannot vary in its rows.
    left, spread, right = np.linalg.svd(whole / scale)
    seen = spread > 16 * EPS * len(scale) * spread[0]
    root = (spread[seen, None] * right[seen]) * scale
    v = (taken / scale) @ (right[seen].T / spread[seen])
    _, shares, basis = np.linalg.svd(v, full_matrices=False)
    if shares.max(initial=0.0) > 1 + 1e-6:
        raise ScanError("the rows to take away are not among those of the other file: they vary more than all of it does")
    if b.n_rows == a.n_rows:
        shares = np.ones_like(shares)
    rest = np.maximum((1 - shares) * (1 + shares), 0.0)
    r = (np.sqrt(rest)[:, None] * (basis @ root)) @ others
    smallest = float(rest.min(initial=1.0))
    condition = float(spread[0] / spread[seen][-1])
    digits = -math.log10(min(1.0, EPS * condition * len(scale) / smallest)) if smallest > 0 else 0.0
    return (
        WOLSStatistics(
            n_rows=a.n_rows - b.n_rows,
            n_zero_weight=a.n_zero_weight - b.n_zero_weight,
            weight_sum=max(a.weight_sum - b.weight_sum, 0.0),
            weight_square_sum=max(a.weight_square_sum - b.weight_square_sum, 0.0),
            weight_log_sum=a.weight_log_sum - b.weight_log_sum,
            # The heaviest row may be among those taken away.
            weight_max=a.weight_max if b.weight_max < a.weight_max else math.nan,
            r=r_factor(np.vstack([r, np.zeros_like(a.r)])),
        ),
        digits,
    )


# -- texts that are gone --------------------------------------------------------------------------------------------------


def _columns_of_texts(file: LinearStatistics) -> list[list[int]]:
    """The columns of R of each feature of text: one for each of its texts but the first."""
    design = Design(file.features, categories=file.categories)
    return [[j + 1 for j in term] for name, term in zip(file.features, design.terms) if name in file.categories]


def _weights_of_texts(r: np.ndarray, columns: list[int]) -> np.ndarray:
    """The weight of the rows with each text, the first one first: their columns are about zero, not about a mean."""
    first = r[:, 0] - r[:, columns].sum(axis=1)
    return np.append(first @ first, np.sum(r[:, columns] ** 2, axis=0))


def _columns_left(a: np.ndarray, b: np.ndarray, texts: list[list[int]]) -> tuple[list[int], np.ndarray]:
    """The columns of R that say all of the rows that are left, and the matrix that makes all columns of them."""
    size = len(a)
    makes = np.eye(size)
    gone: list[int] = []
    for columns in texts:
        before = _weights_of_texts(a, columns)
        without = before - _weights_of_texts(b, columns) <= NO_ROWS * before + (16 * EPS) ** 2 * before.sum()
        there = [j for j, is_gone in zip(columns, without[1:]) if not is_gone]
        lost = [j for j, is_gone in zip(columns, without[1:]) if is_gone]
        makes[lost, lost] = 0.0
        if without[0] and there:  # each row that is left has one of the others
            lost.append(there[-1])
            makes[there[-1], there[-1]] = 0.0
            makes[0, there[-1]] = 1.0
            makes[there[:-1], there[-1]] = -1.0
        gone += lost
    kept = [j for j in range(size) if j not in set(gone)]
    return kept, makes[kept]


def _without_lost_texts(file: LinearStatistics, before: WOLSStatistics) -> LinearStatistics:
    """The file without the texts that no row is left with."""
    if file.n_rows == 0:
        return file
    categories = dict(file.categories)
    named = [name for name in file.features if name in categories]
    for name, columns in zip(named, _columns_of_texts(file)):
        weights = _weights_of_texts(file.total.r, columns)
        left = weights > NO_ROWS * _weights_of_texts(before.r, columns)
        categories[name] = [text for text, is_left in zip(categories[name], left) if is_left]
    center = dict(zip(file.columns, file.center.tolist()))
    return _moved(file, file.features, file.target, categories, center)


# -- common columns and a common centre -----------------------------------------------------------------------------------


def _aligned(a: LinearStatistics, b: LinearStatistics, sign: int) -> tuple[LinearStatistics, LinearStatistics, list[str]]:
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
    return _moved(a, a.features, a.target, categories, center), _moved(b, a.features, a.target, categories, center), remarks


def _check_same_columns(a: LinearStatistics, b: LinearStatistics) -> None:
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


def _moved(
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
