"""Packing: what goes in comes out, bad input is named exactly, and nothing half done is left."""

from __future__ import annotations

import bz2
import csv
import gzip
import os
import random
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.packing import chunks as chunks_module
from drivers.packing.cache import DEFAULT_CACHE_BYTES, pack
from drivers.packing.chunks import QuotedEnds, chunks, count_lines
from drivers.packing.contents import PackContents
from drivers.packing.formats.delimited import DelimitedParser
from drivers.packing.formats.options import InputOptions
from drivers.packing.locate import first_row_where, place_of_row
from drivers.packing.pack import rows_per_block
from drivers.packing.sources import find_sources
from jobs.blocks import BlocksFile, read_line
from jobs.errors import ScanError
from tests.conftest import make_table, write_csv


def packed_matrix(made):
    """All rows of a pack, by reading its blocks."""
    blocks = BlocksFile(made.blocks)
    with open(made.index, "rb") as f:
        read = [read_line(line.rstrip(b"\n"), made.manifest.columns, blocks) for line in f]
    assert [block.number for block in read] == list(range(len(read)))
    assert all(block.n_rows == made.manifest.block_rows for block in read[:-1])
    return np.vstack([np.column_stack([block.columns[name] for name in made.manifest.columns]) for block in read])


def pack_text(path, text, options=None, cache_bytes=DEFAULT_CACHE_BYTES, **contents):
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return pack(find_sources([str(path)]), options or InputOptions(), PackContents(**contents), cache_bytes=cache_bytes)


def test_a_table_comes_back_bit_for_bit_with_its_moments(tmp_path):
    matrix, names = make_table(5000)
    made = pack(find_sources([str(write_csv(tmp_path / "t.csv", matrix, names))]), InputOptions())
    assert made.manifest.columns == names
    np.testing.assert_array_equal(packed_matrix(made), matrix)
    np.testing.assert_allclose(made.manifest.means, matrix.mean(axis=0), rtol=1e-13)
    np.testing.assert_array_equal(made.manifest.minima, matrix.min(axis=0))
    np.testing.assert_array_equal(made.manifest.maxima, matrix.max(axis=0))
    sample = made.sample()
    assert len(sample.rows) == 5000
    np.testing.assert_array_equal(sample.in_file_order(), matrix)


@pytest.mark.parametrize("n_files", [1, 3, 10])
def test_blocks_are_cut_across_files_so_the_files_do_not_matter(tmp_path, monkeypatch, n_files):
    monkeypatch.setattr("drivers.packing.pack.BLOCK_BYTES", 8 * 4 * 100)
    matrix, names = make_table(1037)
    for i, piece in enumerate(np.array_split(matrix, n_files)):
        write_csv(tmp_path / f"part-{i:02d}.csv", piece, names)
    made = pack(find_sources([str(tmp_path / "part-*.csv")]), InputOptions())
    whole = pack(find_sources([str(write_csv(tmp_path / "whole.csv", matrix, names))]), InputOptions())
    assert made.manifest.n_blocks == 11
    assert made.manifest.fingerprint == whole.manifest.fingerprint
    np.testing.assert_array_equal(packed_matrix(made), matrix)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_a_byte_order_mark(tmp_path, end, last):
    text = "\ufeff" + end.join(["y,x", "1,2", "", "3,4", "5,6"]) + (end if last else "")
    made = pack_text(tmp_path / "t.csv", text)
    np.testing.assert_array_equal(packed_matrix(made), [[1, 2], [3, 4], [5, 6]])


def test_gzip_tsv_delimiter_and_directory(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.tsv.gz").write_bytes(gzip.compress(b"y\tx\n1\t2\n"))
    (folder / "_SUCCESS").write_text("")
    made = pack(find_sources([str(folder)]), InputOptions(delimiter="\t"))
    np.testing.assert_array_equal(packed_matrix(made), [[1, 2]])


def zstd(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize(("end", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("zst", zstd)])
def test_compressed_files_come_whole_or_not_at_all(tmp_path, end, compress):
    matrix, names = make_table(2000)
    data = compress(write_csv(tmp_path / "t.csv", matrix, names).read_bytes())
    path = tmp_path / f"t.csv.{end}"
    np.testing.assert_array_equal(packed_matrix(pack_text(path, data)), matrix)
    for length in (len(data) // 2, len(data) - 4):
        with pytest.raises(ScanError, match=f"t.csv.{end} cannot be read: Truncated compressed stream"):
            pack_text(path, data[:length])


def test_only_the_columns_that_are_wanted_are_read(tmp_path):
    made = pack_text(tmp_path / "t.csv", "name,y,x\nann,1,2\nbob,3,4\n", chosen=("x", "y"))
    assert made.manifest.columns == ["y", "x"]
    np.testing.assert_array_equal(packed_matrix(made), [[1, 2], [3, 4]])


def test_missing_cells_are_nan_and_counted(tmp_path):
    made = pack_text(tmp_path / "t.csv", 'y,x\n1,\nNA,2\n"",3\nnan,4\n5,5\n')
    assert made.manifest.n_missing.tolist() == [3, 1]
    assert made.manifest.means.tolist() == [3.0, 3.5]
    assert np.isnan(packed_matrix(made)).sum() == 4


@given(st.lists(st.sampled_from(["1,2", "", '"3","4"', '5,"6"', "7,8"]), min_size=1, max_size=12), st.integers(1, 9))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_chunks_are_whole_records_whatever_their_size(tmp_path, records, size):
    end = ["\n", "\r\n", "\r"][size % 3]
    data = end.join(records).encode()
    if not data:
        return
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    (source,) = find_sources([str(path)])
    found = list(chunks(source, QuotedEnds(), size=size))
    assert b"".join(chunk.data for chunk in found) == data
    for before, after in zip(found, found[1:]):
        assert after.line == before.line + count_lines(before.data)
        assert before.data.endswith((b"\n", b"\r"))
        assert not (before.data.endswith(b"\r") and after.data.startswith(b"\n"))


def test_a_newline_inside_quotes_does_not_end_a_record(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'a,"x\ny"\nb,"z"\n')
    (source,) = find_sources([str(path)])
    assert [chunk.data for chunk in chunks(source, QuotedEnds(), size=5)] == [b'a,"x\ny"\n', b'b,"z"\n']


BAD = [
    ("3,abc", "line 4, column 'x': 'abc' is not a number"),
    ("3", "line 4: this row has 1 cell where 2 columns are expected"),
    ("3,4,5", "line 4: this row has 3 cells where 2 columns are expected"),
    ("inf,4", "line 4, column 'y': 'inf' is not a finite number"),
    ("1_0,4", "line 4, column 'y': '1_0' is not a number"),
]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(("record", "message"), BAD)
def test_a_bad_record_is_named_by_file_line_column_and_value(tmp_path, record, message, end):
    text = end.join(["y,x", "1,2", "", record, "5,6"]) + end
    with pytest.raises(ScanError) as raised:
        pack_text(tmp_path / "t.csv", text)
    assert f"t.csv, {message}" in str(raised.value)
    assert not list((tmp_path / "cache" / "scanlearn" / "packs").glob("*[!k]"))  # nothing but the lock


def test_a_quote_that_is_not_closed_swallows_nothing_in_silence(tmp_path):
    text = 'y,x\n1,a\n2,b\n3,"c\n4,d\n'
    with pytest.raises(ScanError, match="t.csv, line 4: '3,\"c\\\\n4,d' opens a quoted cell that does not end"):
        pack_text(tmp_path / "t.csv", text)
    made = pack_text(tmp_path / "t.csv", text, max_bad_rows=1)
    assert (made.manifest.n_rows, made.manifest.n_rejected) == (2, 1)


def test_a_failed_packing_leaves_a_good_pack_where_it_is(tmp_path):
    made = pack_text(tmp_path / "t.csv", "y,x\n1,2\nb,3\n4,5\n", max_bad_rows=1)
    with pytest.raises(ScanError):
        pack(find_sources(["t.csv"]), InputOptions())
    assert pack(find_sources(["t.csv"]), InputOptions(), PackContents(max_bad_rows=1)).was_cached
    assert os.path.exists(made.blocks)


def test_bad_records_up_to_the_allowance_go_to_a_file(tmp_path):
    rows = ["y,x"] + [f"{i},{i}" if i % 100 else "bad,1" for i in range(1, 1001)]
    made = pack_text(tmp_path / "t.csv", "\n".join(rows), max_bad_rows=10)
    assert (made.manifest.n_rows, made.manifest.n_rejected) == (990, 10)
    lines = Path(made.rejects).read_text().splitlines()
    assert len(lines) == 11
    assert lines[1] == "t.csv,101,y,bad,is not a number"
    with pytest.raises(ScanError, match=r"--max-bad-rows 9 bad rows; the first:\n  t.csv, line 101"):
        pack(find_sources([str(tmp_path / "t.csv")]), InputOptions(), PackContents(max_bad_rows=9))


def test_a_bad_cell_costs_its_chunk_a_second_read_and_not_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks_module.chunks, "__defaults__", ("utf-8", 4096))
    parsed = []
    original = DelimitedParser.read
    monkeypatch.setattr(
        DelimitedParser, "read", lambda self, data, size: parsed.append(len(data)) or original(self, data, size)
    )
    rows = ["y,x"] + [f"{i},{i}" for i in range(20000)]
    rows[15000] = "oops,1"
    text = "\n".join(rows)
    made = pack_text(tmp_path / "t.csv", text, max_bad_rows=1)
    assert made.manifest.n_rows == 19999
    assert sum(parsed) < len(text) + 4 * 4096


def test_a_small_text_is_cut_at_the_bad_records_that_the_parser_names(tmp_path, monkeypatch):
    """Three reads for each, and their lines are those of an editor, behind empty ones and cells of several lines too."""
    parsed = []
    original = DelimitedParser.read
    monkeypatch.setattr(
        DelimitedParser, "read", lambda self, data, size: parsed.append(len(data)) or original(self, data, size)
    )
    rows = [f"{i},t{i}" for i in range(1000)]
    rows[100], rows[500], rows[900] = "b,t", "\n\n1,t,u", 'c,"a\nb"'
    rows[200] = '200,"of\ntwo lines"'
    made = pack_text(tmp_path / "t.csv", "y,x\n" + "\n".join(rows) + "\n", max_bad_rows=3)
    assert made.manifest.n_rows == 997 and len(parsed) <= 12
    with open(made.rejects, newline="") as file:
        found = [(int(line), column, value) for _, line, column, value, _ in list(csv.reader(file))[1:]]
    assert found == [(102, "y", "b"), (505, "", ""), (905, "y", "c")]


def test_a_file_of_nothing_but_bad_rows_ends_at_the_first(tmp_path, monkeypatch):
    explained = []
    original = DelimitedParser.explain
    monkeypatch.setattr(DelimitedParser, "explain", lambda self, chunk: explained.append(1) or original(self, chunk))
    with pytest.raises(ScanError, match="more than --max-bad-rows 4 bad rows"):
        pack_text(tmp_path / "t.csv", "y,x\n" + "1\n" * 100_000, max_bad_rows=4)
    assert len(explained) == 5


def test_a_record_longer_than_the_parser_reads_at_once(tmp_path):
    made = pack_text(tmp_path / "t.csv", f'y,x,note\n1,2,"{"long " * 600_000}"\n3,4,b\n', chosen=("y", "x"))
    np.testing.assert_array_equal(packed_matrix(made), [[1, 2], [3, 4]])


def test_the_place_of_a_row_survives_rejects_blanks_and_several_files(tmp_path):
    (tmp_path / "a.csv").write_text("y,x\n1,1\n\nbad,1\n2,2\n")
    (tmp_path / "b.csv").write_text("y,x\n3,3\n\n\n4,-4\n")
    options = InputOptions()
    made = pack(find_sources(["a.csv", "b.csv"]), options, PackContents(max_bad_rows=1))
    found = first_row_where(made, "x", lambda values: values < 0)
    assert found == (3, -4.0)
    assert [place_of_row(made, row) for row in range(4)] == [
        "a.csv, line 2", "a.csv, line 5", "b.csv, line 2", "b.csv, line 5",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.csv is empty"),
        ("y,x\n", "t.csv holds no rows"),
        ("y,y\n1,2\n", "the column name 'y' stands there twice"),
        ("y,\n1,2\n", "column 2 has no name"),
        (b"\xff\xfe\x00\x01binary", "is UTF-16 text; give --encoding utf-16"),
        (b"\x7fELF\x02\x01\x00\x00\x00\x00", "is not text: it has zero bytes"),
        (b"caf\xe9,x\n1,1\n", "is not text in UTF-8"),
    ],
)
def test_files_that_are_no_table(tmp_path, text, message):
    with pytest.raises(ScanError, match=message):
        pack_text(tmp_path / "t.csv", text)


def test_inputs_that_are_not_there(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "t.csv").write_text("y\n1\n")
    for inputs, message in [
        (["gone.csv"], "no such file: gone.csv"),
        (["*.parquet"], r"no file matches \*.parquet"),
        (["empty"], "the directory empty holds no files"),
        (["t.csv", "./t.csv"], "given twice"),
        ([], "no input was given"),
    ]:
        with pytest.raises(ScanError, match=message):
            find_sources(inputs)


def test_empty_files_beside_others_are_passed_over(tmp_path):
    (tmp_path / "parts").mkdir()
    for name, text in (("a", "y\n1\n"), ("b", ""), ("c", "y\n2\n")):
        (tmp_path / "parts" / name).write_text(text)
    assert [os.path.basename(source.path) for source in find_sources(["parts"])] == ["a", "c"]
    with pytest.raises(ScanError, match="b is empty"):
        find_sources(["parts/b"])


def test_a_pipe_is_read_once_and_kept(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    writer = subprocess.Popen(["sh", "-c", "printf 'y,x\\n1,2\\n' > pipe"])
    sources = find_sources(["pipe"])
    writer.wait()
    made = pack(sources, InputOptions())
    np.testing.assert_array_equal(packed_matrix(made), [[1, 2]])
    os.remove(sources[0].copy)


def test_other_header_in_a_second_file(tmp_path):
    (tmp_path / "a.csv").write_text("y,x\n1,2\n")
    (tmp_path / "b.csv").write_text("x,y\n1,2\n")
    with pytest.raises(ScanError, match=r"b.csv has the columns x, y, but a.csv has y, x"):
        pack(find_sources(["a.csv", "b.csv"]), InputOptions())


def test_the_cache_finds_a_pack_again_and_notices_a_change(tmp_path):
    path = tmp_path / "t.csv"
    assert not pack_text(path, "y,x\n1,2\n").was_cached
    again = pack(find_sources([str(path)]), InputOptions())
    assert again.was_cached
    assert stat.S_IMODE(os.stat(again.folder).st_mode) == 0o700
    assert not pack(find_sources([str(path)]), InputOptions(missing_tokens=("2",))).was_cached
    assert not pack_text(path, "y,x\n1,3\n").was_cached


def test_the_packs_used_longest_ago_leave_the_cache(tmp_path):
    first = pack_text(tmp_path / "a.csv", "y\n1\n")
    second = pack_text(tmp_path / "b.csv", "y\n2\n")
    os.utime(first.folder, (1, 1))
    two_packs = 5 * sum(entry.stat().st_size for entry in os.scandir(second.folder)) // 2
    third = pack_text(tmp_path / "c.csv", "y\n3\n", cache_bytes=two_packs)
    assert [os.path.exists(made.folder) for made in (first, second, third)] == [False, True, True]


def test_a_killed_packing_leaves_nothing_that_looks_whole(tmp_path):
    matrix, names = make_table(200_000)
    path = write_csv(tmp_path / "t.csv", matrix, names)
    code = (
        "import sys; from drivers.packing.cache import pack; from drivers.packing.sources import find_sources;"
        "from drivers.packing.text import InputOptions;"
        "print('go', flush=True); pack(find_sources([sys.argv[1]]), InputOptions())"
    )
    for delay in (0.02, 0.08, 0.15):
        process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait()
    made = pack(find_sources([str(path)]), InputOptions())
    np.testing.assert_array_equal(packed_matrix(made), matrix)
    assert not list((tmp_path / "cache" / "scanlearn" / "packs").glob("*.partial"))


def test_blocks_are_taller_than_wide():
    assert rows_per_block(3) == (1 << 20) // 24
    assert rows_per_block(1000) == 8000


def test_no_bytes_give_anything_but_rows_or_one_message(tmp_path):
    generator = random.Random(5)
    good = b"y,x,w\n" + b"".join(b'%d,%d.5,"%d"\n' % (i, i % 7, i % 3) for i in range(40))
    inserted = [b'"', b"\r", b"\n", b",", b"\x00", b"\xff", b"nan", b"inf", b"1e999", b'""']
    for _ in range(250):
        data = bytearray(good)
        for _ in range(generator.randint(1, 6)):
            at = generator.randrange(len(data) + 1)
            change = generator.randrange(4)
            if change == 0:
                data[at : at + 1] = bytes([generator.randrange(256)])
            elif change == 1:
                del data[at : at + generator.randint(1, 40)]
            elif change == 2:
                data[at:at] = generator.choice(inserted)
            else:
                del data[at:]
        allowed = generator.choice([0, 3, 100])
        try:
            made = pack_text(tmp_path / "t.csv", bytes(data), max_bad_rows=allowed)
        except ScanError as error:
            assert str(error)
        else:
            assert len(packed_matrix(made)) == made.manifest.n_rows
            assert made.manifest.n_rejected <= allowed
