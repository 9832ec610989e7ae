"""A table with the history of its entities: for each row what its entity's own past says, lags, differences, rolling means.

python drivers/history.py sales.csv --entity customer --time day --lag spend:1,7 --rolling-mean spend:7 -o with_history.csv
python drivers/history.py payments.csv --entity card --time when --rolling-mean amount:30d --count 24h -o payments.parquet
python drivers/history.py hdfs:///sales/*.csv --entity card --time when --rolling-mean amount:30d --since 2024-06-01 \
    -r hadoop -o hdfs:///sales-history
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from drivers.app import OK, UsageError, leaving_nothing_half_done, parse_call, run_program
from drivers.foresight import Foresight, Phase, look_ahead, wants_foresight
from drivers.histories.asked import counts, differences, lags, means
from drivers.histories.passes import HistoryWorkspace, history_here, history_there
from drivers.histories.question import History
from drivers.option_values import names
from drivers.options import Parser, build_parser
from drivers.output_files import check_place
from drivers.packing.cache import Pack
from drivers.packing.formats import open_table
from drivers.packing.sources import find_sources
from drivers.reading import input_options
from drivers.runners import runner_class
from drivers.wording import count
from jobs.mr_history import BUCKET_BYTES, NOT_TOLD, HistoryAnswer, MRHistory

# A bucket as it came, sorted, as new columns and as lines.
COPIES_OF_A_BUCKET = 4


def make_parser() -> Parser:
    parser = build_parser(MRHistory, __doc__.splitlines()[0] if __doc__ else None)
    group = parser.add_argument_group("history")
    group.add_argument("--entity", metavar="NAME", help="the column that says whose row it is")
    group.add_argument("--time", metavar="NAME", help="the column of dates or numbers that says when")
    group.add_argument("--lag", type=lags, action="append", default=[], metavar="NAME:K,...", help="the cell K rows before")
    group.add_argument(
        "--difference", type=differences, action="append", default=[], metavar="NAME:K,...",
        help="the cell less the one K rows before",
    )  # fmt: skip
    group.add_argument(
        "--rolling-mean", type=means, action="append", default=[], metavar="NAME:W,...",
        help="the mean of the W rows before, or of those in the W days (30d) or hours (12h) before",
    )  # fmt: skip
    group.add_argument(
        "--count", type=counts, action="append", default=[], metavar="W,...", help="how many rows such a window has"
    )
    group.add_argument("--since", metavar="TIME", help="write the rows from then on; those before are history only")
    group.add_argument("--keep", type=names, metavar="NAMES", help="the columns to write beside; Default: all")
    group.add_argument(
        "-o", "--out", metavar="FILE",
        help="the rows in the order of the input: CSV, or Parquet by its ending; or a new folder on HDFS with -r hadoop, "
        "on S3 with -r emr",
    )  # fmt: skip
    parser.set_defaults(report=False)
    return parser


def run(options: argparse.Namespace) -> int:
    if wants_foresight(options):
        history = check(options)
        return look_ahead(options, history.contents(options, _names(options)), partial(foresee, history))
    answer = write(options)
    if not options.quiet:
        tell(answer, options)
    return OK


def check(options: argparse.Namespace) -> History:
    """What is asked.

    :raises UsageError: options that make no sense together
    :raises ScanError: a file that cannot be written
    """
    if not options.inputs:
        raise UsageError("name the rows whose history is asked for: files, directories, patterns, URLs")
    # Not by argparse, which would ask a run that is resumed for them too.
    needed = {"entity": "the column that says whose row it is", "time": "the column that says when", "out": "what to write"}
    for name, what in needed.items():
        if getattr(options, name) is None:
            raise UsageError(f"name {what} with --{name}")
    history, alias = History.of(options), options.runner or "inline"
    if "://" not in options.out:
        check_place(options.out, "the table", options.inputs)
    elif not options.out.startswith(runner_class(alias).packs_on or "?"):
        raise UsageError(f"the runner {alias} writes no folder {options.out}; name a file of this machine with --out")
    elif options.out.endswith(".parquet"):
        raise UsageError("jobs write CSV; name a file of this machine with --out for Parquet")
    return history


def write(options: argparse.Namespace) -> HistoryAnswer:
    """Writes the table.

    :raises ScanError: what cannot be read, asked or written
    """
    history = check(options)
    workspace = HistoryWorkspace(options, history)
    answer = (history_there if "://" in options.out else history_here)(history, workspace, options.out)
    options.n_rejected = workspace.pack.manifest.n_rejected
    workspace.close()
    workspace.directory.close()
    return answer


def tell(answer: HistoryAnswer, options: argparse.Namespace) -> None:
    """Says what became of the rows."""
    others = {
        f"before {options.since} are history only": answer.n_before,
        f"left out for a missing {options.entity} or {options.time}": answer.counts.missing,
        "bad, see rejects.csv": options.n_rejected,
    }
    is_told = answer.n_written != NOT_TOLD
    rows = f"{answer.n_written:,} rows with their history in" if is_told else "the rows with their history are in"
    told = [f"{rows} {options.out}"]
    told += [f"{n:,} {what}" for what, n in others.items() if n]
    print("; ".join(told), file=sys.stderr)
    if answer.n_ties:
        does = "shares" if answer.n_ties == 1 else "share"
        print(
            f"{count(answer.n_ties, 'row')} {does} {options.entity} and {options.time} with a row before; such rows are in "
            "the order in which they stand in the data",
            file=sys.stderr,
        )


def foresee(history: History, options: argparse.Namespace, pack: Pack) -> Foresight:
    """One pass, in whose reducers a bucket of entities is in memory."""
    query = history.query_of_table(pack) if "://" in options.out else history.query(pack)
    history.kept(pack)
    return Foresight(query.design, [Phase("history", 1, 1)], statistics_bytes=COPIES_OF_A_BUCKET * BUCKET_BYTES)


def _names(options: argparse.Namespace) -> list[str]:
    """The columns of the input, but for standard input, which can be read once."""
    return [] if "-" in options.inputs else open_table(find_sources(options.inputs), input_options(options)).names


def write_history(inputs: Sequence[str] | str, **arguments: object) -> int:
    """Writes the history of a table with the options of the command line as keywords; gives how many rows were written,
    -1 where the runner does not tell.

    :raises ScanError: what the program would end with
    """
    options = parse_call(make_parser(), inputs, {"quiet": True, **arguments})
    with leaving_nothing_half_done(options):
        return write(options).n_written


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
