"""MRPack, MRTexts and MRManifest: text packed in pieces is the table that the driver packs as one stream."""

from __future__ import annotations

import json

import numpy as np
import pytest

from drivers.packing.cache import pack
from drivers.packing.formats.options import InputOptions
from drivers.packing.sources import find_sources
from jobs.blocks import BLOCK_LINE, read_line
from jobs.errors import BadRow, ScanError
from jobs.mr_manifest import MRManifest
from jobs.mr_pack import MRPack
from jobs.mr_texts import MRTexts
from jobs.pack_report import BYTES_BITS, REPORT_LINE, PackQuery, PackReport, part_of, place_of
from jobs.text import MISSING_TOKENS

COLUMNS = ["y", "x", "shop", "z"]


def write_files(tmp_path, n=5000, n_files=2, line_end="\n"):
    """Files of one table, with a text, missing cells and a header in each."""
    rng = np.random.default_rng(3)
    paths = []
    for i in range(n_files):
        rows = [
            f"{y!r},{x!r},{'' if s == 7 else f'shop {s}'},{'NA' if s == 3 else s}"
            for y, x, s in zip(*rng.normal(size=(2, n)).tolist(), rng.integers(0, 40, n).tolist())
        ]
        path = tmp_path / f"part-{i}.csv"
        path.write_bytes(line_end.join([",".join(COLUMNS), *rows, ""]).encode())
        paths.append(path)
    return paths


def make_query(paths, texts=None, **changes):
    values = {
        "columns": COLUMNS, "chosen": COLUMNS, "texts": texts or {}, "paths": [str(path) for path in paths],
        "delimiter": ",", "header": ",".join(COLUMNS), "missing_tokens": list(MISSING_TOKENS), "max_bad_rows": 0,
        "max_texts": 1000, "block_rows": 700, "sample_rows": 100,
    }  # fmt: skip
    return PackQuery(**{**values, **changes})


def run(job, query, inputs, tmp_path, *switches):
    path = tmp_path / f"{job.__name__}.query"
    path.write_text(query.to_line() + "\n")
    arguments = ["--no-conf", "--query", str(path), *switches, *map(str, inputs)]
    with job(args=arguments).make_runner() as runner:
        runner.run()
        return [line for line in b"".join(runner.cat_output()).split(b"\n") if line]


def texts_of(paths, tmp_path, **changes):
    query = make_query(paths, {"shop": []}, chosen=["shop"], **changes)
    lines = run(MRTexts, query, paths, tmp_path)
    return {entry["column"]: entry["texts"] for entry in map(json.loads, lines)}


def packed(paths, tmp_path, *switches, **changes):
    """The blocks in the order of the table, and the report."""
    query = make_query(paths, texts_of(paths, tmp_path), **changes)
    lines = run(MRPack, query, paths, tmp_path, *switches)
    there = tmp_path / "packed.txt"
    there.write_bytes(b"\n".join(lines) + b"\n")
    (line,) = run(MRManifest, query, [there], tmp_path)
    blocks = [read_line(line, query.chosen, None) for line in lines if line.startswith(BLOCK_LINE)]
    assert all(line.startswith((BLOCK_LINE, REPORT_LINE)) for line in lines)
    return sorted(blocks, key=lambda block: (block.part, block.number)), PackReport.from_line(line), query


def blocks_of(query, path, tmp_path):
    """The blocks of a file of two rows, of which inline makes two pieces."""
    lines = run(MRPack, query, [path], tmp_path)
    return [read_line(line, query.chosen, None) for line in lines if line.startswith(BLOCK_LINE)]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("num_cores", [1, 4])
def test_the_rows_are_those_of_the_driver_in_the_order_of_the_files(tmp_path, num_cores, line_end):
    paths = write_files(tmp_path, line_end=line_end)
    blocks, report, query = packed(paths, tmp_path, f"--num-cores={num_cores}")
    whole = pack(find_sources(paths), InputOptions(), cache_dir=str(tmp_path / "cache"))
    ours = {name: np.concatenate([block.columns[name] for block in blocks]) for name in COLUMNS}
    theirs = {name: np.concatenate([block.columns[name] for block in whole.read(COLUMNS)]) for name in COLUMNS}
    for name in ("y", "x", "z"):
        np.testing.assert_array_equal(ours[name], theirs[name])
    decoded = [[None if code < 0 else texts[code] for code in codes] for codes, texts in (
        (ours["shop"], query.texts["shop"]), (theirs["shop"], whole.texts["shop"])
    )]  # fmt: skip
    assert decoded[0] == decoded[1]
    np.testing.assert_array_equal(report.moments.n_missing, whole.manifest.n_missing)
    np.testing.assert_allclose(report.moments.sums / (10_000 - report.moments.n_missing), np.where(
        np.isnan(whole.manifest.means), 0.0, whole.manifest.means), rtol=1e-12)  # fmt: skip
    for name in ("minima", "maxima"):
        numbers = [0, 1, 3]
        np.testing.assert_array_equal(getattr(report.moments, name)[numbers], getattr(whole.manifest, name)[numbers])
    assert report.moments.whole.tolist() == [False, False, False, True]


def test_parts_are_the_pieces_of_the_files_and_their_blocks_are_full(tmp_path):
    paths = write_files(tmp_path)
    blocks, report, _ = packed(paths, tmp_path, "--num-cores=4")
    assert len(report.parts) > len(paths)
    assert report.parts[:, 1].sum() == sum(block.n_rows for block in blocks) == 10_000
    assert (np.diff(report.parts[:, 0]) > 0).all()
    assert set(report.parts[:, 0] >> BYTES_BITS) == {0, 1}
    for part, n_rows, n_blocks, n_rejected, _ in report.parts:
        sizes = [block.n_rows for block in blocks if block.part == part]
        assert sizes == [700] * (n_rows // 700) + ([n_rows % 700] if n_rows % 700 else [])
        assert (len(sizes), n_rejected) == (n_blocks, 0)


def test_the_sample_is_that_of_the_smallest_keys(tmp_path):
    blocks, report, query = packed(write_files(tmp_path), tmp_path, "--num-cores=3")
    assert len(report.sample.rows) == query.sample_rows
    by_place = {(block.part, block.number): block for block in blocks}
    for row, (part, number, position) in zip(report.sample.rows, report.sample.places):
        block = by_place[part, number]
        np.testing.assert_array_equal(row[:2], [block.columns["y"][position], block.columns["x"][position]])
    assert len({tuple(place) for place in report.sample.places.tolist()}) == query.sample_rows


def test_texts_come_once_in_order_and_too_many_are_none(tmp_path):
    paths = write_files(tmp_path)
    assert texts_of(paths, tmp_path) == {"shop": sorted(f"shop {i}" for i in range(40) if i != 7)}
    assert texts_of(paths, tmp_path, max_texts=39)["shop"] is not None
    assert texts_of(paths, tmp_path, max_texts=38) == {"shop": None}


def test_bad_rows_are_set_aside_with_their_file_up_to_the_allowance(tmp_path):
    paths = write_files(tmp_path, n=100)
    for path in paths:
        path.write_text(path.read_text() + "1,two,shop 1,3\n1,2,shop 1\n")
    _, report, _ = packed(paths, tmp_path, max_bad_rows=4)
    assert report.parts[:, 3].sum() == 4 and report.parts[:, 1].sum() == 200
    assert [(file, line, text) for file, line, text, _ in report.rejects_by_file()] == [
        (file, line, text) for file in (0, 1) for line, text in ((102, "1,two,shop 1,3"), (103, "1,2,shop 1"))
    ]
    assert "column 'x' holds 'two', which is not a finite number" in report.rejects_by_file()[0][3]
    with pytest.raises(ScanError, match="more than --max-bad-rows 3 bad rows; the first: .*part-0.csv"):
        packed(paths, tmp_path, max_bad_rows=3)
    with pytest.raises(BadRow, match=r"part-0\.csv: column 'x' holds 'two'"):
        packed(paths, tmp_path)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("num_cores", [1, 5])
def test_a_bad_row_has_the_line_that_an_editor_shows_whatever_the_pieces(tmp_path, num_cores, line_end):
    """The header and empty lines count."""
    paths = write_files(tmp_path, n=500, line_end=line_end)
    expected = []
    for i, path in enumerate(paths):
        lines = path.read_bytes().decode().split(line_end)
        for j in (3, 40, 41, 300, 499 - i):
            lines[j:j] = ["", f"{j},two,shop {i},3"]
        path.write_bytes(line_end.join(lines).encode())
        shown = path.read_text().split("\n")  # which reads any line end as one
        expected += [(i, number, text) for number, text in enumerate(shown, 1) if ",two," in text]
    _, report, _ = packed(paths, tmp_path, f"--num-cores={num_cores}", max_bad_rows=10)
    assert [(file, line, text) for file, line, text, _ in report.rejects_by_file()] == expected
    assert report.parts[:, 4].sum() == sum(path.read_bytes().count(b"\n") for path in paths)


@pytest.mark.parametrize(
    "setting", ["textinputformat.record.delimiter=;", "mapreduce.input.linerecordreader.line.maxlength=100"]
)
def test_where_hadoop_does_not_cut_at_line_ends_no_line_is_told(tmp_path, setting):
    paths = write_files(tmp_path, n=50)
    for path in paths:
        path.write_text(path.read_text() + "1,two,shop 1,3\n")
    _, report, _ = packed(paths, tmp_path, "-D", setting, max_bad_rows=2)
    assert [(file, line) for file, line, _, _ in report.rejects_by_file()] == [(0, None), (1, None)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'1,2,"a shop\n', "a quoted cell that goes over lines"),
        (b"1,2,\xff,3\n", "a row that is not UTF-8"),
        (b"1,2,shop 1,3,4\n", "a row of 5 cells where 4 columns are expected"),
        (b"1,inf,shop 1,3\n", "'inf', which is not a finite number"),
    ],
)
def test_what_cannot_be_packed_in_pieces_is_refused_by_name(tmp_path, line, message):
    (path,) = write_files(tmp_path, n=50, n_files=1)
    path.write_bytes(path.read_bytes() + line)
    with pytest.raises(ScanError, match=message) as caught:
        run(MRPack, make_query([path], {"shop": [f"shop {i}" for i in range(40)]}), [path], tmp_path)
    assert str(path) in str(caught.value)


def test_quoted_cells_that_end_on_their_line_are_read(tmp_path):
    path = tmp_path / "q.csv"
    path.write_text('y,x,shop,z\n"1",2,"a, ""b""",3\n4,5,plain 5" pipe,6\n')
    query = make_query([path], {"shop": ['a, "b"', 'plain 5" pipe']})
    blocks = blocks_of(query, path, tmp_path)
    assert [block.columns["y"].tolist() for block in blocks] == [[1], [4]]
    assert [block.columns["shop"].tolist() for block in blocks] == [[0], [1]]


def test_a_byte_order_mark_is_no_part_of_the_first_cell(tmp_path):
    path = tmp_path / "m.csv"
    path.write_bytes(b"\xef\xbb\xbf1,2\n3,4\n")
    query = make_query([path], columns=["a", "b"], chosen=["a"], header="")
    assert [block.columns["a"].tolist() for block in blocks_of(query, path, tmp_path)] == [[1], [3]]


def test_a_text_that_came_since_is_an_error(tmp_path):
    (path,) = write_files(tmp_path, n=50, n_files=1)
    with pytest.raises(ScanError, match="which was not there a moment ago"):
        run(MRPack, make_query([path], {"shop": ["shop 1"]}), [path], tmp_path)


def test_parts_are_ordered_as_files_and_bytes():
    paths = ["/b/y.csv", "/a/x.csv"]
    numbers = [part_of(f"hdfs://node:9000{path}", start, paths) for path in paths for start in (0, 1, 1 << 30)]
    assert numbers == sorted(numbers) and len(set(numbers)) == 6
    with pytest.raises(ScanError, match="which is not one of the table"):
        part_of("hdfs://node:9000/c.csv", 0, paths)


def test_a_file_is_known_by_any_of_its_urls_and_its_bucket_is_part_of_it():
    assert place_of("hdfs:///a/x.csv") == place_of("hdfs://node:9000/a/x.csv") == "/a/x.csv"
    assert place_of("s3://bucket/a/x.csv") == place_of("s3a://bucket/a/x.csv") != place_of("s3://other/a/x.csv")
    paths = ["s3://one/x.csv", "s3://two/x.csv"]
    assert part_of("s3a://two/x.csv", 5, paths) == part_of("s3://one/x.csv", 5, paths) + (1 << BYTES_BITS)
