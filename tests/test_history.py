"""`drivers/history.py`: what the past of each entity says of its rows, against loops over plain lists and against pandas;
the same bytes for any number of tasks, batches and slices; and the sentences of what cannot be."""

from __future__ import annotations

import csv
import io
import math
import os
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv as pacsv
from pyarrow import parquet

from drivers import history
from drivers.app import UsageError
from drivers.histories import slices, waiting
from drivers.histories.asked import means
from drivers.histories.passes import counted
from drivers.histories.question import History
from drivers.histories.waiting import Waiting
from drivers.packing import pack as packing
from drivers.packing.cache import pack
from drivers.packing.contents import PackContents
from drivers.packing.formats.options import InputOptions
from drivers.packing.sources import find_sources
from jobs import mr_history
from jobs.errors import BadRecord, ScanError
from jobs.kernels.windows import COUNT, DIFFERENCE, LAG, MEAN, MICROSECONDS, ROWS, Feature, Past, window_means
from jobs.mr_history import HistoryQuery, HistoryRows, SliceRows, batches, buckets_of, slices_of
from jobs.records import Record
from tests.conftest import read_passes

DAY = 86_400_000_000
FEATURES = [
    Feature("lag", LAG, "x", 2),
    Feature("lag of a code", LAG, "code", 1),
    Feature("difference", DIFFERENCE, "x", 3),
    Feature("mean", MEAN, "x", 5),
    Feature("mean of a span", MEAN, "x", 7, MICROSECONDS),
    Feature("count", COUNT, "", 4),
    Feature("count of a span", COUNT, "", 3, MICROSECONDS),
]

# -- windows ---------------------------------------------------------------------------------------------------------------


def by_loops(entities, times, columns, features):
    """The new columns of rows in the order of the data: a list of the past of each entity, looked through for each row."""
    found = {feature.name: [None] * len(entities) for feature in features}
    past: dict = {}
    for i in sorted(range(len(entities)), key=lambda i: (times[i], i)):
        before = past.setdefault(entities[i], [])
        for feature in features:
            if feature.kind in (LAG, DIFFERENCE):
                values = columns[feature.column]
                there = values[before[-feature.size]] if len(before) >= feature.size else None
                if there is not None and feature.kind == DIFFERENCE:
                    there = None if math.isnan(values[i] - there) else values[i] - there
                found[feature.name][i] = there
                continue
            window = before[-feature.size :]
            if feature.unit == MICROSECONDS:
                window = [j for j in before if times[i] - feature.size <= times[j] < times[i]]
            if feature.kind == COUNT:
                found[feature.name][i] = len(window)
            else:
                cells = [Fraction(columns[feature.column][j]) for j in window if not math.isnan(columns[feature.column][j])]
                found[feature.name][i] = float(sum(cells) / len(cells)) if cells else None
        before.append(i)
    return found


def by_batches(entities, times, columns, cuts):
    """Likewise by `Past`, the rows in batches that end where `cuts` says, in the order of time."""
    past, order = Past(FEATURES), np.argsort(times, kind="stable")
    found = {feature.name: np.zeros(len(times)) for feature in FEATURES}
    n_ties = 0
    for begin, end in zip([0, *cuts], [*cuts, len(order)]):
        # Between two moments the rows come in the order of the data; a batch within one moment has no other.
        some = np.sort(order[begin:end]) if len(cuts) else np.arange(len(order))
        if len(some):
            told = past.advance(entities[some], times[some], {name: values[some] for name, values in columns.items()})
            n_ties += told.n_ties
            for feature, values in zip(FEATURES, told.outputs):
                found[feature.name][some[told.order]] = values
    return found, n_ties


tables = st.integers(0, 2**32).flatmap(
    lambda seed: st.tuples(st.just(seed), st.integers(1, 60), st.integers(1, 4), st.integers(1, 30))
)


@settings(max_examples=60, deadline=None)
@given(tables, st.lists(st.integers(0, 60), max_size=4))
def test_new_columns_are_those_of_a_loop_over_the_past_for_any_batches(table, cuts):
    seed, n, n_entities, n_times = table
    rng = np.random.default_rng(seed)
    entities = rng.integers(0, n_entities, n).astype(np.uint64)
    times = rng.integers(0, n_times, n)
    x = np.where(rng.random(n) < 0.2, np.nan, np.round(rng.normal(size=n) * 100))
    columns = {"x": x, "code": rng.integers(-1, 5, n).astype(np.int32)}
    found, n_ties = by_batches(entities, times, columns, sorted(min(cut, n) for cut in cuts))
    plain = {"x": x.tolist(), "code": columns["code"].tolist()}
    for name, expected in by_loops(entities.tolist(), times.tolist(), plain, FEATURES).items():
        absent = -1 if name == "lag of a code" else np.nan
        expected = np.array([absent if value is None else value for value in expected], float)
        np.testing.assert_allclose(found[name], expected, rtol=1e-15, atol=1e-13, err_msg=name)
    assert n_ties == n - len(set(zip(entities.tolist(), times.tolist())))
    whole, _ = by_batches(entities, times, columns, [])
    for name, values in whole.items():
        assert values.tobytes() == found[name].tobytes(), name


@given(st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), min_size=1, max_size=40), st.integers(0, 30), st.integers(0, 9))
def test_a_mean_has_the_bits_of_its_own_cells_wherever_its_window_stands(cells, n_before, n_behind):
    rng = np.random.default_rng(n_before)
    values = np.concatenate([rng.normal(size=n_before) * 1e9, cells, rng.normal(size=n_behind)])
    end = np.array([n_before + len(cells)])
    found = window_means(values, np.array([n_before]), end)
    alone = window_means(np.array(cells), np.array([0]), np.array([len(cells)]))
    assert found.tobytes() == alone.tobytes()
    there = [cell for cell in cells if not math.isnan(cell)]
    if there:
        scale = max(map(abs, there))
        assert found[0] == pytest.approx(math.fsum(there) / len(there), rel=1e-15, abs=1e-14 * scale)
    else:
        assert math.isnan(found[0])


def test_of_an_endless_entity_only_its_windows_are_remembered():
    past = Past([Feature("m", MEAN, "x", 50), Feature("s", MEAN, "x", 200, MICROSECONDS)])
    for batch in range(30):
        times = np.arange(1000) + 1000 * batch
        told = past.advance(np.zeros(1000, np.uint64), times, {"x": np.ones(1000)})
        assert past.n_kept <= 201
        assert batch == 0 or (told.outputs[0] == 1).all()


def test_records_that_ask_for_no_window_are_refused():
    for wrong in (("m", "median", "x", 3), ("m", MEAN, "x", 0), ("m", LAG, "x", 3, MICROSECONDS), ("m", COUNT, "x", 3)):
        with pytest.raises(BadRecord):
            Feature(*wrong)
    with pytest.raises(BadRecord, match="not each has its cells"):
        SliceRows({"x": np.zeros(2)}, np.zeros(3, np.uint64), np.zeros(3, np.int64), np.zeros(3, np.int64))
    with pytest.raises(BadRecord, match="not all of the same rows"):
        HistoryRows([np.zeros(2)], 0, 0, np.zeros(3, np.int64))


# -- buckets, slices and rows on disk ------------------------------------------------------------------------------------


def test_buckets_are_equal_pieces_of_the_keys_and_slices_lie_at_and_between_the_edges():
    rng = np.random.default_rng(0)
    entities = rng.integers(0, 2**64, 5000, dtype=np.uint64)
    for n in (1, 2, 7, 4096):
        assert buckets_of(entities, n).tolist() == [int(key) * n >> 64 for key in entities.tolist()]
        assert buckets_of(np.array([0, 2**64 - 1], np.uint64), n).tolist() == [0, n - 1]
    found = slices_of(np.array([0, 1, 1, 1, 1, 1]), np.array([9, -5, 3, 4, 7, 8]), np.array([[1, 3], [1, 7]]))
    assert found.tolist() == [0, 0, 1, 2, 3, 4]


def test_only_a_slice_at_an_edge_is_cut_into_batches(monkeypatch):
    rows = SliceRows({}, np.zeros(5, np.uint64), np.zeros(5, np.int64), np.arange(5))
    line = rows.to_line().encode()
    values = [b"%08x %016x %s" % (number, 5 * i, line) for i, number in enumerate([0, 0, 0, 1, 1, 1, 1, 2])]
    assert [len(batch.times) for batch in batches(values)] == [15, 20, 5]
    monkeypatch.setattr(mr_history, "BUCKET_BYTES", 2 * len(line))
    assert [len(batch.times) for batch in batches(values)] == [15, 10, 10, 5]


@pytest.mark.parametrize("stretch_bytes", [1, 100, 1 << 20])
def test_rows_on_disk_come_back_in_their_order(tmp_path, monkeypatch, stretch_bytes):
    monkeypatch.setattr(waiting, "STRETCH_BYTES", stretch_bytes)
    rng = np.random.default_rng(3)
    numbers = rng.permutation(200)[:150]
    with Waiting(str(tmp_path), ["<f8", "<i4"]) as rows:
        for some in np.array_split(numbers, 7):
            some = np.sort(some)
            rows.add(some, [some * 0.5, -some])
        assert rows.n_rows == 150
        got = np.concatenate([rows.between(begin, begin + 16) for begin in range(0, 200, 16)])
    assert got["number"].tolist() == sorted(numbers.tolist())
    assert (got["0"] == got["number"] * 0.5).all() and (got["1"] == -got["number"]).all()


def test_a_row_that_comes_twice_is_told(tmp_path):
    with Waiting(str(tmp_path), []) as rows, pytest.raises(ScanError, match="a row came twice"):
        rows.add(np.array([1, 2]), [])
        rows.add(np.array([2, 3]), [])
        rows.between(0, 9)


# -- whole tables ----------------------------------------------------------------------------------------------------------

OPTIONS = [
    "--entity", "customer", "--time", "when", "--lag", "spend:1,7", "--lag", "product:1", "--lag", "when:1", "--lag",
    "order:2", "--difference", "spend:1", "--difference", "when:1", "--rolling-mean", "spend:7,30d,12h", "--count", "5,2d",
]  # fmt: skip


def write_sales(path, n=6000, n_customers=70, seed=0):
    """Moments out of order, of which some are the same; missing cells; texts that are quoted; whole numbers beyond 2^53."""
    rng = np.random.default_rng(seed)
    start = pd.Timestamp("2024-01-01")
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["customer", "when", "spend", "product", "order"])
        hours, customers = rng.integers(0, 24 * 200, n), rng.integers(0, n_customers, n) * (rng.random(n) < 0.7)
        for i in range(n):
            spend = "" if rng.random() < 0.1 else repr(round(float(rng.gamma(2, 20)), 2))
            product = ["ant", "bee, big", 'the "cat"', ""][rng.integers(4)]
            when = start + pd.Timedelta(hours=int(hours[i]))
            writer.writerow([f"c{customers[i]}", when.strftime("%Y-%m-%d %H:%M:%S"), spend, product, 2**60 + i])


def by_pandas(path):
    """What pandas says of the same rows, in the order of the file."""
    table = pd.read_csv(
        path, parse_dates=["when"], keep_default_na=False, na_values={"spend": ""}, dtype={"order": "Int64"}
    )
    table = table.sort_values(["customer", "when"], kind="stable")
    groups = table.groupby("customer", sort=False)
    found = pd.DataFrame(index=table.index)
    for k in (1, 7):
        found[f"spend lag {k}"] = groups["spend"].shift(k)
    found["product lag 1"], found["when lag 1"] = groups["product"].shift(1), groups["when"].shift(1)
    found["order lag 2"] = groups["order"].shift(2)
    found["spend difference 1"] = groups["spend"].diff()
    found["when difference 1"] = groups["when"].diff() / pd.Timedelta(days=1)
    past = found["spend lag 1"].groupby(table["customer"], sort=False)
    found["spend mean 7"] = past.rolling(7, min_periods=1).mean().droplevel(0)
    by_time = table.set_index("when").groupby("customer", sort=False)["spend"]
    for written, span in (("30d", "30D"), ("12h", "12h")):
        found[f"spend mean {written}"] = by_time.rolling(span, closed="left", min_periods=1).mean().to_numpy()
    found["count 5"] = groups.cumcount().clip(upper=5)
    ones = table.assign(one=1.0).set_index("when").groupby("customer", sort=False)["one"]
    found["count 2d"] = ones.rolling("2D", closed="left", min_periods=0).sum().to_numpy()
    return found.sort_index()


@pytest.fixture
def sales(tmp_path):
    write_sales("s.csv")
    return tmp_path


def cut_small(monkeypatch):
    """Many buckets, many slices, and few rows in memory at a time, of a small table."""
    monkeypatch.setattr(slices, "BUCKET_BYTES", 4_000)
    monkeypatch.setattr(waiting, "STRETCH_BYTES", 30_000)


@pytest.mark.parametrize("is_cut", [False, True])
def test_the_columns_are_those_of_pandas(sales, monkeypatch, capsys, is_cut):
    if is_cut:
        cut_small(monkeypatch)
    assert history.main(["s.csv", *OPTIONS, "-o", "out.csv", "--run-dir", "r"]) == 0
    told = capsys.readouterr().err
    assert "6,000 rows with their history in out.csv\n" in told
    expected = by_pandas("s.csv")
    found = pd.read_csv("out.csv", parse_dates=["when lag 1"], dtype={"order lag 2": "Int64", "product lag 1": str})
    assert found.columns.tolist() == ["customer", "when", "spend", "product", "order", *expected.columns]
    for name in expected:
        if name == "product lag 1":
            assert found[name].fillna("").tolist() == expected[name].fillna("").tolist()
        elif name in ("when lag 1", "order lag 2"):
            assert found[name].astype(str).tolist() == expected[name].astype(str).tolist()
        else:
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-12, atol=1e-11, err_msg=name)
    with open("s.csv", newline="") as before, open("out.csv", newline="") as after:
        for row, written in zip(csv.reader(before), csv.reader(after), strict=True):
            assert written[0] == row[0] and written[3:5] == row[3:]
    n_ties = int(pd.read_csv("s.csv").duplicated(["customer", "when"]).sum())
    assert f"{n_ties:,} rows share customer and when with a row before; such rows are in the order" in told
    query = Record.from_line(Path("r/queries/0001.query").read_bytes())
    assert isinstance(query, HistoryQuery)
    # The one customer that has a third of the rows is cut into many slices.
    assert (query.n_buckets > 50 and len(query.edges) > 20) == is_cut


@pytest.mark.parametrize(
    "switches",
    [
        ["-r", "inline"],
        ["-r", "local", "--num-cores", "1"],
        ["-r", "local", "--num-cores", "3"],
        pytest.param(["-r", "spark"], marks=pytest.mark.slow),
        pytest.param(["-r", "hadoop", "-D", "mapreduce.job.maps=3"], marks=pytest.mark.hadoop),
    ],
    ids=lambda switches: " ".join(switches[1:]),
)
def test_every_runner_writes_the_same_bytes(sales, monkeypatch, switches, capsys):
    write_sales("t.csv", 60_000)
    assert history.main(["t.csv", *OPTIONS, "-o", "inline.csv", "--run-dir", "inline"]) == 0
    cut_small(monkeypatch)
    monkeypatch.setattr(slices, "BUCKET_BYTES", 100_000)
    assert history.main(["t.csv", *OPTIONS, "-o", "other.csv", "--run-dir", "r", *switches]) == 0
    assert "60,000 rows with their history in other.csv" in capsys.readouterr().err
    assert Path("inline.csv").read_bytes() == Path("other.csv").read_bytes()
    (one,), (other,) = read_passes("inline"), read_passes("r")
    assert other["job"] == "MRHistory" and other["rows_used"] == 60_000
    assert one["statistics_md5"] == other["statistics_md5"] and one["query_md5"] != other["query_md5"]


@pytest.mark.hadoop
def test_a_folder_on_hdfs_has_the_rows_of_the_file_here(sales):
    url, hadoop = f"hdfs:///tmp/scanlearn-test-history-{os.getpid()}", f"{os.environ['HADOOP_HOME']}/bin/hadoop"
    words = ["s.csv", *OPTIONS, "--since", "2024-03-01", "-o"]
    assert history.main([*words, "here.csv"]) == 0
    words += [url, "-r", "hadoop", "-D", "mapreduce.job.maps=3", "--run-dir"]
    try:
        assert history.main([*words, "r"]) == 0
        done = subprocess.run([hadoop, "fs", "-cat", f"{url}/part-*"], capture_output=True, text=True)
    finally:
        subprocess.run([hadoop, "fs", "-rm", "-r", "-skipTrash", url], capture_output=True)
    rows = list(csv.reader(io.StringIO(done.stdout, newline="")))
    with open("here.csv", newline="") as file:
        names, *expected = csv.reader(file)
    assert names in rows
    assert sorted(row for row in rows if row != names) == sorted(expected)
    (entry,) = read_passes("r")
    assert (entry["rows_in"], entry["rows_used"], entry["n_tasks"] > 0) == (6000, 6000, True)


def test_a_folder_holds_whole_rows_each_entity_in_the_order_of_time(sales, monkeypatch):
    """What a cluster would write, as the job writes it."""
    cut_small(monkeypatch)
    options = history.make_parser().parse_args(["s.csv", *OPTIONS, "-o", "out.csv", "--since", "2024-03-01"])
    asked = History.of(options)
    table = pack(find_sources(["s.csv"]), InputOptions(), asked.contents(options), "cache")
    query = asked.query_of_table(table)
    Path("q").write_text(query.to_line() + "\n")
    words = ["--no-conf", "--query", "q", "--blocks", os.path.abspath(table.blocks), table.index]
    with mr_history.MRHistory(args=words).make_runner() as runner:
        runner.run()
        lines = b"".join(runner.cat_output()).decode()
        counted = runner.counters()[0]["scanlearn"]
    assert history.main(["s.csv", *OPTIONS, "-o", "out.csv", "--since", "2024-03-01"]) == 0
    with open("out.csv", newline="") as file:
        names, *expected = csv.reader(file)
    rows = [row for row in csv.reader(io.StringIO(lines, newline="")) if row != names]
    assert sorted(rows) == sorted(expected)
    assert counted["written"] == len(rows) and counted["written"] + counted["before"] == counted["rows"] == 6000
    last: dict = {}
    for row in rows:
        assert row[1] >= last.get(row[0], "")
        last[row[0]] = row[1]


def test_what_counters_say_of_a_folder_is_held_to_the_rows_and_what_they_do_not_is_not_told(tmp_path, capsys):
    told = {"rows": 9, "missing": 2, "written": 4, "before": 3, "ties": 1, "tasks": 2}
    answer = counted([{"scanlearn": told}], 9, 1)
    assert (answer.n_written, answer.n_before, answer.n_ties, answer.n_tasks) == (4, 3, 1, 2)
    assert (answer.counts.read, answer.counts.used, answer.counts.missing) == (9, 7, 2)
    with pytest.raises(ScanError, match="wrote 4 rows, left 2 as history, and read 7; the output is not to be trusted"):
        counted([{"scanlearn": {**told, "before": 2}}], 9, 1)
    options = history.make_parser().parse_args(
        ["t.csv", "--entity", "a", "--time", "t", "-o", "s3://b/past", "--since", "3"]
    )
    options.n_rejected = 0
    for found, sentence in (
        (counted([], 9, 1), "the rows with their history are in s3://b/past\n"),
        (answer, "4 rows with their history in s3://b/past; 3 before 3 are history only; 2 left out for a missing a or t\n"
                 "1 row shares a and t with a row before; such rows are in the order in which they stand in the data\n"),
    ):  # fmt: skip
        history.tell(found, options)
        assert capsys.readouterr().err == sentence


def test_rows_before_since_are_history_only(sales, capsys):
    words = ["s.csv", *OPTIONS, "-o"]
    assert history.main([*words, "all.csv"]) == 0
    assert history.main([*words, "some.csv", "--since", "2024-05-01 12:00"]) == 0
    told = capsys.readouterr().err
    everything, some = (pd.read_csv(name, dtype=str, keep_default_na=False) for name in ("all.csv", "some.csv"))
    expected = everything[everything["when"] >= "2024-05-01 12:00:00"].reset_index(drop=True)
    pd.testing.assert_frame_equal(some, expected)
    n_before = 6000 - len(some)
    assert (
        f"{len(some):,} rows with their history in some.csv; {n_before:,} before 2024-05-01 12:00 are history only" in told
    )


def test_several_files_are_one_table_and_each_row_keeps_its_own_cells(sales):
    names, *rows = Path("s.csv").read_text().splitlines()
    for i in range(3):
        Path(f"part-{i}.csv").write_text("\n".join([names, *rows[2000 * i : 2000 * (i + 1)]]) + "\n")
    words = [*OPTIONS, "--since", "2024-05-01", "-o"]
    assert history.main(["s.csv", *words, "one.csv"]) == 0
    assert history.main(["part-*.csv", *words, "three.csv"]) == 0
    assert Path("one.csv").read_bytes() == Path("three.csv").read_bytes()


def test_a_missing_entity_or_time_is_named_or_dropped(tmp_path, capsys):
    Path("t.csv").write_text("who,t,x\na,1,1\n,2,2\na,,3\na,4,4\nb,nine,5\n")
    words = ["t.csv", "--entity", "who", "--time", "t", "--lag", "x:1", "-o", "out.csv", "--max-bad-rows", "1"]
    assert history.main(words) == 1
    assert "line 3, column 'who': the cell is missing; --missing drop leaves such rows out" in capsys.readouterr().err
    assert not Path("out.csv").exists()
    assert history.main([*words, "--missing", "drop", "--run-dir", "r"]) == 0
    assert "2 rows with their history in out.csv; 2 left out for a missing who or t; 1 bad, see" in capsys.readouterr().err
    assert Path("out.csv").read_text() == "who,t,x,x lag 1\na,1,1,\na,4,4,1\n"
    (entry,) = read_passes("r")
    assert (entry["rows_in"], entry["rows_used"], entry["rows_missing"], entry["rows_rejected"]) == (5, 2, 2, 1)


@pytest.mark.parametrize(
    ("times", "since", "n_written"),
    [
        (["2024-03", "2024-01", "2024-02"], "2024-02", 2),
        (["2024Q3", "2024Q1", "2024Q2"], "2024Q3", 1),
        (["0.5", "-1", "0.25"], "0.25", 2),
        ([str(2**60 + 3), str(2**60 + 1), str(2**60 + 2)], str(2**60 + 2), 2),
        (["2024-02-03", "2024-02-01", "2024-02-02"], "2024-02-03", 1),
    ],
)
def test_times_are_dates_numbers_or_periods(tmp_path, times, since, n_written):
    Path("t.csv").write_text("who,t,x\n" + "".join(f"7,{time},{x}\n" for x, time in enumerate(times)))
    words = ["t.csv", "--entity", "who", "--time", "t", "--lag", "x:1", "--count", "9", "--keep", "x", "-o", "out.csv"]
    assert history.main(words) == 0
    assert Path("out.csv").read_text() == "x,x lag 1,count 9\n0,2,2\n1,,0\n2,1,1\n"
    assert history.main([*words, "--since", since]) == 0
    assert len(Path("out.csv").read_text().splitlines()) == 1 + n_written


def test_texts_too_many_for_a_dictionary_are_copied_and_can_name_entities(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(packing, "MOST_TEXTS", 10)
    n = 90
    Path("t.csv").write_text("card,t,note\n" + "".join(f"card {i % 30},{i},no. {i}\n" for i in range(n)))
    words = ["t.csv", "--entity", "card", "--time", "t", "--lag", "t:1", "-o", "out.csv"]
    assert history.main(words) == 0
    lines = Path("out.csv").read_text().splitlines()
    assert lines[0] == "card,t,note,t lag 1"
    assert lines[1:] == [f"card {i % 30},{i},no. {i},{i - 30 if i >= 30 else ''}" for i in range(n)]
    assert history.main([*words, "--lag", "note:1"]) == 1
    assert "the column 'note' has too many different texts for 'note lag 1'" in capsys.readouterr().err
    table = pack(find_sources(["t.csv"]), InputOptions(), PackContents(None, ("card", "note", "t")), "cache")
    asked = History("card", "t", means("t:3"), None, None, "error")
    with pytest.raises(ScanError, match="'card' has too many different texts to be written by a job"):
        asked.query_of_table(table)


def test_parquet_holds_the_same_cells(sales):
    words = ["s.csv", *OPTIONS, "-o"]
    assert history.main([*words, "out.csv"]) == 0
    assert history.main([*words, "out.parquet"]) == 0
    found, written = parquet.read_table("out.parquet"), pacsv.read_csv("out.csv")
    assert found.column_names == written.column_names
    for name in ("order lag 2", "spend mean 30d", "count 2d", "when difference 1", "spend"):
        assert found[name].to_pylist() == written[name].to_pylist(), name
    assert [text or "" for text in found["product lag 1"].to_pylist()] == written["product lag 1"].to_pylist()
    assert not list(sales.glob("*.partial"))


def test_it_can_be_called_from_python_and_reads_standard_input(sales, monkeypatch):
    named = {"entity": "customer", "time": "when", "count": ["30d"], "since": "2024-05-01"}
    n_rows = history.write_history("s.csv", out="a.csv", keep=["order"], lag=["spend:1,7"], **named)
    assert len(Path("a.csv").read_text().splitlines()) == n_rows + 1
    with open("s.csv") as monkey:
        monkeypatch.setattr("sys.stdin", monkey)
        assert history.write_history("-", out="b.csv", keep=["order"], lag=["spend:1,7"], **named) == n_rows
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
    with pytest.raises(UsageError, match="say what of the past"):
        history.write_history("s.csv", out="a.csv", entity="customer", time="when")


def test_a_run_that_is_resumed_keeps_its_options_and_the_file_its_delimiter(tmp_path, monkeypatch, capsys):
    Path("t.csv").write_text("who;t;x\na;1;0.5\nb;2;1\na;3;2\n")
    words = ["t.csv", "--entity", "who", "--time", "t", "--lag", "x:1", "-o", "out.csv", "--run-dir", "r"]

    def full(running, rows):
        raise ScanError("the disk is full")

    with monkeypatch.context() as meanwhile:
        meanwhile.setitem(history.history_here.__globals__, "_gather", full)
        assert history.main(words) == 1
    assert not Path("out.csv").exists()
    assert history.main(["--resume", "r"]) == 0
    assert Path("out.csv").read_text() == "who;t;x;x lag 1\na;1;0.5;\nb;2;1;\na;3;2;0.5\n"
    assert history.main(["--resume", "r"]) == 0
    assert capsys.readouterr().err.count("3 rows with their history in out.csv") == 2
    assert len(read_passes("r")) == 1


def test_the_plan_is_one_pass(sales, capsys):
    assert history.main(["s.csv", *OPTIONS, "-o", "out.csv", "--plan", "--json"]) == 0
    assert '"passes": [1, 1]' in capsys.readouterr().out
    assert not Path("out.csv").exists()


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, "say what of the past to write"),
        (["--lag", "spend:1", "-o", ""], 1, "the table '' cannot be written: its name is empty"),
        (["--lag", "spend"], 2, "'spend' is not NAME:K, as in spend:7"),
        (["--lag", "spend:0"], 2, "'0' is not a number of rows"),
        (["--lag", "spend:7d"], 2, "'7d' is not a number of rows"),
        (["--rolling-mean", "spend:7x"], 2, "'7x' is not a number of rows, or of days or hours as in 30d and 12h"),
        (["--count", "99999999"], 2, "'99999999' is too far back"),
        (["--lag", "spend:1,1"], 2, "the new column 'spend lag 1' is asked for twice"),
        (["--lag", "spend:1", "--keep", "when,when"], 2, "--keep names 'when' twice"),
        (["--lag", "spend:1", "-o", "s3://bucket/x"], 2, "writes no folder s3://bucket/x"),
        (["--lag", "spend:1", "-r", "hadoop", "-o", "hdfs:///x.parquet"], 2, "jobs write CSV"),
        (["--lag", "spend:1", "-o", "nowhere/x.csv"], 1, "cannot be written: there is no directory nowhere"),
        (["--lag", "spent:1"], 1, "there is no column 'spent'; did you mean 'spend'?"),
        (["--rolling-mean", "product:3"], 1, "'product mean 3' needs numbers, and the column 'product' holds texts"),
        (["--difference", "order:3"], 1, "'order difference 3' needs numbers, and the column 'order' holds whole numbers"),
        (["--lag", "spend:1", "--since", "May"], 1, "--since May is no time as the column 'when' has them"),
        (
            ["--lag", "spend:1", "--time", "product"],
            1,
            "the time column 'product' holds texts; times are numbers",
        ),
        (["--time", "order", "--count", "3d"], 1, "'count 3d' needs dates in the time column 'order'"),
        (["--lag", "spend:1", "--time", "customer"], 2, "--entity and --time are two columns"),
    ],
)
def test_what_cannot_be_is_one_sentence(sales, capsys, words, status, message):
    arguments = ["s.csv", "--entity", "customer", "--time", "when", "-o", "out.csv", *words]
    try:
        assert history.main(arguments) == status
    except SystemExit as end:  # by argparse
        assert end.code == status
    told = capsys.readouterr().err
    assert message in told and "Traceback" not in told
    assert not Path("out.csv").exists() and not list(sales.glob("*.partial"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name the rows whose history is asked for"),
        (["s.csv"], "name the column that says whose row it is with --entity"),
        (["s.csv", "--entity", "customer", "-o", "out.csv"], "name the column that says when with --time"),
        (["s.csv", "--entity", "customer", "--time", "when"], "name what to write with --out"),
    ],
)
def test_what_must_be_named_is_told(sales, capsys, words, message):
    assert history.main(words) == 2
    assert message in capsys.readouterr().err


def test_a_new_column_does_not_take_the_name_of_an_old_one(tmp_path, capsys):
    Path("t.csv").write_text("who,t,x,x lag 1\na,1,2,3\n")
    words = ["t.csv", "--entity", "who", "--time", "t", "--lag", "x:1", "-o", "out.csv"]
    assert history.main(words) == 1
    assert "the table has a column 'x lag 1' already; leave it out of those that --keep names" in capsys.readouterr().err
    assert history.main([*words, "--keep", "who"]) == 0
    assert Path("out.csv").read_text() == "who,x lag 1\na,\n"


def test_input_that_has_changed_meanwhile_is_told(sales, monkeypatch, capsys):
    gather = history.history_here.__globals__["_gather"]

    def meanwhile(running, rows):
        write_sales("s.csv", 5000)
        return gather(running, rows)

    monkeypatch.setitem(history.history_here.__globals__, "_gather", meanwhile)
    assert history.main(["s.csv", *OPTIONS, "-o", "out.csv"]) == 1
    assert "s.csv has other rows than when it was packed" in capsys.readouterr().err
    assert not Path("out.csv").exists()


def test_units_of_windows_are_rows_days_and_hours():
    assert [(one.size, one.unit, one.name) for one in means("a:b:3,2d,12h")] == [
        (3, ROWS, "a:b mean 3"), (2 * DAY, MICROSECONDS, "a:b mean 2d"), (DAY // 2, MICROSECONDS, "a:b mean 12h"),
    ]  # fmt: skip
