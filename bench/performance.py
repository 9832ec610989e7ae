"""Seconds and memory of weighted least squares and of packing, measured beside scikit-learn, PySpark and pyarrow, drawn.

Whole processes take turns on the same text. Each run is a line of build/bench/performance.jsonl, so an interrupted
measurement goes on where it was; docs/performance.md and its pictures are made from these lines.

    python bench/performance.py            # measure what is not measured yet, and draw; some 20 minutes on two cores
    python bench/performance.py --quick    # small tables, one run a side: tests this program, not the product
    python bench/performance.py --draw     # draw again what was measured
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # started as a script: only its own folder is on the path

from bench.machine import busy_seconds, java, machine, versions
from bench.measure import measure
from bench.results import AGREEMENT, FAILED, FIT, OK, OVER, PACK, PYSPARK, READERS, Journal, Point, Results, Run

ROOT = Path(__file__).resolve().parents[1]
BENCH = ROOT / "bench"
OURS = ("inline-cold", "inline-warm", "local-cold", "local-warm")
WITH_REPORT = "inline-report"
PACKING, PACKING_BAD, ARROW = "pack", "pack-bad", "arrow"
NEEDS = {"sklearn-pandas": ("sklearn", "pandas"), "sklearn-arrow": ("sklearn",), PYSPARK: ("pyspark",)}
SIDES = (*OURS, WITH_REPORT, *READERS, PYSPARK, PACKING, PACKING_BAD, ARROW)
START_ROWS = 1000


@dataclass(frozen=True)
class Grid:
    """Which tables are measured, and how often."""

    rows: tuple[int, ...]  # with one feature
    features: tuple[int, ...]  # on the smallest of `rows`
    packed_rows: tuple[int, ...]  # with 20 columns; with 3 the same as `rows`
    report_rows: int
    repeat: int
    repeat_pyspark: int

    def points(self) -> list[tuple[Point, list[str]]]:
        """The tables, small ones first, with the sides that run on each."""
        fits = {Point(FIT, rows, 1) for rows in self.rows} | {Point(FIT, self.rows[0], p) for p in self.features}
        # On next to no rows only starting counts.
        found = [(Point(FIT, START_ROWS, 1), [*OURS, *READERS])]
        for point in sorted(fits, key=lambda point: point.rows * point.columns):
            with_report = [WITH_REPORT] if point == Point(FIT, self.report_rows, 1) else []
            found.append((point, [*OURS, *with_report, *READERS, PYSPARK]))
        packs = [Point(PACK, rows, 1) for rows in self.rows] + [Point(PACK, rows, 18) for rows in self.packed_rows]
        for point in packs:
            bad = [PACKING_BAD] if point == Point(PACK, self.rows[-1], 1) else []
            found.append((point, [PACKING, *bad, ARROW]))
        return found

    def repeats(self, side: str) -> int:
        return self.repeat_pyspark if side == PYSPARK else self.repeat


FULL = Grid(
    rows=(100_000, 300_000, 1_000_000, 3_000_000, 10_000_000),
    features=(1, 3, 10, 30, 100, 200),
    packed_rows=(100_000, 300_000, 1_000_000),
    report_rows=1_000_000,
    repeat=3,
    # A JVM of a dozen seconds varies less than a process of one, and takes most of the time as it is.
    repeat_pyspark=2,
)
QUICK = Grid((2000, 20_000), (1, 4), (2000, 20_000), 2000, 1, 1)


class Failure(Exception):
    """A run that ended with another status than 0."""


class Measurement:
    """Runs what is not measured yet, and adds it to the journal."""

    def __init__(self, grid: Grid, sides: Sequence[str], cache: Path, journal: Journal, results: Results) -> None:
        self.grid, self.sides, self.cache, self.journal, self.results = grid, sides, cache, journal, results
        self.limit: float = results.conditions["limit"]
        self.done = self.total = 0

    def run(self) -> None:
        plan = [(point, [side for side in sides if side in self.sides]) for point, sides in self.grid.points()]
        self.total = sum(self.grid.repeats(side) for _, sides in plan for side in sides)
        for point, sides in plan:
            wanted = list(self._turns(point, sides))
            self.done += sum(map(self.grid.repeats, sides)) - len(wanted)
            if wanted:
                with tempfile.TemporaryDirectory(dir=self.cache, prefix="work-") as folder:
                    self._measure(point, wanted, Path(folder))

    def _turns(self, point: Point, sides: list[str]) -> Iterator[tuple[int, str]]:
        """(repetition, side): the sides one after another, each time beginning with another one."""
        for repetition in range(self.grid.repeat):
            turn = repetition % max(len(sides), 1)
            for side in sides[turn:] + sides[:turn]:
                if repetition < self.grid.repeats(side) and not self.results.is_done(point, side, repetition):
                    yield repetition, side

    def _measure(self, point: Point, wanted: list[tuple[int, str]], work: Path) -> None:
        sides = {side for _, side in wanted}
        data = {False: table(point, self.cache)}
        if PACKING_BAD in sides:
            data[True] = table(point, self.cache, bad=True)
        # What generating left to be written is not to slow the first run, and all sides read from memory.
        os.sync()
        for path in data.values():
            read_once(path)
        if sides & {"inline-warm", "local-warm"}:
            measure(command("inline-warm", point, data[False], work / "filling", work / "cache"), limit=self.limit)
        for repetition, side in wanted:
            self.done += 1
            if self.results.is_over(point, side):
                continue
            with tempfile.TemporaryDirectory(dir=work) as folder:
                run = self._once(point, side, repetition, data[side == PACKING_BAD], Path(folder), work / "cache")
            self.results.add(run)
            self.journal.add(run)
            told = run.outcome
            if run.wall is not None and run.summed is not None:
                told = f"{run.wall:8.2f} s {run.summed / 1e6:6.0f} MB"
            where = f"{point.suite:5}{point.rows:>10,} x {point.columns:<4}"
            say(f"{self.done:4}/{self.total}  {where} {side:16} {told}")

    def _once(self, point: Point, side: str, repetition: int, data: Path, work: Path, packs: Path) -> Run:
        cache = packs if side.endswith("-warm") else work / "cache"
        start, busy = time.perf_counter(), busy_seconds()
        usage = measure(command(side, point, data, work, cache), limit=self.limit)
        others = max(busy_seconds() - busy - usage.cpu, 0.0) / (time.perf_counter() - start)
        key = (point.suite, point.rows, point.features, side, repetition)
        if usage.over_limit:
            return Run(*key, OVER, others=others)
        try:
            if usage.status:
                raise Failure(f"ended with status {usage.status}\n{usage.stderr[-2000:]}")
            answer = answered(point, side, usage.stdout, work)
        except (Failure, OSError, ValueError, KeyError, IndexError) as error:
            say(f"{side} on {point.rows:,} x {point.columns}: {error}")
            return Run(*key, FAILED, others=others)
        return Run(*key, OK, usage.wall, usage.cpu, usage.largest, usage.summed, others, **answer)


def command(side: str, point: Point, data: Path, work: Path, cache: Path) -> list[str]:
    """What a user would type."""
    python, features = sys.executable, str(point.features)
    if side in READERS:
        reader = side.removeprefix("sklearn-")
        script = str(BENCH / "peers" / "sklearn_wols.py")
        return [python, script, str(data), "--features", features, "--reader", reader]
    if side == PYSPARK:
        return [python, str(BENCH / "peers" / "spark_wols.py"), str(data), "--features", features]
    if side == ARROW:
        return [python, str(BENCH / "peers" / "arrow_read.py"), str(data)]
    if side in (PACKING, PACKING_BAD):
        bad = str(int(side == PACKING_BAD))
        return [python, str(BENCH / "pack_text.py"), str(data), "--cache-dir", str(cache), "--max-bad-rows", bad]
    columns = ",".join(["y", *(f"x{j}" for j in range(1, point.features + 1)), "w"])
    return [
        python, str(ROOT / "drivers" / "run_wols.py"), str(data), "--columns", columns, "--target", "y", "--weight", "w",
        "--quiet", "--report" if side == WITH_REPORT else "--no-report", "--no-conf", "-r", side.partition("-")[0],
        "--cache-dir", str(cache), "--run-dir", str(work / "run"),
    ]  # fmt: skip


def answered(point: Point, side: str, stdout: str, work: Path) -> dict[str, Any]:
    """What a run found out, where it is what was asked for.

    :raises Failure: another number of rows or columns than the table has
    """
    if side in (*OURS, WITH_REPORT):
        model = json.loads((work / "run" / "model.json").read_text())
        fit = model["parameters"]
        return {"coefficients": [fit["intercept"], *fit["coefficients"]], "passes": model["training"]["n_passes"]}
    told = json.loads(stdout.splitlines()[-1])
    if point.suite == PACK:
        shape = (point.rows - (side == PACKING_BAD), point.columns)
        if (told["rows"], told["columns"]) != shape:
            raise Failure(f"read {told}, not {shape}")
        return {}
    found: dict[str, Any] = {"coefficients": [told["intercept"], *told["coefficients"]]}
    if side == PYSPARK:
        found["session"] = told["seconds"]["session"]
    return found


def table(point: Point, cache: Path, bad: bool = False) -> Path:
    """The text, made once, in a process of its own: what this one takes, its children inherit as their peak memory."""
    path = cache / f"table-{point.rows}x{point.columns}{'-bad' if bad else ''}.csv"
    if not path.exists():
        say(f"generating {path.name}")
        words = [sys.executable, str(BENCH / "make_table.py"), "--rows", str(point.rows), "--features", str(point.features)]
        words += ["--bad-row", str(point.rows // 2)] if bad else []
        subprocess.run([*words, "--out", str(path)], check=True)
    return path


def read_once(path: Path) -> None:
    with open(path, "rb") as file:
        while file.read(1 << 24):
            pass


def available(sides: Sequence[str]) -> list[str]:
    """The sides that can run here; the others are named on stderr."""
    found = []
    for side in sides:
        missing = [name for name in NEEDS.get(side, ()) if importlib.util.find_spec(name) is None]
        if side == PYSPARK and java() is None:
            missing.append("Java")
        if missing:
            say(f"left out: {side} needs {' and '.join(missing)}")
        else:
            found.append(side)
    return found


def digest() -> str:
    """Of all code that is measured: figures of other code are not to be mixed with these."""
    found = hashlib.sha256()
    for path in sorted(path for folder in ("jobs", "drivers", "bench/peers") for path in (ROOT / folder).rglob("*.py")):
        found.update(path.read_bytes())
    for name in ("make_table.py", "pack_text.py"):
        found.update((BENCH / name).read_bytes())
    return found.hexdigest()[:16]


def begin(journal: Journal, conditions: dict[str, Any], anew: bool) -> Results:
    """What was measured under the same conditions, to go on from; else nothing."""
    results = None if anew else journal.read()
    if results is not None:
        differ = [key for key in ("machine", "versions", "code", "limit") if results.conditions.get(key) != conditions[key]]
        if not differ:
            journal.resume(results)
            return results
        say(f"beginning anew, since other {' and '.join(differ)} gave the figures in {journal.path.name}; they are kept")
    return journal.begin(conditions)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def positive(text: str) -> float:
    value = float(text)
    if not value > 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return value


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0], allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="small tables, once: a test of this program")
    parser.add_argument("--draw", action="store_true", help="measure nothing, draw what was measured")
    parser.add_argument("--fresh", action="store_true", help="measure again what was measured")
    parser.add_argument(
        "--sides", nargs="+", choices=SIDES, default=SIDES, metavar="SIDE", help=f"of {', '.join(SIDES)}. Default: all"
    )
    parser.add_argument("--limit", type=positive, default=180.0, metavar="SECONDS", help="of a run. Default: %(default)s")
    parser.add_argument("--out", type=Path, help="folder of the page. Default: docs; with --quick, build/bench/quick")
    parser.add_argument(
        "--cache", type=Path, default=ROOT / "build" / "bench", help="of tables and figures. Default: build/bench"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = make_parser().parse_args(argv)
    options.cache.mkdir(parents=True, exist_ok=True)
    out = options.out or (options.cache / "quick" if options.quick else ROOT / "docs")
    journal = Journal(options.cache / f"performance{'-quick' if options.quick else ''}.jsonl")
    results: Results | None
    if options.draw:
        results = journal.read()
        if results is None:
            say(f"{journal.path} holds no measurements; run without --draw first")
            return 1
    else:
        code = digest()
        conditions = {
            "machine": machine(), "versions": versions(), "code": code, "limit": options.limit,
            "date": date.today().isoformat(), "start_rows": START_ROWS,
        }  # fmt: skip
        results = begin(journal, conditions, options.fresh)
        Measurement(QUICK if options.quick else FULL, available(options.sides), options.cache, journal, results).run()
        if digest() != code:
            say("warning: the code changed while it was measured; measure again with --fresh")

    # Imported late: a process that has loaded numpy and matplotlib lends their memory to the figures of those it starts.
    from bench.page import write_page

    say(f"page  {os.path.relpath(write_page(results, out))}")
    status = 0
    if failures := results.failures():
        say(f"error: {len(failures)} runs failed, and are tried again by the next start")
        status = 1
    if results.disagreement() > AGREEMENT:
        say(f"error: coefficients differ by {results.disagreement():.1e}, more than {AGREEMENT:g}")
        status = 1
    return status


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
