"""The words of the options that ask for new columns: `spend:1,7` and `amount:7,30d`."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass

from jobs.kernels.windows import COUNT, DIFFERENCE, LAG, MEAN, MICROSECONDS, ROWS

_UNITS = {"": (ROWS, 1), "h": (MICROSECONDS, 3_600_000_000), "d": (MICROSECONDS, 86_400_000_000)}
# Of rows a reducer remembers so many of each entity, and a century is a window.
MOST_ROWS, MOST_TIME = 1_000_000, 100 * 366 * 86_400_000_000


@dataclass(frozen=True)
class Asked:
    """A new column: its kind, the column it is of ("" for a count), its size in rows or microseconds, and as written."""

    kind: str
    column: str
    size: int
    unit: str
    written: str

    @property
    def name(self) -> str:
        """What it is called."""
        return " ".join(filter(None, (self.column, self.kind, self.written)))


def lags(text: str) -> list[Asked]:
    """NAME:K,...: the cells K rows before."""
    return _of_column(LAG, text)


def differences(text: str) -> list[Asked]:
    """NAME:K,...: from the cells K rows before."""
    return _of_column(DIFFERENCE, text)


def means(text: str) -> list[Asked]:
    """NAME:W,...: of windows of W rows, Wd days or Wh hours."""
    return _of_column(MEAN, text, windows=True)


def counts(text: str) -> list[Asked]:
    """W,...: of the rows of such windows."""
    return [_asked(COUNT, "", word, windows=True) for word in text.split(",")]


def _of_column(kind: str, text: str, windows: bool = False) -> list[Asked]:
    column, colon, sizes = text.rpartition(":")
    if not colon or not column.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:{'W' if windows else 'K'}, as in spend:7")
    return [_asked(kind, column.strip(), word, windows) for word in sizes.split(",")]


def _asked(kind: str, column: str, word: str, windows: bool) -> Asked:
    found = re.fullmatch(r"(\d{1,9})([dh]?)" if windows else r"(\d{1,9})()", word.strip(), re.ASCII)
    if not found or not int(found[1]):
        what = "rows, or of days or hours as in 30d and 12h" if windows else "rows"
        raise argparse.ArgumentTypeError(f"{word!r} is not a number of {what}")
    unit, scale = _UNITS[found[2]]
    size = int(found[1]) * scale
    if size > (MOST_ROWS if unit == ROWS else MOST_TIME):
        raise argparse.ArgumentTypeError(f"{word!r} is too far back; windows have up to {MOST_ROWS:,} rows, or a century")
    return Asked(kind, column, size, unit, f"{int(found[1])}{found[2]}")
