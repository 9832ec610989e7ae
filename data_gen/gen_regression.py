"""Rows of a linear regression with weights, as delimited text, and the truth they were made from.

For row i and features j = 1..p:

    x_ij   uniform on (-4, 4), never exactly 0
    y_i  = b_1 x_i1 + ... + b_p x_ip - 4 + e_i        b_j = (-1)^(j+1) / j, that is 1, -1/2, 1/3, ...
    e_i    normal with mean 0 and *standard deviation* `noise`, the same for every row
    w_i  = |1 / x_i1|             --weights inverse (the preset), a hard case on purpose: 1/|x| has no finite mean,
                                  so a few rows near x = 0 own the weighted fit; w is no inverse variance here
           uniform on (0.5, 1.5)  --weights uniform
           no such column         --weights none

With one feature this is y = x - 4 + e. The columns are y, x, w (y, x1, ..., xp, w with more features), without a
header unless asked for, each number as `%.18e`, which a reader turns back into the very same double.

The same seed gives the same bytes (for one version of numpy, whose streams may change between versions). Features,
noise and weights each have a stream of their own that is read row after row, so the bytes do not depend on the size
of a chunk, a shorter file is the beginning of a longer one, and y and x are the same whatever the weights are.

    python data_gen/gen_regression.py --rows 1000000 --features 1 --noise 0.5 --seed 0 --out data.csv

writes data.csv (76 MB) and data.csv.truth.json.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from data_gen.writing import beside_its_truth, make_parser, run_generator

INTERCEPT = -4.0
BOUND = 4.0
WEIGHTS = ("inverse", "uniform", "none")
# Rows formatted by one `%`: large enough to hide the interpreter, small enough for the processor's cache.
CHUNK_ROWS = 4096


def generate(
    path: str | os.PathLike[str],
    rows: int = 1_000_000,
    features: int = 1,
    noise: float = 0.5,
    seed: int = 0,
    weights: str = "inverse",
    header: bool = False,
    delimiter: str = ",",
    chunk_rows: int = CHUNK_ROWS,
) -> dict[str, Any]:
    """Write the rows to `path` and the truth to `path`.truth.json, and return the truth.

    Each file appears whole or not at all, the truth first: where there is data there is its truth. Memory does not
    grow with `rows`. Raises ValueError with one sentence for a wrong argument, OSError where it cannot write.
    """
    _check(rows, features, noise, seed, weights, delimiter, chunk_rows)
    names = ["x"] if features == 1 else [f"x{j}" for j in range(1, features + 1)]
    columns = ["y", *names] if weights == "none" else ["y", *names, "w"]
    truth = {
        "coefficients": coefficients(features).tolist(),
        "intercept": INTERCEPT,
        "noise": float(noise),
        "columns": columns,
        "features": names,
        "target": "y",
        "weight": None if weights == "none" else "w",
        "weights": weights,
        "rows": rows,
        "seed": seed,
        "header": header,
        "delimiter": delimiter,
    }
    line = (delimiter.join(["%.18e"] * len(columns)) + "\n").encode("ascii")
    with beside_its_truth(path, truth) as data:
        if header:
            data.write((delimiter.join(columns) + "\n").encode("ascii"))
        for table in _tables(rows, features, noise, seed, weights, chunk_rows):
            # One `%` for the whole chunk: half the time of numpy.savetxt, which formats row by row.
            data.write(line * len(table) % tuple(table.ravel().tolist()))
    return truth


def coefficients(features: int) -> np.ndarray:
    """The true coefficients 1, -1/2, 1/3, ...: (features,)."""
    j = np.arange(1, features + 1)
    return np.where(j % 2 == 1, 1.0, -1.0) / j


def inverse_weights(x: np.ndarray) -> np.ndarray:
    """|1 / x|, exactly what a reader computes from the text of x."""
    return np.abs(1.0 / x)


def without_zero(x: np.ndarray) -> np.ndarray:
    """x with exact zeros as 2^-50, the smallest other magnitude that -4 + 8 u takes, u being a multiple of 2^-53."""
    return np.where(x == 0.0, 2.0**-50, x)


def _tables(rows: int, features: int, noise: float, seed: int, weights: str, chunk_rows: int) -> Iterator[np.ndarray]:
    """The rows in chunks, each (n, columns) with the columns y, x1..xp and the weight, if any."""
    x_stream, noise_stream, weight_stream = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(3))
    slopes = coefficients(features)
    for start in range(0, rows, chunk_rows):
        n = min(chunk_rows, rows - start)
        x = without_zero(x_stream.uniform(-BOUND, BOUND, size=(n, features)))
        # A loop over the features, not x @ slopes: a BLAS may round differently for other shapes and processors.
        y = slopes[0] * x[:, 0]
        for j in range(1, features):
            y += slopes[j] * x[:, j]
        y += INTERCEPT
        y += noise * noise_stream.standard_normal(n)
        parts = [y, x]
        if weights == "inverse":
            parts.append(inverse_weights(x[:, 0]))
        elif weights == "uniform":
            parts.append(weight_stream.uniform(0.5, 1.5, size=n))
        yield np.column_stack(parts)


def _check(rows: int, features: int, noise: float, seed: int, weights: str, delimiter: str, chunk_rows: int) -> None:
    if rows < 0:
        raise ValueError(f"rows must be 0 or more, not {rows}")
    if features < 1:
        raise ValueError(f"features must be 1 or more, not {features}")
    if not (math.isfinite(noise) and noise >= 0):
        raise ValueError(f"noise is a standard deviation, finite and 0 or more, not {noise}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    if weights not in WEIGHTS:
        raise ValueError(f"weights must be one of {', '.join(WEIGHTS)}, not {weights!r}")
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter.isalnum() or delimiter in '+-._%"\r\n\0':
        raise ValueError(f"delimiter must be one character that no number holds, such as , or ;, not {delimiter!r}")
    if chunk_rows < 1:
        raise ValueError(f"chunk_rows must be 1 or more, not {chunk_rows}")


def main(argv: list[str] | None = None) -> int:
    parser = make_parser("Generate rows of a weighted linear regression and the truth they were made from.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="Default: %(default)s")
    parser.add_argument("--features", type=int, default=1, help="Default: %(default)s")
    parser.add_argument("--noise", type=float, default=0.5, help="its standard deviation. Default: %(default)s")
    parser.add_argument(
        "--weights",
        choices=WEIGHTS,
        default="inverse",
        help="|1/x1|, uniform on (0.5, 1.5), none. Default: %(default)s",
    )
    parser.add_argument("--header", action="store_true", help="write the column names first")
    parser.add_argument("--delimiter", type=_tab, default=",", help=r"one character, or \t for a tab. Default: %(default)s")
    return run_generator(parser, generate, argv)


def _tab(text: str) -> str:
    return text.replace("\\t", "\t")


if __name__ == "__main__":
    sys.exit(main())
