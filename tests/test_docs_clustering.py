"""What the pages on k-means and on mixtures show runs as it stands there, and their equations are those of the kernels."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from jobs.kernels import gmm, kmeans
from tests.conftest import ROOT, read_model

PAGES = ["docs/gmm.md", "docs/kmeans.md"]
COMMAND = re.compile(r"^ {4}(python (?:drivers|data_gen)/.*)$", re.MULTILINE)
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text_of(page):
    return (ROOT / page).read_text()


def run_everything(page):
    """The commands of a page, one after another, and then its Python."""
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    for line in COMMAND.findall(text_of(page)):
        line = re.sub(r"\b(drivers|data_gen)/", rf"{ROOT}/\1/", line)
        done = subprocess.run(line, shell=True, capture_output=True, text=True, env={**os.environ, "PATH": path})
        assert done.returncode == 0, (line, done.stderr)
    exec(compile("\n".join(CODE.findall(text_of(page))), page, "exec"), {})


@pytest.mark.slow
def test_the_page_on_mixtures_runs_from_top_to_bottom(tmp_path, capsys):
    run_everything("docs/gmm.md")
    model = read_model("runs/how-many")
    assert len(model["candidates"]) == 24 and len(model["parameters"]["weights"]) == 4
    (exercise,) = [path for path in Path("runs").glob("gmm-*") if (path / "way.gif").exists()]
    assert (exercise / "report.html").exists()
    # The table of the page is what the command gives.
    for entry in model["candidates"]:
        if entry["is_best"]:
            row = re.search(rf"^\| \**{entry['n_components']}\** \| (-[\d.]+) .*$", text_of("docs/gmm.md"), re.MULTILINE)
            assert float(row[1]) == pytest.approx(entry["log_likelihood"], rel=1e-3), entry["n_components"]
    with open("parts.csv", newline="") as file:
        parts = np.array([[float(cell) for cell in row] for row in list(csv.reader(file))[1:]])
    assert parts.shape == (4000, 6) and np.array_equal(parts[:, 0], parts[:, 2:].argmax(axis=1))
    assert parts[:, 1].sum() == pytest.approx(model["candidates"][model["chosen"]]["log_likelihood"], rel=1e-9)
    assert "nan" in capsys.readouterr().out


@pytest.mark.slow
def test_the_page_on_k_means_runs_from_top_to_bottom_and_paints_the_picture(tmp_path):
    run_everything("docs/kmeans.md")
    with open("picture.csv", newline="") as file:
        pixels = np.array(list(csv.reader(file))[1:], dtype=int)
    before = pixels[:, 2:].reshape(192, 256, 3)
    after = np.rint(imread("picture.png")[:, :, :3] * 255).astype(int)
    assert after.shape == before.shape and len(np.unique(after.reshape(-1, 3), axis=0)) == 16
    centers = np.array(read_model("runs/picture")["parameters"]["centers"])
    nearest = ((before[::8, ::8, None] - centers) ** 2).sum(axis=-1).argmin(axis=-1)
    assert np.array_equal(after[::8, ::8], centers[nearest].round())
    told = int(re.search(r"The picture in ([\d,]+) colours", text_of("docs/kmeans.md"))[1].replace(",", ""))
    assert told == len(np.unique(before.reshape(-1, 3), axis=0))


@pytest.mark.parametrize(("page", "kernel"), [("docs/gmm.md", gmm), ("docs/kmeans.md", kmeans)])
def test_the_equations_have_the_numbers_of_the_kernel(page, kernel):
    """Each numbered equation of the kernel stands in the page under its number, by its left side."""
    for line in kernel.__doc__.splitlines():
        match = re.search(r"^ {4}(\S+(?: \S+)*?)(?: {2,}| +<?= ).*\((\d)\)$", line)
        if match:
            left = match[1].split("<-")[0].split("=")[0].strip()
            numbered = re.findall(rf"^ {{4}}(.*) \({match[2]}\)$", text_of(page), re.MULTILINE)
            assert any(found.startswith(f"{left} ") for found in numbered), left
    assert set("1234567") <= set(re.findall(r"\((\d)\)$", text_of(page), re.MULTILINE))


@pytest.mark.parametrize("page", PAGES)
def test_the_links_and_options_of_the_pages_are_there(page):
    text = text_of(page)
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / page).parent.joinpath(target).exists(), target
    from drivers import run_gmm, run_kmeans, score

    driver = run_gmm if page == "docs/gmm.md" else run_kmeans
    known = driver.make_parser().format_help() + score.make_parser().format_help()
    known += "--kind --components --rows --header --out"  # of the generators
    for option in set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)):
        assert re.search(rf"{option}\b(?!-)", known), option
