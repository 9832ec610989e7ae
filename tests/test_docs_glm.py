"""What the page on generalised linear models shows runs as it stands there, and says what it gives."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from sklearn.linear_model import LogisticRegression, PoissonRegressor
from statsmodels.genmod import families as sm_families
from statsmodels.genmod.generalized_linear_model import GLM

from data_gen import gen_glm
from drivers import run_glm, run_logistic, score
from drivers.glm.candidates import MOST_BYTES
from drivers.glm.options import N_ALPHAS
from drivers.glm.starts import ROWS_A_COEFFICIENT
from drivers.glm.state import SHORTER
from jobs.kernels import families, glm
from jobs.kernels.scores import N_BINS
from tests.conftest import ROOT, read_model
from tests.doc_pages import Page

PAGE = Page("docs/glm.md")
TEXT = PAGE.text


@pytest.mark.slow
def test_the_page_runs_from_top_to_bottom_and_its_numbers_are_those_of_its_commands(capsys):
    assert "python drivers/run_logistic.py" in PAGE.commands
    PAGE.run_commands()
    told = re.search(r"bound: ([\d.]+) \+- ([\d.]+) for the demonstration", TEXT)
    (demonstration,) = Path("runs").glob("logistic-*")
    (curve,) = read_model(demonstration)["evaluation"]["in_sample"]["curves"]
    np.testing.assert_allclose([curve["auc"], curve["auc_error"]], [float(told[1]), float(told[2])], atol=6e-5)
    for name, family in (("poisson", "poisson"), ("visits", "negative-binomial")):
        inference = read_model(f"runs/{name}")["inference"]
        cells = [float(cell) for cell in re.search(rf"^\| {family} \| (0\.[^\n]*) \|$", TEXT, re.MULTILINE)[1].split(" | ")]
        table = inference["coefficients"][0]
        spread = inference["pearson_chi2"] / inference["df_residuals"]
        found = [table["estimates"][1], table["standard_errors"][1], spread, inference["aic"]]
        np.testing.assert_allclose(found, cells, rtol=1e-3)
    three = read_model("runs/three")
    told = re.search(r"fits (\d+) penalties on all rows and without each of (\d+) folds, (\d+) fits, in (\d+) passes", TEXT)
    n, folds, fits, passes = map(int, told.groups())
    assert (n, folds, passes) == (len(three["candidates"]), 5, three["training"]["n_passes"]) and fits == n * (1 + folds)
    for ours, name in (("glm-odds-ratios", "coefficients"), ("glm-penalties", "cross_validation")):
        assert imread(ROOT / "docs" / "images" / f"{ours}.png").shape == imread(f"runs/three/{name}.png").shape
    PAGE.run_python()
    assert "'intercept': " in capsys.readouterr().out
    with open("classes.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    p = np.array([[float(row[f"probability c{c}"]) for c in (1, 2, 3)] for row in rows])
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-12)
    assert [row["class"] for row in rows] == [f"c{c + 1}" for c in p.argmax(axis=1)]
    with open("means.csv", newline="") as file:
        rows = [(float(row["y"]), float(row["prediction"])) for row in csv.DictReader(file)]
    true, predicted = np.mean(rows, axis=0)
    assert predicted == pytest.approx(true, rel=0.02)


def test_the_equations_are_those_of_the_kernels():
    numbered = dict(reversed(found) for found in re.findall(r"^ {4}(.*?) +\((\d)\)$", TEXT, re.MULTILINE))
    assert set(numbered) == set("12345")

    def words(text):
        return " ".join(text.split())

    for line in families.__doc__.splitlines():
        if match := re.search(r"^ {4}(.*?) +\((\d)\)$", line):
            assert words(numbered[match[2]]) == words(match[1])
    own = [words(text) for text in re.findall(r"^ {4}(.*?) +\(\d\)$", glm.__doc__, re.MULTILINE)]
    assert [words(numbered[number]) for number in "45"] == own


def test_the_families_and_their_links_are_those_of_the_programs():
    for family in run_glm.FAMILIES:
        row = re.search(rf"^\| {family} \|.*$", TEXT, re.MULTILINE)[0]
        default = run_glm.default_link(family)
        told = row.split("|")[4].strip().split(", ")
        assert told[0] == default and set(told) == set(families.LINKS[family])
        has_dispersion = "X^2" in row.split("|")[5]
        assert has_dispersion == (family in families.WITH_DISPERSION)


def test_the_constants_are_those_of_the_programs():
    assert f"{N_BINS:,} bins" in TEXT and f"takes {N_ALPHAS}, evenly" in TEXT and f"{MOST_BYTES >> 20} MB" in TEXT
    assert f"{SHORTER[0]}, {SHORTER[1]} and {SHORTER[2]} of it" in TEXT
    assert ROWS_A_COEFFICIENT == 5 and "five or more for each" in TEXT


def test_the_scaling_of_the_penalties_is_that_of_the_other_programs(tmp_path):
    def coefficients(driver, *words):
        folder = f"r{len(list(tmp_path.iterdir()))}"
        assert driver.main(["t.csv", "--target", "y", *words, "--quiet", "--no-report", "--run-dir", folder]) == 0
        return read_model(folder)["parameters"]["coefficients"]

    def rows():
        values = np.genfromtxt("t.csv", delimiter=",", skip_header=1)
        return values[:, 1:], values[:, 0]

    gen_glm.generate("t.csv", rows=400, features=3)
    X, y = rows()
    found = coefficients(run_logistic, "--penalty", "ridge", "--alphas", "20")
    theirs = LogisticRegression(C=1 / 20, tol=1e-10, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(found, theirs.coef_[0], atol=1e-6)
    gen_glm.generate("t.csv", rows=401, features=3, family="poisson")
    X, y = rows()
    found = coefficients(run_glm, "--family", "poisson", "--penalty", "ridge", "--alphas", "0.3")
    np.testing.assert_allclose(found, PoissonRegressor(alpha=0.3, tol=1e-10, max_iter=10_000).fit(X, y).coef_, atol=1e-6)
    found = coefficients(run_glm, "--family", "poisson", "--penalty", "elastic-net", "--alphas", "0.1", "--l1-ratio", "0.4")
    model = GLM(y, np.column_stack([np.ones(len(y)), X]), family=sm_families.Poisson())
    theirs = model.fit_regularized(alpha=[0, 0.1, 0.1, 0.1], L1_wt=0.4, cnvrg_tol=1e-12, maxiter=1000).params[1:]
    np.testing.assert_allclose(found, theirs, atol=1e-6)


def test_the_links_and_options_of_the_page_are_there():
    PAGE.assert_links_lead_somewhere()
    known = run_glm.make_parser().format_help() + run_logistic.make_parser().format_help()
    known += score.make_parser().format_help() + "--rows --out"  # of the generator
    PAGE.assert_options_are_known(known)


DEGENERATE = [
    ("y,x\n" + "a,1\na,2\n" * 20, ["--target", "y"], run_logistic, 1),
    ("y,x,w\n" + "a,1,1\nb,2,0\na,3,1\n" * 20, ["--target", "y", "--weight", "w"], run_logistic, 1),
    ("y,x,w\n" + "a,1,0\nb,2,0\n" * 20, ["--target", "y", "--weight", "w"], run_logistic, 1),
    ("y,x,k\n" + "a,1,5\nb,2,5\na,3,5\n" * 20, ["--target", "y"], run_logistic, 1),
    ("y,x\n" + "a,1\nb,2\na,3\n" * 20, ["--target", "y", "--class-weight", "b=0"], run_logistic, 1),
    ("y,x\n" + "-1,1\n2,2\n3,3\n" * 20, ["--target", "y", "--family", "poisson"], run_glm, 1),
    ("y,x\n" + "0,1\n2,2\n3,3\n" * 20, ["--target", "y", "--family", "gamma"], run_glm, 1),
    ("y,x\n" + "2,1\n2,2\n2,3\n" * 20, ["--target", "y", "--family", "poisson"], run_glm, 1),
    ("y,x\n" + "a,1\nb,2\n", ["--target", "y"], run_logistic, 3),
    ("y,x\n" + "a,1\na,1.5\nb,2\nb,3\n" * 20, ["--target", "y"], run_logistic, 3),
    ("y,x\n" + "a,1\na,1.5\nb,2\nb,3\n" * 20, ["--target", "y", "--penalty", "ridge", "--alphas", "1"], run_logistic, 0),
    ("y,x\n" + "0,0\n1,1\n4,1\n0,0\n" * 20, ["--target", "y", "--family", "poisson"], run_glm, 3),
    ("y,x,z\n" + "a,1,2\nb,2,4\na,3,6\nb,4,8\n" * 20, ["--target", "y"], run_logistic, 0),
    # The best slope of these means would make that of x = 3 negative.
    ("y,x\n" + "6,0\n1,1\n0,2\n0,3\n" * 20, ["--target", "y", "--family", "poisson", "--link", "identity"], run_glm, 3),
]


@pytest.mark.parametrize(("rows", "words", "driver", "status"), DEGENERATE)
def test_degenerate_cases_end_as_the_page_says(tmp_path, capsys, rows, words, driver, status):
    (tmp_path / "t.csv").write_text(rows)
    assert driver.main(["t.csv", *words, "--quiet", "--no-report", "--run-dir", "r", "--max-iter", "40"]) == status
    if status == 1:
        message = capsys.readouterr().err
        assert message.count("error:") == 1 and "Traceback" not in message
    elif status == 3:
        told = read_model("r")
        assert told["training"]["status"] != "converged" and told["warnings"]
