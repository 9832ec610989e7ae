"""The design step: which rows a kernel sees, in which arrays, under which keys."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.blocks import Block, block_line, read_line
from jobs.design import Design, RowCounts
from jobs.errors import BadRow
from jobs.keys import id_keys, row_keys

NAN, INF = np.nan, np.inf


def make_block(n: int = 6, part: int = 2, number: int = 5, **columns) -> Block:
    table = {
        "y": np.arange(n) * 10.0,
        "x1": np.arange(n) + 0.5,
        "x2": -np.arange(n, dtype=float),
        "w": np.arange(n) + 1.0,
        "id": np.arange(n) * 7,
        "code": np.arange(n, dtype=np.int32),
    }
    return Block(part, number, n, {**table, **{name: np.array(values) for name, values in columns.items()}})


def with_holes(values, holes) -> np.ndarray:
    values = np.array(values, float)
    values[holes] = NAN
    return values


def test_the_arrays_of_a_block():
    rows = Design(["x2", "x1"], "y", "w").apply(make_block())
    np.testing.assert_array_equal(rows.X, [[-i, i + 0.5] for i in range(6)])
    np.testing.assert_array_equal(rows.y, [0, 10, 20, 30, 40, 50])
    np.testing.assert_array_equal(rows.w, [1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(rows.positions, range(6))
    assert (rows.part, rows.number, rows.ids) == (2, 5, None)
    assert rows.counts == RowCounts(read=6, used=6)
    assert all(rows.X[:, j].flags.c_contiguous for j in range(2))


def test_without_target_and_weight():
    rows = Design(["x1"]).apply(make_block())
    assert rows.y is None
    np.testing.assert_array_equal(rows.w, np.ones(6))


def test_no_features_and_no_rows():
    assert Design([], "y").apply(make_block()).X.shape == (6, 0)
    rows = Design(["x1"], "y", "w", "id").apply(make_block(0))
    assert rows.X.shape == (0, 1)
    assert rows.counts == RowCounts()
    assert len(rows.keys) == 0
    assert len(Design(["x1"]).apply(make_block(0)).keys) == 0


def test_each_column_is_read_once():
    assert Design(["x1", "y", "x1"], "y", "w", "w").columns() == ["x1", "y", "w"]
    assert Design(["x1"]).columns() == ["x1"]


def test_whole_number_columns_serve_in_every_role():
    rows = Design(["code", "id"], "code", "id").apply(make_block())
    assert rows.X.dtype == rows.y.dtype == rows.w.dtype == np.float64
    np.testing.assert_array_equal(rows.X[:, 1], np.arange(6) * 7.0)


def test_the_sign_of_zero_is_kept():
    block = make_block(x1=[-0.0, 0.0, 1, 1, 1, 1], w=[-0.0, 1, 1, 1, 1, 1])
    rows = Design(["x1"], "y", "w").apply(block)
    assert np.signbit(rows.X[:2, 0]).tolist() == [True, False]
    assert rows.w[0] == 0  # and a weight of -0.0 is no negative one


def test_a_block_read_from_its_line_cannot_be_changed_by_what_is_done_with_the_rows():
    line = block_line(2, 5, 6, make_block().to_bytes())
    design = Design(["x1"], "y", "w")
    rows = design.apply(read_line(line, design.columns(), None))
    rows.X[:] = 0  # the matrix is the kernel's own
    with pytest.raises(ValueError, match="read-only"):
        rows.y[:] = 0


# -- missing cells ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["x1", "x2", "y", "w"])
def test_a_missing_cell_is_named(name):
    block = make_block(**{name: with_holes(np.ones(6), [3, 5])})
    with pytest.raises(BadRow, match=f"column '{name}' has a missing cell in row 4 of block 5"):
        Design(["x1", "x2"], "y", "w").apply(block)


def test_a_missing_cell_of_a_column_that_is_not_used_does_not_matter():
    block = make_block(x2=[NAN] * 6)
    assert Design(["x1"], "y", "w").apply(block).counts == RowCounts(read=6, used=6)


DROPPING = Design(["x1", "x2"], "y", "w", "id", missing="drop")


def test_rows_with_a_missing_cell_are_dropped_and_counted():
    block = make_block(x1=with_holes(np.arange(6), [1]), y=with_holes(np.arange(6), [1, 4]), w=with_holes(np.ones(6), [5]))
    rows = DROPPING.apply(block)
    np.testing.assert_array_equal(rows.positions, [0, 2, 3])
    np.testing.assert_array_equal(rows.X, [[0, 0], [2, -2], [3, -3]])
    np.testing.assert_array_equal(rows.y, [0, 2, 3])
    np.testing.assert_array_equal(rows.ids, [0, 14, 21])
    assert rows.counts == RowCounts(read=6, used=3, missing=3)
    assert rows.X[:, 0].flags.c_contiguous


def test_all_rows_dropped():
    rows = DROPPING.apply(make_block(y=[NAN] * 6))
    assert rows.X.shape == (0, 2)
    assert rows.counts == RowCounts(read=6, missing=6)
    assert len(rows.keys) == 0


def test_missing_cells_are_kept_in_features_only():
    design = Design(["x1", "x2"], "y", "w", missing="keep")
    rows = design.apply(make_block(x1=with_holes(np.ones(6), [0, 2]), y=with_holes(np.ones(6), [2, 3])))
    np.testing.assert_array_equal(rows.positions, [0, 1, 4, 5])
    np.testing.assert_array_equal(np.isnan(rows.X[:, 0]), [True, False, False, False])
    assert rows.counts == RowCounts(read=6, used=4, missing=2)


@pytest.mark.parametrize("x", [[INF, -INF, 0, 0, 0, 0], [1e308] * 6])
def test_a_sum_that_is_no_number_is_no_missing_cell(x):
    with np.errstate(all="ignore"):
        for missing in ("error", "drop", "keep"):
            rows = Design(["x1"], "y", missing=missing).apply(make_block(x1=x))
            assert rows.counts == RowCounts(read=6, used=6)


def test_a_missing_id_is_a_missing_cell():
    block = make_block(id=with_holes(np.arange(6), [2]))
    with pytest.raises(BadRow, match="'id'"):
        Design(["x1"], id="id").apply(block)
    assert Design(["x1"], id="id", missing="drop").apply(block).counts.missing == 1


# -- weights -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value, shown", [(-1.0, "-1"), (-5e-324, "-4.94066e-324"), (INF, "inf"), (-INF, "-inf")])
def test_a_weight_that_is_negative_or_infinite_is_named(value, shown):
    block = make_block(w=[1, 2, 3, value, 5, value])
    with pytest.raises(BadRow, match=f"weight 'w' is {shown} in row 4 of block 5; weights must be finite and not negative"):
        Design(["x1"], "y", "w").apply(block)


def test_the_row_of_a_bad_weight_is_counted_with_the_dropped_ones():
    block = make_block(x1=with_holes(np.ones(6), [0, 2]), w=[-9, 1, -9, 1, -1, 1])
    with pytest.raises(BadRow, match="is -1 in row 5 of block 5"):
        Design(["x1"], "y", "w", missing="drop").apply(block)


def test_a_weight_that_is_a_feature_too_must_still_be_there():
    block = make_block(w=with_holes(np.ones(6), [1]))
    with pytest.raises(BadRow):
        Design(["w"], "y", "w", missing="keep").apply(block)


def test_zero_and_subnormal_weights_are_weights():
    rows = Design(["x1"], "y", "w").apply(make_block(w=[0, 5e-324, 1e308, 1, 1, 1]))
    assert rows.counts.used == 6


# -- keys ----------------------------------------------------------------------------------------------------------------


def test_the_keys_are_those_of_the_places_in_the_block():
    rows = Design(["x1"]).apply(make_block(part=4, number=9))
    np.testing.assert_array_equal(rows.keys, row_keys(4, 9, 6))


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.booleans(), min_size=1, max_size=40), st.booleans())
def test_a_row_keeps_its_key_whatever_is_dropped_around_it(present, by_id):
    n = len(present)
    x = np.where(present, 1.0, NAN)
    block = make_block(n, x1=x)
    rows = Design(["x1"], id="id" if by_id else None, missing="drop").apply(block)
    everyone = id_keys(block.columns["id"]) if by_id else row_keys(2, 5, n)
    np.testing.assert_array_equal(rows.keys, everyone[np.array(present)])


def test_an_id_gives_the_key_wherever_the_row_stands():
    design = Design(["x1"], id="id")
    here, there = (
        design.apply(make_block(part=part, number=part, id=ids))
        for part, ids in ((1, [3, 1, 2, 9, 8, 7]), (6, [7, 8, 9, 2, 1, 3]))
    )
    np.testing.assert_array_equal(here.keys, there.keys[::-1])


def test_counts_add_up():
    a, b = RowCounts(10, 7, 1, 2), RowCounts(5, 5, 0, 0)
    assert a + b == RowCounts(15, 12, 1, 2)
    assert a == RowCounts(10, 7, 1, 2)
