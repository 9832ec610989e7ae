"""The jobs with a result for each key: both carriers, plain text, any split, several reducers, and what must be refused."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jobs.blocks import Block
from jobs.design import Design, RowCounts
from jobs.errors import BadBlock, BadRecord, ScanError
from jobs.kernels.keyed import values_of
from jobs.kernels.wols_groups import WOLSGroupsQuery, WOLSGroupsStatistics, solve_groups
from jobs.keyed_tree import Entries
from jobs.mr_keyed import BucketAnswer, KeyedAnswer, KeyedQuery, KeyedReport, KeyedWork
from jobs.mr_wols_groups import MRWOLSGroups
from jobs.records import Record
from jobs.text import TextFormat
from tests.registry import gather, make_blocks, run_keyed_job, write_blocks

ROOT = Path(__file__).resolve().parents[1]
DESIGN = Design(["x1", "x2"], "y", "w", group="g")
QUESTION = WOLSGroupsQuery(2, 4)
N_BUCKETS = 3


def make_columns(n, seed=0, n_groups=30):
    rng = np.random.default_rng(seed)
    x1, x2 = rng.normal(size=(2, n))
    groups = rng.integers(0, n_groups, n).astype(float)
    y = x1 - groups * x2 + rng.normal(size=n)
    return {"y": y, "x1": x1, "x2": x2, "w": rng.gamma(1.0, size=n), "g": groups}


def write_query(path, text=None, parts=((0, 9),), design=DESIGN):
    query = KeyedQuery(QUESTION, design, text, N_BUCKETS, np.array(parts).reshape(-1, 2))
    path.write_text(query.to_line() + "\n")
    return path


def kernel_alone(blocks):
    """What the kernel makes of the rows in one piece a block, without a tree."""
    statistics = gather(WOLSGroupsStatistics, QUESTION, *(DESIGN.apply(block) for block in blocks))
    return solve_groups(statistics, QUESTION)


def assert_same_fits(found, expected):
    assert np.array_equal(found.keys, expected.keys) and np.array_equal(found.status, expected.status)
    for name in ("n_rows", "weight_sum", "coefficients", "standard_errors", "sigma", "r_squared"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-10, err_msg=name)


@pytest.fixture
def blocks():
    return make_blocks(make_columns(500), 60)


@pytest.fixture
def query(tmp_path):
    return write_query(tmp_path / "pass.query")


# -- one pass ------------------------------------------------------------------------------------------------------------


def test_a_pass_gives_the_fit_of_every_group_by_either_carrier(blocks, query, tmp_path):
    whole = run_keyed_job(MRWOLSGroups, query, write_blocks(tmp_path / "packed.txt", blocks))
    assert_same_fits(whole.result, kernel_alone(blocks))
    assert sorted(values_of(whole.result.keys, float)) == list(range(30))
    assert (whole.counts, whole.n_blocks) == (RowCounts(read=500, used=500), 9)
    assert whole.n_tasks >= 1 and whole.task_seconds > 0
    assert [n for _, n in whole.environments] == [whole.n_tasks]
    index = write_blocks(tmp_path / "index.txt", blocks, "reference")
    again = run_keyed_job(MRWOLSGroups, query, f"--blocks={index}.bin", index)
    assert (again.statistics_md5, again.result.md5()) == (whole.statistics_md5, whole.result.md5())


def test_the_bits_do_not_depend_on_files_tasks_order_or_on_what_is_known_of_the_parts(blocks, query, tmp_path):
    found = set()
    rng = random.Random(0)
    ignorant = write_query(tmp_path / "ignorant.query", parts=())
    for n_files in (1, 2, 3, 9):
        shuffled = rng.sample(blocks, len(blocks))
        paths = [write_blocks(tmp_path / f"{n_files}-{i}.txt", shuffled[i::n_files]) for i in range(n_files)]
        for asked in (query, ignorant):
            answer = run_keyed_job(MRWOLSGroups, asked, *paths)
            assert answer.n_tasks >= n_files and answer.n_blocks == 9
            found.add((answer.statistics_md5, answer.result.md5()))
    assert len(found) == 1


def test_the_number_of_buckets_changes_no_fit(blocks, query, tmp_path):
    packed = write_blocks(tmp_path / "packed.txt", blocks)
    one = KeyedQuery(QUESTION, DESIGN, None, 1)
    (tmp_path / "one.query").write_text(one.to_line())
    found = [run_keyed_job(MRWOLSGroups, path, packed).result.md5() for path in (query, tmp_path / "one.query")]
    assert found[0] == found[1]


def test_several_parts_are_one_table(blocks, tmp_path):
    second = make_blocks(make_columns(130, seed=1), 60, part=2**40)
    paths = [write_blocks(tmp_path / name, some) for name, some in (("a", second), ("b", blocks))]
    query = write_query(tmp_path / "q", parts=((0, 9), (2**40, 3)))
    answer = run_keyed_job(MRWOLSGroups, query, *paths)
    assert_same_fits(answer.result, kernel_alone([*blocks, *second]))
    again = run_keyed_job(MRWOLSGroups, write_query(tmp_path / "q2", parts=()), *paths[::-1])
    assert again.statistics_md5 == answer.statistics_md5 and answer.counts.used == 630


def test_plain_text_gives_what_packed_lines_give(blocks, tmp_path):
    columns = make_columns(500)
    lines = [",".join(map(repr, row)) for row in zip(*(values.tolist() for values in columns.values()))]
    lines[3:3] = ["oops"]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    query = write_query(tmp_path / "q", TextFormat(list(columns), max_bad_rows=1))
    answer = run_keyed_job(MRWOLSGroups, query, tmp_path / "t.csv")
    assert answer.counts == RowCounts(read=501, used=500, rejected=1)
    assert_same_fits(answer.result, kernel_alone(blocks))


def test_rows_that_are_left_out_are_counted(tmp_path):
    columns = make_columns(100)
    columns["g"][[3, 77]] = np.nan
    columns["x1"][5] = np.nan
    design = Design(["x1", "x2"], "y", "w", missing="drop", group="g")
    query = write_query(tmp_path / "q", design=design)
    answer = run_keyed_job(MRWOLSGroups, query, write_blocks(tmp_path / "p", make_blocks(columns, 30)))
    assert answer.counts == RowCounts(read=100, used=97, missing=3)
    assert answer.result.n_rows.sum() == 97


@pytest.mark.parametrize("what", ["nothing", "a block without rows", "no row of any weight"])
def test_without_a_row_that_counts_there_are_no_groups(what, query, tmp_path):
    n = 10 if what == "no row of any weight" else 0
    columns = {name: np.zeros(n) for name in DESIGN.columns()}
    blocks = [] if what == "nothing" else [Block(0, 0, n, columns)]
    answer = run_keyed_job(MRWOLSGroups, query, write_blocks(tmp_path / "p", blocks))
    assert len(answer.result.keys) == 0 and answer.result.coefficients.shape == (0, 3)
    assert (answer.counts, answer.n_blocks) == (RowCounts(read=n, used=n), len(blocks))


def test_one_row(query, tmp_path):
    answer = run_keyed_job(MRWOLSGroups, query, write_blocks(tmp_path / "p", make_blocks(make_columns(1), 9)))
    assert answer.result.n_rows.tolist() == [1] and np.isnan(answer.result.coefficients).all()


# -- as Hadoop runs it -----------------------------------------------------------------------------------------------------


def run_script(*arguments, **options):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [sys.executable, str(ROOT / "jobs" / "mr_wols_groups.py"), "--no-conf", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, env=environment, check=False, **options)


def test_the_steps_of_the_script_with_two_reducers(blocks, query, tmp_path):
    """Mapper and reducer are programs of their own; keys go to either reducer, in any order of their values."""
    lines = []
    for task in (blocks[4:], blocks[:4]):
        packed = write_blocks(tmp_path / "split", task)
        done = run_script("--step-num=0", "--mapper", "--query", query, input=packed.read_bytes())
        assert done.returncode == 0, done.stderr.decode()
        lines += done.stdout.splitlines(keepends=True)
    keys = sorted({line.split(b"\t")[0] for line in lines})
    assert keys == [b"bucket 0000", b"bucket 0001", b"bucket 0002", b"reports"]
    random.Random(3).shuffle(lines)
    output = []
    for mine in (keys[::2], keys[1::2]):
        fed = b"".join(sorted((line for line in lines if line.split(b"\t")[0] in mine), key=lambda x: x.split(b"\t")[0]))
        done = run_script("--step-num=0", "--reducer", "--query", query, input=fed)
        assert done.returncode == 0, done.stderr.decode()
        output += done.stdout.splitlines()
    answer = MRWOLSGroups.answer_from(output, Record.from_line(query.read_text()))
    inline = run_keyed_job(MRWOLSGroups, query, write_blocks(tmp_path / "all", blocks))
    assert (answer.statistics_md5, answer.result.md5()) == (inline.statistics_md5, inline.result.md5())
    assert answer.n_tasks == 2


def emitted(query, blocks, tmp_path):
    """The pairs of one map task."""
    job = MRWOLSGroups(["--no-conf", "--query", str(query), "--mapper", "--step-num=0"])
    job.mapper_init()
    for line in write_blocks(tmp_path / "task", blocks).read_bytes().splitlines():
        assert list(job.mapper(None, line) or ()) == []
    return list(job.mapper_final())


def test_a_task_emits_lines_of_entries_and_one_report(blocks, query, tmp_path, monkeypatch):
    monkeypatch.setattr("jobs.mr_keyed.LINE_BYTES", 7 * 8 * (6 + 6 + 5))
    *entries, (key, report) = emitted(query, blocks[3:8], tmp_path)
    assert key == b"reports"
    report = KeyedReport.from_line(report)
    assert report.places.tolist() == [[0, 0, 3], [0, 2, 1]] and report.report.n_blocks == 5
    sizes = [len(Entries.from_line(value)) for _, value in entries]
    assert max(sizes) == 7 and sum(sizes) == report.n_entries > 30
    assert all(b"\t" not in value and b"\n" not in value for _, value in entries)


# -- what must not be ------------------------------------------------------------------------------------------------------


def test_a_block_that_is_missing_or_comes_twice_is_refused(blocks, query, tmp_path):
    with pytest.raises(BadBlock, match="block 4 of part 0 is missing"):
        run_keyed_job(MRWOLSGroups, query, write_blocks(tmp_path / "p", blocks[:4] + blocks[5:]))
    packed = write_blocks(tmp_path / "p", blocks)
    with pytest.raises(BadBlock, match="came twice"):
        run_keyed_job(MRWOLSGroups, query, packed, packed)


def test_a_reducer_refuses_what_is_another_jobs(blocks, query, tmp_path):
    job = MRWOLSGroups(["--no-conf", "--query", str(query), "--reducer", "--step-num=0"])
    pairs = emitted(query, blocks, tmp_path)
    with pytest.raises(BadRecord, match="KeyedReport where one of Entries"):
        list(job.reducer(b"bucket 0000", [pairs[-1][1]]))
    with pytest.raises(BadRecord, match="Entries where one of KeyedReport"):
        list(job.reducer(b"reports", [pairs[0][1]]))
    with pytest.raises(BadRecord, match="checksum"):
        list(job.reducer(b"bucket 0000", [pairs[0][1].replace(b"Entries", b"Entrie5")]))
    foreign = WOLSGroupsStatistics.zero(WOLSGroupsQuery(4, 6))
    line = Entries(foreign, np.zeros(0), np.zeros(0)).to_line().encode()
    with pytest.raises(BadRecord, match="different queries"):
        list(job.reducer(b"bucket 0000", [pairs[0][1], line]))


def test_a_report_of_places_where_no_block_can_be_is_refused(blocks, query, tmp_path):
    report = KeyedReport.from_line(emitted(query, blocks, tmp_path)[-1][1])
    for places in ([[0, 64, 0]], [[0, 2**50, 0]], [[0, 60, 16]], [[0, 1]]):
        with pytest.raises(BadRecord, match="report of a task|no block can be"):
            KeyedReport(report.report, 3, np.array(places, np.uint64))


def answer_lines(blocks, query, tmp_path):
    job = MRWOLSGroups(["--no-conf", "--query", str(query), "--reducer", "--step-num=0"])
    found = {}
    for key, value in emitted(query, blocks, tmp_path):
        found.setdefault(key, []).append(value)
    return [line for key, values in found.items() for _, line in job.reducer(key, values)]


def test_an_answer_that_is_not_whole_is_refused(blocks, query, tmp_path):
    lines = answer_lines(blocks, query, tmp_path)
    asked = Record.from_line(query.read_text())
    assert [type(Record.from_line(line)) for line in lines] == [BucketAnswer] * 3 + [KeyedWork]
    assert isinstance(MRWOLSGroups.answer_from(lines[::-1], asked), KeyedAnswer)
    for some, sentence in (
        (lines[1:], "the reducers read .* entries of the .* that the mappers emitted"),
        (lines[:-1], "not the answer of one pass"),
        ([*lines, lines[0]], "not the answer of one pass"),
        ([*lines, lines[-1]], "not the answer of one pass"),
        ([], "not the answer of one pass"),
    ):
        with pytest.raises(ScanError, match=sentence):
            MRWOLSGroups.answer_from(some, asked)


def test_a_query_without_groups_or_with_no_bucket_is_refused(blocks, tmp_path):
    query = write_query(tmp_path / "q", design=Design(["x1", "x2"], "y", "w"))
    with pytest.raises(BadRecord, match="rows without groups"):
        run_keyed_job(MRWOLSGroups, query, write_blocks(tmp_path / "p", blocks))
    for n_buckets in (0, 2**20):
        with pytest.raises(BadRecord, match="buckets"):
            KeyedQuery(QUESTION, DESIGN, None, n_buckets)
