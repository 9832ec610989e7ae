"""What bench/performance.py has measured: one JSON line a run, and the medians that its page and pictures are made of.

The first line holds the conditions (machine, versions, digest of the code, limit), each other one a run:

    {"suite": "fit", "rows": 100000, "features": 1, "side": "inline-cold", "repetition": 0, "outcome": "ok",
     "wall": 0.7, "cpu": 0.9, "largest": 1.1e8, "summed": 1.2e8, "others": 0.1, "session": null,
     "coefficients": [-4.0, 1.0], "passes": 1}
"""

from __future__ import annotations

import json
import statistics
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

FIT, PACK = "fit", "pack"
OK, OVER, FAILED, NONE = "ok", "over limit", "failed", "not measured"
# Read by whom: the one that is faster at a point is what we compare with there.
READERS = {"sklearn-pandas": "pandas", "sklearn-arrow": "pyarrow"}
SKLEARN, PYSPARK, PYSPARK_FIT = "sklearn", "pyspark", "pyspark-fit"
# Coefficients of two sides may differ by this, relative to the largest; more is no longer the same answer.
AGREEMENT = 1e-6


@dataclass(frozen=True, order=True)
class Point:
    """A table and what is made of it: `features` columns beside target and weight."""

    suite: str
    rows: int
    features: int

    @property
    def columns(self) -> int:
        return self.features + 2

    def within(self, other: Point) -> bool:
        """Whether the other is the same work on as many rows and features or more."""
        return self.suite == other.suite and self.rows <= other.rows and self.features <= other.features


@dataclass(frozen=True)
class Run:
    """One run of a side. Seconds and bytes as bench/measure.py has them; those of a run that was not well are None.

    others: cores that were busy meanwhile with what is no part of the run; session: seconds of starting PySpark.
    """

    suite: str
    rows: int
    features: int
    side: str
    repetition: int
    outcome: str
    wall: float | None = None
    cpu: float | None = None
    largest: float | None = None
    summed: float | None = None
    others: float | None = None
    session: float | None = None
    coefficients: list[float] | None = None
    passes: int | None = None

    @property
    def point(self) -> Point:
        return Point(self.suite, self.rows, self.features)


class Results:
    """The runs, and their medians by point and side.

    A side is one that was run, or `sklearn`: the faster of its two readers; or `pyspark-fit`: PySpark without the start of
    its session.
    """

    def __init__(self, conditions: dict[str, Any], runs: Iterable[Run]) -> None:
        self.conditions = conditions
        self.runs = list(runs)
        self._by_key: dict[tuple[Point, str], list[Run]] = defaultdict(list)
        for run in self.runs:
            self._by_key[run.point, run.side].append(run)

    def points(self, suite: str) -> list[Point]:
        return sorted({run.point for run in self.runs if run.suite == suite})

    @property
    def start(self) -> Point:
        """The table with next to no rows, on which only starting counts."""
        return Point(FIT, self.conditions["start_rows"], 1)

    def by_rows(self) -> list[Point]:
        """The fits with one feature, by rows."""
        return [point for point in self.points(FIT) if point.features == 1 and point != self.start]

    def by_features(self) -> list[Point]:
        """The fits on the fewest rows, by features."""
        points = [point for point in self.points(FIT) if point != self.start]
        return [point for point in points if point.rows == points[0].rows]

    def figure(self, point: Point, side: str, name: str = "wall") -> float | None:
        """The median of a figure over the runs that were well; None where there are none."""
        if side == SKLEARN:
            reader = self.reader(point)
            return None if reader is None else self.figure(point, reader, name)
        if side == PYSPARK_FIT:
            runs = [(run.wall, run.session) for run in self._well(point, PYSPARK)]
            walls = [wall - session for wall, session in runs if wall is not None and session is not None]
            return statistics.median(walls) if walls and name == "wall" else None
        values = [getattr(run, name) for run in self._well(point, side)]
        return statistics.median(values) if values else None

    def ratio(self, point: Point, side: str, other: str, name: str = "wall") -> float | None:
        """The figure of a side through that of another; None where one is missing."""
        above, below = self.figure(point, side, name), self.figure(point, other, name)
        return None if above is None or not below else above / below

    def reader(self, point: Point) -> str | None:
        """The side of scikit-learn that is the faster here."""
        seconds = {side: self.figure(point, side) for side in READERS}
        measured = {side: wall for side, wall in seconds.items() if wall is not None}
        return min(measured, key=lambda side: measured[side]) if measured else None

    def outcome(self, point: Point, side: str) -> str:
        if side == SKLEARN:
            outcomes = [self.outcome(point, reader) for reader in READERS]
            return next((found for found in (OK, OVER, FAILED) if found in outcomes), NONE)
        if side == PYSPARK_FIT:
            side = PYSPARK
        if self.is_over(point, side):
            return OVER
        if self._well(point, side):
            return OK
        return FAILED if self._by_key[point, side] else NONE

    def is_over(self, point: Point, side: str) -> bool:
        """Whether the side has taken longer than the limit here, or on a table no larger than this."""
        return any(run.outcome == OVER and run.side == side and run.point.within(point) for run in self.runs)

    def is_done(self, point: Point, side: str, repetition: int) -> bool:
        runs = self._by_key[point, side]
        return self.is_over(point, side) or any(run.outcome == OK and run.repetition == repetition for run in runs)

    def add(self, run: Run) -> None:
        self.runs.append(run)
        self._by_key[run.point, run.side].append(run)

    def failures(self) -> list[Run]:
        """Runs that failed and were not made up for by another."""
        done = {(run.point, run.side, run.repetition) for run in self.runs if run.outcome == OK}
        return [r for r in self.runs if r.outcome == FAILED and (r.point, r.side, r.repetition) not in done]

    def disagreement(self) -> float:
        """The largest difference of a coefficient or intercept between runs on one table, relative to the largest one."""
        worst = 0.0
        for point in self.points(FIT):
            vectors = [run.coefficients for run in self.runs if run.point == point and run.coefficients]
            for vector in vectors[1:]:
                scale = max(map(abs, vectors[0]))
                worst = max(worst, max(abs(a - b) for a, b in zip(vector, vectors[0], strict=True)) / scale)
        return worst

    def spreads(self) -> list[float]:
        """For each point and side with several runs: the longest through the shortest."""
        groups = [[run.wall for run in runs if run.wall is not None] for runs in self._by_key.values()]
        return [max(walls) / min(walls) for walls in groups if len(walls) > 1]

    def others(self) -> list[float]:
        return [run.others for run in self.runs if run.others is not None]

    def _well(self, point: Point, side: str) -> list[Run]:
        """The runs that ended; none where another took too long, which would flatter the median."""
        if self.is_over(point, side):
            return []
        return [run for run in self._by_key.get((point, side), []) if run.outcome == OK]


class Journal:
    """The file of the runs, to which each is added as it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Results | None:
        """None where there is no such file, or not one of this format."""
        try:
            lines = self.path.read_text().splitlines()
        except FileNotFoundError:
            return None
        # The last line of an interrupted program may be cut short.
        records = []
        for line in lines:
            try:
                records.append(json.loads(line))
            except ValueError:
                break
        if not records or "conditions" not in records[0]:
            return None
        names = {field.name for field in fields(Run)}
        runs = [Run(**{key: value for key, value in record.items() if key in names}) for record in records[1:]]
        return Results(records[0]["conditions"], runs)

    def begin(self, conditions: dict[str, Any]) -> Results:
        """Anew; what was there keeps its figures under another name."""
        if self.path.exists():
            self.path.replace(self.path.with_suffix(".old.jsonl"))
        self.path.write_text(json.dumps({"conditions": conditions}) + "\n")
        return Results(conditions, [])

    def resume(self, results: Results) -> None:
        """Writes what could be read again, without a line that was cut short."""
        partial = self.path.with_suffix(".tmp")
        lines = [{"conditions": results.conditions}, *map(_without_nothing, results.runs)]
        partial.write_text("".join(json.dumps(line) + "\n" for line in lines))
        partial.replace(self.path)

    def add(self, run: Run) -> None:
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(_without_nothing(run)) + "\n")


def _without_nothing(run: Run) -> dict[str, Any]:
    return {key: value for key, value in asdict(run).items() if value is not None}
