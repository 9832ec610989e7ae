"""The benchmark of clustering: k-means and Gaussian mixtures, ours, scikit-learn's and Spark's, to the same objective.

1M rows x 10 columns with 10 clusters, 1M x 5 with 5 full components, 10M rows for memory, and 2 to 10 clusters from 3
starts each beside 10 alone. Every side is a process of its own that reads the same text; the sides take turns. See
bench/README.md.

    python bench/clustering.py --repeat 3 --check
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

# Of each method: columns, clusters, and how many times scikit-learn's seconds ours may take.
METHODS = {"kmeans": (10, 10, 1.5), "gmm": (5, 5, 1.0)}
SIZES = {"kmeans": "--n-clusters", "gmm": "--n-components"}
SMALL, LARGE = 1_000_000, 10_000_000
# A side whose objective is more than this above the best one has ended in another optimum.
SAME = 0.01
MANY, SEPARATE = "local-cold-2..10x3", "local-27-runs"


def our_side(method: str, runner: str, n_clusters: str, name: str, restarts: int = 1) -> Side:
    def command(data: Path, work: Path, cache: Path) -> list[str]:
        if name == SEPARATE:
            return [
                sys.executable, str(ROOT / "bench" / "many_fits.py"), method, str(data), n_clusters, str(restarts),
                "-r", runner, "--cache-dir", str(cache), "--run-dir", str(work / "run"),
            ]  # fmt: skip
        return [
            sys.executable, str(ROOT / "drivers" / f"run_{method}.py"), str(data), SIZES[method], n_clusters,
            "--restarts", str(restarts), "--quiet", "--no-report", "--no-conf", "-r", runner,
            "--cache-dir", str(cache), "--run-dir", str(work / "run"),
        ]  # fmt: skip

    def answer(usage: Usage, work: Path) -> dict[str, Any]:
        model = json.loads((work / "run" / "model.json").read_text())
        chosen, n = model["candidates"][model["chosen"]], model["training"]["weight_sum"]
        objective = chosen["sse"] / n if method == "kmeans" else -chosen["mean_log_likelihood"]
        return {"objective": objective, "n_iter": model["training"]["n_passes"]}

    return Side(name, command, answer)


def all_sides(method: str, n_rows: int) -> list[Side]:
    p, k, _ = METHODS[method]
    ours = [our_side(method, runner, str(k), f"{runner}-cold") for runner in ("inline", "local")]
    if n_rows != SMALL:
        return ours
    if method == "kmeans":
        ours += [our_side(method, "local", "2..10", name, restarts=3) for name in (MANY, SEPARATE)]
    words = (method, "--clusters", str(k))
    return [
        *ours,
        _peer("sklearn", "sklearn_clusters.py", words, ("sklearn", "pandas")),
        _peer("pyspark", "spark_clusters.py", (*words, "--features", str(p)), ("pyspark",)),
    ]


def _peer(name: str, script: str, words: tuple[str, ...], needs: tuple[str, ...]) -> Side:
    """A peer whose first word is the method, before the data."""
    method, *options = words
    side = peer_side(name, script, *options, needs=needs)

    def command(data: Path, work: Path, cache: Path) -> list[str]:
        python, path, *rest = side.command(data, work, cache)
        return [python, path, method, *rest]

    return Side(name, command, side.answer, needs)


def bars(method: str, table: dict[int, dict[str, Any]]) -> list[Bar]:
    """The promises of a method, from {rows: {side: figures}}."""

    def best(names: tuple[str, ...], key: str) -> float | None:
        found = [table[SMALL][name]["wall"][key] for name in names if name in table.get(SMALL, {})]
        return min(found) if found else None

    def ratio(text: str, above: tuple[str, ...], below: tuple[str, ...], limit: float, at_least: bool = False) -> Bar:
        values = []
        for key in ("median", "min"):
            top, bottom = best(above, key), best(below, key)
            values.append(None if top is None or bottom is None else top / bottom)
        return Bar(f"{method}, 1M rows: {text}", values[0], limit, at_least, values[1])

    ours = ("inline-cold", "local-cold")
    promises = [
        ratio("PySpark / better of inline and local", ("pyspark",), ours, 5.0, at_least=True),
        ratio("better of inline and local / scikit-learn", ours, ("sklearn",), METHODS[method][2]),
    ]
    if method == "kmeans":
        promises += [
            ratio("2 to 10 clusters from 3 starts each / 10 from one", (MANY,), ("local-cold",), 3.0),
            ratio("the same by 27 runs / by one", (SEPARATE,), (MANY,), 1.0, at_least=True),
        ]
    for side in ours:
        memory = [table.get(rows, {}).get(side, {}).get("summed", {}).get("median") for rows in (LARGE, SMALL)]
        growth = None if None in memory else memory[0] / memory[1]
        promises.append(Bar(f"{method}, {side}: summed memory at 10M / at 1M rows", growth, 1.2))
    return promises


def print_table(method: str, rows: int, results: dict[str, Any]) -> None:
    least = min(entry["objective"] for entry in results.values())
    print(f"\n{method}, {rows:,} rows: seconds, MB, objective a row, passes or iterations")
    for name, entry in results.items():
        wall = " ".join(f"{entry['wall'][key]:7.2f}" for key in ("min", "median", "max"))
        memory = entry["summed"]["median"] / 1e6
        several = name in (MANY, SEPARATE)
        other = "  another optimum" if entry["objective"] - least > SAME * abs(least) and not several else ""
        print(f"{name:20} {wall} {memory:7.0f} {entry['objective']:12.6f} {entry['n_iter']:5}{other}")


def generated(method: str, rows: int, cache: Path) -> Path:
    """The data, made once, in a process of its own."""
    p, k, _ = METHODS[method]
    path = cache / f"separated-{rows}x{p}-{k}.csv"
    if not path.exists():
        print(f"generating {path.name}", file=sys.stderr, flush=True)
        words = ["--kind", "separated", "--rows", str(rows), "--features", str(p), "--components", str(k), "--header"]
        script = ROOT / "data_gen" / "gen_blobs.py"
        subprocess.run([sys.executable, str(script), *words, "--out", str(path)], check=True)
    return path


def main(argv: list[str] | None = None) -> int:
    parser = bars_parser(__doc__)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--rows", type=int, nargs="+", default=[SMALL, LARGE], help="Default: %(default)s")
    options = parser.parse_args(argv)
    options.cache.mkdir(parents=True, exist_ok=True)
    tables: dict[str, dict[int, dict[str, Any]]] = {}
    for method in options.methods:
        tables[method] = {}
        for rows in options.rows:
            sides = [side for side in all_sides(method, rows) if not options.sides or side.name in options.sides]
            data = generated(method, rows, options.cache)
            print(f"{method}, {rows:,} rows", file=sys.stderr, flush=True)
            with tempfile.TemporaryDirectory(dir=options.cache, prefix="work-") as work:
                found = available(sides, ROOT / "drivers" / f"run_{method}.py")
                tables[method][rows] = Benchmark(found, data, Path(work)).run(options.repeat)
            print_table(method, rows, tables[method][rows])
    return conclude(options, tables, [bar for method, table in tables.items() for bar in bars(method, table)])


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
