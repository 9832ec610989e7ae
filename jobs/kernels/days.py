"""Moments as blocks hold them, days since 1970-01-01 00:00 as doubles, in the microseconds in which they are read."""

from __future__ import annotations

import numpy as np

MICROSECONDS_A_DAY = 86_400_000_000
_A_SECOND = 1_000_000
# Up to here, 90 years from 1970, the product of days and this is within half a microsecond of what it was made of: days are
# rounded by 0.16 microseconds at most, the product by 0.25.
_NEAR = 2**15
# Up to here, 285 years from 1970, a number of microseconds is a double, rounded once when it becomes days; beyond, twice.
_ROUNDED_ONCE = 2**53 / MICROSECONDS_A_DAY


def microseconds_of(days: np.ndarray) -> np.ndarray:
    """Microseconds since 1970-01-01 00:00, (n,), int64: those that the days were made of, up to 2^16 days from there.

    Beyond, in 1790 and 2149, doubles are more than a microsecond apart: there a moment that is as near to a whole second as
    they can tell is that second, so seconds, minutes and days are right at any distance.

    :param days: (n,), finite and less than 1e8 from 0
    """
    if not np.any(np.abs(days) >= _NEAR):  # a quarter of the time of what follows
        return np.round(days * MICROSECONDS_A_DAY).astype(np.int64)
    whole = np.floor(days)
    # The fraction alone: the product of all of it with so large a number would be rounded.
    microseconds = np.round((days - whole) * MICROSECONDS_A_DAY)
    roundings = np.where(np.abs(days) < _ROUNDED_ONCE, 0.5, 1.0)
    unsure = np.floor(np.abs(np.spacing(days)) * MICROSECONDS_A_DAY * roundings + 0.5)
    seconds = np.round(microseconds / _A_SECOND) * _A_SECOND
    microseconds = np.where(np.abs(microseconds - seconds) <= unsure, seconds, microseconds)
    return whole.astype(np.int64) * MICROSECONDS_A_DAY + microseconds.astype(np.int64)
