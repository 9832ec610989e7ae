"""The sampling job: rows of the table, each once, the same for every split of it."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.design import Design
from jobs.kernels.sample import SampleQuery
from jobs.mr_sample import MRSample
from tests.registry import make_blocks, run_job, write_blocks, write_query

COLUMNS = {"n": np.arange(1000.0), "id": np.arange(1000) * 3, "x": np.where(np.arange(1000) % 7 == 0, np.nan, 1.0)}


def sample(tmp_path, k, blocks, n_files=1, seed=0, row_id=None):
    query = write_query(tmp_path / "q", SampleQuery(k, 2, seed), Design(["n", "x"], id=row_id, missing="keep"))
    paths = [write_blocks(tmp_path / f"{i}.txt", blocks[i::n_files]) for i in range(n_files)]
    return run_job(MRSample, query, *paths)


def test_the_rows_are_of_the_table_each_once_in_order_and_missing_cells_too(tmp_path):
    answer = sample(tmp_path, 100, make_blocks(COLUMNS, 64))
    rows = answer.statistics.in_file_order()
    assert rows.shape == (100, 2)
    numbers = rows[:, 0].astype(int)
    assert np.all(np.diff(numbers) > 0)
    np.testing.assert_array_equal(rows[:, 1], COLUMNS["x"][numbers])
    assert np.isnan(rows[:, 1]).any()
    assert answer.counts.used == 1000


def test_the_sample_does_not_depend_on_files_or_tasks(tmp_path):
    blocks = make_blocks(COLUMNS, 64)
    assert len({sample(tmp_path, 50, blocks, n).statistics.md5() for n in (1, 2, 5)}) == 1
    assert sample(tmp_path, 50, blocks, seed=1).statistics.md5() != sample(tmp_path, 50, blocks).statistics.md5()


def test_with_an_id_it_does_not_depend_on_the_blocks_either(tmp_path):
    samples = [
        sample(tmp_path, 50, make_blocks(COLUMNS, size), row_id="id").statistics.in_file_order().tobytes()
        for size in (64, 100, 1000)
    ]
    assert len(set(samples)) == 1


@pytest.mark.parametrize("k, expected", [(0, 0), (1, 1), (1000, 1000), (5000, 1000)])
def test_none_one_all_and_more(tmp_path, k, expected):
    rows = sample(tmp_path, k, make_blocks(COLUMNS, 64), 2).statistics.in_file_order()
    assert rows.shape == (expected, 2)
    if expected == 1000:
        np.testing.assert_array_equal(rows[:, 0], COLUMNS["n"])
