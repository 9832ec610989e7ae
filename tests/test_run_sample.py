"""`drivers/run_sample.py`: the same rows everywhere, in the input's own form."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import make_table, read_passes, write_csv


@pytest.fixture
def table(tmp_path):
    matrix, names = make_table(2000)
    write_csv(tmp_path / "t.csv", matrix, names)
    return matrix, names


def test_the_rows_are_rows_of_the_table_each_once_and_in_order(table, run_sample):
    done = run_sample("t.csv", "--fraction", 0.05, "-o", "s.csv", "--run-dir", "r")
    assert done.returncode == 0, done.stderr
    sample = np.genfromtxt("s.csv", delimiter=",", names=True)
    assert list(sample.dtype.names) == table[1]
    rows = np.array(sample.tolist())
    places = [int(np.flatnonzero((table[0] == row).all(axis=1))[0]) for row in rows]
    assert len(places) == 100
    assert places == sorted(set(places))
    assert len(read_passes("r")) == 1


def test_the_same_rows_on_local_and_for_an_id_in_any_order(tmp_path, table, run_sample):
    matrix, names = table
    numbered = np.column_stack([np.arange(len(matrix)), matrix])
    write_csv(tmp_path / "a.csv", numbered, ["id", *names])
    write_csv(tmp_path / "b.csv", numbered[::-1], ["id", *names])
    for name, options in {
        "1": ["a.csv"],
        "2": ["a.csv", "-r", "local"],
        "3": ["b.csv", "--id", "id"],
        "4": ["a.csv", "--id", "id"],
    }.items():
        assert run_sample(*options, "--rows", 50, "--seed", 3, "-o", f"s{name}.csv").returncode == 0
    texts = [(tmp_path / f"s{i}.csv").read_text().splitlines() for i in (1, 2, 3, 4)]
    assert texts[0] == texts[1]
    assert sorted(texts[2]) == sorted(texts[3])
    assert texts[0] != texts[3]


def test_more_rows_than_there_are_gives_all_and_blanks_stay_blank(tmp_path, run_sample):
    (tmp_path / "t.csv").write_text("1,2\n3,\n")
    done = run_sample("t.csv", "--columns", "a,b", "--rows", 10, "-o", "s.csv")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "s.csv").read_text() == "1,2\n3,\n"


def test_another_seed_is_another_sample(tmp_path, table, run_sample):
    for seed in (1, 2):
        run_sample("t.csv", "--rows", 20, "--seed", seed, "-o", f"s{seed}.csv")
    assert (tmp_path / "s1.csv").read_text() != (tmp_path / "s2.csv").read_text()


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["--fraction", "1.5", "-o", "s.csv"], 2, "--fraction is at most 1"),
        (["-o", "s.csv"], 2, "one of the arguments --fraction --rows is required"),
        (["--rows", "5", "-o", "no/such/folder/s.csv"], 1, "cannot be written"),
        (["--rows", "5", "-o", "s.csv", "--id", "nr"], 1, "no column 'nr'"),
    ],
)
def test_mistakes(table, run_sample, options, status, message):
    done = run_sample("t.csv", *options)
    assert done.returncode == status
    assert message in done.stderr
