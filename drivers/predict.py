"""Predictions of a model for the rows of a table, streaming: memory does not grow with the rows.

python drivers/predict.py runs/wols-.../model.json new.csv -o predictions.csv
python drivers/predict.py model.json new.csv --columns x,customer --keep customer -o predictions.csv
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import numpy as np

from drivers.app import OK, run_program, text_options
from drivers.csv_output import TableWriter
from drivers.model import load_model, predict
from drivers.options import delimiter, names, natural
from drivers.packing.manifest import find_column
from drivers.packing.pack import Rejects, data_chunks, file_columns, parse_ahead
from drivers.packing.sources import find_sources
from drivers.packing.text import TextParser
from jobs.errors import ScanError
from jobs.text import MISSING_TOKENS


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None, allow_abbrev=False)
    parser.add_argument("model", help="the model.json of a run")
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="files, directories or patterns, read as one table")
    parser.add_argument("-o", "--out", required=True, metavar="FILE", help="a row for each input row, in order")
    parser.add_argument("--keep", type=names, default=[], metavar="NAMES", help="numeric columns to copy beside")
    parser.add_argument("--columns", type=names, help="the columns of files without a header line: x,w")
    parser.add_argument("--delimiter", type=delimiter, help="one character; Default: a tab for .tsv, else a comma")
    parser.add_argument("--missing-tokens", type=names, default=list(MISSING_TOKENS), metavar="TOKENS")
    parser.add_argument(
        "--max-bad-rows", type=natural, default=0, metavar="N", help="up to N go to OUT.rejects/rejects.csv"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(resume=None, runner=None)
    return parser


def run(options: argparse.Namespace) -> int:
    model = load_model(options.model)
    sources = find_sources(options.inputs)
    text = text_options(options, sources)
    columns = file_columns(sources, text)
    wanted = list(dict.fromkeys([*options.keep, *model["features"]]))
    for name in wanted:
        find_column(columns, name)
    parser = TextParser(columns, wanted, text)
    folder = f"{options.out}.rejects"
    if options.max_bad_rows:
        os.makedirs(folder, exist_ok=True)
    rejects = Rejects(folder, options.max_bad_rows)
    n_rows = n_missing = 0
    try:
        with TableWriter(options.out, [*options.keep, "prediction"], text.delimiter) as table:
            for source in sources:
                for parsed, _ in parse_ahead(parser, data_chunks(source, text), options.max_bad_rows):
                    rejects.add(parsed.bad)
                    found = dict(zip(wanted, parsed.columns))
                    predictions = predict(model, np.column_stack([found[name] for name in model["features"]]))
                    table.write([*(found[name] for name in options.keep), predictions])
                    n_rows += parsed.n_rows
                    n_missing += int(np.isnan(predictions).sum())
            if n_rows == 0:
                raise ScanError(f"{sources[0].shown} holds no rows of data")
    finally:
        rejects.finish()
        if os.path.isdir(folder) and not os.listdir(folder):
            os.rmdir(folder)
    print(
        f"{n_rows:,} predictions in {options.out}"
        + (f", {n_missing:,} of them empty for a missing cell" if n_missing else "")
        + (f"; {rejects.n} bad rows in {rejects.path}" if rejects.n else ""),
        file=sys.stderr,
    )
    return OK


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
