"""The counting job: every row once, whatever the files, tasks and weights."""

from __future__ import annotations

import numpy as np
import pytest

from jobs.design import Design, RowCounts
from jobs.kernels.count import CountQuery
from jobs.mr_count import MRCount
from tests.registry import make_blocks, run_job, write_blocks, write_query

COLUMNS = {"x": np.where(np.arange(1000) % 7 == 0, np.nan, 1.0), "w": np.arange(1000) % 3.0}


def count(tmp_path, design, n_files=1):
    query = write_query(tmp_path / "q", CountQuery(), design)
    blocks = make_blocks(COLUMNS, 64)
    return run_job(MRCount, query, *(write_blocks(tmp_path / f"{i}", blocks[i::n_files]) for i in range(n_files)))


@pytest.mark.parametrize("n_files", [1, 2, 5])
def test_every_row_counts_once_whatever_it_weighs(tmp_path, n_files):
    answer = count(tmp_path, Design(["x"], weight="w", missing="keep"), n_files)
    assert answer.statistics.n_rows == 1000
    assert answer.n_tasks >= n_files


def test_rows_with_a_missing_cell_are_counted_apart(tmp_path):
    answer = count(tmp_path, Design(["x"], missing="drop"))
    assert answer.statistics.n_rows == np.isfinite(COLUMNS["x"]).sum()
    assert answer.counts == RowCounts(read=1000, used=857, missing=143)


def test_a_table_without_columns_has_rows_all_the_same(tmp_path):
    assert count(tmp_path, Design([])).statistics.n_rows == 1000
