"""Parquet: every type that is a single value, files of any row groups, and a sentence for what is no table."""

from __future__ import annotations

import base64
import datetime
import decimal
import gc
import gzip
import io
import math
import random
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from drivers.packing.formats import open_table, parquet
from drivers.packing.formats.options import InputOptions
from drivers.packing.formats.parquet import ParquetReader, pieces_of
from drivers.packing.kinds import TEXT_TYPE, Texts
from drivers.packing.sources import find_sources
from drivers.packing.stores import standard_input
from drivers.packing.stores.source import Source
from jobs.errors import ScanError

ROOT = Path(__file__).resolve().parents[1]


def plain(column):
    """A column as a list, None where a cell is missing."""
    if isinstance(column, Texts):
        return [None if code < 0 else column.values[code] for code in column.codes.tolist()]
    if column.dtype == np.int64:
        return [None if value == np.iinfo(np.int64).min else value for value in column.tolist()]
    return [None if math.isnan(value) else value for value in column.tolist()]


class Table:
    """All rows of some files as the reader gives them."""

    def __init__(self, *paths, wanted=None, max_bad_rows=10**9, types=None, sources=None, **options):
        sources = sources or find_sources(map(str, paths))
        self.reader = open_table(sources, InputOptions(**options))
        self.types = {**self.reader.look(wanted or self.reader.names), **(types or {})}
        kept = {name: arrow for name, arrow in self.types.items() if arrow is not None}
        self.parser = self.reader.parser(kept)
        self.chunks = [chunk for source in sources for chunk in self.reader.chunks(source)]
        self.bad, self.columns = [], {name: [] for name in kept}
        for chunk in self.chunks:
            parsed = self.parser.parse(chunk, max_bad_rows)
            self.bad += parsed.bad
            for name, column in zip(kept, parsed.columns):
                self.columns[name] += plain(column)


def write(path, columns, **options):
    pq.write_table(columns if isinstance(columns, pa.Table) else pa.table(columns), path, **options)
    return path


D = decimal.Decimal
DAY = datetime.date(2024, 12, 31)
DAYS = (DAY - datetime.date(1970, 1, 1)).days
NOON = datetime.datetime(2024, 12, 31, 12)

# Cells, the type they are read as, and what they become.
COLUMNS = {
    "int8": (pa.array([1, None, -3], pa.int8()), pa.float64(), [1, None, -3]),
    "int64": (pa.array([1, None, -(2**53) + 1]), pa.float64(), [1, None, -(2**53) + 1]),
    "exact": (pa.array([2**53 + 1, None, 1]), pa.int64(), [2**53 + 1, None, 1]),
    "uint64": (pa.array([2**63 - 1, None, 0], pa.uint64()), pa.int64(), [2**63 - 1, None, 0]),
    "identity": (pa.array([2**64 - 1, None, 0], pa.uint64()), TEXT_TYPE, [str(2**64 - 1), None, "0"]),
    "decimal": (pa.array([D("1.25"), None, D("-3")], pa.decimal128(10, 2)), pa.float64(), [1.25, None, -3]),
    "whole decimal": (pa.array([D(2**60), None, D(1)], pa.decimal128(38, 0)), pa.int64(), [2**60, None, 1]),
    "huge decimal": (pa.array([D(2**80), None, D(1)], pa.decimal128(38, 0)), TEXT_TYPE, [str(2**80), None, "1"]),
    "half": (pa.array(np.array([1.5, np.nan, 2], np.float16)), pa.float64(), [1.5, None, 2]),
    "float": (pa.array([1.5, None, np.nan], pa.float32()), pa.float64(), [1.5, None, None]),
    "double": (pa.array([1 / 3, np.nan, -5e-324]), pa.float64(), [1 / 3, None, -5e-324]),
    "bool": (pa.array([True, None, False]), pa.bool_(), [1, None, 0]),
    "date32": (pa.array([DAY, None, DAY]), pa.timestamp("s"), [DAYS, None, DAYS]),
    "date64": (pa.array([DAY, None, DAY], pa.date64()), pa.timestamp("s"), [DAYS, None, DAYS]),
    "ms": (pa.array([NOON, None, NOON], pa.timestamp("ms")), pa.timestamp("us"), [DAYS + 0.5, None, DAYS + 0.5]),
    "ns": (pa.array([NOON, None, NOON], pa.timestamp("ns")), pa.timestamp("us"), [DAYS + 0.5, None, DAYS + 0.5]),
    "zone": (
        pa.array([0, None, 1], pa.timestamp("s", "Europe/Paris")),
        pa.timestamp("us", "Europe/Paris"),
        [0, None, 1 / 86400],
    ),
    "string": (pa.array(["a", None, "NA"]), TEXT_TYPE, ["a", None, None]),
    "digits": (pa.array(["1", "2", "3"]), TEXT_TYPE, ["1", "2", "3"]),
    "large string": (pa.array(["ä", "", "b"], pa.large_string()), TEXT_TYPE, ["ä", None, "b"]),
    "utf-8 bytes": (pa.array(["ä".encode(), None, b"b"]), TEXT_TYPE, ["ä", None, "b"]),
    "fixed bytes": (pa.array([b"ab", None, b"cd"], pa.binary(2)), TEXT_TYPE, ["ab", None, "cd"]),
    "dictionary": (pa.array(["b", None, "NA"]).dictionary_encode(), TEXT_TYPE, ["b", None, None]),
    "codes": (pa.array([7, None, 5]).dictionary_encode(), pa.float64(), [7, None, 5]),
    "nothing": (pa.nulls(3), pa.float64(), [None, None, None]),
    "a.b": (pa.array([1, 2, 3]), pa.float64(), [1, 2, 3]),
    "a": (pa.array([{"b": 2**60}, None, {"b": 5}]), None, None),
    "list": (pa.array([[1], None, []]), None, None),
    "map": (pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())), None, None),
    "time": (pa.array([1, 2, 3], pa.time32("s")), None, None),
    "duration": (pa.array([1, 2, 3], pa.duration("s")), None, None),
    "bytes": (pa.array([b"\xff\xfe", None, b"a"]), None, None),
}
if int(pa.__version__.split(".")[0]) >= 21:  # older ones do not write them
    COLUMNS |= {
        "string view": (pa.array(["ä", "", "b"], pa.string_view()), TEXT_TYPE, ["ä", None, "b"]),
        "bool8": (
            pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None, 0], pa.int8())),
            pa.float64(),
            [1, None, 0],
        ),
    }


@pytest.mark.parametrize("statistics", [True, False])
def test_types(tmp_path, statistics):
    path = write(
        tmp_path / "t.parquet", {name: cells for name, (cells, _, _) in COLUMNS.items()}, write_statistics=statistics
    )
    table = Table(path)
    assert isinstance(table.reader, ParquetReader)
    assert table.types == {name: arrow for name, (_, arrow, _) in COLUMNS.items()}
    assert table.columns == {name: expected for name, (_, arrow, expected) in COLUMNS.items() if arrow is not None}
    assert (table.bad, table.reader.text, table.reader.unit, table.reader.notes) == ([], None, "row", [])


def test_any_single_value_can_be_taken_as_text(tmp_path):
    path = write(tmp_path / "t.parquet", {name: cells for name, (cells, _, _) in COLUMNS.items()})
    table = Table(path, text=tuple(COLUMNS))
    assert set(table.types.values()) == {TEXT_TYPE, None}
    assert table.columns["exact"] == [str(2**53 + 1), None, "1"]
    assert table.columns["double"][:2] == [str(1 / 3), None]
    assert table.columns["bool"] == ["true", None, "false"]
    assert table.columns["date32"] == ["2024-12-31", None, "2024-12-31"]
    assert table.columns["decimal"] == ["1.25", None, "-3.00"]


def test_timestamps_of_spark(tmp_path):
    far = datetime.datetime(9999, 12, 31)
    path = write(tmp_path / "t.parquet", {"t": pa.array([NOON, far])}, use_deprecated_int96_timestamps=True)
    assert Table(path).columns["t"] == [DAYS + 0.5, (far - datetime.datetime(1970, 1, 1)).days]


def test_columns_are_chosen_and_the_index_of_pandas_is_left_out(tmp_path):
    path = write(tmp_path / "t.parquet", {"y": [1.0], "x": [2.0], "__index_level_0__": [7]})
    table = Table(path)
    assert table.columns == {"y": [1], "x": [2]}
    assert table.reader.notes == ["t.parquet: the index that pandas wrote (__index_level_0__) is not read"]
    assert Table(path, columns=("__index_level_0__", "y")).columns == {"__index_level_0__": [7], "y": [1]}
    with pytest.raises(ScanError, match=r"t\.parquet has no column 'z'; its columns are y, x, __index_level_0__"):
        Table(path, columns=("z",))
    assert Table(path, wanted=["x"]).columns == {"x": [2]}


# -- pieces ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row_group_size", [1, 7, 100, 1000])
@pytest.mark.parametrize("most", [1, 3, 64, 1 << 17])
def test_any_row_groups_give_the_same_rows(tmp_path, monkeypatch, row_group_size, most):
    monkeypatch.setattr(parquet, "MOST_ROWS", most)
    x, texts = np.random.default_rng(0).normal(size=300), [f"t{i % 7}" for i in range(300)]
    path = write(tmp_path / "t.parquet", {"x": x, "t": texts}, row_group_size=row_group_size)
    table = Table(path)
    assert table.columns == {"x": x.tolist(), "t": texts}
    assert sum(chunk.n_bytes for chunk in table.chunks) == path.stat().st_size
    assert max(chunk.piece.n_rows for chunk in table.chunks) == min(most, row_group_size, 300)
    assert [table.parser.line_of(chunk, 0) for chunk in table.chunks] == [chunk.piece.first + 1 for chunk in table.chunks]


def test_pieces():
    assert pieces_of([3, 0, 5], 2) == [(0, 0, 2), (0, 2, 1), (2, 3, 2), (2, 5, 2), (2, 7, 1)]


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("is_shuffled", [False, True])
def test_threads_may_overtake_one_another(tmp_path, monkeypatch, n_threads, is_shuffled):
    monkeypatch.setattr(parquet, "MOST_ROWS", 10)
    write(tmp_path / "1.parquet", {"x": np.arange(500.0)}, row_group_size=95)
    write(tmp_path / "2.parquet", {"x": np.arange(500.0, 700)}, row_group_size=1000)
    table = Table(tmp_path / "1.parquet", tmp_path / "2.parquet")
    parser = table.reader.parser(table.types)
    order = list(range(len(table.chunks)))
    if is_shuffled:
        random.Random(0).shuffle(order)
    with ThreadPoolExecutor(n_threads) as pool:
        found = dict(zip(order, pool.map(lambda i: parser.parse(table.chunks[i]).columns[0], order)))
    np.testing.assert_array_equal(np.concatenate([found[i] for i in range(len(order))]), np.arange(700))


def test_what_is_held_does_not_grow_with_the_row_group(tmp_path):
    """A row group of 400 MB is read in 16 MB pieces."""
    code = f"""
import resource, sys
import numpy as np, pyarrow as pa, pyarrow.parquet as pq
sys.path.insert(0, {str(ROOT)!r})
from drivers.packing.formats import open_table
from drivers.packing.formats.options import InputOptions
from drivers.packing.sources import find_sources
reader = open_table(find_sources(["t.parquet"]), InputOptions())
parser = reader.parser(reader.look(reader.names))
chunks = list(reader.chunks(reader.sources[0]))
parser.parse(chunks[0])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
n = sum(parser.parse(chunk).n_rows for chunk in chunks)
print(n, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""
    values = np.random.default_rng(0).normal(size=1_000_000)
    with pq.ParquetWriter(tmp_path / "t.parquet", pa.schema([(f"x{j}", pa.float64()) for j in range(50)])) as writer:
        writer.write_table(pa.table({f"x{j}": values for j in range(50)}), row_group_size=1_000_000)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    n_rows, grown = map(int, done.stdout.split())
    assert n_rows == 1_000_000 and grown < 150


# -- bad cells ---------------------------------------------------------------------------------------------------------


def test_bad_cells_are_named_by_row_and_the_other_rows_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "MOST_ROWS", 4)
    x = [1, math.inf, 3, 4, 5, -math.inf, 7, 8, 9]
    broken = pa.StringArray.from_buffers(
        9, pa.array([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], pa.int32()).buffers()[1], pa.py_buffer(b"ab\xffdefghi")
    )
    path = write(tmp_path / "t.parquet", {"t": broken, "x": pa.array(x, pa.float32())}, row_group_size=6)
    table = Table(path)
    assert list(map(str, table.bad)) == [
        "t.parquet, row 2, column 'x': 'inf' is not a finite number",
        "t.parquet, row 3, column 't': '\ufffd' is not text in UTF-8",
        "t.parquet, row 6, column 'x': '-inf' is not a finite number",
    ]
    assert table.columns == {"t": list("adeghi"), "x": [1, 4, 5, 7, 8, 9]}
    assert [table.parser.line_of(chunk, 1) for chunk in table.chunks[:3:2]] == [4, 8]
    assert Table(path, wanted=["t"]).columns["t"] == list("abdefghi")


def test_whole_numbers_that_are_not_when_exact_ones_are_wanted(tmp_path):
    path = write(tmp_path / "t.parquet", {"x": [1.0, 2.5, math.nan, 1e300, 2.0**60], "w": [1, 2, 3, 4, -(2**63)]})
    table = Table(path, types={"x": pa.int64(), "w": pa.int64()})
    assert table.columns == {"x": [1, None], "w": [1, 3]}
    assert [(bad.line, bad.column, bad.value, bad.reason) for bad in table.bad] == [
        (2, "x", "2.5", "is not a whole number"),
        (4, "x", "1e+300", "is not a whole number"),
        (5, "w", str(-(2**63)), "is beyond the whole numbers of 64 bits"),
    ]


def test_a_date_that_is_too_far_away(tmp_path):
    path = write(tmp_path / "t.parquet", {"d": pa.array([0, 2**60], pa.timestamp("ms"))})
    table = Table(path)
    assert table.columns == {"d": [0]}
    assert table.bad[0].line == 2 and table.bad[0].reason == "is too far away for a date"


def test_no_more_is_read_once_the_bad_records_are_too_many(tmp_path):
    path = write(tmp_path / "t.parquet", {"x": np.where(np.arange(10_000) % 2, np.inf, 1.0)})
    assert len(Table(path, max_bad_rows=3).bad) == 4
    table = Table(path)
    assert len(table.bad) == 5000 and table.columns["x"] == [1.0] * 5000


# -- several files -----------------------------------------------------------------------------------------------------


def test_several_files_are_one_table_whatever_the_order_of_their_columns(tmp_path):
    write(tmp_path / "1.parquet", {"x": pa.nulls(2), "t": ["a", "b"], "n": [1, 2]})
    write(
        tmp_path / "2.parquet", {"n": pa.array([1.5], pa.float32()), "t": pa.array(["c"]).dictionary_encode(), "x": [2**60]}
    )
    write(
        tmp_path / "3.parquet",
        {"n": pa.array([], pa.int8()), "t": pa.array([], pa.large_string()), "x": pa.array([], pa.int32())},
    )
    table = Table(*sorted(tmp_path.glob("*.parquet")))
    assert table.columns == {"x": [None, None, 2**60], "t": ["a", "b", "c"], "n": [1, 2, 1.5]}


@pytest.mark.parametrize(
    "other, message",
    [
        ({"x": [1]}, "1.parquet has the column 't', but 2.parquet has not"),
        ({"x": [1], "t": ["a"], "z": [1]}, "2.parquet has the column 'z', but 1.parquet has not"),
        ({"x": ["1"], "t": ["a"]}, "the column 'x' holds text in 2.parquet, but numbers in 1.parquet"),
        ({"x": [True], "t": ["a"]}, "the column 'x' holds true and false in 2.parquet, but numbers in 1.parquet"),
        ({"x": [[1]], "t": ["a"]}, "the column 'x' holds no single values in 2.parquet, but numbers in 1.parquet"),
    ],
)
def test_files_that_do_not_belong_to_one_table(tmp_path, other, message):
    write(tmp_path / "1.parquet", {"x": [1], "t": ["a"]})
    write(tmp_path / "2.parquet", other)
    with pytest.raises(ScanError) as caught:
        Table(tmp_path / "1.parquet", tmp_path / "2.parquet")
    assert str(caught.value) == message


# -- from elsewhere ----------------------------------------------------------------------------------------------------


@pytest.fixture
def far_away(tmp_path, monkeypatch):
    """Two files in a store that gives them as streams, and the folder of their copies."""
    data = {f"far://{i}.parquet": write(tmp_path / f"{i}.parquet", {"x": [i, i + 0.5]}).read_bytes() for i in (1, 2)}
    opened = []

    def open_stream(source):
        opened.append(source.path)
        return io.BytesIO(data[source.path])

    store = SimpleNamespace(open_stream=open_stream)
    folder = tmp_path / "copies"
    monkeypatch.setattr(parquet, "store_of", lambda name: store)
    monkeypatch.setattr("drivers.packing.sources.store_of", lambda name: store)
    monkeypatch.setattr(standard_input, "folder", str(folder))
    return SimpleNamespace(
        sources=[Source(p, len(d), "v") for p, d in data.items()], folder=folder, opened=opened, data=data
    )


def test_files_from_elsewhere_are_copied_while_they_are_read(far_away):
    reader = open_table(far_away.sources, InputOptions())
    parser = reader.parser(reader.look(["x"]))
    found, n_copies = [], []
    for source in far_away.sources:
        for chunk in reader.chunks(source):
            found += parser.parse(chunk).columns[0].tolist()
            n_copies.append(len(list(far_away.folder.iterdir())))
            assert {path.stat().st_mode & 0o777 for path in far_away.folder.iterdir()} == {0o600}
    assert found == [1, 1.5, 2, 2.5]
    del chunk
    gc.collect()
    assert list(far_away.folder.iterdir()) == []
    # The first one was opened to see its kind, too.
    assert far_away.opened.count("far://1.parquet") == 2 and far_away.opened.count("far://2.parquet") == 1
    assert max(n_copies) <= 2


def test_a_file_from_elsewhere_with_other_columns(far_away, tmp_path):
    far_away.data["far://2.parquet"] = write(tmp_path / "other.parquet", {"z": [1]}).read_bytes()
    with pytest.raises(ScanError, match=r"far://2\.parquet has the column 'z', but far://1\.parquet has not"):
        Table(sources=far_away.sources)


# -- what is no table --------------------------------------------------------------------------------------------------


def encrypted(path, plaintext_footer):
    """Writes an encrypted file; its key is kept by nobody."""
    from pyarrow.parquet import encryption

    class Client(encryption.KmsClient):
        def wrap_key(self, key, name):
            return base64.b64encode(key)

        def unwrap_key(self, wrapped, name):
            return base64.b64decode(wrapped)

    factory = encryption.CryptoFactory(lambda configuration: Client())
    configuration = encryption.EncryptionConfiguration(
        footer_key="k", column_keys={"c": ["x"]}, plaintext_footer=plaintext_footer
    )
    properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), configuration)
    return write(path, {"x": [1.0, 2.0]}, encryption_properties=properties)


def damaged(path):
    x = np.random.default_rng(0).normal(size=20_000)
    data = bytearray(
        write(path, {"x": x}, row_group_size=10_000, write_page_checksum=True, compression="none").read_bytes()
    )
    data[len(data) * 3 // 4] ^= 255
    path.write_bytes(data)


def test_what_is_no_table_is_refused_in_one_sentence(tmp_path):
    path = tmp_path / "t.parquet"
    whole = write(path, {"x": [1.0]}).read_bytes()

    def check(message, **options):
        with pytest.raises(ScanError) as caught:
            Table(path, **options)
        assert str(caught.value) == message

    path.write_bytes(whole[:-1])
    check("t.parquet is cut short: it does not end as a Parquet file ends; copy or write it again")
    path.write_bytes(b"y,x\n1,2\n")
    check("t.parquet is not a Parquet file; name its format with --format")
    path.write_bytes(gzip.compress(whole))
    check("t.parquet is not a Parquet file, but compressed by gzip; unpack it first")
    write(path, pa.table({}))
    check("t.parquet has no columns")
    write(path, {"x": pa.array([], pa.float64())})
    check("t.parquet holds no rows of data")
    write(path, pa.table([[1], [2]], names=["x", "x"]))
    check("t.parquet has the column 'x' 2 times; give each a name of its own")
    for plaintext_footer in (False, True):
        encrypted(path, plaintext_footer)
        check("t.parquet is encrypted; write it again without encryption")


def test_a_damaged_file(tmp_path):
    damaged(tmp_path / "t.parquet")
    with pytest.raises(
        ScanError, match=r"t\.parquet, from row 10001 on, cannot be read as Parquet, it may be damaged: .*checksum"
    ):
        Table(tmp_path / "t.parquet")


def test_a_damaged_file_is_named_to_each_thread(tmp_path, monkeypatch):
    damaged(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "MOST_ROWS", 5000)
    reader = open_table(find_sources([str(tmp_path / "t.parquet")]), InputOptions())
    parser = reader.parser(reader.look(["x"]))
    chunks = list(reader.chunks(reader.sources[0]))
    assert parser.parse(chunks[0]).n_rows == 5000
    for chunk in (chunks[3], chunks[2], chunks[3]):
        with pytest.raises(ScanError, match="may be damaged"):
            parser.parse(chunk)
    assert parser.parse(chunks[1]).n_rows == 5000
    assert threading.active_count() < 20


# -- any tables --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_rows_and_bad_records_are_all_rows(tmp_path, seed):
    """Tables with bad cells anywhere, against a reading of each row by hand."""
    rng = random.Random(seed)
    n = rng.randint(1, 400)
    x = [rng.choice([None, math.nan, 1.5, -2.0, math.inf] if rng.random() < 0.05 else [1.0, 2.0]) for _ in range(n)]
    w = [rng.choice([2**60, 2**63 + 5, None] if rng.random() < 0.03 else [5, 6]) for _ in range(n)]
    t = [rng.choice([b"\xff", b"NA", None] if rng.random() < 0.05 else [b"a", "ü".encode()]) for _ in range(n)]
    path = write(tmp_path / "t.parquet", {"x": x, "w": pa.array(w, pa.uint64()), "t": t}, row_group_size=rng.randint(1, n))
    table = Table(path, types={"x": pa.float64(), "w": pa.int64(), "t": TEXT_TYPE})
    good = [i for i in range(n) if x[i] != math.inf and (w[i] or 0) < 2**63 and t[i] != b"\xff"]
    assert [bad.line - 1 for bad in table.bad] == sorted(set(range(n)) - set(good))
    assert table.columns["x"] == [None if x[i] is None or math.isnan(x[i]) else x[i] for i in good]
    assert table.columns["w"] == [w[i] for i in good]
    assert table.columns["t"] == [None if t[i] in (None, b"NA") else t[i].decode() for i in good]
