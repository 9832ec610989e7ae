"""Every job of every driver: the ledger of its passes has the same md5s on each runner, whoever has which rows."""

from __future__ import annotations

import pytest

from tests.runs import RUNS, assert_plain_text_agrees, assert_the_bits_of_inline, md5s_of, write_rows


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """The table, written once."""
    with pytest.MonkeyPatch.context() as here:
        here.chdir(tmp_path_factory.mktemp("rows"))
        write_rows()
        with open("y.csv") as file:
            return file.read()


# A pass by the tasks of one core or three takes seconds, and `make test` has no need of each job twice.
SLOW = ("counts of rows", "a sample", "a check")
SHORT = ("folds by where rows stand, and a penalty", "gradient descent")


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in RUNS])
def test_one_md5_inline_and_by_the_tasks_of_one_core_or_three(tmp_path, rows, name, capsys):
    (tmp_path / "y.csv").write_text(rows)
    inline = md5s_of(name, "inline")
    assert min(n_blocks for _, _, n_blocks in inline) >= 5
    for n_cores, tasks in ((1, (1, 2)), (3, (3, 6)))[name in SHORT :]:
        switches = ("-r", "local", "--num-cores", str(n_cores))
        assert_the_bits_of_inline(name, inline, f"local-{n_cores}", *switches, tasks=tasks)


def test_plain_text_agrees_by_the_tasks_of_three_cores(tmp_path, rows):
    (tmp_path / "y.csv").write_text(rows)
    assert_plain_text_agrees("-r", "local", "--num-cores", "3")
