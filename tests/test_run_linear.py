"""Penalties, folds, choice of features, inference and refinement of `drivers/run_wols.py`, from a CSV file to the model.

scikit-learn and statsmodels are fitted to the rows of each fold, which the tests deal out for themselves.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import shlex
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import nnls
from sklearn.linear_model import ElasticNet, Lasso, Ridge
from sklearn.metrics import mean_squared_error, r2_score
from statsmodels.stats.diagnostic import het_breuschpagan, het_white
from statsmodels.stats.stattools import durbin_watson, jarque_bera, omni_normtest

from drivers import run_wols, score
from drivers.linear import exact
from jobs import keys
from jobs.errors import ScanError
from jobs.kernels.folds import Folds
from tests.conftest import read_model, read_passes

ONE, TWO = ["MRWOLS"], ["MRWOLS", "MRWOLSResiduals"]
FOLDED, FOLDED_TWO = ["MRWOLSFolds"], ["MRWOLSFolds", "MRWOLSResiduals"]
X = ["a", "b", "c", "d"]


@pytest.fixture(autouse=True)
def no_warning_of_numpy():
    """What Python warns of would stand among the program's own messages."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def make_table(n=400, seed=0):
    """y depends on a, on c and on the text s; b goes with a, and d is noise; some weights are zero."""
    rng = np.random.default_rng(seed)
    a, noise, c, d = rng.normal(size=(4, n))
    s = rng.choice(["low", "high", "middle", "none"], n)
    w = rng.gamma(2.0, size=n)
    w[::29] = 0
    y = 5 + 2 * a - c + np.select([s == "high", s == "low"], [1.5, -1.0], 0.0) + rng.normal(size=n) * (1 + np.abs(c)) / 2
    return {
        "y": y, "a": a + 3, "b": 0.9 * a + 0.3 * noise, "c": 4 * c - 1, "d": d * 0.2, "w": w, "s": s,
        "who": rng.integers(0, 40, n), "shop": np.array([f"shop {k}" for k in rng.integers(0, 25, n)]),
        "id": rng.permutation(n) + 10_000, "times": rng.integers(0, 4, n),
    }  # fmt: skip


def write(table, path="t.csv"):
    with open(path, "w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(table)
        writer.writerows(zip(*(values.tolist() for values in table.values())))
    return table


def matrix(table, names):
    """The features, a text as 0-1 columns for its texts but the first."""
    columns = []
    for name in names:
        values = np.asarray(table[name])
        texts = sorted(set(values.tolist()))[1:] if values.dtype.kind == "U" else None
        columns += [values.astype(float)] if texts is None else [(values == text).astype(float) for text in texts]
    return np.column_stack(columns)


def take(table, rows):
    return {name: values[rows] for name, values in table.items()}


def fitted(options, run_dir="r", status=0):
    """The model of the program, and the jobs of its passes."""
    arguments = ["t.csv", "--target", "y", *shlex.split(options), "--no-report", "--quiet", "--run-dir", run_dir]
    assert run_wols.main(arguments) == status
    return read_model(run_dir), [entry["job"] for entry in read_passes(run_dir)]


def deal(n, n_folds, holdout=0.0, seed=0, row_keys=None):
    """The part of each row of a packed table of one block."""
    return Folds(n_folds, holdout, seed).assign(keys.row_keys(0, 0, n) if row_keys is None else row_keys)


def spread(values, w):
    return np.sqrt(np.average((values - np.average(values, axis=0, weights=w)) ** 2, axis=0, weights=w))


@pytest.fixture
def table():
    return write(make_table())


# -- penalties ------------------------------------------------------------------------------------------------------------


def ridge(alpha, l1_ratio):
    return Ridge(alpha=alpha, solver="svd")


def lasso(alpha, l1_ratio):
    return Lasso(alpha=alpha, tol=1e-14, max_iter=1_000_000)


def elastic_net(alpha, l1_ratio):
    return ElasticNet(alpha=alpha, l1_ratio=l1_ratio, tol=1e-14, max_iter=1_000_000)


PEERS = {"ridge": (ridge, 1e-10), "lasso": (lasso, 1e-7), "elastic-net": (elastic_net, 1e-7)}


def refit(make, alpha, l1_ratio, features, y, w, standardize=False):
    """Coefficients and intercept of a scikit-learn fit."""
    scale = spread(features, w) if standardize else np.ones(features.shape[1])
    model = make(alpha, l1_ratio).fit(features / scale, y, sample_weight=w)
    return model.coef_ / scale, model.intercept_


def refits(make, path, features, y, w, part, n_folds, standardize=False):
    """The mean squared error of every penalty on every fold, by fits to the rows of the others."""
    errors = np.empty((n_folds, len(path["alphas"])))
    for k, (i, (alpha, ratio)) in itertools.product(range(n_folds), enumerate(zip(path["alphas"], path["l1_ratios"]))):
        train, test = (part != k) & (part < n_folds), part == k
        coefficients, intercept = refit(make, alpha, ratio, features[train], y[train], w[train], standardize)
        errors[k, i] = mean_squared_error(y[test], features[test] @ coefficients + intercept, sample_weight=w[test])
    return errors


def cv_of(errors, w, part):
    """Mean and standard error over the folds, as glmnet has them."""
    weights = np.array([w[part == k].sum() for k in range(len(errors))])
    mean = np.average(errors, axis=0, weights=weights)
    return mean, np.sqrt(np.average((errors - mean) ** 2, axis=0, weights=weights) / (len(errors) - 1))


PENALTIES = [
    ("ridge", "--alphas 0.01,1,10,100,3000 --folds 5", {}),
    ("ridge", "--alphas 0.1,10,1000 --folds 4 --standardize --choose 1se", {}),
    ("ridge", "--folds 3 --seed 7 --holdout 0.2", {"seed": 7, "holdout": 0.2}),
    ("lasso", "--alphas 0.001,0.03,0.3,1.5 --folds 5", {}),
    ("lasso", "--alphas 0.003,0.1,0.4 --folds 5 --choose 1se --standardize", {}),
    ("elastic-net", "--alphas 0.01,0.1,0.6 --l1-ratio 0.2,0.5,0.95", {}),
    ("elastic-net", "--alphas 0.05,0.5 --l1-ratio 0.1,1 --choose 1se --folds 6 --fold-by shop", {"by": "shop"}),
    ("elastic-net", "--alphas 0.05,0.5 --id id --folds 2", {"by": "id"}),
]


@pytest.mark.parametrize(("kind", "options", "rows"), PENALTIES, ids=[f"{k} {o}" for k, o, _ in PENALTIES])
def test_a_path_of_penalties_is_that_of_refits_by_scikit_learn(table, kind, options, rows):
    model, jobs = fitted(f"--features a,b,c,d,s --weight w --penalty {kind} {options}")
    assert jobs == FOLDED
    make, rtol = PEERS[kind]
    features, y, w = matrix(table, [*X, "s"]), table["y"], table["w"]
    n_folds, path, penalty = model["validation"]["n_folds"], model["path"], model["penalty"]
    part = deal(len(y), n_folds, rows.get("holdout", 0.0), rows.get("seed", 0), row_keys_of(table, rows.get("by")))
    train, standardize = part < n_folds, "--standardize" in options
    if "--alphas" not in options:
        assert len(path["alphas"]) == 100
        chosen = [0, 30, path["best"], 99]
        path = {name: np.array(path[name])[chosen] for name in path if np.ndim(path[name])}
    for i, (alpha, ratio) in enumerate(zip(path["alphas"], path["l1_ratios"])):
        coefficients, intercept = refit(make, alpha, ratio, features[train], y[train], w[train], standardize)
        np.testing.assert_allclose(path["coefficients"][i], coefficients, rtol=rtol, atol=rtol)
        assert path["intercepts"][i] == pytest.approx(intercept, rel=rtol)
    errors = refits(make, path, features, y, w, part, n_folds, standardize)
    mean, standard_error = cv_of(errors, w, part)
    np.testing.assert_allclose(path["mse"], mean, rtol=rtol)
    np.testing.assert_allclose(path["mse_standard_error"], standard_error, rtol=100 * rtol)
    if "--alphas" in options:
        best = int(np.argmin(mean))
        assert path["best"] == best
        same = np.array(path["l1_ratios"]) == path["l1_ratios"][best]
        within = same & (mean <= mean[best] + standard_error[best])
        assert path["one_standard_error"] == int(np.argmax(np.where(within, path["alphas"], -1)))
        place = path["one_standard_error" if "1se" in options else "best"]
        assert penalty["alpha"] == path["alphas"][place]
        assert penalty["l1_ratio"] == (path["l1_ratios"][place] if kind == "elastic-net" else None)
        np.testing.assert_allclose(model["validation"]["mse"]["folds"], errors[:, place], rtol=rtol)
        assert model["parameters"]["coefficients"] == path["coefficients"][place]
    assert penalty["kkt_residual"] < 1e-12 and penalty["choice"] == ("1se" if "1se" in options else "min")
    assert model["validation"]["fold_by"] == rows.get("by")


def row_keys_of(table, name):
    """The keys of the rows by a column; those of a text are the same however its texts are numbered."""
    if name is None:
        return None
    if table[name].dtype.kind != "U":
        return keys.id_keys(table[name])
    from drivers.designs import id_hashes

    texts = sorted(set(table[name].tolist()))
    return keys.id_keys(id_hashes(texts)[np.searchsorted(texts, table[name])])


@pytest.mark.parametrize("kind", PEERS)
def test_one_penalty_needs_no_folds(table, kind):
    model, jobs = fitted(f"--features a,b,c,d,s --weight w --penalty {kind} --alphas 0.2")
    assert jobs == ONE
    assert not {"validation", "path"} & set(model)
    make, rtol = PEERS[kind]
    coefficients, intercept = refit(make, 0.2, 0.5, matrix(table, [*X, "s"]), table["y"], table["w"])
    np.testing.assert_allclose(model["parameters"]["coefficients"], coefficients, rtol=rtol, atol=rtol)
    assert model["parameters"]["intercept"] == pytest.approx(intercept, rel=rtol)
    assert model["penalty"]["choice"] == "given"
    assert model["inference"]["coefficients"][0]["label"]


def test_one_penalty_with_folds_is_judged_by_them(table):
    model, jobs = fitted("--features a,b --weight w --penalty ridge --alphas 3 --folds 5")
    assert jobs == FOLDED and "path" not in model
    part, features = deal(400, 5), matrix(table, ["a", "b"])
    path = {"alphas": [3.0], "l1_ratios": [0.0]}
    errors = refits(ridge, path, features, table["y"], table["w"], part, 5)
    np.testing.assert_allclose(model["validation"]["mse"]["folds"], errors[:, 0], rtol=1e-10)
    assert model["validation"]["mse"]["mean"] == pytest.approx(cv_of(errors, table["w"], part)[0][0], rel=1e-10)


@pytest.mark.parametrize("penalty", ["none", "ridge --alphas 40", "lasso --alphas 0.1", "elastic-net --alphas 0.1"])
def test_no_coefficient_is_below_zero(table, penalty):
    model, jobs = fitted(f"--features a,b,c,d --weight w --positive --penalty {penalty}")
    assert jobs == ONE
    features, y, w = matrix(table, X), table["y"], table["w"]
    root, total = np.sqrt(w), w.sum()
    centred = (features - np.average(features, axis=0, weights=w)) * root[:, None]
    target = (y - np.average(y, weights=w)) * root
    l1, l2 = {"none": (0, 0), "ridge": (0, 40.0), "lasso": (0.1 * total, 0), "elastic-net": (0.05 * total, 0.05 * total)}[
        penalty.split()[0]
    ]
    # |Ab - t|^2/2 + l1 sum b + l2 |b|^2/2 over b >= 0, as a least-squares problem of p rows
    lower = np.linalg.cholesky(centred.T @ centred + l2 * np.eye(4))
    expected = nnls(lower.T, np.linalg.solve(lower, centred.T @ target - l1))[0]
    np.testing.assert_allclose(model["parameters"]["coefficients"], expected, rtol=1e-9, atol=1e-12)
    assert min(expected) == 0
    assert model["penalty"]["positive"]


def test_more_features_than_rows_can_be_penalised_or_selected():
    rng = np.random.default_rng(3)
    names = [f"x{j}" for j in range(40)]
    table = {"y": rng.normal(size=25), **{name: rng.normal(size=25) for name in names}}
    table["y"] += 4 * table["x3"]
    write(table)
    features = matrix(table, names)
    for kind, (make, rtol) in PEERS.items():
        model, jobs = fitted(f"--penalty {kind} --alphas 0.3,3 --folds 3", f"r-{kind}")
        assert jobs == FOLDED
        penalty = model["penalty"]
        expected, _ = refit(make, penalty["alpha"], penalty["l1_ratio"], features, table["y"], np.ones(25))
        np.testing.assert_allclose(model["parameters"]["coefficients"], expected, rtol=100 * rtol, atol=rtol)
    model, _ = fitted("--select forward", "r-select")
    assert "x3" in model["features"] and len(model["features"]) < 24
    assert fitted("--positive", "r-positive")[0]["parameters"]["coefficients"][3] > 0


# -- folds and the holdout ------------------------------------------------------------------------------------------------


def test_least_squares_is_cross_validated(table):
    model, jobs = fitted("--features a,c,s --weight w --folds 5")
    assert jobs == FOLDED
    features, y, w, part = matrix(table, ["a", "c", "s"]), table["y"], table["w"], deal(400, 5)
    for k in range(5):
        train, test = part != k, part == k
        predicted = sm.WLS(y[train], sm.add_constant(features[train]), weights=w[train]).fit().predict(
            sm.add_constant(features[test])
        )  # fmt: skip
        validation = model["validation"]
        expected = mean_squared_error(y[test], predicted, sample_weight=w[test])
        assert validation["mse"]["folds"][k] == pytest.approx(expected, rel=1e-10)
        assert validation["rmse"]["folds"][k] == pytest.approx(np.sqrt(expected), rel=1e-10)
        assert validation["r_squared"]["folds"][k] == pytest.approx(r2_score(y[test], predicted, sample_weight=w[test]))
        assert validation["n_rows"][k] == np.count_nonzero(w[test])


@pytest.mark.parametrize("refine", ["", " --refine"])
def test_what_is_held_out_is_in_no_fit(table, refine):
    model, jobs = fitted(f"--features a,c --weight w --holdout 0.3 --diagnostics --seed 4{refine}")
    assert jobs == ["MRWOLSFolds", *["MRWOLSRefine"] * bool(refine), "MRWOLSResiduals"]
    held = deal(400, 1, 0.3, seed=4) == 1
    features, y, w = sm.add_constant(matrix(table, ["a", "c"])), table["y"], table["w"]
    kept = ~held & (w > 0)
    result = sm.WLS(y[kept], features[kept], weights=w[kept]).fit(cov_type="HC3")
    np.testing.assert_allclose(
        [model["parameters"]["intercept"], *model["parameters"]["coefficients"]], result.params, rtol=1e-10
    )
    hc3 = next(t for t in model["inference"]["coefficients"] if t["covariance_type"] == "HC3")
    np.testing.assert_allclose(hc3["standard_errors"], result.bse, rtol=1e-9)
    found = model["inference"]["diagnostics"]
    assert found["durbin_watson"] == pytest.approx(durbin_watson(result.wresid), rel=1e-9)
    places = {row["position"] for row in found["influential"]}
    assert not places & set(np.flatnonzero(held).tolist())
    holdout, predicted = model["validation"]["holdout"], result.predict(features[held])
    assert holdout["mse"] == pytest.approx(mean_squared_error(y[held], predicted, sample_weight=w[held]), rel=1e-10)
    assert holdout["r_squared"] == pytest.approx(r2_score(y[held], predicted, sample_weight=w[held]), rel=1e-9)
    assert holdout["n_rows"] == np.count_nonzero(w[held]) and holdout["weight_sum"] == pytest.approx(w[held].sum())


@pytest.mark.parametrize("option", ["--id id", "--fold-by shop", "--fold-by who"])
def test_by_the_values_of_a_column_the_order_of_the_rows_does_not_matter(table, option):
    """And whoever looks at the rows of a customer finds them in one fold."""
    options = f"--features a,c,s --weight w --penalty lasso --folds 4 --holdout 0.3 {option}"
    first, _ = fitted(options)
    write(take(table, np.random.default_rng(5).permutation(400)))
    second, _ = fitted(options, "r2")
    np.testing.assert_allclose(first["path"]["mse"], second["path"]["mse"], rtol=1e-10)
    assert first["validation"]["n_rows"] == second["validation"]["n_rows"]
    assert first["validation"]["holdout"]["n_rows"] == second["validation"]["holdout"]["n_rows"]


# -- choice of features ---------------------------------------------------------------------------------------------------

TERMS = ["a", "b", "c", "d", "s"]


class Judge:
    """A criterion of a set of terms, by refits."""

    def __init__(self, table, criterion, part=None):
        self.table, self.criterion, self.part = table, criterion, part

    def __call__(self, terms):
        table, kept = self.table, self.table["w"] > 0
        n = len(kept)
        features = np.column_stack([np.ones(n), *([matrix(table, terms)] if terms else [])])
        y, w = table["y"], table["w"]
        if self.criterion != "cv":
            return getattr(sm.WLS(y[kept], features[kept], weights=w[kept]).fit(), self.criterion)
        errors = []
        for k in range(self.part.max() + 1):
            train, test = kept & (self.part != k), self.part == k
            fit = sm.WLS(y[train], features[train], weights=w[train]).fit()
            errors.append(mean_squared_error(y[test], fit.predict(features[test]), sample_weight=w[test]))
        return cv_of(np.array(errors)[:, None], w, self.part)[0][0]

    def search(self, method):
        """The chosen terms, in order of name."""
        if method == "best":
            sets = [list(s) for k in range(6) for s in itertools.combinations(TERMS, k)]
        elif method == "stepwise":
            current = []
            while True:
                near = [[t for t in current if t != one] if one in current else [*current, one] for one in TERMS]
                best = min(near, key=self)
                if self(best) >= self(current):
                    return sorted(current)
                current = best
        else:
            current = [] if method == "forward" else TERMS
            sets = [current]
            while near := [sorted({*current} ^ {one}) for one in TERMS if (one in current) == (method == "backward")]:
                current = min(near, key=self)
                sets.append(current)
        return sorted(min(sets, key=self))


@pytest.mark.parametrize("criterion", ["bic", "aic", "cv"])
@pytest.mark.parametrize("method", ["forward", "backward", "stepwise", "best"])
def test_the_features_are_those_that_refits_choose(method, criterion):
    table = write(make_table(150))
    folds = "--folds 4" if criterion == "cv" else ""
    model, jobs = fitted(f"--features a,b,c,d,s --weight w --select {method} --criterion {criterion} {folds}")
    assert jobs == (FOLDED if folds else ONE)
    judge = Judge(table, criterion, deal(150, 4))
    selection = model["selection"]
    assert sorted(selection["features"]) == judge.search(method)
    row = selection["table"][selection["chosen"]]
    assert row[criterion] == pytest.approx(judge(sorted(selection["features"])), rel=1e-9)
    kept = table["w"] > 0
    chosen = matrix(table, [name for name in TERMS if name in selection["features"]])
    result = sm.WLS(table["y"][kept], sm.add_constant(chosen[kept]), weights=table["w"][kept]).fit()
    np.testing.assert_allclose(model["inference"]["coefficients"][0]["standard_errors"], result.bse, rtol=1e-9)
    assert "were chosen by the same data" in model["inference"]["label"]
    dummies = [name for name in model["features"] if name.startswith("s=")]
    assert dummies in ([], ["s=low", "s=middle", "s=none"])  # together
    assert ("s" in selection["features"]) == bool(dummies)


def test_a_choice_by_cv_has_folds_of_its_own(table):
    assert fitted("--features a,b,c,d --weight w --select forward --criterion cv")[0]["validation"]["n_folds"] == 5


def test_where_no_feature_is_worth_its_place_the_mean_is_left():
    rng = np.random.default_rng(0)
    write({"y": rng.normal(size=50), "a": rng.normal(size=50), "b": rng.normal(size=50), "w": np.ones(50)})
    model, jobs = fitted("--weight w --select best --diagnostics --refine")
    assert jobs == ["MRWOLS", "MRWOLSRefine", "MRWOLSResiduals"]
    assert model["features"] == [] and "what is left is the mean" in " ".join(model["warnings"])


def test_chosen_features_go_on_to_the_second_pass_and_to_predictions(table):
    model, jobs = fitted("--features a,b,c,d,s --weight w --select best --cluster shop --holdout 0.2 --refine")
    assert jobs == ["MRWOLSFolds", "MRWOLSRefine", "MRWOLSResiduals"]
    kept = (deal(400, 1, 0.2) == 0) & (table["w"] > 0)
    features = sm.add_constant(matrix(table, model["selection"]["features"]))
    groups = np.unique(table["shop"], return_inverse=True)[1]
    result = sm.WLS(table["y"][kept], features[kept], weights=table["w"][kept]).fit(
        cov_type="cluster", cov_kwds={"groups": groups[kept]}
    )
    cluster = next(t for t in model["inference"]["coefficients"] if t["covariance_type"] == "cluster")
    np.testing.assert_allclose(cluster["standard_errors"], result.bse, rtol=1e-8)
    assert score.main(["r/model.json", "t.csv", "-o", "p.csv"]) == 0
    np.testing.assert_allclose(
        np.loadtxt("p.csv", skiprows=1, delimiter=",", ndmin=2)[:, -1], result.predict(features), rtol=1e-10
    )


# -- inference ------------------------------------------------------------------------------------------------------------


def numbers_of_the_summary(result):
    """Every number that res.summary() prints beside a label, with all its digits."""
    omnibus, omnibus_p = omni_normtest(result.wresid)
    jb, jb_p, skew, kurtosis = jarque_bera(result.wresid)
    return {
        "R-squared:": result.rsquared, "Adj. R-squared:": result.rsquared_adj, "F-statistic:": result.fvalue,
        "Prob (F-statistic):": result.f_pvalue, "Log-Likelihood:": result.llf, "AIC:": result.aic, "BIC:": result.bic,
        "No. Observations:": result.nobs, "Df Residuals:": result.df_resid, "Df Model:": result.df_model,
        "Omnibus:": omnibus, "Prob(Omnibus):": omnibus_p, "Skew:": skew, "Kurtosis:": kurtosis,
        "Durbin-Watson:": durbin_watson(result.wresid), "Jarque-Bera (JB):": jb, "Prob(JB):": jb_p,
        "Cond. No.": result.condition_number,
    }  # fmt: skip


OURS = {
    "R-squared:": "r_squared", "Adj. R-squared:": "r_squared_adjusted", "F-statistic:": "f_statistic",
    "Prob (F-statistic):": "f_p_value", "Log-Likelihood:": "log_likelihood", "AIC:": "aic", "BIC:": "bic",
    "No. Observations:": "n_observations", "Df Residuals:": "df_residuals", "Df Model:": "df_model", "Omnibus:": "omnibus",
    "Prob(Omnibus):": "omnibus_p_value", "Skew:": "skew", "Kurtosis:": "kurtosis", "Durbin-Watson:": "durbin_watson",
    "Jarque-Bera (JB):": "jarque_bera", "Prob(JB):": "jarque_bera_p_value", "Cond. No.": "condition_number_raw",
}  # fmt: skip


def check_table(found, result):
    for name, expected in {
        "estimates": result.params, "standard_errors": result.bse, "statistics": result.tvalues,
        "p_values": result.pvalues, "intervals": result.conf_int(), "covariance": result.cov_params(),
    }.items():  # fmt: skip
        np.testing.assert_allclose(found[name], expected, rtol=1e-8, atol=1e-300, err_msg=name)
    assert found["f_statistic"] == pytest.approx(np.squeeze(result.fvalue), rel=1e-8)
    assert found["f_p_value"] == pytest.approx(result.f_pvalue, rel=1e-8, abs=1e-300)


@pytest.mark.filterwarnings("ignore:The design matrix is rank-deficient")  # het_white squares the 0-1 columns
@pytest.mark.parametrize("groups", ["who", "shop"])
def test_the_page_of_diagnostics_is_the_summary_of_statsmodels(table, groups):
    model, jobs = fitted(f"--features a,c,d,s --weight w --diagnostics --cluster {groups}")
    assert jobs == TWO
    kept = table["w"] > 0
    rows = take(table, kept)
    peer = sm.WLS(rows["y"], sm.add_constant(matrix(rows, ["a", "c", "d", "s"])), weights=rows["w"])
    result = peer.fit()
    expected = numbers_of_the_summary(result)
    printed = [cell.data for part in (0, 2) for line in result.summary().tables[part] for cell in line[::2]]
    texts = {"Dep. Variable:", "Model:", "Method:", "Date:", "Time:", "Covariance Type:", ""}
    assert {str(label).strip() for label in printed} - texts == set(expected) == set(OURS)
    inference = model["inference"]
    found = {**inference, **inference["diagnostics"]}
    for label, value in expected.items():
        assert found[OURS[label]] == pytest.approx(value, rel=1e-8, abs=1e-300), label
    tables = {t["covariance_type"]: t for t in inference["coefficients"]}
    assert set(tables) == {"classical", "HC0", "HC1", "HC2", "HC3", "cluster", "equal-variance"}
    assert inference["covariance_type"] == "cluster"
    check_table(tables["classical"], result)
    for kind in ("HC0", "HC1", "HC2", "HC3"):
        check_table(tables[kind], peer.fit(cov_type=kind))
    codes = np.unique(rows[groups], return_inverse=True)[1]
    check_table(tables["cluster"], peer.fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True))
    check_residuals(inference["diagnostics"], result, np.flatnonzero(kept))


def check_residuals(found, result, places):
    """The tests and the influence that the summary does not print."""
    for name, test in {"breusch_pagan": het_breuschpagan, "white": het_white}.items():
        lm, lm_p, f, f_p = test(result.wresid, result.model.exog)
        told = found[name]
        assert [told[key] for key in ("lm", "lm_p_value", "f", "f_p_value")] == pytest.approx([lm, lm_p, f, f_p], rel=1e-7)
    influence = sm.OLS(result.model.wendog, result.model.wexog).fit().get_influence()
    cook, leverage = influence.cooks_distance[0], influence.hat_matrix_diag
    order = np.argsort(-cook)[:10]
    assert [row["position"] for row in found["influential"]] == places[order].tolist()
    np.testing.assert_allclose([row["cooks_distance"] for row in found["influential"]], cook[order], rtol=1e-8)
    np.testing.assert_allclose([row["leverage"] for row in found["influential"]], leverage[order], rtol=1e-8)
    assert found["press"] == pytest.approx(np.sum((result.wresid / (1 - leverage)) ** 2), rel=1e-9)
    assert found["influential"][0]["place"] == f"t.csv, row {places[order[0]] + 1}"


@pytest.mark.parametrize("kind", ["classical", "HC0", "HC1", "HC2", "HC3", "equal-variance", "cluster"])
def test_the_covariance_that_is_asked_for_leads(table, capsys, kind):
    cluster = "--cluster who" if kind == "cluster" else ""
    arguments = f"t.csv --target y --features a,c --weight w --covariance {kind} {cluster} --run-dir r --no-report"
    assert run_wols.main(shlex.split(arguments)) == 0
    assert read_model("r")["inference"]["covariance_type"] == kind
    assert len(read_passes("r")) == (1 if kind == "classical" else 2)
    titles = {"classical": "standard errors: classical", "cluster": "any dependence within a cluster"}
    assert titles.get(kind, "equally noisy" if kind == "equal-variance" else kind) in capsys.readouterr().out


def as_rows(table, times):
    return {name: np.repeat(values, times) for name, values in table.items()}


@pytest.mark.parametrize(
    "options",
    [
        "--diagnostics --cluster who",
        "--select stepwise --criterion bic",
        "--select best --criterion cv --folds 4 --fold-by who",
        "--penalty ridge --alphas 0.1,1,10,100 --folds 4 --fold-by who --diagnostics",
        "--penalty lasso --standardize --folds 3 --fold-by shop --holdout 0.2",
        "--refine --confidence 0.9",
    ],
)
def test_weights_that_are_counts_are_rows_written_out(table, options):
    options = f"--features a,b,c,d,s {options}"
    counted, jobs = fitted(f"{options} --weight times --weight-type frequency")
    write(as_rows(table, table["times"]))
    written, same = fitted(options, "r2")
    assert jobs == same

    def numbers(model):
        told = {name: model[name] for name in ("parameters", "validation", "path", "selection") if name in model}
        told.get("validation", {}).pop("n_rows", None)
        told.get("validation", {}).get("holdout", {}).pop("n_rows", None)
        return {**told, "penalty": model.get("penalty", {}).get("alpha"), "inference": dict(model["inference"])}

    a, b = numbers(counted), numbers(written)
    assert a["inference"].pop("weight_type") == "frequency" and b["inference"].pop("weight_type") == "analytic"
    for inference in (a["inference"], b["inference"]):
        if inference["diagnostics"]:  # of a row that stands for three, the places are those of the counted table
            for name in ("influential", "leverage_one"):
                del inference["diagnostics"][name]
    # About the means of the table as it stands.
    del a["inference"]["prediction"], b["inference"]["prediction"]
    check_alike(a, b)


def check_alike(a, b, path="model", rtol=1e-8):
    """Nested numbers that are equal but for rounding."""
    assert type(a) is type(b) or {type(a), type(b)} <= {int, float}, path
    if isinstance(a, dict):
        assert a.keys() == b.keys(), path
        for key in a:
            check_alike(a[key], b[key], f"{path}.{key}", rtol)
    elif isinstance(a, list):
        assert len(a) == len(b), path
        scale = max((abs(v) for v in [*a, *b] if isinstance(v, (int, float))), default=0.0)
        for i, (left, right) in enumerate(zip(a, b)):
            if isinstance(left, (int, float)):
                assert left == pytest.approx(right, rel=rtol, abs=rtol * scale), f"{path}[{i}]"
            else:
                check_alike(left, right, f"{path}[{i}]", rtol)
    elif isinstance(a, (int, float)):
        assert a == pytest.approx(b, rel=rtol, abs=1e-12), path
    else:
        assert a == b, path


def test_the_last_digits_take_one_more_pass():
    """Of powers far from zero, against the normal equations in fractions."""
    x = np.arange(1000, 1021)
    powers, y, w = [[int(v) ** j for v in x] for j in range(4)], (x * 7919) % 97, 1 + x % 3
    write({"y": y, "w": w, **{f"x{j}": np.array(powers[j]) for j in (1, 2, 3)}})
    model, jobs = fitted("--weight w --refine")
    assert jobs == ["MRWOLS", "MRWOLSRefine"]
    gram = [[sum(Fraction(int(u)) * p * q for u, p, q in zip(w, a, b)) for b in [*powers, y.tolist()]] for a in powers]
    for i in range(4):  # Gauss and Jordan
        gram[i] = [value / gram[i][i] for value in gram[i]]
        for k in {*range(4)} - {i}:
            gram[k] = [a - gram[k][i] * b for a, b in zip(gram[k], gram[i])]
    expected = [float(row[-1]) for row in gram]
    np.testing.assert_allclose(
        [model["parameters"]["intercept"], *model["parameters"]["coefficients"]], expected, rtol=1e-15
    )


# -- what the user sees ---------------------------------------------------------------------------------------------------

SHOWN = [
    ("--penalty ridge --folds 5", ["Weighted ridge, alpha", "know nothing of its bias", "5 folds", "of 100 penalties"]),
    ("--penalty lasso --folds 5 --standardize", ["Weighted lasso", "standardised", "which coefficients are not zero"]),
    ("--penalty elastic-net --l1-ratio 0.1,0.9 --diagnostics", ["elastic net", "l1 ratio", "Durbin-Watson", "Cook's D"]),
    ("--positive", ["no coefficient below zero", "which coefficients are not zero"]),
    ("--select best --holdout 0.2", ["best selection", "* chosen by BIC", "were chosen by the same data", "holdout, "]),
    (
        "--select forward --criterion cv --cluster shop",
        ["* chosen by CV", "within a cluster", "were chosen by the same data"],
    ),
    ("--diagnostics --refine --confidence 0.99", ["Breusch-Pagan", "White", "omnibus", "0.005", "equal var."]),
]


@pytest.mark.parametrize(("options", "told"), SHOWN, ids=[options for options, _ in SHOWN])
def test_the_result_fits_a_terminal_and_says_what_it_is(capsys, options, told):
    table = make_table()
    table["a feature with a name that is much longer than any column of a table"] = table.pop("d")
    write(table)
    features = "'a,b,c,s,a feature with a name that is much longer than any column of a table'"
    assert run_wols.main(shlex.split(f"t.csv --target y --weight w --features {features} {options} --no-report")) == 0
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    for words in told:
        assert words in " ".join(out.split()), out


def test_of_a_long_search_the_terminal_shows_the_choice(capsys):
    rng = np.random.default_rng(0)
    names = [f"x{j}" for j in range(90)]
    table = {"y": rng.normal(size=400), **{name: rng.normal(size=400) for name in names}}
    table["y"] += 3 * table["x7"]
    write(table)
    assert run_wols.main(shlex.split("t.csv --target y --select backward --no-report --quiet")) == 0
    out = capsys.readouterr().out
    assert "* - " in out and "31 more steps" in out


@pytest.mark.parametrize("options", [options for options, _ in SHOWN])
def test_json_on_standard_output_is_the_model_file(table, capsys, options):
    arguments = f"t.csv --target y --features a,b,c,d,s --weight w --json --quiet --no-report --run-dir r {options}"
    assert run_wols.main(shlex.split(arguments)) == 0
    told = capsys.readouterr()
    model = read_model("r")
    del model["warnings"]
    assert json.loads(told.out) == model and told.err == ""


PYTHON = [
    {"penalty": "ridge", "alphas": [0.1, 1, 10], "folds": 5, "choose": "1se"},
    {"penalty": "elastic-net", "l1_ratio": [0.1, 0.9], "standardize": True},
    {"positive": True, "holdout": 0.2},
    {"select": "best", "criterion": "cv", "fold_by": "shop"},
    {"diagnostics": True, "cluster": "who", "covariance": "cluster", "confidence": 0.9},
    {"weight_type": "frequency", "weight": "times", "refine": True},
]


@pytest.mark.parametrize("arguments", PYTHON, ids=lambda arguments: "-".join(arguments))
def test_from_python_as_from_the_program(table, arguments):
    arguments = {"features": ["a", "b", "c", "s"], "weight": "w", **arguments}
    model, run = run_wols.fit("t.csv", target="y", report=False, **arguments)
    words = []
    for name, value in arguments.items():
        option = f"--{name.replace('_', '-')}"
        words.append(option if value is True else f"{option}={','.join(map(str, value)) if type(value) is list else value}")
    expected, jobs = fitted(" ".join(words))
    del expected["warnings"]
    assert model == expected
    assert [entry["job"] for entry in run.directory.passes()] == jobs
    with pytest.raises(ScanError, match="no column 'zzz'"):
        run_wols.fit("t.csv", target="y", report=False, **{**arguments, "features": ["zzz"]})


# -- runs -----------------------------------------------------------------------------------------------------------------

MANY = "--features a,b,c,d,s --weight w --folds 5 --fold-by shop --holdout 0.15 --select best --criterion cv --cluster who"


@pytest.mark.parametrize(
    ("options", "n_passes"), [("--penalty ridge --folds 5 --diagnostics", 2), (f"{MANY} --refine --covariance HC3", 3)]
)
def test_a_run_that_ended_between_its_passes_goes_on(table, monkeypatch, options, n_passes):
    options = f"--weight w --features a,b,c,d,s {options} --save-statistics t.stats"
    whole, jobs = fitted(options)
    saved = Path("t.stats").read_text()
    os.remove("t.stats")
    with monkeypatch.context() as broken:

        def fail(*arguments, **keywords):
            raise ScanError("the power went off")

        broken.setattr(exact, "residuals_query", fail)
        assert run_wols.main(shlex.split(f"t.csv --target y {options} --no-report --quiet --run-dir r2")) == 1
    assert len(read_passes("r2")) == n_passes - 1
    assert run_wols.main(["--resume", "r2", "--quiet"]) == 0
    assert read_model("r2") == whole
    assert [entry["job"] for entry in read_passes("r2")] == jobs
    assert Path("t.stats").read_text() == saved
    assert run_wols.main(["--resume", "r2", "--quiet"]) == 0
    assert len(read_passes("r2")) == n_passes


def test_many_options_at_once(table, capsys):
    """Each is that of statsmodels on the rows that are left, by the features that are chosen."""
    table["a"][[3, 50]] = np.nan
    with open("t.csv", "w") as f:
        f.write(",".join(table) + "\n")
        for row in zip(*(values.tolist() for values in table.values())):
            f.write(",".join("" if value != value else str(value) for value in row) + "\n")
    options = f"{MANY} --missing drop --refine --diagnostics --covariance HC3 --confidence 0.9 --save-statistics t.stats"
    arguments = f"t.csv --target y {options} --run-dir r"
    assert run_wols.main(shlex.split(arguments)) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80
    model = read_model("r")
    assert [entry["job"] for entry in read_passes("r")] == ["MRWOLSFolds", "MRWOLSRefine", "MRWOLSResiduals"]
    assert model["training"]["rows_missing"] == 2 and os.path.exists("r/report.html") and os.path.exists("t.stats")
    part = deal(400, 5, 0.15, row_keys=row_keys_of(table, "shop"))
    kept = (part < 5) & (table["w"] > 0) & ~np.isnan(table["a"])
    rows = take(table, kept)
    features = sm.add_constant(matrix(rows, model["selection"]["features"]))
    result = sm.WLS(rows["y"], features, weights=rows["w"]).fit(cov_type="HC3")
    tables = {t["covariance_type"]: t for t in model["inference"]["coefficients"]}
    np.testing.assert_allclose(tables["HC3"]["standard_errors"], result.bse, rtol=1e-9)
    np.testing.assert_allclose(tables["HC3"]["intervals"], result.conf_int(0.1), rtol=1e-9)
    held = (part == 5) & (table["w"] > 0) & ~np.isnan(table["a"])
    assert model["validation"]["holdout"]["n_rows"] == np.count_nonzero(held)


def test_missing_cells_are_left_out_of_everything():
    table = make_table()
    whole = {name: values.astype(object) for name, values in table.items()}
    for name, rows in (("y", [4]), ("c", [7, 8]), ("s", [11]), ("w", [20]), ("who", [33]), ("shop", [40])):
        whole[name][rows] = ""
    write(whole)
    options = "--features a,c,s --weight w --cluster who --fold-by shop --folds 3 --diagnostics"
    model, jobs = fitted(f"{options} --missing drop")
    assert jobs == FOLDED_TWO
    left = np.setdiff1d(np.arange(400), [4, 7, 8, 11, 20, 33, 40])
    write(take(table, left))
    expected, _ = fitted(options, "r2")
    assert model["training"]["rows_missing"] == 7
    for name in ("parameters", "validation"):
        check_alike(model[name], expected[name], name)
    for told in (model, expected):
        for row in told["inference"]["diagnostics"]["influential"]:
            row["position"] = row["place"] = None
    del model["inference"]["prediction"], expected["inference"]["prediction"]  # about the means of the table as it stands
    check_alike(model["inference"], expected["inference"])


def test_features_that_depend_on_each_other_in_a_fold_alone_are_named(capsys):
    """By name, and with the fold: `best` looks for the features anew without each of them."""
    table = make_table(60)
    table["e"] = np.where(deal(60, 3) == 1, table["d"], table["c"])
    write(table)
    arguments = "t.csv --target y --features a,c,d,e --select best --folds 3 --no-report"
    assert run_wols.main(shlex.split(arguments)) == 1
    assert "depend on the ones before them among the rows outside of fold 2: e; leave" in capsys.readouterr().err


@pytest.mark.parametrize("options", ["--penalty ridge --folds 4", "--select best", "--diagnostics --cluster shop"])
def test_a_target_of_text_is_its_level(options):
    table = make_table()
    table["y"] = np.where(table["y"] > 10, "yes", "no")
    write(table)
    model, _ = fitted(f"--features a,b,c,d,s --weight w {options}")
    table["y"] = (table["y"] == "yes").astype(float)
    write(table)
    expected, _ = fitted(f"--features a,b,c,d,s --weight w {options}", "r2")
    assert "no = 0, yes = 1" in " ".join(model["warnings"])
    check_alike(model["parameters"], expected["parameters"])
    check_alike(model["inference"], expected["inference"])


def test_a_column_may_be_feature_and_cluster_and_fold_at_once(table):
    model, jobs = fitted("--features a,s --weight w --cluster s --fold-by s --folds 2 --id s --seed 1")
    assert jobs == FOLDED_TWO
    kept = table["w"] > 0
    rows = take(table, kept)
    groups = np.unique(rows["s"], return_inverse=True)[1]
    result = sm.WLS(rows["y"], sm.add_constant(matrix(rows, ["a", "s"])), weights=rows["w"]).fit(
        cov_type="cluster", cov_kwds={"groups": groups}
    )
    found = next(t for t in model["inference"]["coefficients"] if t["covariance_type"] == "cluster")
    np.testing.assert_allclose(found["standard_errors"], result.bse, rtol=1e-8)
