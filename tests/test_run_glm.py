"""drivers/run_logistic.py and drivers/run_glm.py: passes, tuning, figures, hard tables, resuming, what they refuse."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.linear_model import GammaRegressor, LogisticRegression, PoissonRegressor
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler

from data_gen.gen_glm import generate
from drivers import run_glm, run_logistic, score
from drivers.model import to_sklearn
from drivers.packing.cache import pack
from drivers.packing.contents import PackContents
from drivers.packing.sources import find_sources
from drivers.reading import input_options
from jobs.errors import ScanError
from jobs.kernels.folds import Folds
from jobs.keys import row_keys
from tests.conftest import Driver, read_model, read_passes, write_csv

QUIET = ("--no-report", "--quiet")
# How statsmodels is told to go on until the coefficients stand still.
EXACT = {"tol": 1e-13, "tol_criterion": "params", "maxiter": 200}


def table(path="t.csv", **arguments):
    """Rows of data_gen/gen_glm.py: features, and the target as it is written."""
    generate(path, **arguments)
    lines = Path(path).read_text().splitlines()[1:]
    cells = [line.split(",") for line in lines]
    return np.array([row[1:] for row in cells], float), np.array([row[0] for row in cells])


def logistic(*words, run_dir="r", path="t.csv"):
    assert run_logistic.main([path, "--target", "y", *words, *QUIET, "--run-dir", run_dir]) in (0, 3)
    return read_model(run_dir)


def glm(*words, run_dir="r", path="t.csv"):
    assert run_glm.main([path, "--target", "y", *words, *QUIET, "--run-dir", run_dir]) in (0, 3)
    return read_model(run_dir)


# -- the optimum in few passes ---------------------------------------------------------------------------------------------


def test_two_classes_take_four_passes_and_have_the_numbers_of_statsmodels():
    X, y = table(rows=60_000, features=5)
    model = logistic()
    y = (y == "1").astype(float)
    assert model["training"]["converged"] and model["training"]["gap"] <= 1e-8
    assert [entry["job"] for entry in read_passes("r")] == ["MRGLM"] * model["training"]["n_passes"]
    assert model["training"]["n_passes"] <= 4
    other = sm.Logit(y, sm.add_constant(X)).fit(disp=0, tol=1e-14, method="newton")
    inference = model["inference"]
    (coefficients,) = inference["coefficients"]
    np.testing.assert_allclose(coefficients["estimates"], other.params, rtol=1e-8)
    np.testing.assert_allclose(coefficients["standard_errors"], other.bse, rtol=1e-8)
    np.testing.assert_allclose(coefficients["intervals"], other.conf_int(), rtol=1e-7)
    np.testing.assert_allclose(coefficients["ratios"], np.exp(other.params), rtol=1e-8)
    np.testing.assert_allclose(coefficients["ratio_intervals"], np.exp(other.conf_int()), rtol=1e-7)
    for ours, theirs in (("log_likelihood", "llf"), ("null_log_likelihood", "llnull"), ("lr_statistic", "llr"),
                         ("pseudo_r_squared", "prsquared"), ("aic", "aic"), ("bic", "bic")):  # fmt: skip
        assert inference[ours] == pytest.approx(getattr(other, theirs), rel=1e-8), ours
    figures = model["evaluation"]["in_sample"]
    p = other.predict()
    assert figures["log_loss"] == pytest.approx(log_loss(y, p), rel=1e-8)
    (curve,) = figures["curves"]
    assert abs(curve["auc"] - roc_auc_score(y, p)) <= curve["auc_error"] < 1e-3
    assert model["parameters"]["classes"] == ["0", "1"] and model["warnings"] == []


def test_classes_by_name_and_a_feature_of_text():
    X, y = table(rows=30_000, family="multinomial", classes=4)
    shop = np.where(X[:, 3] > 0, "north", "south")
    rows = [",".join([label, *map(repr, row[:3]), name]) for label, row, name in zip(y, X.tolist(), shop)]
    Path("t.csv").write_text("\n".join(["y,x1,x2,x3,shop", *rows]) + "\n")
    model = logistic("--features", "x1,x2,x3,shop")
    assert model["parameters"]["classes"] == ["c1", "c2", "c3", "c4"]
    design = np.column_stack([X[:, :3], shop == "south"])
    other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000).fit(design, y)
    np.testing.assert_allclose(model["parameters"]["coefficients"], other.coef_, atol=1e-5)
    np.testing.assert_allclose(model["parameters"]["intercept"], other.intercept_ - other.intercept_.mean(), atol=1e-5)
    assert [part["contrast"] for part in model["inference"]["coefficients"]] == [f"c{c} against c1" for c in (2, 3, 4)]
    assert model["training"]["n_passes"] <= 5


@pytest.mark.parametrize("family", ["poisson", "gamma", "negative-binomial"])
def test_counts_and_times_have_the_numbers_of_statsmodels(family):
    X, y = table(rows=30_000, family=family)
    words = ("--alpha", "0.5") if family == "negative-binomial" else ()
    model = glm("--family", family, *words)
    own = {"poisson": sm.families.Poisson(), "gamma": sm.families.Gamma(sm.families.links.Log()),
           "negative-binomial": sm.families.NegativeBinomial(alpha=0.5)}[family]  # fmt: skip
    other = sm.GLM(y.astype(float), sm.add_constant(X), family=own).fit(tol=1e-15, maxiter=200)
    (coefficients,) = model["inference"]["coefficients"]
    np.testing.assert_allclose(coefficients["estimates"], other.params, rtol=1e-8)
    np.testing.assert_allclose(coefficients["standard_errors"], other.bse, rtol=1e-8)
    assert model["inference"]["log_likelihood"] == pytest.approx(other.llf, rel=1e-9)
    assert model["inference"]["deviance"] == pytest.approx(other.deviance, rel=1e-9)
    assert model["inference"]["dispersion"] == pytest.approx(other.scale, rel=1e-9)
    assert model["training"]["n_passes"] <= 5


def test_an_offset_and_weights():
    X, y = table(rows=20_000, family="poisson")
    model = glm("--family", "poisson", "--offset", "x4", "--weight", "w", "--features", "x1,x2", path=_with_weights(X, y))
    w = _weights(len(y))
    other = sm.GLM(y.astype(float), sm.add_constant(X[:, :2]), family=sm.families.Poisson(), offset=X[:, 3], var_weights=w)
    other = other.fit(tol=1e-15)
    np.testing.assert_allclose(model["inference"]["coefficients"][0]["estimates"], other.params, rtol=1e-8)
    np.testing.assert_allclose(model["inference"]["coefficients"][0]["standard_errors"], other.bse, rtol=1e-8)
    assert model["inference"]["null_deviance"] == pytest.approx(other.null_deviance, rel=1e-8)
    assert model["features"] == ["x1", "x2"] and model["design"]["offset"] == "x4"


def _weights(n):
    return np.random.default_rng(0).uniform(0.5, 2, n).round(3)


def _with_weights(X, y):
    rows = [f"{label},{','.join(map(repr, row))},{w!r}" for label, row, w in zip(y, X.tolist(), _weights(len(y)).tolist())]
    Path("w.csv").write_text("\n".join(["y,x1,x2,x3,x4,w", *rows]) + "\n")
    return "w.csv"


def test_class_weights_are_scikit_learns():
    X, y = table(rows=20_000, intercept=-3.0)
    balanced = logistic("--class-weight", "balanced", "--penalty", "ridge", "--alphas", "1e-6")
    other = LogisticRegression(class_weight="balanced", C=1e6, tol=1e-12, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(balanced["parameters"]["coefficients"], other.coef_[0], rtol=1e-6)
    assert [entry["phase"] for entry in read_passes("r")][:2] == ["classes", "fit"]
    named = logistic("--class-weight", "1=7,0=0.5", run_dir="named")
    other = LogisticRegression(class_weight={1: 7, 0: 0.5}, C=np.inf, tol=1e-12, max_iter=10_000)
    other.fit(X, y.astype(int))
    np.testing.assert_allclose(named["parameters"]["coefficients"], other.coef_[0], rtol=1e-6)
    # Figures are of the rows as they are.
    assert named["evaluation"]["in_sample"]["weight"] == 20_000


@pytest.mark.parametrize("solver", ["lbfgs", "gd"])
def test_solvers_without_second_derivatives_end_there_too(solver):
    table(rows=20_000)
    newton, other = logistic(), logistic("--solver", solver, "--tol", "1e-7", run_dir="o")
    np.testing.assert_allclose(other["parameters"]["coefficients"], newton["parameters"]["coefficients"], atol=1e-6)
    assert other["training"]["converged"] and other["inference"] == {}


@pytest.mark.parametrize("family", ["binomial", "poisson", "gamma"])
def test_robust_errors_are_those_of_statsmodels(family):
    X, y = table(rows=6_000, family=family)
    w, shop = _weights(len(y)), np.random.default_rng(2).integers(0, 40, len(y))
    rows = np.column_stack([y.astype(float), X, w, shop])
    write_csv(Path("t.csv"), rows, ["y", "x1", "x2", "x3", "x4", "w", "shop"])
    words = ("--weight", "w", "--exclude", "shop") if family == "binomial" else ("--weight", "w", "--family", family)
    own = {"binomial": sm.families.Binomial(), "poisson": sm.families.Poisson(),
           "gamma": sm.families.Gamma(sm.families.links.Log())}[family]  # fmt: skip
    if family != "binomial":
        words = (*words, "--exclude", "shop")
    model = (logistic if family == "binomial" else glm)(*words, "--covariance", "HC1")
    theirs = sm.GLM(y.astype(float), sm.add_constant(X), family=own, var_weights=w)
    kinds = {part["covariance_type"]: part for part in
             [*model["inference"]["coefficients"], *model["inference"]["other_coefficients"]]}  # fmt: skip
    assert model["inference"]["covariance_type"] == "HC1" and list(kinds)[0] == "HC1"
    assert set(kinds) == {"classical", "HC0", "HC1", "HC2", "HC3"}
    np.testing.assert_allclose(kinds["HC0"]["standard_errors"], theirs.fit(cov_type="HC0", **EXACT).bse, rtol=1e-8)
    np.testing.assert_allclose(kinds["classical"]["standard_errors"], theirs.fit(**EXACT).bse, rtol=1e-8)
    np.testing.assert_allclose(
        kinds["HC1"]["standard_errors"], np.sqrt(6000 / 5995) * np.array(kinds["HC0"]["standard_errors"]), rtol=1e-12
    )
    # HC3 by its definition, from the whole hat matrix.
    fitted = theirs.fit(**EXACT)
    Z, mu = sm.add_constant(X), fitted.fittedvalues
    slope, V = own.link.inverse_deriv(own.link(mu)), own.variance(mu)
    information = w * slope**2 / V
    inverse = np.linalg.inv(Z.T @ (information[:, None] * Z))
    leverage = information * np.einsum("ij,jk,ik->i", Z, inverse, Z)
    observed = w * y.astype(float) / mu if family == "gamma" else information
    bread = np.linalg.inv(Z.T @ (observed[:, None] * Z))
    u = (w * (y.astype(float) - mu) * slope / V / (1 - leverage))[:, None] * Z
    np.testing.assert_allclose(kinds["HC3"]["standard_errors"], np.sqrt(np.diag(bread @ u.T @ u @ bread)), rtol=1e-8)
    words = (*words[:-2], "--covariance", "cluster", "--cluster", "shop")
    clustered = (logistic if family == "binomial" else glm)(*words, run_dir="clusters")["inference"]["coefficients"][0]
    other = theirs.fit(cov_type="cluster", cov_kwds={"groups": shop}, **EXACT)
    np.testing.assert_allclose(clustered["standard_errors"], other.bse, rtol=1e-8)
    assert [entry["job"] for entry in read_passes("clusters")][-1] == "MRGLMScores"


# -- tuning ----------------------------------------------------------------------------------------------------------------


def test_ten_penalties_on_five_folds_take_a_few_passes_and_are_those_of_scikit_learn():
    X, y = table(rows=50_000, features=6)
    model = logistic("--penalty", "lasso", "--folds", "5", "--seed", "3")
    y = (y == "1").astype(float)
    assert model["training"]["n_passes"] <= 8
    assert len(model["candidates"]) == 10 and model["validation"]["n_folds"] == 5
    alphas = [row["alpha"] for row in model["candidates"]]
    assert alphas == sorted(alphas, reverse=True)
    assert model["candidates"][0]["n_nonzero"] <= 2 <= 4 <= model["candidates"][-1]["n_nonzero"]
    # One penalty of the middle on one fold, by the peer; folds are of the rows' keys.
    n = 3
    folds = _folds_of(len(y), 5, 3)
    kept = folds != 2
    other = LogisticRegression(C=1 / alphas[n], l1_ratio=1, solver="saga", tol=1e-9, max_iter=10_000).fit(X[kept], y[kept])
    held = 2 * log_loss(y[~kept], other.predict_proba(X[~kept]))
    assert model["candidates"][n]["deviance_of_folds"][2] == pytest.approx(held, rel=1e-6)
    chosen = model["candidates"][model["chosen"]]
    assert chosen["deviance"] == min(row["deviance"] for row in model["candidates"])
    whole = LogisticRegression(C=1 / chosen["alpha"], l1_ratio=1, solver="saga", tol=1e-9, max_iter=10_000).fit(X, y)
    np.testing.assert_allclose(model["parameters"]["coefficients"], whole.coef_[0], atol=1e-5)
    assert model["evaluation"]["out_of_fold"]["weight"] == 50_000
    simplest = logistic("--penalty", "lasso", "--folds", "5", "--seed", "3", "--choose", "1se", run_dir="1se")
    row = simplest["candidates"][simplest["chosen"]]
    assert row["alpha"] >= chosen["alpha"] and row["deviance"] <= chosen["deviance"] + chosen["standard_error"]


def _folds_of(n_rows, n_folds, seed):
    """The fold of each row of the table that was packed, in its order, by the keys of its blocks."""
    options = run_logistic.make_parser().parse_args(["t.csv", "--text", "y"])
    made = pack(find_sources(["t.csv"]), input_options(options), PackContents())
    keys = [row_keys(block.part, block.number, block.n_rows) for block in made.read(["x1"])]
    assert sum(map(len, keys)) == n_rows
    return Folds(n_folds, 0.0, seed).assign(np.concatenate(keys))


def test_standardised_penalties_are_those_of_standardised_features():
    X, y = table(rows=20_000, family="poisson")
    X = X * [1, 100, 0.01, 5]
    write_csv(Path("s.csv"), np.column_stack([y.astype(float), X]), ["y", "x1", "x2", "x3", "x4"])
    model = glm("--family", "poisson", "--penalty", "ridge", "--alphas", "0.3", "--standardize", path="s.csv")
    scaler = StandardScaler().fit(X)
    other = PoissonRegressor(alpha=0.3, tol=1e-12, max_iter=10_000).fit(scaler.transform(X), y.astype(float))
    np.testing.assert_allclose(np.array(model["parameters"]["coefficients"]) * scaler.scale_, other.coef_, rtol=1e-6)


def test_a_gamma_penalty_is_that_of_the_gamma_regressor():
    X, y = table(rows=20_000, family="gamma")
    model = glm("--family", "gamma", "--link", "log", "--penalty", "ridge", "--alphas", "0.1")
    other = GammaRegressor(alpha=0.1, tol=1e-12, max_iter=10_000).fit(X, y.astype(float))
    np.testing.assert_allclose(model["parameters"]["coefficients"], other.coef_, rtol=1e-6)


def test_more_candidates_than_a_task_holds_go_one_after_another(monkeypatch):
    from drivers.glm import candidates

    table(rows=5_000)
    whole = logistic("--penalty", "ridge", "--alphas", "1,10,100", "--folds", "2")
    monkeypatch.setattr(candidates, "MOST_BYTES", 8 * 25 * 3)
    parts = logistic("--penalty", "ridge", "--alphas", "1,10,100", "--folds", "2", run_dir="parts")
    assert {entry["phase"] for entry in read_passes("parts")} >= {"fit 1", "fit 2", "fit 3"}
    for name in ("parameters", "chosen"):
        assert parts[name] == whole[name]


# -- tables that are hard --------------------------------------------------------------------------------------------------


def test_separated_classes_end_with_a_word_and_status_three():
    X, _ = table(rows=3_000)
    write_csv(Path("s.csv"), np.column_stack([(X[:, 0] > 0.2).astype(float), X]), ["y", "x1", "x2", "x3", "x4"])
    assert run_logistic.main(["s.csv", "--target", "y", *QUIET, "--run-dir", "r"]) == 3
    model = read_model("r")
    assert model["training"]["status"] == "separated" and "separated by the features" in model["warnings"][0]
    ridge = logistic("--penalty", "ridge", "--alphas", "1", path="s.csv", run_dir="ridge")
    assert ridge["training"]["converged"] and ridge["warnings"] == []


def test_a_sample_that_is_separated_does_not_stop_a_table_that_is_not():
    """Rows that break the separation are few, and the sample has none of them."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=30_000)
    y = (x > 0).astype(float)
    wrong = np.argsort(np.abs(x - 1.5))[:40]
    y[wrong] = 0.0
    write_csv(Path("t.csv"), np.column_stack([y, x]), ["y", "x"])
    model = logistic("--sample-rows", "300")
    assert model["training"]["converged"]
    other = sm.Logit(y, sm.add_constant(x)).fit(disp=0, tol=1e-14)
    np.testing.assert_allclose(model["inference"]["coefficients"][0]["estimates"], other.params, rtol=1e-6)


def test_dependent_columns_have_a_word_and_the_predictions_of_fewer():
    X, y = table(rows=10_000)
    write_csv(Path("d.csv"), np.column_stack([(y == "1"), X, X[:, 0] + X[:, 1]]), ["y", "x1", "x2", "x3", "x4", "x5"])
    whole, fewer = logistic(path="d.csv"), logistic(run_dir="fewer")
    assert whole["training"]["converged"] and any("depend on the others" in text for text in whole["warnings"])
    assert whole["inference"]["log_likelihood"] == pytest.approx(fewer["inference"]["log_likelihood"], rel=1e-10)
    assert whole["inference"]["df_model"] == 4


@pytest.mark.parametrize(
    ("rows", "words", "message"),
    [
        (["1,2", "1,3", "1,5"], ["--target", "y"], "the target 'y' is '1' in every row"),
        (["1,2", "0,3", "0,5"], [], "name the column of the classes with --target"),
        (["1,2", "0,3", "0,5"], ["--target", "y", "--alphas", "1"], "--alphas needs a --penalty"),
        (["1,2", "0,3", "0,5"], ["--target", "y", "--class-weight", "2=3"], "'2', which is no class; the classes are 0, 1"),
        (["1,2", "0,3", "0,5"], ["--target", "y", "--folds", "1"], "--folds 1 leaves nothing to train on or to judge by"),
        (["1,2", "0,3", "0,5"], ["--target", "y", "--solver", "gd", "--penalty", "lasso"], "take --solver newton"),
        (["1,2,0", "0,3,0", "0,5,1"], ["--target", "y", "--weight", "w"], "no row of the class '1' counts"),
        (
            ["a,2", "b,3", "c,5"] * 9,
            ["--target", "y", "--covariance", "HC2"],
            "HC2 is of two classes: with more the leverage of a row is no number",
        ),
        (
            ["1,2", *["0,3", "0,5"] * 9],
            ["--target", "y", "--folds", "3"],
            "holds every row of a class, so it cannot be left out",
        ),
    ],
)
def test_what_cannot_be_is_one_sentence(rows, words, message, capsys):
    header = "y,x,w" if rows[0].count(",") == 2 else "y,x"
    Path("t.csv").write_text("\n".join([header, *rows]) + "\n")
    assert run_logistic.main(["t.csv", *words, *QUIET]) in (1, 2)
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--family", "gamma"], "0 is out of the range of the family gamma, above 0"),
        (["--family", "binomial"], "out of the range of the family binomial, 0 to 1"),
        (["--family", "poisson", "--link", "inverse"], "the family poisson has the links log, identity, not inverse"),
        (["--family", "poisson", "--alpha", "1"], "--alpha is of --family negative-binomial"),
        (["--family", "poisson", "--offset", "x1", "--features", "x1,x2"], "the offset 'x1' has another role"),
        ([], "name the family of the target with --family"),
    ],
)
def test_what_a_family_has_not_is_one_sentence(words, message, capsys):
    table(rows=200, family="poisson")
    assert run_glm.main(["t.csv", "--target", "y", *words, *QUIET]) in (1, 2)
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_a_start_from_the_sample_out_of_the_links_range_begins_again_from_the_mean():
    """Gamma with the identity link: the line of the sample is below 0 at one row of the table."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, 20_000)
    y = rng.gamma(5.0, (0.2 + x) / 5)
    x[7], y[7] = -0.1, 0.12
    write_csv(Path("t.csv"), np.column_stack([y, x]), ["y", "x"])
    model = glm("--family", "gamma", "--link", "identity", "--sample-rows", "200")
    assert model["training"]["converged"]
    own = sm.families.Gamma(sm.families.links.Identity())
    other = sm.GLM(y, sm.add_constant(x), family=own).fit(tol=1e-14, maxiter=200)
    np.testing.assert_allclose(model["inference"]["coefficients"][0]["estimates"], other.params, rtol=1e-5)


@pytest.mark.parametrize(
    ("words", "target"),
    [
        (["--family", "gaussian", "--link", "log"], lambda x, rng: x - 3),
        (["--family", "poisson", "--link", "identity"], None),
    ],
    ids=["means that can only be positive", "a line that leaves the range"],
)
def test_an_optimum_at_the_edge_of_the_range_is_given_up_with_a_word(words, target):
    rng = np.random.default_rng(1)
    x = rng.normal(size=3_000)
    y = rng.poisson(np.exp(1.5 * x)) if target is None else target(x, rng)
    write_csv(Path("t.csv"), np.column_stack([y, x]), ["y", "x"])
    model = glm(*words)
    assert not model["training"]["converged"] and model["training"]["n_passes"] < 60
    assert any("at the edge of what the" in text for text in model["warnings"])


# -- running ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", [run_logistic, run_glm])
def test_without_input_it_makes_its_own(driver, capsys):
    assert driver.main(["--json", "--no-report", "--cache-dir", "c", "--run-dir", "r"]) == 0
    model = json.loads(capsys.readouterr().out)
    family = model["parameters"]["family"]
    truth = json.loads(Path(f"c/demo/{family}.csv.truth.json").read_text())
    (table,) = model["inference"]["coefficients"]
    exact = np.array([truth["intercept"], *truth["coefficients"]])
    assert (np.abs(np.array(table["estimates"]) - exact) < 4 * np.array(table["standard_errors"])).all()


def test_from_python_and_a_plan(capsys):
    X, y = table(rows=3_000)
    model, run = run_logistic.fit("t.csv", target="y", penalty="ridge", alphas=[1.0])
    other = LogisticRegression(C=1.0, tol=1e-12, max_iter=1000).fit(X, y)
    np.testing.assert_allclose(model["parameters"]["coefficients"], other.coef_[0], rtol=1e-6)
    assert run is not None and run.n_passes == model["training"]["n_passes"]
    with pytest.raises(ScanError, match="name the column"):
        run_logistic.fit("t.csv")
    words = ["t.csv", "--target", "y", "--penalty", "ridge", "--plan", "--json"]
    assert run_logistic.main(words) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [phase["name"] for phase in plan["phases"]] == ["fit", "evaluation"]


@pytest.mark.slow
def test_a_killed_tuning_goes_on_to_the_same_bits():
    table(rows=60_000, features=8)
    words = ("t.csv", "--target", "y", "--penalty", "elastic-net", "--folds", "4", *QUIET)
    assert run_logistic.main([*words, "--run-dir", "whole"]) == 0
    process = subprocess.Popen(Driver("run_logistic").command(*words, "--run-dir", "killed"))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (Path("killed/passes.jsonl").exists() and len(read_passes("killed")) >= 2):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(read_passes("killed")) < len(read_passes("whole"))
    assert run_logistic.main(["--resume", "killed"]) == 0
    for name in ("parameters", "inference", "candidates", "chosen", "evaluation", "passes"):
        assert read_model("killed")[name] == read_model("whole")[name], name
    md5s = [[entry["statistics_md5"] for entry in read_passes(run)] for run in ("killed", "whole")]
    assert md5s[0] == md5s[1]


# -- prediction ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["binomial", "multinomial"])
def test_predictions_are_those_of_the_estimator_of_scikit_learn(family):
    X, _ = table(rows=3_000, family=family)
    model = logistic()
    estimator = to_sklearn(model)
    assert score.main(["r/model.json", "t.csv", "--keep", "x1", "-o", "p.csv"]) == 0
    with open("p.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    classes = model["parameters"]["classes"]
    ours = np.array([[float(row[f"probability {name}"]) for name in classes] for row in rows])
    np.testing.assert_allclose(ours, estimator.predict_proba(X), rtol=1e-12)
    assert [row["class"] for row in rows] == estimator.predict(X).tolist()
    assert [float(row["x1"]) for row in rows] == X[:, 0].tolist()


@pytest.mark.parametrize("family", ["poisson", "gamma"])
def test_means_are_those_of_the_regressor_of_scikit_learn(family):
    X, _ = table(rows=3_000, family=family)
    estimator = to_sklearn(glm("--family", family))
    assert score.main(["r/model.json", "t.csv", "-o", "p.csv"]) == 0
    np.testing.assert_allclose(np.loadtxt("p.csv", skiprows=1), estimator.predict(X), rtol=1e-12)


def test_an_offset_is_added_and_a_missing_cell_has_no_prediction(capsys):
    X, _ = table(rows=500, family="poisson")
    model = glm("--family", "poisson", "--offset", "x4")
    Path("new.csv").write_text("x1,x2,x3,x4\n1,2,3,0.5\n1,2,3,\n,2,3,0.5\n1,2,3,1.5\n")
    assert score.main(["r/model.json", "new.csv", "-o", "p.csv"]) == 0
    found = np.loadtxt("p.csv", skiprows=1)
    eta = model["parameters"]["intercept"] + np.array(model["parameters"]["coefficients"]) @ [1, 2, 3]
    np.testing.assert_allclose(found, [np.exp(eta + 0.5), np.nan, np.nan, np.exp(eta + 1.5)], rtol=1e-12)
    assert "2 of them empty for a missing cell" in capsys.readouterr().err
    assert score.main(["r/model.json", "new.csv", "--intervals", "-o", "q.csv"]) == 1
    assert "--intervals" in capsys.readouterr().err
