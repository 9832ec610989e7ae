"""Columns of text, dates and exact ids from file to model: features by treatment coding, targets by their levels."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import statsmodels.api as sm

from drivers.run_wols import fit
from jobs.blocks import Block
from jobs.design import MISSING_CODE, Design
from jobs.errors import BadRow
from jobs.keys import id_keys
from tests.conftest import ROOT, read_model, read_passes

CITIES = np.array(["Berlin", "Aachen", "Zwolle", "Metz, F", 'The "Hague"'])


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(3)
    n = 400
    city, x = rng.integers(0, 5, n), rng.normal(size=n)
    yes = rng.random(n) < 0.4
    y = np.array([1.0, -2.0, 0.5, 4.0, 0.0])[city] + 2 * x - yes + rng.normal(size=n)
    quoted = ['"' + text.replace('"', '""') + '"' for text in CITIES]
    rows = [
        f"{quoted[c]},{a!r},{'yes' if b else 'no'},{t!r},2024-{i % 12 + 1:02d}-01,{2**60 + i}"
        for i, (c, a, b, t) in enumerate(zip(city, x.tolist(), yes, y.tolist()))
    ]
    (tmp_path / "t.csv").write_text("\n".join(["city,x,answer,y,day,id", *rows]) + "\n")
    return city, x, yes, y


def test_a_feature_of_text_has_a_coefficient_for_each_text_but_the_first(table, run_wols):
    city, x, yes, y = table
    done = run_wols("t.csv", "--target", "y", "--features", "city,x,answer", "--run-dir", "r")
    assert done.returncode == 0, done.stderr
    order = np.argsort(CITIES)
    X = np.column_stack([*(city == k for k in order[1:]), x, yes]).astype(float)
    peer = sm.OLS(y, sm.add_constant(X)).fit()
    model = read_model("r")
    assert model["features"] == [*(f"city={text}" for text in sorted(CITIES)[1:]), "x", "answer=yes"]
    found = [model["parameters"]["intercept"], *model["parameters"]["coefficients"]]
    np.testing.assert_allclose(found, peer.params, rtol=1e-10)
    np.testing.assert_allclose(model["inference"]["coefficients"][0]["standard_errors"], peer.bse, rtol=1e-10)
    assert model["design"]["categories"]["answer"] == ["no", "yes"]
    assert max(map(len, done.stdout.splitlines())) <= 80
    for name in ('city=The "Hague"', "city=Metz, F", "answer=yes"):
        assert name in done.stdout


def test_the_bits_do_not_depend_on_the_runner(table, run_wols):
    for runner in (["inline"], ["local", "--num-cores", "3"]):
        done = run_wols(
            "t.csv", "--target", "y", "--features", "city,x", "--no-report", "--run-dir", runner[0], "-r", *runner
        )
        assert done.returncode == 0, done.stderr
    assert read_passes("inline")[0]["statistics_md5"] == read_passes("local")[0]["statistics_md5"]


def test_by_default_only_numbers_are_features(table, run_wols):
    done = run_wols("t.csv", "--target", "y", "--no-report", "--run-dir", "r")
    assert done.returncode == 0, done.stderr
    assert read_model("r")["features"] == ["x"]
    told = " ".join(done.stdout.split())
    assert "answer (text), city (text), day (date), id (whole numbers beyond 2^53)" in told
    done = run_wols("t.csv", "--target", "y", "--exclude", "answer,city,id,day", "--no-report", "--run-dir", "s")
    assert "not among the features" not in done.stdout


def test_a_date_is_a_number_of_days(table, run_wols):
    *_, y = table
    done = run_wols("t.csv", "--target", "y", "--features", "day", "--no-report", "--run-dir", "r")
    assert done.returncode == 0, done.stderr
    days = np.array(
        [np.datetime64(f"2024-{i % 12 + 1:02d}-01").astype("datetime64[D]").astype(float) for i in range(len(y))]
    )
    peer = sm.OLS(y, np.column_stack([np.ones(len(y)), days - 19800])).fit()
    np.testing.assert_allclose(read_model("r")["parameters"]["coefficients"], peer.params[1:], rtol=1e-9)


def test_a_target_of_text_is_fitted_by_its_levels(table, run_wols):
    _, x, yes, _ = table
    done = run_wols("t.csv", "--target", "answer", "--features", "x", "--run-dir", "r")
    assert done.returncode == 0, done.stderr
    peer = sm.OLS(yes.astype(float), sm.add_constant(x)).fit()
    np.testing.assert_allclose(read_model("r")["parameters"]["coefficients"], peer.params[1:], rtol=1e-10)
    assert "no = 0, yes = 1" in done.stdout
    done = run_wols("t.csv", "--target", "city", "--features", "x", "--no-report", "--run-dir", "s")
    assert done.returncode == 0 and "Aachen = 0, Berlin = 1" in done.stdout


def test_predictions_know_the_texts_of_the_training(table, tmp_path, run_wols, score):
    assert run_wols("t.csv", "--target", "y", "--features", "city,x", "--no-report", "--run-dir", "r").returncode == 0
    (tmp_path / "new.csv").write_text(
        'x,city,id\n1,Zwolle,9007199254740993\n1,Aachen,2\n1,Paris,3\n,Berlin,4\n1,"Metz, F",5\n'
    )
    done = score("r/model.json", "new.csv", "-o", "p.csv", "--keep", "id,city")
    assert done.returncode == 0, done.stderr
    assert "2 of them empty for a missing cell or an unknown text" in done.stderr
    model = read_model("r")
    slope = dict(zip(model["features"], model["parameters"]["coefficients"]))
    expected = [
        model["parameters"]["intercept"] + slope["x"] + slope.get(name, 0) for name in ("city=Zwolle", "", "city=Metz, F")
    ]
    lines = (tmp_path / "p.csv").read_text().splitlines()
    assert lines[0] == "id,city,prediction" and lines[1].startswith("9007199254740993,Zwolle,")
    found = [float(lines[i].rsplit(",", 1)[1]) for i in (1, 2, 5)]
    np.testing.assert_allclose(found, expected, rtol=1e-14)
    assert lines[3] == "3,Paris," and lines[4] == "4,Berlin,"


def test_a_sample_gives_the_cells_as_they_were(table, tmp_path, run_sample):
    done = run_sample("t.csv", "--rows", 400, "-o", "s.csv")
    assert done.returncode == 0, done.stderr
    import csv

    with open("t.csv", newline="") as a, open("s.csv", newline="") as b:
        before, after = list(csv.reader(a)), list(csv.reader(b))
    assert before[0] == after[0] and len(before) == len(after)
    for row, again in zip(before[1:], after[1:]):
        assert [row[j] for j in (0, 2, 4, 5)] == [again[j] for j in (0, 2, 4, 5)]
        assert [float(row[j]) for j in (1, 3)] == [float(again[j]) for j in (1, 3)]


def test_the_same_text_ids_are_drawn_from_any_file(table, tmp_path, run_sample):
    lines = (tmp_path / "t.csv").read_text().splitlines()
    named = [lines[0] + ",name", *(f"{line},customer {i}" for i, line in enumerate(lines[1:]))]
    drawn = []
    for order in (named[1:], named[:0:-1]):
        (tmp_path / "n.csv").write_text("\n".join([named[0], *order]))
        assert run_sample("n.csv", "--rows", 20, "-o", "s.csv", "--id", "name").returncode == 0
        drawn.append(sorted(line.split(",")[-1] for line in (tmp_path / "s.csv").read_text().splitlines()[1:]))
    assert drawn[0] == drawn[1] and len(drawn[0]) == 20


def test_standard_input_and_its_resume(table, tmp_path):
    program = [sys.executable, str(ROOT / "drivers" / "run_wols.py")]
    data = (tmp_path / "t.csv").read_bytes()
    arguments = ["-", "--target", "y", "--features", "city,x", "--no-report", "--cache-dir", "c"]
    done = subprocess.run([*program, *arguments, "--run-dir", "r"], input=data, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "c" / "stdin").iterdir())
    whole = [*program, "t.csv", *arguments[1:], "--run-dir", "s"]
    assert subprocess.run(whole, capture_output=True).returncode == 0
    assert read_passes("r")[0]["statistics_md5"] == read_passes("s")[0]["statistics_md5"]
    resumed = subprocess.run([*program, "--resume", "r"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr
    assert "found packed" in resumed.stderr
    bad = subprocess.run(
        [*program, *arguments], input=data + b"a,oops,no,1,2024-01-01,1\n", capture_output=True, text=False
    )
    assert bad.returncode == 1 and b"standard input, line 402, column 'x': 'oops' is not a number" in bad.stderr
    assert not list((tmp_path / "c" / "stdin").iterdir())
    empty = subprocess.run([*program, *arguments], input=b"", capture_output=True)
    assert empty.returncode == 1 and b"standard input is empty" in empty.stderr


def test_from_python(table):
    model, _ = fit("t.csv", target="y", features=["answer", "x"], report=False)
    assert model["features"] == ["answer=yes", "x"]
    json.dumps(model)


def block(codes, x):
    return Block(0, 0, len(x), {"c": np.array(codes, np.int32), "x": np.array(x, float)})


CODED = {"categories": {"c": ["a", "b", "z"]}, "levels": {"c": np.array([2, 0, 1])}}


def test_the_design_of_a_text():
    rows = Design(["c", "x"], **CODED).apply(block([0, 1, 2, 1], [5, 6, 7, 8]))
    np.testing.assert_array_equal(rows.X, [[0, 1, 5], [0, 0, 6], [1, 0, 7], [0, 0, 8]])
    assert Design(["c", "x"], **CODED).feature_names == ["c=b", "c=z", "x"]
    np.testing.assert_array_equal(Design(["x"], "c", **CODED).apply(block([0, 1, 2], [1, 2, 3])).y, [2, 0, 1])


def test_the_design_of_missing_texts():
    some = block([0, MISSING_CODE, 1], [1, 2, 3])
    with pytest.raises(BadRow, match="column 'c' has a missing cell in row 2"):
        Design(["c"], **CODED).apply(some)
    rows = Design(["c"], missing="drop", **CODED).apply(some)
    assert rows.positions.tolist() == [0, 2] and rows.counts.missing == 1
    np.testing.assert_array_equal(Design(["c"], missing="keep", **CODED).apply(some).X, [[0, 1], [np.nan, np.nan], [0, 0]])


def test_the_keys_of_text_ids_are_those_of_their_hashes():
    hashes = np.array([11, -22, 33])
    rows = Design(["x"], id="c", levels={"c": hashes}).apply(block([2, 0, 1, 2], [1, 2, 3, 4]))
    np.testing.assert_array_equal(rows.keys, id_keys(hashes[[2, 0, 1, 2]]))
