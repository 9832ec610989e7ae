"""Cells far from the rest: flagged, clipped, or their rows left out of training.

z     mean -+ threshold sd, sd with 1 / n
mad   median -+ threshold 1.4826 MAD, MAD the median of |x - median| (Hampel, J. Am. Stat. Assoc. 69, 1974)
iqr   first quartile - threshold IQR to third quartile + threshold IQR (Tukey, *Exploratory Data Analysis*, 1977)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from jobs.errors import BadRecord
from jobs.recipe.frame import Frame, either
from jobs.recipe.step import Step, floats, one_of

Z, MAD, IQR = "z", "mad", "iqr"
METHODS = {Z: 3.0, MAD: 3.5, IQR: 1.5}  # with the threshold where none is said
# By which the median of absolute deviations of normal cells is their standard deviation.
MAD_TO_SD = 1.482602218505602
FLAG, CLIP, DROP = "flag", "clip", "drop"
ACTIONS = (FLAG, CLIP, DROP)


@dataclass
class Outliers(Step):
    """What lies outside of [low, high] of each column.

    action: flag adds a column "NAME outlier" of 0 and 1; clip puts a cell on the bound it is beyond; drop leaves the row
    out of training, and no row that is scored. threshold: None for the method's own.
    """

    word = "outliers"
    of_levels = False

    method: str = IQR
    action: str = FLAG
    threshold: Optional[float] = None  # noqa: UP045  (evaluated on Python 3.9)
    low: dict = field(default_factory=dict)
    high: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("the method of outliers", self.method, tuple(METHODS))
        one_of("the action of outliers", self.action, ACTIONS)
        if self.threshold is not None and not 0 < float(self.threshold) < np.inf:
            raise BadRecord(f"the threshold of outliers is a number above zero, not {self.threshold!r}")
        self.low, self.high = floats(self.low), floats(self.high)
        for name in set(self.low) & set(self.high):
            if not -np.inf < self.low[name] <= self.high[name] < np.inf:
                raise BadRecord(f"the bounds of outliers are from {self.low[name]} to {self.high[name]}")

    @property
    def is_learned(self) -> bool:
        return set(self.low) == set(self.high) == set(self.columns)

    @property
    def reach(self) -> float:
        """How many of the method's units a cell may be away."""
        return METHODS[self.method] if self.threshold is None else float(self.threshold)

    def features(self, before: list[str]) -> list[str]:
        return [*before, *(flag_name(name) for name in self.columns)] if self.action == FLAG else before

    def apply(self, frame: Frame) -> None:
        for name in self.columns:
            values, low, high = frame.numbers(name), self.low[name], self.high[name]
            if self.action == CLIP:
                frame.put(name, np.clip(values, low, high))  # what is missing stays so
                continue
            with np.errstate(invalid="ignore"):
                outside = (values < low) | (values > high)
            if self.action == FLAG:
                frame.put(flag_name(name), outside.astype(float))
            else:
                frame.dropped = either(frame.dropped, outside)

    @property
    def is_of_training_alone(self) -> bool:
        return self.action == DROP


def flag_name(name: str) -> str:
    """What the column is called that tells where cells lie outside."""
    return f"{name} outlier"
