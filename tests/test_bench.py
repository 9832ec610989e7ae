"""The benchmark: what it measures can be measured, and its page says what the figures say."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench import make_table, page, performance
from bench.machine import java
from bench.pictures import spaced
from bench.results import FAILED, FIT, OK, OVER, PACK, Journal, Point, Results, Run
from tests.conftest import ROOT

MACHINE = {"cores": 2, "memory": 24 * 2**30, "processor": "Example 9000", "system": "Example Linux"}
CONDITIONS = {
    "machine": MACHINE, "versions": {"Python": "3.11.7", "numpy": "2.4.6"}, "code": "0", "limit": 180.0,
    "date": "2026-01-02", "start_rows": 1000,
}  # fmt: skip
ROWS = (100_000, 1_000_000, 10_000_000)
linux = pytest.mark.skipif(sys.platform != "linux", reason="measuring needs /proc")


def fit(rows: int, side: str, wall: float | None = 1.0, features: int = 1, **more) -> Run:
    """A run of a fit; `wall` None is one that took too long."""
    given = {"summed": 1e8, "others": 0.0, "coefficients": [-4.0, 1.0], **more}
    if wall is None:
        return Run(FIT, rows, features, side, 0, OVER)
    return Run(FIT, rows, features, side, 0, OK, wall, wall, 1e8, **given)


def packed(rows: int, side: str, wall: float, summed: float = 1e8, features: int = 1) -> Run:
    return Run(PACK, rows, features, side, 0, OK, wall, wall, summed, summed, 0.0)


def section(text: str, title: str) -> str:
    """A section of the page, its lines joined."""
    return " ".join(text.partition(f"\n## {title}\n")[2].partition("\n## ")[0].split())


def results(*runs: Run) -> Results:
    return Results(CONDITIONS, runs)


# The page


def test_the_page_names_the_machine_and_the_versions():
    text = section(page.page(results(fit(1000, "sklearn-pandas"))), "The machine")
    assert "2 cores of Example 9000, 24 GiB of memory; Example Linux" in text
    assert "Python 3.11.7, numpy 2.4.6" in text
    assert "2026-01-02" in text
    assert "not quiet" not in text


def test_a_busy_machine_is_said_to_be():
    text = section(page.page(results(fit(1000, "sklearn-pandas", others=1.5))), "The machine")
    assert "1.5 cores busy" in text
    assert "not quiet" in text


def test_the_faster_reader_is_the_peer():
    found = results(
        fit(100_000, "sklearn-pandas", 3.0), fit(100_000, "sklearn-arrow", 2.0), fit(100_000, "inline-cold", 1.0)
    )
    assert found.ratio(Point(FIT, 100_000, 1), "inline-cold", "sklearn") == 0.5
    assert "| 100,000 | 2.00 s, pyarrow | 0.50 |" in page.page(found)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        ((2.0, 1.5, 1.2), "Cold inline takes 1.20 to 2.00 times the seconds of scikit-learn at every size from 100,000"),
        ((2.0, 1.5, 0.5), "Cold inline takes 1.50 to 2.00 times the seconds of scikit-learn up to 1,000,000 rows"),
        ((0.5, 1.5, 2.0), "Cold inline takes 1.50 to 2.00 times the seconds of scikit-learn from 1,000,000 rows on"),
        (
            (2.0, 0.5, 3.0),
            "Cold inline takes 2.00 to 3.00 times the seconds of scikit-learn at 100,000 and 10,000,000 rows",
        ),
        ((0.5, 1.31, 0.5), "Cold inline takes 1.31 times the seconds of scikit-learn at 1,000,000 rows"),
        ((0.5, 1.04, 1.0), "Nowhere in these measurements"),
    ],
)
def test_where_we_lose_is_what_the_figures_say(seconds, words):
    runs = [fit(rows, "inline-cold", wall) for rows, wall in zip(ROWS, seconds)]
    text = page.page(results(*runs, *(fit(rows, "sklearn-arrow") for rows in ROWS)))
    assert words in section(text, "Where we lose")


def test_every_kind_of_loss_has_its_bullet():
    runs = [
        *(fit(rows, "sklearn-arrow", 1.0, summed=5e7) for rows in (1000, *ROWS)),
        *(fit(rows, "pyspark", 3.0, summed=5e7, session=2.9) for rows in ROWS),
        *(fit(rows, "inline-cold", 2.0) for rows in (1000, *ROWS)),
        *(fit(rows, "local-cold", wall) for rows, wall in zip((1000, *ROWS), (4.0, 4.0, 2.0, 1.0))),
        *(fit(100_000, side, wall, 200) for side, wall in (("sklearn-arrow", 1.0), ("inline-cold", 7.0))),
        packed(1_000_000, "pack", 3.0, features=18), packed(1_000_000, "arrow", 1.0, features=18),
        fit(10_000_000, "local-warm", None),
    ]  # fmt: skip
    text = section(page.page(results(*runs)), "Where we lose")
    for words in (
        "Cold inline takes 2.00 times the seconds of scikit-learn at every size from 100,000 to 10,000,000 rows",
        "On 2 cores cold local takes 2.00 times the seconds of cold inline at 100,000 rows; it is faster at 10,000,000",
        "nothing but starting, takes 2.00 s (cold inline) and 4.00 s (cold local) against 1.00 s (scikit-learn)",
        "cold inline takes 2.00 to 7.00 times the seconds of scikit-learn at every size from 1 to 200 features",
        "Cold inline needs 2.00 times the memory of scikit-learn",
        "Cold inline takes 20.0 times the seconds of PySpark without its session",
        "Packing takes 3.00 times the seconds of pyarrow at 1,000,000 rows, 20 columns",
        "Warm local took longer than 180 s on 10,000,000 x 3",
    ):
        assert words.lower() in text.lower()


@pytest.mark.parametrize(("wall", "peak", "bad", "verdict"), [(1.4, 1e8, 1.1, "met"), (1.6, 2e8, 2.1, "**missed**")])
def test_the_aims_of_packing_are_judged(wall, peak, bad, verdict):
    runs = [
        packed(1_000_000, "arrow", 1.0, features=18), packed(1_000_000, "pack", wall, features=18),
        packed(1_000_000, "pack", 1.0), packed(10_000_000, "pack", 1.0, peak), packed(10_000_000, "pack-bad", bad),
    ]  # fmt: skip
    text = section(page.page(results(*runs)), "Packing")
    assert text.count(f"is {verdict}.") == 3
    assert f"1,000,000 x 20 columns in {wall:.2f} times pyarrow's" in text


def test_coefficients_that_differ_are_told():
    runs = fit(100_000, "sklearn-arrow"), fit(100_000, "inline-cold", coefficients=[-4.0, 1.001])
    assert "**do not agree**" in page.page(results(*runs))


def test_what_failed_is_told_and_has_no_figure():
    failed = Run(FIT, 100_000, 1, "pyspark", 0, FAILED)
    text = page.page(results(fit(100_000, "sklearn-arrow"), failed))
    assert "PySpark failed on 100,000 x 3" in section(text, "Where we lose")
    assert "| failed |" in section(text, "Seconds against rows")


def test_a_run_over_the_limit_spoils_its_point_and_larger_ones():
    found = results(fit(100_000, "pyspark", 9.0), fit(1_000_000, "pyspark", 9.0), fit(1_000_000, "pyspark", None))
    assert found.figure(Point(FIT, 100_000, 1), "pyspark") == 9.0
    assert found.figure(Point(FIT, 1_000_000, 1), "pyspark") is None
    assert found.is_done(Point(FIT, 10_000_000, 1), "pyspark", 0)
    assert not found.is_done(Point(FIT, 100_000, 1), "inline-cold", 0)


def test_the_page_is_whole_without_any_figure():
    text = page.page(results())
    assert text.count("Not measured.") == 4
    assert "None" not in text


def test_labels_are_kept_apart_and_otherwise_where_they_belong():
    assert spaced([0.1, 0.5], 0.1) == [0.1, 0.5]
    assert spaced([0.5, 0.5, 0.9], 0.1) == pytest.approx([0.45, 0.55, 0.9])
    placed = spaced([0.0, 0.01, 0.02, 0.03, 0.25], 0.1)
    assert np.diff(placed).min() > 0.1 - 1e-12


# The journal


def test_the_journal_goes_on_after_a_line_that_was_cut_short(tmp_path):
    journal = Journal(tmp_path / "runs.jsonl")
    journal.begin(CONDITIONS)
    journal.add(fit(1000, "inline-cold"))
    whole = journal.path.read_text()
    journal.path.write_text(whole + whole.splitlines()[-1][:40])
    found = performance.begin(journal, CONDITIONS, anew=False)
    assert len(found.runs) == 1
    assert journal.path.read_text() == whole
    assert found.is_done(Point(FIT, 1000, 1), "inline-cold", 0)


def test_figures_of_other_code_are_kept_apart(tmp_path):
    journal = Journal(tmp_path / "runs.jsonl")
    journal.begin(CONDITIONS)
    journal.add(fit(1000, "inline-cold"))
    assert performance.begin(journal, {**CONDITIONS, "code": "1"}, anew=False).runs == []
    assert len(Journal(tmp_path / "runs.old.jsonl").read().runs) == 1


# The tables


def test_the_table_is_the_same_for_the_same_seed_and_has_its_bad_cell(tmp_path, monkeypatch):
    monkeypatch.setattr(make_table, "CHUNK_CELLS", 100)
    for name, bad in (("a", None), ("b", None), ("bad", 57)):
        make_table.write(tmp_path / name, 100, 2, bad_row=bad)
    lines = (tmp_path / "a").read_text().splitlines()
    assert (tmp_path / "b").read_text().splitlines() == lines
    with_bad = (tmp_path / "bad").read_text().splitlines()
    assert [i for i in range(100) if lines[i] != with_bad[i]] == [57]
    assert with_bad[57].split(",")[1] == "word"
    y, x1, x2, w = np.loadtxt(tmp_path / "a", delimiter=",").T
    assert np.abs(y - (x1 - x2 / 2 - 4)).max() < 3
    assert w.min() > 0.5
    assert w.max() < 1.5


# The programs


@linux
def test_a_command_over_the_limit_is_ended():
    command = [sys.executable, ROOT / "bench" / "measure.py", "--limit", "0.3", "--", "sleep", "60"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert "longer than 0.3 s" in done.stderr


def run_performance(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "bench" / "performance.py"), *map(str, arguments)]
    # A JVM of some seconds would spend most of them compiling code well that it hardly runs.
    environment = {**os.environ, "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}
    return subprocess.run(command, capture_output=True, text=True, timeout=900, env=environment)


def check_page(folder: Path) -> str:
    """The page, whose pictures are there."""
    text = (folder / "performance.md").read_text()
    pictures = re.findall(r"\]\((images/[^)]+\.png)\)", text)
    assert len(pictures) == 4
    for name in pictures:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")
    assert re.search(r"\d+ cores? of .+, \d+ GiB of memory", section(text, "The machine"))
    assert "Where we lose" in text
    assert str(ROOT) not in text
    return text


@linux
def test_packing_is_measured_and_drawn(tmp_path):
    done = run_performance("--quick", "--sides", "pack", "arrow", "--cache", tmp_path / "cache", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    text = check_page(tmp_path)
    assert len(re.findall(r"^\| [\d,]+ x \d+ \| [\d.]+ s \| [\d.]+ s \|", text, re.MULTILINE)) == 4


@linux
@pytest.mark.slow
def test_everything_is_measured_and_drawn(tmp_path):
    done = run_performance("--quick", "--cache", tmp_path / "cache", "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    text = check_page(tmp_path / "page")
    lines = [json.loads(line) for line in (tmp_path / "cache" / "performance-quick.jsonl").read_text().splitlines()]
    assert {line["outcome"] for line in lines[1:]} == {"ok"}
    sides = {line["side"] for line in lines[1:]}
    assert {"inline-cold", "inline-warm", "local-cold", "local-warm", "sklearn-arrow", "pack", "pack-bad", "arrow"} <= sides
    has_pyspark = importlib.util.find_spec("pyspark") is not None and java() is not None
    assert ("pyspark" in sides) == has_pyspark == ("PySpark without its session" in text)
    assert "The coefficients of all programs agree" in " ".join(text.split())
