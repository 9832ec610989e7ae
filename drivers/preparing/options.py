"""The options that ask for a recipe: --recipe, which names a file of one, or a few words a step."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from drivers.app import UsageError
from drivers.option_values import list_of, names, natural, not_negative
from drivers.preparing.asked import CODINGS, NOTHING, TARGET, Asked, Choice
from drivers.preparing.recipe_file import RecipeFile
from drivers.written_dates import is_format
from jobs.errors import ScanError
from jobs.kernels.folds import MOST_FOLDS
from jobs.recipe.bins import STRATEGIES as BIN_STRATEGIES
from jobs.recipe.dates import PARTS
from jobs.recipe.missing import CONSTANT, STRATEGIES
from jobs.recipe.numeric import FUNCTIONS, SCALES
from jobs.recipe.outliers import ACTIONS, METHODS

STEP_OPTIONS = (
    "dates", "date_formats", "outliers", "impute", "indicators", "transform", "bins", "min_frequency", "max_categories",
    "encode", "smooth", "polynomial", "interactions", "scale",
)  # fmt: skip


def add_recipe_options(parser: argparse.ArgumentParser, reads: bool = True) -> None:
    """The steps, and --recipe where one is read."""
    group = parser.add_argument_group(
        "recipe", "what becomes of the columns, in this order; a word for all columns, NAME=WORD for one, none for nothing"
    )
    if reads:
        group.add_argument("--recipe", type=recipe_file, metavar="FILE", help="one that drivers/prepare.py has made")
    parser.set_defaults(recipe=None)
    group.add_argument(
        "--date-formats", type=formats, metavar="NAME=F|F,...",
        help="how the dates of a column of text are written: iso|%%d/%%m/%%Y",
    )  # fmt: skip
    group.add_argument(
        "--dates", type=choice(_is_parts), metavar="WORDS",
        help=f"parts, or some of them: {':'.join(PARTS)}",
    )  # fmt: skip
    group.add_argument(
        "--outliers", type=choice(_is_outliers), metavar="WORDS",
        help=f"{'|'.join(METHODS)}[:THRESHOLD][:{'|'.join(ACTIONS)}]",
    )  # fmt: skip
    group.add_argument(
        "--impute", type=choice(_is_impute), metavar="WORDS",
        help=f"{'|'.join(STRATEGIES)}, as in median,city=constant:unknown",
    )  # fmt: skip
    group.add_argument("--indicators", action="store_true", help="and a column that tells where a cell was missing")
    group.add_argument("--transform", type=choice(_among(FUNCTIONS)), metavar="NAME=WORD,...", help="|".join(FUNCTIONS))
    group.add_argument("--bins", type=choice(_is_bins), metavar="NAME=N,...", help=f"N or N:{'|'.join(BIN_STRATEGIES)}")
    group.add_argument(
        "--min-frequency", type=choice(_is_frequency), metavar="WORDS",
        help='N: texts of fewer rows, or of a smaller share of them, become one, "(other)", and so do unknown ones',
    )  # fmt: skip
    group.add_argument(
        "--max-categories",
        type=choice(_is_number_of_levels),
        metavar="WORDS",
        help="N: likewise with more texts than these",
    )
    group.add_argument(
        "--encode", type=choice(_among(CODINGS)), metavar="WORDS",
        help=f"texts, and bins, to numbers: {'|'.join(CODINGS)}",
    )  # fmt: skip
    group.add_argument("--smooth", type=not_negative, help="of target encodings; Default: empirical Bayes")
    group.add_argument("--encoding-folds", type=at_least_two, default=5, metavar="N", help="of target encodings")
    group.add_argument("--polynomial", type=choice(_is_degree), metavar="NAME=DEGREE,...", help="powers of columns")
    group.add_argument("--interactions", type=products, default=[], metavar="A*B,...", help="products of columns")
    group.add_argument("--scale", type=choice(_among(SCALES)), metavar="WORDS", help="|".join(SCALES))


def asked_of(options: argparse.Namespace) -> Asked:
    """What the options ask for.

    :raises UsageError: powers of no column in particular
    """
    polynomial = options.polynomial or Choice()
    if polynomial.every is not None:
        raise UsageError("--polynomial is of columns by name, as in age=2")
    powers = [[name] * k for name, degree in polynomial.by_name.items() for k in range(2, int(degree) + 1)]
    return Asked(
        options.dates or Choice(), options.date_formats or {}, options.outliers or Choice(), options.impute or Choice(),
        options.indicators, options.transform or Choice(), options.bins or Choice(), options.min_frequency or Choice(),
        options.max_categories or Choice(), options.encode or Choice(), options.smooth, options.encoding_folds,
        options.seed, [*powers, *options.interactions], options.scale or Choice(),
    )  # fmt: skip


def check_steps(options: argparse.Namespace) -> None:
    """:raises UsageError: steps beside a recipe that has them"""
    asked = asked_of(options)
    chooses = getattr(options, "chooses", False)  # what is not said
    if options.indicators and not asked.impute.is_given and not chooses:
        raise UsageError("--indicators tell which cells were filled, and nothing is without --impute")
    if options.smooth is not None and not chooses and TARGET not in (asked.encode.every, *asked.encode.by_name.values()):
        raise UsageError("--smooth is of target encodings, as in --encode target or --encode city=target")
    given = [name for name in STEP_OPTIONS if getattr(options, name) not in (None, False, [])]
    if options.recipe is not None and given:
        option = "--" + given[0].replace("_", "-")
        raise UsageError(f"{option} is a step, and --recipe names a file that has its steps; leave out either")


def recipe_file(path: str) -> RecipeFile:
    """The file of a recipe."""
    try:
        return RecipeFile.read(path)
    except ScanError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def choice(is_word: Callable[[str], str | None]) -> Callable[[str], Choice]:
    """WORD, NAME=WORD, or several of them separated by commas.

    :param is_word: tells what is wrong with a word, None where nothing is
    """

    def read(text: str) -> Choice:
        found = Choice()
        for item in names(text):
            name, _, word = item.rpartition("=")
            why = None if word == NOTHING else is_word(word)
            if why is not None:
                raise argparse.ArgumentTypeError(f"{item!r}: {why}")
            if name:
                found.by_name[name] = word
            elif found.every is not None:
                raise argparse.ArgumentTypeError(f"{found.every!r} and {word!r} are both for all columns; name some")
            else:
                found.every = word
        return found

    return read


def formats(text: str) -> dict[str, list[str]]:
    """NAME=FORMAT|FORMAT, several separated by commas."""
    found = {}
    for item in names(text):
        name, _, written = item.partition("=")
        if not name or not written:
            raise argparse.ArgumentTypeError(f"{item!r} is no NAME=FORMAT, as in day=%d/%m/%Y")
        found[name] = written.split("|")
        for one in found[name]:
            if not is_format(one):
                raise argparse.ArgumentTypeError(f"{one!r} is no way to write dates that strptime has, such as %d/%m/%Y")
    return found


def at_least_two(text: str) -> int:
    """A whole number from 2, of folds."""
    n = natural(text)
    if not 2 <= n <= MOST_FOLDS:
        raise argparse.ArgumentTypeError(f"{text} is not a number of folds, which is from 2 to {MOST_FOLDS:,}")
    return n


def products(text: str) -> list[list[str]]:
    """A*B, several separated by commas."""
    terms = list_of(lambda item: [name.strip() for name in item.split("*")])(text)
    for term in terms:
        if len(term) < 2 or not all(term):
            raise argparse.ArgumentTypeError(f"{'*'.join(term)!r} is no product, as in price*amount")
    return terms


def _among(known: Any) -> Callable[[str], str | None]:
    return lambda word: None if word in known else f"a word is one of {', '.join(known)}"


def _is_parts(word: str) -> str | None:
    return None if word == "parts" or all(part in PARTS for part in word.split(":")) else f"parts are {':'.join(PARTS)}"


def _is_outliers(word: str) -> str | None:
    method, *rest = word.split(":")
    if rest and _positive(rest[0]):
        rest = rest[1:]
    if method in METHODS and (not rest or (len(rest) == 1 and rest[0] in ACTIONS)):
        return None
    return f"a word is {'|'.join(METHODS)}, then :THRESHOLD or not, then :{'|'.join(ACTIONS)} or not"


def _is_impute(word: str) -> str | None:
    strategy, colon, value = word.partition(":")
    if strategy == CONSTANT:
        return None if value else "a constant is written constant:VALUE"
    return None if strategy in STRATEGIES and not colon else f"a strategy is one of {', '.join(STRATEGIES)}"


def _is_bins(word: str) -> str | None:
    n_bins, colon, strategy = word.partition(":")
    if n_bins.isdecimal() and int(n_bins) >= 2 and (not colon or strategy in BIN_STRATEGIES):
        return None
    return f"bins are a number from 2, then :{'|'.join(BIN_STRATEGIES)} or not"


def _is_frequency(word: str) -> str | None:
    return None if _positive(word) else "a least number of rows, or a share of them, is above zero"


def _is_number_of_levels(word: str) -> str | None:
    return None if word.isdecimal() and int(word) >= 2 else "a number of texts is 2 or more"


def _is_degree(word: str) -> str | None:
    return None if word.isdecimal() and 2 <= int(word) <= 9 else "a degree is from 2 to 9"


def _positive(word: str) -> bool:
    try:
        return 0 < float(word) < float("inf")
    except ValueError:
        return False
