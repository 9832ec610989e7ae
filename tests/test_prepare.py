"""Recipes in runs: from a messy file by prepare.py, a fit and score.py or serve.py, every row accounted for."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers import merge, prepare, run_kmeans, run_logistic, run_wols
from drivers import score as drivers_score
from drivers.preparing.recipe_file import RecipeFile
from drivers.scoring.question import Scoring
from drivers.serving.predictor import Predictor
from jobs.errors import ScanError
from tests.conftest import read_passes

N = 4000


def write_messy(path: Path, n: int = N, columns: int = 300, seed: int = 0) -> list[dict[str, str]]:
    """A file as they come: a byte-order mark, CRLF, quoted commas and newlines, blanks, NA and ?, some thousand texts,
    wrong cells, dates in two formats; gives its rows as texts."""
    rng = np.random.default_rng(seed)
    more = [f"m{j}" for j in range(columns - 8)]
    customers, days = rng.integers(0, 2500, n), rng.integers(0, 900, n)
    effect, numbers = rng.normal(size=2500), np.round(rng.normal(size=(n, len(more))), 4)
    age = np.round(rng.normal(40, 10, n))
    score = numbers[:, 0] - numbers[:, 1] + effect[customers] + (age - 40) / 20 + rng.logistic(size=n)
    rows = []
    for i in range(n):
        day = date(2022, 1, 1) + timedelta(days=int(days[i]))
        blank = rng.choice(["NA", "?", ""])
        row = {
            "id": str(i),
            "customer": f"c{customers[i]}",
            "city": str(rng.choice(["Rome, IT", "Paris", 'the "old" town', ""], p=[0.5, 0.3, 0.1, 0.1])),
            "note": str(rng.choice(["two\nlines", "plain", "x, y"])),
            "age": "forty" if rng.random() < 0.002 else blank if rng.random() < 0.1 else f"{age[i]:.0f}",
            "when": day.isoformat() if rng.random() < 0.5 else day.strftime("%d/%m/%Y"),
            "constant": "1",
            "bought": "yes" if score[i] > 0 else "no",
        }
        rows.append(row | dict(zip(more, map(str, numbers[i].tolist()))))
    with open(path, "w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    return rows


@pytest.mark.slow
def test_a_messy_file_is_served_by_three_commands_each_row_accounted_for(tmp_path):
    rows = write_messy(tmp_path / "messy.csv")
    bad = sum(row["age"] == "forty" for row in rows)
    assert 2 < bad < 30
    formats = "when=iso|%d/%m/%Y"
    options = ["--max-bad-rows", "50", "--no-report"]
    assert prepare.main(["messy.csv", "--target", "bought", "--date-formats", formats, "-o", "r.json", *options]) == 0
    fit = ["messy.csv", "--recipe", "r.json", "--penalty", "ridge", "--alphas", "100", "--run-dir", "run", *options]
    assert run_logistic.main(fit) == 0
    model = json.loads(Path("run/model.json").read_text())
    training = model["training"]
    assert training["rows_in"] == N == training["rows_used"] + training["rows_rejected"] + training["rows_missing"]
    assert training["rows_rejected"] == bad and training["rows_missing"] == 0
    assert not {"id", "constant"} & set(model["design"]["recipe"]["columns"])
    fresh = write_messy(tmp_path / "fresh.csv", 300, seed=1)
    service = Predictor(Scoring.of("run/model.json", None, []))
    assert drivers_score.main(["run/model.json", "fresh.csv", "-o", "s.csv", "--max-bad-rows", "50"]) == 0
    scored = list(csv.reader(io.StringIO(Path("s.csv").read_text())))
    good = [row for row in fresh if row["age"] != "forty"]
    assert len(scored) == len(good) + 1
    texts = {"customer", "city", "note", "when"}
    taken = {column.name for column in service.columns}

    def as_json(row):
        cells = {name: None if cell in ("", "NA", "?") else cell for name, cell in row.items() if name in taken}
        return {name: cell if cell is None or name in texts else float(cell) for name, cell in cells.items()}

    answer = service.answer([as_json(row) for row in good])
    assert [row["probability yes"] for row in answer.scores] == [float(line[-1]) for line in scored[1:]]
    assert answer.rows.missing == 0 and answer.rows.filled == sum(
        row["age"] in ("", "NA", "?") or row["city"] == "" for row in good
    )
    for row, expected in zip(good[:20], answer.scores):
        assert service.answer([as_json(row)]).scores == [expected]
    truth = np.array([row["bought"] == "yes" for row in good])
    assert np.mean([row["class"] == "yes" for row in answer.scores] == truth) > 0.65


# -- the recipe in a run ---------------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(3)
    lines = ["x,z,city,y"]
    for _ in range(2000):
        x, z, city = rng.normal(5, 2), rng.gamma(2.0), rng.integers(0, 40)
        cell = "" if rng.random() < 0.1 else f"{x:.3f}"
        lines.append(f"{cell},{z:.4f},town {city},{x - np.log(z) + city / 10 + rng.normal():.4f}")
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")


QUIET = ["--no-report", "--quiet"]
STEPS = ["--impute", "median", "--indicators", "--transform", "z=log", "--encode", "target", "--scale", "standard"]


def test_a_run_learns_its_recipe_or_takes_that_of_a_file(table):
    fit = ["t.csv", "--target", "y", *QUIET]
    assert run_wols.main([*fit, *STEPS, "--run-dir", "own"]) == 0
    jobs = [entry["job"] for entry in read_passes("own")]
    assert jobs == ["MRProfile", "MRTargetSums", "MRProfile", "MRWOLS"]
    assert prepare.main([*fit, *STEPS, "-o", "r.json", "--run-dir", "p", "--dates", "none"]) == 0
    assert [entry["job"] for entry in read_passes("p")] == ["MRProfile", "MRTargetSums", "MRProfile"]
    assert run_wols.main(["t.csv", "--recipe", "r.json", *QUIET, "--run-dir", "file"]) == 0
    assert [entry["job"] for entry in read_passes("file")] == ["MRTargetSums", "MRWOLS"]
    own, file = (json.loads(Path(name, "model.json").read_text()) for name in ("own", "file"))
    assert own["features"] == file["features"] == ["x", "z", "city target", "x missing"]
    assert own["target"] == file["target"] == "y"
    # The scale of the encodings out of fold is learned of each: a file has none.
    np.testing.assert_allclose(own["parameters"]["coefficients"], file["parameters"]["coefficients"], rtol=1e-9)


@pytest.mark.parametrize(
    "steps",
    [STEPS, ["--encode", "one-hot", "--impute", "mean"], ["--transform", "z=log", "--encode", "ordinal", "--bins", "z=3"]],
    ids=" ".join,
)
def test_the_plan_counts_the_passes_that_learn(table, capsys, steps):
    fit = ["t.csv", "--target", "y", "--missing", "drop", *steps]
    assert run_wols.main([*fit, "--plan", "--json"]) == 0
    phases = {phase["name"]: phase["at_least"] for phase in json.loads(capsys.readouterr().out)["phases"]}
    assert run_wols.main([*fit, *QUIET, "--run-dir", "run"]) == 0
    assert phases["recipe"] == sum(entry["phase"].startswith("recipe") for entry in read_passes("run")) > 0


def test_features_are_chosen_among_those_that_the_recipe_makes(table, capsys):
    assert prepare.main(["t.csv", "--target", "y", *STEPS, "-o", "r.json", *QUIET]) == 0
    run_wols.main(["t.csv", "--recipe", "r.json", "--exclude", "x missing,z", *QUIET, "--run-dir", "some"])
    assert json.loads(Path("some/model.json").read_text())["features"] == ["x", "city target"]
    assert run_wols.main(["t.csv", "--recipe", "r.json", "--features", "town", *QUIET]) == 1
    assert "the recipe makes no feature 'town'; it makes x, z, city target, x missing" in capsys.readouterr().err


def test_a_recipe_serves_models_without_a_target(table):
    assert prepare.main(["t.csv", "--exclude", "y", "-o", "r.json", *QUIET, "--scale", "robust"]) == 0
    recipe = RecipeFile.read("r.json").recipe
    assert sum(name.startswith("city=") for name in recipe.features) == 30  # the most frequent, and (other)
    assert run_kmeans.main(["t.csv", "--recipe", "r.json", "--n-clusters", "3", *QUIET, "--run-dir", "k"]) == 0
    assert drivers_score.main(["k/model.json", "t.csv", "-o", "c.csv", "-q"]) == 0
    assert {line.split(",")[0] for line in Path("c.csv").read_text().splitlines()[1:]} == {"0", "1", "2"}


def test_a_run_goes_on_with_its_recipe_and_with_no_other(table, capsys):
    assert prepare.main(["t.csv", "--target", "y", *STEPS, "-o", "r.json", *QUIET]) == 0
    assert run_wols.main(["t.csv", "--recipe", "r.json", *QUIET, "--run-dir", "run"]) == 0
    before = Path("run/model.json").read_text()
    assert run_wols.main(["--resume", "run", "-q"]) == 0
    assert Path("run/model.json").read_text() == before
    told = json.loads(Path("r.json").read_text())
    told["steps"][0]["values"]["x"] = 0.0
    Path("r.json").write_text(json.dumps(told))
    assert run_wols.main(["--resume", "run", "-q"]) == 1
    assert "the recipe r.json has changed since the run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda told: told.update(version=9), "has the version 9"),
        (lambda told: told.update(format="else"), "is not a scanlearn-recipe file"),
        (lambda told: told["steps"][0].update(speed=1), "is not a recipe that can be followed"),
        (lambda told: told["steps"][0]["values"].update(x="much"), "is not a recipe that can be followed"),
        (lambda told: told["steps"][0].pop("values"), "does not say what it has learned"),
        (lambda told: told.update(features=["nothing"]), "no column 'nothing' after its steps"),
        (lambda told: told["roles"].update(king="y"), "'king' is no role"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused_in_one_sentence(table, capsys, change, message):
    assert prepare.main(["t.csv", "--target", "y", *STEPS, "-o", "r.json", *QUIET]) == 0
    told = json.loads(Path("r.json").read_text())
    change(told)
    Path("bad.json").write_text(json.dumps(told))
    with pytest.raises(ScanError, match=message):
        RecipeFile.read("bad.json")
    with pytest.raises(SystemExit) as ended:
        run_wols.main(["t.csv", "--recipe", "bad.json"])
    assert ended.value.code == 2 and message.split("'")[0] in capsys.readouterr().err


def test_steps_and_a_recipe_exclude_each_other(table, capsys):
    assert prepare.main(["t.csv", "--target", "y", *STEPS, "-o", "r.json", *QUIET]) == 0
    assert run_wols.main(["t.csv", "--recipe", "r.json", "--scale", "robust", *QUIET]) == 2
    assert "--scale is a step, and --recipe names a file that has its steps" in capsys.readouterr().err


def test_a_column_of_another_kind_than_was_learned_is_refused(table, capsys):
    assert prepare.main(["t.csv", "--target", "y", *STEPS, "-o", "r.json", *QUIET]) == 0
    text = Path("t.csv").read_text().replace("x,z,city,y\n", "x,z,city,y\n", 1)
    Path("other.csv").write_text("\n".join(line.replace(",town ", ",") for line in text.splitlines()) + "\n")
    assert run_wols.main(["other.csv", "--recipe", "r.json", *QUIET, "--run-dir", "o"]) == 0  # numbers are texts too
    Path("third.csv").write_text("\n".join(["x,z,city,y", *("a,1,town 1,2", "b,2,town 2,3")]) + "\n")
    assert run_wols.main(["third.csv", "--recipe", "r.json", *QUIET]) == 1
    assert "the column 'x' holds texts, and the recipe was learned where it held numbers" in capsys.readouterr().err


# -- nothing is lost -------------------------------------------------------------------------------------------------------

CELLS = ["", "NA", "?", "0", "-3.5", "1e300", "-1e300", "7", "7", "2024-02-29", "31/12/2023", "a", "b, c", "é"]
KINDS = [["", "1", "2.5", "NA"], ["", "a", "b, c", "?"], ["2024-02-29", "2023-01-01", ""], CELLS]
words = {
    "impute": ["mean", "median", "most-frequent", "constant:1"], "outliers": ["iqr:clip", "z:flag", "mad:drop"],
    "encode": ["one-hot", "ordinal", "treatment", "target"], "scale": ["standard", "robust", "min-max", "max-abs"],
    "dates": ["parts", "year:hour"], "min_frequency": [2, 0.2], "max_categories": [2, 3],
}  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_tables_through_recipe_fit_and_scores_lose_no_row(data):
    n, p = data.draw(st.integers(12, 40)), data.draw(st.integers(1, 4))
    kinds = [data.draw(st.sampled_from(KINDS)) for _ in range(p)]
    columns = [data.draw(st.lists(st.sampled_from(kind), min_size=n, max_size=n)) for kind in kinds]
    options = {name: data.draw(st.sampled_from(known)) for name, known in words.items() if data.draw(st.booleans())}
    y = [f"{v:.3f}" for v in np.random.default_rng(n).normal(size=n)]
    with tempfile.TemporaryDirectory() as folder:
        path, model_path, scores = (str(Path(folder, name)) for name in ("t.csv", "run/model.json", "s.csv"))
        with open(path, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([[*(f"c{j}" for j in range(p)), "y"], *zip(*columns, y)])
        common = {"cache_dir": folder, "max_bad_rows": n}
        try:
            model, _ = run_wols.fit(
                path, target="y", run_dir=str(Path(folder, "run")), penalty="ridge", alphas=[1.0], report=False,
                missing="drop", **options, **common,
            )  # fmt: skip
        except ScanError as error:  # a column without a value, or one that the step is not of
            assert str(error) and "unforeseen" not in str(error)
            return
        training = model["training"]
        assert training["rows_in"] == n
        assert n == training["rows_used"] + training["rows_rejected"] + training["rows_missing"]
        assert drivers_score.main([model_path, path, "-o", scores, "-q", "--max-bad-rows", str(n)]) == 0
        with open(scores, newline="") as file:
            found = list(csv.reader(file))[1:]
        rejects = Path(f"{scores}.rejects/rejects.csv")
        aside = len(list(csv.reader(rejects.open(newline="")))) - 1 if rejects.exists() else 0
        assert len(found) + aside == n


# -- mistakes --------------------------------------------------------------------------------------------------------------


def test_the_recipe_does_not_take_the_place_of_the_table(table, capsys):
    before = Path("t.csv").read_bytes()
    for words in (["t.csv", "-o", "t.csv"], ["*.csv", "-o", "t.csv"], [".", "-o", "t.csv"]):
        assert prepare.main([*words, "--target", "y", *QUIET]) == 1
        assert "the recipe t.csv cannot be written: it is one of the inputs" in capsys.readouterr().err
    assert Path("t.csv").read_bytes() == before


def test_features_that_are_left_out_of_the_file_are_left_out_of_the_model(table):
    assert prepare.main(["t.csv", "--target", "y", *STEPS, "-o", "r.json", *QUIET]) == 0
    told = json.loads(Path("r.json").read_text())
    told["features"] = ["city target", "z"]
    Path("r.json").write_text(json.dumps(told))
    assert run_wols.main(["t.csv", "--recipe", "r.json", *QUIET, "--run-dir", "some"]) == 0
    assert json.loads(Path("some/model.json").read_text())["features"] == ["city target", "z"]
    assert run_wols.main(["t.csv", "--recipe", "r.json", "--plan"]) == 0


@pytest.mark.parametrize("init", ["sample", "random", "k-means||"])
def test_outliers_that_are_all_rows_leave_none_to_cluster(init, capsys):
    rows = np.tile(np.arange(12.0) % 3, (12, 1)).T + 1e6 * np.eye(12)
    Path("t.csv").write_text("\n".join([",".join(f"c{j}" for j in range(12)), *(",".join(map(str, r)) for r in rows)]))
    assert run_kmeans.main(["t.csv", "--n-clusters", "2", "--init", init, "--outliers", "mad:drop", *QUIET]) == 1
    assert "no row of the sample is left that has a positive weight and every cell it needs" in capsys.readouterr().err


def test_a_clustering_needs_no_target_of_its_recipe(table):
    assert prepare.main(["t.csv", "--target", "y", "-o", "r.json", "--scale", "robust", *QUIET]) == 0
    rows = [line.rsplit(",", 1)[0] for line in Path("t.csv").read_text().splitlines()]
    Path("new.csv").write_text("\n".join(rows) + "\n")
    assert run_kmeans.main(["new.csv", "--recipe", "r.json", "--n-clusters", "2", *QUIET]) == 0


@pytest.mark.parametrize(
    "rows, options, message",
    [
        (["a,a missing,y", "1,2,3", ",3,4"], ["--impute", "median", "--indicators"], "makes a column 'a missing'"),
        (["a,y", "1,3", ",4", "2,1"], ["--impute", "constant:inf"], "'inf' is not a finite number"),
        (["a,y", "1,3", "-4,4", "2,1"], ["--transform", "a=log"], "line 3, column 'a': log is not defined for -4"),
        (["a,y", "1,3", "2,4", "3,1"], ["--encode", "one-hot"], "--encode: there is no column that it could be of"),
        (["a,y", "1,3", "2,4", "3,1"], ["--indicators"], "--indicators tell which cells were filled"),
        (["a,y", "1,3", "2,4", "3,1"], ["--smooth", "3"], "--smooth is of target encodings"),
    ],
)
def test_steps_that_cannot_be_are_told_in_a_sentence(rows, options, message, capsys):
    Path("m.csv").write_text("\n".join(rows) + "\n")
    assert run_wols.main(["m.csv", "--target", "y", *options, *QUIET]) in (1, 2)
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1, told


def test_a_text_that_is_called_as_the_rest_is_one_of_the_rest():
    cells = ["(other)"] * 3 + ["a"] * 5 + ["b"] * 4 + ["c"]
    Path("m.csv").write_text("\n".join(["t,y", *(f"{cell},{i * i % 7}" for i, cell in enumerate(cells))]) + "\n")
    recipe = prepare.recipe_of("m.csv", target="y", min_frequency=3, encode="one-hot", impute="none", report=False)
    assert recipe["features"] == ["t=a", "t=b", "t=(other)"]


def test_a_text_that_is_there_or_not_tells_rows_apart_once_it_is_filled():
    lines = [f"{'x' if i % 3 else ''},{i % 3 + i % 2}" for i in range(30)]
    Path("m.csv").write_text("\n".join(["t,y", *lines]) + "\n")
    model, _ = run_wols.fit("m.csv", target="y", features=["t"], impute="constant:none", report=False)
    assert model["features"] == ["t=none"]


def test_held_out_rows_that_a_recipe_may_know_are_told_of(table):
    text = Path("t.csv").read_text().splitlines()
    Path("t.csv").write_text("\n".join(["id," + text[0], *(f"{i},{line}" for i, line in enumerate(text[1:]))]) + "\n")

    def warnings_of(*options, fit=("--holdout", "0.3", "--id", "id")):
        prepare.main(["t.csv", "--target", "y", "--scale", "standard", *options, "-o", "r.json", *QUIET])
        run_wols.main(["t.csv", "--recipe", "r.json", "--target", "y", *fit, *QUIET])
        path = max(Path("runs").glob("wols-*"), key=lambda path: path.stat().st_mtime_ns)
        return " ".join(json.loads((path / "model.json").read_text())["warnings"])

    told = "may have learned of rows that are held out here"
    assert told not in warnings_of("--holdout", "0.3", "--id", "id")
    assert told in warnings_of("--id", "id") and told in warnings_of("--holdout", "0.2", "--id", "id")
    assert told not in warnings_of("--id", "id", fit=())


def test_statistics_of_a_table_keep_the_recipe_that_made_its_features(table, capsys):
    fit = ["t.csv", "--target", "y", "--features", "x,z", "--impute", "median", *QUIET]
    assert run_wols.main([*fit, "--scale", "standard", "--save-statistics", "a.stats", "--run-dir", "a"]) == 0
    assert run_wols.main(["--from-statistics", "a.stats", *QUIET, "--run-dir", "b"]) == 0
    for name in ("a", "b"):
        assert drivers_score.main([f"{name}/model.json", "t.csv", "-o", f"{name}.csv", "-q"]) == 0
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
    lines = Path("t.csv").read_text().splitlines()
    Path("t.csv").write_text("\n".join(lines[:1000]) + "\n")
    assert run_wols.main([*fit, "--scale", "standard", "--save-statistics", "b.stats"]) == 0
    assert merge.main(["a.stats", "b.stats", "-o", "c.stats"]) == 1
    assert "the recipes of the files differ" in capsys.readouterr().err


def test_a_text_of_too_many_levels_is_not_one_hot(capsys):
    Path("m.csv").write_text("\n".join(["t,y", *(f"t{i % 2500},{i * i % 7}" for i in range(6000))]) + "\n")
    assert run_wols.main(["m.csv", "--target", "y", "--encode", "one-hot", *QUIET]) == 1
    assert "column 't' has 2,500 different texts, and at most 2,000" in capsys.readouterr().err


def test_rows_are_held_out_by_their_id_whatever_is_packed(table):
    text = Path("t.csv").read_text().splitlines()
    for ids in ([str(7 * i) for i in range(2000)], [f"row {i}" for i in range(2000)]):
        Path("t.csv").write_text("\n".join(["id," + text[0], *map(",".join, zip(ids, text[1:]))]) + "\n")
        held = ["--target", "y", "--id", "id", "--holdout", "0.3", *QUIET]
        assert prepare.main(["t.csv", "--impute", "none", "--scale", "standard", "-o", "r.json", *held]) == 0
        run_dir = f"run {ids[1]}"
        fit = ["t.csv", "--features", "z", "--scale", "standard", "--run-dir", run_dir, *held]
        assert run_wols.main(fit) == 0
        (theirs,) = [step for step in RecipeFile.read("r.json").recipe.steps if step.word == "scale"]
        (ours,) = json.loads(Path(run_dir, "model.json").read_text())["design"]["recipe"]["steps"]
        assert ours["centers"]["z"] == pytest.approx(theirs.centers["z"], rel=1e-13)
