"""Missing cells filled with what the training rows say: scikit-learn's SimpleImputer, with an indicator if asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np

from jobs.errors import BadRecord
from jobs.recipe.frame import MISSING_LEVEL, Frame, either
from jobs.recipe.step import Step, one_of

MEAN, MEDIAN, MOST_FREQUENT, CONSTANT = "mean", "median", "most-frequent", "constant"
STRATEGIES = (MEAN, MEDIAN, MOST_FREQUENT, CONSTANT)


@dataclass
class Impute(Step):
    """Fills the missing cells of each column with one value.

    strategy: mean, median, most-frequent (of equals the least), constant; values: of each column a number, or a text of one
    of texts; a constant that was no category becomes one. indicator: of the columns that have a missing cell in training,
    `indicated`, a column "NAME missing" tells with 1 where a cell was missing and with 0 where it was not.
    """

    word = "impute"

    strategy: str = MEDIAN
    indicator: bool = False
    values: dict = field(default_factory=dict)
    indicated: Optional[list[str]] = None  # noqa: UP045  (evaluated on Python 3.9)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("the strategy of impute", self.strategy, STRATEGIES)
        for value in self.values.values():
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < np.inf
            if not is_number and not isinstance(value, str):
                raise BadRecord(f"impute fills with finite numbers and texts, not with {value!r}")

    @property
    def is_learned(self) -> bool:
        return set(self.values) == set(self.columns) and not (self.indicator and self.indicated is None)

    def features(self, before: list[str]) -> list[str]:
        return [*before, *(indicator_name(name) for name in self.indicated or [])]

    def apply(self, frame: Frame) -> None:
        for name in self.columns:
            absent = (self._fill_levels if frame.has_levels(name) else self._fill_numbers)(frame, name, self.values[name])
            frame.filled = either(frame.filled, absent)
            if name in (self.indicated or []):
                frame.put(indicator_name(name), absent.astype(float))

    def _fill_numbers(self, frame: Frame, name: str, value: Any) -> np.ndarray:
        values = frame.numbers(name)
        absent = np.isnan(values)
        if absent.any():
            frame.put(name, np.where(absent, float(value), values))
        return absent

    def _fill_levels(self, frame: Frame, name: str, value: Any) -> np.ndarray:
        levels, categories = frame.levels(name)
        categories, level = self._with(name, categories, str(value))
        absent = levels == MISSING_LEVEL
        frame.put(name, np.where(absent, level, levels) if absent.any() else levels, categories)
        return absent

    def _with(self, name: str, categories: list[str], value: str) -> tuple[list[str], int]:
        """The categories with a value among them, and its level: the same list whenever asked, by which later steps know
        it."""
        known: dict[str, tuple[list[str], list[str], int]] = self.__dict__.setdefault("_categories", {})
        if name not in known or known[name][0] is not categories:
            more = categories if value in categories else [*categories, value]
            known[name] = categories, more, more.index(value)
        return known[name][1:]


def indicator_name(name: str) -> str:
    """What the column is called that tells where cells were missing."""
    return f"{name} missing"
