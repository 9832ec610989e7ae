"""The benchmark of weighted least squares: our driver, scikit-learn and Spark's MLlib on the same file.

Every side is a process of its own that starts from nothing, reads the text and ends with the coefficients. The sides
take turns, so that a slow minute of the machine hits all of them. See bench/README.md for what each figure means.

    python bench/linear.py --rows 1000000 10000000 --repeat 3 --check
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

try:
    from bench.machine import versions
    from bench.measure import FIGURES, Usage, measure, spread, summary
except ImportError:  # started as a script: its own folder is on the path instead of the project's
    from machine import versions  # type: ignore[no-redef]
    from measure import FIGURES, Usage, measure, spread, summary  # type: ignore[no-redef]

ROOT = Path(__file__).resolve().parents[1]
PEERS = ROOT / "bench" / "peers"
REFERENCE = "sklearn"
SMALL, LARGE = 1_000_000, 10_000_000
AGREEMENT = 1e-6


@dataclass(frozen=True)
class Side:
    """A way to the coefficients: the command, what it needs, and where its answer is found."""

    name: str
    command: Callable[[Path, Path, Path], list[str]]  # (data, new work folder, pack cache) -> arguments
    answer: Callable[[Usage, Path], dict[str, Any]]
    needs: tuple[str, ...] = ()
    warm: bool = False  # keeps its pack cache, filled by a run that is not measured


@dataclass(frozen=True)
class Bar:
    """A promise: value(results) must lie within the limit. The value is None where its sides were not measured."""

    text: str
    value: float | None
    limit: float
    at_least: bool = False
    minima: float | None = None  # the same ratio from the minima, for information

    @property
    def verdict(self) -> str:
        if self.value is None:
            return "not measured"
        return "pass" if (self.value >= self.limit if self.at_least else self.value <= self.limit) else "FAIL"


def our_side(driver: Path, runner: str, warm: bool) -> Side:
    def command(data: Path, work: Path, cache: Path) -> list[str]:
        return [
            sys.executable, str(driver), str(data), "--columns", "y,x,w", "--target", "y", "--features", "x",
            "--weight", "w", "--quiet", "--no-report", "--no-conf", "-r", runner,
            "--cache-dir", str(cache), "--run-dir", str(work / "run"),
        ]  # fmt: skip

    def answer(usage: Usage, work: Path) -> dict[str, Any]:
        return json.loads((work / "run" / "model.json").read_text())["parameters"]

    return Side(f"{runner}-{'warm' if warm else 'cold'}", command, answer, warm=warm)


def peer_side(name: str, script: str, *arguments: str, needs: tuple[str, ...]) -> Side:
    def command(data: Path, work: Path, cache: Path) -> list[str]:
        return [sys.executable, str(PEERS / script), str(data), *arguments]

    def answer(usage: Usage, work: Path) -> dict[str, Any]:
        return json.loads(usage.stdout.splitlines()[-1])

    return Side(name, command, answer, needs)


def all_sides(driver: Path) -> list[Side]:
    sklearn = ("sklearn", "pandas")
    return [
        peer_side("sklearn", "sklearn_wols.py", needs=sklearn),
        our_side(driver, "inline", warm=False),
        our_side(driver, "local", warm=False),
        our_side(driver, "inline", warm=True),
        our_side(driver, "local", warm=True),
        peer_side("sklearn-pyarrow", "sklearn_wols.py", "--reader", "pyarrow", needs=(*sklearn, "pyarrow")),
        peer_side("sklearn-polars", "sklearn_wols.py", "--reader", "polars", needs=("sklearn", "polars")),
        peer_side("pyspark", "spark_wols.py", needs=("pyspark",)),
    ]


class Benchmark:
    """Runs the sides on one file, in turns."""

    def __init__(self, sides: list[Side], data: Path, work: Path) -> None:
        self.sides, self.data, self.work = sides, data, work
        self.usages: dict[str, list[Usage]] = {side.name: [] for side in sides}
        self.answers: dict[str, dict[str, Any]] = {}
        self.inner: dict[str, list[dict[str, float]]] = {side.name: [] for side in sides}

    def run(self, repeat: int) -> dict[str, Any]:
        for side in self.sides:
            if side.warm:
                self._once(side)
        # The file comes from the page cache for every side, also for the first.
        with open(self.data, "rb") as file:
            while file.read(1 << 24):
                pass
        for repetition in range(repeat):
            turn = repetition % len(self.sides)
            for side in self.sides[turn:] + self.sides[:turn]:
                self._measured(side)
        return self._results()

    def _measured(self, side: Side) -> None:
        usage, answer = self._once(side)
        self.usages[side.name].append(usage)
        self.answers[side.name] = answer
        if "seconds" in answer:
            self.inner[side.name].append(answer["seconds"])
        print(f"  {side.name:16} {usage.wall:8.2f} s", file=sys.stderr, flush=True)

    def _once(self, side: Side) -> tuple[Usage, dict[str, Any]]:
        with tempfile.TemporaryDirectory(dir=self.work) as folder:
            work = Path(folder)
            cache = self.work / side.name if side.warm else work / "cache"
            usage = measure(side.command(self.data, work, cache))
            if usage.status:
                sys.exit(f"{usage.stderr[-2000:]}\nbench: error: {side.name} ended with status {usage.status}")
            return usage, side.answer(usage, work)

    def _results(self) -> dict[str, Any]:
        results = {}
        for name, usages in self.usages.items():
            entry: dict[str, Any] = summary(usages)
            entry |= {key: value for key, value in self.answers[name].items() if key != "seconds"}
            entry["runs"] = [{key: getattr(usage, key) for key in FIGURES} for usage in usages]
            splits = self.inner[name]
            if splits:
                entry["seconds"] = {key: spread([split[key] for split in splits]) for key in splits[0]}
            if splits and "session" in splits[0]:
                walls = [usage.wall - split["session"] for usage, split in zip(usages, splits)]
                entry["wall without session"] = spread(walls)
            results[name] = entry
        return results


def disagreement(results: dict[str, Any]) -> dict[str, float]:
    """For each side, the largest relative difference of a coefficient or the intercept from the first side's."""
    vectors = {name: [entry["intercept"], *entry["coefficients"]] for name, entry in results.items()}
    first = next(iter(vectors.values()))

    def difference(vector: list[float]) -> float:
        return max(abs(a - b) / abs(b) for a, b in zip(vector, first, strict=True))

    return {name: difference(vector) for name, vector in vectors.items()}


def bars(table: dict[int, dict[str, Any]]) -> list[Bar]:
    """The promises, from {rows: {side: figures}}."""

    def figure(rows: int, side: str, name: str, key: str) -> float | None:
        return table.get(rows, {}).get(side, {}).get(name, {}).get(key)

    def best(values: list[float | None]) -> float | None:
        measured = [value for value in values if value is not None]
        return min(measured) if len(measured) == len(values) else None

    def ratio(above: Iterable[tuple[int, str]], below: Iterable[tuple[int, str]], name: str, key: str) -> float | None:
        """The best of `above` through the best of `below`; None where one of them was not measured."""
        top, bottom = (best([figure(rows, side, name, key) for rows, side in group]) for group in (above, below))
        return None if top is None or bottom is None else top / bottom

    def wall(text: str, above: list, below: list, limit: float, at_least: bool = False) -> Bar:
        return Bar(text, ratio(above, below, "wall", "median"), limit, at_least, ratio(above, below, "wall", "min"))

    cold = [(LARGE, "inline-cold"), (LARGE, "local-cold")]
    warm = [(LARGE, "inline-warm"), (LARGE, "local-warm")]
    promises = [
        wall("inline, cold, 1M rows: seconds / scikit-learn", [(SMALL, "inline-cold")], [(SMALL, REFERENCE)], 1.1),
        wall("better of inline and local, cold, 10M rows: seconds / scikit-learn", cold, [(LARGE, REFERENCE)], 1.1),
        wall("better of inline and local, warm, 10M rows: seconds / scikit-learn", warm, [(LARGE, REFERENCE)], 0.5),
        wall("PySpark, 10M rows: seconds / better of inline and local, cold", [(LARGE, "pyspark")], cold, 8.0, True),
    ]
    for runner in ("inline", "local"):
        side = f"{runner}-cold"
        growth = ratio([(LARGE, side)], [(SMALL, side)], "summed", "median")
        peak = figure(LARGE, side, "summed", "max")
        promises.append(Bar(f"{runner}, cold: summed memory at 10M / at 1M rows", growth, 1.2))
        megabytes = None if peak is None else peak / 1e6
        promises.append(Bar(f"{runner}, cold, 10M rows: summed memory, MB", megabytes, 400.0))
    return promises


def print_table(rows: int, results: dict[str, Any], differences: dict[str, float], columns: int = 3) -> None:
    base = results.get(REFERENCE)
    print(f"\n{rows:,} rows x {columns} columns: seconds, MB; ratios to {REFERENCE} of medians and of minima")
    seconds, memory = f"{'min':>7} {'median':>7} {'max':>7} {'cpu':>7}", f"{'largest':>8} {'summed':>8}"
    print(f"{'side':24} {seconds} {memory} {'ratio':>7} {'of min':>7}  differs")
    for name, entry in results.items():
        _print_row(name, entry["wall"], base, entry, f"{differences[name]:.0e}")
        if "wall without session" in entry:
            _print_row(f"{name} without session", entry["wall without session"], base)


def _print_row(name: str, wall: dict, base: dict | None, entry: dict | None = None, differs: str = "") -> None:
    seconds = " ".join(f"{wall[key]:7.2f}" for key in ("min", "median", "max"))
    if entry is None:
        rest = f"{'':7} {'':8} {'':8}"
    else:
        cpu, largest, summed = (entry[key]["median"] for key in ("cpu", "largest", "summed"))
        rest = f"{cpu:7.2f} {largest / 1e6:8.0f} {summed / 1e6:8.0f}"
    ratios = " ".join(f"{wall[key] / base['wall'][key]:7.2f}" for key in ("median", "min")) if base else f"{'':15}"
    print(f"{name:24} {seconds} {rest} {ratios}  {differs}".rstrip())


def print_bars(promises: list[Bar]) -> None:
    """A line each: the verdict, the value, and of ratios that of the minima too."""
    for bar in promises:
        value = "" if bar.value is None else f"{bar.value:.3g}" + ("" if bar.minima is None else f" ({bar.minima:.3g})")
        print(f"{bar.verdict:13} {bar.text}: {value} {'>=' if bar.at_least else '<='} {bar.limit:g}")


def generated(rows: int, cache: Path) -> Path:
    """The data, made once. In a process of its own: what this one takes, its children inherit as their peak memory."""
    path = cache / f"regression-{rows}x3-seed0.csv"
    if not path.exists():
        print(f"generating {path.name}", file=sys.stderr, flush=True)
        script = ROOT / "data_gen" / "gen_regression.py"
        subprocess.run([sys.executable, str(script), "--rows", str(rows), "--out", str(path)], check=True)
    return path


def available(sides: list[Side], driver: Path) -> list[Side]:
    """The sides that can run here; the others are named on stderr."""
    found = []
    for side in sides:
        missing = [name for name in side.needs if importlib.util.find_spec(name) is None]
        if not side.needs and not driver.exists():
            missing = [str(driver)]
        if missing:
            print(f"skipped: {side.name} needs {', '.join(missing)}", file=sys.stderr)
        else:
            found.append(side)
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    default_driver = ROOT / "drivers" / "run_wols.py"
    names = [side.name for side in all_sides(default_driver)]
    parser.add_argument("--rows", type=int, nargs="+", default=[SMALL, LARGE], help="Default: %(default)s")
    parser.add_argument("--repeat", type=int, default=3, help="measured runs of each side. Default: %(default)s")
    parser.add_argument(
        "--sides", nargs="+", choices=names, default=names, metavar="SIDE", help=f"of {', '.join(names)}. Default: all"
    )
    parser.add_argument("--driver", type=Path, default=default_driver, help="our program. Default: drivers/run_wols.py")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "build" / "bench", help="folder of the data. Default: build/bench"
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write every figure to this file")
    parser.add_argument("--check", action="store_true", help="end with status 1 where a bar fails")
    options = parser.parse_args(argv)
    if options.repeat < 1 or min(options.rows) < 1:
        parser.error("--repeat and --rows must be 1 or more")

    options.cache.mkdir(parents=True, exist_ok=True)
    sides = available([side for side in all_sides(options.driver) if side.name in options.sides], options.driver)
    if not sides:
        parser.error("none of the sides can run here")
    table: dict[int, dict[str, Any]] = {}
    differences: dict[int, dict[str, float]] = {}
    for rows in options.rows:
        data = generated(rows, options.cache)
        print(f"{rows:,} rows", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(dir=options.cache, prefix="work-") as work:
            table[rows] = Benchmark(sides, data, Path(work)).run(options.repeat)
        differences[rows] = disagreement(table[rows])

    print(", ".join(f"{name} {version}" for name, version in versions().items()) + f", {os.cpu_count()} cores")
    for rows, results in table.items():
        print_table(rows, results, differences[rows])
    promises = bars(table)
    worst = max(max(by_side.values()) for by_side in differences.values())
    promises.append(Bar("largest relative difference between the sides' coefficients", worst, AGREEMENT))
    print("\nbars (ratios of medians; of minima in parentheses)")
    print_bars(promises)
    if options.json:
        report = {
            "machine": {"system": platform.platform(), "cores": os.cpu_count()},
            "versions": versions(),
            "repeat": options.repeat,
            "results": table,
            "disagreement": differences,
            "bars": [{**asdict(bar), "verdict": bar.verdict} for bar in promises],
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    failed = any(bar.verdict == "FAIL" for bar in promises)
    return 1 if options.check and failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
