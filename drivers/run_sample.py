"""A uniform sample of the rows of a table, without replacement: the same rows on every runner.

python drivers/run_sample.py data.csv --rows 1000 -o sample.csv
python drivers/run_sample.py data.csv --columns y,x,w --fraction 0.01 --seed 7 -o sample.csv -r hadoop
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from drivers.app import OK, UsageError, Workspace, run_program
from drivers.csv_output import TableWriter
from drivers.options import Parser, build_parser, natural, positive
from jobs.design import Design
from jobs.kernels.sample import SampleQuery
from jobs.mr_sample import MRSample


def make_parser() -> Parser:
    parser = build_parser(MRSample, __doc__.splitlines()[0] if __doc__ else None)
    group = parser.add_argument_group("sample")
    size = group.add_mutually_exclusive_group(required=True)
    size.add_argument("--fraction", type=positive, help="the share of the rows, at most 1")
    size.add_argument("--rows", type=natural, metavar="K", help="how many rows; all when the table has fewer")
    group.add_argument("-o", "--out", required=True, metavar="FILE", help="where the sample goes, in the input's columns")
    group.add_argument("--id", metavar="NAME", help="a column that decides: the same ids are drawn from any file")
    return parser


def run(options: argparse.Namespace) -> int:
    if options.fraction is not None and options.fraction > 1:
        raise UsageError("--fraction is at most 1")
    workspace = Workspace(options, "sample", None)
    manifest = workspace.pack.manifest
    design = Design(manifest.columns, id=options.id, missing="keep")
    if options.id is not None:
        manifest.index(options.id)
    k = options.rows if options.fraction is None else round(options.fraction * manifest.n_rows)
    sample = workspace.run.scan("sample", MRSample, SampleQuery(k, len(manifest.columns), options.seed), design)
    rows = sample.in_file_order()
    with TableWriter(options.out, manifest.columns, manifest.text.delimiter, header=options.columns is None) as table:
        table.write(list(rows.T))
    workspace.progress.say(f"{len(rows):,} of {manifest.n_rows:,} rows are in {options.out}")
    return OK


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
