"""The worked cases run as they stand there, from top to bottom, and give what they say: every line of output and figure."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from matplotlib.image import imread

from drivers import describe, evaluate, history, prepare, run_kmeans, run_logistic, run_wols, score
from tests.conftest import ROOT, run_here
from tests.doc_pages import Page, with_this_python
from tests.test_docs_serve import ask
from tests.test_serve import free_port

NAMES = ("fraud", "segments", "spend")
PAGES = {name: Page(f"docs/cases/{name}.md") for name in NAMES}
PIECE = re.compile(
    r"^```(?P<language>\w+)\n(?P<body>.*?)^```|^ {4}(?P<command>python (?:drivers|data_gen)/(?:[^\n]*\\\n)*[^\n]*)$",
    re.MULTILINE | re.DOTALL,
)
SERVICE = "drivers/serve.py"
DECIMAL = re.compile(r"(?<![\w.-])\d+\.\d+(?![\w.])")
STOPPED = "ends with status 3"
IMAGES = ROOT / "docs" / "images"
# From which report of the page's runs each is taken, or what the page draws itself.
PICTURES = {
    "case-fraud-calibration.png": "chosen/model-2-calibration.png",
    "case-fraud-gains.png": "prices/gains.png",
    "case-segments-clusters.png": "segments/clusters.png",
    "case-segments-how-many.png": "segments/elbow.png",
    "case-segments-kinds.png": "judged/contingency.png",
    "case-spend-influence.png": "first/influence.png",
    "case-spend-intervals.png": "../intervals.png",
    "case-spend-recipe.png": "recipe/recipe-1.png",
}


def walk(page: Page) -> None:
    """Runs the commands and the Python of a page in its order; holds the blocks of text to what they gave."""
    names: dict[str, object] = {}
    told, printed, started, n_stopped = "", None, set(), 0
    pieces = list(PIECE.finditer(page.text))
    for i, piece in enumerate(pieces):
        if (line := piece["command"]) is not None:
            command = line.replace("\\\n", " ")
            if SERVICE in command:
                assert_it_serves(command, *(after["body"] for after in pieces[i + 1 : i + 3]))
                continue
            done = run(command, started)
            assert done.returncode in (0, 3), (line, done.stdout, done.stderr)
            n_stopped += done.returncode == 3
            told += done.stdout + done.stderr
            printed = None
        elif piece["language"] == "python":
            with contextlib.redirect_stdout(io.StringIO()) as out:
                exec(compile(piece["body"], str(page.path), "exec"), names)
            printed = out.getvalue()
        elif piece["language"] == "text" and printed is not None:
            assert piece["body"].splitlines() == [row.rstrip() for row in printed.splitlines()]
        elif piece["language"] == "text":
            assert_each_stands_in(piece["body"], told)
        elif piece["language"] == "csv":
            assert_each_stands_in(piece["body"], "".join(path.read_text() for path in Path().glob("*.csv")))
    assert n_stopped == page.text.count(STOPPED)


def run(command: str, started: set[str]) -> subprocess.CompletedProcess:
    """A program of its own the first time, which shows that it starts; once more, in this process."""
    _, program, *words = shlex.split(command)
    if program in started:
        return run_here(ROOT / program, words)
    started.add(program)
    line = [sys.executable, str(ROOT / program), *words]
    return subprocess.run(line, capture_output=True, text=True, env=with_this_python())


def assert_each_stands_in(shown: str, told: str) -> None:
    """Each line is one of what was told, whatever the number of spaces."""
    known = {" ".join(line.split()) for line in told.splitlines()}
    for line in shown.splitlines():
        assert " ".join(line.split()) in known, line


def assert_it_serves(command: str, request: str, answer: str) -> None:
    """The service answers the page's request as the page says."""
    port = free_port()
    _, program, model = shlex.split(command)
    line, environment = [sys.executable, str(ROOT / program), model], {**os.environ, "PORT": str(port)}
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert f"at http://127.0.0.1:{port}," in process.stderr.readline()
            (row,), (shown,) = (found["predictions"] for found in (ask(request.strip(), port), json.loads(answer)))
        finally:
            process.terminate()
    assert row.keys() == shown.keys()
    for name, value in shown.items():
        assert row[name] == (pytest.approx(value, rel=1e-9) if isinstance(value, float) else value)


def prose(page: Page) -> Iterator[str]:
    """What stands between the pieces."""
    end = 0
    for piece in PIECE.finditer(page.text):
        yield page.text[end : piece.start()]
        end = piece.end()
    yield page.text[end:]


def pictures_of(page: Page) -> list[str]:
    return re.findall(r"\]\(\.\./images/(case-[^)]+\.png)\)", page.text)


def without_thousands(text: str) -> str:
    """1,234.5 as 1234.5."""
    return re.sub(r"(?<=\d),(?=\d{3})", "", text)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_case_runs_from_top_to_bottom_and_gives_what_it_says(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")  # of the terminal whose lines it shows
    walk(PAGES[name])
    for picture in pictures_of(PAGES[name]):
        shown, drawn = imread(IMAGES / picture), imread(Path("runs") / PICTURES[picture])
        assert shown.shape[:2] == drawn.shape[:2], picture


@pytest.mark.parametrize("name", NAMES)
def test_each_figure_of_the_prose_stands_in_what_was_printed(name):
    """A decimal number is one of the blocks of text, rounded to the digits that it is told with."""
    page = PAGES[name]
    blocks = "\n".join(piece["body"] for piece in PIECE.finditer(page.text) if piece["language"] == "text")
    known = [float(number) for number in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?", without_thousands(blocks))]
    for part in prose(page):
        for figure in DECIMAL.findall(without_thousands(part)):
            digits = len(figure.partition(".")[2])
            assert any(f"{abs(number):.{digits}f}" == figure for number in known), figure


@pytest.mark.parametrize("name", NAMES)
def test_the_links_files_and_options_of_a_case_are_there(name):
    page = PAGES[name]
    page.assert_links_lead_somewhere()
    page.assert_files_are_there()
    programs = (describe, evaluate, history, prepare, run_kmeans, run_logistic, run_wols, score)
    known = "".join(program.make_parser().format_help() for program in programs)
    page.assert_options_are_known(known + "--rows --out --until --since")


@pytest.mark.parametrize("name", NAMES)
def test_the_pictures_of_a_case_are_few_and_small(name):
    pictures = pictures_of(PAGES[name])
    assert 0 < len(pictures) <= 3
    assert all((IMAGES / picture).stat().st_size < 120_000 for picture in pictures)


def test_each_picture_of_the_cases_is_on_a_page():
    assert sorted(PICTURES) == sorted(path.name for path in IMAGES.glob("case-*"))
    assert sorted(PICTURES) == sorted(picture for page in PAGES.values() for picture in pictures_of(page))
