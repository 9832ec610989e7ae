"""JSON: lines and arrays, of objects and of arrays; every record is a row or a bad record that is named."""

from __future__ import annotations

import gzip
import json
import math
import random
import re
from datetime import datetime, timezone

import numpy as np
import pyarrow as pa
import pytest

from drivers.packing.chunks import Chunk
from drivers.packing.formats import json_records, open_table
from drivers.packing.formats.json_rows import JsonParser, JsonReader
from drivers.packing.formats.options import InputOptions
from drivers.packing.kinds import TEXT_TYPE, Texts
from drivers.packing.sources import find_sources
from jobs.errors import ScanError
from jobs.text import MISSING_TOKENS


def plain(column):
    """A column as a list, None where a cell is missing."""
    if isinstance(column, Texts):
        return [None if code < 0 else column.values[code] for code in column.codes.tolist()]
    if column.dtype == np.int64:
        return [None if value == np.iinfo(np.int64).min else value for value in column.tolist()]
    return [None if math.isnan(value) else value for value in column.tolist()]


class Table:
    """All rows of some files as the reader gives them."""

    def __init__(self, *paths, wanted=None, **options):
        sources = find_sources(map(str, paths))
        self.reader = open_table(sources, InputOptions(**options))
        self.types = self.reader.look(wanted or self.reader.names)
        kept = {name: arrow for name, arrow in self.types.items() if arrow is not None}
        parser = self.reader.parser(kept)
        self.bad, self.columns, self.lines = [], {name: [] for name in kept}, []
        for source in sources:
            for chunk in self.reader.chunks(source):
                parsed = parser.parse(chunk, 10**9)
                self.bad += parsed.bad
                self.lines += [parser.line_of(chunk, row) for row in range(min(3, parsed.n_rows))]
                for name, column in zip(kept, parsed.columns):
                    self.columns[name] += plain(column)
        self.n_rows = len(next(iter(self.columns.values())))


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def lines(*records):
    return "".join(json.dumps(record) + "\n" for record in records)


# -- shapes ------------------------------------------------------------------------------------------------------------

ROWS = [{"y": 1.5, "x": 2, "name": "a, [b]"}, {"y": -2, "x": None, "name": 'q"\\'}, {"x": 3, "name": "ü\n"}]
EXPECTED = {"y": [1.5, -2, None], "x": [2, None, 3], "name": ["a, [b]", 'q"\\', "ü\n"]}


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n", "\n \t\n"])
def test_lines_of_objects(tmp_path, end):
    table = Table(write(tmp_path / "t.jsonl", "\ufeff" + end.join(map(json.dumps, ROWS))))
    assert isinstance(table.reader, JsonReader)
    assert table.columns == EXPECTED
    assert list(table.types.values()) == [pa.float64(), pa.float64(), TEXT_TYPE]
    assert (table.bad, table.reader.notes, table.reader.text, table.reader.unit) == ([], [], None, "line")
    between = 2 if end.count("\n") == 2 else 1
    assert table.lines == [1, 1 + between, 1 + 2 * between]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("piece", [7, 64, 1 << 20])
@pytest.mark.parametrize("records", [ROWS, [list(row.values()) for row in ROWS[:2]]])
def test_an_array_of_any_layout(tmp_path, monkeypatch, indent, piece, records):
    monkeypatch.setattr(json_records, "PIECE", piece)
    text = "\n [" + json.dumps(records, indent=indent)[1:] + "\n\n"
    table = Table(write(tmp_path / "rows.json", text))
    if records is ROWS:
        assert table.columns == EXPECTED
        assert table.reader.notes == ["rows.json: a JSON array of objects"]
    else:
        assert list(table.columns.values()) == [values[:2] for values in EXPECTED.values()]
        assert table.reader.notes[0] == "rows.json: a JSON array of arrays"
    first = 'y": 1.5' if records is ROWS else "1.5"
    assert table.lines[0] == next(n for n, line in enumerate(text.split("\n"), 1) if first in line) - (indent or 0)


def test_lines_of_arrays_and_their_names(tmp_path):
    path = write(tmp_path / "t.json", '[1.5, 2, "a"]\n\n[NaN, -0, "NA"]\n[3, true, "b"]\n[1, 2]\n{"a": 1}\n[1, [2], "a"]\n')
    table = Table(path)
    assert table.columns == {"c1": [1.5, None], "c2": [2, 0], "c3": ["a", None]}
    assert [(bad.line, bad.column, bad.reason) for bad in table.bad] == [
        (4, "c2", "is not a number"),
        (5, "", "this row has 2 cells where 3 columns are expected"),
        (6, "", "is not an array, as the other records are"),
        (7, "c2", "is an array, not a single value"),
    ]
    assert "c1 to c3; name them with --columns" in table.reader.notes[0]
    named = Table(path, columns=("y", "x", "name"))
    assert list(named.columns) == ["y", "x", "name"] and named.reader.notes == []


def test_compressed_files_of_several_shapes_are_one_table(tmp_path):
    write(tmp_path / "1.json", json.dumps(ROWS[:1]))
    (tmp_path / "2.json.gz").write_bytes(gzip.compress(lines(*ROWS[1:]).encode()))
    write(tmp_path / "3.json", "[]")
    assert Table(*sorted(tmp_path.glob("?.json*"))).columns == EXPECTED


def test_another_encoding(tmp_path):
    path = write(tmp_path / "t.json", json.dumps(ROWS, ensure_ascii=False).encode("utf-16"))
    with pytest.raises(ScanError, match="is UTF-16 text; give --encoding utf-16"):
        Table(path, format="json")
    assert Table(path, format="json", encoding="utf-16").columns == EXPECTED


# -- columns and cells -------------------------------------------------------------------------------------------------


def test_the_columns_are_the_keys_of_the_first_chunk_in_order(tmp_path):
    table = Table(write(tmp_path / "t.jsonl", lines({"b": 1}, {"a": 2, "c": 3}, {})))
    assert table.columns == {"b": [1, None, None], "a": [None, 2, None], "c": [None, 3, None]}


def test_a_key_that_comes_later_is_a_bad_record_unless_the_columns_are_given(tmp_path, monkeypatch):
    monkeypatch.setattr(json_records, "PIECE", 16)
    path = write(tmp_path / "t.json", "[" + ",\n".join(['{"a": 1, "b": 1}'] * 5 + ['{"a": 2, "z": [1]}', '{"a": 3}']) + "]")
    table = Table(path)
    assert table.columns["a"] == [1] * 5 + [3]
    assert str(table.bad[0]) == (
        """t.json, line 6: '{"a": 2, "z": [1]}' has the key 'z', which none of the first 1 records has; """
        "name the keys to be read with --columns"
    )
    assert Table(path, columns=("a",)).columns == {"a": [1] * 5 + [2, 3]}
    with pytest.raises(ScanError, match="none of the first 1 records has the key 'c'; they have a, b"):
        Table(path, columns=("a", "c"))


def test_types(tmp_path):
    first = {"n": 1, "whole": 2**53 + 1, "huge": 2**63, "b": True, "day": "2024-12-31", "at": "2024-12-31T23:59:59Z"}
    first |= {"ns": "2024-12-31 23:59:59.123456789", "quoted": "1.5", "id": "9007199254740993", "t": "x", "none": None}
    first |= {"list": [1], "object": {"a": 1}, "mixed": 1}
    second = {
        "n": 1.5,
        "whole": -(2**63) + 1,
        "b": False,
        "quoted": " 2 ",
        "mixed": "x",
        "list": None,
        "object": {"b": "2"},
    }
    table = Table(write(tmp_path / "t.jsonl", lines(first, second, {"mixed": 3.0, "id": 7, "whole": 4.0})))
    assert table.types == {
        "n": pa.float64(),
        "whole": pa.int64(),
        "huge": TEXT_TYPE,
        "b": pa.bool_(),
        "day": pa.timestamp("s"),
        "at": pa.timestamp("us", "UTC"),
        "ns": pa.timestamp("ns"),
        "quoted": pa.float64(),
        "id": pa.int64(),
        "t": TEXT_TYPE,
        "none": pa.float64(),
        "list": None,
        "object": None,
        "mixed": pa.float64(),
    }
    assert [(bad.line, bad.column, bad.value, bad.reason) for bad in table.bad] == [(2, "mixed", "x", "is not a number")]
    assert table.columns["whole"] == [2**53 + 1, 4]
    assert table.columns["id"] == [2**53 + 1, 7]
    assert table.columns["b"] == [1, None]
    day = (datetime(2024, 12, 31, tzinfo=timezone.utc) - datetime(1970, 1, 1, tzinfo=timezone.utc)).days
    assert table.columns["day"] == [day, None]
    assert table.columns["at"][0] == pytest.approx(day + 1 - 1 / 86400, abs=1e-9)


def test_numbers_are_read_exactly(tmp_path):
    values = [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3, 2.0**60, 123456789012345678]
    for records in ([{"x": value} for value in values], [[value] for value in values]):
        for text in (lines(*records), json.dumps(records), lines(*records).replace(": ", ' : "').replace("}", '"}')):
            assert Table(write(tmp_path / "t.json", text)).columns.popitem()[1] == list(map(float, values))


def test_missing_cells(tmp_path):
    rows = [{"x": 1, "t": "a", "b": True, "d": "2024-01-01"}, dict.fromkeys("xtbd"), dict.fromkeys("xtbd", "NA"), {}]
    text = lines(*rows) + '{"x": NaN, "t": NaN, "b": NaN, "d": NaN}\n' + lines(dict.fromkeys("xtbd", ""))
    table = Table(write(tmp_path / "t.jsonl", text))
    assert table.n_rows == 6 and table.bad == []
    assert all(column[1:] == [None] * 5 and column[0] is not None for column in table.columns.values())
    table = Table(write(tmp_path / "t.jsonl", text), missing_tokens=("-",), wanted=["t"])
    assert table.columns["t"] == ["a", None, "NA", None, None, ""]


def test_bad_cells_are_named(tmp_path):
    good = {"n": 1, "w": 2**60, "b": True, "d": "2024-01-01", "t": "x"}
    cells = [
        ("n", '"abc"', "abc", "is not a number"),
        ("n", "Infinity", "inf", "is not a finite number"),
        ("n", "-1e999", "-inf", "is not a finite number"),
        ("n", '"inf"', "inf", "is not a finite number"),
        ("n", "true", "true", "is not a number"),
        ("n", "[1]", "[...]", "is an array, not a single value"),
        ("n", '{"n": 1}', "{...}", "is an object, not a single value"),
        ("w", "1.5", "1.5", "is not a whole number"),
        ("w", str(2**63), str(2**63), "is beyond the whole numbers of 64 bits"),
        ("w", str(-(2**63)), str(-(2**63)), "is beyond the whole numbers of 64 bits"),
        ("w", '"0x10"', "0x10", "is not a whole number"),
        ("b", "1", "1", "is neither true nor false"),
        (
            "d",
            "20240101",
            "20240101",
            "is not a date like 2024-12-31 or 2024-12-31 23:59:59, as the column's first ones are",
        ),
        ("t", '"\\ud800"', "\ud800", "holds half of a character, a surrogate without the other one"),
    ]
    spoiled = [json.dumps(good)]
    for name, cell, _, _ in cells:
        spoiled += [re.sub(rf'"{name}": ("[^"]*"|\w+)', lambda _, n=name, c=cell: f'"{n}": {c}', json.dumps(good))]
    write(tmp_path / "1.jsonl", lines(*[good] * 3))
    table = Table(tmp_path / "1.jsonl", write(tmp_path / "2.jsonl", "\n".join([*spoiled, json.dumps(good)])))
    found = [(bad.column, bad.value, bad.reason) for bad in table.bad]
    assert found == [(name, value, reason) for name, _, value, reason in cells]
    assert [bad.line for bad in table.bad] == list(range(2, 2 + len(cells)))
    assert table.n_rows == 5


def test_texts_of_what_is_no_text(tmp_path):
    text = lines(*({"t": t} for t in "abcdefg"), {"t": 1}, {"t": 1.5}, {"t": True}) + '{"t": -0}\n{"t": 1e400}\n'
    expected = [*"abcdefg", "1", "1.5", "true", "0", "inf"]
    assert Table(write(tmp_path / "t.jsonl", text)).columns["t"] == expected
    codes = Table(write(tmp_path / "t.jsonl", lines({"k": 7}, {"k": 12345678901234567890})), text=("k",))
    assert codes.columns["k"] == ["7", "12345678901234567890"]


def test_bad_records_are_named(tmp_path):
    records = [
        (b'{"a": 1', "does not end; a record stands on one line, or in an array that is the whole file"),
        (b'{"a": "x', "does not end; a record stands on one line, or in an array that is the whole file"),
        (b'{"a": 1} {"a": 2}', "is not JSON: Extra data at character 10"),
        (b'{"a": 1, "a": 2}', "names the key 'a' twice"),
        (b'{"a": "\xff"}', "is not UTF-8; --encoding latin-1 reads Western European text"),
        (b'{"a": "\t"}', "is not JSON: Invalid control character at at character 8"),
        (b'{"a": \x00}', "is not JSON: Expecting value at character 7"),
        (b'{"a": ' + b"[" * 100_000 + b"}", "is nested too deep"),
        (b"null", "is not an object, as the other records are"),
        (b"[1]", "is not an object, as the other records are"),
        (b'{"a": -NaN}', "is not JSON: Expecting value at character 7"),
        (b'{"a": Inf}', "is not JSON: Expecting value at character 7"),
        (b'{"a": 01}', "is not JSON: Expecting ',' delimiter at character 8"),
    ]
    good = [b'{"a": 1}'] * 500
    table = Table(write(tmp_path / "t.jsonl", b"\n".join([*good, *(record for record, _ in records), *good])))
    assert [(bad.line, bad.reason) for bad in table.bad] == [(501 + i, reason) for i, (_, reason) in enumerate(records)]
    assert table.columns == {"a": [1] * 1000}


def test_no_more_is_read_once_the_bad_records_are_too_many(tmp_path):
    path = write(tmp_path / "t.jsonl", '{"a": 1}\n' + '{"a": "x"}\n' * 1000 + '{"a": 1}\n' * 1001)
    reader = open_table(find_sources([str(path)]), InputOptions())
    parser = reader.parser(reader.look(["a"]))
    chunk = next(reader.chunks(reader.sources[0]))
    assert len(parser.parse(chunk, 3).bad) < 200
    assert len(parser.parse(chunk, 10**9).bad) == 1000
    assert parser.line_of(chunk, 0) == 1 and parser.line_of(chunk, 1) == 1002


# -- what is no table --------------------------------------------------------------------------------------------------

BROKEN = {
    "  \n": "t.json holds no rows of data",
    "[]": "t.json holds no rows of data",
    "{}\n{}\n": "t.json: the first records are empty, so there are no columns",
    "hello": "t.json, line 1: 'hello' is not JSON: Expecting value at character 1",
    '{\n "a": 1\n}\n': "t.json, line 1: '{' does not end; a record stands on one line, or in an array that is the "
    "whole file",
    '[{"a": 1},\n {"a": 2': "t.json, line 2: the element that begins here does not end; is the file cut short, or a quote "
    "or bracket not closed?",
    '[{"a": 1},\n {"a": 2},\n': "t.json, line 3: the element that begins here does not end; is the file cut short, or a "
    "quote or bracket not closed?",
    '[{"a": 1},\n {"a": "2},\n {"a": 3}]': "t.json, line 2: the element that begins here does not end; is the file cut "
    "short, or a quote or bracket not closed?",
    '[{"a": 1}]\n\n [{"a": 2}]': "t.json, line 3: there is more behind the end of the array; a JSON file is one array, or "
    "one record a line",
    '[{"a": 1}\n}': "t.json, line 2: a closing brace stands where the array goes on or ends",
    '[{"a": 1},\n]': "t.json, line 2: the array ends, but an element must follow a comma",
}


@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_table_is_refused_in_one_sentence(tmp_path, text):
    path = write(tmp_path / "t.json", text)
    with pytest.raises(ScanError) as caught:
        Table(path)
    assert str(caught.value) == BROKEN[text]


def test_an_element_that_is_none_is_a_bad_record(tmp_path):
    table = Table(write(tmp_path / "t.json", '[{"a": 1},\n,\n{"a": [}, {"a": 2]},\n 5, {"a": 3}]'))
    assert table.columns == {"a": [1, 3]}
    assert [(bad.line, bad.reason[:33]) for bad in table.bad] == [
        (2, "an element is missing between two"[:33]),
        (3, "is not JSON: Expecting value at c"),
        (4, "is not an object, as the other re"),
    ]


def test_files_of_arrays_beside_files_of_objects(tmp_path):
    write(tmp_path / "1.json", "[1, 2]\n")
    write(tmp_path / "2.json", '{"a": 1}\n')
    with pytest.raises(ScanError, match=r"the records of 1\.json are arrays, but those of 2\.json are objects"):
        Table(tmp_path / "1.json", tmp_path / "2.json")


# -- any bytes ---------------------------------------------------------------------------------------------------------

FIRST = [{"n": 1.5, "w": 2**53 + 1, "t": "a", "b": True, "d": "2024-01-01", "q": "2.5", "u": "x"}] * 3
TYPES = {"n": "number", "w": "whole", "t": "text", "b": "bool", "d": "date", "q": "number"}
CELLS = [
    "1",
    "-0",
    "0.5",
    "-1e3",
    "1e400",
    "NaN",
    "-Infinity",
    "Inf",
    "-NaN",
    "null",
    "true",
    "false",
    '"a"',
    '"é"',
    '"\ufffd"',
    '"1.5"',
]
CELLS += [
    '""',
    '"NA"',
    '"nan"',
    '" 7 "',
    '"0x1F"',
    '"nan(1)"',
    '"2024-02-30"',
    '"2024-02-28 12:00"',
    "[1]",
    '{"n": 2}',
    "[]",
]
CELLS += [
    str(2**53 + 1),
    str(2**63),
    str(-(2**63)),
    '"\\u00e9\\n"',
    '"\\ud83d\\ude00"',
    '"\\udc00"',
    '"}, {"',
    "01",
    "+1",
    "1.",
    "5.0",
]
NOISE = [
    b"",
    b" ",
    b"\n",
    b"\r\n",
    b"\r",
    b"\t",
    b"}",
    b"{",
    b"[",
    b"]",
    b'"',
    b"\\",
    b",",
    b":",
    b"\x00",
    b"\xff",
    b"null",
    b"1",
]
NOISE += [b'{"n":1}', b"{}", b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\x0b", b'"n":3,', b"-", b"NaN", "é".encode()]


def some_records(rng, of_lists=False):
    keys = [*TYPES, "u"]
    good = {"n": "1.5", "w": "3", "t": '"a"', "b": "false", "d": '"2024-03-01"', "q": '"1"', "u": '"y"'}
    records = []
    for _ in range(rng.randint(1, 24)):
        row = {key: good[key] for key in keys if rng.random() < 0.9}
        for key in rng.sample(keys, rng.choice([0, 0, 0, 1, 1, 2])):
            row[key] = rng.choice(CELLS)
        pairs = list(row.items())
        if rng.random() < 0.04:
            pairs.append((rng.choice([*keys, "z"]), "1"))
        space = rng.choice(["", " "])
        if of_lists:
            cells = [row.get(key, "null") for key in keys]
            records.append("[" + ("," + space).join(cells[: len(cells) - rng.choice([0] * 20 + [1])]) + "]")
            continue
        records.append("{" + ("," + space).join(f'"{key}":{space}{cell}' for key, cell in pairs) + "}")
    return [record.encode() for record in records]


def spoil(rng, data):
    for _ in range(rng.choice([0, 0, 1, 1, 2, 4])):
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.choice(NOISE) + data[at + rng.choice([0, 0, 1, 3]) :]
    return data


def expected_cell(value, kind):
    """What a value must become; ValueError, KeyError or OverflowError where it is a bad cell."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or value in MISSING_TOKENS:
        return None
    if isinstance(value, (list, Pairs)):
        raise ValueError
    as_json = json.dumps(value)
    if kind == "text":
        text = value if isinstance(value, str) else as_json.replace("Infinity", "inf")
        text.encode()
        return "0" if text == "-0.0" else text
    if kind == "bool":
        return {"true": 1.0, "false": 0.0}[as_json.strip('"').lower()]
    if kind == "date":
        text = json.loads(as_json, parse_int=str, parse_float=str).strip()
        return datetime.fromisoformat(text + "+00:00").timestamp() if text[10:11] in ("", " ", "T") else bad()
    if isinstance(value, bool) or not as_json.isascii() or "_" in as_json or "\\" in as_json:
        raise ValueError
    if kind == "whole":
        whole = int(value)
        if (isinstance(value, float) and (whole != value or abs(whole) > 2**53)) or abs(whole) >= 2**63:
            raise ValueError
        return whole
    number = float(value)
    if math.isinf(number):
        raise ValueError
    return None if math.isnan(number) else number


def bad():
    raise ValueError


class Pairs(list):
    """The pairs of an object."""


def expected_row(text, of_lists=False):
    """The row of a record; None for a bad one."""
    try:
        record = json.loads(text.decode(), object_pairs_hook=Pairs)
        if of_lists:
            assert type(record) is list and len(record) == len(TYPES) + 1
            record = list(zip([*TYPES, "u"], record))
        assert of_lists or isinstance(record, Pairs)
        assert len({key for key, _ in record}) == len(record)
        assert {key for key, _ in record} <= {*TYPES, "u"}
        return [expected_cell(dict(record).get(key), kind) for key, kind in TYPES.items()]
    except (ValueError, AssertionError, KeyError, OverflowError, RecursionError, AttributeError):
        return None


def the_parser(folder, of_lists=False):
    path = write(folder / "first.jsonl", lines(*([list(row.values()) for row in FIRST] if of_lists else FIRST)))
    reader = open_table(find_sources([str(path)]), InputOptions(columns=tuple(FIRST[0]) if of_lists else None))
    found = reader.look(list(TYPES))
    assert [str(arrow) for arrow in found.values()][:4] == ["double", "int64", str(TEXT_TYPE), "bool"]
    return reader, reader.parser(found)


def rows_of(parsed):
    columns = [plain(column) for column in parsed.columns]
    dates = list(TYPES).index("d")
    columns[dates] = [None if day is None else day * 86400 for day in columns[dates]]
    return [list(row) for row in zip(*columns)]


def check_lines(reader, parser, seed):
    """A chunk of spoiled lines gives exactly the rows and the bad lines that json.loads finds."""
    rng = random.Random(seed)
    data = spoil(
        rng,
        b"".join(record + rng.choice([b"\n", b"\n", b"\r\n", b"\n\n"]) for record in some_records(rng, reader.of_lists)),
    )
    good, bad_lines, line_of = [], [], []
    for number, line in enumerate(re.split(rb"\r\n|\n|\r", data), 1):
        if line.strip(b" \t"):
            row = expected_row(line, reader.of_lists)
            bad_lines += [number] if row is None else []
            good += [] if row is None else [row]
            line_of += [] if row is None else [number]
    chunk = Chunk(reader.sources[0], 1, data)
    parsed = parser.parse(chunk, 10**9)
    assert (parsed.n_rows, [reject.line for reject in parsed.bad]) == (len(good), bad_lines), data
    assert rows_of(parsed) == good, data
    if good:
        row = rng.randrange(len(good))
        assert parser.line_of(chunk, row) == line_of[row]
    return chunk, parsed


@pytest.mark.parametrize("of_lists", [False, True])
@pytest.mark.parametrize("part", range(5))
def test_every_record_of_any_bytes_is_a_row_or_a_bad_record(tmp_path, part, of_lists):
    found = the_parser(tmp_path, of_lists)
    for seed in range(80 * part, 80 * part + 80):
        check_lines(*found, seed)


def check_both_ways(reader, parser, seed):
    """What is read at once is, bit for bit, what is read a record at a time."""
    chunk, parsed = check_lines(reader, parser, seed)
    careful = JsonParser(reader, parser.types)
    careful._read_all = lambda records: None
    slowly = careful.parse(chunk, 10**9)
    assert slowly.bad == parsed.bad
    for one, other in zip(parsed.columns, slowly.columns):
        if isinstance(one, Texts):
            assert plain(one) == plain(other)
        else:
            np.testing.assert_array_equal(np.isnan(one), np.isnan(other))
            assert np.nan_to_num(one).tobytes() == np.nan_to_num(other).tobytes()


@pytest.mark.parametrize("of_lists", [False, True])
def test_both_ways_of_reading_give_the_same_bits(tmp_path, of_lists):
    found = the_parser(tmp_path, of_lists)
    for seed in range(1000, 1100):
        check_both_ways(*found, seed)


def check_array(reader, parser, seed, folder):
    """The elements of an array are its records, however it is laid out and cut; one that is spoiled loses none silently."""
    rng = random.Random(seed)
    blank = lambda: rng.choice(["", "", " ", "\n", "\r\n", "\t\n "]).encode()  # noqa: E731
    records = some_records(rng)
    data = blank() + b"[" + b",".join(blank() + record + blank() for record in records) + b"]" + blank()
    is_whole = rng.random() < 0.6
    data = data if is_whole else spoil(rng, data)
    source = find_sources([str(write(folder / "array.json", data or b"["))])[0]
    n_rows = n_bad = 0
    try:
        for chunk in json_records.elements(source, "utf-8"):
            parsed = parser.parse(chunk, 10**9)
            n_rows, n_bad = n_rows + parsed.n_rows, n_bad + len(parsed.bad)
    except ScanError:
        assert not is_whole
        return
    if is_whole:
        assert n_rows == sum(expected_row(record) is not None for record in records) and n_rows + n_bad == len(records), (
            data
        )
    try:
        values = json.loads(data.decode())
    except (ValueError, RecursionError):
        assert n_bad, data
    else:
        assert len(values) == n_rows + n_bad, data


@pytest.mark.parametrize("piece", [5, 40, 1 << 20])
def test_the_elements_of_an_array_are_its_records(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(json_records, "PIECE", piece)
    found = the_parser(tmp_path)
    for seed in range(150):
        check_array(*found, seed, tmp_path)
