"""The commands of the README do what it says, as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import ROOT, make_table, write_csv


def commands(document: str = "README.md") -> list[str]:
    """The lines of a document's blocks that start a driver, or a generator, without a cluster."""
    lines = [line.strip() for line in (ROOT / document).read_text().splitlines()]
    starts = ("python drivers/", "python data_gen/")
    return [line for line in lines if line.startswith(starts) and not re.search("-r (hadoop|spark)", line)]


def run_all(lines: list[str]) -> None:
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    for line in lines:
        line = line.replace("drivers/", f"{ROOT}/drivers/").replace("data_gen/", f"{ROOT}/data_gen/")
        done = subprocess.run(line, shell=True, capture_output=True, text=True, env={**os.environ, "PATH": path})
        assert done.returncode == 0, (line, done.stderr)


def test_the_commands_of_the_readme_run_one_after_another(tmp_path):
    matrix, names = make_table(1000)
    write_csv(tmp_path / "data.csv", matrix, names)
    write_csv(tmp_path / "new.csv", matrix[:50, 1:3], ["x1", "x2"])
    write_csv(tmp_path / "new_rows.csv", make_table(200, seed=5)[0], names)
    (tmp_path / "parts").mkdir()
    for i, piece in enumerate(np.array_split(matrix[:, [0, 1, 3]], 3)):
        write_csv(tmp_path / "parts" / f"{i}.csv", piece)
    assert len(commands()) >= 4
    run_all(commands())
    assert len((tmp_path / "predictions.csv").read_text().splitlines()) == 51
    assert len((tmp_path / "intervals.csv").read_text().splitlines()) == 51
    assert len((tmp_path / "sample.csv").read_text().splitlines()) == 11


def test_the_commands_of_the_page_on_linear_models_run_one_after_another(tmp_path):
    for i, name in enumerate(("monday", "tuesday")):
        write_csv(tmp_path / f"{name}.csv", *make_table(300, seed=i))
    assert len(commands("docs/linear.md")) >= 5
    run_all(commands("docs/linear.md"))
    assert (tmp_path / "rest.stats").exists()


def test_the_links_of_the_documents_lead_somewhere():
    for document in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "bench" / "README.md",
    ]:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text()):
            assert (document.parent / target).exists(), (document.name, target)


@pytest.mark.parametrize(
    "target", ["install", "run", "test", "test-all", "lint", "bench", "hadoop-up", "hadoop-down", "clean"]
)
def test_the_makefile_has_the_targets_that_are_spoken_of(target):
    assert re.search(rf"^{target}:.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE)


def test_the_page_for_python_runs_from_top_to_bottom(tmp_path, capsys):
    matrix, names = make_table(200)
    write_csv(tmp_path / "data.csv", matrix, names)
    code = "\n".join(
        re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.MULTILINE | re.DOTALL)
    )
    exec(compile(code, "docs/python.md", "exec"), {})
    assert "there is no column 'z'" in capsys.readouterr().out
