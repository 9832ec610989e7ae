"""The report of a generalised linear model: its sentences, pictures and tables are those of the model and of the rows."""

from __future__ import annotations

import re
from html import unescape

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score
from statsmodels.genmod.families import Poisson
from statsmodels.genmod.generalized_linear_model import GLM

from data_gen.gen_glm import generate
from drivers import run_glm, run_logistic
from drivers.packing.cache import pack
from drivers.packing.sources import find_sources
from drivers.reading import input_options
from drivers.report.formats import restore
from drivers.report.glm_pictures import groups_of, least, within_one_error
from drivers.roles import contents_for
from tests.conftest import read_model, write_csv

OF_CLASSES = {"curves.png", "calibration.png", "confusion.png"}


def fit(name, *words, driver=run_logistic, run_dir="r", target="y"):
    """Runs a driver; gives its page as text without pictures, and its model."""
    assert driver.main([name, "--target", target, *map(str, words), "--quiet", "--run-dir", run_dir]) in (0, 3)
    with open(f"{run_dir}/report.html", encoding="utf-8") as file:
        page = re.sub(r"<img [^>]*>", "<img>", file.read())
    return unescape(page), restore(read_model(run_dir))


def pictures(tmp_path, run_dir="r"):
    return {path.name for path in (tmp_path / run_dir).glob("*.png")}


def told(page, pattern):
    """The number that a sentence says."""
    found = re.search(pattern, page)
    assert found, pattern
    return float(found[1].replace(",", ""))


def read(name):
    return np.genfromtxt(name, delimiter=",", skip_header=1)


@pytest.fixture
def clicks(tmp_path):
    generate(tmp_path / "t.csv", rows=1500, features=2)
    return "t.csv"


def test_the_page_of_two_classes_says_what_the_model_and_the_rows_say(clicks, tmp_path):
    page, model = fit(clicks)
    rows = read(clicks)
    y, X = rows[:, 0], rows[:, 1:]
    eta = model["parameters"]["intercept"] + X @ model["parameters"]["coefficients"]
    assert pictures(tmp_path) >= OF_CLASSES | {"coefficients.png"}
    assert page.count("<img>") == len(pictures(tmp_path))
    assert "Logistic regression: y on x1, x2" in page and "those of 1 against 0" in page
    right = told(page, r"Of the rows it was fitted to ([\d.]+) % are put in their class")
    assert right == pytest.approx(100 * np.mean((eta >= 0) == y), abs=0.06)
    commonest = max(np.mean(y), 1 - np.mean(y))
    assert told(page, r"would be right for ([\d.]+) %") == pytest.approx(100 * commonest, abs=0.06)
    area, error = re.search(r"area under the ROC curve of ([\d.]+) ± ([\d.e-]+)", page).groups()
    assert abs(float(area) - roc_auc_score(y, eta)) <= float(error) + 5e-5
    x1 = model["inference"]["coefficients"][0]["estimates"][1]
    assert told(page, r"x1 is surest to matter: one unit more multiplies the odds by ([\d.]+)") == pytest.approx(
        np.exp(x1), rel=5e-4
    )
    assert told(page, r"the likelihood-ratio statistic is ([\d.,]+) with 2 degrees") == pytest.approx(
        model["inference"]["null_deviance"] - model["inference"]["deviance"], rel=1e-5
    )
    for i, line in enumerate(confusion_matrix(y, eta >= 0)):
        cells = re.findall(
            r'<data value="([\d.]+)"', re.search(rf'scope="row">{i}</th>(.*?)</tr>', after(page, "Confusion, on"))[1]
        )
        assert [float(cell) for cell in cells] == line.tolist()


def after(page, words):
    return page[page.index(words) :]


def test_the_tables_have_the_exact_numbers_of_the_model(clicks):
    page, model = fit(clicks)
    table = model["inference"]["coefficients"][0]
    for key in ("estimates", "standard_errors", "ratios"):
        for value in table[key]:
            assert f'value="{value!r}"' in page, key
    for key in ("deviance", "null_deviance", "aic", "bic", "pseudo_r_squared"):
        assert f'value="{model["inference"][key]!r}"' in page, key


def test_rows_that_a_fit_has_not_seen_lead_where_there_are_such(clicks, tmp_path):
    page, model = fit(clicks, "--folds", "3")
    new = model["evaluation"]["out_of_fold"]
    assert told(page, r"from 3 folds\) the log-loss is ([\d.]+)") == pytest.approx(new["log_loss"], rel=5e-4)
    assert "Of rows of other folds" in page and "The same on the rows it was fitted to" in page
    area = told(page, r"area under the ROC curve of ([\d.]+)")
    assert area == pytest.approx(new["curves"][0]["auc"], abs=5e-5)
    assert pictures(tmp_path) >= OF_CLASSES


@pytest.mark.parametrize("rule", ["min", "1se"])
def test_the_penalty_and_the_other_rules_choice_are_told(clicks, tmp_path, rule):
    page, model = fit(
        clicks, "--penalty", "elastic-net", "--l1-ratio", "0.2,0.9", "--alphas", "99,30,9,1", "--folds", 2, "--choose", rule
    )  # fmt: skip
    assert "cross_validation.png" in pictures(tmp_path)
    rows = model["candidates"]
    best, one = least(rows), within_one_error(rows)
    assert rows[model["chosen"]] is (best if rule == "min" else one) and one["alpha"] >= best["alpha"]
    assert best["deviance"] == min(row["deviance"] for row in rows)
    assert told(page, r"The least deviance is at alpha ([\d.,e+-]*\d)") == pytest.approx(best["alpha"], rel=5e-4)
    assert told(page, r"within one standard error of it is ([\d.,e+-]*\d)") == pytest.approx(one["alpha"], rel=5e-4)
    assert "Of a penalised fit no test of them all is known" in page and "P(LR)" not in page


def test_three_classes_have_a_table_for_each_contrast(tmp_path):
    generate(tmp_path / "t.csv", rows=1500, features=2, family="multinomial")
    page, model = fit("t.csv")
    assert pictures(tmp_path) >= OF_CLASSES | {"coefficients.png"}
    assert "Coefficients of c2 against c1" in page and "Coefficients of c3 against c1" in page
    curves = model["evaluation"]["in_sample"]["curves"]
    low, high = (pick(curve["auc"] for curve in curves) for pick in (min, max))
    assert told(page, r"0\.5 by chance, from ([\d.]+)") == pytest.approx(low, abs=5e-5)
    assert told(page, r"\(c\d\) to ([\d.]+)") == pytest.approx(high, abs=5e-5)


def test_thirty_classes_fold_their_contrasts_away(tmp_path):
    generate(tmp_path / "t.csv", rows=1200, features=1, family="multinomial", classes=30)
    page, model = fit("t.csv")
    assert pictures(tmp_path) >= OF_CLASSES | {"coefficients.png"}
    assert page.count("<details>") <= 3 and "All 29 contrasts of classes, with standard errors" in page
    assert "Coefficients of each class" in page and "Confusion, on" not in page
    assert len(model["parameters"]["classes"]) == 30 and "30 classes" in page


@pytest.mark.parametrize(("solver", "family"), [("lbfgs", "binomial"), ("lbfgs", "multinomial"), ("gd", "binomial")])
def test_without_second_derivatives_the_page_has_coefficients_alone(tmp_path, solver, family):
    generate(tmp_path / "t.csv", rows=600, features=2, family=family)
    page, model = fit("t.csv", "--solver", solver, "--max-iter", 20)
    assert model["inference"] == {} and "--solver newton gives them" in page
    assert "Measures of fit" not in page and pictures(tmp_path) >= OF_CLASSES | {"coefficients.png"}


@pytest.mark.parametrize("solver", ["newton", "lbfgs"])
def test_separated_classes_are_told_and_nothing_of_their_coefficients_is_believed(tmp_path, solver):
    x = np.random.default_rng(0).normal(size=200)
    write_csv(tmp_path / "t.csv", np.column_stack([(x > 0) * 1.0, x]), ["y", "x"])
    page, model = fit("t.csv", "--solver", solver)
    assert model["training"]["status"] == "separated"
    assert "Separated.</strong> The classes are told apart" in page and "Calibration.</strong>" not in page
    assert solver != "newton" or "nothing here is to be trusted" in page
    assert "surest to matter" not in page and "Odds ratios" not in page and "P(LR)" not in page
    assert pictures(tmp_path) >= OF_CLASSES | {"coefficients.png"}


def test_counts_that_vary_too_much_are_told_with_an_alpha_to_take(tmp_path):
    generate(tmp_path / "t.csv", rows=4000, features=2, family="negative-binomial", alpha=0.8)
    page, model = fit("t.csv", "--family", "poisson", driver=run_glm)
    rows = read("t.csv")
    found = GLM(rows[:, 0], np.column_stack([np.ones(len(rows)), rows[:, 1:]]), family=Poisson()).fit()
    assert told(page, r"X² / df is ([\d.]+), where poisson") == pytest.approx(found.pearson_chi2 / found.df_resid, rel=1e-3)
    assert told(page, r"by the moments about --alpha ([\d.]+)") == pytest.approx(0.8, abs=0.2)
    page, _ = fit("t.csv", "--family", "negative-binomial", "--alpha", 0.8, driver=run_glm, run_dir="nb")
    assert "the spread is that of the family" in page or "somewhat more than" in page
    assert pictures(tmp_path, "nb") >= {"coefficients.png", "groups.png"} and "rate ratio" in page


@pytest.mark.parametrize(
    ("family", "words", "has_ratios"),
    [
        ("gamma", ["--family", "gamma"], True),
        ("gamma", ["--family", "gamma", "--link", "inverse"], False),
        ("gamma", ["--family", "gaussian", "--penalty", "lasso", "--alphas", "0.1,1000", "--folds", "2"], False),
        ("binomial", ["--family", "binomial", "--link", "identity"], False),
        ("poisson", ["--family", "poisson", "--penalty", "ridge", "--alphas", "0.1"], True),
    ],
)
def test_each_family_has_a_page(tmp_path, family, words, has_ratios):
    generate(tmp_path / "t.csv", rows=600, features=1, family=family, intercept=0.1)
    page, _ = fit("t.csv", *words, driver=run_glm)
    assert "coefficients.png" in pictures(tmp_path) and "Deviance" not in page.split("</h1>")[0]
    assert ("exp of the coefficients" in page) == has_ratios


def test_the_groups_of_the_picture_know_the_offset_and_the_weights(tmp_path):
    rng = np.random.default_rng(1)
    exposure, x, w = rng.uniform(0.1, 5, 2000), rng.normal(size=2000), rng.choice([1, 5], 2000)
    # Heavy rows have twice the count, so that means with and without weights differ.
    y = rng.poisson(exposure * np.exp(0.3 * x) * np.where(w == 5, 2, 1))
    write_csv(tmp_path / "t.csv", np.column_stack([y, x, np.log(exposure), w]), ["y", "x", "o", "w"])
    words = ["--family", "poisson", "--offset", "o", "--weight", "w", "--features", "x"]
    page, model = fit("t.csv", *words, driver=run_glm)
    assert "with the offset o" in page and "groups.png" in pictures(tmp_path)
    options = run_glm.make_parser().parse_args(["t.csv", "--target", "y", *words])
    found = groups_of(model, pack(find_sources(["t.csv"]), input_options(options), contents_for(options)))
    assert len(found) == 10
    # Every row is in the sample: the groups' means are of all rows, and those of the prediction and of the target agree.
    predicted, observed, errors = np.array(found).T
    assert np.average(y, weights=w) == pytest.approx(np.mean(observed), rel=0.02)
    assert np.abs((observed - predicted) / errors).max() < 4


def test_features_of_other_units_are_compared_by_their_spread(tmp_path):
    rng = np.random.default_rng(2)
    x, big = rng.normal(size=800), 1e4 * rng.normal(size=800)
    y = rng.random(800) < 1 / (1 + np.exp(-(0.3 * x + 2e-4 * big)))
    write_csv(tmp_path / "t.csv", np.column_stack([y, x, big]), ["y", "x", "big"])
    page, model = fit("t.csv")
    step = told(page, r"big is surest to matter: one standard deviation more, ([\d.,]+),")
    assert step == pytest.approx(big.std(), rel=5e-3)
    b = model["parameters"]["coefficients"][1]
    assert told(page, r"multiplies the odds by ([\d.]+)") == pytest.approx(np.exp(b * big.std()), rel=1e-3)


def test_texts_of_classes_and_features_are_escaped_and_may_look_like_numbers(tmp_path):
    x = np.random.default_rng(3).normal(size=300)
    names = ["<b>", "NaN", "Infinity"]
    lines = [f"{names[i % 3]},{value + (i % 3) / 2:.6f},{'u$' if i % 2 else 'v'}" for i, value in enumerate(x)]
    (tmp_path / "t.csv").write_text("\n".join(["y,<i>,kind", *lines]) + "\n")
    page, model = fit("t.csv", "--features", "<i>,kind", "--missing", "drop")
    raw = (tmp_path / "r" / "report.html").read_text(encoding="utf-8")
    assert "<b>" not in raw and "<i>" not in raw and "<i>" in page
    assert len(model["evaluation"]["in_sample"]["classes"]) == len(model["design"]["categories"]["y"])


def test_weights_of_classes_are_named_where_they_spoil_the_probabilities(tmp_path):
    generate(tmp_path / "t.csv", rows=3000, features=1, intercept=-3.0)
    page, _ = fit("t.csv", "--class-weight", "balanced")
    assert "With weights of classes they are those of rows so weighted" in page
    assert "With weights of classes no test of them all holds" in page


def test_robust_errors_lead_where_they_were_asked_for_and_stand_beside_the_classical_ones(tmp_path):
    generate(tmp_path / "t.csv", rows=1500, features=2, family="negative-binomial")
    page, model = fit("t.csv", "--family", "poisson", "--covariance", "HC1", driver=run_glm)
    assert "standard errors HC1" in page and "All standard errors side by side; HC1 leads" in page
    assert "the standard errors shown, HC1, do not rest on that" in page and "times too small" not in page
    rows = read("t.csv")
    X = np.column_stack([np.ones(len(rows)), rows[:, 1:]])
    white = GLM(rows[:, 0], X, family=Poisson()).fit(cov_type="HC0").bse
    shown = [table for key in ("coefficients", "other_coefficients") for table in model["inference"][key]]
    for kind, theirs in (("HC0", white), ("HC1", white * np.sqrt(1500 / 1497))):
        (ours,) = [table["standard_errors"] for table in shown if table["covariance_type"] == kind]
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)
        assert all(f'value="{value!r}"' in page for value in ours)


def test_robust_errors_of_three_classes_and_of_thirty(tmp_path):
    for classes in (3, 30):
        generate(tmp_path / "t.csv", rows=40 * classes, features=1, family="multinomial", classes=classes)
        page, _ = fit("t.csv", "--covariance", "HC0", run_dir=f"r{classes}")
        assert "All standard errors side by side; HC0 leads" in page and "standard errors HC0" in page
