"""Tables made in the manner of real ones go from file to fitted model by the very commands of docs/input.md.

What comes out is compared with what numpy and statsmodels make of the generator's arrays, before they were written as text.
"""

from __future__ import annotations

import csv
import fcntl
import gzip
import io
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

from data_gen.gen_tables import SPELLINGS, TABLES, days, is_missing, table_of
from drivers import run_wols
from jobs.text import MISSING_TOKENS
from tests.conftest import ROOT, Driver, read_model, read_passes

PAGE = (ROOT / "docs" / "input.md").read_text(encoding="utf-8")
DIALECTS = {"houses": (",", "utf-8-sig"), "orders": (";", "latin-1"), "sensors": ("\t", "utf-8")}
KINDS = {
    "houses": {"price": "number", "rooms": "number", "area": "number", "year_built": "number", "sold": "date",
               "garden": "text", "postcode": "text"},
    "orders": {"Betrag": "number", "Stück": "number", "Bestellt": "date", "Warengruppe": "text"},
}  # fmt: skip


def block(name: str) -> str:
    """The commands under a heading of the page."""
    found = re.search(rf"^### {name.title()}$.*?^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def arguments(name: str, program: str) -> list[str]:
    """What follows the name of a program in the commands of the page."""
    lines = block(name).replace("\\\n", " ").splitlines()
    return next(shlex.split(line)[2:] for line in lines if line.startswith(f"python {program} "))


@dataclass
class Fitted:
    """A table, and what the commands of the page made of its file in `folder`."""

    name: str
    folder: Path

    @cached_property
    def table(self):
        return table_of(self.name)

    @cached_property
    def model(self) -> dict:
        return read_model(self.run)

    @property
    def run(self) -> Path:
        return self.folder / "runs" / self.name

    @property
    def file(self) -> Path:
        return self.folder / arguments(self.name, "drivers/run_wols.py")[0]

    @cached_property
    def good(self) -> np.ndarray:
        """Which rows can be read: (rows,)."""
        good = np.ones(len(self.table.columns[self.table.target]), dtype=bool)
        good[self.table.bad_rows] = False
        return good

    @cached_property
    def numbers(self) -> np.ndarray:
        """The features that are numbers or dates, (rows, p)."""
        columns = [self.table.columns[name] for name in self.table.slopes]
        return np.column_stack([days(values) if values.dtype.kind == "M" else values for values in columns])

    def indicators(self, name: str) -> np.ndarray:
        """A feature of text as a 0-1 column for each text but the first, NaN where it is missing."""
        values = self.table.columns[name]
        texts = sorted({text for text in values if text is not None})
        found = np.column_stack([values == text for text in texts[1:]]).astype(float)
        found[is_missing(values)] = np.nan
        return found

    def records(self) -> list[list[str]]:
        """The cells of the rows that can be read, as they stand in the file."""
        delimiter, encoding = DIALECTS[self.name]
        data = self.file.read_bytes()
        text = (gzip.decompress(data) if self.name == "sensors" else data).decode(encoding)
        header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        return [row for row in rows if row != header and "ERR" not in row]


@pytest.fixture(params=list(TABLES))
def fitted(request, tmp_path_factory, monkeypatch) -> Fitted:
    """Each block of commands is run once, however many processes share the tests."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "real-tables" / request.param
    folder.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            script = re.sub(r"^python (\w+)/", rf"python {ROOT}/\1/", block(request.param), flags=re.MULTILINE)
            path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
            done = subprocess.run(
                ["sh", "-e", "-c", script], capture_output=True, text=True, env={**os.environ, "PATH": path}
            )
            assert done.returncode == 0, done.stderr
            assert "Traceback" not in done.stderr and "Warning" not in done.stderr, done.stderr
            (folder / "done").touch()
    return Fitted(request.param, folder)


# --- the fit ---


@dataclass
class Oracle:
    """What another route gives: coefficients and their standard errors with the intercept first, R squared, and the fitted
    value of every row, NaN where it has none."""

    estimates: np.ndarray
    errors: np.ndarray
    r_squared: float
    predictions: np.ndarray
    used: np.ndarray


def by_groups(made: Fitted) -> Oracle:
    """Least squares without 0-1 columns for the postcodes: taking their means out of all else leaves the slopes as they are
    (the theorem of Frisch, Waugh and Lovell), and the effect of a postcode follows from its means."""
    table = made.table
    X, y = np.column_stack([made.numbers, made.indicators("garden")]), table.columns["price"]
    used = np.isfinite(X).all(axis=1) & np.isfinite(y)
    group = np.unique(table.columns["postcode"].astype(str), return_inverse=True)[1]
    sizes = np.bincount(group[used])

    def means(values):
        return np.bincount(group[used], weights=values[used]) / sizes

    X_means, y_means = np.column_stack([means(column) for column in X.T]), means(y)
    X_within, y_within = (X - X_means[group])[used], (y - y_means[group])[used]
    slopes = np.linalg.lstsq(X_within, y_within, rcond=None)[0]
    residual_sum = np.sum((y_within - X_within @ slopes) ** 2)
    variance = residual_sum / (used.sum() - len(slopes) - len(sizes))
    inverse = np.linalg.inv(X_within.T @ X_within)
    effects = y_means - X_means @ slopes
    apart = X_means[1:] - X_means[0]
    squared = [
        1 / sizes[0] + X_means[0] @ inverse @ X_means[0],
        *np.diag(inverse),
        *(1 / sizes[1:] + 1 / sizes[0] + np.einsum("ij,jk,ik->i", apart, inverse, apart)),
    ]
    estimates = np.array([effects[0], *slopes, *(effects[1:] - effects[0])])
    r_squared = 1 - residual_sum / np.sum((y[used] - y[used].mean()) ** 2)
    return Oracle(estimates, np.sqrt(variance * np.array(squared)), r_squared, effects[group] + X @ slopes, used)


def by_statsmodels(made: Fitted) -> Oracle:
    table = made.table
    parts = [made.numbers, *(made.indicators(name) for name in table.effects)]
    X, y = sm.add_constant(np.column_stack(parts), has_constant="add"), table.columns[table.target]
    w = np.ones(len(y)) if table.weight is None else table.columns[table.weight]
    used = made.good & np.isfinite(X).all(axis=1) & np.isfinite(y)
    fit = sm.WLS(y[used], X[used], weights=w[used]).fit()
    return Oracle(fit.params, fit.bse, fit.rsquared, X @ fit.params, used)


def oracle(made: Fitted) -> Oracle:
    return by_groups(made) if made.name == "houses" else by_statsmodels(made)


def test_one_command_gives_the_fit_of_another_route(fitted):
    expected, model = oracle(fitted), fitted.model
    table = model["inference"]["coefficients"][0]
    assert len(expected.estimates) == len(table["estimates"]) == {"houses": 1005, "orders": 14, "sensors": 41}[fitted.name]
    # In units of the standard error: statsmodels has lost some digits where dates lie far from zero.
    assert np.abs((np.array(table["estimates"]) - expected.estimates) / expected.errors).max() < 1e-6
    np.testing.assert_allclose(table["standard_errors"], expected.errors, rtol=1e-8)
    assert model["inference"]["r_squared"] == pytest.approx(expected.r_squared, rel=1e-10)
    truth = json.loads(Path(f"{fitted.file}.truth.json").read_text(encoding="utf-8"))
    assert model["features"] == truth["features"]
    z = (model["parameters"]["coefficients"] - np.array(truth["coefficients"])) / expected.errors[1:]
    assert np.abs(z).max() < 5


def test_every_row_is_used_rejected_or_missing(fitted):
    used, good, training = oracle(fitted).used, fitted.good, fitted.model["training"]
    counts = {
        "rows_in": len(good),
        "rows_used": used.sum(),
        "rows_rejected": (~good).sum(),
        "rows_missing": (good & ~used).sum(),
    }
    assert {name: training[name] for name in counts} == counts
    assert [{name: entry[name] for name in counts} for entry in read_passes(fitted.run)] == [counts]
    assert (counts["rows_missing"] > 0) == (fitted.name != "orders")
    rejects = fitted.run / "rejects.csv"
    assert rejects.exists() == (fitted.name == "sensors")
    if rejects.exists():
        with open(rejects, encoding="utf-8", newline="") as file:
            found = list(csv.DictReader(file))
        # The header is line 1.
        assert [int(entry["line"]) for entry in found] == [row + 2 for row in fitted.table.bad_rows]
        assert {entry["value"] for entry in found} == {"ERR"}
        assert {entry["column"] for entry in found} <= set(fitted.table.features)


def test_a_prediction_a_row_in_order(fitted):
    expected = oracle(fitted).predictions[fitted.good]
    header, *rows = read_output(f"{fitted.name}-predicted.csv")
    kept = arguments(fitted.name, "drivers/score.py")
    kept = kept[kept.index("--keep") + 1].split(",") if "--keep" in kept else []
    assert header == [*kept, "prediction"] and len(rows) == len(expected)
    found = np.array([float(row[-1] or "nan") if row else np.nan for row in rows])
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    names = list(fitted.table.columns)
    written = [[as_value(fitted, name, record[names.index(name)]) for name in kept] for record in fitted.records()]
    assert [[as_value(fitted, name, cell) for name, cell in zip(kept, row)] for row in rows] == written


@pytest.mark.parametrize("fitted", ["sensors"], indirect=True)
def test_a_row_with_an_empty_prediction_is_no_empty_line(fitted):
    assert "" not in Path("sensors-predicted.csv").read_text(encoding="utf-8").splitlines()


def read_output(path: str) -> list[list[str]]:
    """The cells of a file that a program wrote, whichever delimiter it took."""
    text = Path(path).read_bytes().decode("utf-8")
    tables = (list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)) for delimiter in ",;\t")
    return max(tables, key=lambda table: len(table[0]))


def as_value(made: Fitted, name: str, cell: str) -> str | float:
    """A cell as it is compared: texts and identities to the letter, measured numbers and dates by their value."""
    kind = made.table.columns[name].dtype.kind
    if cell in SPELLINGS or (cell == "nan" and kind == "f"):
        return ""
    if kind == "M":
        return float(days(np.array([cell], dtype="datetime64[us]"))[0])
    return float(cell) if kind == "f" else cell


def test_a_sample_gives_the_rows_as_they_were_written(fitted):
    header, *rows = read_output(f"{fitted.name}-sample.csv")
    assert header == list(fitted.table.columns) and len(rows) == 100
    left = ([as_value(fitted, name, cell) for name, cell in zip(header, record)] for record in fitted.records())
    for row in rows:
        values = [as_value(fitted, name, cell) for name, cell in zip(header, row)]
        assert values in left, row  # reads on in the file: so the order is checked too


@pytest.mark.parametrize("fitted", ["orders"], indirect=True)
def test_dates_with_times_come_back_as_they_were_written(fitted):
    header, *rows = read_output("orders-sample.csv")
    at = header.index("Bestellt")
    assert {row[at] for row in rows} <= {record[at] for record in fitted.records()}


# --- before, again and elsewhere ---


def foresight(capsys, *words: str) -> dict:
    """What run_wols.py tells of a run that it does not begin."""
    capsys.readouterr()
    assert run_wols.main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def program(*words: object) -> None:
    done = Driver("run_wols")(*words)
    assert done.returncode == 0, done.stderr


def without_directory(name: str) -> list[str]:
    words = arguments(name, "drivers/run_wols.py")
    at = words.index("--run-dir")
    return words[:at] + words[at + 2 :]


def test_the_dry_run_tells_roles_and_kinds(fitted, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
    told = foresight(capsys, *without_directory(fitted.name), "--dry-run")
    table = fitted.table
    kinds = KINDS.get(fitted.name) or dict.fromkeys(table.columns, "number")
    roles = {**dict.fromkeys(table.features, "feature"), table.target: "target", table.weight: "weight"}
    columns = {column["name"]: column for column in told["columns"]}
    assert {name: column["kind"] for name, column in columns.items()} == kinds
    assert {name: column["role"] for name, column in columns.items()} == {name: roles.get(name, "") for name in kinds}
    missing = {name: int(is_missing(table.columns[name])[fitted.good].sum()) for name in kinds}
    assert {name: column["missing"] for name, column in columns.items()} == missing
    assert (told["rows"], told["rejected"]) == (int(fitted.good.sum()), len(table.bad_rows))


def test_the_plan_counts_the_pass(fitted, capsys):
    plan = foresight(capsys, *without_directory(fitted.name), "--plan")
    # With weights a second pass is not ruled out before the first has seen them.
    assert plan["passes"] == ([1, 2] if fitted.name == "sensors" else [1, 1])
    assert plan["exact"] and plan["rows"] == len(fitted.good) and plan["is_packed"]
    assert len(read_passes(fitted.run)) == 1


# As programs of their own: where numpy is loaded before, the last step of a model of this width has more than one thread.
def test_a_resumed_run_gives_the_same_model_without_a_pass(fitted):
    before = (fitted.run / "model.json").read_bytes()
    program("--resume", fitted.run, "--no-report", "--quiet")
    assert (fitted.run / "model.json").read_bytes() == before
    assert len(read_passes(fitted.run)) == 1


def test_local_gives_the_same_bits(fitted, tmp_path):
    directory = tmp_path / "local"
    program(*without_directory(fitted.name), "--run-dir", directory, "--no-report", "--quiet", "-r", "local")
    (here,), (there,) = read_passes(fitted.run), read_passes(directory)
    assert there["runner"] == "local" and there["statistics_md5"] == here["statistics_md5"]
    assert read_model(directory)["parameters"] == fitted.model["parameters"]


# --- a cell that stops the run is named by its place ---


@pytest.mark.parametrize("fitted", ["houses"], indirect=True)
def test_a_missing_cell_is_named_by_its_line_among_quoted_line_ends(fitted, capsys):
    words = [word for word in without_directory("houses") if word not in ("--missing", "drop")]
    assert run_wols.main([*words, "--quiet", "--no-report"]) == 1
    row = int(np.flatnonzero(is_missing(fitted.table.columns["area"]))[0])
    with open("houses.csv", encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file)
        for _ in range(1 + row):
            next(reader)
        line = reader.line_num + 1
    assert line > row + 2
    error = capsys.readouterr().err
    assert f"houses.csv, line {line}, column 'area'" in error and "--missing drop" in error


@pytest.mark.parametrize("fitted", ["sensors"], indirect=True)
def test_an_impossible_cell_is_named_by_its_line(fitted, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    words = [word for word in without_directory("sensors") if word not in ("--max-bad-rows", "10")]
    assert run_wols.main([*words, "--quiet", "--no-report"]) == 1
    error = capsys.readouterr().err
    assert f"sensors.tsv.gz, line {fitted.table.bad_rows[0] + 2}, column" in error
    assert "ERR" in error and "--max-bad-rows" in error


# --- the page ---


def test_the_page_names_the_missing_tokens():
    line = next(line for line in PAGE.splitlines() if line.startswith("    (nothing)"))
    assert [cell.strip() for cell in line.split(",")] == ["(nothing)", *MISSING_TOKENS[1:]]
