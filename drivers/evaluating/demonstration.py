"""Scores to judge where no input is given: customers with what a model has said of each, and whether they bought."""

from __future__ import annotations

import os
import sys

import numpy as np
import pyarrow as pa

from drivers.output_files import CsvFile
from drivers.packing.cache import default_cache_dir

N_ROWS = 50_000
REGIONS = ("north", "east", "south", "west")


def demonstration_scores(cache_dir: str | None) -> str:
    """A file of scores: bought, region, class, and the probabilities of no and yes."""
    folder = os.path.join(cache_dir or default_cache_dir(), "demo")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, "scores.csv")
    if not os.path.exists(path):
        print(f"no input given: generating {N_ROWS:,} rows of scores", file=sys.stderr)
        table = scores()
        with CsvFile(path, table.schema) as out:
            out.write_table(table)
    return path


def scores(n: int = N_ROWS, seed: int = 0) -> pa.Table:
    """Rows whose log odds are -2 + z, of which the model sees -2 + z + a little noise, and in the west less."""
    rng = np.random.default_rng(seed)
    region = rng.integers(0, len(REGIONS), n)
    z, noise = rng.normal(size=(2, n))
    bought = rng.random(n) < 1 / (1 + np.exp(2 - 1.5 * z))
    p = 1 / (1 + np.exp(2 - 1.3 * z - np.where(region == 3, 1.5, 0.4) * noise))
    words = np.array(["no", "yes"])
    return pa.table(
        {
            "bought": words[bought.astype(int)], "region": np.array(REGIONS)[region],
            "class": words[(p >= 0.5).astype(int)], "probability no": 1 - p, "probability yes": p,
        }
    )  # fmt: skip
