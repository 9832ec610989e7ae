"""Tables on HDFS packed where they lie, on the Hadoop of `make hadoop-up`."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import time

import numpy as np
import pytest

from tests.conftest import read_model, read_passes

pytestmark = pytest.mark.hadoop

FIT = ("--target", "y", "--features", "x,shop", "--no-report", "--no-diagnostics")
THERE = "/tmp/scanlearn-test-there"


def hadoop(*arguments, **keywords):
    home = os.environ.get("HADOOP_HOME")
    if home is None:
        pytest.fail('HADOOP_HOME is not set; make hadoop-up, then eval "$(python hadoop/cluster.py env)"')
    return subprocess.run([f"{home}/bin/hadoop", "fs", *arguments], capture_output=True, text=True, **keywords).stdout


def write_table(folder, n=30_000, bad=()):
    rng = np.random.default_rng(5)
    folder.mkdir()
    for i in range(2):
        x, shops = rng.normal(size=n), rng.integers(0, 5, n)
        y = 1 + 2 * x + shops + rng.normal(size=n)
        lines = [
            "y,x,shop,day",
            *(f"{a!r},{b!r},shop {s},2024-05-0{1 + s}" for a, b, s in zip(y.tolist(), x.tolist(), shops)),
        ]
        for row in bad:
            lines.insert(n // 2, row)
        (folder / f"part-{i}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def put(tmp_path):
    """Puts a table of two files on HDFS; gives its directory there."""
    made = []

    def put(name, **keywords):
        write_table(tmp_path / name, **keywords)
        url = f"{THERE}/{name}"
        hadoop("-mkdir", "-p", THERE, check=True)
        hadoop("-rm", "-r", "-f", "-skipTrash", url)
        hadoop("-put", str(tmp_path / name), THERE, check=True)
        made.append(url)
        return f"hdfs://{url}"

    yield put
    for url in made:
        hadoop("-rm", "-r", "-f", "-skipTrash", url)


def test_a_table_on_hdfs_stays_there_and_gives_the_fit_of_one_packed_here(tmp_path, run_wols, put):
    url = put("table")
    done = run_wols(url, *FIT, "-r", "hadoop", "--run-dir", "stays", "-D", "mapreduce.job.maps=4")
    assert done.returncode == 0, done.stderr
    assert "60,000 rows x 3 columns packed from" in done.stderr and "through this machine" not in done.stderr
    assert not list((tmp_path / "cache").glob("scanlearn/packs/*/blocks.bin"))
    (where,) = (tmp_path / "cache").glob("scanlearn/packs/*/where.json")
    packed = json.loads(where.read_text())["url"]
    assert all(line.startswith(("drwx------", "-rw-------")) for line in hadoop("-ls", "-R", packed).splitlines())
    here = run_wols("table/", *FIT, "--run-dir", "here")
    assert here.returncode == 0, here.stderr
    ours, theirs = read_model("stays"), read_model("here")
    np.testing.assert_allclose(
        ours["parameters"]["coefficients"], theirs["parameters"]["coefficients"], rtol=1e-11, atol=1e-12
    )
    assert ours["features"] == theirs["features"]
    (entry,) = read_passes("stays")
    assert (entry["rows_in"], entry["rows_used"]) == (60_000, 60_000) and entry["n_tasks"] >= 4
    # The next run finds it, with other splits too, and has the same bits.
    done = run_wols(url, *FIT, "-r", "hadoop", "--run-dir", "stays-still", "-D", "mapreduce.job.maps=1")
    assert done.returncode == 0, done.stderr
    assert "found packed" in done.stderr and "packing there" not in done.stderr
    assert read_passes("stays-still")[0]["statistics_md5"] == entry["statistics_md5"]
    left = hadoop("-ls", f"/tmp/scanlearn-{os.environ.get('HADOOP_USER_NAME', 'root')}/tmp")
    assert "/stays-" not in left


def test_a_bad_row_is_named_by_its_file_and_line(run_wols, put):
    url = put("bad", n=2000, bad=["1,two,shop 1,2024-05-01"])
    done = run_wols(url, *FIT, "-r", "hadoop", "--run-dir", "r")
    assert done.returncode == 1
    assert re.search(rf"{url}/part-[01]\.csv, line 1001, column 'x': 'two' is not a number\n", done.stderr), done.stderr


def test_bad_rows_are_set_aside_with_the_lines_of_an_editor_over_all_pieces(tmp_path, run_wols, put):
    """In files of each kind of line ends, with bad rows after empty lines near the ends of the pieces and elsewhere."""
    url = put("lines", n=300)
    rng = np.random.default_rng(2)
    whole = (tmp_path / "lines" / "part-0.csv").read_text().split("\n")
    expected = []
    for i, line_end in enumerate(["\n", "\r\n", "\r"]):
        lines = list(whole)
        for j in sorted(rng.choice(np.arange(1, 300), 40, replace=False), reverse=True):
            lines[j:j] = ["", f"{j},two,shop 1,2024-05-01"]
        (tmp_path / "lines" / f"part-{i}.csv").write_bytes(line_end.join(lines).encode())
        expected += [(f"part-{i}.csv", str(n)) for n, line in enumerate(lines, 1) if ",two," in line]
    hadoop("-put", "-f", str(tmp_path / "lines"), THERE, check=True)
    fit = ("--target", "y", "--features", "x", "--no-report", "--no-diagnostics", "--max-bad-rows", "1000")
    done = run_wols(url, *fit, "-r", "hadoop", "--run-dir", "there", "-D", "mapreduce.job.maps=12")
    assert done.returncode == 0, done.stderr
    assert "packed from" in done.stderr and "through this machine" not in done.stderr
    done = run_wols("lines/", *fit, "--run-dir", "here")
    assert done.returncode == 0, done.stderr
    folders = {}
    for name in ("there", "here"):
        assert (read_passes(name)[0]["rows_rejected"], read_passes(name)[0]["rows_in"]) == (120, 1020)
        with open(f"{name}/rejects.csv", newline="") as file:
            rejects = list(csv.DictReader(file))
        folders[name] = {os.path.dirname(reject["file"]) for reject in rejects}
        told = [(os.path.basename(reject["file"]), reject["line"]) for reject in rejects]
        assert told == expected and len(told) == 120
        assert all(",two,shop 1,2024-05-01" in reject["value"] or reject["value"] == "two" for reject in rejects)
    assert folders == {"there": {url}, "here": {"lines"}}


@pytest.mark.alone
def test_a_run_that_is_killed_while_packing_leaves_a_pack_that_the_next_run_removes(tmp_path, run_wols, put):
    url = put("killed", n=2000)
    home = f"/tmp/scanlearn-{os.environ.get('HADOOP_USER_NAME', 'root')}"
    before = set(hadoop("-ls", "-C", f"{home}/packs").split())
    numbers = ("--target", "y", "--features", "x", "--no-report", "-r", "hadoop", "--setup", "sleep 60")
    process = subprocess.Popen(run_wols.command(url, *numbers, "--run-dir", "r"), stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 90
    while not (new := set(hadoop("-ls", "-C", f"{home}/packs").split()) - before):
        assert time.monotonic() < deadline and process.poll() is None
    process.kill()
    process.communicate()
    done = run_wols(url, *FIT, "-r", "hadoop", "--run-dir", "again")
    assert done.returncode == 0, done.stderr
    (left,) = new
    assert f"removed what a killed run left: hdfs://{left}" in done.stderr
    assert left not in hadoop("-ls", "-C", f"{home}/packs").split()
    assert hadoop("-ls", f"{home}/tmp").strip() == ""


def test_what_cannot_be_packed_in_pieces_goes_through_this_machine_and_says_why(run_wols, put):
    url = put("dates", n=500)
    done = run_wols(url, "--target", "y", "--features", "x,day", "--no-report", "--no-diagnostics", "-r", "hadoop")
    assert done.returncode == 0, done.stderr
    assert "packed through this machine, since the column 'day' holds dates" in done.stderr
    done = run_wols(url, *FIT, "-r", "hadoop", "--pack-here")
    assert done.returncode == 0, done.stderr
    assert "packing there" not in done.stderr and "through this machine" not in done.stderr
