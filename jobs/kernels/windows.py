"""Windows over the past of each of many entities: lags, differences, means and counts, for whole columns at once.

The rows of an entity are in the order of time. A window of a row t is the w rows before it, or the rows of a span of time
[t - span, t); a row never sees itself, nor, in a span, those of its own moment:

    lag k           x[t-k], any cell as it is
    difference k    x[t] - x[t-k]
    mean            of the cells of the window that are there
    count           the rows of the window

The sum of a window of L cells is put together from sums of 1, 2, 4, ... cells by the binary digits of L: log L steps for
all windows at once. It depends on the cells of the window in their order and on nothing else, neither on the rows before
them nor on how rows were dealt to tasks, as a running sum would.

`Past` takes the rows in batches, of which none begins before the last one ends, and remembers no more of a batch than the
windows of later rows need.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels.days import MICROSECONDS_A_DAY, microseconds_of
from jobs.records import Record

KINDS = LAG, DIFFERENCE, MEAN, COUNT = "lag", "difference", "mean", "count"
UNITS = ROWS, MICROSECONDS = "rows", "microseconds"
# What stands for a cell that is not there, as in a block.
ABSENT = {"f8": np.nan, "i8": -(2**63), "i4": -1}


@dataclass
class Feature(Record):
    """A new column: its name, what it is, of which column ("" for a count), and the size of its lag or window in rows or in
    microseconds; of_days: of a column of dates, whose differences are exact in microseconds."""

    name: str
    kind: str
    column: str
    size: int
    unit: str = ROWS
    of_days: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kind not in KINDS or self.unit not in UNITS or not 1 <= self.size < 2**62:
            raise BadRecord(f"a {self.kind[:20]!r} of {self.size} {self.unit[:20]} that no window is")
        if self.kind in (LAG, DIFFERENCE) and self.unit != ROWS:
            raise BadRecord(f"a {self.kind} is of rows, not of {self.unit}")
        if (self.column == "") != (self.kind == COUNT):
            raise BadRecord(f"a {self.kind} of the column {self.column[:40]!r}")


@dataclass
class Advance:
    """What has become of the n rows of a batch: `order` (n,) sorts them by entity and time, `outputs` are the new columns
    in that order, (n,) each; n_ties: rows at the time of the row before."""

    order: np.ndarray
    outputs: list[np.ndarray]
    n_ties: int


class Past:
    """What later rows need of the rows so far; see the module."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features = features
        self.columns = list(dict.fromkeys(feature.column for feature in features if feature.column))
        self._n_rows = max([1, *(feature.size for feature in features if feature.unit == ROWS)])
        self._span = max([0, *(feature.size for feature in features if feature.unit == MICROSECONDS)])
        self._entities = np.zeros(0, np.uint64)
        self._times = np.zeros(0, np.int64)
        self._cells: dict[str, np.ndarray] = {}

    @property
    def n_kept(self) -> int:
        """How many rows are remembered."""
        return len(self._entities)

    def advance(self, entities: np.ndarray, times: np.ndarray, columns: dict[str, np.ndarray]) -> Advance:
        """Takes a batch in.

        :param entities: the key of the entity of each row, in the order of the data, (n,), uint64
        :param times: whole numbers in the order of time, none before the latest of the batches so far, (n,), int64
        :param columns: the cells of `self.columns`, (n,) each
        """
        order = np.lexsort((times, entities))
        entities, times = np.concatenate([self._entities, entities[order]]), np.concatenate([self._times, times[order]])
        cells = {name: columns[name][order] for name in self.columns}
        if n_kept := self.n_kept:
            # Those that are remembered come before the new ones of their entity.
            place = np.argsort(entities, kind="stable")
            entities, times = entities[place], times[place]
            cells = {name: np.concatenate([self._cells[name], values])[place] for name, values in cells.items()}
            at = np.flatnonzero(place >= n_kept)
        else:
            at = np.arange(len(order))
        begins, ends = _segments(entities[1:] != entities[:-1])
        tied = (entities[1:] == entities[:-1]) & (times[1:] == times[:-1])
        windows = _Windows(times, begins, _segments(~tied)[0], at)
        outputs = [windows.feature(feature, cells) for feature in self.features]
        n_ties = int(np.append(False, tied)[at].sum())
        kept = ends - np.arange(len(entities)) <= self._n_rows
        if self._span and len(at):
            kept |= times >= times[at].max() - self._span
        self._entities, self._times = entities[kept], times[kept]
        self._cells = {name: values[kept] for name, values in cells.items()}
        return Advance(order, outputs, n_ties)


class _Windows:
    """The windows of the rows `at`, among rows sorted by entity and time, whose entity begins at `begins` and whose moment
    begins at `moments`."""

    def __init__(self, times: np.ndarray, begins: np.ndarray, moments: np.ndarray, at: np.ndarray) -> None:
        self.times, self.at = times, at
        self.begins, self.moments = begins[at], moments[at]
        self._found: dict[tuple[int, str], tuple[np.ndarray, np.ndarray]] = {}

    def feature(self, feature: Feature, cells: dict[str, np.ndarray]) -> np.ndarray:
        """A new column."""
        if feature.kind == COUNT:
            first, end = self.window(feature)
            return end - first
        values = cells[feature.column]
        if feature.kind == LAG:
            return self.lag(values, feature.size)
        if feature.kind == DIFFERENCE:
            if feature.of_days:
                absent = np.isnan(values)
                moments = np.where(absent, np.nan, microseconds_of(np.where(absent, 0.0, values)))
                return self.difference(moments, feature.size) / MICROSECONDS_A_DAY
            return self.difference(values, feature.size)
        return window_means(values, *self.window(feature))

    def window(self, feature: Feature) -> tuple[np.ndarray, np.ndarray]:
        """Where the window of each row begins and ends."""
        asked = feature.size, feature.unit
        if asked not in self._found:
            if feature.unit == ROWS:
                self._found[asked] = np.maximum(self.begins, self.at - feature.size), self.at
            else:
                since = self.times[self.at] - feature.size
                self._found[asked] = _first_since(self.times, self.begins, self.moments, since), self.moments
        return self._found[asked]

    def lag(self, values: np.ndarray, k: int) -> np.ndarray:
        """The cells k rows before."""
        found = np.full(len(self.at), ABSENT[values.dtype.str[1:]], values.dtype)
        has = self.at - k >= self.begins
        found[has] = values[self.at[has] - k]
        return found

    def difference(self, values: np.ndarray, k: int) -> np.ndarray:
        with np.errstate(invalid="ignore", over="ignore"):  # of infinite cells there is none
            return values[self.at] - self.lag(values, k)


def window_means(values: np.ndarray, first: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The mean of the cells that are there among values[first:end], for each of many windows, (m,); NaN where none is."""
    is_there = ~np.isnan(values)
    n_before = np.append(0, np.cumsum(is_there))
    n_there = n_before[end] - n_before[first]
    sums = _window_sums(np.where(is_there, values, 0.0), first, end - first)
    return np.divide(sums, n_there, out=np.full(len(sums), np.nan), where=n_there > 0)


def _window_sums(values: np.ndarray, first: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The sums of windows, see the module; (m,)."""
    found, at = np.zeros(len(first)), first.copy()
    longest, size, sums = int(lengths.max(initial=0)), 1, values  # sums[i]: of `size` cells from i on
    with np.errstate(invalid="ignore", over="ignore"):
        while size <= longest:
            has = np.flatnonzero(lengths & size)
            found[has] += sums[at[has]]
            at[has] += size
            sums = sums[:-size] + sums[size:]
            size *= 2
    return found


def _segments(changes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each of n rows where its segment begins and ends, (n,) each, by whether the next row is of another, (n - 1,)."""
    starts = np.append(0, np.flatnonzero(changes) + 1)
    stops = np.append(starts[1:], len(changes) + 1)
    return np.repeat(starts, stops - starts), np.repeat(stops, stops - starts)


def _first_since(times: np.ndarray, low: np.ndarray, high: np.ndarray, since: np.ndarray) -> np.ndarray:
    """The first of the rows low ... high - 1 whose time is `since` or later, else high: by halving all at once; (m,)."""
    low, high = low.copy(), high.copy()
    for _ in range(int((high - low).max(initial=0)).bit_length()):
        middle = (low + high) >> 1
        is_open = low < high
        is_before = is_open & (times[middle] < since)
        low = np.where(is_before, middle + 1, low)
        high = np.where(is_open & ~is_before, middle, high)
    return low
