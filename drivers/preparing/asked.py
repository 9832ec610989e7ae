"""What is asked of the columns of a table, and the steps that this takes, in the one order that they are taken in.

outliers -> missing cells -> dates -> transforms -> bins -> rare texts -> texts to numbers -> products -> scales
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from drivers.packing.cache import Pack
from drivers.packing.kinds import DATE, DAY_TYPE, TEXT, is_number
from drivers.packing.locate import first_row_where, place_of_row
from drivers.wording import listed
from drivers.written_dates import ISO, days_of
from jobs.errors import ScanError
from jobs.recipe.bins import Bins
from jobs.recipe.categories import Levels, OneHot, Ordinal, TargetEncode
from jobs.recipe.dates import DAY, DAYS, HOUR, MONTH, WEEKDAY, YEAR, DateParts, part_name, part_of
from jobs.recipe.missing import CONSTANT, Impute
from jobs.recipe.numeric import ASINH, FUNCTIONS, LOG1P, Interactions, Scale, Transform, product_name
from jobs.recipe.outliers import FLAG, Outliers
from jobs.recipe.step import Step

TREATMENT, ONE_HOT, ORDINAL, TARGET = "treatment", "one-hot", "ordinal", "target"
CODINGS = (TREATMENT, ONE_HOT, ORDINAL, TARGET)
NOTHING = "none"


@dataclass
class Choice:
    """A word for each column that is named, and one for all others: None where they have none."""

    every: str | None = None
    by_name: dict[str, str] = field(default_factory=dict)

    def of(self, name: str) -> str | None:
        """The word for a column, None for none."""
        word = self.by_name.get(name, self.every)
        return None if word == NOTHING else word

    @property
    def is_given(self) -> bool:
        """Whether there is a word for any column."""
        return self.every is not None or bool(self.by_name)


@dataclass
class Asked:
    """The words are those of drivers/preparing/options.py. smooth, n_folds, seed: of target encodings; formats: how the
    dates of columns of text are written; terms: products, a list of names each."""

    dates: Choice = field(default_factory=Choice)
    formats: dict[str, list[str]] = field(default_factory=dict)
    outliers: Choice = field(default_factory=Choice)
    impute: Choice = field(default_factory=Choice)
    indicators: bool = False
    transform: Choice = field(default_factory=Choice)
    bins: Choice = field(default_factory=Choice)
    min_frequency: Choice = field(default_factory=Choice)
    max_categories: Choice = field(default_factory=Choice)
    encode: Choice = field(default_factory=Choice)
    smooth: float | None = None
    n_folds: int = 5
    seed: int = 0
    terms: list[list[str]] = field(default_factory=list)
    scale: Choice = field(default_factory=Choice)

    @property
    def is_given(self) -> bool:
        """Whether anything is asked."""
        return any(choice.is_given for choice in self._choices()) or bool(self.formats or self.terms or self.indicators)

    def names(self) -> set[str]:
        """All columns that are named, some of which may be made by a step."""
        by_choice = {name for choice in self._choices() for name in choice.by_name}
        return {*self.formats, *by_choice, *(name for term in self.terms for name in term)}

    def _choices(self) -> list[Choice]:
        return [value for value in vars(self).values() if isinstance(value, Choice)]

    def steps(self, features: list[str], pack: Pack, classes: list[str]) -> list[Step]:
        """The steps for these columns of a table, none of them learned yet.

        :param classes: those of the target, none where it is a number
        :raises BadRecord: a word that a step does not know
        :raises ScanError: a word for a column that its step is not of
        """
        kinds = {name: pack.manifest.kind(name) for name in features}
        dates = [name for name in features if name in self.formats or kinds[name] == DATE]
        texts = [name for name in features if kinds[name] == TEXT and name not in self.formats]
        numbers = [name for name in features if name not in dates and name not in texts]
        steps: list[Step] = [_outliers(word, names) for word, names in _grouped(numbers, self.outliers, "outliers")]
        for word, names in _grouped(features, self.impute, "impute"):
            steps.append(_impute(word, names, self.indicators, texts, dates))
        _grouped(dates, self.dates, "dates")
        for name in dates:
            parts = self._parts(name, pack)
            steps.append(DateParts([name], parts))
            numbers += [part_name(name, part) for part in parts]
        clipped = {name for step in steps if isinstance(step, Outliers) for name in step.columns}
        for word, names in _grouped(numbers, self.transform, "transform"):
            _check_defined(word, [name for name in names if name in kinds and name not in clipped], pack)
            steps.append(Transform(names, word))
        steps += [_bins(word, names) for word, names in _grouped(numbers, self.bins, "bins")]
        binned = [name for name in numbers if self.bins.of(name)]
        numbers = [name for name in numbers if name not in binned]
        steps += self._rare(texts)
        for word, names in _grouped([*texts, *binned], self.encode, "encode"):
            if word == ONE_HOT:
                steps.append(OneHot(names))
            elif word == ORDINAL:
                steps.append(Ordinal(names))
                numbers += names
            elif word == TARGET:
                encode = TargetEncode(names, self.smooth, self.n_folds, self.seed, classes)
                steps.append(encode)
                numbers += [made for name in names for made in encode.names(name)]
        if self.terms:
            steps.append(Interactions(list(dict.fromkeys(name for term in self.terms for name in term)), self.terms))
            numbers += map(product_name, self.terms)
        steps += [Scale(names, word) for word, names in _grouped(numbers, self.scale, "scale")]
        return steps

    def _rare(self, texts: list[str]) -> list[Levels]:
        """The steps that group rare texts, one for each pair of bounds."""
        least = {name: word for word, names in _grouped(texts, self.min_frequency, "min-frequency") for name in names}
        most = {name: word for word, names in _grouped(texts, self.max_categories, "max-categories") for name in names}
        by_bounds: dict[tuple[float, int], list[str]] = defaultdict(list)
        for name in texts:
            if name in least or name in most:
                by_bounds[float(least.get(name, 0)), int(most.get(name, 0))].append(name)
        return [
            Levels(names, *((0, rows) if 0 < rows < 1 else (math.ceil(rows), 0.0)), n)
            for (rows, n), names in by_bounds.items()
        ]

    def _parts(self, name: str, pack: Pack) -> list[str]:
        word = self.dates.of(name)
        return word.split(":") if word not in (None, "parts") else parts_that_differ(*_reach(name, self.formats, pack))


def _grouped(names: list[str], choice: Choice, option: str) -> list[tuple[str, list[str]]]:
    """The columns that have a word, by it.

    :raises ScanError: a word for a column that the option is not of
    """
    if choice.every not in (None, NOTHING) and not names:
        raise ScanError(f"--{option}: there is no column that it could be of")
    for name in choice.by_name:
        if name not in names:
            there = f"it is of {listed(names)}" if names else "there is no column that it could be of"
            raise ScanError(f"--{option} is not of the column {name!r}; {there}")
    found: dict[str, list[str]] = defaultdict(list)
    for name in names:
        word = choice.of(name)
        if word is not None:
            found[word].append(name)
    return list(found.items())


def _outliers(word: str, names: list[str]) -> Outliers:
    """METHOD, METHOD:ACTION, METHOD:THRESHOLD or METHOD:THRESHOLD:ACTION."""
    method, *rest = word.split(":")
    threshold = float(rest.pop(0)) if rest and is_number(rest[0]) else None
    return Outliers(names, method, rest[0] if rest else FLAG, threshold)


def _impute(word: str, names: list[str], indicator: bool, texts: list[str], dates: list[str]) -> Impute:
    """STRATEGY, or constant:VALUE.

    :raises ScanError: a value that is none of its column
    """
    strategy, _, value = word.partition(":")
    if strategy != CONSTANT:
        return Impute(names, strategy, indicator)
    values: dict[str, float | str] = {}
    for name in names:
        number = days_of([value], [ISO])[0] if name in dates else float(value) if is_number(value) else math.nan
        if name not in texts and not math.isfinite(number):
            kind = "a date like 2024-03-01" if name in dates else "a finite number"
            raise ScanError(f"--impute: {value!r} is not {kind}, and cannot fill the column {name!r}")
        values[name] = value if name in texts else float(number)
    # Whatever is filled with a constant of its own can be told from the rest.
    return Impute(names, strategy, False, values)


def _check_defined(function: str, names: list[str], pack: Pack) -> None:
    """:raises ScanError: a column of the table with a cell that a function is not defined for"""
    bound, itself = FUNCTIONS[function]
    for name in names:
        least = float(pack.manifest.minima[pack.manifest.index(name)])
        if least < bound or (least == bound and not itself):
            found = first_row_where(pack, name, partial(np.equal, least))
            where = f"{place_of_row(pack, found[0])}, " if found else ""
            others = " or ".join(other for other in (LOG1P, ASINH) if least > FUNCTIONS[other][0])
            raise ScanError(
                f"{where}column {name!r}: {function} is not defined for {least:g}; take --transform {name}={others}, or "
                "clip the column with --outliers"
            )


def _bins(word: str, names: list[str]) -> Bins:
    """NUMBER, or NUMBER:STRATEGY."""
    n_bins, _, strategy = word.partition(":")
    return Bins(names, int(n_bins), strategy) if strategy else Bins(names, int(n_bins))


def parts_that_differ(first: float, last: float, has_times: bool) -> list[str]:
    """Year, month, weekday and hour where they differ, the day where it is all that does, else how many days have passed.

    :param first, last: the first and the last date, in days since 1970
    """
    ends = np.array([first, last])

    def differs(part: str) -> bool:
        a, b = part_of(ends, part).tolist()
        return bool(a != b)

    parts = [YEAR] if differs(YEAR) else []
    parts += [MONTH] if parts or differs(MONTH) else [DAY] if differs(DAY) else []
    parts += [WEEKDAY] if last - first >= 1 else []
    parts += [HOUR] if has_times else []
    return parts or [DAYS]


def _reach(name: str, formats: dict[str, list[str]], pack: Pack) -> tuple[float, float, bool]:
    """The first and the last date of a column, 0 where there is none, and whether they have a time of day."""
    if name in formats:
        days = days_of(pack.texts[name], formats[name])
        days = days[~np.isnan(days)]
        return (days.min(), days.max(), bool(np.any(days % 1))) if len(days) else (0.0, 0.0, False)
    j = pack.manifest.index(name)
    first, last = np.nan_to_num([pack.manifest.minima[j], pack.manifest.maxima[j]]).tolist()
    return first, last, pack.manifest.types()[name] != DAY_TYPE
