"""The tables that drivers without input work on, made once by the generators of data_gen/."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from drivers.packing.cache import default_cache_dir


def demonstration_regression(cache_dir: str | None, name: str, n_rows: int) -> str:
    """A file of rows of data_gen/gen_regression.py."""
    from data_gen.gen_regression import generate

    return _made(
        cache_dir, name, f"{n_rows:,} rows of y = x - 4 + noise, weight |1/x|", lambda path: generate(path, n_rows)
    )


def demonstration_blobs(cache_dir: str | None) -> str:
    """The file of the three Gaussians of data_gen/gen_blobs.py."""
    from data_gen.gen_blobs import generate

    return _made(cache_dir, "blobs.csv", "1,000 rows around each of (4, 0), (6, 6) and (0, 4)", generate)


def demonstration_glm(cache_dir: str | None, family: str) -> str:
    """A file of rows of a family, of data_gen/gen_glm.py."""
    from data_gen.gen_glm import generate

    return _made(cache_dir, f"{family}.csv", f"100,000 rows of a {family} model", partial(generate, family=family))


def _made(cache_dir: str | None, name: str, what: str, generate: Callable[[str], Any]) -> str:
    folder = os.path.join(cache_dir or default_cache_dir(), "demo")
    os.makedirs(folder, mode=0o700, exist_ok=True)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        print(f"no input given: generating {what}", file=sys.stderr)
        generate(path)
    return path
