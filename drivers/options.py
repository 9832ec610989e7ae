"""The command line that all drivers share: data, run, and every switch of mrjob with its own number of values."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from drivers.option_values import as_items, delimiter, encoding, names, natural, positive
from drivers.packing.cache import DEFAULT_CACHE_BYTES
from drivers.packing.contents import SAMPLE_ROWS
from drivers.packing.formats.options import FORMATS, HEADERS
from drivers.runners import RUNNERS
from jobs.text import MISSING_TOKENS

# What a driver decides itself, and what mrjob runs a single task with.
NOT_FORWARDED = {
    "args", "help", "deprecated", "quiet", "output_dir", "step_output_dir", "cat_output", "run_combiner", "run_mapper",
    "run_reducer", "run_spark", "step_num", "query", "blocks",
}  # fmt: skip
METAVARS = {"runner": "RUNNER", "conf_paths": "FILE"}
RUNNERS_HELP = f"where the jobs run: {', '.join(RUNNERS)}; Default: inline"


class Forward(argparse.Action):
    """Keeps a switch of mrjob as `--switch=value`, to be given to every job of the run as it stands."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: Any = None) -> None:
        given = [*getattr(namespace, self.dest), option_string]
        if self.nargs != 0:
            given[-1:] = [f"{option_string}={values}"] if option_string.startswith("--") else [option_string, values]
        setattr(namespace, self.dest, given)
        if option_string in ("-r", "--runner"):
            namespace.runner = values


class Formatter(argparse.ArgumentDefaultsHelpFormatter):
    """Adds the default to each help text that has one to tell."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default in (None, False, []) or isinstance(action, Forward):
            return action.help
        return super()._get_help_string(action)


class Parser(argparse.ArgumentParser):
    """Ends the program on wrong usage, or raises `fails_with` where a Python call is what is parsed."""

    fails_with: type[Exception] | None = None

    def parse_args(self, args=None, namespace=None):  # type: ignore[override]
        """The options; inputs may stand between them."""
        words = sys.argv[1:] if args is None else list(args)
        # Which knows no "--", behind which all words are inputs.
        return (super().parse_args if "--" in words else self.parse_intermixed_args)(words, namespace)

    def error(self, message: str) -> NoReturn:
        if match := re.fullmatch(r"argument (?:\S+/)?(\S+): expected one argument", message):
            message += f"; a value that begins with - is joined by =, as in {match[1]}=-1"
        if match := re.match(r"unrecognized arguments: (--[^\s=]+)", message):
            known = list(self._option_string_actions)
            close = [name for name in known if name.startswith(match[1])] or difflib.get_close_matches(
                match[1], known, 1, 0.7
            )
            message += f"; did you mean {close[0]}?" if close else "; --help lists all options"
        if self.fails_with is not None:
            raise self.fails_with(message)
        # Without the usage, whose forty lines would hide the sentence.
        self.exit(2, f"{self.prog}: error: {message}\n")

    def words(self, name: str, value: Any) -> list[str]:
        """The words of a command line that give an option, named as a Python keyword, this value."""
        option, negative = "--" + name.replace("_", "-"), "--no-" + name.replace("_", "-")
        if value is True:
            return [option]
        if value is False:
            return [negative] if negative in self._option_string_actions else []
        if isinstance(value, dict):
            value = [f"{key}={word}" for key, word in value.items()]
        if not isinstance(value, (list, tuple)):
            return [] if value is None else [f"{option}={value}"]
        if isinstance(self._option_string_actions.get(option), argparse._AppendAction):
            return [f"{option}={item}" for item in value]
        return [f"{option}={as_items(value)}"]


def build_parser(job: type, description: str | None, first: tuple[str, str] | None = None) -> Parser:
    """A parser with the data, run and mrjob options; a driver adds its own.

    :param first: the name and the help of a word before the inputs
    """
    parser = Parser(description=description, formatter_class=Formatter, allow_abbrev=False)
    if first is not None:
        parser.add_argument(first[0], help=first[1])
    data = add_input_options(parser, nargs="*")
    data.add_argument(
        "--missing", choices=("error", "drop"), default="error", help="rows with a missing cell in a column that is used"
    )
    data.add_argument(
        "--sample-rows", type=natural, default=SAMPLE_ROWS, metavar="N", help="rows sampled on the way, for the report"
    )
    data.add_argument(
        "--pack-here",
        action="store_true",
        help="read files on HDFS or S3 through this machine where -r hadoop or -r emr would pack them there",
    )
    data.add_argument("--cache-dir", metavar="DIR", help="where packs are kept; Default: ~/.cache/scanlearn")
    data.add_argument(
        "--cache-size", type=natural, default=DEFAULT_CACHE_BYTES, metavar="BYTES", help="packs used longest ago go first"
    )
    run = parser.add_argument_group("run")
    where = run.add_mutually_exclusive_group()
    where.add_argument("--run-dir", metavar="DIR", help="the run's own new directory; Default: runs/<name>-<time>")
    where.add_argument("--resume", metavar="DIR", help="go on with the run of this directory, with its options")
    run.add_argument("--seed", type=natural, default=0, help="of every random choice")
    run.add_argument("--keep-passes", type=natural, default=5, metavar="N", help="queries of the last N passes are kept")
    run.add_argument(
        "--report", action=argparse.BooleanOptionalAction, default=True, help="write report.html and its pictures"
    )
    add_foresight_options(run)
    run.add_argument(
        "--hourly-price",
        type=positive,
        metavar="PRICE",
        help="of a node, EC2 and EMR together: with --plan -r emr, what the run would cost",
    )
    run.add_argument("--json", action="store_true", help="print the result as JSON instead of a table")
    run.add_argument("-q", "--quiet", action="store_true", help="print nothing but the result")
    run.add_argument("--debug", action="store_true", help="show the traceback of an error")
    _add_mrjob_switches(parser, job)
    return parser


def option_given(parser: argparse.ArgumentParser, options: argparse.Namespace, names: Sequence[str]) -> str | None:
    """The first of these options that does not have its default, as it is written; None when all have."""
    found = next((name for name in names if getattr(options, name) != parser.get_default(name)), None)
    return None if found is None else "--" + found.replace("_", "-")


def add_input_options(parser: argparse.ArgumentParser, nargs: str) -> Any:
    """What is read and how; gives the group of the options about data."""
    parser.add_argument(
        "inputs", nargs=nargs, metavar="INPUT",
        help="files, directories, patterns, s3:// or hdfs:// URLs, or - for standard input; read as one table",
    )  # fmt: skip
    data = parser.add_argument_group("data")
    data.add_argument("--format", choices=FORMATS, default="auto", help="of the files; auto: by how they begin")
    data.add_argument("--columns", type=names, help="the names of the columns, where the files do not name them: y,x,w")
    data.add_argument("--header", choices=HEADERS, default="auto", help="whether a text's first line names the columns")
    data.add_argument("--delimiter", type=delimiter, help="one character, or tab; Default: found in the first file")
    data.add_argument("--encoding", type=encoding, default="utf-8", help="of text files: latin-1, utf-16, ...")
    data.add_argument("--text", type=names, default=[], metavar="NAMES", help="columns of text that look like numbers")
    data.add_argument(
        "--missing-tokens", type=names, default=list(MISSING_TOKENS), metavar="TOKENS",
        help="cells that count as missing, separated by commas",
    )  # fmt: skip
    data.add_argument(
        "--max-bad-rows", type=natural, default=0, metavar="N", help="up to N unreadable rows go to rejects.csv"
    )
    return data


def add_foresight_options(group: Any) -> None:
    """--plan and --dry-run."""
    group.add_argument("--plan", action="store_true", help="print the passes, bytes and memory it would take, and end")
    group.add_argument("--dry-run", action="store_true", help="check the options and the first rows, and end")


def _add_mrjob_switches(parser: argparse.ArgumentParser, job: type) -> None:
    group = parser.add_argument_group("mrjob", "every switch of mrjob's runners; see the documentation of mrjob")
    parser.set_defaults(mrjob_args=[], runner=None)
    for action in job(args=[]).arg_parser._actions:
        if action.dest in NOT_FORWARDED or not action.option_strings:
            continue
        group.add_argument(
            *action.option_strings,
            dest="mrjob_args",
            action=Forward,
            default=[],
            nargs=action.nargs,
            metavar=METAVARS.get(action.dest) if action.nargs != 0 else None,
            help=_help(action) if action.dest in METAVARS else argparse.SUPPRESS,
        )


def _help(action: argparse.Action) -> str:
    return RUNNERS_HELP if action.dest == "runner" else (action.help or "").split(". ")[0]


def without_directory(argv: Sequence[str]) -> list[str]:
    """A command line without --resume and --run-dir."""
    kept: list[str] = []
    skip = False
    for word in argv:
        if skip or word.startswith(("--resume=", "--run-dir=")):
            skip = False
        elif word in ("--resume", "--run-dir"):
            skip = True
        else:
            kept.append(word)
    return kept
