"""data_gen/writing.py and what every generator owes to it: whole files, their truth beside them, errors in one sentence."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from data_gen.writing import beside_its_truth

ROOT = Path(__file__).parents[1]
# Of each generator: options of a small file, and a function that it calls while it writes.
GENERATORS = {
    "gen_regression": (["--rows", "10"], "inverse_weights"),
    "gen_tables": (["orders", "--rows", "10"], "_quoted"),
    "gen_blobs": (["--rows", "10"], "_shuffled_labels"),
    "gen_image": (["--width", "4", "--height", "3"], "_sky"),
    "gen_glm": (["--rows", "10"], "_targets"),
    "gen_cards": (["--rows", "10"], "_words"),
    "gen_customers": (["segments", "--rows", "10"], "_texts"),
}
each = pytest.mark.parametrize("name", GENERATORS)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder that holds nothing else: tmp_path may hold the surroundings of the test."""
    path = tmp_path / "out"
    path.mkdir()
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_generator_is_here():
    assert {path.stem for path in (ROOT / "data_gen").glob("gen_*.py")} == set(GENERATORS)


# --- the pair of files ---


def test_the_truth_lies_beside_the_data(folder):
    truth = {"Stück": 1 / 3, "rows": 2}
    with beside_its_truth(folder / "t.csv", truth) as data:
        data.write(b"1\n2\n")
        assert not {"t.csv", "t.csv.truth.json"} & set(files(folder))
    assert files(folder).keys() == {"t.csv", "t.csv.truth.json"}
    assert (folder / "t.csv").read_bytes() == b"1\n2\n"
    assert json.loads((folder / "t.csv.truth.json").read_text(encoding="utf-8")) == truth


def test_rows_that_end_early_leave_the_older_pair(folder):
    with beside_its_truth(folder / "t", {"rows": 1}) as data:
        data.write(b"1\n")
    before = files(folder)
    with pytest.raises(KeyboardInterrupt), beside_its_truth(folder / "t", {"rows": 2}) as data:
        data.write(b"1\n")
        raise KeyboardInterrupt
    assert files(folder) == before


def test_a_truth_that_cannot_be_written_leaves_no_data(folder):
    (folder / "t.truth.json").mkdir()
    with pytest.raises(OSError), beside_its_truth(folder / "t", {}) as data:
        data.write(b"1\n")
    assert [path.name for path in folder.iterdir()] == ["t.truth.json"]


# --- every generator ---


@each
def test_a_failure_leaves_the_older_pair_and_no_temporary_file(folder, monkeypatch, name):
    options, called = GENERATORS[name]
    module = import_module(f"data_gen.{name}")
    assert module.main(["--out", str(folder / "data"), *options]) == 0
    before = files(folder)
    assert before.keys() == {"data", "data.truth.json"} and json.loads(before["data.truth.json"])["seed"] == 0

    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, called, interrupt)
    with pytest.raises(KeyboardInterrupt):
        module.main(["--out", str(folder / "data"), "--seed", "1", *options])
    assert files(folder) == before


@each
def test_a_folder_that_is_not_there_is_an_error_not_a_usage_error(folder, name):
    script = ROOT / "data_gen" / f"{name}.py"
    arguments = ["--out", str(folder / "nowhere" / "data"), *GENERATORS[name][0]]
    done = subprocess.run([sys.executable, str(script), *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith(f"{name}.py: error: cannot write ") and done.stderr.count("\n") == 1
    assert not list(folder.iterdir())


@each
@pytest.mark.parametrize(
    "wrong, word", [(["--seed", "-1"], "seed"), (["--see", "1"], "--see"), (["--seed", "1.5"], "seed")]
)
def test_a_wrong_option_is_a_usage_error_named_in_one_sentence(folder, capsys, name, wrong, word):
    with pytest.raises(SystemExit) as ended:
        import_module(f"data_gen.{name}").main(["--out", str(folder / "data"), *GENERATORS[name][0], *wrong])
    assert ended.value.code == 2 and word in capsys.readouterr().err.splitlines()[-1]
    assert not list(folder.iterdir())


@each
def test_same_seed_same_bytes_other_seed_other_bytes(folder, name):
    for out, seed in [("a", "7"), ("b", "7"), ("c", "8")]:
        import_module(f"data_gen.{name}").main(["--out", str(folder / out), "--seed", seed, *GENERATORS[name][0]])
    a, b, c = ((folder / out).read_bytes() for out in "abc")
    assert a == b != c
    assert (folder / "a.truth.json").read_bytes() == (folder / "b.truth.json").read_bytes()
