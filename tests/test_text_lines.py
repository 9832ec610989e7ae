"""Plain delimited text on the nodes: which lines are rows, what their cells mean, and which row is at fault."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs import text
from jobs.blocks import Block
from jobs.errors import BadRow, ScanError
from jobs.text import MISSING_TOKENS, TextFormat, TextReader


def read(lines, columns=("y", "x"), split="file:0", **options) -> tuple[np.ndarray, TextReader]:
    """The rows of some lines as one matrix, and the reader."""
    reader = TextReader(TextFormat(list(columns), **options), split)
    blocks = [block for line in lines for block in reader.read(line)] + list(reader.flush())
    assert [block.number for block in blocks] == list(range(len(blocks)))
    assert all(list(block.columns) == list(columns) for block in blocks)
    tables = [np.column_stack(list(block.columns.values())) for block in blocks]
    return np.vstack([np.empty((0, len(columns))), *tables]), reader


def test_numbers_are_read_exactly():
    values = [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3, -123456789.123456789]
    rows, _ = read([f"{value!r},{value:.18e}".encode() for value in values])
    assert rows.tobytes() == np.column_stack([values, values]).tobytes()


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2), max_size=20), st.booleans())
def test_any_finite_number_is_read_exactly_the_fast_and_the_slow_way(rows, slow):
    lines = [f"{y!r},{x!r}".encode() for y, x in rows]
    expected = np.array(rows, float).reshape(-1, 2)
    if slow:  # a missing cell sends the whole block the slow way
        lines.append(b"NA,1")
        expected = np.vstack([expected, [np.nan, 1]])
    assert read(lines)[0].tobytes() == expected.tobytes()


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize(
    "line", [b"1,2", b"1,2\r", b" 1 , 2 ", b"+1,2.", b"1e0,0.2E1", b'"1","2"', b'1,"2"\r', b"01,2.000", b"\t1,2"]
)
def test_ways_to_write_one_row(line, slow):
    rows, _ = read([line, *([b"NA,0"] if slow else [])])
    np.testing.assert_array_equal(rows[0], [1, 2])


@pytest.mark.parametrize("delimiter", [";", "\t", "|", " "])
def test_other_delimiters(delimiter):
    lines = [line.replace(",", delimiter).encode() for line in ("1,2", "NA,4")]
    rows, _ = read(lines, delimiter=delimiter)
    np.testing.assert_array_equal(rows, [[1, 2], [np.nan, 4]])


def test_the_header_is_skipped_wherever_it_stands_and_empty_lines_too():
    lines = [b"y,x", b"1,2", b"", b"y,x\r", b"  ", b"\r", b"3,4", b"y,x"]
    np.testing.assert_array_equal(read(lines, header="y,x")[0], [[1, 2], [3, 4]])
    with pytest.raises(BadRow, match="'y'"):
        read(lines)
    with pytest.raises(BadRow):  # no other line passes for it
        read([b"y, x"], header="y,x")


@pytest.mark.parametrize("token", MISSING_TOKENS)
def test_a_missing_token_is_a_nan(token):
    rows, reader = read([b"1,2", f"{token},3".encode(), f' {token} ,"{token}"'.encode()])
    np.testing.assert_array_equal(rows, [[1, 2], [np.nan, 3], [np.nan, np.nan]])
    assert reader.n_rejected == 0


def test_the_missing_tokens_can_be_chosen():
    for lines in ([b"-99,1", b"2,3"], [b"-99,1", b"2,x"]):  # a token that is a number, in the fast and in the slow way
        rows, _ = read(lines, missing_tokens=["x", "-99"])
        np.testing.assert_array_equal(rows[0], [np.nan, 1])
    with pytest.raises(BadRow, match="'NA'"):
        read([b"NA,1"], missing_tokens=["-99"])
    rows, _ = read([b"nan,1"], missing_tokens=[])  # no token, but a number that is none
    np.testing.assert_array_equal(rows[0], [np.nan, 1])


BAD = [
    (b"1,abc", "'x' holds 'abc'"),
    (b"1,inf", "'x' holds 'inf'"),
    (b"-Infinity,1", "'y' holds '-Infinity'"),
    (b"1e999,1", "'y' holds '1e999'"),
    (b"1_000,1", "'y' holds '1_000'"),
    (b"0x10,1", "'y' holds '0x10'"),
    (b"1,2 3", "'x' holds '2 3'"),
    (b"1,(2)", r"'x' holds '\(2\)'"),
    (b"1,1+2j", "'x' holds"),
    (b"1,#", "'x' holds"),
    ("1,\u00bd".encode(), "'x' holds"),
    (b"1,\xff", "'x' holds"),
    (b"1,\x00", "."),
    (b"1", "1 cells where 2"),
    (b"1,2,3", "3 cells where 2"),
    (b"1,2,", "3 cells where 2"),
    (b'"1,2', "1 cells where 2"),
    (b"1,2\r3,4", "."),
    (b'1,"2\r3"', "."),
    (b"1," + b"9" * 100_000, "'x' holds"),
    (b"1," + b"x" * 200_000, "."),
]


@pytest.mark.parametrize("line, message", BAD, ids=[str(line[:20]) for line, _ in BAD])
@pytest.mark.parametrize("before", [[], [b"1,2"], [b"NA,2"]], ids=["alone", "after a row", "the slow way"])
def test_a_bad_row_is_named(line, message, before):
    with pytest.raises(BadRow, match=message) as caught:
        read([*before, line])
    assert len(str(caught.value)) < 300
    rows, reader = read([*before, line, b"5,6"], max_bad_rows=1)
    assert reader.n_rejected == 1
    assert len(rows) == len(before) + 1
    np.testing.assert_array_equal(rows[-1], [5, 6])


def test_bad_rows_are_counted_over_blocks_and_one_too_many_stops(monkeypatch):
    monkeypatch.setattr(text, "BLOCK_ROWS", 2)
    lines = [b"1,2", b"a,b", b"3,4", b"5", b"6,7", b"c,8", b"9,10"]
    rows, reader = read(lines, max_bad_rows=3)
    assert reader.n_rejected == 3
    np.testing.assert_array_equal(rows, [[1, 2], [3, 4], [6, 7], [9, 10]])
    with pytest.raises(BadRow, match="'c'"):
        read(lines, max_bad_rows=2)


def test_blocks_without_a_good_row_take_no_number(monkeypatch):
    monkeypatch.setattr(text, "BLOCK_ROWS", 1)
    rows, _ = read([b"a,b", b"1,2", b"c,d", b"3,4"], max_bad_rows=9)  # read() checks the numbers
    np.testing.assert_array_equal(rows, [[1, 2], [3, 4]])


def test_lines_are_gathered_into_blocks():
    n = text.BLOCK_ROWS
    reader = TextReader(TextFormat(["a"]), "f:0")
    blocks = [block for i in range(2 * n + 5) for block in reader.read(b"%d" % i)]
    assert [block.n_rows for block in blocks] == [n, n]
    last = list(reader.flush())
    assert [block.n_rows for block in last] == [5]
    assert list(reader.flush()) == []
    whole = np.concatenate([block.columns["a"] for block in blocks + last])
    np.testing.assert_array_equal(whole, np.arange(2 * n + 5))


def test_a_part_is_named_by_its_piece_of_input():
    parts = [list(read_blocks([b"1,2"], split))[0].part for split in ("a:0", "a:0", "a:7", "b:0")]
    assert parts[0] == parts[1]
    assert len(set(parts)) == 3
    assert all(0 <= part < 2**63 for part in parts)


def read_blocks(lines, split) -> list[Block]:
    reader = TextReader(TextFormat(["y", "x"]), split)
    return [block for line in lines for block in reader.read(line)] + list(reader.flush())


def test_no_lines_give_no_block():
    assert read_blocks([], "f:0") == []
    assert read_blocks([b"", b" \r"], "f:0") == []


@pytest.mark.parametrize("slow", [[], [b"NA,2,3", b'"7","a,b",9']], ids=["fast", "slow"])
def test_only_the_wanted_columns_are_read_and_rows_still_counted_by_their_cells(slow):
    def wanted(lines, **options):
        reader = TextReader(TextFormat(["a", "b", "c"], **options), "f:0", ["c", "a"])
        blocks = [block for line in lines for block in reader.read(line)] + list(reader.flush())
        return blocks[0].columns, reader

    columns, _ = wanted([b"1,x,3", b"4,5,6", *slow])
    assert list(columns) == ["c", "a"]
    np.testing.assert_array_equal(columns["c"], [3, 6, *([3, 9] if slow else [])])
    np.testing.assert_array_equal(columns["a"], [1, 4, *([np.nan, 7] if slow else [])])
    for line in (b"1,2", b"1,2,3,4", b"1,2,x"):
        with pytest.raises(BadRow):
            wanted([b"1,2,3", line, *slow])
        assert wanted([b"1,2,3", line, *slow], max_bad_rows=1)[1].n_rejected == 1


def test_an_unknown_column_is_named():
    with pytest.raises(ScanError, match="no column 'z'.*y, x"):
        TextReader(TextFormat(["y", "x"]), "f:0", ["y", "z"])
