"""The statistics of two tables together, and of a table without some of its rows.

R of two tables together is R of their stacked factors. R of a table without some of its rows has

    R_C'R_C = R_A'R_A - R_B'R_B = R_A'(I - V'V) R_A,    V = R_B R_A^-1,

and with the singular values s of V = P S Q' it is the triangle of sqrt(1 - s^2) Q'R_A (block downdating: Golub and Van
Loan, *Matrix Computations*, 4th ed., 6.5.4). What B holds of a direction is s^2 of it, and the smallest 1 - s^2 tells how
many digits go.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from drivers.linear.statistics_columns import aligned, moved
from drivers.linear.statistics_file import LinearStatistics, Source
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.wols import EPS, WOLSStatistics, r_factor
from jobs.kernels.wols_folds import WOLSFoldsStatistics

# With fewer digits than these left, the user is told.
PROMISED_DIGITS = 9
# Of the weight of the rows with a text, less than this is left of none.
NO_ROWS = 1e-12


def add(a: LinearStatistics, b: LinearStatistics) -> tuple[LinearStatistics, list[str]]:
    """The statistics of both tables, and what the user should know.

    :raises ScanError: columns that do not match; a table that is in both
    """
    twice = {source.fingerprint for source in a.sources if source.sign > 0} & {
        source.fingerprint for source in b.sources if source.sign > 0
    }
    if twice:
        raise ScanError("both hold the same table, whose rows would count twice")
    a, b, remarks = aligned(a, b, 1)
    parts = [left.merge(right) for left, right in zip(a.statistics.parts(), b.statistics.parts())]
    return _with_parts(a, parts, [*a.sources, *b.sources], min(a.digits, b.digits)), remarks


def subtract(a: LinearStatistics, b: LinearStatistics) -> tuple[LinearStatistics, list[str]]:
    """The statistics of the rows of a that are not in b, and what the user should know.

    :raises ScanError: columns that do not match; rows in b that cannot all be in a
    """
    gone = {source.fingerprint for source in a.sources if source.sign < 0}
    if gone & {source.fingerprint for source in b.sources if source.sign > 0}:
        raise ScanError("its rows have been taken away already")
    a, b, remarks = aligned(a, b, -1)
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
    return moved(file, file.features, file.target, categories, center)
