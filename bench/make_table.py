"""A table of a linear regression as pyarrow writes it: columns y, x1, ..., xp, w, no header, shortest exact numbers.

    python bench/make_table.py --rows 1000000 --features 1 --out data.csv [--bad-row 500000]

The law of y and x is that of data_gen/gen_regression.py; its text, 25 characters a number, is rarer in the wild than
what pyarrow and pandas write. Weights are uniform on (0.5, 1.5): a fit of them takes one pass. Row number --bad-row, from
0, has a word for its first feature.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from data_gen.gen_regression import BOUND, INTERCEPT, coefficients

NOISE = 0.5
CHUNK_CELLS = 2_000_000


def chunks(rows: int, features: int, seed: int) -> Iterator[np.ndarray]:
    """The rows, each chunk (n, features + 2)."""
    rng = np.random.default_rng(seed)
    slopes = coefficients(features)
    size = max(CHUNK_CELLS // (features + 2), 1)
    for start in range(0, rows, size):
        n = min(size, rows - start)
        x = rng.uniform(-BOUND, BOUND, (n, features))
        y = x @ slopes + INTERCEPT + NOISE * rng.standard_normal(n)
        yield np.column_stack([y, x, rng.uniform(0.5, 1.5, n)])


def write(path: Path, rows: int, features: int, seed: int = 0, bad_row: int | None = None) -> None:
    """Write the table; the file appears whole or not at all."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    options = csv.WriteOptions(include_header=False)

    def append(table: np.ndarray) -> None:
        names = [str(j) for j in range(table.shape[1])]
        csv.write_csv(pa.table([np.ascontiguousarray(column) for column in table.T], names=names), file, options)

    try:
        with open(partial, "wb") as file:
            start = 0
            for table in chunks(rows, features, seed):
                bad = -1 if bad_row is None else bad_row - start
                if 0 <= bad < len(table):
                    append(table[:bad])
                    file.write(",".join(["1.5", "word", *["1.5"] * features]).encode() + b"\n")
                    append(table[bad + 1 :])
                else:
                    append(table)
                start += len(table)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--features", type=int, default=1, help="Default: %(default)s")
    parser.add_argument("--bad-row", type=int, metavar="NUMBER")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    write(options.out, options.rows, options.features, bad_row=options.bad_row)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
