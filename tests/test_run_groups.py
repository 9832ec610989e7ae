"""`drivers/run_wols.py --group-by` as a user runs it: the table of groups, the model, messages, resuming, predictions."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm
from pyarrow import csv as pacsv

from drivers import run_wols, score
from drivers.grouped.table import GroupTable
from drivers.model import load_model, to_sklearn
from drivers.run_wols import fit
from drivers.runners.runner import SPLIT_BYTES, Runner, Setting
from drivers.runners.switches import Switches
from jobs.errors import ScanError
from tests.conftest import read_model, read_passes

WORDS = ("t.csv", "--target", "y", "--features", "x1,x2", "--weight", "w", "--no-report", "--quiet")
NAMES = ["Ava", "Bo, the 2nd", 'C "3"', "été", "7", "Zed"]


@pytest.fixture
def table(tmp_path):
    """Rows of six groups, named by a text, a number, a whole number beyond 2^53 and a date; the last has three rows."""
    rng = np.random.default_rng(8)
    n = 600
    group = np.r_[np.full(3, 5), rng.integers(0, 5, n - 3)]
    rng.shuffle(group)
    x1, x2 = rng.normal(size=(2, n))
    y = group + x1 * (group - 2) + 0.5 * x2 + rng.normal(size=n)
    columns = {
        "y": y,
        "x1": x1,
        "x2": x2,
        "w": rng.gamma(2.0, size=n),
        "name": [NAMES[g] for g in group],
        "number": group / 4 - 0.5,
        "code": group + 2**60,
        "day": [f"2024-02-{27 + g:02d}" if g < 3 else f"2024-03-{g - 2:02d}" for g in group],
    }
    pacsv.write_csv(pa.table(columns), "t.csv")
    return {name: np.array(values) for name, values in columns.items()}


def run(*arguments):
    return run_wols.main([*WORDS, *map(str, arguments)])


def read_groups(run_dir):
    with open(Path(run_dir, "groups.csv"), newline="") as file:
        return list(csv.DictReader(file))


def expected_fit(table, some):
    X = sm.add_constant(np.column_stack([table["x1"], table["x2"]])[some])
    return sm.WLS(table["y"][some], X, weights=table["w"][some]).fit()


@pytest.mark.parametrize("column", ["name", "number", "code", "day"])
def test_the_table_has_the_fit_of_statsmodels_for_each_group_as_it_was_written(table, column, capsys):
    assert run("--group-by", column, "--run-dir", "r") == 0
    found = read_groups("r")
    with open("t.csv", newline="") as file:
        written = np.array([row[column] for row in csv.DictReader(file)])
    assert [row[column] for row in found] == sorted(set(written), key={"number": float, "code": int}.get(column, str))
    for row in found:
        some = written == row[column]
        assert int(row["n_rows"]) == some.sum()
        assert float(row["weight_sum"]) == pytest.approx(table["w"][some].sum(), rel=1e-12)
        if some.sum() == 3:
            assert row["status"] == "too few rows" and row["coefficient x1"] == row["r_squared"] == ""
            continue
        expected = expected_fit(table, some)
        assert row["status"] == "fitted"
        for j, name in enumerate(("intercept", "x1", "x2")):
            assert float(row[f"coefficient {name}"]) == pytest.approx(expected.params[j], rel=1e-8)
            assert float(row[f"standard_error {name}"]) == pytest.approx(expected.bse[j], rel=1e-8)
            assert float(row[f"p_value {name}"]) == pytest.approx(expected.pvalues[j], rel=1e-7, abs=1e-300)
        assert float(row["r_squared"]) == pytest.approx(expected.rsquared, rel=1e-8)
        assert float(row["sigma"]) ** 2 == pytest.approx(expected.scale, rel=1e-8)
    told = capsys.readouterr().out
    assert max(len(line) for line in told.splitlines()) <= 80
    assert f"least squares of y in 6 groups by {column}, 5 of them fitted" in told
    assert "! groups that are not fitted: 1 of 6 (too few rows 1)" in told


def change_cells(*changes):
    """Writes other cells into the table: line from 0, column, cell."""
    with open("t.csv", newline="") as file:
        lines = list(csv.reader(file))
    for line, column, cell in changes:
        lines[line][lines[0].index(column)] = cell
    with open("t.csv", "w", newline="") as file:
        csv.writer(file).writerows(lines)


def test_the_model_sums_the_groups_up(table):
    assert run("--group-by", "name", "--run-dir", "r") == 0
    model = read_model("r")
    assert (model["kind"], model["features"], model["design"]["group"]) == ("wols-groups", ["x1", "x2"], "name")
    inference, training = model["inference"], model["training"]
    assert (inference["n_groups"], inference["n_fitted"], inference["min_rows"]) == (6, 5, 4)
    assert inference["statuses"]["too few rows"] == 1 and sum(inference["statuses"].values()) == 6
    slopes = [float(row["coefficient x1"]) for row in read_groups("r") if row["status"] == "fitted"]
    np.testing.assert_allclose(
        [row[1] for row in inference["coefficients"]], np.quantile(slopes, inference["probabilities"])
    )
    assert training["n_rows"] == training["rows_used"] == 600 and training["n_passes"] == 1
    (entry,) = read_passes("r")
    assert (entry["job"], entry["phase"], entry["rows_in"], entry["rows_used"]) == ("MRWOLSGroups", "groups", 600, 600)
    with pytest.raises(ScanError, match="no one estimator"):
        to_sklearn(load_model("r/model.json"))


def test_every_row_is_accounted_for(table, capsys):
    change_cells((5, "name", ""), (9, "name", ""), (20, "w", "0"))
    assert run("--group-by", "name", "--run-dir", "refused") == 1
    assert "t.csv, line 6, column 'name': the cell is missing (the first of 2 such rows)" in capsys.readouterr().err
    change_cells((12, "x1", ""))
    assert run("--group-by", "name", "--missing", "drop", "--run-dir", "r") == 0
    (entry,) = read_passes("r")
    assert [entry[f"rows_{what}"] for what in ("in", "used", "rejected", "missing")] == [600, 597, 0, 3]
    assert sum(int(row["n_rows"]) for row in read_groups("r")) == 596
    assert "rows of weight 0, which are as if they were not there: 1" in read_model("r")["warnings"]


def test_the_groups_to_fit_are_those_of_so_many_rows(table):
    assert run("--group-by", "name", "--min-rows", 3, "--run-dir", "low") == 0
    found = {row["name"]: row for row in read_groups("low")}
    assert found["Zed"]["status"] == "fitted" and found["Zed"]["standard_error x1"] == ""
    most = sorted(int(row["n_rows"]) for row in read_groups("low"))
    assert run("--group-by", "name", "--min-rows", most[-1], "--run-dir", "high") == 0
    assert [row["status"] for row in read_groups("high")].count("fitted") == most.count(most[-1])


def test_counts_of_rows(table):
    times = np.random.default_rng(1).integers(1, 4, 600)
    columns = {**{name: table[name] for name in ("y", "x1", "x2", "name")}, "w": times}
    pacsv.write_csv(pa.table(columns), "t.csv")
    again = {name: np.repeat(values, times) for name, values in columns.items()}
    assert run("--group-by", "name", "--weight-type", "frequency", "--run-dir", "counted") == 0
    pacsv.write_csv(pa.table({**again, "w": np.ones(times.sum())}), "t.csv")
    assert run("--group-by", "name", "--run-dir", "written") == 0
    for a, b in zip(read_groups("counted"), read_groups("written")):
        for name in ("standard_error x1", "p_value x1", "sigma"):
            if a["name"] != "Zed":
                assert float(a[name]) == pytest.approx(float(b[name]), rel=1e-8)


MESSAGES = [
    (["--group-by", "name", "--folds", "3"], 2, "--folds is of one model, and --group-by fits many"),
    (["--group-by", "name", "--penalty", "lasso"], 2, "--penalty is of one model"),
    (["--group-by", "name", "--solver", "gd"], 2, "--group-by belongs to --solver exact"),
    (["--group-by", "name", "--diagnostics"], 2, "--diagnostics is of one model"),
    (["--group-by", "name", "--save-statistics", "s"], 2, "--save-statistics is of one model"),
    (["--min-rows", "3"], 2, "--min-rows is of models by group; name the column of the groups with --group-by"),
    (["--group-by", "nme"], 1, "no column 'nme'; did you mean 'name'?"),
    (["--group-by", "x1"], 1, "the column 'x1' of the groups has another role"),
    (["--group-by", "w"], 1, "the column 'w' of the groups has another role"),
    (["--group-by", "name", "--min-rows", "601"], 1, "none of 6 groups by 'name' can be fitted: too few rows 6"),
    (["--group-by", "name", "--weight-type", "frequency"], 1, "is no count of rows"),
]


@pytest.mark.parametrize(("words", "status", "message"), MESSAGES, ids=lambda value: str(value)[:40])
def test_what_makes_no_sense_is_one_sentence(table, words, status, message, capsys):
    assert run(*words, "--run-dir", "r") == status
    told = capsys.readouterr().err.strip()
    assert message in told and len(told.splitlines()) == 1


def test_more_texts_than_a_dictionary_holds_name_no_groups(table, monkeypatch, capsys):
    monkeypatch.setattr("drivers.packing.pack.MOST_TEXTS", 3)
    assert run("--group-by", "name", "--run-dir", "r") == 1
    assert "the column 'name' has more than 3 different texts" in capsys.readouterr().err
    # As a mere identity it is packed as hashes, by which no group can be named.
    assert run("--group-by", "name", "--id", "name", "--run-dir", "r") == 1
    told = "the column 'name' has too many different texts to name groups by; name another column with --group-by"
    assert told in capsys.readouterr().err


def test_a_fit_that_leaves_nothing_is_told_as_such(tmp_path):
    x = np.arange(40.0)
    pacsv.write_csv(pa.table({"y": 3 - 2 * x, "x": x, "g": np.repeat([1, 2], 20)}), "t.csv")
    words = ("t.csv", "--target", "y", "--features", "x", "--no-report", "--quiet", "--group-by", "g", "--run-dir", "r")
    assert run_wols.main([*words]) == 0
    for row in read_groups("r"):
        assert float(row["coefficient x"]) == pytest.approx(-2, rel=1e-14)
        assert float(row["r_squared"]) == pytest.approx(1, abs=1e-14) and float(row["sigma"]) < 1e-6


def test_the_column_of_the_groups_is_no_feature_by_itself(table):
    words = ("t.csv", "--target", "y", "--weight", "w", "--exclude", "code", "--no-report", "--quiet")
    assert run_wols.main([*words, "--group-by", "number", "--run-dir", "r"]) == 0
    assert read_model("r")["features"] == ["x1", "x2"]


def test_the_same_bits_on_local_cores_and_a_run_that_is_resumed_makes_no_pass(table, capsys):
    for name, switches in {"inline": [], "local": ["-r", "local", "--num-cores", "2"]}.items():
        assert run("--group-by", "name", "--run-dir", name, *switches) == 0
    assert Path("inline/groups.csv").read_bytes() == Path("local/groups.csv").read_bytes()
    assert read_passes("inline")[0]["statistics_md5"] == read_passes("local")[0]["statistics_md5"]
    before = Path("inline/groups.csv").read_bytes()
    Path("inline/groups.csv").unlink()
    assert run_wols.main(["--resume", "inline"]) == 0
    assert Path("inline/groups.csv").read_bytes() == before and len(read_passes("inline")) == 1


def test_inline_is_one_task_and_a_cluster_has_no_more_reducers_than_map_tasks(table):
    assert run("--group-by", "name", "--run-dir", "r") == 0
    assert read_passes("r")[0]["n_tasks"] == 1

    def reducers(at_most, *switches):
        user = Switches("hadoop", ["--no-conf", *switches])
        return Runner(Setting(user, None, None, None)).reducers(at_most, n_bytes=5 * SPLIT_BYTES)

    assert reducers(3) == ["-D", "mapreduce.job.reduces=3"]
    assert reducers(1000) == ["-D", "mapreduce.job.reduces=7"]  # base64 is a third longer
    assert reducers(1000, "-Dmapreduce.job.maps=2") == ["-D", "mapreduce.job.reduces=2"]
    assert reducers(1) == reducers(1000, "-Dmapreduce.job.reduces=5") == []


def test_the_plan_tells_one_pass(table, capsys):
    assert run("--group-by", "name", "--plan", "--json") == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["passes"] == [1, 1] and [phase["name"] for phase in plan["phases"]] == ["groups"]
    assert run("--group-by", "name", "--dry-run", "--json") == 0


def test_from_python(table):
    model, made = fit("t.csv", target="y", features=["x1"], group_by="name", min_rows=10, report=False, run_dir="r")
    assert made.n_passes == 1 and model["inference"]["n_fitted"] == 5
    groups = GroupTable.read("r", model)
    assert groups.coefficients.shape == (6, 2) and groups.groups.to_pylist() == sorted(NAMES)


@pytest.mark.parametrize("column", ["name", "number", "code", "day"])
def test_predictions_by_the_model_of_each_rows_group(table, column, capsys):
    assert run("--group-by", column, "--run-dir", "r") == 0
    assert score.main(["r/model.json", "t.csv", "-o", "p.csv", "--keep", "name"]) == 0
    assert "3 of them empty for a missing cell or an unknown text, or a group without a model" in capsys.readouterr().err
    with open("p.csv", newline="") as file:
        found = list(csv.DictReader(file))
    assert [row["name"] for row in found] == table["name"].tolist()
    for value in set(table["name"]) - {"Zed"}:
        some = table["name"] == value
        predictions = [float(row["prediction"]) for row, is_in in zip(found, some) if is_in]
        np.testing.assert_allclose(predictions, expected_fit(table, some).fittedvalues, rtol=1e-8)
    assert all(row["prediction"] == "" for row in found if row["name"] == "Zed")


def test_predictions_for_a_group_that_is_unknown_are_empty(table):
    assert run("--group-by", "number", "--run-dir", "r") == 0
    Path("new.csv").write_text("number,x1,x2\n0.25,1,1\n77,1,1\n,1,1\n0.25,,1\n")
    assert score.main(["r/model.json", "new.csv", "-o", "p.csv"]) == 0
    assert [line == "nan" for line in Path("p.csv").read_text().splitlines()[1:]] == [False, True, True, True]


def test_predictions_that_cannot_be_made_are_one_sentence(table, capsys):
    assert run("--group-by", "name", "--run-dir", "r") == 0
    for words, sentence in (
        (["t.csv", "--intervals"], "--intervals is of one model; groups.csv has the standard errors of each group"),
        (["new.csv"], "no column 'name'"),
    ):
        Path("new.csv").write_text("x1,x2\n1,1\n")
        assert score.main(["r/model.json", *words, "-o", "p.csv"]) == 1
        assert sentence in capsys.readouterr().err
    Path("r/groups.csv").unlink()
    assert score.main(["r/model.json", "t.csv", "-o", "p.csv"]) == 1
    assert "groups.csv, the table of the groups, cannot be read" in capsys.readouterr().err


def test_the_report_shows_the_groups_at_the_ends_and_the_pictures(table):
    words = [word for word in WORDS if word != "--no-report"]
    assert run_wols.main([*words, "--group-by", "name", "--run-dir", "r"]) == 0
    page = Path("r/report.html").read_text()
    for name in ("coefficients-by-group.png", "r-squared-by-group.png"):
        assert Path("r", name).read_bytes().startswith(b"\x89PNG")
    assert page.count("<img") == 2
    assert "Bo, the 2nd" in page and "C &quot;3&quot;" in page and "5 of 6 groups were fitted" in page
    assert "1 for too few rows; a group needs 4 rows" in page
