"""The benchmark of scoring: one number a row, beside packing the same text.

1M rows x 20 columns of numbers. A linear model of all of them, applied by drivers/score.py, which reads, computes and
writes a row for each row; the packing of the table (bench/pack_text.py), which reads it and writes blocks; and the scores
with standardised columns, by a recipe. All are processes of their own that take turns.

    python bench/scoring.py --repeat 3 --check
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as pacsv

try:
    from bench.bars import bars_parser, conclude
    from bench.linear import ROOT, Bar, Benchmark, Side
    from bench.measure import Usage
except ImportError:  # started as a script: its own folder is on the path instead of the project's
    from bars import bars_parser, conclude  # type: ignore[no-redef]
    from linear import ROOT, Bar, Benchmark, Side  # type: ignore[no-redef]
    from measure import Usage  # type: ignore[no-redef]

ROWS, COLUMNS = 1_000_000, 20
NAMES = [f"x{j}" for j in range(COLUMNS)]


def write_model(path: Path, standardised: bool) -> Path:
    """A linear model of all columns, as a file; standardised by a recipe, or taken as they are."""
    model: dict[str, Any] = {
        "format": "scanlearn-model", "version": 1, "kind": "wols", "features": NAMES,
        "parameters": {"coefficients": [1 / (j + 1) for j in range(COLUMNS)], "intercept": 0.5},
    }  # fmt: skip
    if standardised:
        scale = {
            "step": "scale", "columns": NAMES, "centers": dict.fromkeys(NAMES, 1.5), "scales": dict.fromkeys(NAMES, 2.5)
        }  # fmt: skip
        recipe = {"columns": NAMES, "texts": {}, "formats": {}, "steps": [scale], "features": NAMES}
        model["design"] = {"features": NAMES, "recipe": recipe}
    path.write_text(json.dumps(model))
    return path


def all_sides(folder: Path) -> list[Side]:
    def packing(data: Path, work: Path, cache: Path) -> list[str]:
        return [sys.executable, str(ROOT / "bench" / "pack_text.py"), str(data), "--cache-dir", str(cache)]

    def scoring(model: Path) -> Any:
        def command(data: Path, work: Path, cache: Path) -> list[str]:
            return [
                sys.executable, str(ROOT / "drivers" / "score.py"), str(model), str(data), "--columns", ",".join(NAMES),
                "-o", str(work / "scores.csv"), "--quiet",
            ]  # fmt: skip

        return command

    def scored(usage: Usage, work: Path) -> dict[str, Any]:
        with open(work / "scores.csv", "rb") as file:
            return {"rows": sum(1 for _ in file) - 1}

    return [
        Side("pack", packing, lambda usage, work: {"rows": json.loads(usage.stdout)["rows"]}),
        Side("score", scoring(write_model(folder / "plain.json", False)), scored),
        Side("score-scaled", scoring(write_model(folder / "scaled.json", True)), scored),
    ]


def bars(results: dict[str, Any]) -> list[Bar]:
    """The promise, from {side: figures}."""
    ratios: list[float | None] = [None, None]
    if {"pack", "score"} <= set(results):
        assert results["pack"]["rows"] == results["score"]["rows"]
        ratios = [results["score"]["wall"][key] / results["pack"]["wall"][key] for key in ("median", "min")]
    return [Bar("score, 1M x 20, one number a row / pack", ratios[0], 1.0, minima=ratios[1])]


def generated(cache: Path) -> Path:
    """The data, made once, without a header."""
    path = cache / f"scoring-{ROWS}x{COLUMNS}.csv"
    if not path.exists():
        print(f"generating {path.name}", file=sys.stderr, flush=True)
        values = np.random.default_rng(0).normal(size=(ROWS, COLUMNS)).round(6)
        table = pa.table(dict(zip(NAMES, values.T)))
        partial = path.with_suffix(".partial")
        pacsv.write_csv(table, str(partial), pacsv.WriteOptions(include_header=False))
        partial.rename(path)
    return path


def main(argv: list[str] | None = None) -> int:
    options = bars_parser(__doc__ or "").parse_args(argv)
    options.cache.mkdir(parents=True, exist_ok=True)
    data = generated(options.cache)
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="work-") as work:
        sides = [side for side in all_sides(Path(work)) if not options.sides or side.name in options.sides]
        results = Benchmark(sides, data, Path(work)).run(options.repeat)
    for name, entry in results.items():
        wall = " ".join(f"{entry['wall'][key]:7.2f}" for key in ("min", "median", "max"))
        print(f"{name:14} {wall} {entry['summed']['median'] / 1e6:7.0f} MB")
    return conclude(options, results, bars(results))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
