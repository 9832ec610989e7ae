"""Spans of time as people write them: 60m, 1h30m, 3600s, 2d."""

from __future__ import annotations

import re

from jobs.errors import ScanError

UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
FORM = re.compile("".join(rf"(?:(\d+){unit})?" for unit in UNITS), re.ASCII)


def parse_duration(text: str) -> int:
    """Seconds.

    :raises ScanError: a number without a unit, or what is no span of time at all
    """
    words = text.strip()
    if re.fullmatch(r"\d+", words, re.ASCII):
        raise ScanError(f"{words} has no unit; write {words}s, {words}m or {words}h")
    match = FORM.fullmatch(words)
    if match is None or not words:
        raise ScanError(f"{text!r} is no span of time; write 90s, 60m, 1h30m or 2d")
    return sum(int(number or 0) * seconds for number, seconds in zip(match.groups(), UNITS.values()))


def show_duration(seconds: float) -> str:
    """The same in as few units as say it exactly, fractions of a second left out."""
    left, words = int(seconds), ""
    for unit, size in UNITS.items():
        number, left = divmod(left, size)
        words += f"{number}{unit}" if number else ""
    return words or "0s"
