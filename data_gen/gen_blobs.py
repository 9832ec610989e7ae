"""Rows of a Gaussian mixture, in random order, as delimited text or as JSON arrays, and the truth they were made from.

Of k components with weights pi_c, means m_c and roots A_c, for row i and features x1..xp:

    s_i   the component of the row: of n rows n pi_c have c, rounded to whole rows by the largest remainders
    x_i = m_c + A_c z_i    for c = s_i, z_i normal with mean 0 and covariance I,
                           so the rows of component c are normal with mean m_c and covariance A_c A_c'

(McLachlan and Peel, *Finite Mixture Models*, 2000, ch. 3; Bishop, *Pattern Recognition and Machine Learning*, 2006, 9.2).
The numbers of rows are no random ones, as in a stratified sample: the weights of the file are the true weights.

--kind  exercise     means (4, 0), (6, 6), (0, 4), A = I, 1,000 rows each: the preset
        separated    A = I, centres 10 apart: no two clouds touch
        overlapping  A = I, centres 1.75 apart: below 2, the density of two alike has one mode only (Behboodian, "On the
                     modes of a mixture of two normal distributions", Technometrics 12, 1970)
        elongated    centres 10 apart, A = (I + 9 u u') / 2 with another random direction u for each component: standard
                     deviation 5 along u and 1/2 across it, so the nearest centre is often that of another component
        unequal      centres 10 apart, pi_c as 1, 1/4, 1/9, ..., A = 4 I, 2 I, 4/3 I, ...: large and wide ones beside small
                     and dense ones
        duplicated   A = I, centres 6 apart, each number rounded to a whole one: many rows stand more than once

The centres lie on a square lattice with the side of the first whole number m for which m^p >= k. `--offset` is added to all
numbers, and far from zero the digits of the differences are lost: what a sum of squares about zero cannot bear.

Each number is written as its shortest text that a reader turns back into the very same double. The same seed gives the same
bytes (for one version of numpy, whose streams may change between versions), whatever the size of a chunk is; labels,
features and directions each have a stream of their own. Memory does not grow with the rows: a piece of a random permutation
of labels has a multivariate hypergeometric number of each, so it is drawn, and shuffled, piece by piece.

    python data_gen/gen_blobs.py --seed 0 --header --out blobs.csv
    python data_gen/gen_blobs.py --kind elongated --rows 1000000 --features 5 --components 8 --format json --out blobs.json

The first writes blobs.csv (110 kB) and blobs.csv.truth.json.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_gen.writing import beside_its_truth, make_parser, run_generator

EXERCISE = [[4.0, 0.0], [6.0, 6.0], [0.0, 4.0]]
SPACING = {"separated": 10.0, "overlapping": 1.75, "elongated": 10.0, "unequal": 10.0, "duplicated": 6.0}
KINDS = ("exercise", *SPACING)
FORMATS = ("csv", "json")
LABEL = "component"
MAX_ROWS = 10**9 - 1  # of numpy's multivariate hypergeometric numbers
# Rows shuffled at once; another number gives other bytes.
SHUFFLED_ROWS = 1 << 16
# Rows formatted by one `%`: large enough to hide the interpreter, small enough for the processor's cache.
CHUNK_ROWS = 4096


@dataclass
class Mixture:
    """k Gaussians of p features: weights (k,), whose sum is 1, means (k, p), roots (k, p, p) of the covariances A A'."""

    weights: np.ndarray
    means: np.ndarray
    roots: np.ndarray

    @property
    def covariances(self) -> np.ndarray:
        """(k, p, p)."""
        return np.einsum("cij,clj->cil", self.roots, self.roots)


def generate(
    path: str | os.PathLike[str],
    kind: str = "exercise",
    rows: int | None = None,
    rows_each: int = 1000,
    features: int = 2,
    components: int = 3,
    offset: float = 0.0,
    seed: int = 0,
    format: str = "csv",
    header: bool = False,
    labels: bool = False,
    chunk_rows: int = CHUNK_ROWS,
) -> dict[str, Any]:
    """Write the rows to `path` and the truth to `path`.truth.json, and return the truth.

    There are `rows` rows in all, or as many for each component on average as `rows_each`. `labels` adds the true component,
    0 to k - 1, as the last column. The truth has the means with the offset, and the covariances before rounding. Each file
    appears whole or not at all, the truth first: where there is data there is its truth. Memory does not grow with `rows`.

    :raises ValueError: a wrong argument, in one sentence
    :raises OSError: where it cannot write
    """
    made = mixture(kind, features, components, seed)
    n_rows = rows_each * components if rows is None else rows
    _check(n_rows, offset, format, header, chunk_rows)
    counts = apportion(n_rows, made.weights)
    names = [f"x{j}" for j in range(1, features + 1)]
    columns = [*names, LABEL] if labels else names
    truth = {
        "kind": kind,
        "components": {
            "weights": made.weights.tolist(),
            "means": (made.means + offset).tolist(),
            "covariances": made.covariances.tolist(),
            "rows": counts.tolist(),
        },
        "rounded": kind == "duplicated",
        "offset": float(offset),
        "columns": columns,
        "features": names,
        "label": LABEL if labels else None,
        "rows": n_rows,
        "seed": seed,
        "format": format,
        "header": header,
    }
    cells = ["%r"] * features + ["%d"] * labels
    line = (",".join(cells) if format == "csv" else f"[{', '.join(cells)}]").encode("ascii") + b"\n"
    with beside_its_truth(path, truth) as data:
        if header:
            data.write((",".join(columns) + "\n").encode("ascii"))
        for component, x in _rows(made, counts, seed, chunk_rows):
            # Adding 0 makes 0 of -0, which is another text for the same number.
            x = (np.rint(x) if kind == "duplicated" else x) + offset
            table = np.column_stack([x, component]) if labels else x
            data.write(line * len(table) % tuple(table.ravel().tolist()))
    return truth


def mixture(kind: str, features: int = 2, components: int = 3, seed: int = 0) -> Mixture:
    """The mixture of a kind, its centres without an offset; the seed is that of the directions of `elongated`.

    :raises ValueError: a wrong argument, in one sentence
    """
    if kind not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {kind!r}")
    if features < 1:
        raise ValueError(f"features must be 1 or more, not {features}")
    if components < 1:
        raise ValueError(f"components must be 1 or more, not {components}")
    if kind == "exercise" and (features, components) != (2, 3):
        raise ValueError(
            f"the exercise has 2 features and 3 components, not {features} and {components}; give another kind"
        )
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    number = np.arange(1, components + 1)
    weights = 1.0 / number**2 if kind == "unequal" else np.ones(components)
    means = np.array(EXERCISE) if kind == "exercise" else SPACING[kind] * _lattice(components, features)
    roots = np.tile(np.eye(features), (components, 1, 1))
    if kind == "elongated":
        u = _directions(components, features, _streams(seed)[2])
        roots = 0.5 * (roots + 9.0 * u[:, :, None] * u[:, None, :])
    elif kind == "unequal":
        roots *= (4.0 / number)[:, None, None]
    return Mixture(weights / math.fsum(weights), means, roots)


def apportion(rows: int, weights: np.ndarray) -> np.ndarray:
    """Whole numbers of rows in proportion to the weights, which sum to 1, by the largest remainders: (k,)."""
    exact = rows * weights
    counts = np.floor(exact).astype(np.int64)
    order = np.argsort(counts - exact, kind="stable")
    counts[order[: rows - int(counts.sum())]] += 1
    return counts


def _lattice(components: int, features: int) -> np.ndarray:
    """The first points of a square lattice, distance 1 apart: (k, p)."""
    side = 1
    while side**features < components:
        side += 1
    points = np.zeros((components, features))
    left = np.arange(components)
    for j in range(features):
        left, points[:, j] = np.divmod(left, side)
    return points


def _directions(components: int, features: int, stream: np.random.Generator) -> np.ndarray:
    """Random directions, each of length 1: (k, p)."""
    vectors = stream.standard_normal((components, features))
    # Not numpy's norm: a BLAS may round differently on other processors.
    return vectors / np.array([math.hypot(*vector) for vector in vectors])[:, None]


def _rows(made: Mixture, counts: np.ndarray, seed: int, chunk_rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The rows in chunks: the component of each, (n,), and the features, (n, p)."""
    label_stream, stream, _ = _streams(seed)
    for shuffled in _shuffled_labels(counts, label_stream):
        for start in range(0, len(shuffled), chunk_rows):
            component = shuffled[start : start + chunk_rows]
            x = made.means[component]
            z = stream.standard_normal(x.shape)
            # A loop over the features, not a product of matrices: a BLAS may round differently for other shapes.
            for j in range(x.shape[1]):
                x += made.roots[component, :, j] * z[:, j, None]
            yield component, x


def _shuffled_labels(counts: np.ndarray, stream: np.random.Generator) -> Iterator[np.ndarray]:
    """A random permutation of the labels 0 to k - 1, each as often as counted, in pieces of SHUFFLED_ROWS."""
    left = counts.copy()
    while n_left := int(left.sum()):
        piece = stream.multivariate_hypergeometric(left, min(SHUFFLED_ROWS, n_left))
        left -= piece
        yield stream.permutation(np.repeat(np.arange(len(piece)), piece))


def _streams(seed: int) -> list[np.random.Generator]:
    """The streams of labels, features and directions."""
    return [np.random.default_rng(child) for child in np.random.SeedSequence(seed).spawn(3)]


def _check(rows: int, offset: float, format: str, header: bool, chunk_rows: int) -> None:
    if not 0 <= rows <= MAX_ROWS:
        raise ValueError(f"rows must be 0 to {MAX_ROWS:,} in all, not {rows:,}")
    if not math.isfinite(offset):
        raise ValueError(f"offset must be finite, not {offset}")
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}, not {format!r}")
    if header and format == "json":
        raise ValueError("header is for csv alone: a JSON array is a row, and has no names")
    if chunk_rows < 1:
        raise ValueError(f"chunk_rows must be 1 or more, not {chunk_rows}")


def main(argv: list[str] | None = None) -> int:
    parser = make_parser("Generate rows of a Gaussian mixture and the truth they were made from.")
    parser.add_argument("--kind", choices=KINDS, default="exercise", help="Default: %(default)s")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--rows", type=int, help="rows in all, in proportion to the weights of the components")
    size.add_argument(
        "--rows-each", type=int, default=1000, help="or rows for each component, on average. Default: %(default)s"
    )
    parser.add_argument("--features", type=int, default=2, help="Default: %(default)s")
    parser.add_argument("--components", type=int, default=3, help="Default: %(default)s")
    parser.add_argument("--offset", type=float, default=0.0, help="added to every number. Default: %(default)s")
    parser.add_argument("--format", choices=FORMATS, default="csv", help="Default: %(default)s")
    parser.add_argument("--header", action="store_true", help="write the column names first (csv)")
    parser.add_argument("--labels", action="store_true", help=f"add the column {LABEL}, the true component from 0")
    return run_generator(parser, generate, argv)


if __name__ == "__main__":
    sys.exit(main())
