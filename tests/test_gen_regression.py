"""data_gen/gen_regression.py: the bytes, the format, the truth."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_gen.gen_regression import generate, inverse_weights, without_zero

SCRIPT = Path(__file__).parents[1] / "data_gen" / "gen_regression.py"
NUMBER = r"-?\d\.\d{18}e[+-]\d{2}"


def read(path: Path, **options) -> np.ndarray:
    return np.loadtxt(path, delimiter=",", ndmin=2, **options)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder that holds nothing else: tmp_path may hold the surroundings of the test."""
    path = tmp_path / "out"
    path.mkdir()
    return path


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(SCRIPT), *arguments], check=False, capture_output=True, text=True)


# --- bytes ---


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path):
    for name, seed in [("a", 7), ("b", 7), ("c", 8)]:
        generate(tmp_path / name, rows=5000, seed=seed)
    a, b, c = ((tmp_path / name).read_bytes() for name in "abc")
    assert a == b != c


@pytest.mark.parametrize("features", [1, 3])
@pytest.mark.parametrize("weights", ["inverse", "uniform"])
def test_bytes_do_not_depend_on_the_chunk(tmp_path, features, weights):
    texts = set()
    for chunk_rows in (1, 7, 999, 1000, 1001):
        generate(tmp_path / "data", rows=1000, features=features, weights=weights, chunk_rows=chunk_rows)
        texts.add((tmp_path / "data").read_bytes())
    assert len(texts) == 1


def test_a_shorter_file_is_the_beginning_of_a_longer_one(tmp_path):
    generate(tmp_path / "short", rows=4097)
    generate(tmp_path / "long", rows=9000)
    short, long = (tmp_path / "short").read_bytes(), (tmp_path / "long").read_bytes()
    assert short.count(b"\n") == 4097 and long.count(b"\n") == 9000
    assert long.startswith(short)


def test_the_weights_leave_the_other_columns_as_they_are(tmp_path):
    tables = []
    for weights in ("inverse", "uniform", "none"):
        generate(tmp_path / "data", rows=500, features=2, weights=weights)
        tables.append(read(tmp_path / "data"))
    inverse, uniform, none = tables
    assert none.shape == (500, 3)
    assert np.array_equal(inverse[:, :3], none) and np.array_equal(uniform[:, :3], none)
    assert uniform[:, 3].min() >= 0.5 and uniform[:, 3].max() <= 1.5 and uniform[:, 3].std() > 0.2


# --- format ---


def test_every_number_is_written_as_18e(tmp_path):
    generate(tmp_path / "data", rows=300)
    lines = (tmp_path / "data").read_text().splitlines()
    for line in lines:
        assert re.fullmatch(f"{NUMBER},{NUMBER},{NUMBER}", line)
        assert line == ",".join(f"{float(field):.18e}" for field in line.split(","))


def test_savetxt_would_write_the_same(tmp_path):
    generate(tmp_path / "data", rows=300, features=3)
    np.savetxt(tmp_path / "again", read(tmp_path / "data"), fmt="%.18e", delimiter=",")
    assert (tmp_path / "data").read_bytes() == (tmp_path / "again").read_bytes()


def test_header_and_delimiter(tmp_path):
    generate(tmp_path / "plain", rows=10, features=2)
    truth = generate(tmp_path / "data", rows=10, features=2, header=True, delimiter=";")
    header, _, rows = (tmp_path / "data").read_text().partition("\n")
    assert header == "y;x1;x2;w" == ";".join(truth["columns"])
    assert rows.replace(";", ",") == (tmp_path / "plain").read_text()


def test_no_rows(tmp_path):
    assert generate(tmp_path / "data", rows=0)["rows"] == 0
    assert (tmp_path / "data").read_bytes() == b""


# --- values ---


def test_the_weight_is_exactly_the_inverse_of_the_parsed_x(tmp_path):
    generate(tmp_path / "data", rows=20_000)
    _, x, w = read(tmp_path / "data").T
    assert np.array_equal(w, np.abs(1 / x))


def test_an_exact_zero_has_a_finite_weight():
    x = without_zero(np.array([0.0, -0.0, -3.0]))
    assert np.isfinite(inverse_weights(x)).all() and x[2] == -3.0 and (np.abs(x) <= 3).all()


def test_x_is_uniform_and_the_noise_normal_with_the_given_standard_deviation(tmp_path):
    n = 200_000
    generate(tmp_path / "data", rows=n, noise=0.5, seed=3)
    y, x, _ = read(tmp_path / "data").T
    e = y - (x - 4)
    # Each within five of its own standard errors.
    assert x.min() > -4 and x.max() < 4
    assert abs(x.mean()) < 5 * (4 / 3**0.5) / n**0.5
    assert abs((x**2).mean() - 16 / 3) < 5 * (256 / 5 - 256 / 9) ** 0.5 / n**0.5
    assert abs(e.mean()) < 5 * 0.5 / n**0.5
    assert abs(e.std() - 0.5) < 5 * 0.5 / (2 * n) ** 0.5
    assert abs((e**4).mean() / e.var() ** 2 - 3) < 5 * (24 / n) ** 0.5
    assert abs(np.corrcoef(x, e)[0, 1]) < 5 / n**0.5


@pytest.mark.parametrize("features", [1, 4])
@pytest.mark.parametrize("weights", ["inverse", "uniform", "none"])
def test_least_squares_recovers_the_truth_within_its_sampling_error(tmp_path, features, weights):
    truth = generate(tmp_path / "data", rows=50_000, features=features, weights=weights, seed=11)
    table = read(tmp_path / "data")
    y, x = table[:, 0], table[:, 1 : 1 + features]
    w = np.ones(len(y)) if weights == "none" else table[:, -1]
    design = np.column_stack([np.ones(len(y)), x])
    root = np.sqrt(w)
    estimate = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
    # The noise has one variance for all rows whatever the weights, hence the sandwich.
    bread = np.linalg.inv(design.T @ (design * w[:, None]))
    error = truth["noise"] * np.sqrt(np.diag(bread @ (design.T @ (design * w[:, None] ** 2)) @ bread))
    assert (np.abs(estimate - [truth["intercept"], *truth["coefficients"]]) < 5 * error).all()
    if weights != "inverse":
        assert (error < 0.01).all()


def test_without_noise_the_rows_obey_the_truth(tmp_path):
    truth = generate(tmp_path / "data", rows=100, features=3, noise=0.0)
    table = read(tmp_path / "data")
    assert truth["coefficients"] == [1.0, -1 / 2, 1 / 3]
    np.testing.assert_allclose(table[:, 0], table[:, 1:4] @ truth["coefficients"] + truth["intercept"], atol=1e-14)


# --- files ---


def test_the_truth_lies_beside_the_data(folder):
    truth = generate(folder / "data.csv", rows=10, seed=5)
    assert json.loads((folder / "data.csv.truth.json").read_text()) == truth
    assert sorted(path.name for path in folder.iterdir()) == ["data.csv", "data.csv.truth.json"]
    assert truth["coefficients"] == [1.0] and truth["intercept"] == -4.0 and truth["noise"] == 0.5
    assert truth["columns"] == ["y", "x", "w"] and truth["features"] == ["x"]
    assert (truth["target"], truth["weight"], truth["rows"], truth["seed"]) == ("y", "w", 10, 5)
    assert generate(folder / "data.csv", rows=10, weights="none")["weight"] is None


# --- command line ---


def test_command_line_writes_what_the_function_writes(tmp_path):
    generate(tmp_path / "a", rows=50, features=2, noise=1.5, seed=9, weights="uniform", header=True, delimiter="\t")
    options = r"--rows 50 --features 2 --noise 1.5 --seed 9 --weights uniform --header --delimiter \t"
    done = command("--out", str(tmp_path / "b"), *options.split())
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "wrong, word",
    [
        (["--rows", "-1"], "rows"),
        (["--rows", "many"], "rows"),
        (["--features", "0"], "features"),
        (["--noise", "-0.5"], "noise"),
        (["--noise", "nan"], "noise"),
        (["--seed", "-1"], "seed"),
        (["--weights", "heavy"], "weights"),
        (["--delimiter", ".."], "delimiter"),
        (["--delimiter", "e"], "delimiter"),
        (["--row", "5"], "--row"),
    ],
)
def test_a_wrong_option_is_named_in_one_sentence(folder, wrong, word):
    done = command("--out", str(folder / "data"), *wrong)
    assert done.returncode == 2
    assert word in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    assert not list(folder.iterdir())
