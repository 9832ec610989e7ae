"""What the page on recipes shows runs as it stands there, and what it says of options and files is so."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from drivers import prepare, run_kmeans, run_wols
from drivers.preparing.recipe_file import RecipeFile
from jobs.recipe.dates import PARTS
from tests.doc_pages import Page

PAGE = Page("docs/recipe.md")


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom(tmp_path, capsys):
    assert len(PAGE.commands) == 7
    PAGE.run_commands()
    recipe = json.loads(Path("houses.recipe.json").read_text())
    assert recipe["roles"] == {"target": "price"} and "garden" in recipe["texts"] and "address" not in recipe["texts"]
    assert len(Path("prices.csv").read_text().splitlines()) > 20_000  # addresses have line ends
    PAGE.run_python()
    assert re.search(r"\{'rooms': 4\.0, 'area': 112\.\d", capsys.readouterr().out)


def test_the_recipe_of_the_page_can_be_followed():
    (text,) = re.findall(r"^```json\n(.*?)\n```", PAGE.text, re.MULTILINE | re.DOTALL)
    Path("r.json").write_text(text)
    file = RecipeFile.read("r.json")
    assert (
        file.roles == {"target": "price"} and file.recipe.is_learned and file.recipe.features == ["rooms", "area", "garden"]
    )


def test_the_options_words_and_links_of_the_page_are_there():
    known = "".join(module.make_parser().format_help() for module in (prepare, run_wols, run_kmeans))
    PAGE.assert_options_are_known(known + "--keep --rows --folds --missing")
    PAGE.assert_links_lead_somewhere()
    PAGE.assert_files_are_there()
    assert ":".join(PARTS) in PAGE.text
