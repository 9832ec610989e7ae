"""The benchmark of describing a table: ours, and the same numbers by polars.

1M rows x 20 columns (twelve continuous ones, four of them with missing cells; four of whole numbers, two with few and two
with many values; a date; three of text with 20, 5,000 and 200,000 values), and 5M rows for memory. Both sides are processes
of their own that read the same text; they take turns. polars counts different and frequent values exactly and sorts for
quantiles, with the whole table in memory; ours states its errors, and they are compared with the truth that polars finds.

    python bench/describe.py --repeat 3 --check
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
    from bench.linear import ROOT, Bar, Benchmark, Side, available, peer_side
    from bench.measure import Usage
except ImportError:  # started as a script: its own folder is on the path instead of the project's
    from bars import bars_parser, conclude  # type: ignore[no-redef]
    from linear import ROOT, Bar, Benchmark, Side, available, peer_side  # type: ignore[no-redef]
    from measure import Usage  # type: ignore[no-redef]

SMALL, LARGE = 1_000_000, 5_000_000
CHUNK_ROWS = 250_000
DRIVER = ROOT / "drivers" / "describe.py"


def our_side(runner: str) -> Side:
    def command(data: Path, work: Path, cache: Path) -> list[str]:
        return [
            sys.executable, str(DRIVER), str(data), "--quiet", "--no-report", "--no-conf", "-r", runner,
            "--cache-dir", str(cache), "--run-dir", str(work / "run"),
        ]  # fmt: skip

    def answer(usage: Usage, work: Path) -> dict[str, Any]:
        told = json.loads((work / "run" / "model.json").read_text())
        columns = {column["name"]: column for column in told["columns"]}
        numbers = {name: column for name, column in columns.items() if column["skew"] is not None}
        names, matrix = told["correlations"]["names"], told["correlations"]["matrix"]
        return {
            "distinct": {name: column["distinct"]["value"] for name, column in columns.items()},
            "skew": {name: column["skew"] for name, column in numbers.items()},
            "median": {name: column["quantiles"]["values"][4] for name, column in numbers.items()},
            "correlation": {f"{a} with {b}": matrix[i][j] for i, a in enumerate(names) for j, b in enumerate(names)},
        }

    return Side(f"{runner}-cold", command, answer)


def all_sides(rows: int) -> list[Side]:
    ours = [our_side(runner) for runner in ("inline", "local")]
    return ours if rows != SMALL else [*ours, peer_side("polars", "polars_describe.py", needs=("polars",))]


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, float]:
    """The largest relative difference of the numbers of different values and of skew, and of the correlations."""

    def largest(key: str, relative: bool) -> float:
        pairs = [(ours[key][name], value) for name, value in theirs[key].items() if name in ours[key]]
        return max(abs(a - b) / (abs(b) if relative else 1.0) for a, b in pairs)

    return {
        "distinct": largest("distinct", True),
        "skew": largest("skew", False),
        "correlation": largest("correlation", False),
    }


def bars(table: dict[int, dict[str, Any]]) -> list[Bar]:
    """The promises, from {rows: {side: figures}}."""
    ours = ("inline-cold", "local-cold")
    small = table.get(SMALL, {})
    ratios: list[float | None] = [None, None]
    if "polars" in small and any(side in small for side in ours):
        ratios = [
            min(small[side]["wall"][key] for side in ours if side in small) / small["polars"]["wall"][key]
            for key in ("median", "min")
        ]
    promises = [Bar("describe, 1M x 20: better of inline and local / polars", ratios[0], 1.5, minima=ratios[1])]
    for side in ours:
        memory = [table.get(rows, {}).get(side, {}).get("summed", {}).get("median") for rows in (LARGE, SMALL)]
        growth = None if None in memory else memory[0] / memory[1]
        promises.append(Bar(f"describe, {side}: summed memory at 5M / at 1M rows", growth, 1.2))
    return promises


def print_table(rows: int, results: dict[str, Any]) -> None:
    print(f"\ndescribe, {rows:,} rows: seconds (min, median, max), MB")
    for name, entry in results.items():
        wall = " ".join(f"{entry['wall'][key]:7.2f}" for key in ("min", "median", "max"))
        print(f"{name:14} {wall} {entry['summed']['median'] / 1e6:7.0f}")
        if name != "polars" and "polars" in results:
            told = differences(entry, results["polars"])
            print("    largest difference from polars: " + ", ".join(f"{key} {value:.2g}" for key, value in told.items()))


def generated(rows: int, cache: Path) -> Path:
    """The data, made once, in pieces."""
    path = cache / f"describe-{rows}.csv"
    if path.exists():
        return path
    print(f"generating {path.name}", file=sys.stderr, flush=True)
    partial = path.with_suffix(".partial")
    writer = None
    for start in range(0, rows, CHUNK_ROWS):
        piece = _rows(np.random.default_rng([start, 7]), min(CHUNK_ROWS, rows - start))
        writer = writer or pacsv.CSVWriter(
            str(partial), piece.schema, write_options=pacsv.WriteOptions(quoting_style="none")
        )
        writer.write_table(piece)
    assert writer is not None
    writer.close()
    partial.rename(path)
    return path


def _rows(rng: np.random.Generator, n: int) -> pa.Table:
    common = rng.normal(size=n)
    columns: dict[str, Any] = {f"x{j}": rng.normal(size=n) + 0.1 * j * common for j in range(4)}
    columns |= {f"skewed{j}": np.exp(rng.normal(size=n) * (0.3 + 0.2 * j) + 0.2 * common) for j in range(4)}
    columns |= {f"blank{j}": pa.array(rng.gamma(2.0, size=n), mask=rng.random(n) < 0.05 * (j + 1)) for j in range(4)}
    columns |= {"few": rng.integers(0, 7, n), "age": rng.integers(18, 95, n)}
    columns |= {"amount": rng.integers(0, 10**7, n), "count": rng.negative_binomial(2, 0.002, n)}
    days = pa.array(rng.integers(16_000, 20_000, n).astype(np.int32)).cast(pa.date32())
    columns["day"] = days.cast(pa.string())
    for name, n_texts in (("group", 20), ("town", 5_000), ("customer", 200_000)):
        columns[name] = np.char.add(f"{name} ", rng.integers(0, n_texts, n).astype(str))
    return pa.table(columns)


def main(argv: list[str] | None = None) -> int:
    parser = bars_parser(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[SMALL, LARGE], help="Default: %(default)s")
    options = parser.parse_args(argv)
    options.cache.mkdir(parents=True, exist_ok=True)
    table: dict[int, dict[str, Any]] = {}
    for rows in options.rows:
        sides = [side for side in all_sides(rows) if not options.sides or side.name in options.sides]
        data = generated(rows, options.cache)
        print(f"describe, {rows:,} rows", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=options.cache, prefix="work-") as work:
            table[rows] = Benchmark(available(sides, DRIVER), data, Path(work)).run(options.repeat)
        print_table(rows, table[rows])
    return conclude(options, table, bars(table))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
