"""drivers/describe.py as a user runs it: tables of every sort, files that merge, and what it says of what it finds."""

from __future__ import annotations

import csv
import datetime
import json
import re

import numpy as np
import pytest
from scipy import stats

from data_gen.gen_tables import generate
from drivers import describe
from drivers.describing.profile_file import TableProfile
from drivers.describing.remarks import strongest_pairs
from jobs.kernels.distinct_sketch import RELATIVE_ERROR
from tests.conftest import Driver


@pytest.fixture
def run_describe():
    return Driver("describe")


def profile(*arguments, **keywords):
    return describe.profile_of(list(map(str, arguments)), report=False, **keywords)


def column(told, name):
    return next(entry for entry in told["columns"] if entry["name"] == name)


def remarks(told, topic):
    return [remark["text"] for remark in told["remarks"] if remark["topic"] == topic]


def write(path, header, rows):
    with open(path, "w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f)
        writer.writerow(header)
        writer.writerows(rows)
    return path


# Columns of every type


@pytest.fixture
def mixed(tmp_path):
    rng = np.random.default_rng(0)
    n = 3000
    x = rng.gamma(2.0, size=n).round(3)
    k = rng.integers(-2, 4, n)
    rows = [
        [
            repr(float(x[i])) if i % 7 else "NA", int(k[i]), ["red", "green", "blue, dark"][int(rng.integers(3))],
            "true" if i % 3 else "false", (datetime.date(2020, 1, 1) + datetime.timedelta(i % 400)).isoformat(),
            2**60 + i, "", 5, repr(float(x[i] * 2)),
        ]
        for i in range(n)
    ]  # fmt: skip
    header = ["x", "k", "colour", "member", "day", "id", "nothing", "same", "twice"]
    return write(tmp_path / "mixed.csv", header, rows), x, k


def test_each_column_has_its_type(mixed):
    told = profile(mixed[0])
    types = {entry["name"]: entry["type"] for entry in told["columns"]}
    assert types == {
        "x": "number", "k": "whole number", "colour": "text", "member": "true or false", "day": "date",
        "id": "whole number", "nothing": "empty", "same": "whole number", "twice": "number",
    }  # fmt: skip


def test_numbers_are_those_of_numpy_and_scipy(mixed):
    path, x, k = mixed
    told = profile(path)
    x = x[np.arange(len(x)) % 7 != 0]
    entry = column(told, "x")
    assert entry["missing"] == 3000 - len(x)
    assert entry["mean"] == pytest.approx(x.mean(), rel=1e-13)
    assert entry["sd"] == pytest.approx(x.std(ddof=1), rel=1e-13)
    assert entry["skew"] == pytest.approx(stats.skew(x), rel=1e-12)
    assert entry["kurtosis"] == pytest.approx(stats.kurtosis(x), rel=1e-12)
    quantiles = entry["quantiles"]
    np.testing.assert_array_equal(quantiles["values"], np.quantile(x, quantiles["probabilities"], method="inverted_cdf"))
    assert quantiles["rank_error"] == 0
    assert entry["distinct"] == {"value": len(np.unique(x)), "relative_error": 0.0}
    entry = column(told, "k")
    assert (entry["zeros"], entry["negatives"]) == (np.sum(k == 0), np.sum(k < 0))
    numbers, counts = np.unique(k, return_counts=True)
    assert [(top["value"], top["rows"]) for top in entry["top"]] == sorted(
        zip(numbers.tolist(), counts.tolist()), key=lambda pair: -pair[1]
    )


def test_histograms_hold_every_cell(mixed):
    told = profile(mixed[0])
    for name, values in (("x", mixed[1][np.arange(3000) % 7 != 0]), ("k", mixed[2])):
        histogram = column(told, name)["histogram"]
        inside = (values >= histogram["edges"][0]) & (values <= histogram["edges"][-1])
        assert sum(histogram["rows"]) == inside.sum()
        assert histogram["outside"] == len(values) - inside.sum()
    np.testing.assert_array_equal(column(told, "k")["histogram"]["rows"], np.unique(mixed[2], return_counts=True)[1])


def test_dates_identities_and_texts_are_told_as_written(mixed):
    told = profile(mixed[0])
    day = column(told, "day")
    assert (day["min"], day["max"], day["distinct"]["value"]) == ("2020-01-01", "2021-02-03", 400)
    assert day["quantiles"]["values"][0] == "2020-01-01"
    identity = column(told, "id")
    assert (identity["min"], identity["max"]) == (2**60, 2**60 + 2999)
    assert identity["distinct"] == {"value": 3000, "relative_error": 0.0}
    assert {top["value"] for top in column(told, "colour")["top"]} == {"red", "green", "blue, dark"}
    assert [top["value"] for top in column(told, "member")["top"]] == [True, False]


def test_what_is_remarkable_is_told_in_sentences(mixed):
    told = profile(mixed[0])
    assert remarks(told, "Constant") == ["same has the value 5 in every row"]
    assert remarks(told, "Empty") == ["nothing has no value in any row"]
    assert "id has 3,000 different values in 3,000 rows" in remarks(told, "Identity")[0]
    assert "k has 6 different whole numbers, perhaps categories: --text k" in remarks(told, "Perhaps categories")[0]
    assert "x and twice (1.000)" in remarks(told, "Correlated")[0]


def test_correlations_are_of_the_rows_that_have_both(mixed):
    path, x, k = mixed
    correlations = profile(path, only=["x", "k", "day"])["correlations"]
    assert correlations["names"] == ["x", "k", "day"] and correlations["rows"] == "pairwise complete"
    have = np.arange(3000) % 7 != 0
    for i, j, expected in (
        (0, 1, np.corrcoef(x[have], k[have])[0, 1]),
        (0, 2, np.corrcoef(x[have], np.arange(3000)[have] % 400)[0, 1]),
        (1, 2, np.corrcoef(k, np.arange(3000) % 400)[0, 1]),
    ):
        assert correlations["matrix"][i][j] == pytest.approx(expected, abs=1e-12)
    assert profile(path, correlations=False)["correlations"] is None


@pytest.mark.parametrize(
    ("cells", "topic", "words"),
    [
        ([1] * 97 + [2] * 3, "One value dominates", "x has the value 1 in 97 % of its cells"),
        ([""] * 60 + list(range(40)), "Mostly missing", "x is missing in 60 % of the rows"),
        ([float(v) ** 9 + 0.5 for v in range(100)], "Heavy tail", None),
        ([*np.random.default_rng(0).standard_cauchy(500).tolist()], "Heavy tail", "x has a heavy tail"),
        ([f"user {i}" for i in range(50)], "Identity", "x has 50 different values in 50 rows"),
        ([1000 + 37 * (i * i % 97) + i for i in range(50)], "Identity", None),
    ],
)
def test_a_warning_is_given_where_there_is_reason(tmp_path, cells, topic, words):
    write(tmp_path / "t.csv", ["x", "y"], [[cell, i % 2] for i, cell in enumerate(cells)])
    found = remarks(profile(tmp_path / "t.csv"), topic)
    assert (words is None and not found) or (words is not None and found[0].startswith(words))


# Many rows, many columns, bad rows


def test_beyond_what_is_counted_errors_are_stated_and_true(tmp_path):
    rng = np.random.default_rng(1)
    n = 60_000
    x = np.where(rng.random(n) < 0.3, 7.0, rng.normal(size=n))
    names = np.where(rng.random(n) < 0.2, "often", np.char.add("t", np.arange(n).astype(str)))
    write(tmp_path / "t.csv", ["x", "t"], zip(map(repr, x.tolist()), names.tolist()))
    told = profile(tmp_path / "t.csv")
    entry = column(told, "x")
    assert entry["distinct"]["relative_error"] == RELATIVE_ERROR
    assert abs(entry["distinct"]["value"] / len(np.unique(x)) - 1) < 4 * RELATIVE_ERROR
    error = entry["quantiles"]["rank_error"]
    assert 0 < error < 0.001
    ordered = np.sort(x)
    for p, value in zip(entry["quantiles"]["probabilities"], entry["quantiles"]["values"]):
        low, high = (np.searchsorted(ordered, value, side=side) / n for side in ("left", "right"))
        assert low - error <= p <= high + error
    top = entry["top"][0]
    assert top["value"] == 7.0 and top["rows"] <= np.sum(x == 7.0) <= top["at_most"]
    texts = column(told, "t")
    assert texts["distinct"] == {"value": len(set(names)), "relative_error": 0.0}
    assert texts["top"][0]["value"] == "often"
    assert texts["top"][0]["rows"] <= np.sum(names == "often") <= texts["top"][0]["at_most"]


def test_three_hundred_columns(tmp_path, run_describe):
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(300, 300)).round(3)
    rows[:, 7] = 1
    write(tmp_path / "wide.csv", [f"column {j}" for j in range(300)], rows.tolist())
    done = run_describe("wide.csv", "--run-dir", "run")
    assert done.returncode == 0, done.stderr
    assert "300 rows of 300 columns" in done.stdout and "and 260 more columns" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("<figure>") == 14 and "column 299" in page
    told = json.loads((tmp_path / "run" / "model.json").read_text())
    a, b, r = strongest_pairs(told["correlations"], 1)[0]
    matrix = np.corrcoef(np.delete(rows, 7, axis=1).T)
    assert abs(r) == pytest.approx(np.abs(matrix - np.eye(299)).max(), abs=1e-12)
    i, j = (int(name.split()[1]) for name in (a, b))
    assert r == pytest.approx(np.corrcoef(rows[:, i], rows[:, j])[0, 1], abs=1e-12)


def test_a_messy_file_is_described_and_every_row_accounted_for(tmp_path, run_describe):
    lines = ["\ufeffage,city,income,when"]
    for i in range(200):
        city = '"Bad, Homburg"' if i % 5 == 0 else '"two\nlines"' if i % 5 == 1 else "Ulm"
        age = "?" if i % 20 == 3 else "abc" if i % 50 == 7 else str(20 + i % 50)
        income = "NA" if i % 9 == 0 else f"{1000 + i * 3.5}"
        lines.append(f"{age},{city},{income},2024-0{1 + i % 9}-1{i % 10}")
    (tmp_path / "messy.csv").write_bytes("\r\n".join(lines).encode() + b"\r\n")
    done = run_describe("messy.csv", "--missing-tokens", ",NA,?", "--run-dir", "run", "--no-report")
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "run" / "model.json").read_text())
    assert told["rows"] == 196 and told["rows_rejected"] == 4
    training = told["training"]
    assert training["rows_in"] == 200 == training["rows_used"] + training["rows_rejected"]
    assert column(told, "age")["missing"] == 10
    cities = {top["value"]: top["rows"] for top in column(told, "city")["top"]}
    assert set(cities) == {"Bad, Homburg", "two\nlines", "Ulm"} and sum(cities.values()) == 196
    (bad,) = remarks(told, "Bad rows")
    assert bad.startswith("4 rows of 200 (2 %) cannot be read by the column age, whose cells are 'abc'")
    assert (tmp_path / "run" / "rejects.csv").read_text().count("abc") == 4
    assert "cannot be read by the column age" in " ".join(done.stdout.split())


def test_an_infinite_cell_is_a_bad_one_and_told_by_its_column(tmp_path):
    write(tmp_path / "t.csv", ["x", "y"], [[i if i != 4 else "-inf", i] for i in range(30)])
    told = profile(tmp_path / "t.csv")
    assert (told["rows"], told["rows_rejected"]) == (29, 1)
    assert "1 row of 30 (3.33 %) cannot be read by the column x, whose cells are '-inf'" in remarks(told, "Bad rows")[0]


def test_numbers_at_the_ends_of_the_doubles_are_described(tmp_path):
    rng = np.random.default_rng(4)
    rows = [
        [repr(float(sign * 1.7e308)), repr(5e-324 * k), repr(1e13 + u)]
        for sign, k, u in zip(rng.choice([-1, 1], 400), rng.integers(0, 9, 400).tolist(), rng.random(400).tolist())
    ]
    write(tmp_path / "t.csv", ["large", "small", "far"], rows)
    told = profile(tmp_path / "t.csv")
    large, small, far = (np.array([float(row[j]) for row in rows]) for j in range(3))
    entry = column(told, "large")
    assert (entry["min"], entry["max"], entry["distinct"]["value"]) == (-1.7e308, 1.7e308, 2)
    assert entry["mean"] == pytest.approx((large / 400).sum())
    assert entry["sd"] == pytest.approx((large / 1e308).std(ddof=1) * 1e308)
    assert entry["kurtosis"] == pytest.approx(stats.kurtosis(large / 1e308), rel=1e-10)
    assert column(told, "small")["max"] == small.max() and column(told, "small")["zeros"] == np.sum(small == 0)
    assert column(told, "far")["skew"] == pytest.approx(stats.skew(far - 1e13), rel=1e-10)


def test_houses_as_they_were_made(tmp_path):
    truth = generate(tmp_path / "houses.csv", "houses", 2000)
    told = profile(tmp_path / "houses.csv", text=["postcode"])
    assert {entry["name"]: entry["missing"] for entry in told["columns"]} == truth["missing"]


# Files


def test_profiles_merge_to_that_of_all_rows(tmp_path, run_describe):
    rng = np.random.default_rng(3)
    rows = [
        [repr(v), k, f"text {t}"]
        for v, k, t in zip(rng.normal(size=900).tolist(), rng.integers(0, 5, 900).tolist(), rng.integers(0, 40, 900))
    ]
    for name, part in (("a", rows[:200]), ("b", rows[200:]), ("all", rows)):
        write(tmp_path / f"{name}.csv", ["x", "k", "t"], part)
        done = run_describe(f"{name}.csv", "-o", f"{name}.json", "--no-report", "-q")
        assert done.returncode == 0, done.stderr
    done = run_describe("--merge", "a.json", "b.json", "-o", "c.json")
    assert done.returncode == 0, done.stderr
    assert "900 rows of 3 columns" in done.stdout
    merged, whole = (TableProfile.read(str(tmp_path / name)) for name in ("c.json", "all.json"))
    a, b = (json.loads((tmp_path / name).read_text()) for name in ("c.json", "all.json"))
    for mine, its in zip(a["columns"], b["columns"]):
        for name in ("type", "rows", "missing", "distinct", "min", "max", "quantiles", "zeros", "negatives", "top"):
            assert mine[name] == its[name], name
        for name in ("mean", "sd", "skew", "kurtosis") if mine["type"] != "text" else ():
            assert mine[name] == pytest.approx(its[name], rel=1e-11)
    np.testing.assert_array_equal(merged.statistics.registers, whole.statistics.registers)
    np.testing.assert_array_equal(merged.statistics.counts, whole.statistics.counts)
    np.testing.assert_allclose(a["correlations"]["matrix"], b["correlations"]["matrix"], atol=1e-12)
    assert merged.texts == whole.texts


def test_texts_of_files_that_know_other_texts_merge(tmp_path, run_describe):
    for name, texts in (("a", ["x", "y", "y"]), ("b", ["z", "y", "w"])):
        write(tmp_path / f"{name}.csv", ["t", "n"], [[text, 1] for text in texts])
        run_describe(f"{name}.csv", "-o", f"{name}.json", "--no-report", "-q")
    done = run_describe("--merge", "a.json", "b.json", "--json")
    told = json.loads(done.stdout)
    assert [(top["value"], top["rows"]) for top in column(told, "t")["top"]] == [("y", 3), ("w", 1), ("x", 1), ("z", 1)]


def test_a_column_that_is_blank_in_one_file_is_what_it_is_in_the_other(tmp_path, run_describe):
    full = [[i, f"t{i % 3}", 2.0 * i + i % 2, f"2024-01-{1 + i % 28:02d}"] for i in range(30)]
    blank = [[i, "", "", ""] for i in range(30, 40)]
    for name, rows in (("a", full), ("b", blank), ("all", full + blank)):
        write(tmp_path / f"{name}.csv", ["n", "t", "x", "day"], rows)
        run_describe(f"{name}.csv", "-o", f"{name}.json", "--no-report", "-q")
    for order in (("a", "b"), ("b", "a")):
        done = run_describe("--merge", *(f"{name}.json" for name in order), "-o", "c.json", "-q")
        assert done.returncode == 0, done.stderr
        merged, whole = (json.loads((tmp_path / name).read_text()) for name in ("c.json", "all.json"))
        for mine, its in zip(merged["columns"], whole["columns"]):
            for name in ("name", "type", "rows", "missing", "distinct", "min", "max", "top"):
                assert mine[name] == its[name], name
        np.testing.assert_allclose(merged["correlations"]["matrix"], whole["correlations"]["matrix"], atol=1e-12)


def test_the_run_directory_has_the_profile_and_json_is_the_same(tmp_path, mixed, run_describe):
    done = run_describe("mixed.csv", "--json", "-q", "--run-dir", "run", "--no-report")
    told = json.loads(done.stdout)
    saved = json.loads((tmp_path / "run" / "profile.json").read_text())
    assert saved["format"] == "scanlearn-profile" and saved["version"] == 1
    assert {k: v for k, v in saved.items() if k not in ("record", "warnings")} == told
    assert TableProfile.from_line(saved["record"]).columns == [entry["name"] for entry in told["columns"]]
    assert "NaN" not in done.stdout


def test_a_run_goes_on_from_its_checkpoint(tmp_path, mixed, run_describe):
    run_describe("mixed.csv", "-q", "--run-dir", "run")
    before = (tmp_path / "run" / "profile.json").read_bytes()
    done = run_describe("--resume", "run", "-q")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "profile.json").read_bytes() == before
    assert len((tmp_path / "run" / "passes.jsonl").read_text().splitlines()) == 1


def test_without_input_it_describes_rows_of_its_own(run_describe):
    done = run_describe("--no-report")
    assert done.returncode == 0, done.stderr
    assert "200,000 rows of 3 columns" in done.stdout


def test_a_plan_says_what_it_takes(mixed, run_describe):
    done = run_describe("mixed.csv", "--plan", "--json")
    told = json.loads(done.stdout)
    assert told["passes"] == [1, 1] and told["phases"][0]["name"] == "profile"
    assert run_describe("mixed.csv", "--dry-run").returncode == 0


def test_the_report_begins_with_what_is_remarkable(tmp_path, mixed, run_describe):
    done = run_describe("mixed.csv", "--run-dir", "run", "-q")
    assert done.returncode == 0 and "could not be made" not in done.stderr, done.stderr
    page = (tmp_path / "run" / "report.html").read_text()
    headings = re.findall("<h2>([^<]*)</h2>", page)
    assert [h for h in headings if h != "Take note"][:3] == ["Findings", "Histograms", "Numbers"]
    assert "same has the value 5 in every row." in page
    assert {"histograms-1.png", "correlations.png"} <= {path.name for path in (tmp_path / "run").iterdir()}


def test_text_alone_and_one_row_are_described(tmp_path, run_describe):
    write(tmp_path / "t.csv", ["name"], [["a"], ["b"], ["a"]])
    write(tmp_path / "one.csv", ["x", "name"], [[1.5, "a"]])
    for name in ("t.csv", "one.csv"):
        done = run_describe(name, "--header", "yes")
        assert done.returncode == 0 and "could not be made" not in done.stderr, done.stderr
    told = profile(tmp_path / "one.csv", header="yes")
    entry = column(told, "x")
    assert (entry["mean"], entry["sd"], entry["skew"], entry["histogram"]) == (1.5, None, None, None)


@pytest.mark.parametrize("runner", ["local"])
def test_the_same_profile_on_another_runner(tmp_path, mixed, run_describe, runner):
    for name in ("inline", runner):
        done = run_describe("mixed.csv", "-r", name, "-q", "--no-report", "--run-dir", name)
        assert done.returncode == 0, done.stderr
    records = [json.loads((tmp_path / name / "profile.json").read_text())["record"] for name in ("inline", runner)]
    assert records[0] == records[1]


# Mistakes


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["mixed.csv", "--only", "x,y"], 1, "there is no column 'y'"),
        (["mixed.csv", "--missing", "drop"], 2, "missing cells are counted here"),
        (["mixed.csv", "-o", "no/such/p.json"], 1, "there is no directory no/such"),
        (["--merge"], 2, "--merge needs the files of profiles"),
        (["--merge", "mixed.csv"], 1, "mixed.csv is not a profile: it is not JSON"),
        (["--merge", "other.json"], 1, "other.json is not a scanlearn-profile file"),
        (["--merge", "new.json"], 1, "new.json has the version 2; this program reads version 1"),
        (["--merge", "bare.json"], 1, "bare.json holds no statistics"),
        (["--merge", "cut.json"], 1, "cut.json is damaged"),
        (["--merge", "none.json"], 1, "the profile none.json cannot be read: No such file"),
        (["--merge", "a.json", "-r", "local"], 2, "--runner is of data"),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path, mixed, run_describe, arguments, status, message):
    form = {"format": "scanlearn-profile", "version": 1}
    (tmp_path / "other.json").write_text('{"format": "other"}')
    (tmp_path / "new.json").write_text(json.dumps({**form, "version": 2}))
    (tmp_path / "bare.json").write_text(json.dumps(form))
    (tmp_path / "cut.json").write_text(json.dumps({**form, "record": "scanlearn1 00000000 {} "}))
    done = run_describe(*arguments)
    assert (done.returncode, done.stdout) == (status, ""), done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_profiles_of_other_columns_do_not_merge(tmp_path, run_describe):
    for name, header, row in (("a", ["x", "y"], [1, 2]), ("b", ["x", "z"], [1, 2]), ("c", ["x", "y"], [1, "text"])):
        write(tmp_path / f"{name}.csv", header, [row] * 3)
        run_describe(f"{name}.csv", "-o", f"{name}.json", "--no-report", "-q")
    for name, message in (("b", "only one has y, z"), ("c", "the column 'y' is number in one and text in the other")):
        done = run_describe("--merge", "a.json", f"{name}.json")
        assert done.returncode == 1
        assert f"cannot merge {name}.json: " in done.stderr and message in done.stderr
