"""data_gen/gen_tables.py: the bytes, the spellings, the truth."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from data_gen.gen_tables import N_CHANNELS, N_POSTCODES, SPELLINGS, TABLES, days, generate, is_missing, table_of

SCRIPT = Path(__file__).parents[1] / "data_gen" / "gen_tables.py"
ROWS = 3000


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder that holds nothing else: tmp_path may hold the surroundings of the test."""
    path = tmp_path / "out"
    path.mkdir()
    return path


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], check=False, capture_output=True, text=True)


def text_of(path: Path, encoding: str) -> str:
    data = path.read_bytes()
    return (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode(encoding)


def records(text: str, delimiter: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))


# --- bytes ---


@pytest.mark.parametrize("table", TABLES)
def test_same_seed_same_bytes_other_seed_other_bytes(folder, monkeypatch, table):
    for name, seed in [("a", 7), ("b", 7), ("c", 8)]:
        generate(folder / name, table, rows=500, seed=seed)
    monkeypatch.setattr("data_gen.gen_tables.CHUNK_ROWS", 7)
    generate(folder / "d", table, rows=500, seed=7)
    a, b, c, d = ((folder / name).read_bytes() for name in "abcd")
    assert a == b == d != c


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("rows", [0, 1, 2])
def test_small_tables(folder, table, rows):
    assert generate(folder / "t", table, rows=rows)["rows"] == rows
    delimiter = {"houses": ",", "orders": ";", "sensors": "\t"}[table]
    headers = 2 if table == "orders" else 1
    assert len(records(text_of(folder / "t", "latin-1"), delimiter)) == headers + rows


# --- spellings ---


def test_houses(folder):
    truth = generate(folder / "houses.csv", "houses", rows=ROWS)
    made = table_of("houses", rows=ROWS)
    data = (folder / "houses.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbfaddress,") and data.endswith(b"\r\n")
    header, *rows = records(data.decode("utf-8-sig"), ",")
    assert header == truth["columns"] and len(rows) == ROWS
    columns = dict(zip(header, zip(*rows)))
    assert list(columns["address"]) == made.columns["address"].tolist()
    for character in ',"\n':
        assert sum(character in address for address in columns["address"]) > 0.2 * ROWS
    assert data.count(b"\r") == data.count(b"\r\n") == ROWS + 1 < data.count(b"\n")
    assert list(columns["postcode"]) == made.columns["postcode"].tolist()
    assert all(len(code) == 5 and code.isdigit() for code in columns["postcode"])
    assert any(code.startswith("0") for code in columns["postcode"])
    for name in ("rooms", "area", "year_built", "price"):
        read = [float(cell) if cell not in SPELLINGS else np.nan for cell in columns[name]]
        assert np.array_equal(read, made.columns[name], equal_nan=True)
    assert [cell if cell not in SPELLINGS else None for cell in columns["garden"]] == made.columns["garden"].tolist()
    dates = np.array([cell if cell not in SPELLINGS else "NaT" for cell in columns["sold"]], dtype="datetime64[D]")
    assert np.array_equal(days(dates), days(made.columns["sold"]), equal_nan=True)
    spelled = Counter(cell for column in columns.values() for cell in column if cell in SPELLINGS)
    assert max(spelled.values()) - min(spelled.values()) <= 5 and len(spelled) == len(SPELLINGS)
    assert sum(spelled.values()) == sum(truth["missing"].values())


def test_houses_have_a_thousand_postcodes():
    assert len(set(table_of("houses").columns["postcode"])) == N_POSTCODES == 1000


def test_orders(folder):
    truth = generate(folder / "orders.csv", "orders", rows=ROWS)
    made = table_of("orders", rows=ROWS)
    data = (folder / "orders.csv").read_bytes()
    assert b"\n" not in data and data.endswith(b"\r")
    with pytest.raises(UnicodeDecodeError):
        data.decode()
    text = data.decode("latin-1")
    header, *rows = records(text, ";")
    assert rows.pop(ROWS // 2) == header == truth["columns"] and len(rows) == ROWS
    columns = dict(zip(header, zip(*rows)))
    assert [int(cell) for cell in columns["Bestellnummer"]] == made.columns["Bestellnummer"].tolist()
    assert min(made.columns["Bestellnummer"]) > 2**53
    assert len(set(made.columns["Bestellnummer"].astype(float))) < ROWS
    assert list(columns["Kunde"]) == made.columns["Kunde"].tolist()
    assert text.count(f'"{columns["Kunde"][0]}"') and any(";" in name for name in columns["Kunde"])
    assert list(columns["Warengruppe"]) == made.columns["Warengruppe"].tolist()
    assert len(set(columns["Warengruppe"])) == 12
    assert all(" " in cell for cell in columns["Bestellt"])
    assert np.array_equal(np.array(columns["Bestellt"], dtype="datetime64[s]"), made.columns["Bestellt"])
    for name in ("Stück", "Betrag"):
        assert np.array_equal([float(cell) for cell in columns[name]], made.columns[name])


def test_sensors(folder):
    truth = generate(folder / "sensors.tsv.gz", "sensors", rows=ROWS)
    made = table_of("sensors", rows=ROWS)
    data = (folder / "sensors.tsv.gz").read_bytes()
    assert data[:8] == b"\x1f\x8b\x08\x00\0\0\0\0"  # neither a name nor a time
    header, *rows = records(text_of(folder / "sensors.tsv.gz", "utf-8"), "\t")
    assert header == truth["columns"] and len(rows) == ROWS
    assert sum("[" in name for name in header) == N_CHANNELS + 3
    wrong = [i for i, row in enumerate(rows) if "ERR" in row]
    assert wrong == made.bad_rows and len(wrong) == truth["bad_rows"] == 7
    assert all(Counter(rows[i])["ERR"] == 1 for i in wrong)
    good = np.setdiff1d(np.arange(ROWS), wrong)
    read = np.array([rows[i] for i in good], dtype=float)
    assert np.array_equal(read, np.column_stack(list(made.columns.values()))[good], equal_nan=True)
    columns = dict(zip(header, read.T))
    assert set(columns["gain [dB]"]) == {1.5} and np.isnan(columns["spare [V]"]).all() and (columns["1/var"] > 0).all()
    assert "nan" in rows[0]


# --- truth ---


@pytest.mark.parametrize("table", TABLES)
def test_least_squares_recovers_the_truth_within_its_sampling_error(folder, table):
    truth = generate(folder / "t", table, seed=3)
    assert json.loads(Path(f"{folder}/t.truth.json").read_text()) == truth
    made = table_of(table, seed=3)
    parts = []
    for name in made.features:
        values = made.columns[name]
        if values.dtype == object:
            texts = sorted({text for text in values if text is not None})
            parts += [np.where(is_missing(values), np.nan, values == text).astype(float) for text in texts[1:]]
        else:
            parts.append(days(values) if values.dtype.kind == "M" else values)
    X = np.column_stack([np.ones(20_000), *parts])
    y = made.columns[made.target]
    w = np.ones(len(y)) if made.weight is None else made.columns[made.weight]
    whole = np.isfinite(X).all(axis=1) & np.isfinite(y)
    assert whole.mean() > 0.9 and (whole.all() == (table == "orders"))
    root = np.sqrt(w[whole])
    # Centred and scaled, so that the normal equations keep their digits.
    X, y = X[whole], y[whole]
    center, scale = X[:, 1:].mean(axis=0), X[:, 1:].std(axis=0)
    A = np.column_stack([root, root[:, None] * ((X[:, 1:] - center) / scale)])
    gram = np.linalg.inv(A.T @ A)
    estimate = (gram @ (A.T @ (root * y)))[1:] / scale
    errors = truth["noise"] * np.sqrt(np.diag(gram))[1:] / scale
    assert len(truth["features"]) == len(truth["coefficients"]) == len(estimate)
    z = (estimate - truth["coefficients"]) / errors
    assert np.abs(z).max() < 5
    residual = y - truth["intercept"] - X[:, 1:] @ truth["coefficients"]
    assert abs((root * residual).mean()) < 5 * truth["noise"] / np.sqrt(len(y))
    assert abs((root * residual).std() / truth["noise"] - 1) < 0.03


def test_the_truth_tells_what_the_file_holds(folder):
    truth = generate(folder / "t", "houses", rows=ROWS, seed=5)
    assert (truth["table"], truth["rows"], truth["seed"]) == ("houses", ROWS, 5)
    assert (truth["target"], truth["weight"]) == ("price", None)
    assert truth["features"][:5] == ["rooms", "area", "year_built", "sold", "garden=yes"]
    made = table_of("houses", rows=ROWS, seed=5)
    assert truth["missing"] == {name: is_missing(values).sum() for name, values in made.columns.items()}
    assert truth["missing"]["year_built"] > 0 == truth["missing"]["rooms"]
    assert generate(folder / "t", "sensors", rows=ROWS)["weight"] == "1/var"


# --- command line ---


def test_command_line_writes_what_the_function_writes(folder):
    generate(folder / "a", "orders", rows=50, seed=9)
    done = command("orders", "--out", str(folder / "b"), "--rows", "50", "--seed", "9")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()
    assert (folder / "a.truth.json").read_bytes() == (folder / "b.truth.json").read_bytes()


@pytest.mark.parametrize(
    "wrong, word",
    [
        (["houses", "--rows", "-1"], "rows"),
        (["houses", "--rows", "many"], "rows"),
        (["houses", "--seed", "-1"], "seed"),
        (["boats"], "boats"),
        ([], "table"),
        (["houses", "--row", "5"], "--row"),
    ],
)
def test_a_wrong_option_is_named_in_one_sentence(folder, wrong, word):
    done = command("--out", str(folder / "t"), *wrong)
    assert done.returncode == 2
    assert word in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    assert not list(folder.iterdir())


def test_an_unknown_table_from_python_is_named():
    with pytest.raises(ValueError, match="houses, orders, sensors"):
        table_of("boats")
