"""Dates as people write them, in a column of text: 31/01/2024 in one row and 2024-01-31 in another."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta, timezone

import numpy as np

from jobs.kernels.days import MICROSECONDS_A_DAY

ISO = "iso"
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def days_of(texts: Sequence[str], formats: Sequence[str]) -> np.ndarray:
    """Days since 1970-01-01 00:00 of each text by the first format that it is written in, NaN for none; (n,).

    :param formats: as datetime.strptime has them, or "iso" for what ISO 8601 has
    """
    return np.array([_days(text, formats) for text in texts], dtype=float)


def is_format(written: str) -> bool:
    """Whether dates can be read that are written so."""
    try:
        return written == ISO or datetime.strptime(_EPOCH.strftime(written), written).year == _EPOCH.year
    except (ValueError, re.error):
        return False


def microseconds_of(text: str, written: str = ISO) -> int:
    """Microseconds since 1970-01-01 00:00, in UTC where a text names no zone.

    :raises ValueError: a text that is written otherwise
    """
    moment = datetime.fromisoformat(text.strip()) if written == ISO else datetime.strptime(text.strip(), written)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def _days(text: str, formats: Sequence[str]) -> float:
    for written in formats:
        with suppress(ValueError):
            # Of whole microseconds, by which columns of dates are read: the same moment has the same bits.
            return microseconds_of(text, written) / MICROSECONDS_A_DAY
    return float("nan")
