"""What the page on models by group shows runs as it stands there, and what it says of options and columns is so."""

from __future__ import annotations

import csv
import re

import pytest

from drivers import run_logistic, run_wols, score
from drivers.grouped.table import EACH, FIRST
from drivers.packing.kinds import MOST_TEXTS
from jobs.kernels.glm_groups import STATUSES
from jobs.kernels.wols_groups import FITTED, LEAST_EIGENVALUE
from jobs.mr_keyed import MOST_BUCKETS, ROWS_A_BUCKET
from tests.conftest import read_model
from tests.doc_pages import Page

PAGE = Page("docs/grouped.md")
TEXT = PAGE.text


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, capsys):
    assert len(PAGE.commands) == 5
    PAGE.run_commands()
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
    PAGE.run_python()
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
    PAGE.assert_links_lead_somewhere()
    PAGE.assert_files_are_there()
    known = (
        run_wols.make_parser().format_help()
        + run_logistic.make_parser().format_help()
        + score.make_parser().format_help()
        + "--rows --out"
    )
    PAGE.assert_options_are_known(known)
