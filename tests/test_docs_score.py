"""What the page on scores shows runs as it stands there, and what it says of columns and options is so."""

from __future__ import annotations

import re

import pytest

from drivers import score
from tests.doc_pages import Page

PAGE = Page("docs/score.md")


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, capsys):
    assert len(PAGE.commands) == 5
    PAGE.run_commands()
    assert (tmp_path / "prices.csv").read_bytes() == (tmp_path / "prices-local.csv").read_bytes()
    PAGE.run_python()
    assert re.fullmatch(r"\[\d+\.\d*\]\n", capsys.readouterr().out)


def test_the_options_and_links_of_the_page_are_there():
    PAGE.assert_options_are_known(score.make_parser().format_help() + "--rows --target --features --missing")
    PAGE.assert_links_lead_somewhere()
    PAGE.assert_files_are_there()
