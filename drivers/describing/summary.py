"""A profile in the numbers that people read: of each column its cells, extremes, moments, quantiles and frequent values.

mean, sd     of finite cells, sd with n - 1
skew         g_1 = (M_3 / n) / (M_2 / n)**1.5, kurtosis g_2 = (M_4 / n) / (M_2 / n)**2 - 3
quantile p   the least cell such that at least the share p of all present cells is no larger
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from drivers.describing.profile_file import BOOLEAN, DAY, FORMAT, UNKNOWN, VERSION, TableProfile
from drivers.packing.kinds import DATE, TEXT
from jobs.kernels.column_values import ColumnValues
from jobs.kernels.days import microseconds_of
from jobs.kernels.distinct_sketch import RELATIVE_ERROR, estimate
from jobs.kernels.ordered_bits import keys_of, values_of
from jobs.kernels.pair_sums import correlations
from jobs.kernels.quantile_sketch import RankSummary
from jobs.kernels.table_profile import ABOVE_ALL, BELOW_ALL, FRACTION, MISSING, NEGATIVE, WHOLE, ZERO

PROBABILITIES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1.0)
N_TOP, N_BINS = 10, 30
# A histogram ends at these shares where the rest would squeeze it into a few bars.
INNER, SQUEEZED = (0.005, 0.995), 3.0
LARGEST_WHOLE = 2.0**50
EMPTY, NUMBER, WHOLE_NUMBER, TRUTH, DAYS, MOMENT, TEXTS = (
    "empty", "number", "whole number", "true or false", "date", "timestamp", "text",
)  # fmt: skip


def summary_of(profile: TableProfile) -> dict[str, Any]:
    """What is told of a profile, as plain values; None is not known."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": "profile",
        "rows": profile.statistics.n_rows,
        "rows_rejected": profile.n_rejected,
        "columns": [_column(profile, j, values) for j, values in enumerate(profile.statistics.column_values())],
        "left_out": profile.left_out,
        "correlations": _correlations(profile),
    }


def _column(profile: TableProfile, j: int, values: ColumnValues) -> dict[str, Any]:
    statistics = profile.statistics
    cells, n_present = statistics.cells[j], int(statistics.n_present[j])
    summary = values.summary
    kind = _type(profile, j)
    value = _Reader(profile, j, kind)
    found: dict[str, Any] = {
        "name": profile.columns[j],
        "type": kind,
        "rows": statistics.n_rows,
        "missing": int(cells[MISSING]),
        "distinct": _distinct(profile, j, summary),
        "min": None, "max": None, "mean": None, "sd": None, "skew": None, "kurtosis": None, "quantiles": None,
        "zeros": None, "negatives": None, "infinite": None, "histogram": None,
        "top": _top(profile, j, values, value),
    }  # fmt: skip
    if profile.kinds[j] == TEXT or not n_present:
        return found
    found["min"], found["max"] = (value(key) for key in statistics.extremes[j].tolist())
    found |= _moments(profile, j, value)
    ranks = np.maximum(np.ceil(np.array(PROBABILITIES) * n_present - 1e-9), 1).astype(np.int64)
    keys = summary.at_ranks(ranks)
    keys[0], keys[-1] = statistics.extremes[j]
    found["quantiles"] = {
        "probabilities": list(PROBABILITIES),
        "values": [value(key) for key in keys.tolist()],
        "rank_error": summary.error / n_present,
    }
    found["histogram"] = _histogram(profile, j, summary)
    if profile.kinds[j] != DATE:
        found["zeros"], found["negatives"] = int(cells[ZERO]), int(cells[NEGATIVE])
        found["infinite"] = int(cells[BELOW_ALL] + cells[ABOVE_ALL])
    return found


def _type(profile: TableProfile, j: int) -> str:
    cells, kind, hint = profile.statistics.cells[j], profile.kinds[j], profile.hints[j]
    if not profile.statistics.n_present[j]:
        return EMPTY
    if kind == TEXT:
        return TEXTS
    if kind == DATE:
        return DAYS if hint == DAY and not cells[FRACTION] else MOMENT
    if hint == BOOLEAN:
        return TRUTH
    return NUMBER if cells[FRACTION] or profile.statistics.n_finite[j] == 0 else WHOLE_NUMBER


class _Reader:
    """From a key of a column to the value it stands for."""

    def __init__(self, profile: TableProfile, j: int, kind: str) -> None:
        self.kind, self.is_whole = kind, profile.statistics.kinds[j] == WHOLE
        self.texts = profile.texts.get(profile.columns[j])

    def __call__(self, key: int) -> Any:
        if self.texts is not None:
            return self.texts.get(str(key))
        if self.is_whole:
            return int(key)
        return self.of_double(float(values_of(np.array([key]))[0]))

    def of_double(self, value: float) -> Any:
        """A double as the column's cells are written."""
        if self.kind in (DAYS, MOMENT):
            return _written_date(value, self.kind)
        if self.kind == TRUTH and value in (0.0, 1.0):
            return bool(value)
        return int(value) if self.kind == WHOLE_NUMBER and value == math.floor(value) else value


def _written_date(days: float, kind: str) -> str | float:
    if not abs(days) < 3e6:  # beyond the years that have four digits
        return days
    text = str(np.datetime64(int(microseconds_of(np.array(days))), "us"))
    return text[:10] if kind == DAYS else text.removesuffix(".000000")


def _distinct(profile: TableProfile, j: int, summary: RankSummary) -> dict[str, Any]:
    """How many different values, and the relative standard error of that, 0 where they were counted."""
    if summary.is_exact:
        return {"value": len(summary.keys), "relative_error": 0.0}
    if profile.n_texts[j] != UNKNOWN:
        return {"value": profile.n_texts[j], "relative_error": 0.0}
    # Of more values than could be counted, and no more than there are cells.
    n = min(max(round(estimate(profile.statistics.registers[j])), profile.statistics.n_exact + 1), _n_present(profile, j))
    return {"value": n, "relative_error": RELATIVE_ERROR}


def _n_present(profile: TableProfile, j: int) -> int:
    return int(profile.statistics.n_present[j])


def _top(profile: TableProfile, j: int, values: ColumnValues, value: _Reader) -> list[dict[str, Any]]:
    """The most frequent values: each has at least `rows` and at most `at_most` rows."""
    counted = values.summary if values.summary.is_exact else values.frequent
    keys, counts, error = counted.keys, counted.counts, counted.error
    if len(counts) > N_TOP:  # among equals the least key
        least = np.partition(counts, len(counts) - N_TOP)[len(counts) - N_TOP]
        place = np.flatnonzero(counts >= least)
        keys, counts = keys[place], counts[place]
    entries = [{"value": value(key), "rows": n, "at_most": n + error} for key, n in zip(keys.tolist(), counts.tolist())]
    if profile.kinds[j] == TEXT:
        entries.sort(key=lambda entry: (-entry["rows"], entry["value"]))
    else:
        entries.sort(key=lambda entry: -entry["rows"])
    return entries[:N_TOP]


def _moments(profile: TableProfile, j: int, value: _Reader) -> dict[str, Any]:
    statistics = profile.statistics
    n = int(statistics.n_finite[j])
    mean, m2, m3, m4 = statistics.moments[j].tolist()
    center, scale = float(statistics.center[j]), float(statistics.scale[j])
    is_date = profile.kinds[j] == DATE
    found: dict[str, Any] = {}
    if not n:
        return found
    average = center + scale * mean
    found["mean"] = _written_date(average, MOMENT) if is_date else _finite(average)
    if n < 2:
        return found
    if statistics.extremes[j, 0] == statistics.extremes[j, 1]:
        return {**found, "mean": value(int(statistics.extremes[j, 0])), "sd": 0.0}
    found["sd"] = _finite(scale * math.sqrt(max(m2, 0.0) / (n - 1)))
    if m2 > 0 and m2 * m2 > 0:
        found["skew"] = _finite(math.sqrt(n) * m3 / m2**1.5)
        found["kurtosis"] = _finite(n * m4 / m2**2 - 3)
    return found


def _finite(value: float) -> float | None:
    """A number, None for one that no double holds."""
    return value if math.isfinite(value) else None


def _histogram(profile: TableProfile, j: int, summary: RankSummary) -> dict[str, Any] | None:
    """How many cells lie in each of at most N_BINS bins of equal width, and how many in none; None for one value."""
    statistics = profile.statistics
    is_whole = statistics.kinds[j] == WHOLE
    n_finite, below = int(statistics.n_finite[j]), int(statistics.cells[j, BELOW_ALL])
    if not n_finite:
        return None
    shares = np.array([0.0, *INNER, 1.0])
    keys = summary.at_ranks(below + np.maximum(np.ceil(shares * n_finite).astype(np.int64), 1))
    low, inner_low, inner_high, high = (keys.astype(float) if is_whole else values_of(keys)).tolist()
    if not statistics.cells[j, BELOW_ALL] and not statistics.cells[j, ABOVE_ALL]:
        ends = statistics.extremes[j]
        low, high = (ends.astype(float) if is_whole else values_of(ends)).tolist()
    if inner_high > inner_low and high - low > SQUEEZED * (inner_high - inner_low):
        low, high = inner_low, inner_high
    if not (low < high and math.isfinite(high - low)):
        return None
    if _type(profile, j) in (WHOLE_NUMBER, DAYS, TRUTH) and high - low < LARGEST_WHOLE:
        # As many whole numbers in each bin, or bars would differ by that.
        width = max(math.ceil((high - low + 1) / N_BINS), 1)
        edges = low - 0.5 + width * np.arange(math.ceil((high - low + 1) / width) + 1)
    else:
        edges = np.linspace(low, high, N_BINS + 1)
    ranks = summary.ranks(np.floor(edges).astype(np.int64) if is_whole else keys_of(edges))
    if edges[0] >= low:  # the first bin has its lower edge
        lowest = int(edges[0]) - 1 if is_whole else keys_of(np.array([np.nextafter(edges[0], -np.inf)]))[0]
        ranks[0] = summary.ranks(np.array([lowest]))[0]
    counts = np.diff(ranks)
    return {"edges": edges, "rows": counts, "outside": n_finite - int(counts.sum())}


def _correlations(profile: TableProfile) -> dict[str, Any] | None:
    """Pearson's, of each pair over the rows that have both."""
    statistics = profile.statistics
    if len(statistics.paired) < 2:
        return None
    matrix = correlations(statistics.pairs)
    return {
        "rows": "pairwise complete",
        "names": [profile.columns[j] for j in statistics.paired],
        "matrix": [[None if math.isnan(r) else r for r in row] for row in matrix.tolist()],
    }
