"""`drivers/evaluate.py` as a user runs it: what it finds in score files of each kind, its measures, messages and
reports."""

from __future__ import annotations

import json
import os
import re

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as pacsv
from pyarrow import parquet
from sklearn import metrics

from drivers import evaluate, run_kmeans, run_logistic, run_wols, score
from drivers.evaluating import question
from drivers.model import load_model
from jobs.errors import ScanError
from tests.conftest import read_passes

QUIET = ("--no-report", "--quiet")


def write(name, **columns):
    table = pa.table(columns)
    (parquet.write_table if name.endswith(".parquet") else pacsv.write_csv)(table, name)
    return columns


def judge(*words, **keywords):
    """The result of a run from Python, without a report."""
    return evaluate.evaluate(*words, report=False, **keywords)[0]


def first(result):
    return result["whole"]["models"][0]


@pytest.fixture
def numbers():
    rng = np.random.default_rng(0)
    n = 1500
    y = rng.normal(size=n) * 10 + 100
    return write(
        "numbers.csv", y=y, prediction=y + rng.normal(size=n), other=y + 2 * rng.normal(size=n) + 0.5,
        w=rng.gamma(2.0, size=n), shop=np.array(["north", "east", "a, b"])[rng.integers(0, 3, n)], row=np.arange(n),
    )  # fmt: skip


@pytest.fixture
def classes():
    """Three classes of whatever names, with what drivers/score.py would write."""
    rng = np.random.default_rng(1)
    n, names = 1200, np.array(["red", "10", "été"])
    k = rng.integers(0, 3, n)
    p = np.exp(rng.normal(size=(n, 3)) + 1.5 * (k[:, None] == np.arange(3)))
    p /= p.sum(axis=1, keepdims=True)
    columns = {"colour": names[k], "class": names[p.argmax(axis=1)]}
    columns.update({f"probability {name}": p[:, j] for j, name in enumerate(names)})
    return write("classes.csv", **columns)


@pytest.fixture
def two():
    """Two classes, one of them rare, and two models of the other's probability."""
    rng = np.random.default_rng(2)
    n = 4000
    z = rng.normal(size=n)
    bought = rng.random(n) < 1 / (1 + np.exp(3 - z))
    return write(
        "two.csv", bought=np.where(bought, "yes", "no"), ours=1 / (1 + np.exp(3 - z)),
        theirs=1 / (1 + np.exp(3 - 0.5 * z - rng.normal(size=n))),
    )  # fmt: skip


# -- what is found in the columns ------------------------------------------------------------------------------------------


def test_numbers_of_several_models_are_judged_in_one_pass(numbers):
    result = judge("numbers.csv", target="y", prediction=["prediction", "other"], weight="w", run_dir="r")
    for model in result["whole"]["models"]:
        y, p, w = numbers["y"], numbers[model["model"]], numbers["w"]
        exact = {
            "rmse": metrics.root_mean_squared_error(y, p, sample_weight=w),
            "mae": metrics.mean_absolute_error(y, p, sample_weight=w),
            "mape": metrics.mean_absolute_percentage_error(y, p, sample_weight=w),
            "r_squared": metrics.r2_score(y, p, sample_weight=w),
            "max_error": metrics.max_error(y, p),
        }
        for name, value in exact.items():
            assert model["measures"][name] == pytest.approx(value, rel=1e-12), name
        for name, (low, high) in model["intervals"].items():
            assert low <= model["measures"][name] <= high, name
    difference = result["whole"]["models"][1]["less_first"]["rmse"]
    assert difference["difference"] == pytest.approx(
        result["whole"]["models"][1]["measures"]["rmse"] - first(result)["measures"]["rmse"], rel=1e-12
    )
    assert difference["interval"][0] > 0
    (entry,) = read_passes("r")
    assert entry["job"] == "MREvaluate" and entry["rows_used"] == 1500
    assert result["training"]["effective_sample_size"] == pytest.approx(w.sum() ** 2 / (w**2).sum())


def test_segments_are_judged_beside_the_whole(numbers):
    result = judge("numbers.csv", target="y", by="shop")
    assert [segment["segment"] for segment in result["segments"]] == ["a, b", "east", "north"]
    for segment in result["segments"]:
        at = numbers["shop"] == segment["segment"]
        measures, intervals = segment["models"][0]["measures"], segment["models"][0]["intervals"]
        assert segment["n_rows"] == at.sum()
        assert measures["rmse"] == pytest.approx(
            metrics.root_mean_squared_error(numbers["y"][at], numbers["prediction"][at]), rel=1e-12
        )
        assert intervals["rmse"][0] < measures["rmse"] < intervals["rmse"][1]


def test_several_files_are_one_table(numbers):
    table = pacsv.read_csv("numbers.csv")
    os.mkdir("parts")
    pacsv.write_csv(table.slice(0, 700), "parts/a.csv")
    pacsv.write_csv(table.slice(700), "parts/b.csv")
    whole = judge("numbers.csv", target="y", id="row")
    parts = judge("parts", target="y", id="row")
    assert parts["whole"]["n_rows"] == 1500
    for name, value in first(whole)["measures"].items():
        assert first(parts)["measures"][name] == pytest.approx(value, rel=1e-11), name
        # Replicates are drawn by ids, so they are the same wherever the rows lie.
        if name in first(whole)["intervals"]:
            np.testing.assert_allclose(first(parts)["intervals"][name], first(whole)["intervals"][name], rtol=1e-9)


@pytest.mark.parametrize("name", ["classes.csv", "classes.parquet"])
def test_classes_are_judged_by_their_labels_and_their_probabilities(classes, name):
    write(name, **classes)
    result = judge(name, target="colour")
    assert result["task"] == "classification" and result["classes"] == ["10", "red", "été"]
    model, y = first(result), classes["colour"]
    p = np.column_stack([classes[f"probability {label}"] for label in result["classes"]])
    exact = {
        "accuracy": metrics.accuracy_score(y, classes["class"]),
        "mcc": metrics.matthews_corrcoef(y, classes["class"]),
        "f1_macro": metrics.f1_score(y, classes["class"], average="macro"),
        "log_loss": metrics.log_loss(y, p, labels=result["classes"]),
    }
    for measure, value in exact.items():
        assert model["measures"][measure] == pytest.approx(value, rel=1e-12), measure
    assert model["confusion"] == metrics.confusion_matrix(y, classes["class"], labels=result["classes"]).tolist()
    area = metrics.roc_auc_score(y, p, multi_class="ovr", labels=result["classes"])
    assert abs(model["measures"]["auc"] - area) <= model["measures"]["auc_error"] + 1e-12 < 1e-3
    assert len(model["curves"]) == 3 and not result["warnings"]


def test_labels_alone_are_judged_without_curves(classes):
    result = judge("classes.csv", target="colour", task="classification", prediction=["class"], columns=None)
    assert first(result)["measures"]["accuracy"] == pytest.approx(
        metrics.accuracy_score(classes["colour"], classes["class"])
    )
    write("labels.csv", colour=classes["colour"], said=classes["class"])
    alone = judge("labels.csv", target="colour", task="classification", prediction="said")
    assert first(alone)["curves"] == [] and "auc" not in first(alone)["measures"]
    assert first(alone)["confusion"] == first(result)["confusion"]


def test_several_models_of_two_classes_are_judged_in_one_pass(two):
    result = judge("two.csv", target="bought", probability=["ours", "theirs"], cost="1,20")
    assert result["positive"] == "yes" and result["models"] == ["ours", "theirs"]
    y = two["bought"] == "yes"
    for model in result["whole"]["models"]:
        p = two[model["model"]]
        (curve,) = model["curves"]
        assert abs(curve["auc"] - metrics.roc_auc_score(y, p)) <= curve["auc_error"] + 1e-12 < 1e-3
        assert model["measures"]["f1"] == pytest.approx(metrics.f1_score(y, p >= 0.5), rel=1e-12)
        best = curve["best"]["cost"]
        t = best["threshold"]
        assert best["cost"] == pytest.approx(((p >= t) & ~y).mean() + 20 * ((p < t) & y).mean(), rel=1e-12)
        assert best["cost"] < model["measures"]["cost"]
        assert model["measures"]["cost"] == pytest.approx(((p >= 0.5) & ~y).mean() + 20 * ((p < 0.5) & y).mean(), rel=1e-12)


def test_columns_that_end_in_a_class_are_of_it_only_where_they_add_up(two):
    y, p = (two["bought"] == "yes").astype(int), two["ours"]
    write("classes.csv", y=y, score_0=1 - p, score_1=p)
    one = judge("classes.csv", target="y", probability=["score_0", "score_1"])
    write("models.csv", y=y, score_0=two["theirs"], score_1=p)
    both = judge("models.csv", target="y", probability=["score_0", "score_1"])
    assert one["models"] == ["score_1"] and both["models"] == ["score_0", "score_1"]
    assert first(one)["measures"]["auc"] == both["whole"]["models"][1]["measures"]["auc"]


def test_classes_that_are_equal_numbers_are_one_class_however_they_are_written(two):
    y = two["bought"] == "yes"
    write(
        "n.csv",
        y=np.where(y, "1.0", "0.0"),
        **{"class": np.where(two["ours"] >= 0.1, "1", "0"), "probability 1": two["ours"]},
    )
    result = judge("n.csv", target="y")
    assert result["classes"] == ["0", "1"] and not result["warnings"]
    assert first(result)["measures"]["accuracy"] == pytest.approx(np.mean(y == (two["ours"] >= 0.1)), rel=1e-12)
    assert first(result)["measures"]["log_loss"] == pytest.approx(metrics.log_loss(y, two["ours"]), rel=1e-12)


def test_mistakes_of_several_classes_cost_what_is_said_of_each(classes):
    result = judge("classes.csv", target="colour", cost="red:10=4,été:red=1.5")
    y, said = classes["colour"], classes["class"]
    exact = 4 * ((y == "red") & (said == "10")).mean() + 1.5 * ((y == "été") & (said == "red")).mean()
    assert first(result)["measures"]["cost"] == pytest.approx(exact, rel=1e-12)
    low, high = first(result)["intervals"]["cost"]
    assert low < exact < high


def test_the_class_to_find_can_be_said(two):
    write("no.csv", bought=two["bought"], p=1 - two["ours"])
    result = judge("no.csv", target="bought", probability="p", positive="no")
    area = metrics.roc_auc_score(two["bought"] == "no", 1 - two["ours"])
    assert result["classes"] == ["yes", "no"] and first(result)["curves"][0]["auc"] == pytest.approx(area, abs=1e-3)


def test_rows_are_taken_for_a_class_from_a_threshold_on(two):
    result = judge("two.csv", target="bought", probability=["ours", "theirs"], threshold=0.11, cost="1,20")
    truth = two["bought"] == "yes"
    for model in result["whole"]["models"]:
        taken = two[model["model"]] >= 0.11
        measures = model["measures"]
        assert measures["mcc"] == pytest.approx(metrics.matthews_corrcoef(truth, taken), rel=1e-12)
        assert measures["cost"] == pytest.approx(((taken & ~truth) + 20.0 * (truth & ~taken)).mean(), rel=1e-12)
        low, high = model["intervals"]["cost"]
        assert low < measures["cost"] < high


def test_clusters_are_judged_by_classes_and_by_features():
    rng = np.random.default_rng(3)
    n = 600
    k = rng.integers(0, 3, n)
    X = rng.normal(size=(n, 2)) + 3 * np.column_stack([k == 1, k == 2])
    labels = (k + (rng.random(n) < 0.1)) % 3
    write("clusters.csv", kind=np.array(["x", "y", "z"])[k], cluster=labels, a=X[:, 0], b=X[:, 1])
    result = judge("clusters.csv", target="kind", features=["a", "b"], run_dir="r")
    measures = first(result)["measures"]
    exact = {
        "adjusted_rand": metrics.adjusted_rand_score(k, labels),
        "v_measure": metrics.v_measure_score(k, labels),
        "silhouette": metrics.silhouette_score(X, labels, metric="sqeuclidean"),
        "calinski_harabasz": metrics.calinski_harabasz_score(X, labels),
        "davies_bouldin": metrics.davies_bouldin_score(X, labels),
    }
    for name, value in exact.items():
        assert measures[name] == pytest.approx(value, rel=1e-9), name
    assert [entry["phase"] for entry in read_passes("r")] == ["evaluation", "silhouettes"]
    only = first(judge("clusters.csv", features=["a", "b"]))["measures"]
    assert only["silhouette"] == measures["silhouette"] and "adjusted_rand" not in only


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fit", "words"),
    [
        (run_wols.fit, {"target": "y", "features": ["a", "b"]}),
        (run_logistic.fit, {"target": "kind", "features": ["a", "b"]}),
        (run_kmeans.fit, {"n_clusters": 3, "features": ["a", "b"]}),
    ],
    ids=["wols", "logistic", "kmeans"],
)
def test_what_score_writes_is_judged_as_it_stands(fit, words):
    rng = np.random.default_rng(4)
    n = 900
    k = rng.integers(0, 3, n)
    X = rng.normal(size=(n, 2)) + 4 * np.column_stack([k == 1, k == 2])
    write("t.csv", y=X.sum(axis=1) + rng.normal(size=n), kind=np.array(["x", "y", "z"])[k], a=X[:, 0], b=X[:, 1])
    model, _ = fit("t.csv", report=False, run_dir="m", **words)
    assert score.main(["m/model.json", "t.csv", "--keep", "y,kind,a,b", "-o", "scores.csv"]) == 0
    truth = words.get("target", "kind")
    result = judge("scores.csv", target=truth)
    measures = first(result)["measures"]
    if model["kind"] == "wols":
        assert measures["r_squared"] == pytest.approx(load_model("m/model.json")["inference"]["r_squared"], rel=1e-9)
    elif model["kind"] == "logistic":
        told = model["evaluation"]["in_sample"]
        assert measures["log_loss"] == pytest.approx(told["log_loss"], rel=1e-9)
        assert first(result)["confusion"] == told["confusion"]
        for mine, theirs in zip(first(result)["curves"], told["curves"]):
            assert abs(mine["auc"] - theirs["auc"]) <= mine["auc_error"] + theirs["auc_error"] + 1e-12
    else:
        assert measures["adjusted_rand"] > 0.8


# -- intervals -------------------------------------------------------------------------------------------------------------


def test_intervals_are_as_wide_as_direct_resampling_makes_them(two):
    y, p = two["bought"] == "yes", two["ours"]
    result = judge("two.csv", target="bought", probability="ours", replicates=400)
    rng = np.random.default_rng(5)
    drawn = {"auc": [], "log_loss": [], "average_precision": [], "accuracy": [], "ks": []}
    for _ in range(400):
        at = rng.integers(0, len(y), len(y))
        fpr, tpr, _ = metrics.roc_curve(y[at], p[at])
        drawn["auc"].append(metrics.auc(fpr, tpr))
        drawn["ks"].append(np.abs(tpr - fpr).max())
        drawn["log_loss"].append(metrics.log_loss(y[at], p[at]))
        drawn["average_precision"].append(metrics.average_precision_score(y[at], p[at]))
        drawn["accuracy"].append(np.mean((p[at] >= 0.5) == y[at]))
    for name, values in drawn.items():
        low, high = first(result)["intervals"][name]
        expected = np.quantile(values, [0.025, 0.975])
        # Each end is known to about a tenth of the width from so many replicates.
        np.testing.assert_allclose([low, high], expected, atol=0.2 * (expected[1] - expected[0]), err_msg=name)


def test_the_coarser_bins_of_replicates_do_not_move_the_intervals(two, monkeypatch):
    fine = first(judge("two.csv", target="bought", probability="ours"))
    monkeypatch.setattr(question, "REPLICATE_BINS", 8)
    coarse = first(judge("two.csv", target="bought", probability="ours"))
    assert coarse["measures"] == fine["measures"]
    for name in ("auc", "average_precision"):
        low, high = fine["intervals"][name]
        np.testing.assert_allclose(coarse["intervals"][name], [low, high], atol=0.2 * (high - low), err_msg=name)


def test_without_replicates_there_are_no_intervals(numbers):
    result = judge("numbers.csv", target="y", by="shop", replicates=0)
    assert first(result)["intervals"] == {} == result["segments"][0]["models"][0]["intervals"]


def test_another_seed_draws_other_replicates_and_leaves_the_measures(numbers):
    one, two_ = judge("numbers.csv", target="y"), judge("numbers.csv", target="y", seed=1)
    assert first(one)["measures"] == first(two_)["measures"]
    assert first(one)["intervals"] != first(two_)["intervals"]


@pytest.mark.parametrize("runner", ["local"])
def test_the_runner_does_not_change_a_bit(classes, runner):
    one, other = (judge("classes.csv", target="colour", runner=name, run_dir=name) for name in ("inline", runner))
    assert one["whole"] == other["whole"]
    assert read_passes("inline")[0]["statistics_md5"] == read_passes(runner)[0]["statistics_md5"]


def test_segments_that_leave_no_room_for_replicates_go_without(numbers, monkeypatch):
    monkeypatch.setattr(question, "REPLICATE_BYTES", 50_000)
    result = judge("numbers.csv", target="y", by="shop", prediction=["prediction", "other"])
    assert first(result)["intervals"] and not result["segments"][0]["models"][0]["intervals"]
    assert any("intervals of 3 segments" in text for text in result["warnings"])
    result = judge("numbers.csv", target="y", replicates=10_000)
    assert 20 <= result["bootstrap"]["replicates"] < 1000 and any("and not 10,000" in text for text in result["warnings"])
    monkeypatch.setattr(question, "REPLICATE_BYTES", 500)
    with pytest.raises(ScanError, match="--replicates 0"):
        judge("numbers.csv", target="y")


# -- rows and degenerate cases ---------------------------------------------------------------------------------------------


def test_every_row_is_accounted_for():
    write("t.csv", y=[1.0, 2.0, None, 4.0, 5.0], prediction=[1.0, 3.0, 3.0, None, 5.0])
    with open("t.csv", "a") as file:
        file.write("6,x\n")
    result = judge("t.csv", target="y", max_bad_rows=1)
    training = result["training"]
    assert [training[f"rows_{way}"] for way in ("in", "used", "rejected", "missing")] == [6, 3, 1, 2]
    assert first(result)["measures"]["mse"] == pytest.approx(1 / 3)
    assert any("missing cell" in text and "2" in text for text in result["warnings"])
    with pytest.raises(ScanError, match="line 5, column 'prediction': the cell is missing"):
        judge("t.csv", target="y", max_bad_rows=1, missing="error")


def test_one_row_is_enough_for_what_one_row_can_say():
    write("one.csv", y=[3.0], prediction=[3.5])
    measures = first(judge("one.csv", target="y"))["measures"]
    assert measures["rmse"] == measures["bias"] == 0.5 and measures["r_squared"] == 0.0 and measures["correlation"] == "NaN"
    write("one.csv", y=["a"], p=[0.75])
    result = judge("one.csv", target="y", probability="p")
    assert first(result)["measures"]["accuracy"] == 1.0 and first(result)["measures"]["auc"] == "NaN"
    assert any("one" in text or "all rows are of the class" in text for text in result["warnings"])


def test_a_class_that_no_row_is_of_takes_no_part_in_means(classes):
    at = classes["colour"] != "red"
    write("some.csv", **{name: values[at] for name, values in classes.items()})
    result = judge("some.csv", target="colour")
    y, labels = classes["colour"][at], classes["class"][at]
    assert len(result["classes"]) == 3
    assert first(result)["measures"]["f1_macro"] == pytest.approx(
        metrics.f1_score(y, labels, average="macro", zero_division=0)
    )
    known = [curve["auc"] for curve in first(result)["curves"] if curve["auc"] != "NaN"]
    assert len(known) == 2 and first(result)["measures"]["auc"] == pytest.approx(np.mean(known))


def test_segments_with_one_class_have_no_area_and_no_crash(two):
    write("s.csv", **two, part=np.where(two["bought"] == "no", "dull", "lively"))
    result = judge("s.csv", target="bought", probability="ours", by="part")
    areas = {segment["segment"]: segment["models"][0]["measures"]["auc"] for segment in result["segments"]}
    assert areas == {"dull": "NaN", "lively": "NaN"}
    assert evaluate.main(["s.csv", "--target", "bought", "--probability", "ours", "--by", "part", "--quiet"]) == 0


# -- what the user is told -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["numbers.csv"], "name the column of the truth with --target"),
        (["numbers.csv", "--target", "yy"], "no column 'yy'"),
        (["numbers.csv", "--target", "shop", "--prediction", "prediction"], "'shop' holds no numbers"),
        (["numbers.csv", "--target", "y", "--prediction", "shop"], "--task classification"),
        (["numbers.csv", "--target", "y", "--prediction", "other,other"], "twice"),
        (["numbers.csv", "--target", "y", "--cost", "1,2"], "name the probabilities|--cost are of classification"),
        (["numbers.csv", "--target", "y", "--by", "y"], "'y' is judged"),
        (["numbers.csv", "--target", "y", "--by", "row"], "1,500 different values, and at most 1,000 segments"),
        (["numbers.csv", "--target", "y", "--sample-rows", "10"], "--sample-rows is at least"),
        (["numbers.csv", "--target", "y", "--replicates", "99999"], "--replicates is at most"),
        (["numbers.csv", "--target", "shop", "--probability", "w"], "is no probability"),
        (["numbers.csv", "--target", "y", "--weight", "shop"], "weights are numbers"),
        (["two.csv", "--target", "bought", "--probability", "ours", "--positive", "maybe"], "--positive is one of two"),
        (["two.csv", "--target", "bought", "--probability", "ours", "--cost", "maybe:no=1"], "names the class 'maybe'"),
        (["classes.csv", "--target", "colour", "--threshold", "0.3"], "--threshold is of two classes, and the column"),
        (
            ["classes.csv", "--target", "colour", "--prediction", "class", "--threshold", "0.3"],
            "and --prediction which it is",
        ),
        (
            ["numbers.csv", "--target", "y", "--prediction", "other", "--task", "regression", "--threshold", "0.3"],
            "this is",
        ),
        (["two.csv", "--target", "bought"], "no column is known as a prediction"),
        (["classes.csv", "--target", "colour", "--probability", "probability red"], "class '10'|is of one class"),
        (["classes.csv", "--target", "colour", "--cost", "1,2"], "two costs are of two classes"),
        (["classes.csv", "--task", "clustering", "--prediction", "class"], "--target, or by what rows"),
        (
            ["classes.csv", "--task", "clustering", "--prediction", "class", "--features", "colour"],
            "'colour' holds no numbers",
        ),
    ],
)
def test_what_cannot_be_judged_is_said_in_one_sentence(numbers, two, classes, words, message, capsys):
    assert evaluate.main([*words, *QUIET]) in (1, 2)
    told = capsys.readouterr().err
    assert re.search(message, told) and told.count("\n") <= 2 and "Traceback" not in told, told
    assert not os.path.exists("runs") or not os.listdir("runs")


@pytest.mark.parametrize("costs", ["1", "a,b", "yes:no", "yes=1", "1,-2"])
def test_costs_that_are_none_are_refused(costs, capsys):
    with pytest.raises(SystemExit) as end:
        evaluate.main(["t.csv", f"--cost={costs}"])
    assert end.value.code == 2 and "are no costs; write FP,FN" in capsys.readouterr().err


def test_probabilities_out_of_range_and_predictions_without_end_are_named_by_their_line():
    write("p.csv", y=["a", "b", "a"], p=[0.1, 1.5, 0.2])
    with pytest.raises(ScanError, match=r"p\.csv, line 3, column 'p': 1.5 is no probability"):
        judge("p.csv", target="y", probability="p")
    write("q.csv", y=[1.0, 2.0], prediction=[1.0, np.inf])
    with pytest.raises(ScanError, match=r"q\.csv, line 3, column 'prediction': 'inf' is not a finite number"):
        judge("q.csv", target="y")
    write("q.parquet", y=[1.0, 2.0], prediction=[1.0, np.inf])
    with pytest.raises(ScanError, match=r"q\.parquet, row 2, column 'prediction': .*inf.* is not a finite number"):
        judge("q.parquet", target="y")


def test_probabilities_that_do_not_add_up_are_told_of(classes):
    write("off.csv", **{**classes, "probability red": classes["probability red"] * 0.5})
    assert any("do not add up to 1" in text for text in judge("off.csv", target="colour")["warnings"])


def test_the_result_is_printed_within_80_columns_and_as_json(numbers, two, capsys):
    words = ["numbers.csv", "--target", "y", "--prediction", "prediction,other", "--by", "shop"]
    assert evaluate.main([*words, *QUIET]) == 0
    assert evaluate.main(["two.csv", "--target", "bought", "--probability", "ours", "--cost", "1,9", *QUIET]) == 0
    told = capsys.readouterr().out
    assert max(map(len, told.splitlines())) <= 80 and "R squared" in told and "least cost" in told
    assert evaluate.main([*words, *QUIET, "--json", "--run-dir", "r"]) == 0
    with open("r/evaluation.json") as file:
        assert json.load(file) == json.loads(capsys.readouterr().out)


def test_a_plan_tells_the_passes_and_the_memory(numbers, capsys):
    assert evaluate.main(["numbers.csv", "--target", "y", "--by", "shop", "--plan", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["passes"] == [1, 1] and plan["memory_a_task"] > 90 << 20
    words = ["numbers.csv", "--task", "clustering", "--prediction", "shop", "--features", "y,other", "--plan", "--json"]
    assert evaluate.main(words) == 0
    assert json.loads(capsys.readouterr().out)["passes"] == [2, 2]


def test_a_run_is_resumed_without_another_pass(numbers):
    words = ["numbers.csv", "--target", "y", *QUIET]
    assert evaluate.main([*words, "--run-dir", "r"]) == 0
    with open("r/evaluation.json") as file:
        before = file.read()
    assert evaluate.main(["--resume", "r", *QUIET]) == 0
    with open("r/evaluation.json") as file:
        assert file.read() == before
    assert len(read_passes("r")) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "pictures", "sentence"),
    [
        (["numbers.csv", "--target", "y", "--by", "shop", "--weight", "w"], ["errors", "segments"], "How far off"),
        (
            ["numbers.csv", "--target", "y", "--prediction", "prediction,other"],
            ["model-1-errors", "model-2-errors"], "Models",
        ),
        (
            ["two.csv", "--target", "bought", "--probability", "ours", "--cost", "1,9"],
            ["curves", "calibration", "confusion", "gains", "costs"], "A row costs least",
        ),
        (["classes.csv", "--target", "colour"], ["curves", "calibration", "confusion"], "told apart"),
        (
            ["classes.csv", "--task", "clustering", "--prediction", "class", "--target", "colour", "--features",
             "probability red"],
            ["contingency"], "adjusted Rand index",
        ),
    ],
)  # fmt: skip
def test_the_report_has_findings_pictures_and_tables(numbers, two, classes, words, pictures, sentence):
    assert evaluate.main([*words, "--quiet", "--run-dir", "r"]) == 0
    with open("r/report.html") as file:
        whole = file.read()
    page = re.sub(r'src="[^"]*"|value="[^"]*" title="[^"]*"', "", whole)
    assert sentence in page and "Run it again" in page and "NaN" not in page and "nan" not in page
    for name in pictures:
        assert os.path.exists(f"r/{name}.png"), name
    assert page.count("<img") == len(pictures)
    with open("r/run.log") as log:
        assert "Traceback" not in log.read()


@pytest.mark.slow
def test_without_input_there_is_something_to_see(capsys):
    assert evaluate.main(["--quiet", "--by", "region"]) == 0
    assert "west" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("seed", range(4))
def test_no_table_of_scores_brings_it_down(seed, capsys):
    """Few rows, one class, missing cells, weights of zero, names that a terminal or a page might take for more."""
    rng = np.random.default_rng(seed)
    names = np.array(["a", "b c", "[x]", "10", "<é>"])

    def holes(values):
        share = rng.choice([0.0, 0.2])
        return [None if rng.random() < share else value for value in values.tolist()]

    for _ in range(12):
        n, C = int(rng.choice([1, 2, 7, 40])), int(rng.integers(1, 6))
        k, p = rng.integers(0, C, n), rng.dirichlet(np.full(C, 0.05), n)
        y = 10.0 ** rng.integers(-8, 8) * rng.normal(size=n) * rng.choice([0, 1])
        kinds = {
            "regression": ({"y": holes(y), "prediction": holes(y + rng.normal(size=n) * rng.choice([0, 1e6]))}, []),
            "classification": (
                {"y": holes(names[k]), **{f"probability {name}": holes(p[:, j]) for j, name in enumerate(names[:C])}},
                [],
            ),
            "clustering": (
                {"y": holes(names[k]), "cluster": holes(rng.integers(0, 3, n)), "f": holes(rng.normal(size=n))},
                ["--features", "f"],
            ),
        }  # fmt: skip
        columns, words = kinds[rng.choice(list(kinds))]
        columns["w"], columns["by"] = holes(rng.integers(0, 3, n)), holes(names[rng.integers(0, 3, n)])
        words = [*words, *rng.choice([["--weight", "w"], ["--by", "by"]])]
        words += [str(rng.choice(["--report", "--no-report"])), f"--replicates={rng.choice([0, 1, 7])}"]
        write("scores.csv", **columns)
        status = evaluate.main(["scores.csv", "--target", "y", "--quiet", *words])
        told = capsys.readouterr()
        assert "unforeseen" not in told.err and "could not be made" not in told.err, (words, columns, told.err)
        assert status == 0 or told.err.count("\n") == 1
        assert max(map(len, told.out.splitlines()), default=0) <= 80
