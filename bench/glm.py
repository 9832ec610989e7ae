"""The benchmark of logistic regression: ours, scikit-learn's and Spark's, to the same optimum, and the choice of a penalty.

1M rows x 20 columns of two classes, 5M rows for memory, and on 200,000 rows ten ridge penalties on five folds. Every side
is a process of its own that reads the same text; the sides take turns. See bench/README.md.

    python bench/glm.py --repeat 3 --check
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from bench.bars import bars_parser, conclude
    from bench.linear import ROOT, Bar, Benchmark, Side, available, peer_side
    from bench.measure import Usage
except ImportError:  # started as a script: its own folder is on the path instead of the project's
    from bars import bars_parser, conclude  # type: ignore[no-redef]
    from linear import ROOT, Bar, Benchmark, Side, available, peer_side  # type: ignore[no-redef]
    from measure import Usage  # type: ignore[no-redef]

SMALL, LARGE, TUNED = 1_000_000, 5_000_000, 200_000
FEATURES = 20
# In units of scikit-learn's 1 / C; of those that are tried, all but the first few fit about as well.
ALPHAS = ",".join(f"{10**exponent:g}" for exponent in range(4, -6, -1))
# A log-loss that is more than this above the best one is of another optimum.
SAME = 1e-6
TASKS = {SMALL: "alone", LARGE: "alone", TUNED: "tuning"}


def our_side(runner: str, task: str) -> Side:
    def command(data: Path, work: Path, cache: Path) -> list[str]:
        tuning = ["--penalty", "ridge", "--alphas", ALPHAS, "--folds", "5"] if task == "tuning" else []
        return [
            sys.executable, str(ROOT / "drivers" / "run_logistic.py"), str(data), "--target", "y", *tuning, "--quiet",
            "--no-report", "--no-conf", "-r", runner, "--cache-dir", str(cache), "--run-dir", str(work / "run"),
        ]  # fmt: skip

    def answer(usage: Usage, work: Path) -> dict[str, Any]:
        model = json.loads((work / "run" / "model.json").read_text())
        return {"objective": model["evaluation"]["in_sample"]["log_loss"], "n_iter": model["training"]["n_passes"]}

    return Side(f"{runner}-cold", command, answer)


def all_sides(rows: int) -> list[Side]:
    ours = [our_side(runner, TASKS[rows]) for runner in ("inline", "local")]
    if rows == LARGE:
        return ours
    words = ("--alphas", ALPHAS) if rows == TUNED else ()
    return [
        *ours,
        peer_side("sklearn", "sklearn_logistic.py", *words, needs=("sklearn", "pandas")),
        peer_side("pyspark", "spark_logistic.py", "--features", str(FEATURES), *words, needs=("pyspark",)),
    ]


def bars(tables: dict[int, dict[str, Any]]) -> list[Bar]:
    """The promises, from {rows: {side: figures}}."""

    def best(rows: int, names: tuple[str, ...], key: str) -> float | None:
        found = [tables[rows][name]["wall"][key] for name in names if name in tables.get(rows, {})]
        return min(found) if found else None

    def ratio(text: str, rows: int, above: tuple[str, ...], below: tuple[str, ...], limit: float, at_least: bool) -> Bar:
        values = []
        for key in ("median", "min"):
            top, bottom = best(rows, above, key), best(rows, below, key)
            values.append(None if top is None or bottom is None else top / bottom)
        return Bar(f"{rows:,} rows: {text}", values[0], limit, at_least, values[1])

    ours = ("inline-cold", "local-cold")
    promises = [
        ratio("PySpark / better of inline and local", SMALL, ("pyspark",), ours, 5.0, True),
        ratio("better of inline and local / scikit-learn", SMALL, ours, ("sklearn",), 1.5, False),
    ]
    for side in ours:
        memory = [tables.get(rows, {}).get(side, {}).get("summed", {}).get("median") for rows in (LARGE, SMALL)]
        growth = None if None in memory else memory[0] / memory[1]
        promises.append(Bar(f"{side}: summed memory at 5M / at 1M rows", growth, 1.2))
    return promises


def print_table(rows: int, results: dict[str, Any]) -> None:
    least = min(entry["objective"] for entry in results.values())
    print(f"\n{TASKS[rows]}, {rows:,} rows: seconds (least, median, most), MB, log-loss, passes or iterations")
    for name, entry in results.items():
        wall = " ".join(f"{entry['wall'][key]:7.2f}" for key in ("min", "median", "max"))
        other = "  another optimum" if TASKS[rows] == "alone" and entry["objective"] > least * (1 + SAME) else ""
        memory = entry["summed"]["median"] / 1e6
        print(f"{name:12} {wall} {memory:7.0f} {entry['objective']:14.9f} {entry['n_iter']:5}{other}")


def generated(rows: int, cache: Path) -> Path:
    """The data, made once, in a process of its own."""
    path = cache / f"logistic-{rows}x{FEATURES}.csv"
    if not path.exists():
        print(f"generating {path.name}", file=sys.stderr, flush=True)
        script = ROOT / "data_gen" / "gen_glm.py"
        words = ["--rows", str(rows), "--features", str(FEATURES), "--out", str(path)]
        subprocess.run([sys.executable, str(script), *words], check=True)
    return path


def main(argv: list[str] | None = None) -> int:
    parser = bars_parser(__doc__)
    parser.add_argument("--rows", type=int, nargs="+", choices=list(TASKS), default=list(TASKS), help="Default: all")
    options = parser.parse_args(argv)
    options.cache.mkdir(parents=True, exist_ok=True)
    tables: dict[int, dict[str, Any]] = {}
    for rows in options.rows:
        sides = [side for side in all_sides(rows) if not options.sides or side.name in options.sides]
        data = generated(rows, options.cache)
        print(f"{TASKS[rows]}, {rows:,} rows", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=options.cache, prefix="work-") as work:
            found = available(sides, ROOT / "drivers" / "run_logistic.py")
            tables[rows] = Benchmark(found, data, Path(work)).run(options.repeat)
        print_table(rows, tables[rows])
    return conclude(options, tables, bars(tables))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
