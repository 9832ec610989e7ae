"""Rows of a generalised linear model, as delimited text, and the truth they were made from.

For row i and features j = 1..p, x_ij standard normal, the linear predictor is eta_i = a + sum b_j x_ij with
b_j = (-1)^(j+1) / j (1, -1/2, 1/3, ...), and the target by --family

    binomial       y is 1 with probability 1 / (1 + exp(-eta)), a = --intercept, -0.5 if not given multinomial    y is one
    of K classes "c1" ... "cK" with probabilities proportional to exp(c eta / K), c = 1..K poisson        Poisson with mean
    exp(eta / 2), a = 1 gamma          gamma with mean exp(eta / 2) and shape 2 negative-binomial   Poisson with a mean that
    is gamma distributed about exp(eta / 2) with variance --alpha times its square

The columns are y, x1, ..., xp, with a header, each number with 17 digits. The same seed gives the same bytes.

    python data_gen/gen_glm.py --family binomial --rows 100000 --features 4 --out clicks.csv
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np

from data_gen.gen_regression import coefficients
from data_gen.writing import beside_its_truth, make_parser, run_generator

FAMILIES = ("binomial", "multinomial", "poisson", "gamma", "negative-binomial")
INTERCEPTS = {"binomial": -0.5, "multinomial": 0.0, "poisson": 1.0, "gamma": 1.0, "negative-binomial": 1.0}
CHUNK_ROWS = 4096


def generate(
    path: str | os.PathLike[str],
    rows: int = 100_000,
    features: int = 4,
    family: str = "binomial",
    classes: int = 3,
    alpha: float = 0.5,
    intercept: float | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Write the rows to `path` and the truth to `path`.truth.json, and return the truth.

    :raises ValueError: a wrong argument, in one sentence
    :raises OSError: it cannot write
    """
    if rows < 0 or features < 1 or classes < 2 or not alpha > 0:
        raise ValueError("rows must be 0 or more, features 1 or more, classes 2 or more, alpha above 0")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    if family not in FAMILIES:
        raise ValueError(f"family must be one of {', '.join(FAMILIES)}, not {family!r}")
    a, b = INTERCEPTS[family] if intercept is None else intercept, coefficients(features)
    names = [f"x{j}" for j in range(1, features + 1)]
    half = 1.0 if family in ("binomial", "multinomial") else 0.5
    truth = {
        "family": family, "coefficients": (half * b).tolist(), "intercept": half * a, "columns": ["y", *names],
        "features": names, "target": "y", "rows": rows, "seed": seed, "header": True,
        **({"alpha": alpha} if family == "negative-binomial" else {}),
        **({"classes": [f"c{c}" for c in range(1, classes + 1)]} if family == "multinomial" else {}),
    }  # fmt: skip
    features_stream, target_stream = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
    with beside_its_truth(path, truth) as data:
        data.write((",".join(truth["columns"]) + "\n").encode("ascii"))
        for start in range(0, rows, CHUNK_ROWS):
            n = min(CHUNK_ROWS, rows - start)
            X = features_stream.standard_normal((n, features))
            eta = np.full(n, a)
            for j in range(features):  # a BLAS may round differently for other shapes and processors
                eta += b[j] * X[:, j]
            y = _targets(target_stream, family, eta, classes, alpha)
            line = ("%s" + ",%.17g" * features + "\n").encode("ascii")
            cells = [cell for text, row in zip(y, X.tolist()) for cell in (text, *row)]
            data.write(line * n % tuple(cells))
    return truth


def _targets(stream: np.random.Generator, family: str, eta: np.ndarray, classes: int, alpha: float) -> list[bytes]:
    if family == "binomial":
        y = stream.random(len(eta)) < 1 / (1 + np.exp(-eta))
        return [b"1" if one else b"0" for one in y.tolist()]
    if family == "multinomial":
        scores = np.exp(eta[:, None] * np.arange(1, classes + 1) / classes)
        shares = np.cumsum(scores, axis=1)
        drawn = (stream.random(len(eta))[:, None] * shares[:, -1:] >= shares).sum(axis=1)
        return [b"c%d" % (c + 1) for c in drawn.tolist()]
    mean = np.exp(eta / 2)
    if family == "gamma":
        return [b"%.17g" % value for value in stream.gamma(2.0, mean / 2).tolist()]
    if family == "negative-binomial":
        mean = stream.gamma(1 / alpha, alpha * mean)
    return [b"%d" % value for value in stream.poisson(mean).tolist()]


def main(argv: list[str] | None = None) -> int:
    parser = make_parser("Generate rows of a generalised linear model and the truth they were made from.")
    parser.add_argument("--rows", type=int, default=100_000, help="Default: %(default)s")
    parser.add_argument("--features", type=int, default=4, help="Default: %(default)s")
    parser.add_argument("--family", choices=FAMILIES, default="binomial", help="Default: %(default)s")
    parser.add_argument("--classes", type=int, default=3, help="of a multinomial target. Default: %(default)s")
    parser.add_argument("--alpha", type=float, default=0.5, help="of a negative binomial target. Default: %(default)s")
    parser.add_argument("--intercept", type=float, help="Default: by the family")
    return run_generator(parser, generate, argv)


if __name__ == "__main__":
    sys.exit(main())
