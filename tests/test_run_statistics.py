"""`--save-statistics`, `drivers/merge.py` and `--from-statistics` as a user runs them, against fits of the joined rows."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from drivers import merge, run_wols, score
from drivers.linear.statistics_file import LinearStatistics
from jobs.errors import ScanError
from tests.conftest import Driver, read_model, read_passes
from tests.test_run_linear import check_alike, make_table, write

FEATURES = ["a", "b", "c", "d", "s"]
SAVED = "--features a,b,c,d,s --weight w --folds 4 --fold-by shop --holdout 0.25"


def days(*sizes):
    """Tables of one law; a text stands in the first alone, another in the last."""
    tables = []
    for day, n in enumerate(sizes):
        table = make_table(n, seed=10 + day)
        table["s"] = np.where(table["s"] == "none", ["never", "none", "always"][day % 3], table["s"])
        table["c"] = table["c"] + 5 * day
        tables.append(table)
    return tables


def joined(*tables):
    return {name: np.concatenate([table[name] for table in tables]) for name in tables[0]}


def fitted(words, run_dir):
    assert run_wols.main([*shlex.split(words), "--no-report", "--quiet", "--run-dir", run_dir]) == 0
    return read_model(run_dir)


def save(name, table, options=SAVED):
    write(table, f"{name}.csv")
    return fitted(f"{name}.csv --target y {options} --save-statistics {name}.stats", f"run-{name}")


def from_file(name, options="", run_dir=None):
    run_dir = run_dir or f"from-{name}"
    shutil.rmtree(run_dir, ignore_errors=True)
    model = fitted(f"--from-statistics {name}.stats {options}", run_dir)
    assert model["training"]["n_passes"] == 0 and not os.path.exists(f"{run_dir}/passes.jsonl")
    return model


def merged(words, status=0):
    assert merge.main(shlex.split(words)) == status


def check_same_fit(found, expected, rtol=1e-9):
    """All that a fit from statistics says, as one of the rows says it."""
    for name in ("features", "target", "weight"):
        assert found[name] == expected[name]
    for name in ("parameters", "validation", "penalty", "path", "selection"):
        assert (name in found) == (name in expected)
        if name in found:
            told = {k: v for k, v in found[name].items() if k not in ("kkt_residual", "n_rows")}
            check_alike(told, {k: expected[name][k] for k in told}, name, rtol)
    inference, others = dict(found["inference"]), dict(expected["inference"])
    for one in (inference, others):
        del one["prediction"]  # about other centres
    check_alike(inference, others, "inference", rtol)


@pytest.fixture
def week():
    """Three days saved, and all their rows in week.csv."""
    tables = dict(zip(("monday", "tuesday", "friday"), days(150, 40, 200)))
    for name, table in tables.items():
        save(name, table)
    write(joined(*tables.values()), "week.csv")
    return tables


FITS = {
    "least squares": "",
    "ridge": "--penalty ridge --alphas 0.1,1,10,100",
    "lasso": "--penalty lasso --choose 1se",
    "elastic net": "--penalty elastic-net --alphas 0.01,0.1 --l1-ratio 0.2,0.9 --standardize",
    "one penalty": "--penalty ridge --alphas 3",
    "positive": "--positive",
    "best": "--select best",
    "by cv": "--select stepwise --criterion cv",
    "confidence": "--confidence 0.8",
}


def test_added_up_in_any_order_they_are_the_table_of_all_rows(week):
    for i, order in enumerate(itertools.permutations(week)):
        merged(f"{' '.join(f'{name}.stats' for name in order)} -o {i}.stats --quiet")
    for j, options in enumerate(FITS.values()):
        expected = fitted(f"week.csv --target y {SAVED} {options}", f"rows-{j}")
        assert len(read_passes(f"rows-{j}")) == 1
        for i in range(6) if j < 2 else [3]:
            check_same_fit(from_file(i, options), expected)


COLUMNS = [
    "--target a --features b,c,s --weight w",
    "--target c --features s --weight w",
    "--target b --features d,a --weight w",
    "--target d --features y,a,b,c --weight w --penalty lasso",
]


@pytest.mark.parametrize("columns", COLUMNS)
def test_any_column_is_explained_by_any_others(week, columns):
    merged("monday.stats tuesday.stats friday.stats -o week.stats -q")
    rows = "--folds 4 --fold-by shop --holdout 0.25"
    expected = fitted(f"week.csv {columns} {rows}", "rows")
    check_same_fit(from_file("week", columns.replace("--weight w", "")), expected)


def test_all_columns_but_those_excluded_are_the_features(week):
    model = from_file("monday", "--exclude b,d")
    assert model["features"] == ["a", "c", "s=low", "s=middle", "s=never"] and model["target"] == "y"
    model = from_file("monday", "--target a --exclude b,d,s")
    assert model["features"] == ["c", "y"] and model["target"] == "a"


def test_what_was_added_can_be_taken_away(week):
    merged("monday.stats tuesday.stats -o both.stats -q")
    merged("both.stats -tuesday.stats -o rest.stats -q")
    merged("-tuesday.stats both.stats -o again.stats -q")
    for options in ["", "--penalty ridge --alphas 0.1,1,10,100", "--select best"]:
        expected = fitted(f"monday.csv --target y {SAVED} {options}", f"rows-{len(options)}")
        for name in ("rest", "again"):
            found = from_file(name, options)
            # Who was heaviest is not known.
            share = expected["inference"]["largest_weight_share"]
            assert found["inference"]["largest_weight_share"] in ("NaN", pytest.approx(share))
            found["inference"]["largest_weight_share"] = share
            check_same_fit(found, expected)


def test_the_file_may_be_read_and_written_at_once(week):
    merged("monday.stats tuesday.stats -o monday.stats -q")
    merged("monday.stats -tuesday.stats friday.stats -o monday.stats -q")
    assert LinearStatistics.read("monday.stats").n_rows == sum(np.count_nonzero(week[d]["w"]) for d in ("monday", "friday"))


def test_one_file_is_a_copy(week):
    merged("monday.stats -o copy.stats -q")
    check_same_fit(from_file("copy"), from_file("monday"), rtol=0)


def test_a_column_may_have_one_value_in_each_file():
    """And be refused where the rows are fitted for themselves."""
    monday, tuesday = make_table(60, 1), make_table(70, 2)
    monday["s"][:], tuesday["s"][:] = "x", "y"
    monday["d"][:], tuesday["d"][:] = 1.0, 3.0
    monday["y"] = monday["y"] + 3
    options = "--features a,s --weight w"
    save("monday", monday, options)
    save("tuesday", tuesday, options)
    merged("monday.stats tuesday.stats -o both.stats -q")
    write(joined(monday, tuesday), "both.csv")
    check_same_fit(from_file("both"), fitted(f"both.csv --target y {options}", "rows"))
    assert run_wols.main(shlex.split(f"monday.csv --target y {options}")) == 1
    options = "--features a,d --weight w"
    model = save("sunday", monday, options)
    assert model["inference"]["dependent_features"] == ["d"]


def test_counts_of_rows_stay_counts():
    options = "--features a,c --weight times --weight-type frequency"
    tables = days(100, 120)
    save("one", tables[0], options)
    save("two", tables[1], options)
    merged("one.stats two.stats -o both.stats -q")
    write(joined(*tables), "both.csv")
    for more in ("", "--select best", "--penalty ridge --alphas 2"):
        check_same_fit(from_file("both", more), fitted(f"both.csv --target y {options} {more}", f"rows-{len(more)}"))


# -- names of files -------------------------------------------------------------------------------------------------------


def test_a_minus_takes_away_a_file_of_any_name(week, capsys):
    merged("monday.stats tuesday.stats -o both.stats -q")
    expected = LinearStatistics.read("monday.stats").n_rows
    for name, word in {
        "o": "-./o", "q": "-./q", "1": "-1", "2024-01.stats": "-2024-01.stats", "old.stats": "-old.stats",
        "quit": "-quit", "help": "-help", "a b.stats": "'-a b.stats'", "folder/h": "-folder/h",
    }.items():  # fmt: skip
        Path(name).parent.mkdir(exist_ok=True)
        shutil.copy("tuesday.stats", name)
        merged(f"both.stats {word} -o rest.stats -q")
        assert LinearStatistics.read("rest.stats").n_rows == expected, name
        os.remove("rest.stats")
    shutil.copy("tuesday.stats", "-odd")
    merged("-o both.stats -q -- monday.stats -odd")
    assert LinearStatistics.read("both.stats").n_rows > expected
    assert capsys.readouterr().err == ""


def test_what_it_holds_is_printed(week, capsys):
    merged("monday.stats tuesday.stats -o both.stats")
    out = capsys.readouterr().out
    rows = sum(np.count_nonzero(week[day]["w"]) for day in ("monday", "tuesday"))
    assert f"{rows} of positive weight" in out and "4 folds" in out and "about 16" in out
    assert max(map(len, out.splitlines())) <= 80
    merged("both.stats -tuesday.stats -o rest.stats -q")
    assert capsys.readouterr().out == ""


def test_folds_by_where_rows_stood_are_joined_by_a_subtraction_and_one_is_told(capsys):
    tables = days(100, 40)
    options = "--features a,c --weight w --folds 3"
    save("one", tables[0], options)
    save("two", tables[1], options)
    merged("one.stats two.stats -o both.stats -q")
    assert LinearStatistics.read("both.stats").folds.n_folds == 3
    merged("both.stats -two.stats -o rest.stats -q")
    told = " ".join(capsys.readouterr().out.split())
    assert "the result has none; folds by --id or --fold-by are kept" in told
    assert LinearStatistics.read("rest.stats").folds.n_folds == 1
    check_alike(from_file("rest")["parameters"], read_model("run-one")["parameters"])


# -- refused --------------------------------------------------------------------------------------------------------------

REFUSED = [
    ("--weight w", "--from-statistics has no rows for --weight;"),
    ("--folds 5", "--from-statistics has no rows for --folds;"),
    ("--fold-by shop", "--from-statistics has no rows for --fold-by;"),
    ("--id id", "--from-statistics has no rows for --id;"),
    ("--holdout 0.2", "--from-statistics has no rows for --holdout;"),
    ("--cluster who", "--from-statistics has no rows for --cluster;"),
    ("--diagnostics", "--from-statistics has no rows for --diagnostics;"),
    ("--covariance HC3", "--from-statistics has no rows for --covariance HC3;"),
    ("--refine", "--from-statistics has no rows for --refine;"),
    ("--weight-type frequency", "--from-statistics has no rows for --weight-type;"),
    ("--save-statistics other.stats", "--from-statistics has no rows for --save-statistics;"),
    ("--missing drop", "--from-statistics has no rows for --missing;"),
    ("--columns y,x", "--from-statistics has no rows for --columns;"),
    ("--seed 3", "--from-statistics has no rows for --seed;"),
    ("--plan", "--from-statistics has no rows for --plan;"),
    ("--dry-run", "--from-statistics has no rows for --dry-run;"),
    ("-r local", "--from-statistics has no rows for --runner;"),
    ("one.csv", "--from-statistics takes the place of the data"),
    ("--solver gd", "--from-statistics belongs to --solver exact"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[options for options, _ in REFUSED])
def test_what_needs_rows_is_refused(capsys, options, message):
    save("one", make_table(50), "--features a,c --weight w")
    before = set(Path().rglob("*"))
    capsys.readouterr()
    assert run_wols.main(shlex.split(f"--from-statistics one.stats {options}")) == 2
    told = capsys.readouterr()
    assert message in told.err and told.err.count("error:") == 1 and told.out == ""
    assert set(Path().rglob("*")) == before


def test_every_kind_of_damage_is_one_message(capsys):
    save("one", make_table(50), "--features a,c --weight w")
    whole = Path("one.stats").read_bytes()
    rng = np.random.default_rng(0)
    damaged = [whole[: len(whole) // 2], b"", b"\n", whole[:-20], whole + whole, b"\x00" * 99, b"\xff" + whole]
    places = rng.integers(0, len(whole) - 1, 30)
    damaged += [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in places]
    for data in damaged:
        Path("bad.stats").write_bytes(data)
        for program, words in ((run_wols, ["--from-statistics", "bad.stats"]), (merge, ["bad.stats", "-o", "x"])):
            assert program.main(words) == 1
            told = capsys.readouterr()
            assert "bad.stats is not a statistics file" in told.err and told.err.count("\n") == 1
    assert not os.path.exists("x") and not os.path.exists("runs")


# -- afterwards -----------------------------------------------------------------------------------------------------------


def test_there_is_a_report_and_predictions_and_a_run_to_resume(week, capsys):
    merged("monday.stats tuesday.stats friday.stats -o week.stats -q")
    arguments = "--from-statistics week.stats --features a,s,c --penalty lasso --run-dir r"
    assert run_wols.main(shlex.split(arguments)) == 0
    told = capsys.readouterr()
    assert "report could not be made" not in told.err and os.path.getsize("r/report.html") > 10_000
    assert max(map(len, told.out.splitlines())) <= 80 and "Weighted lasso" in told.out
    model = read_model("r")
    assert score.main(["r/model.json", "week.csv", "-o", "p.csv"]) == 0
    rows = joined(*week.values())
    expected = model["parameters"]["intercept"] + sum(
        b * (rows["s"] == name[2:] if name.startswith("s=") else rows[name])
        for name, b in zip(model["features"], model["parameters"]["coefficients"])
    )
    np.testing.assert_allclose(np.loadtxt("p.csv", skiprows=1, delimiter=",", ndmin=2)[:, -1], expected, rtol=1e-12)
    assert run_wols.main(["--resume", "r", "--no-report"]) == 0
    assert read_model("r") == model


def test_from_python(week):
    merged("monday.stats tuesday.stats -o both.stats -q")
    model, run = run_wols.fit(from_statistics="both.stats", features=["a", "s"], penalty="ridge", alphas=[0.1, 1, 10])
    assert run is None
    expected = from_file("both", "--features a,s --penalty ridge --alphas 0.1,1,10")
    del expected["warnings"]
    assert model == expected
    with pytest.raises(ScanError, match="has no column 'zzz'; it has 'a', 'b', 'c', 'd', 's', 'y'"):
        run_wols.fit(from_statistics="both.stats", features=["zzz"])
    saved, _ = run_wols.fit("monday.csv", target="y", features=["a"], report=False, save_statistics="again.stats")
    assert from_file("again")["parameters"] == saved["parameters"]


def test_the_commands_of_the_page(week):
    """The page of docs/linear.md, as it stands there but for the columns."""
    page = (Path(__file__).parent.parent / "docs" / "linear.md").read_text()
    lines = re.findall(r"^    python drivers/(\w+)\.py (.*)$", page, re.MULTILINE)
    assert [name for name, _ in lines].count("merge") == 2
    for name in ("monday", "tuesday"):
        table = week[name]
        write({"x1": table["a"], "x2": table["c"], "y": table["y"]}, f"{name}.csv")
    for name, words in lines:
        if "stats" in words:
            done = Driver(name)(*shlex.split(words))
            assert done.returncode == 0, done.stderr
    assert LinearStatistics.read("rest.stats").n_rows == 40
