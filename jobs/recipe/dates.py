"""The parts of dates, each a column of numbers in place of the date's."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels.days import MICROSECONDS_A_DAY, microseconds_of
from jobs.recipe.frame import Frame
from jobs.recipe.step import Step, inserted, one_of

YEAR, QUARTER, MONTH, DAY, WEEKDAY, WEEKEND, DAY_OF_YEAR, HOUR, MINUTE, DAYS = PARTS = (
    "year", "quarter", "month", "day", "weekday", "weekend", "day-of-year", "hour", "minute", "days",
)  # fmt: skip
_MICROSECONDS_A_MINUTE = 60_000_000
# In days since 1970: beyond these, microseconds are no 64-bit numbers.
_REACH = 1e8


@dataclass
class DateParts(Step):
    """parts: year, quarter, month, day (1 for the first), weekday (0 Monday), weekend (1 on Saturday and Sunday),
    day-of-year, hour, minute, days (since 1970-01-01, with the time of day as a fraction), each a column "NAME part"."""

    word = "dates"
    of_levels = False

    parts: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        for part in self.parts:
            one_of("a part of a date", part, PARTS)
        if len(set(self.parts)) < len(self.parts):
            raise BadRecord("the parts of dates name one twice")

    def features(self, before: list[str]) -> list[str]:
        for name in self.columns:
            before = inserted(before, name, [part_name(name, part) for part in self.parts])
        return before

    def apply(self, frame: Frame) -> None:
        for name in self.columns:
            days = frame.numbers(name)
            with np.errstate(invalid="ignore"):
                absent = ~(np.abs(days) < _REACH)
            present = np.where(absent, 0.0, days)
            any_absent = bool(absent.any())
            for part in self.parts:
                values = part_of(present, part)
                frame.put(part_name(name, part), np.where(absent, np.nan, values) if any_absent else values)


def part_name(name: str, part: str) -> str:
    """What the column of a part is called."""
    return f"{name} {part}"


def part_of(days: np.ndarray, part: str) -> np.ndarray:
    """A part of some moments, in days since 1970-01-01 00:00; shape (n,), float."""
    if part == DAYS:
        return days
    # Not in coarser units, or the last microsecond before midnight would be the day after.
    moments = microseconds_of(days)
    whole = moments // MICROSECONDS_A_DAY
    if part in (HOUR, MINUTE):
        minutes = (moments - whole * MICROSECONDS_A_DAY) // _MICROSECONDS_A_MINUTE
        return (minutes // 60 if part == HOUR else minutes % 60).astype(float)
    weekday = (whole + 3) % 7  # 1970-01-01 was a Thursday
    if part in (WEEKDAY, WEEKEND):
        return (weekday if part == WEEKDAY else weekday >= 5).astype(float)
    dates = whole.astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    month = months.astype(np.int64) % 12
    found = {
        YEAR: lambda: months.astype("datetime64[Y]").astype(np.int64) + 1970,
        QUARTER: lambda: month // 3 + 1,
        MONTH: lambda: month + 1,
        DAY: lambda: (dates - months).astype(np.int64) + 1,
        DAY_OF_YEAR: lambda: (dates - dates.astype("datetime64[Y]")).astype(np.int64) + 1,
    }
    values: np.ndarray = found[part]()
    return values.astype(float)
