"""What each kind of step learns from the facts of its columns."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from drivers.preparing.column_facts import ColumnFacts
from jobs.errors import ScanError
from jobs.recipe.bins import QUANTILE, Bins
from jobs.recipe.categories import OTHER, Levels
from jobs.recipe.missing import CONSTANT, MEAN, MEDIAN, MOST_FREQUENT, Impute
from jobs.recipe.numeric import MAX_ABS, MIN_MAX, ROBUST, STANDARD, Scale
from jobs.recipe.outliers import IQR, MAD_TO_SD, Outliers, Z
from jobs.recipe.step import Step

Facts = dict[str, ColumnFacts]
Lesson = Callable[[Any, Facts, dict[str, list[str]]], Step]

# What fills a column of numbers, and the centre and the scale of one, by the word of their steps.
FILLS: dict[str, Callable[[ColumnFacts], float]] = {
    MEAN: lambda found: found.mean,
    MEDIAN: lambda found: found.quantile(0.5),
    MOST_FREQUENT: lambda found: found.most_frequent,
}
CENTERS_AND_SCALES: dict[str, Callable[[ColumnFacts], tuple[float, float]]] = {
    STANDARD: lambda found: (found.mean, found.sd),
    MIN_MAX: lambda found: (found.least, found.largest - found.least),
    MAX_ABS: lambda found: (0.0, max(abs(found.least), abs(found.largest))),
    ROBUST: lambda found: (found.quantile(0.5), found.quantile(0.75) - found.quantile(0.25)),
}


def _impute(step: Impute, facts: Facts, categories: dict[str, list[str]]) -> Impute:
    values: dict[str, Any] = {}
    for name, found in facts.items():
        if name in step.values:
            values[name] = step.values[name]
        elif step.strategy == CONSTANT:
            raise ScanError(f"the step impute fills {name!r} with a constant, and does not say which")
        elif name in categories:  # of which there is neither mean nor median
            values[name] = categories[name][int(found.most_frequent)]
        else:
            values[name] = FILLS[step.strategy](found)
    indicated = [name for name, found in facts.items() if found.n_missing] if step.indicator else None
    return dataclasses.replace(step, values=values, indicated=indicated)


def _outliers(step: Outliers, facts: Facts, _: dict[str, list[str]]) -> Outliers:
    low, high = {}, {}
    for name, found in facts.items():
        if step.method == IQR:
            first, third = found.quantile(0.25), found.quantile(0.75)
            away = step.reach * (third - first)
        elif step.method == Z:
            first = third = found.mean
            away = step.reach * found.sd
        else:
            first = third = found.quantile(0.5)
            away = step.reach * MAD_TO_SD * found.median_deviation
        low[name], high[name] = first - away, third + away
    return dataclasses.replace(step, low=low, high=high)


def _scale(step: Scale, facts: Facts, _: dict[str, list[str]]) -> Scale:
    learned = {name: CENTERS_AND_SCALES[step.method](found) for name, found in facts.items()}
    centers = {name: center for name, (center, _) in learned.items()}
    return dataclasses.replace(step, centers=centers, scales={name: scale or 1.0 for name, (_, scale) in learned.items()})


def _bins(step: Bins, facts: Facts, _: dict[str, list[str]]) -> Bins:
    edges = {}
    for name, found in facts.items():
        shares = np.arange(1, step.n_bins) / step.n_bins
        if step.strategy == QUANTILE:
            inner = np.array([found.quantile(share) for share in shares.tolist()])
        else:
            inner = found.least + shares * (found.largest - found.least)
        inner = np.unique(inner)
        edges[name] = inner[(inner > found.least) & (inner <= found.largest)]
    return dataclasses.replace(step, edges=edges)


def _levels(step: Levels, facts: Facts, categories: dict[str, list[str]]) -> Levels:
    kept = {}
    for name, found in facts.items():
        texts = categories[name]
        rows = found.level_rows(len(texts))
        least = max(step.min_rows, step.min_share * rows.sum(), 1)
        # The most frequent first, of equals the first by name.
        order = np.argsort(-rows, kind="stable")
        frequent = [level for level in order.tolist() if rows[level] >= least and texts[level] != OTHER]
        is_rare = len(frequent) < len(texts)
        if step.most and len(frequent) + is_rare > step.most:
            frequent, is_rare = frequent[: step.most - 1], True
        kept[name] = [texts[level] for level in sorted(frequent)] + ([OTHER] if is_rare else [])
    return dataclasses.replace(step, kept=kept)


def needs_values(step: Step) -> bool:
    """Whether a step learns of the values of its columns, by number or by rank, not of their extremes and moments alone."""
    if isinstance(step, Impute):
        return step.strategy in (MEDIAN, MOST_FREQUENT)
    if isinstance(step, Outliers):
        return step.method != Z
    if isinstance(step, Scale):
        return step.method == ROBUST
    return not isinstance(step, Bins) or step.strategy == QUANTILE


LESSONS: dict[type[Step], Lesson] = {Impute: _impute, Outliers: _outliers, Scale: _scale, Bins: _bins, Levels: _levels}
