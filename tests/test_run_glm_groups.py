"""`--group-by` of run_glm.py and run_logistic.py as a user runs them: each group against statsmodels or scikit-learn on its
rows alone, groups that have no fit, passes, resuming, predictions, the report."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm
from pyarrow import csv as pacsv
from sklearn.linear_model import LogisticRegression, PoissonRegressor

from drivers import run_glm, run_logistic, score
from drivers.glm.options import ONE_MODEL_OPTIONS
from tests.conftest import Driver, read_model, read_passes

SLOPES = ("x0", "x1", "x2")
QUIET = ("--no-report", "--quiet")
LOG = sm.families.links.Log
FAMILIES = {
    "gaussian": (sm.families.Gaussian(), []),
    "binomial": (sm.families.Binomial(), []),
    "poisson": (sm.families.Poisson(), []),
    "gamma": (sm.families.Gamma(LOG()), []),
    "negative-binomial": (sm.families.NegativeBinomial(alpha=0.5), ["--alpha", "0.5"]),
}


def draw(n=3000, n_groups=8, seed=5):
    """Rows of groups with coefficients of their own, features of different sizes, and targets of each family."""
    rng = np.random.default_rng(seed)
    group = rng.integers(0, n_groups, n)
    Z = rng.normal(size=(n, 3))
    X = Z * [1, 10, 0.01] + [3, -40, 0]
    offset = rng.normal(size=n) / 2
    eta = 0.3 + (Z * (rng.normal(size=(n_groups, 3)) / 4)[group]).sum(axis=1) + offset
    mu = np.exp(eta)
    targets = {
        "gaussian": eta + rng.normal(size=n),
        "binomial": (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(float),
        "poisson": rng.poisson(mu).astype(float),
        "gamma": rng.gamma(2, mu / 2),
        "negative-binomial": rng.poisson(mu * rng.gamma(2, 0.5, n)).astype(float),
    }
    return group, X, offset, rng.gamma(2.0, size=n), targets


def write(group, X, y, path="t.csv", **more):
    columns = {"group": [f"g{k}" for k in group], **dict(zip(SLOPES, X.T)), "y": y, **more}
    pacsv.write_csv(pa.table(columns), path)


def read_groups(run_dir):
    with open(Path(run_dir, "groups.csv"), newline="") as file:
        return {row["group"]: row for row in csv.DictReader(file)}


def numbers(row, what):
    return np.array([float(row[f"{what} {name}"]) for name in ("intercept", *SLOPES)])


def words(*more):
    return ["t.csv", "--target", "y", "--features", ",".join(SLOPES), "--group-by", "group", *QUIET, *map(str, more)]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("has_offset", [False, True], ids=["plain", "with an offset"])
def test_every_group_has_the_numbers_of_statsmodels(family, has_offset):
    group, X, offset, w, targets = draw()
    y, (model, more) = targets[family], FAMILIES[family]
    write(group, X, y, o=offset, w=w)
    more = [*more, "--offset", "o"] if has_offset else more
    assert run_glm.main(words("--family", family, "--weight", "w", "--run-dir", "r", *more)) == 0
    found = read_groups("r")
    assert len(found) == 8
    for k in range(8):
        at, row = group == k, found[f"g{k}"]
        expected = sm.GLM(
            y[at], sm.add_constant(X[at]), family=model, var_weights=w[at], offset=offset[at] if has_offset else None
        ).fit(tol=1e-13, tol_criterion="params")  # fmt: skip
        theta = numbers(row, "coefficient")
        np.testing.assert_allclose(theta, expected.params, rtol=1e-8, atol=1e-8 * expected.bse.min())
        np.testing.assert_allclose(numbers(row, "standard_error"), expected.bse, rtol=1e-8)
        np.testing.assert_allclose(float(row["dispersion"]), expected.scale, rtol=1e-7)
        assert float(row["target_mean"]) == pytest.approx(np.average(y[at], weights=w[at]), rel=1e-12)
        if has_offset:
            assert row["d_squared"] == ""
        else:
            assert float(row["d_squared"]) == pytest.approx(1 - expected.deviance / expected.null_deviance, rel=1e-8)
        if family not in ("gaussian", "gamma"):  # of which statsmodels takes a normal law
            np.testing.assert_allclose(numbers(row, "p_value"), expected.pvalues, rtol=1e-5, atol=1e-300)


def test_groups_without_a_best_model_are_named_and_take_no_other_along():
    rng = np.random.default_rng(2)
    n = 80
    X = rng.normal(size=(7 * n, 3))
    eta = X @ [1.0, -0.5, 0.2]
    y = (rng.random(7 * n) < 1 / (1 + np.exp(-eta))).astype(float)
    group = np.repeat(np.arange(7), n)
    y[group == 1] = 1.0
    y[group == 2] = (eta[group == 2] > 0.1).astype(float)  # separated
    half = np.flatnonzero(group == 3)
    X[half[:40], 0], X[half[40:], 0] = 0.0, 1.0
    y[half[40:]] = 1.0  # in part: where x0 is 1 there are only ones
    X[group == 4, 1] = 7.0
    X[group == 5, 2] = X[group == 5, 0] * 2 - X[group == 5, 1]
    some = np.ones(7 * n, bool)
    some[np.flatnonzero(group == 6)[4:]] = False
    write(group[some], X[some], y[some])
    assert run_logistic.main(words("--run-dir", "r")) == 0
    found = read_groups("r")
    told = {
        "g0": "fitted", "g1": "one value of the target", "g2": "no finite optimum", "g3": "no finite optimum",
        "g4": "constant feature", "g5": "dependent features", "g6": "too few rows",
    }  # fmt: skip
    assert {name: row["status"] for name, row in found.items()} == told
    assert all(row["coefficient x0"] == row["d_squared"] == "" for name, row in found.items() if name != "g0")
    assert float(found["g1"]["target_mean"]) == 1.0
    alone = sm.Logit(y[group == 0], sm.add_constant(X[group == 0])).fit(disp=0, tol=1e-14)
    np.testing.assert_allclose(numbers(found["g0"], "coefficient"), alone.params, rtol=1e-9)
    (told,) = [line for line in read_model("r")["warnings"] if "not fitted" in line]
    assert told.startswith("groups that are not fitted: 6 of 7 (") and "no finite optimum 2" in told


def test_a_penalty_shrinks_each_group_as_scikit_learn_does_and_separated_ones_are_fitted():
    group, X, _, w, targets = draw(n=1200, n_groups=4)
    X = X / [1, 10, 0.01]
    y = targets["binomial"].copy()
    y[group == 3] = (X[group == 3, 0] > 3).astype(float)
    write(group, X, y, w=w)
    assert run_logistic.main(words("--penalty", "ridge", "--alphas", 2, "--weight", "w", "--run-dir", "r")) == 0
    for name, row in read_groups("r").items():
        at = group == int(name[1:])
        expected = LogisticRegression(C=0.5, tol=1e-12, solver="newton-cholesky").fit(X[at], y[at], sample_weight=w[at])
        assert row["status"] == "fitted"
        found = numbers(row, "coefficient")
        np.testing.assert_allclose(found, [*expected.intercept_, *expected.coef_[0]], rtol=1e-7)
    y = targets["poisson"]
    write(group, X, y, w=w)
    ridge = ("--penalty", "ridge", "--alphas", 0.3)
    assert run_glm.main(words("--family", "poisson", *ridge, "--weight", "w", "--run-dir", "counts")) == 0
    for name, row in read_groups("counts").items():
        at = group == int(name[1:])
        expected = PoissonRegressor(alpha=0.3, tol=1e-12, solver="newton-cholesky").fit(X[at], y[at], sample_weight=w[at])
        np.testing.assert_allclose(numbers(row, "coefficient"), [expected.intercept_, *expected.coef_], rtol=1e-7)


def test_steps_that_lead_too_far_are_shortened():
    # From the mean the first step of these counts overshoots by orders of magnitude.
    rng = np.random.default_rng(4)
    group = np.repeat([0, 1], 300)
    X = rng.normal(size=(600, 3))
    X[group == 1, 0] = rng.exponential(size=300) ** 3
    y = rng.poisson(np.exp(np.minimum(0.8 * X[:, 0], 5.0))).astype(float)
    write(group, X, y)
    assert run_glm.main(words("--family", "poisson", "--run-dir", "r")) == 0
    for k in range(2):
        at, row = group == k, read_groups("r")[f"g{k}"]
        assert row["status"] == "fitted"
        theta = numbers(row, "coefficient")
        design = sm.add_constant(X[at])
        mu = np.exp(design @ theta)
        lengths = np.sqrt((mu[:, None] * design**2).sum(axis=0) * ((y[at] - mu) ** 2 / mu).sum())
        assert np.abs(design.T @ (y[at] - mu) / lengths).max() < 1e-7


def test_a_group_that_has_converged_leaves_the_passes_and_all_runners_have_the_same_bits():
    group, X, _, _, targets = draw()
    write(group, X, targets["binomial"])
    for name, switches in {"inline": [], "local": ["-r", "local", "--num-cores", "2"]}.items():
        assert run_logistic.main(words("--run-dir", name, *switches)) == 0
    assert Path("inline/groups.csv").read_bytes() == Path("local/groups.csv").read_bytes()
    passes, local = read_passes("inline"), read_passes("local")
    assert [entry["job"] for entry in passes] == ["MRGLMGroupsStart"] + ["MRGLMGroups"] * (len(passes) - 1)
    assert [entry["statistics_md5"] for entry in passes] == [entry["statistics_md5"] for entry in local]
    assert len(passes) == read_model("inline")["training"]["n_passes"] <= 7
    assert all(entry["rows_in"] == entry["rows_used"] == 3000 for entry in passes)


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bits():
    group, X, _, _, targets = draw(n=60_000, n_groups=1500)
    write(group, X, targets["binomial"])
    assert run_logistic.main(words("--run-dir", "whole")) == 0
    process = subprocess.Popen(Driver("run_logistic").command(*words("--run-dir", "killed")))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (Path("killed/passes.jsonl").exists() and len(read_passes("killed")) >= 3):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(read_passes("killed")) < len(read_passes("whole"))
    assert run_logistic.main(["--resume", "killed"]) == 0
    assert Path("killed/groups.csv").read_bytes() == Path("whole/groups.csv").read_bytes()
    md5s = [[entry["statistics_md5"] for entry in read_passes(run)] for run in ("killed", "whole")]
    assert md5s[0] == md5s[1]


def test_too_few_passes_leave_groups_without_a_model_and_status_three(capsys):
    group, X, _, _, targets = draw()
    X[group == 0] *= 0.0
    X[group == 0] += np.random.default_rng(1).normal(size=((group == 0).sum(), 3))
    write(group, X, np.where(group == 0, (X[:, 0] > 0) * 0.5 + 0.25, targets["binomial"]))
    status = run_glm.main(words("--family", "binomial", "--max-iter", 3, "--run-dir", "r"))
    statuses = {row["status"] for row in read_groups("r").values()} if Path("r/groups.csv").exists() else set()
    assert (status, statuses) == (3, {"fitted", "not converged"}) or "not converged 8" in capsys.readouterr().err


MESSAGES = [
    *(([f"--{name.replace('_', '-')}", value], f"--{name.replace('_', '-')} is of one model, and --group-by fits many")
      for name, value in zip(ONE_MODEL_OPTIONS, ("gd", "3", "x0", "0.3", "1se", None, "0,inf", "HC1", None, "0.9"))
      if value is not None),
    (["--class-weight", "balanced"], "--class-weight is of one model"),
    (["--penalty", "lasso", "--alphas", "1"], "--penalty ridge and one number for --alphas"),
    (["--penalty", "ridge"], "--penalty ridge and one number for --alphas"),
    (["--penalty", "ridge", "--alphas", "1,2"], "--penalty ridge and one number for --alphas"),
]  # fmt: skip


@pytest.mark.parametrize(("more", "message"), MESSAGES, ids=lambda value: str(value)[:30])
def test_what_groups_have_not_is_one_sentence(more, message, capsys):
    assert run_logistic.main(words(*more)) == 2
    told = capsys.readouterr().err.strip()
    assert message in told and len(told.splitlines()) == 1


def test_more_than_two_classes_are_refused(capsys):
    group, X, _, _, targets = draw()
    write(group, X, np.minimum(targets["poisson"], 2).astype(int))
    assert run_logistic.main(words()) == 1
    assert "the target 'y' has 3 classes, and --group-by fits models of two" in capsys.readouterr().err


def test_the_class_whose_odds_they_are_is_named(capsys):
    group, X, _, _, targets = draw(n=600, n_groups=3)
    write(group, X, np.where(targets["binomial"] > 0, "yes", "no"))
    assert run_logistic.main([word for word in words("--run-dir", "r") if word not in QUIET]) == 0
    assert "logistic regression of y = yes in 3 groups by group" in capsys.readouterr().out
    page = Path("r/report.html").read_text()
    assert "y = yes by x0, x1, x2, for each group" in page and "y = yes was explained by" in page


def test_predictions_are_by_the_model_of_each_rows_group(capsys):
    group, X, offset, _, targets = draw()
    names = np.where(targets["binomial"] > 0, "yes", "no")
    write(group, X, names, o=offset)
    assert run_logistic.main(words("--run-dir", "r")) == 0
    assert score.main(["r/model.json", "t.csv", "-o", "p.csv", "--keep", "group"]) == 0
    found = pacsv.read_csv("p.csv")
    assert found.column_names == ["group", "class", "probability no", "probability yes"]
    for name, row in read_groups("r").items():
        at = group == int(name[1:])
        p = 1 / (1 + np.exp(-(sm.add_constant(X[at]) @ numbers(row, "coefficient"))))
        np.testing.assert_allclose(found["probability yes"].to_numpy()[at], p, rtol=1e-10)
        assert (np.array(found["class"].to_pylist())[at] == np.where(p > 0.5, "yes", "no")).all()
    write(group, X, targets["poisson"], o=offset)
    assert run_glm.main(words("--family", "poisson", "--offset", "o", "--run-dir", "counts")) == 0
    Path("new.csv").write_text("group,x0,x1,x2,o\ng1,1,2,3,0.5\nnew,1,2,3,0.5\ng1,,2,3,0.5\n")
    assert score.main(["counts/model.json", "new.csv", "-o", "q.csv"]) == 0
    predicted = pacsv.read_csv("q.csv")["prediction"].to_pylist()
    theta = numbers(read_groups("counts")["g1"], "coefficient")
    assert predicted[0] == pytest.approx(np.exp(theta @ [1, 1, 2, 3] + 0.5), rel=1e-12)
    assert predicted[1:] == [None, None]


def test_the_plan_the_result_and_the_report(capsys):
    group, X, _, _, targets = draw()
    write(group, X, targets["poisson"])
    plain = [word for word in words("--family", "poisson", "--run-dir", "r") if word not in QUIET]
    assert run_glm.main([*plain, "--plan", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert [phase["name"] for phase in plan["phases"]] == ["start", "fit"] and plan["passes"][0] == 2
    assert run_glm.main(plain) == 0
    told = capsys.readouterr().out
    assert "poisson regression of y in 8 groups by group, 8 of them fitted" in told and "deviance explained" in told
    assert max(len(line) for line in told.splitlines()) <= 80
    page = Path("r/report.html").read_text()
    assert "poisson regression with the log link within each group" in page
    assert "half of the fitted groups have a share of deviance explained of" in page.lower()
    assert Path("r/d-squared-by-group.png").exists() or "d-squared-by-group" in page
    model, made = run_glm.fit(
        "t.csv", target="y", features=list(SLOPES), family="poisson", group_by="group", report=False, run_dir="python"
    )
    assert model["kind"] == "glm-groups" and made.n_passes == len(read_passes("r"))
