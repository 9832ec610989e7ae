"""The benchmark of tuning: the lasso with its penalty by 5-fold cross-validation, ours, scikit-learn's and Spark's.

Ours and scikit-learn choose among 100 penalties, Spark's CrossValidator among 10. Every side is a process of its own that
reads the same text and ends with the coefficients; the sides take turns. See bench/README.md.

    python bench/penalties.py --repeat 3 --check
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

try:
    from bench.linear import ROOT, Bar, Benchmark, Side, available, peer_side, print_bars, print_table
    from bench.machine import versions
    from bench.measure import Usage
except ImportError:  # started as a script: its own folder is on the path instead of the project's
    from linear import ROOT, Bar, Benchmark, Side, available, peer_side, print_bars, print_table  # type: ignore[no-redef]
    from machine import versions  # type: ignore[no-redef]
    from measure import Usage  # type: ignore[no-redef]

ROWS, FEATURES, FOLDS = 1_000_000, 20, 5
SKLEARN = ("sklearn", "sklearn-threads", "sklearn-arrow")
# Other folds choose another of the penalties, whose coefficients differ by no more than this.
AGREEMENT = 0.02


def our_side(driver: Path, features: int, runner: str, warm: bool) -> Side:
    def command(data: Path, work: Path, cache: Path) -> list[str]:
        columns = ",".join(["y", *(f"x{j}" for j in range(1, features + 1)), "w"])
        return [
            sys.executable, str(driver), str(data), "--columns", columns, "--target", "y", "--weight", "w",
            "--penalty", "lasso", "--folds", str(FOLDS), "--quiet", "--no-report", "--no-conf", "-r", runner,
            "--cache-dir", str(cache), "--run-dir", str(work / "run"),
        ]  # fmt: skip

    def answer(usage: Usage, work: Path) -> dict[str, Any]:
        model = json.loads((work / "run" / "model.json").read_text())
        assert len(model["path"]["alphas"]) == 100 and model["training"]["n_passes"] == 1
        return model["parameters"]

    return Side(f"{runner}-{'warm' if warm else 'cold'}", command, answer, warm=warm)


def all_sides(driver: Path, features: int) -> list[Side]:
    p = ("--features", str(features))
    lasso = "sklearn_lasso_cv.py"
    return [
        peer_side("sklearn", lasso, *p, needs=("sklearn", "pandas")),
        our_side(driver, features, "inline", warm=False),
        our_side(driver, features, "local", warm=False),
        our_side(driver, features, "inline", warm=True),
        peer_side("sklearn-threads", lasso, *p, "--jobs", str(os.cpu_count()), needs=("sklearn", "pandas")),
        peer_side("sklearn-arrow", lasso, *p, "--reader", "arrow", "--jobs", str(os.cpu_count()), needs=("sklearn",)),
        peer_side("pyspark", "spark_lasso_cv.py", *p, needs=("pyspark",)),
    ]


def bars(results: dict[str, Any]) -> list[Bar]:
    """The promises, of medians and of minima."""

    def best(names: tuple[str, ...], key: str) -> float | None:
        found = [results[name]["wall"][key] for name in names if name in results]
        return min(found) if found else None

    def ratio(above: tuple[str, ...], below: tuple[str, ...], key: str) -> float | None:
        top, bottom = best(above, key), best(below, key)
        return None if top is None or bottom is None else top / bottom

    cold = ("inline-cold", "local-cold")
    return [
        Bar(text, ratio(peer, cold, "median"), limit, True, ratio(peer, cold, "min"))
        for text, peer, limit in (
            ("scikit-learn's LassoCV, the fastest way: seconds / better of inline and local, cold", SKLEARN, 2.0),
            ("PySpark's CrossValidator: seconds / better of inline and local, cold", ("pyspark",), 20.0),
        )
    ]


PATH = """
import jobs, time, numpy as np
from drivers.linear.cross_validation import cross_validate
from drivers.linear.penalties import Penalty
from jobs.design import RowCounts, Rows
from jobs.kernels.wols import WOLSQuery, WOLSStatistics
rng = np.random.default_rng(0)
mixing = np.eye({columns}) + 0.1 * rng.normal(size=({columns}, {columns}))
X = np.asfortranarray(rng.normal(size=(20_000, {columns})) @ mixing)
y, query, folds = X[:, :10].sum(axis=1) + rng.normal(size=len(X)), WOLSQuery(X.mean(axis=0), 0.0), []
for part in np.array_split(np.arange(len(X)), {folds}):
    fold = WOLSStatistics.zero(query)
    n = len(part)
    fold.add(Rows(X[part], y[part], np.ones(n), 0, 0, part, None, RowCounts(n, n)), query)
    folds.append(fold)
seconds = []
for _ in range(5):
    start = time.perf_counter()
    cross_validate(folds, query, Penalty("{kind}"))
    seconds.append(time.perf_counter() - start)
print(sorted(seconds)[2])
"""


def path_seconds(kind: str, columns: int = 50) -> float:
    """The median of 100 penalties on 5 folds and all rows, after the scan; in a process with one BLAS thread, as ours."""
    code = PATH.format(kind=kind, columns=columns, folds=FOLDS)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    return float(done.stdout)


def disagreement(results: dict[str, Any]) -> float:
    """The largest relative difference of a coefficient between two sides."""
    vectors = [entry["coefficients"] for entry in results.values()]
    return max(abs(a - b) / abs(b) for vector in vectors for a, b in zip(vector, vectors[0], strict=True))


def generated(rows: int, features: int, cache: Path) -> Path:
    """The data, made once."""
    path = cache / f"table-{rows}x{features + 2}.csv"
    if not path.exists():
        print(f"generating {path.name}", file=sys.stderr, flush=True)
        script = [sys.executable, str(ROOT / "bench" / "make_table.py"), "--rows", str(rows), "--features", str(features)]
        subprocess.run([*script, "--out", str(path)], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    return path


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    driver = ROOT / "drivers" / "run_wols.py"
    names = [side.name for side in all_sides(driver, FEATURES)]
    parser.add_argument("--rows", type=int, default=ROWS, help="Default: %(default)s")
    parser.add_argument("--features", type=int, default=FEATURES, help="Default: %(default)s")
    parser.add_argument("--repeat", type=int, default=3, help="measured runs of each side. Default: %(default)s")
    parser.add_argument(
        "--sides", nargs="+", choices=names, default=names, metavar="SIDE", help=f"of {', '.join(names)}. Default: all"
    )
    parser.add_argument("--cache", type=Path, default=ROOT / "build" / "bench", help="folder of the data")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every figure to this file")
    parser.add_argument("--check", action="store_true", help="end with status 1 where a bar fails")
    options = parser.parse_args(argv)

    options.cache.mkdir(parents=True, exist_ok=True)
    data = generated(options.rows, options.features, options.cache)
    sides = available([side for side in all_sides(driver, options.features) if side.name in options.sides], driver)
    with tempfile.TemporaryDirectory(dir=options.cache, prefix="work-") as work:
        results = Benchmark(sides, data, Path(work)).run(options.repeat)
    print(", ".join(f"{name} {version}" for name, version in versions().items()) + f", {os.cpu_count()} cores")
    differences = disagreement(results)
    print_table(options.rows, results, dict.fromkeys(results, differences), options.features + 2)
    slowest = max(path_seconds(kind) for kind in ("ridge", "lasso", "elastic-net"))
    promises = [
        *bars(results),
        Bar("100 penalties x 5 folds after the scan, 50 columns: seconds, the slowest kind", slowest, 1.0),
        Bar("largest relative difference of a coefficient", differences, AGREEMENT),
    ]
    print_bars(promises)
    if options.json:
        told = [{**asdict(bar), "verdict": bar.verdict} for bar in promises]
        options.json.write_text(json.dumps({"versions": versions(), "results": results, "bars": told}, indent=2) + "\n")
    return 1 if options.check and any(bar.verdict == "FAIL" for bar in promises) else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
