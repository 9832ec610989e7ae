"""What the options of drivers take: from the text of an option to its value, as argparse calls it, and lists back to text.

A text that is no such value is an argparse.ArgumentTypeError.
"""

from __future__ import annotations

import argparse
import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable
from typing import Any


def items(text: str) -> list[str]:
    """An option's items between commas; one in double quotes may hold commas, and quotes as two, as a cell of CSV does."""
    try:
        return next(csv.reader([text], skipinitialspace=True)) or [""]
    except csv.Error:
        raise argparse.ArgumentTypeError(f"{text!r}: put a name with a line end in double quotes") from None


def names(text: str) -> list[str]:
    """An option's list of names; blanks around them do not count."""
    return [name.strip() for name in items(text)]


def as_items(values: Iterable[Any]) -> str:
    """The text of which `items` gives these values, as texts."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([str(value) for value in values])
    return text.getvalue().removesuffix("\r\n")


def natural(text: str) -> int:
    """A whole number that is not negative."""
    if not re.fullmatch(r"[+-]?\d+", text.strip(), re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number")
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return value


def at_least_one(text: str) -> int:
    """A whole number of 1 or more."""
    value = natural(text)
    if not value:
        raise argparse.ArgumentTypeError("it must be 1 or more")
    return value


def positive(text: str) -> float:
    """A finite number above zero."""
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number above zero")
    return value


def not_negative(text: str) -> float:
    """A finite number that is zero or more."""
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a finite number of zero or more")
    return value


def unit(text: str) -> float:
    """A number from 0 to 1, both included."""
    value = _number(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to 1")
    return value


def share(text: str) -> float:
    """A number between 0 and 1."""
    value = _number(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def list_of(convert: Callable[[str], Any]) -> Callable[[str], list[Any]]:
    """An option's list of values separated by commas."""
    return lambda text: [convert(item) for item in text.split(",")]


def delimiter(text: str) -> str:
    """One character, or \\t for a tab."""
    text = {"\\t": "\t", "tab": "\t"}.get(text, text)
    if len(text) != 1 or not text.isascii() or text in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} is not one ASCII character other than a quote or a line end")
    return text


def encoding(text: str) -> str:
    """The name of a text encoding that Python knows."""
    try:
        io.TextIOWrapper(io.BytesIO(), text)  # refuses a codec that is none of text, such as base64
        return codecs.lookup(text).name
    except (LookupError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is no encoding that is known; latin-1 and utf-16 are some") from None
