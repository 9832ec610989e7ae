"""Packed blocks and their two carriers: every column comes back, and damage of any kind is a BadBlock."""

from __future__ import annotations

import base64
import json
import struct
import zlib

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jobs.blocks import Block, BlocksFile, block_line, read_line, reference_line
from jobs.errors import BadBlock

fuzz = settings(max_examples=200, deadline=None, derandomize=True)

COLUMNS = {
    "x": np.array([0.5, -0.0, np.nan, np.inf, 5e-324]),
    "id": np.array([1, -1, 2**62 + 1, -(2**63), 0]),
    "code": np.array([0, 1, -1, 2**31 - 1, 7], np.int32),
}
NAMES = list(COLUMNS)


def make_block(part: int = 7, number: int = 12) -> Block:
    return Block(part, number, 5, dict(COLUMNS))


DATA = make_block().to_bytes()
LINE = block_line(7, 12, 5, DATA)
LEAD = 24  # other bytes stand before the block in its file
REFERENCE = reference_line(7, 12, 5, LEAD, len(DATA))


@pytest.fixture(scope="module")
def file_of_blocks(tmp_path_factory):
    path = tmp_path_factory.mktemp("blocks") / "blocks.bin"
    path.write_bytes(b"?" * LEAD + DATA + make_block(7, 13).to_bytes())
    return path


@pytest.fixture(scope="module")
def blocks_file(file_of_blocks):
    file = BlocksFile(str(file_of_blocks))
    yield file
    file.close()


def same_columns(block: Block, columns: dict[str, np.ndarray]) -> bool:
    return list(block.columns) == list(columns) and all(
        (block.columns[name].dtype, block.columns[name].tobytes()) == (values.dtype, values.tobytes())
        for name, values in columns.items()
    )


def hostile_bytes(header: object, body: bytes = b"", magic: bytes = b"SLBLOCK1") -> bytes:
    """A block with correct checksums around any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<8sII", magic, len(text), zlib.crc32(text)) + text + body


def refused_or_right(line: bytes, file: BlocksFile | None = None) -> None:
    """BadBlock, or the very block."""
    try:
        block = read_line(line, NAMES, file)
    except BadBlock:
        return
    assert (block.part, block.number, block.n_rows) == (7, 12, 5)
    assert same_columns(block, COLUMNS)


# -- there and back -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [LINE, REFERENCE], ids=["block", "reference"])
def test_a_block_comes_back_by_either_carrier(line, blocks_file):
    block = read_line(line, NAMES, blocks_file)
    assert (block.part, block.number, block.n_rows) == (7, 12, 5)
    assert same_columns(block, COLUMNS)


@pytest.mark.parametrize("line", [LINE, REFERENCE], ids=["block", "reference"])
@pytest.mark.parametrize("names", [[], ["code"], ["id", "x"], ["x", "x"]])
def test_only_the_named_columns_are_read_in_their_order(line, names, blocks_file):
    block = read_line(line, names, blocks_file)
    assert block.n_rows == 5
    assert same_columns(block, {name: COLUMNS[name] for name in names})


dtypes = st.sampled_from(["<f8", "<i8", "<i4"])


@fuzz
@given(
    st.integers(0, 2**56),
    st.integers(0, 2**40),
    st.integers(0, 50).flatmap(
        lambda n: st.tuples(st.just(n), st.dictionaries(st.text(max_size=6), dtypes.flatmap(lambda d: hnp.arrays(d, n))))
    ),
)
def test_any_block_comes_back(part, number, table):
    n_rows, columns = table
    data = Block(part, number, n_rows, columns).to_bytes()
    block = read_line(block_line(part, number, n_rows, data), list(columns), None)
    assert (block.part, block.number, block.n_rows) == (part, number, n_rows)
    assert same_columns(block, columns)


def test_columns_start_on_boundaries_of_eight_bytes():
    for name in ("x", "xy", "xyz", "a longer name"):
        data = Block(0, 0, 1, {name: np.array([1.5])}).to_bytes()
        assert data.index(struct.pack("<d", 1.5)) % 8 == 0


def test_arrays_of_any_order_in_memory_are_packed_alike():
    values = np.arange(20.0)
    views = [values[::2], values[::2].copy(), values[::2].astype(">f8")]
    assert len({Block(0, 0, 10, {"x": view}).to_bytes() for view in views}) == 1


@pytest.mark.parametrize(
    "values", [np.zeros(3, "<f4"), np.zeros(2), np.zeros((3, 1)), np.array(["a"] * 3), np.zeros(3, bool)]
)
def test_columns_of_another_type_or_length_are_not_packed(values):
    with pytest.raises(ValueError, match="column 'x'"):
        Block(0, 0, 3, {"x": values}).to_bytes()


# -- hostile lines ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [LINE, REFERENCE], ids=["block", "reference"])
def test_a_line_cut_anywhere_is_refused(line, blocks_file):
    for end in range(len(line)):
        with pytest.raises(BadBlock):
            read_line(line[:end], NAMES, blocks_file)


@pytest.mark.parametrize("flip", [0x01, 0x02, 0x20, 0x80, 0xFF])
@pytest.mark.parametrize("line", [LINE, REFERENCE], ids=["block", "reference"])
def test_a_flipped_byte_anywhere_never_gives_another_block(line, flip, blocks_file):
    for place in range(len(line)):
        refused_or_right(line[:place] + bytes([line[place] ^ flip]) + line[place + 1 :], blocks_file)


@fuzz
@given(st.binary(max_size=4), st.integers(0, len(LINE)), st.integers(0, 4))
def test_bytes_put_in_or_over_never_give_another_block(data, place, over):
    refused_or_right(LINE[:place] + data + LINE[place + over :])


@fuzz
@given(st.integers(0, len(DATA) - 1), st.integers(1, 255))
def test_a_flipped_byte_inside_the_block_is_refused(place, flip):
    data = DATA[:place] + bytes([DATA[place] ^ flip]) + DATA[place + 1 :]
    with pytest.raises(BadBlock):
        read_line(block_line(7, 12, 5, data), NAMES, None)


def test_a_block_cut_or_lengthened_is_refused():
    for data in (*(DATA[:end] for end in range(len(DATA))), DATA + b"\0", DATA + DATA):
        with pytest.raises(BadBlock):
            read_line(block_line(7, 12, 5, data), NAMES, None)


@pytest.mark.parametrize("part, number, n_rows", [(8, 12, 5), (7, 13, 5), (7, 12, 4), (7, 12, 6), (0, 0, 0)])
def test_a_line_that_names_another_block_is_refused(part, number, n_rows, blocks_file):
    for line in (block_line(part, number, n_rows, DATA), reference_line(part, number, n_rows, LEAD, len(DATA))):
        with pytest.raises(BadBlock, match="names another block than it holds"):
            read_line(line, NAMES, blocks_file)


@pytest.mark.parametrize("piece", [b"-7", b"+7", b"7.0", b"7_0", b"0x7", b"", b"seven", b"\xb2", b"9" * 19, b"9" * 5000])
@pytest.mark.parametrize("place", [1, 2, 3, 4, 5])
def test_counts_that_are_no_counts_are_refused(piece, place, blocks_file):
    for line in (LINE, REFERENCE):
        pieces = line.split(b" ")
        if line is LINE and place >= 4:
            continue
        pieces[place] = piece
        with pytest.raises(BadBlock, match="is not a count"):
            read_line(b" ".join(pieces), NAMES, blocks_file)


@pytest.mark.parametrize(
    "offset, n_bytes",
    [
        (0, len(DATA)), (LEAD + 1, len(DATA)), (LEAD, len(DATA) - 1), (LEAD, len(DATA) + 1), (LEAD, 0), (LEAD, 15),
        (LEAD + len(DATA), len(DATA)), (LEAD + len(DATA) + 1, len(DATA)), (10**17, 16), (0, 10**17), (10**17, 10**17),
    ],
)  # fmt: skip
def test_a_reference_to_anything_but_its_block_is_refused(offset, n_bytes, blocks_file):
    with pytest.raises(BadBlock):
        read_line(reference_line(7, 12, 5, offset, n_bytes), NAMES, blocks_file)


def test_a_reference_outside_the_file_says_so(blocks_file):
    with pytest.raises(BadBlock, match="bytes 100000-100016 of .*which has"):
        read_line(reference_line(7, 12, 5, 100_000, 16), NAMES, blocks_file)


def test_a_reference_without_a_file_is_refused():
    with pytest.raises(BadBlock, match="--blocks"):
        read_line(REFERENCE, NAMES, None)


def test_a_file_of_blocks_cut_or_flipped_anywhere_is_refused(tmp_path):
    path = tmp_path / "blocks.bin"
    whole = b"?" * LEAD + DATA
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        file = BlocksFile(str(path))
        with pytest.raises(BadBlock):
            read_line(REFERENCE, NAMES, file)
        file.close()
    for place in range(LEAD, len(whole), 5):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        file = BlocksFile(str(path))
        with pytest.raises(BadBlock):
            read_line(REFERENCE, NAMES, file)
        file.close()


def test_a_file_cut_while_it_is_read_is_refused(tmp_path):
    path = tmp_path / "blocks.bin"
    path.write_bytes(b"?" * LEAD + DATA)
    file = BlocksFile(str(path))
    for end in (0, LEAD, LEAD + 10, LEAD + 30, LEAD + len(DATA) - 1):
        with open(path, "r+b") as f:
            f.truncate(end)
        with pytest.raises(BadBlock):
            read_line(REFERENCE, NAMES, file)
        path.write_bytes(b"?" * LEAD + DATA)
    file.close()


@pytest.mark.parametrize("path", ["nowhere/blocks.bin", "."])
def test_a_file_that_cannot_be_read_is_named(path, tmp_path):
    with pytest.raises(BadBlock, match="cannot be read"):
        BlocksFile(str(tmp_path / path))


def test_an_absent_column_is_named(blocks_file):
    for line in (LINE, REFERENCE):
        with pytest.raises(BadBlock, match="without the column 'z'; it has x, id, code"):
            read_line(line, ["x", "z"], blocks_file)


GOOD = {"part": 7, "number": 12, "rows": 5, "columns": [["x", "<f8", zlib.crc32(bytes(40))]]}


def test_the_hostile_header_of_these_tests_is_read_when_it_is_right():
    block = read_line(block_line(7, 12, 5, hostile_bytes(GOOD, bytes(40))), ["x"], None)
    assert same_columns(block, {"x": np.zeros(5)})


@pytest.mark.parametrize(
    "header",
    [
        b"", b"{", b"\xff", b"[" * 100_000, b"1", b"null", b"NaN", b"{}", b"[]", b'"x"',
        {**GOOD, "rows": -5}, {**GOOD, "rows": "5"}, {**GOOD, "rows": 5.0}, {**GOOD, "rows": None}, {**GOOD, "rows": [5]},
        {**GOOD, "rows": 10**30}, {**GOOD, "rows": -(10**30)}, {**GOOD, "rows": 6}, {**GOOD, "rows": 0},
        {**GOOD, "part": "7"}, {**GOOD, "part": 7.5}, {**GOOD, "number": None},
        *({**GOOD, "columns": columns} for columns in (
            None, 3, {}, [[]], "abc", [["x", "<f8"]], [["x", "<f8", 0]], [["x", "|O", 0]], [[["x"], "<f8", 0]],
            [[{}, "<f8", 0]], [["x", [], 0]], [["x", "<f8", "crc"]], [["x", "<f8", None]],
            [GOOD["columns"][0], GOOD["columns"][0]], [["x", "<i4", zlib.crc32(bytes(20))]],
        )),
        {"rows": 5, "columns": GOOD["columns"]}, {"part": 7, "number": 12, "rows": 5},
    ],
    ids=lambda header: str(header)[:60],
)  # fmt: skip
def test_a_header_of_nonsense_with_right_checksums_is_refused(header, tmp_path):
    data = hostile_bytes(header, bytes(40))
    with pytest.raises(BadBlock):
        read_line(block_line(7, 12, 5, data), ["x"], None)
    (tmp_path / "blocks.bin").write_bytes(data)
    file = BlocksFile(str(tmp_path / "blocks.bin"))
    with pytest.raises(BadBlock):
        read_line(reference_line(7, 12, 5, 0, len(data)), ["x"], file)
    file.close()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(["x", "<f8", "<i4"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*GOOD]), inner, max_size=4),
    max_leaves=8,
)


@fuzz
@given(json_values, st.sampled_from([*GOOD, None]), st.integers(0, 60))
def test_any_header_with_right_checksums_is_refused(value, place, size):
    header = value if place is None else {**GOOD, place: value}
    if place in ("part", "number", "rows") and value == GOOD[place] and type(value) is int:
        return
    with pytest.raises(BadBlock):
        read_line(block_line(7, 12, 5, hostile_bytes(header, bytes(size))), ["x"], None)


@pytest.mark.parametrize("size", [0, 17, 2**31, 2**32 - 1])
def test_a_header_size_of_nonsense_is_refused(size):
    data = DATA[:8] + struct.pack("<I", size) + DATA[12:]
    with pytest.raises(BadBlock):
        read_line(block_line(7, 12, 5, data), NAMES, None)


@fuzz
@given(st.binary(max_size=200))
@example(b"")
@example(b"scanlearn-block ")
@example(b"scanlearn-reference ")
@example(b"scanlearn-block 7 12 5 ")
@example(b"scanlearn-block 7 12 5 =")
@example(b"1.5,2.5,3.5")
@example(b"something " + LINE.split(b" ", 1)[1])
@example(b"scanlearn-block " + REFERENCE.split(b" ", 1)[1])
@example(b"scanlearn-reference " + LINE.split(b" ", 1)[1])
def test_foreign_lines_are_refused(line):
    for text in (line, b"scanlearn-block 7 12 5 " + line, b"scanlearn-block 7 12 5 " + base64.b64encode(line)):
        with pytest.raises(BadBlock):
            read_line(text, NAMES, None)


def test_the_error_shows_the_line_and_no_more_than_its_beginning():
    with pytest.raises(BadBlock, match="scanlearn-block 7 12 5") as caught:
        read_line(LINE[:-8], NAMES, None)
    assert len(str(caught.value)) < 250
