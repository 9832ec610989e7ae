"""The profile of a table in one pass: cells, extremes, moments, ranks, different and frequent values, correlations.

One statistic for all columns, a struct of arrays with the leading axis p, put together from

    central_moments.py   mean and central sums to the fourth power, merged about the mean
    pair_sums.py         correlations of all pairs of columns, pairwise complete
    column_values.py     each value with its count, exactly up to `n_exact` values; beyond, ranks and the most frequent
                         values, both with a proven error
    distinct_sketch.py   how many different values there are beyond `n_exact`: HyperLogLog

A cell is counted by its key: that of its double (ordered_bits.py); the whole number itself in a column of exact whole
numbers, beyond 2**53 too; in a column of text its code. Of texts the dictionary says how many there are, so theirs need no
registers, and their codes have no order, so beyond `n_exact` only the counters are kept. Whatever a column holds, its share
of the statistic is bounded: at most 2 n_exact + 2 n_frequent + 1,100 words.

Moments and correlations are of finite cells. Rows of weight 0 are left out; apart from that every row counts once.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels import central_moments, pair_sums
from jobs.kernels.column_values import ColumnValues, Limits, laid_out
from jobs.kernels.contract import Statistics
from jobs.kernels.distinct_sketch import N_REGISTERS, registers_of
from jobs.kernels.frequent_values import FrequentValues
from jobs.kernels.ordered_bits import keys_of, values_of
from jobs.kernels.quantile_sketch import RankSummary, count_keys
from jobs.records import Record, array_field

NUMBER, WHOLE, CODE, MOMENTS = range(4)
CELLS = MISSING, ZERO, NEGATIVE, BELOW_ALL, ABOVE_ALL, FRACTION = range(6)
_LARGEST = np.iinfo(np.int64).max
_EXACT_WHOLE = 2.0**53


@dataclass
class TableProfileQuery(Record):
    """What is asked of p columns.

    kinds: of each NUMBER (doubles), WHOLE (exact 64-bit whole numbers), CODE (of texts) or MOMENTS (doubles of which only
    missing and infinite cells, extremes and moments are asked, a tenth of the work); center, scale: (p,), where
    moments are taken about and what they are divided by, powers of two, the same for all rows; n_exact: different values
    of a column that are counted one by one; n_frequent: counters of a column that has more; pairs: whether correlations
    are asked for.
    """

    n_exact: int
    n_frequent: int
    pairs: bool
    kinds: np.ndarray = array_field("|u1", 1)
    center: np.ndarray = array_field("<f8", 1)
    scale: np.ndarray = array_field("<f8", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        p = len(self.kinds)
        if not (self.kinds.max(initial=0) <= MOMENTS and len(self.center) == len(self.scale) == p):
            raise BadRecord("a query of a profile whose columns have no kind, centre or scale that there is")
        if min(self.n_exact, self.n_frequent) < 1 or not np.all(self.scale > 0):
            raise BadRecord("a query of a profile that keeps no values, or of a scale that is not above zero")


@dataclass
class TableProfileStatistics(Statistics):
    """What is known of n_rows rows of p columns.

    cells: (p, 6), how many cells are missing, zero, below zero, -inf, +inf, and finite but not whole. extremes: (p, 2), the
    keys of the least and the largest cell. center, scale: as in the query; moments: (p, 4); pairs: (4, q, q) of the q
    columns that are not CODE, q = 0 where they were not asked for. registers: (p, N_REGISTERS). The summaries of ranks lie
    one behind the other: sizes, errors and exact are (p,), keys and counts flat; likewise the counters `frequent_...`,
    which a column has once its summary is no longer exact.
    """

    n_exact: int
    n_frequent: int
    n_rows: int
    kinds: np.ndarray = array_field("|u1", 1)
    cells: np.ndarray = array_field("<i8", 2)
    extremes: np.ndarray = array_field("<i8", 2)
    center: np.ndarray = array_field("<f8", 1)
    scale: np.ndarray = array_field("<f8", 1)
    moments: np.ndarray = array_field("<f8", 2)
    pairs: np.ndarray = array_field("<f8", 3)
    registers: np.ndarray = array_field("|u1", 2)
    exact: np.ndarray = array_field("|u1", 1)
    errors: np.ndarray = array_field("<i8", 1)
    sizes: np.ndarray = array_field("<i8", 1)
    keys: np.ndarray = array_field("<i8", 1)
    counts: np.ndarray = array_field("<i8", 1)
    frequent_errors: np.ndarray = array_field("<i8", 1)
    frequent_sizes: np.ndarray = array_field("<i8", 1)
    frequent_keys: np.ndarray = array_field("<i8", 1)
    frequent_counts: np.ndarray = array_field("<i8", 1)

    @classmethod
    def zero(cls, query: TableProfileQuery) -> TableProfileStatistics:
        p, q = len(query.kinds), int(np.sum(query.kinds != CODE)) if query.pairs else 0
        return cls(
            query.n_exact, query.n_frequent, 0, query.kinds, np.zeros((p, len(CELLS)), np.int64),
            np.tile([_LARGEST, -_LARGEST - 1], (p, 1)), query.center, query.scale, np.zeros((p, 4)), np.zeros((4, q, q)),
            np.zeros((p, N_REGISTERS), np.uint8), **laid_out([ColumnValues.empty()] * p),
        )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        p = len(self.kinds)
        arrays = (self.cells, self.extremes, self.center, self.scale, self.moments, self.registers, self.exact, self.errors)
        if {len(values) for values in (*arrays, self.sizes, self.frequent_sizes, self.frequent_errors)} != {p}:
            raise BadRecord("a profile whose arrays are not of the same columns")
        for sizes, keys, counts in (
            (self.sizes, self.keys, self.counts), (self.frequent_sizes, self.frequent_keys, self.frequent_counts)
        ):  # fmt: skip
            if not (len(keys) == len(counts) == int(sizes.sum()) and sizes.min(initial=0) >= 0):
                raise BadRecord("a profile whose values are not those of its columns")

    # -- what a column has ---------------------------------------------------------------------------------------------

    def column_values(self) -> list[ColumnValues]:
        """The values of each column."""
        ends, frequent_ends = np.cumsum(self.sizes).tolist(), np.cumsum(self.frequent_sizes).tolist()
        found = []
        for j, (size, frequent_size) in enumerate(zip(self.sizes.tolist(), self.frequent_sizes.tolist())):
            place = slice(ends[j] - size, ends[j])
            summary = RankSummary(self.keys[place], self.counts[place], int(self.errors[j]), bool(self.exact[j]))
            place = slice(frequent_ends[j] - frequent_size, frequent_ends[j])
            error = int(self.frequent_errors[j])
            found.append(
                ColumnValues(summary, FrequentValues(self.frequent_keys[place], self.frequent_counts[place], error))
            )
        return found

    def with_values(self, columns: list[ColumnValues]) -> TableProfileStatistics:
        """The same statistic with other values of its columns."""
        return dataclasses.replace(self, **laid_out(columns))  # type: ignore[arg-type]

    def taking(self, other: TableProfileStatistics, columns: list[int]) -> TableProfileStatistics:
        """The same statistic where some columns, in which it has no cell, are of the other one's kind, centre and scale."""
        kinds, center, scale = self.kinds.copy(), self.center.copy(), self.scale.copy()
        for mine, its in ((kinds, other.kinds), (center, other.center), (scale, other.scale)):
            mine[columns] = its[columns]
        pairs = self.pairs
        if self.paired:
            every = np.zeros((4, len(kinds), len(kinds)))
            before, after = np.array(self.paired), np.flatnonzero(kinds != CODE)
            every[:, before[:, None], before] = pairs
            pairs = every[:, after[:, None], after]
        return dataclasses.replace(self, kinds=kinds, center=center, scale=scale, pairs=pairs)

    def limits(self, j: int) -> Limits:
        """How many values of column j are kept."""
        return Limits(self.n_exact, self.n_frequent, self.kinds[j] != CODE)

    @property
    def n_present(self) -> np.ndarray:
        """The cells that are not missing, (p,)."""
        return self.n_rows - self.cells[:, MISSING]

    @property
    def n_finite(self) -> np.ndarray:
        """The cells that moments are of, (p,)."""
        return self.n_present - self.cells[:, BELOW_ALL] - self.cells[:, ABOVE_ALL]

    @property
    def paired(self) -> list[int]:
        """The columns that `pairs` is of."""
        return np.flatnonzero(self.kinds != CODE).tolist() if self.pairs.shape[1] else []

    # -- the algebra ---------------------------------------------------------------------------------------------------

    def add(self, rows: Any, query: TableProfileQuery) -> None:
        """Takes rows in; `rows.whole`, where there is such a thing, has for a column of X its exact whole numbers."""
        leaf = _of_rows(rows, query)
        found = self.merge(leaf) if self.n_rows else leaf
        for f in dataclasses.fields(self):
            setattr(self, f.name, getattr(found, f.name))

    def merge(self, other: Statistics) -> TableProfileStatistics:
        if not isinstance(other, TableProfileStatistics) or not np.array_equal(self.kinds, other.kinds):
            raise BadRecord("profiles of other columns")
        if (other.n_exact, other.n_frequent, other.pairs.shape) != (self.n_exact, self.n_frequent, self.pairs.shape):
            raise BadRecord("profiles that keep other numbers of values, or not the same correlations")
        other_moments, other_pairs = other._about(self.center, self.scale, self.paired)
        columns = [
            mine.merge(its, self.limits(j))
            for j, (mine, its) in enumerate(zip(self.column_values(), other.column_values()))
        ]
        return TableProfileStatistics(
            self.n_exact, self.n_frequent, self.n_rows + other.n_rows, self.kinds, self.cells + other.cells,
            np.column_stack(
                [
                    np.minimum(self.extremes[:, 0], other.extremes[:, 0]),
                    np.maximum(self.extremes[:, 1], other.extremes[:, 1]),
                ]
            ),
            self.center, self.scale,
            central_moments.merged_moments(self.n_finite, self.moments, other.n_finite, other_moments),
            self.pairs + other_pairs, np.maximum(self.registers, other.registers),
            **laid_out(columns),
        )  # fmt: skip

    def _about(self, center: np.ndarray, scale: np.ndarray, paired: list[int]) -> tuple[np.ndarray, np.ndarray]:
        """Moments and sums of pairs about another centre and scale."""
        if np.array_equal(center, self.center) and np.array_equal(scale, self.scale):
            return self.moments, self.pairs
        factor, shift = self.scale / scale, self.center / scale - center / scale
        moments = central_moments.moved(self.moments, factor, shift)
        return moments, pair_sums.moved(self.pairs, factor[paired], shift[paired]) if paired else self.pairs

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        """Counts and extremes equal, sums but for rounding, ranks and counters where exact equal, else within their
        errors."""
        if not isinstance(other, TableProfileStatistics) or not np.array_equal(self.kinds, other.kinds):
            return False
        same = ("cells", "extremes", "center", "scale", "registers", "exact", "pairs")
        if any(np.shape(getattr(self, name)) != np.shape(getattr(other, name)) for name in same):
            return False
        if (self.n_rows, self.n_exact, self.n_frequent) != (other.n_rows, other.n_exact, other.n_frequent):
            return False
        return (
            all(np.array_equal(getattr(self, name), getattr(other, name)) for name in same[:-1])
            and central_moments.close_moments(self.n_finite, self.moments, other.moments, rtol)
            and pair_sums.close_sums(self.pairs, other.pairs, rtol)
            and all(mine.close(its) for mine, its in zip(self.column_values(), other.column_values()))
            and bool(np.all((self.errors == other.errors) & (self.sizes == other.sizes) | (self.exact == 0)))
        )


# -- rows -----------------------------------------------------------------------------------------------------------------


def _of_rows(rows: Any, query: TableProfileQuery) -> TableProfileStatistics:
    """The statistic of some rows."""
    weighs = slice(None) if rows.w.all() else np.flatnonzero(rows.w)
    whole = getattr(rows, "whole", {})
    found = TableProfileStatistics.zero(query)
    found.n_rows = int(np.count_nonzero(rows.w))
    if not found.n_rows:
        return found
    # Divided first, by a power of two: a difference of two large numbers may be none that there is.
    per_scale = 1 / query.scale
    offset = query.center * per_scale
    columns, numbers = [], []
    for j, kind in enumerate(query.kinds.tolist()):
        x = rows.X[weighs, j]
        absent = np.isnan(x)
        if kind == MOMENTS:
            columns.append(ColumnValues.empty())
            _take_ends(found, j, x[~absent] if absent.any() else x)
        else:
            keys, counts = _count_cells(x, whole[j][weighs] if j in whole else None, absent, kind)
            columns.append(ColumnValues.counted(keys, counts, found.limits(j)))
            found.cells[j] = _cells(keys, counts, kind, int(np.count_nonzero(absent)))
            if len(keys):
                found.extremes[j] = keys[0], keys[-1]
            if kind == CODE:
                continue
            found.registers[j] = registers_of(keys)
        z = x * per_scale[j] - offset[j]
        finite = z if found.n_finite[j] == found.n_rows else z[np.isfinite(x)]
        found.moments[j] = central_moments.moments_of(finite)
        numbers.append(z)
    if found.paired:
        z, present = np.array(numbers).T, None
        if np.any(found.n_finite[found.paired] < found.n_rows):
            present = np.isfinite(z)
            z = np.where(present, z, 0.0)
        found.pairs = pair_sums.pair_sums(z, present)
    return found.with_values(columns)


def _take_ends(found: TableProfileStatistics, j: int, present: np.ndarray) -> None:
    """Missing and infinite cells, and the extremes, of a column whose values are not counted."""
    found.cells[j, MISSING] = found.n_rows - len(present)
    if len(present):
        low, high = float(present.min()), float(present.max())
        found.extremes[j] = keys_of(np.array([low, high]))
        if low == -np.inf:
            found.cells[j, BELOW_ALL] = np.count_nonzero(present == -np.inf)
        if high == np.inf:
            found.cells[j, ABOVE_ALL] = np.count_nonzero(present == np.inf)


def _count_cells(x: np.ndarray, whole: np.ndarray | None, absent: np.ndarray, kind: int) -> tuple[np.ndarray, np.ndarray]:
    """The keys of the different cells of a column, ascending, and how often each is there; `whole`: its exact whole
    numbers, None where x has them."""
    cells = x if whole is None else whole
    if absent.any():
        cells = cells[~absent]
    return _count_doubles(cells) if kind == NUMBER else count_keys(cells.astype(np.int64, copy=False))


def _count_doubles(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The keys of the different doubles, ascending, and how often each is there."""
    n = len(values)
    if n and np.floor(values[0]) == values[0]:
        low, high = float(values.min()), float(values.max())
        if abs(low) < _EXACT_WHOLE and abs(high) < _EXACT_WHOLE and high - low < 4 * n:
            shifted = values - low
            steps = shifted.astype(np.int64)
            if np.array_equal(steps, shifted) and np.floor(low) == low:
                counts = np.bincount(steps)
                found = np.flatnonzero(counts)
                return keys_of(found + low), counts[found]
    return count_keys(keys_of(values))


def _cells(keys: np.ndarray, counts: np.ndarray, kind: int, n_missing: int) -> np.ndarray:
    """The counts of cells of one column, (6,)."""
    found = np.zeros(len(CELLS), np.int64)
    found[MISSING] = n_missing
    if kind == CODE or not len(keys):
        return found
    zero = int(np.searchsorted(keys, 0))
    found[NEGATIVE] = counts[:zero].sum()
    if zero < len(keys) and keys[zero] == 0:
        found[ZERO] = counts[zero]
    if kind == NUMBER:
        values = values_of(keys)
        if values[0] == -np.inf:
            found[BELOW_ALL] = counts[0]
        if values[-1] == np.inf:
            found[ABOVE_ALL] = counts[-1]
        found[FRACTION] = counts[np.floor(values) != values].sum()
    return found
