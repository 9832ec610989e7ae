"""Numbers between Arrow and numpy: what Arrow's own ways give, without pandas."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.packing.buffers import from_numpy, to_numpy

FLOATS = st.lists(st.one_of(st.none(), st.floats(width=32)), max_size=40)
TYPES = [pa.float64(), pa.float32()]


@settings(deadline=None)  # Arrow's way imports pandas first
@given(st.lists(st.tuples(FLOATS, st.integers(0, 20), st.integers(0, 20)), max_size=4), st.sampled_from(TYPES))
def test_floats_are_those_of_arrow(pieces, arrow):
    column = pa.chunked_array([pa.array(cells, arrow).slice(start, size) for cells, start, size in pieces], arrow)
    np.testing.assert_array_equal(to_numpy(column), column.to_numpy())
    assert to_numpy(column).dtype == arrow.to_pandas_dtype()


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), max_size=40), st.integers(0, 9))
def test_whole_numbers_have_a_code_where_one_is_missing(cells, start):
    column = pa.array(cells, pa.int64())[start:]
    np.testing.assert_array_equal(to_numpy(column, -(2**63)), column.fill_null(-(2**63)).to_numpy())


def test_cells_that_are_all_missing():
    np.testing.assert_array_equal(to_numpy(pa.nulls(3, pa.float64())), [np.nan] * 3)
    np.testing.assert_array_equal(to_numpy(pa.nulls(3, pa.int32()), -1), np.array([-1] * 3, np.int32))


@pytest.mark.parametrize("values", [np.array([1.5, np.nan, -0.0]), np.arange(6)[::2], np.empty(0), np.array([1], np.int32)])
def test_arrays_go_to_arrow_and_back(values):
    np.testing.assert_array_equal(from_numpy(values).to_numpy(), values)
    np.testing.assert_array_equal(to_numpy(from_numpy(values)), values)


def test_a_table_is_packed_and_scored_without_pandas(tmp_path, table_and_model):
    model, data = table_and_model
    packing = f"""
from drivers.packing.cache import pack
from drivers.packing.contents import PackContents
from drivers.packing.formats.options import InputOptions
from drivers.packing.sources import find_sources

pack(find_sources([{str(data)!r}]), InputOptions(), PackContents(), {str(tmp_path / "cache")!r})
"""
    scoring = f"from drivers import score\nscore.main([{str(model)!r}, {str(data)!r}, '-o', {str(tmp_path / 's.csv')!r}])"
    for code in (packing, scoring):
        told = "\nimport sys\nprint('pandas' in sys.modules)"
        found = subprocess.run([sys.executable, "-c", code + told], capture_output=True, text=True, check=True)
        assert found.stdout == "False\n", code


@pytest.fixture
def table_and_model(tmp_path):
    (tmp_path / "model.json").write_text(
        '{"format": "scanlearn-model", "version": 1, "kind": "wols", "features": ["a", "b"], '
        '"parameters": {"coefficients": [2.0, -1.0], "intercept": 0.5}}'
    )
    lines = [
        f"{i},{i / 7},{'red' if i % 3 else 'blue'},{i % 2 == 0},2024-01-{1 + i % 28:02},{'' if i % 5 else i}\n"
        for i in range(90)
    ]
    (tmp_path / "t.csv").write_text("a,b,c,d,e,f\n" + "".join(lines))
    return tmp_path / "model.json", tmp_path / "t.csv"
