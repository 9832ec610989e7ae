"""The command line of the programs about one polynomial, which read no data."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from drivers.calculus.polynomials import WAYS_TO_WRITE, Polynomial
from drivers.options import Formatter, Parser
from jobs.errors import ScanError

# Whose values may begin with a minus, which argparse takes for that of an option.
SIGNED = ("--polynomial", "--start", "--domain")


def build_parser(description: str | None, polynomial: str) -> Parser:
    """A parser with the polynomial and the options of a run; a program adds its own."""
    parser = Parser(description=description, formatter_class=Formatter, allow_abbrev=False)
    parser.add_argument(
        "--polynomial", type=not_constant, default=polynomial, metavar="TEXT", help=f"the function: {WAYS_TO_WRITE}"
    )
    run = parser.add_argument_group("run")
    run.add_argument("--run-dir", metavar="DIR", help="the run's own new directory; Default: runs/<name>-<time>")
    run.add_argument(
        "--report", action=argparse.BooleanOptionalAction, default=True, help="write report.html and its pictures"
    )
    run.add_argument("--json", action="store_true", help="print the result as JSON instead of a table")
    run.add_argument("-q", "--quiet", action="store_true", help="print nothing but the result")
    run.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(resume=None, runner=None)
    return parser


def with_signs(argv: Sequence[str]) -> list[str]:
    """The words with a value such as -6,6 joined to its option."""
    found: list[str] = []
    for word in argv:
        if found and found[-1] in SIGNED and word.startswith("-") and not word.startswith("--"):
            found[-1] += f"={word}"
        else:
            found.append(word)
    return found


def not_constant(text: str) -> Polynomial:
    """A polynomial of degree one or more."""
    try:
        found = Polynomial.parse(text)
    except ScanError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if found.degree < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is constant; {WAYS_TO_WRITE}")
    return found


def finite(text: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text} is not finite")
    return value


def interval(text: str) -> tuple[float, float]:
    """The two ends of a closed interval, separated by a comma."""
    ends = [finite(end) for end in text.split(",")]
    if len(ends) != 2 or not ends[0] < ends[1]:
        raise argparse.ArgumentTypeError(f"{text!r} is no interval; write its left and its right end, as -6,6")
    return ends[0], ends[1]
