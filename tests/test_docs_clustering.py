"""What the pages on k-means and on mixtures show runs as it stands there, and their equations are those of the kernels."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from drivers import run_gmm, run_kmeans, score
from jobs.kernels import gmm, kmeans
from tests.conftest import read_model
from tests.doc_pages import Page

GMM, KMEANS = Page("docs/gmm.md"), Page("docs/kmeans.md")


@pytest.mark.slow
def test_the_page_on_mixtures_runs_from_top_to_bottom(tmp_path, capsys):
    GMM.run_commands()
    GMM.run_python()
    model = read_model("runs/how-many")
    assert len(model["candidates"]) == 24 and len(model["parameters"]["weights"]) == 4
    (exercise,) = [path for path in Path("runs").glob("gmm-*") if (path / "way.gif").exists()]
    assert (exercise / "report.html").exists()
    # The table of the page is what the command gives.
    for entry in model["candidates"]:
        if entry["is_best"]:
            row = re.search(rf"^\| \**{entry['n_components']}\** \| (-[\d.]+) .*$", GMM.text, re.MULTILINE)
            assert float(row[1]) == pytest.approx(entry["log_likelihood"], rel=1e-3), entry["n_components"]
    with open("parts.csv", newline="") as file:
        parts = np.array([[float(cell) for cell in row] for row in list(csv.reader(file))[1:]])
    assert parts.shape == (4000, 6) and np.array_equal(parts[:, 0], parts[:, 2:].argmax(axis=1))
    assert parts[:, 1].sum() == pytest.approx(model["candidates"][model["chosen"]]["log_likelihood"], rel=1e-9)
    assert "nan" in capsys.readouterr().out


@pytest.mark.slow
def test_the_page_on_k_means_runs_from_top_to_bottom_and_paints_the_picture(tmp_path):
    KMEANS.run_commands()
    KMEANS.run_python()
    with open("picture.csv", newline="") as file:
        pixels = np.array(list(csv.reader(file))[1:], dtype=int)
    before = pixels[:, 2:].reshape(192, 256, 3)
    after = np.rint(imread("picture.png")[:, :, :3] * 255).astype(int)
    assert after.shape == before.shape and len(np.unique(after.reshape(-1, 3), axis=0)) == 16
    centers = np.array(read_model("runs/picture")["parameters"]["centers"])
    nearest = ((before[::8, ::8, None] - centers) ** 2).sum(axis=-1).argmin(axis=-1)
    assert np.array_equal(after[::8, ::8], centers[nearest].round())
    told = int(re.search(r"The picture in ([\d,]+) colours", KMEANS.text)[1].replace(",", ""))
    assert told == len(np.unique(before.reshape(-1, 3), axis=0))


@pytest.mark.parametrize(("page", "kernel"), [(GMM, gmm), (KMEANS, kmeans)], ids=["gmm", "kmeans"])
def test_the_equations_have_the_numbers_of_the_kernel(page, kernel):
    """Each numbered equation of the kernel stands in the page under its number, by its left side."""
    for line in kernel.__doc__.splitlines():
        match = re.search(r"^ {4}(\S+(?: \S+)*?)(?: {2,}| +<?= ).*\((\d)\)$", line)
        if match:
            left = match[1].split("<-")[0].split("=")[0].strip()
            numbered = re.findall(rf"^ {{4}}(.*) \({match[2]}\)$", page.text, re.MULTILINE)
            assert any(found.startswith(f"{left} ") for found in numbered), left
    assert set("1234567") <= set(re.findall(r"\((\d)\)$", page.text, re.MULTILINE))


@pytest.mark.parametrize(("page", "driver"), [(GMM, run_gmm), (KMEANS, run_kmeans)], ids=["gmm", "kmeans"])
def test_the_links_and_options_of_the_pages_are_there(page, driver):
    page.assert_links_lead_somewhere()
    known = driver.make_parser().format_help() + score.make_parser().format_help()
    page.assert_options_are_known(known + "--kind --components --rows --header --out")  # of the generators
