"""Adds and subtracts statistics files of linear fits: yesterday's rows, a customer that leaves, sites that share no rows.

python drivers/run_wols.py monday.csv --target y --save-statistics monday.stats
python drivers/merge.py monday.stats tuesday.stats -o week.stats
python drivers/merge.py week.stats -gone.stats -o week.stats
python drivers/run_wols.py --from-statistics week.stats --features x1,x2

A minus before the name of a file takes its rows away.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence

from drivers.app import OK, run_program
from drivers.linear.statistics_file import LinearStatistics
from drivers.linear.statistics_sums import add, subtract
from drivers.options import Parser
from drivers.output_files import check_place
from drivers.terminal.tables import print_statistics
from jobs.errors import ScanError

MINUS = "--minus"


def make_parser() -> Parser:
    parser = Parser(
        description=__doc__.splitlines()[0] if __doc__ else None, allow_abbrev=False,
        usage="%(prog)s FILE [FILE ...] [-FILE ...] -o FILE",
        epilog="A minus before the name of a file takes its rows away; of a file called o, q or h write -./o.",
    )  # fmt: skip
    parser.add_argument("files", nargs="+", metavar="FILE", help="statistics files, whose rows are added up")
    parser.add_argument(MINUS, action="append", default=[], help=argparse.SUPPRESS)
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="where the result goes")
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but warnings")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(resume=None, runner=None)
    return parser


def with_minuses(argv: Sequence[str]) -> list[str]:
    """The words with -FILE spelled as an option, unless it is an option of its own.

    Whether FILE is there or not: of one that is not, argparse would take the first letter for an option.
    """
    end = list(argv).index("--") if "--" in argv else len(argv)
    found: list[str] = []
    for i, word in enumerate(argv[:end]):
        is_value = i > 0 and argv[i - 1] in ("-o", "--out")
        is_file = re.match("-[^-]", word) and word not in ("-o", "-q", "-h")
        found.append(f"{MINUS}={word[1:]}" if is_file and not is_value else word)
    return [*found, *argv[end:]]


def run(options: argparse.Namespace) -> int:
    check_place(options.out, "the statistics file")
    result, remarks = LinearStatistics.read(options.files[0]), []
    steps = [(path, add, "add") for path in options.files[1:]]
    steps += [(path, subtract, "subtract") for path in options.minus]
    for path, operation, word in steps:
        file = LinearStatistics.read(path)
        try:
            result, said = operation(result, file)
        except ScanError as error:
            raise ScanError(f"cannot {word} {path}: {error}") from None
        remarks += [remark for remark in said if remark not in remarks]
    result.write(options.out)
    print_statistics(options.out, result, remarks, options.quiet)
    return OK


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), with_minuses(sys.argv[1:] if argv is None else argv), run)


if __name__ == "__main__":
    sys.exit(main())
