"""data_gen/gen_blobs.py: the moments of each component, their order, the formats, the truth."""

from __future__ import annotations

import csv
import json
import math
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from data_gen.gen_blobs import KINDS, apportion, generate, main, mixture
from drivers.packing.formats import open_table
from drivers.packing.formats.options import InputOptions
from drivers.packing.sources import find_sources

LARGER = [kind for kind in KINDS if kind != "exercise"]  # those of any number of features and components


def read_csv(path: Path) -> np.ndarray:
    with open(path, newline="") as file:
        return np.array([[float(cell) for cell in row] for row in csv.reader(file)])


def read_json(path: Path) -> np.ndarray:
    return np.array([json.loads(line) for line in path.read_text().splitlines()])


def table_of(path: Path, kind: str = "exercise", **options) -> tuple[np.ndarray, np.ndarray, dict]:
    """The features, (n, p), the component of each row, (n,), and the truth."""
    truth = generate(path / "data", kind, labels=True, **options)
    table = read_csv(path / "data")
    return table[:, :-1], table[:, -1].astype(int), truth


# --- the law ---


def test_the_preset_is_the_exercise(tmp_path):
    truth = generate(tmp_path / "data")
    assert read_csv(tmp_path / "data").shape == (3000, 2)
    assert truth["components"] == {
        "weights": [1 / 3] * 3,
        "means": [[4, 0], [6, 6], [0, 4]],
        "covariances": [[[1, 0], [0, 1]]] * 3,
        "rows": [1000] * 3,
    }
    assert json.loads((tmp_path / "data.truth.json").read_text()) == truth
    assert (truth["kind"], truth["columns"], truth["features"]) == ("exercise", ["x1", "x2"], ["x1", "x2"])
    assert (truth["rows"], truth["seed"], truth["header"], truth["label"]) == (3000, 0, False, None)


@pytest.mark.parametrize(
    "kind, features, components", [("exercise", 2, 3)] + [(kind, p, 4) for kind in LARGER for p in (1, 3)]
)
def test_the_moments_of_each_component_are_the_true_ones_within_their_sampling_error(tmp_path, kind, features, components):
    x, label, truth = table_of(tmp_path, kind, rows=20_000, features=features, components=components, seed=5)
    made = truth["components"]
    assert x.shape == (20_000, features) and np.bincount(label).tolist() == made["rows"] and sum(made["rows"]) == 20_000
    for c in range(components):
        rows, mean = x[label == c], np.array(made["means"][c])
        # Rounding to whole numbers adds the variance of a uniform error (Sheppard's correction).
        covariance = np.array(made["covariances"][c]) + truth["rounded"] * np.eye(features) / 12
        variances = np.diag(covariance)
        n = len(rows)
        assert (np.abs(rows.mean(axis=0) - mean) < 5 * np.sqrt(variances / n)).all()
        error = np.sqrt((np.outer(variances, variances) + covariance**2) / n)
        assert (np.abs(np.cov(rows.T, ddof=1).reshape(features, features) - covariance) < 5 * error).all()


def test_rows_of_a_component_are_normal_and_independent_of_their_neighbours(tmp_path):
    x, label, truth = table_of(tmp_path, "elongated", rows=30_000, seed=2)
    for c in range(3):
        root = np.linalg.cholesky(truth["components"]["covariances"][c])
        z = np.linalg.solve(root, (x[label == c] - truth["components"]["means"][c]).T)
        n = z.shape[1]
        assert abs((z**4).mean() - 3) < 5 * math.sqrt(96 / z.size)
        assert abs(((z**2).sum(axis=0) < 2 * math.log(2)).mean() - 0.5) < 5 * 0.5 / math.sqrt(n)
        assert (np.abs((z[:, 1:] * z[:, :-1]).mean(axis=1)) < 5 / math.sqrt(n)).all()


def distances(means: np.ndarray) -> np.ndarray:
    """Those of each centre to the nearest other one."""
    between = np.linalg.norm(means[:, None] - means[None], axis=2)
    np.fill_diagonal(between, np.inf)
    return between.min(axis=1)


@pytest.mark.parametrize("features, components", [(1, 3), (2, 3), (2, 10), (7, 5), (64, 3)])
@pytest.mark.parametrize("kind, apart", [("separated", 10), ("overlapping", 1.75), ("elongated", 10), ("duplicated", 6)])
def test_every_centre_has_its_nearest_at_the_distance_of_the_kind(kind, apart, features, components):
    made = mixture(kind, features, components)
    assert made.means.shape == (components, features)
    assert distances(made.means) == pytest.approx(apart)
    assert made.weights == pytest.approx(1 / components)


def test_two_overlapping_components_have_one_mode():
    made = mixture("overlapping", features=1, components=2)
    x = np.linspace(-5, 7, 2001)
    density = sum(multivariate_normal(mean, root @ root.T).pdf(x) for mean, root in zip(made.means, made.roots))
    slopes = np.sign(np.diff(density))
    assert np.count_nonzero(np.diff(slopes)) == 1


def nearest_and_likeliest(x: np.ndarray, truth: dict) -> tuple[np.ndarray, np.ndarray]:
    """The component with the nearest centre, and the most probable one, of each row: (n,) each."""
    made = truth["components"]
    distance = np.linalg.norm(x[:, None] - np.array(made["means"]), axis=2)
    parts = zip(made["weights"], made["means"], made["covariances"])
    logs = [math.log(weight) + multivariate_normal(mean, covariance).logpdf(x) for weight, mean, covariance in parts]
    return distance.argmin(axis=1), np.argmax(logs, axis=0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "kind, nearest, likeliest",
    [
        ("exercise", (0, 0.01), (0, 0.01)),
        ("separated", (0, 0), (0, 0)),
        ("overlapping", (0.2, 0.35), (0.2, 0.35)),
        ("elongated", (0.08, 0.2), (0, 0.06)),
        ("unequal", (0.1, 0.2), (0, 0.08)),
        ("duplicated", (0, 0.01), (0, 0.01)),
    ],
)
def test_a_kind_is_as_hard_as_it_says(tmp_path, kind, nearest, likeliest, seed):
    """The shares of rows given to another component by the nearest centre, and by the true densities."""
    x, label, truth = table_of(tmp_path, kind, seed=seed)
    for given, (low, high) in zip(nearest_and_likeliest(x, truth), (nearest, likeliest)):
        assert low <= (given != label).mean() <= high


def test_elongated_covariances_have_axes_of_ratio_ten_in_directions_of_their_own():
    made = mixture("elongated", features=4, components=5, seed=3)
    values, vectors = np.linalg.eigh(made.covariances)
    assert np.sqrt(values) == pytest.approx(np.tile([0.5, 0.5, 0.5, 5], (5, 1)))
    u = vectors[:, :, -1]
    assert np.abs(np.triu(u @ u.T, 1)).max() < 0.999 and (np.abs(u) > 1e-3).all()
    assert not np.allclose(made.roots, mixture("elongated", features=4, components=5, seed=4).roots)


def test_unequal_components_differ_in_weight_and_size():
    made = mixture("unequal", features=3, components=4)
    assert made.weights.sum() == pytest.approx(1)
    assert made.weights / made.weights[0] == pytest.approx([1, 1 / 4, 1 / 9, 1 / 16])
    assert made.covariances[:, 0, 0] == pytest.approx([16, 4, 16 / 9, 1])


def test_duplicated_rows_are_few_and_whole(tmp_path):
    x, _, truth = table_of(tmp_path, "duplicated", rows=5000)
    assert truth["rounded"] and np.array_equal(x, np.rint(x))
    assert len(np.unique(x, axis=0)) < 200
    assert "-0.0" not in (tmp_path / "data").read_text()


def test_an_offset_moves_every_number_and_the_means(tmp_path):
    x, label, truth = table_of(tmp_path, rows=600)
    moved, same, far = table_of(tmp_path, rows=600, offset=1e6)
    assert np.array_equal(moved, x + 1e6) and np.array_equal(label, same)
    assert np.array_equal(far["components"]["means"], np.add(truth["components"]["means"], 1e6))
    assert far["offset"] == 1e6 and far["components"]["covariances"] == truth["components"]["covariances"]


# --- numbers of rows, and their order ---


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 100, 999_999_999])
@pytest.mark.parametrize("weights", [[1.0], [0.5, 0.5], [0.7, 0.2, 0.1], [1 / 7] * 7])
def test_rows_are_shared_out_whole_and_nearly_in_proportion(rows, weights):
    counts = apportion(rows, np.array(weights))
    assert counts.sum() == rows and (counts >= 0).all()
    assert (np.abs(counts - rows * np.array(weights)) < 1).all()


def test_rows_in_all_or_for_each(tmp_path):
    assert generate(tmp_path / "t", rows_each=7)["components"]["rows"] == [7, 7, 7]
    assert generate(tmp_path / "t", rows=8)["components"]["rows"] == [3, 3, 2]
    assert generate(tmp_path / "t", "unequal", rows_each=49, components=3)["components"]["rows"] == [108, 27, 12]
    assert generate(tmp_path / "t", "separated", rows=1, components=5)["rows"] == 1
    assert generate(tmp_path / "t", rows=0)["components"]["rows"] == [0, 0, 0]
    assert (tmp_path / "t").read_bytes() == b""
    assert generate(tmp_path / "t", "elongated", rows=5, components=1, features=1)["components"]["rows"] == [5]


def test_the_order_is_random(tmp_path, monkeypatch):
    """How many rows of a stretch across pieces have component 0: mean and variance of a draw without replacement."""
    monkeypatch.setattr("data_gen.gen_blobs.SHUFFLED_ROWS", 10)
    counts, changes = [], []
    for seed in range(500):
        generate(tmp_path / "t", rows=40, seed=seed, labels=True, kind="separated", components=2, features=1)
        label = read_csv(tmp_path / "t")[:, 1]
        assert label.sum() == 20
        counts.append((label[5:22] == 0).sum())
        changes.append((label[1:] != label[:-1]).mean())
    variance = 17 * 0.25 * (40 - 17) / 39
    assert abs(np.mean(counts) - 8.5) < 5 * math.sqrt(variance / 500)
    assert abs(np.var(counts) / variance - 1) < 5 * math.sqrt(2 / 500)
    assert abs(np.mean(changes) - 20 / 39) < 5 * np.std(changes) / math.sqrt(500)


# --- bytes ---


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("format", ["csv", "json"])
def test_bytes_do_not_depend_on_the_chunk(tmp_path, monkeypatch, kind, format):
    monkeypatch.setattr("data_gen.gen_blobs.SHUFFLED_ROWS", 400)
    texts = set()
    for chunk_rows in (1, 7, 399, 400, 401, 1000):
        generate(tmp_path / "data", kind, rows=1000, format=format, labels=True, chunk_rows=chunk_rows)
        texts.add((tmp_path / "data").read_bytes())
    assert len(texts) == 1 and texts.pop().count(b"\n") == 1000


def test_memory_does_not_grow_with_the_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("data_gen.gen_blobs.SHUFFLED_ROWS", 4096)
    peaks = []
    for rows in (4096, 10_000, 60_000):
        tracemalloc.start()
        generate(tmp_path / "data", rows=rows)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[2] < 1.05 * peaks[1]


# --- formats ---


@pytest.mark.parametrize("kind, offset", [("exercise", 0), ("exercise", 1e6), ("duplicated", 0)])
def test_csv_and_json_hold_the_same_doubles(tmp_path, kind, offset):
    for format in ("csv", "json"):
        generate(tmp_path / format, kind, rows=3000, offset=offset, labels=True, format=format)
    table = read_csv(tmp_path / "csv")
    assert table.tobytes() == read_json(tmp_path / "json").astype(float).tobytes()
    first = (tmp_path / "json").read_text().split("\n")[0]
    assert first == f"[{float(table[0, 0])!r}, {float(table[0, 1])!r}, {int(table[0, 2])}]"


@pytest.mark.parametrize("format", ["csv", "json"])
def test_the_readers_of_tables_read_the_very_same_doubles(tmp_path, format):
    truth = generate(tmp_path / "data", "elongated", features=3, format=format, labels=True)
    sources = find_sources([str(tmp_path / "data")])
    reader = open_table(sources, InputOptions(columns=truth["columns"]))
    parser = reader.parser(reader.look(reader.names))
    parsed = [parser.parse(chunk) for chunk in reader.chunks(sources[0])]
    assert reader.names == ["x1", "x2", "x3", "component"] and not any(piece.bad for piece in parsed)
    columns = [np.concatenate(parts) for parts in zip(*(piece.columns for piece in parsed))]
    expected = read_csv(tmp_path / "data") if format == "csv" else read_json(tmp_path / "data")
    assert np.column_stack(columns).tobytes() == expected.tobytes()


@pytest.mark.parametrize("format", ["csv", "json"])
def test_a_driver_counts_the_rows(tmp_path, check, format):
    generate(tmp_path / "data", format=format)
    done = check(tmp_path / "data", "-r", "inline")
    assert done.returncode == 0, done.stderr
    assert "3,000 in = 3,000 used + 0 rejected" in done.stdout + done.stderr


def test_header_and_labels_leave_the_features_as_they_are(tmp_path):
    generate(tmp_path / "plain", rows=10)
    truth = generate(tmp_path / "named", rows=10, header=True, labels=True)
    header, _, rows = (tmp_path / "named").read_text().partition("\n")
    assert header == "x1,x2,component" == ",".join(truth["columns"])
    assert truth["features"] == ["x1", "x2"] and truth["label"] == "component"
    assert [row.rpartition(",")[0] for row in rows.splitlines()] == (tmp_path / "plain").read_text().splitlines()


# --- command line ---


def test_command_line_writes_what_the_function_writes(tmp_path):
    options = "--kind unequal --rows 50 --features 3 --components 4 --offset -2.5 --seed 9 --header --labels"
    generate(tmp_path / "a", "unequal", 50, features=3, components=4, offset=-2.5, seed=9, header=True, labels=True)
    assert main(["--out", str(tmp_path / "b"), *options.split()]) == 0
    generate(tmp_path / "c", rows_each=20, format="json")
    assert main(["--out", str(tmp_path / "d"), "--rows-each", "20", "--format", "json"]) == 0
    for one, other in ("ab", "cd"):
        for end in ("", ".truth.json"):
            assert (tmp_path / f"{one}{end}").read_bytes() == (tmp_path / f"{other}{end}").read_bytes()


@pytest.mark.parametrize(
    "wrong, word",
    [
        ("--rows -1", "rows"),
        ("--rows 1000000000", "rows"),
        ("--rows many", "--rows"),
        ("--rows-each -1", "rows"),
        ("--rows 5 --rows-each 5", "not allowed with"),
        ("--kind round", "--kind"),
        ("--kind separated --features 0", "features"),
        ("--kind separated --components 0", "components"),
        ("--components 4", "the exercise has 2 features and 3 components"),
        ("--offset nan", "offset"),
        ("--format xml", "--format"),
        ("--format json --header", "header is for csv alone"),
    ],
)
def test_a_wrong_option_is_named_in_one_sentence(tmp_path, capsys, wrong, word):
    with pytest.raises(SystemExit) as ended:
        main(["--out", str(tmp_path / "data"), *wrong.split()])
    assert ended.value.code == 2 and word in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.glob("data*"))


@pytest.mark.parametrize("wrong", [{"kind": "round"}, {"format": "xml"}, {"chunk_rows": 0}, {"seed": -1}])
def test_a_wrong_argument_from_python_is_named(tmp_path, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        generate(tmp_path / "data", **wrong)
    assert not list(tmp_path.glob("data*"))
