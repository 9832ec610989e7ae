"""Tables on HDFS packed where they lie, on the Hadoop of `make hadoop-up`."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess

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
    done = run_wols(url, *FIT, "-r", "hadoop", "--run-dir", "there", "-D", "mapreduce.job.maps=4")
    assert done.returncode == 0, done.stderr
    assert "60,000 rows x 3 columns packed from" in done.stderr and "through this machine" not in done.stderr
    assert not list((tmp_path / "cache").glob("scanlearn/packs/*/blocks.bin"))
    (where,) = (tmp_path / "cache").glob("scanlearn/packs/*/where.json")
    packed = json.loads(where.read_text())["url"]
    assert all(line.startswith(("drwx------", "-rw-------")) for line in hadoop("-ls", "-R", packed).splitlines())
    here = run_wols("table/", *FIT, "--run-dir", "here")
    assert here.returncode == 0, here.stderr
    ours, theirs = read_model("there"), read_model("here")
    np.testing.assert_allclose(
        ours["parameters"]["coefficients"], theirs["parameters"]["coefficients"], rtol=1e-11, atol=1e-12
    )
    assert ours["features"] == theirs["features"]
    (entry,) = read_passes("there")
    assert (entry["rows_in"], entry["rows_used"]) == (60_000, 60_000) and entry["n_tasks"] >= 4
    # The next run finds it, with other splits too, and has the same bits.
    done = run_wols(url, *FIT, "-r", "hadoop", "--run-dir", "again", "-D", "mapreduce.job.maps=1")
    assert done.returncode == 0, done.stderr
    assert "found packed" in done.stderr and "packing there" not in done.stderr
    assert read_passes("again")[0]["statistics_md5"] == entry["statistics_md5"]
    assert hadoop("-ls", f"/tmp/scanlearn-{os.environ.get('HADOOP_USER_NAME', 'root')}/tmp").strip() == ""


def test_a_bad_row_is_named_by_its_file_and_line_and_set_aside_where_allowed(run_wols, put):
    url = put("bad", n=2000, bad=["1,two,shop 1,2024-05-01"])
    done = run_wols(url, *FIT, "-r", "hadoop", "--run-dir", "r")
    assert done.returncode == 1
    assert re.search(rf"{url}/part-[01]\.csv, line 1001, column 'x': 'two' is not a number\n", done.stderr), done.stderr
    done = run_wols(url, *FIT, "-r", "hadoop", "--run-dir", "ok", "--max-bad-rows", "2")
    assert done.returncode == 0, done.stderr
    assert read_passes("ok")[0]["rows_rejected"] == 2 and read_passes("ok")[0]["rows_in"] == 4002
    with open("ok/rejects.csv", newline="") as file:
        rejects = list(csv.DictReader(file))
    assert [reject["value"] for reject in rejects] == ["1,two,shop 1,2024-05-01"] * 2
    assert [reject["file"].rsplit("/", 1)[1] for reject in rejects] == ["part-0.csv", "part-1.csv"]


def test_what_cannot_be_packed_in_pieces_goes_through_this_machine_and_says_why(run_wols, put):
    url = put("dates", n=500)
    done = run_wols(url, "--target", "y", "--features", "x,day", "--no-report", "--no-diagnostics", "-r", "hadoop")
    assert done.returncode == 0, done.stderr
    assert "packed through this machine, since the column 'day' holds dates" in done.stderr
    done = run_wols(url, *FIT, "-r", "hadoop", "--pack-here")
    assert done.returncode == 0, done.stderr
    assert "packing there" not in done.stderr and "through this machine" not in done.stderr
