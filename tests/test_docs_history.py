"""What the page on histories shows runs as it stands there, and what it says of columns, options and limits is so."""

from __future__ import annotations

import csv
import re

import pytest

from drivers import history
from drivers.packing.kinds import MOST_TEXTS
from jobs.mr_history import BUCKET_BYTES
from tests.doc_pages import Page

PAGE = Page("docs/history.md")


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, capsys):
    assert len(PAGE.commands) == 6
    PAGE.run_commands()
    assert (tmp_path / "past.csv").read_bytes() == (tmp_path / "p.csv").read_bytes()
    names = {"lags.csv": ["Betrag lag 1", "Betrag lag 7"], "since.csv": ["Bestellt difference 1"]}
    for name, new in names.items():
        with open(tmp_path / name, newline="") as file:
            rows = list(csv.reader(file, delimiter=";"))
        assert rows[0][-len(new) :] == new
    assert all(row[3] >= "2023-06-01" for row in rows[1:])
    capsys.readouterr()
    PAGE.run_python()
    assert re.fullmatch(r"\d{5}\n", capsys.readouterr().out)
    assert (tmp_path / "past.parquet").exists()


def test_the_options_links_and_limits_of_the_page_are_there():
    PAGE.assert_options_are_known(history.make_parser().format_help() + "--rows --target --features")
    PAGE.assert_links_lead_somewhere()
    PAGE.assert_files_are_there()
    assert f"{MOST_TEXTS:,} different texts" in " ".join(PAGE.text.split())
    assert f"about {BUCKET_BYTES >> 20} MB of rows" in PAGE.text
