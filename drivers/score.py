"""Scores of the rows of a table by a model file: predictions, classes, clusters, with the columns to keep beside them.

python drivers/score.py runs/wols-.../model.json new.csv -o predictions.csv
python drivers/score.py runs/wols-.../model.json new.csv --intervals --confidence 0.9 -o predictions.csv
python drivers/score.py runs/logistic-.../model.json new.csv --keep customer -o classes.parquet
python drivers/score.py runs/kmeans-.../model.json new.csv --keep customer -o clusters.csv -r local
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from drivers.app import OK, UsageError, run_program
from drivers.foresight import Foresight, Phase, look_ahead, wants_foresight
from drivers.option_values import names, share
from drivers.options import Parser, build_parser
from drivers.output_files import check_place
from drivers.packing.cache import Pack
from drivers.runners import runner_class
from drivers.scoring.question import Scoring
from drivers.scoring.stream import Counted, stream
from jobs.mr_score import MRScore

INLINE = "inline"


def make_parser() -> Parser:
    parser = build_parser(MRScore, __doc__.splitlines()[0] if __doc__ else None, first=("model", "the model.json of a run"))
    group = parser.add_argument_group("scores")
    group.add_argument(
        "-o", "--out", required=True, metavar="FILE",
        help="a row for each input row, in order: CSV, or Parquet by its ending, bad rows go to FILE.rejects; or a new "
        "folder on HDFS with -r hadoop, on S3 with -r emr",
    )  # fmt: skip
    group.add_argument("--keep", type=names, default=[], metavar="NAMES", help="columns to copy beside")
    group.add_argument(
        "--intervals", action="store_true", help="the standard error, and intervals of the mean and of one more row"
    )
    group.add_argument("--confidence", type=share, default=0.95, metavar="LEVEL", help="of the intervals")
    parser.set_defaults(report=False, sample_rows=0)
    return parser


def run(options: argparse.Namespace) -> int:
    if not options.inputs:
        raise UsageError("name the rows to score behind the model: files, directories, patterns, URLs")
    scoring = Scoring.of(options.model, options.confidence if options.intervals else None, options.keep)
    if wants_foresight(options):
        contents = scoring.contents(options)
        return look_ahead(options, contents, lambda options, pack: foresee(scoring, options, pack))
    options.text = list(dict.fromkeys([*options.text, *scoring.texts()]))
    alias, is_url = options.runner or INLINE, "://" in options.out
    if not is_url:
        check_place(options.out, "the table of scores", options.inputs)
    if alias == INLINE and not is_url:
        tell(stream(scoring, options), scoring, options)
        return OK
    if is_url and not options.out.startswith(runner_class(alias).packs_on or "?"):
        raise UsageError(f"the runner {alias} writes no folder {options.out}; name a file of this machine with --out")
    if options.out.endswith(".parquet"):
        raise UsageError(f"jobs write CSV; name another --out, or leave --runner {alias} out for Parquet")
    tell(by_a_job(scoring, options, is_url), scoring, options)
    return OK


def by_a_job(scoring: Scoring, options: argparse.Namespace, is_url: bool) -> Counted:
    """Packs the rows and scores the blocks.

    :param is_url: whether the output is a folder of the runner's file system
    :raises ScanError: rows or columns that cannot be scored, or a job that failed
    """
    from drivers.scoring.passes import score_here, score_there  # here, for rows that stream need no jobs
    from drivers.workspace import Workspace

    workspace = Workspace(options, "score", scoring.contents(options))
    answer = (score_there if is_url else score_here)(scoring, workspace, options.out)
    workspace.close()
    workspace.directory.close()
    return Counted(answer.counts, workspace.pack.manifest.n_rejected, "rejects.csv")


def tell(counted: Counted, scoring: Scoring, options: argparse.Namespace) -> None:
    """Says what became of the rows."""
    if options.quiet:
        return
    why = "a missing cell or an unknown text" + (", or a group without a model" if scoring.group else "")
    print(
        f"{counted.rows.read:,} rows scored in {options.out}"
        + (f", {counted.rows.missing:,} of them empty for {why}" if counted.rows.missing else "")
        + (f", {counted.rows.filled:,} with a missing cell that was filled" if counted.rows.filled else "")
        + (f", {counted.rows.unknown:,} with a text that was not there in training" if counted.rows.unknown else "")
        + (f"; {counted.n_rejected} bad rows in {counted.rejects}" if counted.n_rejected else ""),
        file=sys.stderr,
    )


def foresee(scoring: Scoring, options: argparse.Namespace, pack: Pack) -> Foresight:
    """One pass by a job; or none, where the rows stream through this program once."""
    from drivers.scoring.passes import query_of

    query = query_of(scoring, pack)
    phases = [] if (options.runner or INLINE) == INLINE else [Phase("scores", 1, 1)]
    return Foresight(query.design, phases)


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
