"""What a user sees while a run goes on: on a terminal, in a file, on each runner; and that it never ends a run."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from data_gen.gen_regression import generate
from drivers.loop import Fit
from drivers.run_wols import fit
from drivers.runners.hadoop.news import HadoopNews, application_of, percent_of
from drivers.runners.hadoop.runner import QUIET
from drivers.runners.switches import Switches
from drivers.terminal.display import Display, Lines
from drivers.terminal.progress import Meter, Progress
from drivers.terminal.watching import by_time
from jobs.block_job import BlockJob
from jobs.errors import ScanError
from jobs.mr_wols import MRWOLS
from tests.conftest import ROOT, read_model
from tests.terminal import COLUMNS, run_on_terminal, screen
from tests.test_loop import start

DATA = ("d.csv", "--columns", "y,x,w", "--target", "y", "--weight", "w", "--no-report")
DESCENT = (*DATA, "--solver", "gd", "--start", "0.636,0.2105", "--max-iter", "3", "--run-dir", "r")
# The programs as they are, but for how long a pass must take to be told of.
IMPATIENT = """
import sys
from drivers.terminal import display
for kind in (display.Lines, display.Terminal):
    kind.seconds_before = kind.seconds_between = 0
from drivers.run_wols import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def table(tmp_path):
    generate(tmp_path / "d.csv", rows=200_000)


def impatient(*arguments: str) -> list[str]:
    return [sys.executable, "-c", IMPATIENT, *arguments]


class Recorder(Lines):
    """Keeps what is drawn and said."""

    seconds_before = seconds_between = 0.0

    def __init__(self):
        super().__init__(io.StringIO())

    @property
    def lines(self):
        return [re.sub(r"(, )?\d+ s$", "", line) for line in self.stream.getvalue().splitlines()]


# -- on a terminal -----------------------------------------------------------------------------------------------------


def frames(written: str, title: str) -> list[str]:
    """What was drawn of something, one after the other, without its bar."""
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written)
    return [re.sub(r" [━╸╺]+ ", ": ", frame.rstrip()) for frame in re.findall(rf"{title} [━╸╺][^\r\n]*", written)]


def test_a_terminal_shows_bars_that_go_and_a_table_that_stays(table):
    status, written = run_on_terminal(impatient(*DESCENT, "--learning-rate", "0.3,1,2.5"))
    assert status == 3, written
    assert frames(written, "packing")[-1].startswith("packing: 15 of 15 MB, ")
    shares = [int(share) for share in re.findall(r"pass 2: (\d+) % of the blocks", "\n".join(frames(written, "pass 2")))]
    assert shares[0] < 30 and shares[-1] == 100 and shares == sorted(shares) and len(set(shares)) >= 4
    assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l")  # the cursor is back
    shown = [line.rstrip() for line in screen(written)]
    assert max(len(line) for line in shown) <= COLUMNS
    assert not [line for line in shown if "━" in line and "pass" in line]
    assert shown[0] == "200,000 rows x 3 columns packed from 15.3 MB"
    head, *rows = shown[1:5]
    assert head.split() == ["pass", "objective", "change", "distance", "seconds", "alive"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    assert rows[0].split()[2] == "-" and float(rows[1].split()[2]) < 0
    assert rows[0].endswith("3 of 3")
    ends = [
        [match.end() for match in re.finditer(r"\S(?=\s|$)", line)] for line in (head, rows[0].replace("3 of 3", "3-of-3"))
    ]
    assert ends[0] == ends[1]  # columns are aligned
    assert shown.count(head) == 1
    assert len(rows[0]) == len(rows[2]) <= COLUMNS


def test_a_terminal_shows_the_tasks_of_local(table):
    options = ("--no-diagnostics", "-r", "local", "--num-cores", "2", "--run-dir", "r")
    status, written = run_on_terminal(impatient(*DATA, *options))
    assert status == 0, written
    told = "\n".join(frames(written, "pass 1"))
    assert "pass 1: 0 of 3 map tasks, 2 running" in told
    n_ended = [int(n) for n in re.findall(r"(\d) of 3 map tasks, [12] running", told)]
    assert n_ended == sorted(n_ended) and n_ended[-1] >= 1
    assert "pass 1: 0 of 1 reduce task, 1 running" in told
    assert not [line for line in screen(written) if "map tasks" in line]


def test_a_fast_pass_has_no_bar(table, run_wols):
    status, written = run_on_terminal(run_wols.command(*DESCENT))
    assert status == 3
    assert "of the blocks" not in written
    assert [line.split()[0] for line in screen(written)[1:5]] == ["pass", "1", "2", "3"]


# -- without one -------------------------------------------------------------------------------------------------------


def test_a_file_gets_plain_lines(table):
    done = subprocess.run(impatient(*DESCENT), capture_output=True, text=True)
    assert done.returncode == 3
    assert "\x1b" not in done.stderr and "\r" not in done.stderr
    assert re.search(r"^packing: 15 of 15 MB, \d+ s$", done.stderr, re.MULTILINE)
    assert re.search(r"^pass 1: 40 % of the blocks, 0 s$", done.stderr, re.MULTILINE)
    assert re.search(r"^pass    1  objective \S+  distance 1  0\.\d\d s$", done.stderr, re.MULTILINE)


def test_a_short_run_has_few_lines_and_a_quiet_one_none(table, run_wols):
    done = run_wols(*DESCENT)
    assert len(done.stderr.splitlines()) == 3, done.stderr
    done = run_wols(*DESCENT[:-1], "q", "--quiet")
    assert (done.returncode, done.stderr) == (3, "")


def test_long_things_are_told_at_most_every_ten_seconds(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    stream = io.StringIO()
    meter = Meter(Lines(stream), "pass 1")
    for second in range(60):
        clock[0] = 100.0 + second / 2
        meter.set(second / 60, f"{second / 0.6:.0f} % of the blocks")
    assert stream.getvalue().splitlines() == ["pass 1: 33 % of the blocks, 10 s", "pass 1: 67 % of the blocks, 20 s"]


def test_the_time_left_is_told_where_things_go_on_as_they_do(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    display = Display()
    drawn = []
    display.seconds_before = display.seconds_between = 0.0
    display.draw = lambda *values: drawn.append(values[-1])
    for steady in (True, False):
        meter = Meter(display, "packing")
        clock[0] += 10  # to begin with, nothing comes
        for step in range(1, 5):
            clock[0] += 2
            meter.set(step / 10, "", steady)
    assert drawn == [None, *map(pytest.approx, (16.0, 14.0, 12.0)), *[None] * 4]


def test_iterations_are_told_at_most_every_second_but_for_the_first_and_the_last(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    progress = Progress()
    history = []
    for n in range(1, 13):
        clock[0] += 0.3
        history.append({"objective": [np.nan, 1 / n], "distance": [np.inf, 2 / n]})
        state = start(0.5, 0.5)
        state.alive[:] = [False, n < 12]
        progress.iteration(Fit(state, n, ["diverged", "running"], [n, n], history))
    told = sys.stderr.getvalue().splitlines()
    assert [int(line.split()[1]) for line in told] == [1, 5, 9, 12]
    assert told[1] == "pass    5  objective 0.2  distance 0.4  1 of 2 candidates alive  0.00 s"


# -- it never ends a run, and leaves nothing -----------------------------------------------------------------------------


def test_a_closed_pipe_takes_nothing_from_the_run(table, run_wols):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(run_wols.command(*DESCENT), stdout=subprocess.PIPE, stderr=write)
    os.close(write)
    assert done.returncode == 3
    assert read_model("r")["training"]["n_passes"] == 3


def test_a_display_that_fails_is_given_up():
    class Broken(io.StringIO):
        n_tries = 0

        def write(self, text):
            Broken.n_tries += 1
            raise OSError("no space left on device")

    display = Lines(Broken())
    display.say("one")
    display.draw("pass 1", 0.5, "half", 1.0)
    assert Broken.n_tries == 1


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_nothing_is_left_of_a_pass(table, runner, tmp_path):
    threads = threading.active_count()
    arguments = {"columns": ["y", "x", "w"], "target": "y", "report": False, "runner": runner}
    fit("d.csv", **arguments)
    assert BlockJob.block_done is None
    (blocks,) = (tmp_path / "cache").glob("scanlearn/packs/*/blocks.bin")
    os.truncate(blocks, 1000)
    with pytest.raises(ScanError, match="which has 1000"):
        fit("d.csv", **arguments)
    assert BlockJob.block_done is None
    assert threading.active_count() == threads
    assert not [handler for handler in logging.getLogger("mrjob").handlers if isinstance(handler, HadoopNews)]


# -- Hadoop ------------------------------------------------------------------------------------------------------------

# As mrjob logs them, of a real job.
HADOOP_LINES = """\
  Connecting to ResourceManager at /127.0.0.1:28655
  Disabling Erasure Coding for path: /tmp/hadoop-yarn/staging/hadoop/.staging/job_1795241750695_0018
  number of splits:1
  Submitting tokens for job: job_1795241750695_0018
  Executing with tokens: []
  Submitted application application_1795241750695_0018
  The url to track the job: http://localhost:27383/proxy/application_1795241750695_0018/
  Running job: job_1795241750695_0018
  Job job_1795241750695_0018 running in uber mode : false
   map 0% reduce 0%
   map 67% reduce 0%
   map 100% reduce 0%
   map 100% reduce 100%
  Job job_1795241750695_0018 completed successfully
  Output directory: hdfs:///tmp/scanlearn-hadoop/tmp/mr_wols_gradient.root.20261121.064917.743072/output
""".splitlines()


def test_the_lines_of_the_hadoop_client():
    assert [line for line in HADOOP_LINES if application_of(line)] == HADOOP_LINES[5:6]
    assert application_of(HADOOP_LINES[5]) == "application_1795241750695_0018"
    assert application_of("  Submitted application application_1795241750695_10000") == "application_1795241750695_10000"
    percents = [percent_of(line) for line in HADOOP_LINES]
    assert [percent for percent in percents if percent] == [(0, 0), (67, 0), (100, 0), (100, 100)]


def test_a_pass_on_hadoop_is_told_by_its_application_and_percent():
    display = Recorder()
    news = HadoopNews(Meter(display, "pass 2"))
    known = []
    for line in HADOOP_LINES:
        news.handle(logging.LogRecord("mrjob.hadoop", logging.INFO, "", 0, line, (), None))
        known.append(news.application)
    assert display.lines == [
        "pass 2: application_1795241750695_0018",
        "pass 2: waiting for the cluster",
        *(f"pass 2: map {m} %, reduce {r} %" for m, r in ((0, 0), (67, 0), (100, 0), (100, 100))),
    ]
    # From its submission to its end there is something to kill.
    assert known == [None] * 3 + ["application_1795241750695_0018"] * 10 + [None] * 2


def test_other_runners_are_told_by_the_time_of_the_pass_before():
    display = Recorder()
    threads = threading.active_count()
    with by_time(Meter(display, "pass 2"), 40.0):
        time.sleep(0.6)
    assert threading.active_count() == threads
    assert set(display.lines) == {"pass 2: the last pass took 40 s"}


def test_java_is_quiet_unless_asked(tmp_path, monkeypatch):
    conf = tmp_path / "my.conf"
    conf.write_text("runners:\n  hadoop:\n    jobconf:\n      mapreduce.map.log.level: INFO\n")
    names = list(QUIET)
    quiet = Switches("hadoop", []).jobconf(QUIET)
    assert [word.split("=")[0] for word in quiet[1::2]] == names
    by_conf = Switches("hadoop", [f"--conf-path={conf}"]).jobconf(QUIET)
    assert [word.split("=")[0] for word in by_conf[1::2]] == names[1:]
    job = MRWOLS(args=["-r", "hadoop", *quiet, "-D", "mapreduce.map.log.level=DEBUG"])
    assert job.options.jobconf["mapreduce.map.log.level"] == "DEBUG"
    assert job.options.jobconf["yarn.app.mapreduce.am.log.level"] == "ERROR"


@pytest.mark.hadoop
def test_hadoop_tells_its_application_and_percent_and_no_java(tmp_path, run_wols):
    generate(tmp_path / "d.csv", rows=100_000)
    done = run_wols(*DATA, "--no-diagnostics", "-r", "hadoop", "--run-dir", "r")
    assert done.returncode == 0, done.stderr
    told = done.stderr.splitlines()
    assert re.fullmatch(r"pass 1: application_\d+_\d{4,}", told[1])
    assert re.search(r"^pass 1: map \d+ %, reduce \d+ %, \d+ s$", done.stderr, re.MULTILINE)
    assert not [line for line in told[1:-1] if not line.startswith("pass 1: ")]
    assert "mapreduce.map.log.level=WARN" in (ROOT / tmp_path / "r" / "passes.jsonl").read_text()
