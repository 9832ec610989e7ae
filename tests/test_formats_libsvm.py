"""LIBSVM text: what scikit-learn writes comes back, and every line is a row, a comment, or a bad record that is named."""

from __future__ import annotations

import gzip
import math
import random
import re

import numpy as np
import pytest
from sklearn.datasets import dump_svmlight_file

from drivers.packing.chunks import Chunk
from drivers.packing.formats import libsvm, open_table
from drivers.packing.formats.libsvm import LibsvmReader
from drivers.packing.formats.options import InputOptions
from drivers.packing.kinds import Texts
from drivers.packing.sources import find_sources
from jobs.errors import ScanError


class Table:
    """All rows of some files as the reader gives them, as a matrix."""

    def __init__(self, *paths, wanted=None, **options):
        sources = find_sources(map(str, paths))
        self.reader = open_table(sources, InputOptions(**options))
        types = self.reader.look(wanted or self.reader.names)
        parser = self.reader.parser(types)
        self.bad, self.pieces, self.lines, self.n_chunks = [], [], [], 0
        for source in sources:
            for chunk in self.reader.chunks(source):
                parsed = parser.parse(chunk, 10**9)
                self.n_chunks += 1
                self.bad += parsed.bad
                self.lines += [parser.line_of(chunk, row) for row in range(min(3, parsed.n_rows))]
                self.pieces.append(parsed.columns)

    @property
    def matrix(self):
        return np.vstack([np.column_stack(columns) for columns in self.pieces])


def write(path, text):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("zero_based", [False, True])
@pytest.mark.parametrize("dense_bytes", [1, 4000, 1 << 25])
def test_what_scikit_learn_writes_comes_back_bit_for_bit(tmp_path, monkeypatch, zero_based, dense_bytes):
    monkeypatch.setattr(libsvm, "DENSE_BYTES", dense_bytes)
    rng = np.random.default_rng(0)
    X = np.where(rng.random((300, 7)) < 0.4, rng.normal(size=(300, 7)).round(6), 0)
    X[0, 0] = X[-1, 6] = 1 / 3
    y = rng.choice([-1.0, 1.0], 300)
    dump_svmlight_file(X, y, str(tmp_path / "t.svm"), zero_based=zero_based, comment="made\nhere")
    table = Table(tmp_path / "t.svm")
    assert isinstance(table.reader, LibsvmReader)
    first = 0 if zero_based else 1
    assert table.reader.names == ["y", *(f"x{first + j}" for j in range(7))]
    assert table.matrix.tobytes() == np.column_stack([y, X]).tobytes()
    assert table.n_chunks == (1 if dense_bytes > 1 << 20 else 5 if dense_bytes > 1000 else 305)
    assert (table.bad, table.reader.text, table.reader.unit) == ([], None, "line")
    assert "a feature that a row does not name is 0" in table.reader.notes[0]


def test_ways_to_write_a_row(tmp_path):
    text = "# a comment\r\n+1 1:2 3:.5 # end\r\n\r\n-1\r\n0 qid:4 2:1e2#x\r\n  2.5\t+1:1  2:-0\r\n # :9\n1 3:1."
    table = Table(write(tmp_path / "t.libsvm", text), format="libsvm")
    expected = [[1, 2, 0, 0.5], [-1, 0, 0, 0], [0, 0, 100, 0], [2.5, 1, 0, 0], [1, 0, 0, 1]]
    np.testing.assert_array_equal(table.matrix, expected)
    assert table.bad == [] and table.lines == [2, 4, 5]


def test_several_files_are_one_table(tmp_path):
    write(tmp_path / "1.svm", "1 2:1\n")
    (tmp_path / "2.svm.gz").write_bytes(gzip.compress(b"0 4:1\n"))
    write(tmp_path / "3.svm", "1 0:1\r1\r")
    table = Table(*tmp_path.glob("?.svm*"))
    assert table.reader.names == ["y", "x0", "x1", "x2", "x3", "x4"]
    np.testing.assert_array_equal(
        table.matrix, [[1, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1], [1, 1, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]
    )


def test_given_columns_spare_the_scan(tmp_path, monkeypatch):
    monkeypatch.setattr(LibsvmReader, "_extent", None)
    table = Table(write(tmp_path / "t.svm", "1 2:5\n0 3:1\n0 1:1\n"), columns=("click", "a", "b"))
    np.testing.assert_array_equal(table.matrix, [[1, 0, 5], [0, 1, 0]])
    assert str(table.bad[0]) == "t.svm, line 2: '3:1' has an index beyond the last column, which is 2"
    zero = Table(write(tmp_path / "z.svm", "1 1:5\n0 0:1\n"), columns=("click", "a", "b"), wanted=["b", "click"])
    np.testing.assert_array_equal(zero.matrix, [[5, 1], [0, 0]])


def test_labels_as_text(tmp_path):
    table = Table(write(tmp_path / "t.svm", "+1 1:1\n-1 1:2.5\n1 1:3\n"), text=("y",))
    labels = table.pieces[0][0]
    assert isinstance(labels, Texts) and labels.values == ["1", "-1"] and labels.codes.tolist() == [0, 1, 0]


BAD = [
    ("abc 1:1", "y", "abc", "is not a number"),
    ("nan 1:1", "y", "nan", "is not a finite number"),
    ("1_0 1:1", "y", "1_0", "is not a number"),
    ("1,2 1:1", "y", "1,2", "is several labels, and a row has one"),
    ("1:2 3:4", "y", "1:2", "is not a number"),
    ("1 1:nan", "x1", "nan", "is not a finite number"),
    ("1 2:-inf", "x2", "-inf", "is not a finite number"),
    ("1 1:1e999", "x1", "1e999", "is not a finite number"),
    ("1 1:", "x1", "", "is not a number"),
    ("1 1:x # y", "x1", "x", "is not a number"),
    ("1 1:2:3", "x1", "2:3", "is not a number"),
    ("1 1", "", "1", "is not written index:value"),
    ("1 -1:2", "", "-1:2", "has an index that is not a whole number from 0 on"),
    ("1 1_0:2", "", "1_0:2", "has an index that is not a whole number from 0 on"),
    ("1 1.0:2", "", "1.0:2", "has an index that is not a whole number from 0 on"),
    ("1 2:1 1:1", "", "1:1", "follows the index 2; the indices of a row ascend, each is named once"),
    ("1 2:1 2:1", "", "2:1", "follows the index 2; the indices of a row ascend, each is named once"),
    ("1 qid:a 1:1", "", "qid:a", "is not the number of a query, as in qid:3"),
    ("1 qidx:1 1:1", "", "qidx:1", "has an index that is not a whole number from 0 on"),
    ("1 1:1 qid:1", "", "qid:1", "has an index that is not a whole number from 0 on"),
    ("1 1:\u0661", "x1", "\u0661", "is not a number"),
]


def test_bad_records_are_named_and_the_others_stay(tmp_path):
    text = "".join(f"0 3:{i}\n{line}\n" for i, (line, *_) in enumerate(BAD))
    table = Table(write(tmp_path / "t.svm", text + "1 1:1\n"))
    assert [(bad.column, bad.value, bad.reason) for bad in table.bad] == [tuple(found) for _, *found in BAD]
    assert [bad.line for bad in table.bad] == list(range(2, 2 * len(BAD) + 1, 2))
    np.testing.assert_array_equal(table.matrix[:, 3], [*range(len(BAD)), 0])


@pytest.mark.parametrize(
    "text, options, message",
    [
        ("# nothing\n\n", {}, "t.svm holds no rows of data"),
        (
            "0 1:1\n1 1:1 70000:1\n1 5:1\n",
            {},
            "t.svm, line 2: the index 70000 stands here; more than 5,000 features are not read, for a table here is dense: "
            "hash or select them first",
        ),
        (
            "0 5000:1\n1 0:1\n",
            {},
            "t.svm, line 1: the index 5000 stands here; more than 5,000 features are not read, for a table here is dense: "
            "hash or select them first",
        ),
        ("1 1:1\n".encode("utf-16"), {}, "t.svm is UTF-16 text; give --encoding utf-16"),
    ],
)
def test_what_is_no_table_is_refused_in_one_sentence(tmp_path, text, options, message):
    with pytest.raises(ScanError) as caught:
        Table(write(tmp_path / "t.svm", text), format="libsvm", **options)
    assert str(caught.value) == message


def test_five_thousand_features_are_read(tmp_path):
    table = Table(write(tmp_path / "t.svm", "1 1:1 5000:2\n"), wanted=["x5000"])
    assert len(table.reader.names) == 5001 and table.matrix.tolist() == [[2]]


# -- any bytes ---------------------------------------------------------------------------------------------------------

NOISE = [
    b" ",
    b"\n",
    b"\r\n",
    b"\r",
    b"\t",
    b"#",
    b":",
    b"1",
    b"0",
    b"-",
    b"+",
    b".",
    b"e",
    b"_",
    b"nan",
    b"inf",
    b"qid:1 ",
]
NOISE += [b"\x00", b"\xff", b"\x0b", b",", b" 9:1", b"x", b"\xd9\xa1", b"qid"]
NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\Z", re.IGNORECASE)


def some_text(rng):
    lines = []
    for _ in range(rng.randint(1, 12)):
        words = [rng.choice(["1", "-1", "0.5"]), *(["qid:3"] if rng.random() < 0.2 else [])]
        words += [f"{j}:{rng.choice(['1', '-2.5', '1e3', '.5'])}" for j in range(1, 6) if rng.random() < 0.5]
        lines.append(" ".join(words) + (" # c 9:9" if rng.random() < 0.1 else ""))
    data = rng.choice(["\n", "\r\n", "\n\n"]).join(lines).encode() + rng.choice([b"", b"\n"])
    for _ in range(rng.choice([0, 1, 1, 2, 4])):
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.choice(NOISE) + data[at + rng.choice([0, 0, 1, 3]) :]
    return data


def expected_row(line):
    """The row of a line; None for a bad one, [] where it holds none."""
    words = line.partition(b"#")[0].split()
    if not words:
        return []
    pairs = [word.split(b":") for word in words[1:]]
    if pairs and pairs[0][0] == b"qid" and len(pairs[0]) == 2 and re.fullmatch(rb"[+-]?\d+", pairs[0][1]):
        del pairs[0]
    if not is_finite(words[0]) or any(len(pair) != 2 or not re.fullmatch(rb"\+?\d+", pair[0]) for pair in pairs):
        return None
    indices = [int(pair[0]) for pair in pairs]
    if indices != sorted(set(indices)) or not all(1 <= index <= 5 for index in indices):
        return None
    if not all(is_finite(pair[1]) for pair in pairs):
        return None
    row = [float(words[0])] + [0.0] * 5
    for index, pair in zip(indices, pairs):
        row[index] = float(pair[1])
    return row


def is_finite(word):
    return NUMBER.match(word) is not None and math.isfinite(float(word))


def check(parser, source, seed):
    """A chunk of spoiled lines gives exactly the rows and the bad lines that a reading by hand finds."""
    data = some_text(random.Random(seed))
    found = [(number, expected_row(line)) for number, line in enumerate(re.split(rb"\r\n|\n|\r", data), 1)]
    parsed = parser.parse(Chunk(source, 1, data), 10**9)
    assert [reject.line for reject in parsed.bad] == [number for number, row in found if row is None], data
    assert all(reject.reason != "cannot be read" for reject in parsed.bad), data
    good = [row for _, row in found if row]
    assert parsed.n_rows == len(good), data
    assert np.column_stack(parsed.columns).tobytes() == np.array(good).reshape(-1, 6).tobytes(), data


def the_parser(folder):
    reader = open_table(find_sources([str(write(folder / "first.svm", "1 1:1 5:1\n"))]), InputOptions())
    return reader.parser(reader.look(reader.names)), reader.sources[0]


@pytest.mark.parametrize("part", range(4))
def test_every_line_of_any_bytes_is_a_row_or_a_bad_record(tmp_path, part):
    parser = the_parser(tmp_path)
    for seed in range(100 * part, 100 * part + 100):
        check(*parser, seed)
