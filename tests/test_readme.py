"""The commands of the README do what it says, as they stand there."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tests.conftest import ROOT, make_table, write_csv
from tests.doc_pages import Page

README, LINEAR = Page("README.md"), Page("docs/linear.md")


def test_the_commands_of_the_readme_run_one_after_another(tmp_path):
    matrix, names = make_table(1000)
    write_csv(tmp_path / "data.csv", matrix, names)
    write_csv(tmp_path / "new.csv", matrix[:50, 1:3], ["x1", "x2"])
    write_csv(tmp_path / "new_rows.csv", make_table(200, seed=5)[0], names)
    (tmp_path / "parts").mkdir()
    for i, piece in enumerate(np.array_split(matrix[:, [0, 1, 3]], 3)):
        write_csv(tmp_path / "parts" / f"{i}.csv", piece)
    assert len(README.commands) >= 4
    README.run_commands()
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 51
    assert len((tmp_path / "intervals.csv").read_text().splitlines()) == 51
    assert len((tmp_path / "sample.csv").read_text().splitlines()) == 11


def test_the_commands_of_the_page_on_linear_models_run_one_after_another(tmp_path):
    for i, name in enumerate(("monday", "tuesday")):
        write_csv(tmp_path / f"{name}.csv", *make_table(300, seed=i))
    assert len(LINEAR.commands) >= 5
    LINEAR.run_commands()
    assert (tmp_path / "rest.stats").exists()


def test_the_links_of_the_documents_lead_somewhere():
    for path in ["README.md", "CONTRIBUTING.md", "bench/README.md", *(ROOT / "docs").rglob("*.md")]:
        Page(path).assert_links_lead_somewhere()


@pytest.mark.parametrize(
    "target", ["install", "run", "test", "test-all", "lint", "bench", "hadoop-up", "hadoop-down", "clean"]
)
def test_the_makefile_has_the_targets_that_are_spoken_of(target):
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_page_for_python_runs_from_top_to_bottom(tmp_path, capsys):
    matrix, names = make_table(200)
    write_csv(tmp_path / "data.csv", matrix, names)
    Page("docs/python.md").run_python()
    assert "there is no column 'z'" in capsys.readouterr().out
