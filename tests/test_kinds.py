"""Kinds of columns: what each is taken for, and that its cells come back as they were written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.packing import pack as pack_module
from drivers.packing.cache import pack
from drivers.packing.chunks import QuotedEnds
from drivers.packing.contents import PackContents
from drivers.packing.formats.options import InputOptions
from drivers.packing.kinds import DATE, HASH, INTEGER, NUMBER, TEXT, Dictionary, Texts, hashes, settle, to_arrays, to_arrow
from drivers.packing.sources import find_sources
from jobs.errors import ScanError
from tests.test_packing import pack_text, packed_matrix

BIG = 2**53


def kinds(made):
    return dict(zip(made.manifest.columns, made.manifest.kinds))


def cells(made, name):
    """A column as people write it."""
    j = made.manifest.columns.index(name)
    values = packed_column(made, name)
    return to_arrow(values, made.manifest.kinds[j], made.texts.get(name), made.manifest.types()[name]).to_pylist()


def packed_column(made, name):
    from jobs.blocks import BlocksFile, read_line

    blocks = BlocksFile(made.blocks)
    with open(made.index, "rb") as f:
        return np.concatenate([read_line(line.rstrip(b"\n"), [name], blocks).columns[name] for line in f])


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (["1", "2.5", "-3e4"], NUMBER),
        (["1", "", "nan"], NUMBER),
        (["", "NA", "?"], NUMBER),  # nothing to go by
        (["true", "False", "TRUE"], NUMBER),
        (["1", "2", "oops", "4"], None),  # a bad cell in a column of numbers
        (["a", "b", "3"], TEXT),
        (["NaN", "x", "x"], TEXT),
        (["2024-01-31", "1969-12-31", ""], DATE),
        (["2024-01-31 12:30:00", "2024-01-31", "2024-02-01 00:00"], DATE),
        (["2024-01-31T12:30:00Z", "2024-01-31T12:30:00Z", "2024-01-31T12:30:00Z"], DATE),
        (["31.01.2024", "01.02.2024", "x"], TEXT),
        (["2024-01-31", "x", "y"], TEXT),
        ([str(BIG + 1), "-5", ""], INTEGER),
        ([str(BIG - 1), "-5", ""], NUMBER),
        (["99999999999999999999", "1", "2"], TEXT),  # beyond 64 bits, so an identity
        (["1e25", "1", "2"], NUMBER),
    ],
)
def test_what_a_column_is_taken_for(tmp_path, first, kind):
    text = "c,n\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(first))
    if kind is None:
        with pytest.raises(ScanError, match="line 4, column 'c': 'oops' is not a number"):
            pack_text(tmp_path / "t.csv", text)
    else:
        assert kinds(pack_text(tmp_path / "t.csv", text))["c"] == kind


def test_texts_come_back_with_what_is_missing(tmp_path):
    written = ["red", '"gr,een"', '"a ""b"""', "", "NA", '"two\nlines"', "NaN", "red", "\u00e9t\u00e9"]
    made = pack_text(tmp_path / "t.csv", "c,n\n" + "".join(f"{cell},1\n" for cell in written))
    assert cells(made, "c") == ["red", "gr,een", 'a "b"', None, None, "two\nlines", "NaN", "red", "\u00e9t\u00e9"]
    assert made.texts["c"] == ["red", "gr,een", 'a "b"', "two\nlines", "NaN", "\u00e9t\u00e9"]
    assert made.manifest.n_missing.tolist() == [2, 0] and made.manifest.n_texts.tolist() == [6, 0]
    assert packed_matrix(made).shape == (9, 2)


def test_codes_go_on_across_chunks_and_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("drivers.packing.pack.BLOCK_BYTES", 8 * 2 * 100)
    monkeypatch.setattr("drivers.packing.chunks.chunks.__defaults__", ("utf-8", 2000))
    written = [f"word{i * i % 97}" for i in range(2000)]
    made = pack_text(tmp_path / "t.csv", "c,n\n" + "".join(f"{cell},1\n" for cell in written))
    assert made.manifest.n_blocks == 20
    assert cells(made, "c") == written
    assert made.texts["c"] == list(dict.fromkeys(written))


def test_ids_beyond_2_53_are_exact(tmp_path):
    written = [BIG + 1, -BIG - 3, 2**63 - 1, None, 5]
    made = pack_text(tmp_path / "t.csv", "id,y\n" + "".join(f"{'' if v is None else v},1\n" for v in written))
    assert kinds(made)["id"] == INTEGER
    assert cells(made, "id") == written


@pytest.mark.parametrize("later", [[str(BIG + 1)], [str(BIG + 1), "0.5"], [str(BIG + 1), "1e300"]])
def test_a_column_that_turns_out_otherwise_is_packed_again(tmp_path, monkeypatch, later):
    monkeypatch.setattr("drivers.packing.formats.delimited.LOOKED_AT_BYTES", 100)
    written = [str(i) for i in range(100)] + later
    made = pack_text(tmp_path / "t.csv", "id,y\n" + "".join(f"{cell},1\n" for cell in written))
    assert made.manifest.n_rows == len(written)
    if len(later) == 1:
        assert kinds(made)["id"] == INTEGER and cells(made, "id") == [int(cell) for cell in written]
    else:
        assert kinds(made)["id"] == NUMBER and cells(made, "id") == [float(cell) for cell in written]


def test_the_whole_number_that_stands_for_missing_is_no_missing_cell(tmp_path):
    made = pack_text(tmp_path / "t.csv", f"id,y\n{BIG + 1},1\n{-(2**63)},2\n")
    assert kinds(made)["id"] == TEXT and cells(made, "id") == [str(BIG + 1), str(-(2**63))]


def test_dates_are_days(tmp_path):
    made = pack_text(tmp_path / "t.csv", "d,e,y\n1970-01-02,1970-01-01 06:00,1\n1969-12-31,,2\n2024-02-29,2024-02-29,3\n")
    np.testing.assert_array_equal(packed_column(made, "d"), [1, -1, 19782])
    np.testing.assert_array_equal(packed_column(made, "e"), [0.25, np.nan, 19782])
    assert cells(made, "d") == ["1970-01-02", "1969-12-31", "2024-02-29"]
    assert cells(made, "e") == ["1970-01-01 06:00:00", None, "2024-02-29 00:00:00"]
    with pytest.raises(ScanError, match="line 3, column 'd': '31.12.2024' is not a date like 2024-12-31"):
        pack_text(tmp_path / "t.csv", "d,y\n2024-12-30,1\n31.12.2024,2\n")


def test_text_by_wish(tmp_path):
    made = pack_text(tmp_path / "t.csv", "zip,y\n01234,1\n1234,2\n", InputOptions(text=("zip",)))
    assert cells(made, "zip") == ["01234", "1234"]


def test_more_texts_than_a_dictionary_holds(tmp_path, monkeypatch):
    monkeypatch.setattr(pack_module, "MOST_TEXTS", 50)
    text = "name,y\n" + "".join(f"name {i},{i}\n" for i in range(200))
    made = pack_text(tmp_path / "t.csv", text)
    assert made.manifest.columns == ["y"] and made.manifest.left_out == {"name": "has more than 50 different texts"}
    made = pack_text(tmp_path / "t.csv", text, hashed=("name",))
    assert kinds(made)["name"] == HASH
    assert len(set(packed_column(made, "name").tolist())) == 200
    with pytest.raises(ScanError, match="the column 'name' has more than 50 different texts"):
        pack_text(tmp_path / "t.csv", text, chosen=("name", "y"))


def test_the_hash_of_a_text_is_that_of_its_bytes():
    # BLAKE2b of "abc" with a digest of 8 bytes, by another program (b2sum -l 64), read as a little-endian integer.
    assert hashes(Texts(np.array([0, -1]), ["abc"])).tolist() == [
        int.from_bytes(bytes.fromhex("d8bb14d833d59559"), "little", signed=True),
        -(2**63),
    ]


def test_a_dictionary_takes_new_texts_in():
    dictionary = Dictionary()
    assert dictionary.encode(Texts(np.array([0, 1, -1, 0], np.int32), ["b", "a"])).tolist() == [0, 1, -1, 0]
    assert dictionary.encode(Texts(np.array([1, 0], np.int32), ["c", "a"])).tolist() == [1, 2]


def test_lists_and_records_are_no_cells():
    assert settle(pa.chunked_array([pa.array([[1], [2]])])) is None
    assert settle(pa.chunked_array([pa.array([{"a": 1}])])) is None


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63) + 1, 2**63 - 1)), min_size=1))
@settings(max_examples=50, deadline=None)
def test_integers_to_arrays_and_back(values):
    column = pa.chunked_array([pa.array(values, pa.int64())])
    assert to_arrow(to_arrays(column, pa.int64()), INTEGER).to_pylist() == values


CELLS = st.sampled_from(["a", '"b"', '"c\nd"', '"e""f"', 'g"h', '"i"j', "", '""', '"k,l"', 'm""n'])


@given(st.lists(st.lists(CELLS, min_size=1, max_size=4), min_size=1, max_size=12), st.sampled_from(["\n", "\r\n", "\r"]))
@settings(max_examples=300, deadline=None)
def test_record_ends_are_those_of_csv(rows, end):
    import csv
    import io

    data = end.join(",".join(row) for row in rows).replace("\n", end).encode() + end.encode() + b"z"
    text = data.decode()
    reader = csv.reader(io.StringIO(text, newline=""))
    n_records = sum(1 for _ in reader)
    assert len(QuotedEnds()(data)) == n_records - 1


def test_latin_1_and_utf_16(tmp_path):
    for name in ("latin-1", "utf-16"):
        made = pack_text(
            tmp_path / "t.csv", "stra\u00dfe,y\n\u00e9,1\n\u00fc,2\n".encode(name), InputOptions(encoding=name)
        )
        assert made.manifest.columns == ["stra\u00dfe", "y"] and cells(made, "stra\u00dfe") == ["\u00e9", "\u00fc"]
        assert made.manifest.text is None


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, delimiter):
    rows = [["name", "y", "x"], ["a, b; c", "1", "2"], ["d|e", "3", "4"], ["f\tg", "5", "6"]]
    made = pack_text(tmp_path / "t.csv", "\n".join(delimiter.join(f'"{cell}"' for cell in row) for row in rows) + "\n")
    assert made.manifest.columns == ["name", "y", "x"]
    assert cells(made, "name") == ["a, b; c", "d|e", "f\tg"]
    assert bool(made.manifest.notes) == (delimiter != ",")


def test_the_header_is_found_or_not(tmp_path):
    assert pack_text(tmp_path / "t.csv", "1,2\n3,4\n").manifest.columns == ["c1", "c2"]
    assert pack_text(tmp_path / "t.csv", "country,2023,2024\nFrance,1,2\n", InputOptions(header="yes")).manifest.n_rows == 1
    assert pack_text(tmp_path / "t.csv", "id,2023\n7,1\n8,2\n").manifest.columns == ["id", "2023"]
    assert pack_text(tmp_path / "t.csv", "a,b\nc,d\n", InputOptions(header="no")).manifest.n_rows == 2
    named = pack_text(tmp_path / "t.csv", "a,b\n1,2\n", InputOptions(columns=("p", "q"), header="yes"))
    assert named.manifest.columns == ["p", "q"] and named.manifest.n_rows == 1


def test_a_header_that_stands_again_is_no_row(tmp_path):
    made = pack_text(tmp_path / "t.csv", "y,x\n1,2\ny,x\n3,4\r\ny,x\r\n5,6\ny,x")
    np.testing.assert_array_equal(packed_matrix(made), [[1, 2], [3, 4], [5, 6]])
    assert made.manifest.notes == ["lines passed over because they are the header again: 3"]
    with pytest.raises(ScanError, match="line 4, column 'x': 'b' is not a number"):
        pack_text(tmp_path / "t.csv", "y,x\n1,2\ny,x\n3,b\n5,6\n")


def test_only_the_first_of_several_files_has_a_header(tmp_path):
    (tmp_path / "part-0.csv").write_text("y,x\n1,2\n")
    (tmp_path / "part-1.csv").write_text("3,4\n")
    made = pack(find_sources(["part-*.csv"]), InputOptions(), PackContents())
    np.testing.assert_array_equal(packed_matrix(made), [[1, 2], [3, 4]])
