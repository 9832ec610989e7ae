"""What the page on models by group shows runs as it stands there, and what it says of options and columns is so."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys

import pytest

from drivers import run_logistic, run_wols, score
from drivers.grouped.table import EACH, FIRST
from drivers.packing.kinds import MOST_TEXTS
from jobs.kernels.glm_groups import STATUSES
from jobs.kernels.wols_groups import FITTED, LEAST_EIGENVALUE
from jobs.mr_keyed import MOST_BUCKETS, ROWS_A_BUCKET
from tests.conftest import ROOT, read_model

PAGE = ROOT / "docs" / "grouped.md"
TEXT = PAGE.read_text()
COMMAND = re.compile(r"^ {4}(python (?:drivers|data_gen)/.*)$", re.MULTILINE)
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, capsys):
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    commands = COMMAND.findall(TEXT)
    assert len(commands) == 5
    for line in commands:
        line = re.sub(r"\b(drivers|data_gen)/", rf"{ROOT}/\1/", line)
        done = subprocess.run(line, shell=True, capture_output=True, text=True, env={**os.environ, "PATH": path})
        assert done.returncode == 0, (line, done.stderr)
    inference = read_model("runs/by-postcode")["inference"]
    assert inference["n_groups"] == int(re.search(r"fits ([\d,]+) postcodes", TEXT)[1].replace(",", ""))
    with open("runs/by-postcode/groups.csv", newline="") as file:
        groups = [row["postcode"] for row in csv.DictReader(file)]
    assert any(group.startswith("0") for group in groups) and groups == sorted(groups)
    gardens = read_model("runs/gardens")["inference"]
    told = re.search(r"of the ([\d,]+) postcodes above, of 20 rows each, (\d+) have no finite optimum", TEXT)
    assert gardens["n_groups"] == int(told[1].replace(",", "")) and gardens["statuses"]["no finite optimum"] == int(told[2])
    with open("predicted.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 20_000 and {row["postcode"] for row in rows} - {""} == set(groups)
    exec(compile("\n".join(CODE.findall(TEXT)), str(PAGE), "exec"), {})
    assert capsys.readouterr().out.splitlines()[-1] == "2 groups"


def test_the_page_names_every_status_and_every_column():
    for code, status in enumerate(STATUSES):
        assert code == FITTED or re.search(rf"^\| `{status}` \| ", TEXT, re.MULTILINE), status
    measures = ("r_squared", "sigma", "condition_number", "d_squared", "dispersion", "target_mean")
    for name in (*FIRST, *measures, *EACH):
        assert f"`{name}`" in TEXT, name


def test_the_numbers_of_the_page_are_those_of_the_program():
    assert f"{MOST_TEXTS:,} different texts" in TEXT
    assert f"{ROWS_A_BUCKET:,} rows, up to {MOST_BUCKETS:,}" in TEXT
    assert float(re.search(r"correlations is below ([\d.e-]+\d)", TEXT)[1]) == pytest.approx(LEAST_EIGENVALUE, rel=0.05)


def test_the_links_and_options_of_the_page_are_there():
    for target in re.findall(r"\]\(([^)#:]+)\)", TEXT):
        assert PAGE.parent.joinpath(target).exists(), target
    for path in re.findall(r"`((?:tests|jobs|drivers)/[\w/]+\.py)`", TEXT):
        assert (ROOT / path).exists(), path
    known = (
        run_wols.make_parser().format_help()
        + run_logistic.make_parser().format_help()
        + score.make_parser().format_help()
        + "--rows --out"
    )
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", TEXT)):
        assert re.search(rf"{option}\b(?!-)", known), option
