"""A uniform sample of the rows of a table, without replacement: the same rows on every runner.

python drivers/run_sample.py data.csv --rows 1000 -o sample.csv
python drivers/run_sample.py data.csv --columns y,x,w --fraction 0.01 --seed 7 -o sample.csv -r hadoop
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from drivers.app import OK, UsageError, run_program
from drivers.designs import id_hashes
from drivers.foresight import Foresight, Phase, look_ahead, wants_foresight
from drivers.option_values import natural, positive
from drivers.options import Parser, build_parser
from drivers.output_files import CsvFile, check_place
from drivers.packing.cache import Pack
from drivers.packing.kinds import HASH, INTEGER, TEXT, to_arrow
from drivers.packing.locate import cells_at
from drivers.roles import contents_for
from drivers.workspace import Workspace
from jobs.design import MISSING_CODE, Design
from jobs.kernels.sample import SampleQuery, SampleStatistics
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
    check_place(options.out, "the sample", options.inputs)
    if wants_foresight(options):
        return look_ahead(options, contents_for(options), foresee)
    workspace = Workspace(options, "sample", contents_for(options))
    manifest = workspace.pack.manifest
    design = whole_rows(options, workspace.pack)
    k = options.rows if options.fraction is None else round(options.fraction * manifest.n_rows)
    sample = workspace.run.scan("sample", MRSample, SampleQuery(k, len(manifest.columns), options.seed), design)
    rows = as_table(sample, workspace.pack)
    with CsvFile(
        options.out, rows.schema, manifest.delimiter, header=not options.columns or options.header == "yes"
    ) as out:
        out.write_table(rows)
    workspace.progress.say(f"{len(rows):,} of {manifest.n_rows:,} rows are in {options.out}")
    workspace.close()
    workspace.directory.close()
    return OK


def foresee(options: argparse.Namespace, pack: Pack) -> Foresight:
    """The design of the run and its one pass."""
    n_bytes = 8 * (options.rows or 0) * (len(pack.manifest.columns) + 4)
    return Foresight(whole_rows(options, pack), [Phase("sample", 1, 1)], statistics_bytes=n_bytes)


def whole_rows(options: argparse.Namespace, pack: Pack) -> Design:
    """All columns, with their missing cells."""
    design = Design(pack.manifest.columns, id=options.id, missing="keep")
    if options.id is not None and pack.manifest.kind(options.id) == TEXT:
        design.levels[options.id] = id_hashes(pack.texts[options.id])
    return design


def as_table(sample: SampleStatistics, pack: Pack) -> pa.Table:
    """The sampled rows in the order of the data, their cells as people write them."""
    manifest = pack.manifest
    order = np.lexsort(sample.places.T[::-1])
    # Whole numbers beyond 2^53 are not exact in a sample, whose rows are of float64: they are looked up.
    exact = [name for name, kind in zip(manifest.columns, manifest.kinds) if kind in (INTEGER, HASH)]
    looked_up = cells_at(pack, exact, sample.places[order]) if exact else {}
    columns, types = {}, manifest.types()
    for j, (name, kind) in enumerate(zip(manifest.columns, manifest.kinds)):
        values = looked_up.get(name, sample.rows[order, j])
        if kind == TEXT:
            values = np.where(np.isnan(values), MISSING_CODE, values).astype(np.int32)
        columns[name] = to_arrow(values, kind, pack.texts.get(name), types[name])
    return pa.table(columns)


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
