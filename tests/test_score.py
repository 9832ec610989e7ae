"""`drivers/score.py`: the model applied to rows, a line a row, in order, the same bytes on every runner, and for a row by
itself."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import csv as pacsv
from pyarrow import parquet

from drivers import evaluate, run_logistic
from drivers import score as drivers_score
from drivers.model import load_model, to_sklearn
from drivers.scoring import written
from jobs import csv_lines, keys
from jobs.csv_lines import CsvColumn
from jobs.design import MISSING_INTEGER
from jobs.kernels.scorers import (
    ClusterScorer,
    GroupScorer,
    IntervalScorer,
    MixtureScorer,
    PredictorScorer,
    Scorer,
)
from tests.conftest import make_table, read_passes, write_csv
from tests.registry import make_rows

COLUMNS = ("mean_se", "mean_ci_lower", "mean_ci_upper", "obs_ci_lower", "obs_ci_upper")
MODEL = {
    "format": "scanlearn-model", "version": 1, "kind": "wols", "features": ["x1", "x2"],
    "parameters": {"coefficients": [2.0, -1.0], "intercept": 0.5},
}  # fmt: skip


@pytest.fixture
def table(tmp_path):
    (tmp_path / "model.json").write_text(json.dumps(MODEL))
    matrix, names = make_table(500)
    write_csv(tmp_path / "t.csv", matrix, names)
    return matrix


def test_predictions_in_order_with_columns_kept(table, score):
    done = score("model.json", "t.csv", "-o", "p.csv", "--keep", "y")
    assert done.returncode == 0, done.stderr
    found = np.genfromtxt("p.csv", delimiter=",", names=True)
    expected = to_sklearn(load_model("model.json")).predict(np.asarray(table[:, 1:3]))
    np.testing.assert_allclose(found["prediction"], expected, rtol=1e-14)
    np.testing.assert_array_equal(found["y"], table[:, 0])


@given(
    st.lists(
        st.one_of(
            st.floats(), st.integers(-(2**60), 2**60).map(float), st.integers(-(10**9), 10**9).map(lambda n: n / 1000),
            st.floats(-12, 20).map(lambda exponent: 10.0**exponent),
        )
    )
)  # fmt: skip
def test_arrow_writes_doubles_as_python_does(values):
    columns = [CsvColumn(np.array(values, dtype=float))]
    assert written.table_lines(columns) == csv_lines.csv_lines(columns)
    assert written.table_lines(columns * 2, ";") == csv_lines.csv_lines(columns * 2, ";")


def test_doubles_where_the_ways_of_writing_them_part():
    ends = [1e-7, 1e-6, 1e-5, 1e-4, 1e9, 1e10, 1e11, 1e15, 1e16, 1e17, 2.0**53, 5e-324, 0.0]
    near = [np.nextafter(end, towards) for end in ends for towards in (0.0, end, np.inf)]
    values = np.array([*near, *np.negative(near), np.nan, np.inf, -np.inf])
    expected = ["" if value != value else repr(value).removesuffix(".0") for value in values.tolist()]
    columns = [CsvColumn(values), CsvColumn(np.arange(len(values)), csv_lines.WHOLE)]
    found = written.table_lines(columns)
    assert found == csv_lines.csv_lines(columns)
    assert found.decode().splitlines() == [f"{cell},{i}" for i, cell in enumerate(expected)]


# Arrow and Python write columns of each kind.
KINDS = {
    csv_lines.NUMBER: st.floats(),
    csv_lines.WHOLE: st.one_of(st.just(MISSING_INTEGER), st.integers(-(2**63), 2**63 - 1)),
    csv_lines.TRUTH: st.sampled_from([0.0, 1.0, np.nan]),
    csv_lines.DAY: st.one_of(st.just(np.nan), st.integers(-700_000, 2_000_000).map(float)),
    csv_lines.MOMENT: st.one_of(st.just(np.nan), st.floats(-700_000, 2_000_000)),
    csv_lines.TEXT: st.integers(-1, 4),
}


@given(st.data(), st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4), st.integers(0, 5))
def test_arrow_writes_tables_as_python_does(data, kinds, n_rows):
    texts = ["", "a", 'of "b", c', " d\n", "\u00e9\U0001f600"]
    columns = []
    for kind in kinds:
        values = data.draw(st.lists(KINDS[kind], min_size=n_rows, max_size=n_rows))
        dtype = np.int64 if kind in (csv_lines.WHOLE, csv_lines.TEXT) else float
        columns.append(CsvColumn(np.array(values, dtype), kind, texts if kind == csv_lines.TEXT else None))
    assert written.table_lines(columns) == csv_lines.csv_lines(columns)


def test_rows_that_stream_wait_for_no_module_that_they_do_not_need():
    code = "import sys, drivers.score; print(sorted({'scipy', 'rich', 'matplotlib', 'sklearn'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


def test_a_missing_cell_is_an_empty_prediction_and_a_bad_row_is_set_aside(tmp_path, table, score):
    (tmp_path / "t.csv").write_text("x2,x1\n1,2\n,3\nx,1\n3,4\n")
    assert "line 4, column 'x2': 'x' is not a number" in score("model.json", "t.csv", "-o", "p.csv").stderr
    assert not (tmp_path / "p.csv").exists()
    assert not (tmp_path / "p.csv.partial").exists()
    done = score("model.json", "t.csv", "-o", "p.csv", "--max-bad-rows", 1)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "p.csv").read_text().splitlines() == ["prediction", "3.5", "nan", "5.5"]
    assert (tmp_path / "p.csv.rejects" / "rejects.csv").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 9}, "has the version 9"),
        ({"kind": "oracle"}, "holds a model of the kind 'oracle'"),
        ({"format": "other"}, "is not a scanlearn-model file"),
        ({"features": ["x1", "x22"]}, "no column 'x22'; did you mean 'x2'?"),
    ],
)
def test_models_that_cannot_be_used(tmp_path, table, score, change, message):
    (tmp_path / "model.json").write_text(json.dumps({**MODEL, **change}))
    done = score("model.json", "t.csv", "-o", "p.csv")
    assert done.returncode == 1
    assert message in done.stderr


@pytest.mark.parametrize(("options", "kind"), [((), "nonrobust"), (("--covariance", "HC3"), "HC3")])
def test_intervals_are_those_of_statsmodels(table, score, run_wols, options, kind):
    run_wols("t.csv", "--target", "y", "--features", "x1,x2", "--weight", "w", "--no-report", "--run-dir", "r", *options)
    done = score("r/model.json", "t.csv", "--intervals", "--confidence", "0.9", "-o", "p.csv")
    assert done.returncode == 0, done.stderr
    found = np.genfromtxt("p.csv", delimiter=",", names=True)
    matrix = np.asarray(table)
    peer = sm.WLS(matrix[:, 0], sm.add_constant(matrix[:, 1:3]), weights=matrix[:, -1]).fit(cov_type=kind)
    expected = peer.get_prediction(sm.add_constant(matrix[:, 1:3])).summary_frame(alpha=0.1)
    np.testing.assert_allclose(found["prediction"], expected["mean"], rtol=1e-9)
    for name in COLUMNS:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-8)


def test_a_model_without_standard_errors_has_no_intervals(table, score):
    done = score("model.json", "t.csv", "--intervals", "-o", "p.csv")
    assert done.returncode == 1
    assert "the model has no standard errors" in done.stderr


# -- one row, the same bits ------------------------------------------------------------------------------------------------


def a_scorer(kind, p, rng):
    """A scorer of each kind for p features."""
    k = 5
    B, a = rng.normal(size=(k, p)), rng.normal(size=k)
    roots = np.tril(rng.normal(size=(k, p, p)), -1) + np.eye(p) * rng.uniform(0.5, 2, p)
    return {
        "linear": lambda: PredictorScorer("identity", 0.0, [], a[:1], B[:1]),
        "poisson": lambda: PredictorScorer("log", 0.0, [], a[:1], B[:1] / 9),
        "two classes": lambda: PredictorScorer("logit", 0.0, ["no", "yes"], a[:1], B[:1]),
        "five classes": lambda: PredictorScorer("logit", 0.0, list("abcde"), a, B),
        "intervals": lambda: IntervalScorer(
            PredictorScorer("identity", 0.0, [], a[:1], B[:1]), 2.0, 1.9, np.ones(p), rng.normal(size=(p + 1, p + 1))
        ),
        "groups": lambda: GroupScorer("logit", 0.0, ["no", "yes"], np.sort(keys.id_keys(np.arange(5.0))), a, B),
        "k-means": lambda: ClusterScorer("euclidean", B),
        "directions": lambda: ClusterScorer("cosine", B),
        "mixture": lambda: MixtureScorer(np.log(np.full(k, 1 / k)), B, roots),
        "tied": lambda: MixtureScorer(np.log(np.full(k, 1 / k)), B, roots[:1]),
        "diagonals": lambda: MixtureScorer(np.log(np.full(k, 1 / k)), B, np.abs(rng.normal(size=(k, 1, p)))),
        "spheres": lambda: MixtureScorer(np.log(np.full(k, 1 / k)), B, np.ones((k, 1, 1))),
    }[kind]()


SCORERS = (
    "linear", "poisson", "two classes", "five classes", "intervals", "groups", "k-means", "directions", "mixture", "tied",
    "diagonals", "spheres",
)  # fmt: skip


@pytest.mark.parametrize("kind", SCORERS)
@pytest.mark.parametrize("p", [1, 3, 17])
def test_a_row_alone_has_the_bits_that_it_has_among_many(kind, p):
    rng = np.random.default_rng(p)
    scorer = Scorer.from_line(a_scorer(kind, p, rng).to_line())
    X = rng.normal(size=(3001, p)) * 10.0 ** rng.integers(-3, 4, size=p)
    X[7, 0] = np.nan
    rows = make_rows(X, ids=rng.integers(0, 7, 3001))
    whole = scorer.score(rows)
    assert whole[0].missing[7] and whole[0].missing.mean() < 0.5
    for at in ([0], [7], [3000], [5, 2999], list(range(1000, 1013))):
        for output, alone in zip(whole, scorer.score(rows.at(np.array(at)))):
            assert output.name == alone.name and output.values[at].tobytes() == alone.values.tobytes(), output.name
    turned = make_rows(np.asfortranarray(X[::-1]), ids=rows.ids[::-1])
    for output, other in zip(whole, scorer.score(turned)):
        assert output.values[::-1].tobytes() == np.ascontiguousarray(other.values).tobytes(), output.name


def write_mixed(path, n=20_000):
    """Numbers, texts with commas and line ends, whole numbers beyond 2^53, days, moments, and missing cells."""
    rng = np.random.default_rng(1)
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x1", "x2", "name", "code", "day", "moment"])
        for i, (a, b) in enumerate(rng.normal(size=(n, 2)).tolist()):
            name = ["Ann", 'Bo "B"', "Cy, the 3rd", "two\nlines", " Di", ""][i % 6]
            moment = f"2024-03-01 00:00:{i % 60:02d}" + (".5" if i % 2 else "")
            writer.writerow([a, "" if i % 100 == 0 else b, name, 2**60 + i, f"2024-02-{1 + i % 28:02d}", moment])


@pytest.mark.parametrize(
    "switches",
    [
        ["-r", "local", "--num-cores", "1"],
        ["-r", "local", "--num-cores", "3"],
        pytest.param(["-r", "spark"], marks=pytest.mark.slow),
        pytest.param(["-r", "hadoop"], marks=pytest.mark.hadoop),
    ],
    ids=lambda switches: " ".join(switches[1:]),
)
def test_every_runner_writes_the_same_bytes(tmp_path, switches, capsys):
    (tmp_path / "model.json").write_text(json.dumps(MODEL))
    write_mixed("t.csv")
    words = ["model.json", "t.csv", "--keep", "name,code,day,moment,x1", "-o"]
    assert drivers_score.main([*words, "inline.csv"]) == 0
    assert "20,000 rows scored in inline.csv, 200 of them empty for a missing cell" in capsys.readouterr().err
    assert drivers_score.main([*words, "other.csv", "--run-dir", "r", *switches]) == 0
    assert "20,000 rows scored in other.csv, 200 of them empty for a missing cell" in capsys.readouterr().err
    assert Path("inline.csv").read_bytes() == Path("other.csv").read_bytes()
    (entry,) = read_passes("r")
    assert entry["job"] == "MRScore" and entry["rows_in"] == 20_000 and entry["rows_missing"] == 200
    assert entry["statistics_md5"] == hashlib.md5(Path("inline.csv").read_bytes(), usedforsecurity=False).hexdigest()
    with open("inline.csv", newline="") as scores, open("t.csv", newline="") as table:
        for row, written in zip(csv.DictReader(scores), csv.DictReader(table), strict=True):
            assert [row[name] for name in ("name", "code", "day")] == [written[name] for name in ("name", "code", "day")]
            assert row["moment"].removesuffix(".0") == written["moment"]
            expected = "" if written["x2"] == "" else 0.5 + 2 * float(written["x1"]) - float(written["x2"])
            assert row["prediction"] == expected or float(row["prediction"]) == pytest.approx(expected, rel=1e-14)


@pytest.mark.hadoop
def test_a_folder_on_hdfs_has_the_rows_with_their_files_and_numbers(tmp_path, capsys):
    (tmp_path / "model.json").write_text(json.dumps(MODEL))
    for name in "ab":
        write_mixed(f"{name}.csv", 5000)
    url, hadoop = f"hdfs:///tmp/scanlearn-test-scores-{os.getpid()}", f"{os.environ['HADOOP_HOME']}/bin/hadoop"
    words = ["model.json", "a.csv", "b.csv", "--keep", "name,code", "-o"]
    assert drivers_score.main([*words, "inline.csv"]) == 0
    words += [url, "-r", "hadoop", "-D", "mapreduce.job.maps=3", "--run-dir"]
    try:
        assert drivers_score.main([*words, "r"]) == 0
        assert f"10,000 rows scored in {url}, 100 of them empty" in capsys.readouterr().err
        assert drivers_score.main([*words, "again"]) == 1
        assert "remove the directory, or name another" in capsys.readouterr().err
        there = ["fs", "-cat", f"{url}/part-*"]
        done = subprocess.run([hadoop, *there], capture_output=True, text=True)
    finally:
        subprocess.run(
            [f"{os.environ['HADOOP_HOME']}/bin/hadoop", "fs", "-rm", "-r", "-skipTrash", url], capture_output=True
        )
    (entry,) = read_passes("r")
    assert (entry["rows_in"], entry["rows_used"], entry["rows_missing"]) == (10_000, 9900, 100)
    rows = [row for row in csv.reader(io.StringIO(done.stdout, newline="")) if row[0] != "file"]
    rows.sort(key=lambda row: (row[0], int(row[1])))
    assert [(os.path.basename(row[0]), int(row[1])) for row in rows] == [
        (f, i + 1) for f in ("a.csv", "b.csv") for i in range(5000)
    ]
    with open("inline.csv", newline="") as file:
        assert [row[2:] for row in rows] == list(csv.reader(file))[1:]


def test_what_a_runner_cannot_write_is_one_sentence(table, capsys):
    for switches in ([], ["-r", "local"], ["-r", "hadoop"]):
        assert drivers_score.main(["model.json", "t.csv", "-o", "s3://bucket/scores", *switches]) == 2
        told = capsys.readouterr().err
        assert "writes no folder s3://bucket/scores" in told and len(told.splitlines()) == 1


def test_parquet_holds_the_same_numbers(tmp_path, table, score, capsys):
    write_mixed("m.csv", 500)
    assert drivers_score.main(["model.json", "m.csv", "--keep", "name,code", "-o", "p.csv"]) == 0
    assert drivers_score.main(["model.json", "m.csv", "--keep", "name,code", "-o", "p.parquet"]) == 0
    found, written = parquet.read_table("p.parquet"), pacsv.read_csv("p.csv")
    assert found["prediction"].to_pylist() == written["prediction"].to_pylist()
    assert found["code"].to_pylist() == written["code"].to_pylist() == [2**60 + i for i in range(500)]
    assert not list(tmp_path.glob("*.partial"))
    capsys.readouterr()
    assert drivers_score.main(["model.json", "m.csv", "-o", "p.parquet", "-r", "local"]) == 2
    assert "jobs write CSV" in capsys.readouterr().err


def test_the_plan_of_a_job_is_one_pass_and_of_a_stream_none(table, capsys):
    for switches, passes in (([], [0, 0]), (["-r", "local"], [1, 1])):
        assert drivers_score.main(["model.json", "t.csv", "-o", "p.csv", "--plan", "--json", *switches]) == 0
        assert json.loads(capsys.readouterr().out)["passes"] == passes
    assert drivers_score.main(["model.json", "-o", "p.csv"]) == 2
    assert "name the rows to score behind the model" in capsys.readouterr().err


def test_a_run_that_must_name_much_goes_on_by_its_folder_alone(table, capsys):
    arguments = ["model.json", "t.csv", "-o", "p.csv", "-r", "local", "--run-dir", "run"]
    assert drivers_score.main(arguments) == 0
    before = Path("p.csv").read_bytes()
    assert drivers_score.main(["--resume", "run"]) == 0
    assert Path("p.csv").read_bytes() == before
    with pytest.raises(SystemExit) as ended:
        drivers_score.main(["--out", "p.csv"])
    assert ended.value.code == 2 and "required: model" in capsys.readouterr().err


def test_true_and_false_are_kept_as_such_and_judged_whatever_their_case():
    n = 60
    Path("t.csv").write_text(
        "\n".join(["x,ok", *(f"{i},{'True' if (i * 7) % n > i else 'False'}" for i in range(n))]) + "\n"
    )
    arguments = ["t.csv", "--target", "ok", "--run-dir", "run", "--no-report", "-q"]
    assert run_logistic.main(arguments) == 0
    assert drivers_score.main(["run/model.json", "t.csv", "--keep", "ok", "-o", "s.csv"]) == 0
    assert drivers_score.main(["run/model.json", "t.csv", "--keep", "ok", "-o", "job.csv", "-r", "local"]) == 0
    assert drivers_score.main(["run/model.json", "t.csv", "--keep", "ok", "-o", "s.parquet"]) == 0
    rows = list(csv.DictReader(io.StringIO(Path("s.csv").read_text())))
    assert {row["ok"] for row in rows} == {"true", "false"} and {row["class"] for row in rows} == {"True", "False"}
    assert Path("s.csv").read_bytes() == Path("job.csv").read_bytes()
    assert parquet.read_table("s.parquet")["ok"].to_pylist() == [row["ok"] == "true" for row in rows]
    assert evaluate.main(["s.csv", "--target", "ok", "--no-report", "-q", "--run-dir", "e"]) == 0
    measures = json.loads(Path("e/evaluation.json").read_text())["whole"]["models"][0]["measures"]
    assert measures["accuracy"] == np.mean([row["ok"] == row["class"].lower() for row in rows])


def test_a_column_that_is_called_as_a_score_is_not_kept(table, capsys):
    text = Path("t.csv").read_text().replace("y,", "prediction,", 1)
    Path("t.csv").write_text(text)
    for runner in ("inline", "local"):
        assert drivers_score.main(["model.json", "t.csv", "-o", "p.csv", "--keep", "prediction", "-r", runner]) == 1
        assert "--keep prediction: the scores have a column of that name" in capsys.readouterr().err
        assert not Path("p.csv").exists()
