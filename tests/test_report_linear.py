"""The report of a linear fit beyond least squares: penalties, selection, validation, residuals; with and without rows."""

from __future__ import annotations

import html
import math
import os
import re

import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Lasso, Ridge

from drivers.report import formats
from drivers.report.check_findings import check_findings
from drivers.report.penalised_fit import fit_penalised
from drivers.report.penalty_axis import Penalties, place_of_zero
from drivers.report.places import short_places
from drivers.report.residual_pictures import standardised
from drivers.report.sample_fit import Sample
from tests.test_report import Reported, give_truth, write_csv

SECTIONS = {"Validation", "Penalty", "Bound", "Selection", "Residuals", "Correlations"}
NAMES = ["y", "a", "b<i>", "c", "d", "e", "w", "g"]


def table_rows(n=600, seed=0):
    """y on a, b and c, of which a and b are nearly the same; d and e say nothing; weights and groups."""
    generator = np.random.default_rng(seed)
    a = generator.normal(size=n)
    X = np.column_stack([a, a + 0.2 * generator.normal(size=n), *generator.normal(size=(3, n)) * [[1], [100], [1]]])
    y = 3 + X @ [1.0, 0.5, -2.0, 0.0, 0.0] + generator.standard_t(4, n)
    return np.column_stack([y, X, generator.uniform(0.5, 2, n), generator.integers(0, 20, n)])


def report(folder, *options, rows=None, names=NAMES):
    path = write_csv(folder / "table.csv", names, table_rows() if rows is None else rows)
    features = [name for name in names if name not in "ywg"]
    return Reported(folder, path, "--target", "y", "--features", ",".join(features), *options)


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    options = ("--weight", "w", "--penalty", "elastic-net", "--l1-ratio", "0.2,0.8", "--standardize", "--choose", "1se")
    return report(tmp_path_factory.mktemp("net"), *options, "--diagnostics", "--holdout", "0.2")


@pytest.fixture(scope="module")
def selected(tmp_path_factory):
    return report(tmp_path_factory.mktemp("best"), "--select", "best", "--folds", "4", "--cluster", "g")


@pytest.fixture(scope="module")
def without_rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("statistics")
    file = str(folder / "table.stats")
    (folder / "first").mkdir()
    report(folder / "first", "--folds", "5", "--save-statistics", file, "--no-diagnostics")
    return Reported(folder, "--from-statistics", file, "--penalty", "ridge", "--alphas", "0,1,10,100,1e4")


def sections(run):
    return set(re.findall(r"<h2>(.*?)</h2>", run.page))


def values_of(run):
    return {float(value) for value in run.reader.values if value not in ("None",)}


def alts(run):
    return [value for tag, name, value in run.reader.attributes if (tag, name) == ("img", "alt")]


# -- what is there ---------------------------------------------------------------------------------------------------------


def test_every_section_is_there_when_its_part_of_the_model_is(net, selected, without_rows):
    assert sections(net) & SECTIONS == {"Validation", "Penalty", "Residuals", "Correlations"}
    assert sections(selected) & SECTIONS == {"Validation", "Selection", "Residuals", "Correlations"}
    assert sections(without_rows) & SECTIONS == {"Validation", "Penalty", "Correlations"}


def test_a_plain_fit_of_one_feature_has_none_of_them(tmp_path):
    run = report(tmp_path, rows=table_rows()[:, :2], names=["y", "a"])
    assert sections(run) & SECTIONS == set()
    assert run.pictures == ["differences.png", "lines.png"] and '<th scope="col">VIF</th>' not in run.page


def test_pictures_exist_and_say_what_they_show(net, selected, without_rows):
    assert set(net.pictures) >= {
        "penalty_path.png", "cross_validation.png", "normal_quantiles.png", "influence.png", "correlations.png",
    }  # fmt: skip
    assert set(selected.pictures) >= {"normal_quantiles.png", "influence.png", "correlations.png"}
    assert without_rows.pictures == ["correlations.png", "cross_validation.png", "penalty_path.png"]
    for run in (net, selected, without_rows):
        assert len(alts(run)) == len(run.pictures)
        assert all(len(alt) > 40 for alt in alts(run))
        begins = ("Lines", "Curve", "Quantiles", "Scatter plot of lev", "Heat map")
        told = [alt for alt in alts(run) if alt.startswith(begins)]
        assert len(told) >= 3 and all(re.search(r"\d\.\d", alt) for alt in told)
        for name in run.pictures:
            with open(os.path.join(run.folder, name), "rb") as f:
                assert f.read(8) == b"\x89PNG\r\n\x1a\n"
    assert "largest penalty on the left" in net.text and "The l1 ratio is" in net.text


def test_texts_of_the_user_are_escaped(net, selected, without_rows):
    for run in (net, selected, without_rows):
        assert "b<i>" not in run.page and html.escape("b<i>") in run.page


def test_the_report_is_made_without_rows(without_rows):
    assert "statistics of 600 rows were read from a file" in without_rows.text
    assert "scikit-learn" not in without_rows.text
    assert "Without rows the spread of a feature is not known" in without_rows.text
    assert "no penalty at all is drawn at the far right" in without_rows.text


# -- the numbers ----------------------------------------------------------------------------------------------------------


def test_numbers_of_validation(net, selected):
    for run in (net, selected):
        validation, values = run.model["validation"], values_of(run)
        for name in ("rmse", "mse", "r_squared"):
            score = validation[name]
            assert {score["mean"], score["standard_error"], *score["folds"]} <= values
        assert set(validation["n_rows"]) <= values
    holdout = net.model["validation"]["holdout"]
    assert {holdout["rmse"], holdout["r_squared"], holdout["n_rows"]} <= values_of(net)
    assert "held out" in net.text and "held out" not in selected.text
    assert "features were chosen anew without it" in selected.text


def test_numbers_of_the_penalty(net, without_rows):
    for run in (net, without_rows):
        penalty, path, values = run.model["penalty"], run.model["path"], values_of(run)
        assert {penalty["alpha"], penalty["df"], penalty["kkt_residual"], penalty["n_nonzero"]} <= values
        for name in ("alphas", "df", "mse", "mse_standard_error", "difference", "difference_standard_error", "r_squared"):
            assert set(path[name]) <= values
    penalty = net.model["penalty"]
    assert net.page.count('class="chosen"') == 3  # the mean of the folds, and the penalty in both tables
    assert f"alpha {penalty['alpha']:.4g}, l1 ratio {penalty['l1_ratio']:.3g}, standardised" in net.text
    assert "the largest within one standard error of the least error" in net.text


def test_numbers_of_the_selection(selected):
    selection, values = selected.model["selection"], values_of(selected)
    for row in selection["table"]:
        assert {row["rss"], row["aic"], row["bic"], row["cv"]} <= values
    assert selection["features"] != selection["candidates"]
    left_out = [name for name in selection["candidates"] if name not in selection["features"]]
    assert f"Left out: {', '.join(left_out)}." in selected.text
    assert f"chosen out of {len(selection['candidates'])}" in selected.text
    assert f"best selection by BIC keeps {len(selection['features'])}" in selected.text


def test_numbers_of_the_second_pass(net, selected):
    for run in (net, selected):
        found, values = run.model["inference"]["diagnostics"], values_of(run)
        for name in ("omnibus", "jarque_bera", "skew", "kurtosis", "durbin_watson", "press", "predicted_r_squared"):
            assert found[name] in values
        for name in ("breusch_pagan", "white", "white_special"):
            assert {found[name][key] for key in ("lm", "lm_p_value", "f", "f_p_value")} <= values
        assert {found["leverage_max"], found["leverage_mean"]} <= values
        for row in found["influential"]:
            assert {row[key] for key in ("cooks_distance", "leverage", "studentized_residual", "residual")} <= values
            assert os.path.basename(row["place"]) in run.text
        assert os.path.dirname(found["influential"][0]["place"]) not in run.text.split("Run it again")[0]


def test_all_standard_errors_stand_side_by_side(selected):
    tables = selected.model["inference"]["coefficients"]
    assert {table["covariance_type"] for table in tables} == {
        "classical", "HC0", "HC1", "HC2", "HC3", "cluster", "equal-variance",
    }  # fmt: skip
    values = values_of(selected)
    for table in tables:
        assert set(table["standard_errors"]) <= values
    assert "All standard errors side by side; cluster leads" in selected.text
    assert tables[0]["label"] in selected.text


def test_variance_inflation_stands_beside_the_coefficients(net):
    inflation = net.model["inference"]["variance_inflation"]
    assert max(inflation) > 10 and set(inflation) <= values_of(net)
    assert "nearly explained by the others" in net.text


def test_the_f_tests_of_all_covariances(tmp_path):
    run = report(tmp_path, "--diagnostics")
    for table in run.model["inference"]["coefficients"]:
        assert {table["f_statistic"], table["f_p_value"]} <= values_of(run)
    assert "Whether all coefficients but the intercept could be zero" in run.text


# -- what is said ---------------------------------------------------------------------------------------------------------


def test_title_and_summary_name_the_method(net, without_rows, selected):
    assert re.search(r"<h1>Weighted elastic net, alpha [\d.]+, l1 ratio 0.\d, standardised: y on ", net.page)
    assert re.search(r"<h1>Ridge, alpha \d+: y on ", without_rows.page)
    assert "<h1>Least squares: y on " in selected.page


def test_a_shrunken_fit_is_compared_with_a_shrunken_fit(tmp_path):
    path = write_csv(tmp_path / "table.csv", NAMES, table_rows())
    give_truth(path, ["a", "b<i>", "c"], [1.0, 0.5, -2.0], 3.0)
    run = Reported(tmp_path, path, "--target", "y", "--exclude", "w,g", "--penalty", "ridge", "--alphas", "500",
                   "--sample-rows", "300")  # fmt: skip
    assert "fit with the same penalty on the sample (300 rows, 50 % of all)" in run.text
    assert "biased towards zero on purpose" in run.text
    assert "differ by more than chance" not in run.text and "within chance" not in run.text
    assert "z, sample" not in run.text and run.model["inference"]["label"] in run.text
    assert "coefficient_differences.png" not in run.pictures


@pytest.mark.parametrize(
    "options",
    [("--penalty", "lasso", "--alphas", "0.3"), ("--penalty", "ridge", "--alphas", "20", "--standardize"), ("--positive",)],
)
def test_the_same_penalty_on_the_same_rows_agrees(tmp_path, options):
    run = report(tmp_path, "--weight", "w", *options)
    assert "The sample holds every row, and scikit-learn's fit with the same penalty agrees" in run.text
    assert ("Bound" in sections(run)) == ("--positive" in options)


def test_rows_held_out_are_in_the_sample_and_it_says_so(tmp_path):
    run = report(tmp_path, "--holdout", "0.3")
    assert "The sample holds rows that were held out of the fit as well" in run.text
    assert "agree within chance" in run.text and "agree up to rounding" not in run.text
    assert "over the training rows" in run.text


def test_one_feature_has_bands(tmp_path):
    run = report(tmp_path, "--weight", "w", rows=table_rows()[:, [0, 1, 6]], names=["y", "a", "w"])
    assert "confidence band of the mean, 95 %" in run.text and "prediction interval" in run.text
    weight = run.model["training"]["weight_sum"] / 600
    assert f"a new row of the mean weight, {formats.number(weight, 3)}," in run.text


def test_a_fit_that_follows_its_own_rows_is_found_out(tmp_path):
    generator = np.random.default_rng(2)
    rows = generator.normal(size=(60, 41))
    run = report(tmp_path, "--folds", "5", rows=rows, names=["y", *(f"x{j}" for j in range(40))])
    assert "so the fit follows its own rows too closely: overfitting" in run.text
    assert "On new rows the fit is worse than the mean of the target would be" in run.text


def test_a_row_that_rules_the_fit_is_named(tmp_path):
    rows = table_rows()
    rows[41, :2] = [400.0, 30.0]
    run = report(tmp_path, "--diagnostics", rows=rows)
    assert "table.csv, row 42 moves the fit by itself" in run.text


def diagnosed(**changes):
    """A model with residuals that nothing is wrong with, but for the changes."""
    test = {"lm": 1.0, "lm_p_value": 0.5, "f": 1.0, "f_p_value": 0.5, "df": 2}
    found = {
        "omnibus_p_value": 0.4, "jarque_bera_p_value": 0.4, "skew": 0.01, "kurtosis": 3.02, "durbin_watson": 2.0,
        "breusch_pagan": test, "white": None, "white_special": test, "influential": [], "n_leverage_one": 0,
        "predicted_r_squared": 0.5, **changes,
    }  # fmt: skip
    return {"features": ["x"], "inference": {"n_observations": 1000, "diagnostics": found}}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "The residuals look normal"),
        ({}, "Their variance does not depend on the features"),
        ({"omnibus_p_value": 1e-9}, "it matters to nothing here"),
        ({"omnibus_p_value": 1e-9, "skew": -2.0}, "skewed to the left"),
        ({"omnibus_p_value": 1e-9, "kurtosis": 9.0}, "of heavier tails"),
        ({"omnibus_p_value": math.nan, "jarque_bera_p_value": 1e-9, "kurtosis": 1.5}, "of lighter tails"),
        ({"white_special": {"lm": 200.0, "lm_p_value": 1e-30}}, "believe HC3 standard errors"),
        ({"white_special": {"lm": 5.0, "lm_p_value": 1e-4}}, "so little that it may not matter"),
        ({"durbin_watson": 0.4}, "Successive rows have residuals like each other"),
        ({"n_leverage_one": 2}, "2 rows have leverage 1, and the fit passes through them"),
    ],
)  # fmt: skip
def test_what_residuals_say(changes, sentence):
    text = " ".join(paragraph for _, paragraph in check_findings(diagnosed(**changes)))
    assert sentence in text


# -- the parts ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("penalty", "estimator"),
    [
        ({"kind": "ridge", "alpha": 40.0}, Ridge(alpha=10.0)),
        ({"kind": "lasso", "alpha": 0.1}, Lasso(alpha=0.1, tol=1e-10)),
        ({"kind": "elastic-net", "alpha": 0.1, "l1_ratio": 0.3}, ElasticNet(alpha=0.1, l1_ratio=0.3, tol=1e-10)),
        ({"kind": "lasso", "alpha": 0.1, "positive": True}, Lasso(alpha=0.1, tol=1e-10, positive=True)),
    ],
)
def test_the_ridge_alone_takes_a_share_of_alpha(penalty, estimator):
    generator = np.random.default_rng(1)
    X = generator.normal(size=(80, 3))
    y, w = X @ [1.0, -1.0, 0.0] + generator.normal(size=80), generator.uniform(0.5, 2, 80)
    whole = {"l1_ratio": None, "standardize": False, "positive": False, **penalty}
    estimator.fit(X, y, sample_weight=w)
    np.testing.assert_allclose(fit_penalised(X, y, w, whole, 0.25), [estimator.intercept_, *estimator.coef_], atol=1e-7)
    scaled = fit_penalised(X * [1, 1e6, 1], y, w, {**whole, "standardize": True}, 0.25)
    expected = fit_penalised(X, y, w, {**whole, "standardize": True}, 0.25)
    np.testing.assert_allclose(scaled * [1, 1, 1e6, 1], expected, atol=1e-7)


@pytest.mark.parametrize(("share", "held_out"), [(0.3, 0.0), (0.3, 0.2), (1.0, 0.25)])
def test_the_variance_of_a_difference_counts_the_rows_in_common(share, held_out):
    """Of means of m of N rows and of the (1 - h) N that are not held out, (1 - h) m of which are in both."""
    n = 1000
    m, k = share * n, (1 - held_out) * n
    sample = Sample(np.zeros((0, 1)), np.zeros(0), np.zeros(0), int(m), n, held_out)
    expected = (1 / m + 1 / k - 2 * (1 - held_out) * m / (m * k)) * m
    assert sample.independence == pytest.approx(expected)


def test_residuals_in_units_of_sigma():
    sample = Sample(np.array([[0.0], [1.0]]), np.array([3.0, 1.0]), np.array([4.0, 9.0]), 2, 2)

    class Fit:
        ours = np.array([1.0, 1.0])

    Fit.sample = sample
    model = {"inference": {"weight_type": "analytic"}}
    assert standardised(model, Fit, 2.0).tolist() == [2.0, -1.5]
    model["inference"]["weight_type"] = "frequency"
    assert standardised(model, Fit, 2.0).tolist() == [1.0, -0.5]


def test_penalties_are_drawn_from_the_largest_on():
    path = {"alphas": [0.0, 1.0, 100.0, 5.0], "l1_ratios": [0.5, 0.5, 0.5, 0.9]}
    smallest = place_of_zero(np.array(path["alphas"]))
    assert 0 < smallest < 1
    penalties = Penalties.of(path, 0.5, smallest)
    assert penalties.rows.tolist() == [2, 1, 0] and penalties.x.tolist() == [100.0, 1.0, smallest]
    assert penalties.at(0) == smallest


def test_places_are_short_where_that_tells_them_apart():
    assert short_places([{"place": "/d/a.csv, row 1,234"}, {"place": "/d/b.csv, row 2"}]) == [
        "a.csv, row 1,234",
        "b.csv, row 2",
    ]
    rows = [{"place": "/d/a.csv, row 1"}, {"place": "/e/a.csv, row 2"}]
    assert short_places(rows) == ["/d/a.csv, row 1", "/e/a.csv, row 2"]


def test_texts_of_scores_and_names():
    assert formats.scores([2.05532, 0.0091], 0.0091) == ["2.0553", "0.0091"]
    assert formats.scores([36038.2, None], 117.0) == ["36,038", "\N{EN DASH}"]
    assert formats.names_told(["a", "b", "c"], 2) == "a, b and 1 more"
    assert formats.share(1.0, 2) == "100 %" and formats.share(1.5, 2) == "150 %"
    assert formats.fixed(float("nan")) == "\N{EN DASH}"


def test_a_candidate_named_nan_keeps_its_name():
    selection = {"candidates": ["NaN"], "features": ["NaN"], "table": [{"term": "NaN", "terms": ["NaN"], "rss": "NaN"}]}
    restored = formats.restore({"selection": selection, "path": {"mse": ["Infinity"]}})
    (row,) = restored["selection"]["table"]
    assert restored["selection"]["candidates"] == ["NaN"] and row["term"] == "NaN" and math.isnan(row["rss"])
    assert restored["path"]["mse"] == [math.inf]
