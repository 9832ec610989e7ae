"""Faults on this machine: tasks that are killed, fail or hang, drivers that are killed, disks that are full. The bits are
those of an undisturbed run, or there is one message, and the run can go on."""

from __future__ import annotations

import io
import logging
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import mrjob
import pytest

import jobs
from drivers.runners.hadoop import news as hadoop_news
from drivers.terminal.display import Lines
from drivers.terminal.progress import Meter
from tests.conftest import Driver
from tests.faulty import (
    DATA,
    DESCENT,
    MAX_ITER,
    QUERY,
    Faults,
    bits_of,
    leftovers_files,
    make_table,
    modes,
    processes_with,
    seconds_until,
)

linux = pytest.mark.skipif(not os.path.exists("/proc/self/environ"), reason="needs /proc")
LOCAL = ("-r", "local", "--num-cores", "2")
# With setup commands, a task is the child of a shell.
SETUPS = [pytest.param((), id="plain"), pytest.param(("--setup", "true"), id="setup commands", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A folder with the table, packed, and the bits of a run that nothing disturbs."""
    folder = tmp_path_factory.mktemp("undisturbed")
    make_table(folder)
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "MRJOB_CONF": os.devnull}
    done = Driver("run_wols")(*DESCENT, "--run-dir", "r", cwd=folder, env=environment)
    assert done.returncode == MAX_ITER, done.stderr
    return folder, bits_of(folder / "r")


@pytest.fixture
def bits(tmp_path, undisturbed):
    """The bits of an undisturbed run, and the table here, to be packed."""
    (tmp_path / "d.csv").symlink_to(undisturbed[0] / "d.csv")
    return undisturbed[1]


@pytest.fixture
def faults(tmp_path):
    made = Faults(tmp_path / "faults")
    yield made
    made.end()


def log_of(run_dir: str = "r") -> str:
    return Path(run_dir, "run.log").read_text()


def one_message(done, *texts: str) -> str:
    """The message of a run that ended by an error: nothing else, and no traceback."""
    assert done.returncode == 1, done.stderr
    assert done.stdout == "" and "Traceback" not in done.stderr
    message = done.stderr[done.stderr.index("error: ") :]
    assert message.count("error: ") == 1
    for text in texts:
        assert re.search(text, message), message
    return message


# -- tasks -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setup", SETUPS)
def test_tasks_that_are_killed_and_fail_twice_change_no_bit(bits, faults, setup):
    killed = faults.add("mapper", QUERY.format(1), "kill", task=0)
    failed = faults.add("mapper", QUERY.format(2), "raise", task=1, times=2)
    done = faults.run(*DESCENT, "--run-dir", "r", *LOCAL, *setup)
    assert done.returncode == MAX_ITER, done.stderr
    assert (killed.times, failed.times) == (1, 2)
    assert bits_of("r") == bits
    told = [line.partition(" ")[2].partition(" ")[2] for line in log_of().splitlines() if "attempt" in line]
    how = "ended with exit status 137" if setup else "was ended by signal 9"
    assert told == [
        f"map task 1 {how}; attempt 2 of 4 begins",
        "map task 2 ended with exit status 1; attempt 2 of 4 begins",
        "map task 2 ended with exit status 1; attempt 3 of 4 begins",
    ]
    assert not os.path.exists("r/tmp") and not leftovers_files()
    for job in re.findall(r"Creating temp directory \S+/(\S+)", log_of()):
        assert not os.path.exists(f"/tmp/wrapper.lock.{job}")


def test_a_reduce_task_that_is_killed_changes_no_bit(bits, faults):
    killed = faults.add("reducer", r"/reducer/\d+/input$", "kill")
    done = faults.run(*DESCENT, "--run-dir", "r", *LOCAL)
    assert done.returncode == MAX_ITER, done.stderr
    assert killed.times == 1
    assert bits_of("r") == bits


@pytest.mark.slow
def test_a_task_that_hangs_is_ended_and_tried_again(bits, faults):
    hung = faults.add("mapper", QUERY.format(2), "hang", task=0)
    # Longer than a task takes to start on a busy machine.
    done = faults.run(*DESCENT, "--run-dir", "r", *LOCAL, "-D", "mapreduce.task.timeout=8000")
    assert done.returncode == MAX_ITER, done.stderr
    assert hung.times == 1
    assert bits_of("r") == bits
    assert "map task 1 said nothing for 8 seconds; attempt 2 of 4 begins" in log_of()
    assert processes_with(str(faults.folder)) == []


def test_a_task_that_always_fails_is_one_message_after_four_attempts(bits, faults):
    failed = faults.add("mapper", QUERY.format(2), "raise", task=1, times=99)
    done = faults.run(*DESCENT, "--run-dir", "r", *LOCAL)
    one_message(
        done,
        r"the job failed on the runner local: RuntimeError: gone wrong on purpose\n",
        r"  the whole story is in \S+/r/run\.log\n$",
    )
    assert failed.times == 4
    assert not os.path.exists("r/tmp") and not leftovers_files()
    assert "Traceback" in log_of()
    # What was there before is not lost.
    assert Driver("run_wols")("--resume", "r").returncode == MAX_ITER
    assert bits_of("r") == bits


@pytest.mark.parametrize("setup", SETUPS)
def test_a_task_that_is_always_killed_is_one_message(bits, faults, setup):
    killed = faults.add("mapper", QUERY.format(1), "kill", task=0, times=99)
    done = faults.run(*DATA, "--run-dir", "r", *LOCAL, *setup, "-D", "mapreduce.map.maxattempts=2")
    why = "ended with exit status 137" if setup else "was ended by signal 9"
    one_message(done, f"map task 1 {why}", "something killed the task, often for want of memory")
    assert killed.times == 2


@pytest.mark.slow
def test_a_task_that_always_hangs_is_one_message(bits, faults):
    faults.add("mapper", QUERY.format(1), "hang", task=0, times=99)
    switches = ("-D", "mapreduce.task.timeout=8000", "-D", "mapreduce.map.maxattempts=1")
    done = faults.run(*DATA, "--run-dir", "r", *LOCAL, *switches)
    one_message(done, "map task 1 said nothing for 8 seconds", "-D mapreduce.task.timeout=MILLISECONDS gives it more")
    assert processes_with(str(faults.folder)) == []


def test_an_error_that_another_attempt_would_repeat_is_not_tried_again(bits, faults):
    assert Driver("run_wols")(*DATA, "--run-dir", "first", "--no-diagnostics").returncode == 0
    (blocks,) = Path("cache").rglob("blocks.bin")
    with open(blocks, "r+b") as file:
        file.seek(100_000)
        file.write(b"a disk that forgets")
    begun = faults.add("mapper", QUERY.format(1), "note", task=0, times=99)
    done = faults.run(*DATA, "--run-dir", "r", *LOCAL)
    assert re.fullmatch(r"error: a block whose column 'y' is cut short or damaged, .*\n", one_message(done))
    assert begun.times == 1


@pytest.mark.slow
def test_of_several_failures_the_first_in_the_order_of_the_data_is_told(bits, faults):
    faults.add("mapper", QUERY.format(1), "raise", task=1, times=99)
    faults.add("mapper", QUERY.format(1), "kill", task=0, times=99)
    done = faults.run(*DATA, "--run-dir", "r", *LOCAL, "-D", "mapreduce.map.maxattempts=2")
    one_message(done, "map task 1 was ended by signal 9")


def test_a_python_that_is_not_there_or_has_no_numpy_is_one_message(bits, tmp_path):
    os.makedirs("packages")
    for package in (jobs, mrjob):
        os.symlink(os.path.dirname(package.__file__), f"packages/{package.__name__}")
    wrong = {
        "No module named 'numpy'\n  .*; name one that has with --python-bin": tmp_path / "packages",
        "No module named 'jobs'\n  .* does not have this package; install it there": "/nowhere",
    }
    local = (*LOCAL, "-D", "mapreduce.map.maxattempts=1")
    for message, packages in wrong.items():
        bare = tmp_path / "python-without-packages"
        bare.write_text(f'#!/bin/sh\nPYTHONPATH={packages} exec {sys.executable} -S "$@"\n')
        bare.chmod(0o755)
        one_message(Driver("run_wols")(*DATA, *local, "--python-bin", bare), message)
    done = Driver("run_wols")(*DATA, *local, "--python-bin", "/nowhere/python3")
    one_message(done, "/nowhere/python3", "name one with --python-bin")
    assert not list(Path("runs").glob("*/tmp")) and not leftovers_files()


def test_a_pass_that_fails_inline_is_one_message_and_the_run_goes_on_later(bits, faults):
    faults.add("driver", QUERY.format(2), "raise")
    failed = r"error: the job failed on the runner inline: gone wrong on purpose\n"
    one_message(faults.run(*DESCENT, "--run-dir", "r"), failed + r"  the whole story is in \S+/r/run\.log\n$")
    assert not os.path.exists("r/tmp") and not leftovers_files()
    assert Driver("run_wols")("--resume", "r").returncode == MAX_ITER
    assert bits_of("r") == bits


# -- disks -------------------------------------------------------------------------------------------------------------

FULL = "File too large"
# What is being written when the disk is full, by whom, and whether the runner has begun to work.
MOMENTS = {
    "the options": ("driver", r"\.options\.json\.partial$", "w"),
    "the log": ("driver", r"run\.log$", "a"),
    "a query": ("driver", QUERY.format(2), "w"),
    "the ledger": ("driver", r"passes\.jsonl$", "a"),
    "a checkpoint": ("driver", r"\.checkpoint\.json\.partial$", "w"),
    "what is written down of what is outside": ("driver", r"leftovers/\w+\.jsonl$", "x"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_full_disk_is_one_message_and_the_run_goes_on_later(bits, faults, moment):
    who, opens, mode = MOMENTS[moment]
    faults.add(who, opens, "fill the disk", mode=mode)
    done = faults.run(*DESCENT, "--run-dir", "r")
    one_message(done, rf"{FULL}( \(\S+/r\))?\n")
    assert not os.path.exists("r/tmp") and not leftovers_files()
    if os.path.exists("r"):
        done = Driver("run_wols")("--resume", "r")
        assert done.returncode == MAX_ITER, done.stderr
        assert bits_of("r") == bits


@pytest.mark.slow
@pytest.mark.parametrize("who", ["mapper", "reducer"])
def test_a_full_disk_of_a_task_is_one_message_and_the_run_goes_on_later(bits, faults, who):
    full = faults.add(who, r"\.query|/reducer/\d+/input$", "fill the disk", times=99)
    name = {"mapper": "map", "reducer": "reduce"}[who]
    done = faults.run(*DESCENT, "--run-dir", "r", *LOCAL, "-D", f"mapreduce.{name}.maxattempts=2")
    # Its error finds no room either.
    one_message(done, f"{name} task 1 ended with exit status \\d+ without a word\n  a disk may be full")
    assert full.times >= 2
    assert not os.path.exists("r/tmp") and not leftovers_files()
    assert Driver("run_wols")("--resume", "r").returncode == MAX_ITER
    assert bits_of("r") == bits


# -- the driver --------------------------------------------------------------------------------------------------------

KILLED = {
    "while it packs": ("driver", r"\.partial/index\.txt$", "w"),
    "in a pass": ("mapper", QUERY.format(2), "r"),
    "before the ledger": ("driver", r"passes\.jsonl$", "a"),
    "before the checkpoint": ("driver", r"\.checkpoint\.json\.partial$", "w"),
    "between passes": ("driver", QUERY.format(2), "w"),
    "before the model": ("driver", r"\.model\.json\.partial$", "w"),
}
# All that the driver does between passes is the same on every runner.
KILLS = [*(("inline", moment) for moment in KILLED), ("local", "in a pass"), ("local", "between passes")]


@linux
@pytest.mark.parametrize(("runner", "moment"), KILLS)
def test_a_killed_driver_leaves_no_task_and_its_run_goes_on_to_the_same_bits(bits, faults, runner, moment):
    who, opens, mode = KILLED[moment]
    who = "driver" if runner == "inline" else who
    faults.add(who, opens, "kill the driver" if who == "mapper" else "kill", mode=mode)
    done = faults.run(*DESCENT, "--run-dir", "r", "-r", runner, "--num-cores", "2")
    assert done.returncode == -signal.SIGKILL
    # Tasks end with their driver, also one that hangs.
    assert seconds_until(lambda: not processes_with(str(faults.folder)), 20) < 3
    if moment == "while it packs":
        assert list(Path("cache").rglob("*.partial")) and not leftovers_files()
        assert modes("r", *Path("cache").rglob("*.partial")) == [0o700] * 2
    else:
        assert len(leftovers_files()) == 1
        assert modes("r", "r/tmp", "cache/scanlearn/leftovers") == [0o700] * 3
    done = Driver("run_wols")("--resume", "r")
    assert done.returncode == MAX_ITER, done.stderr
    assert bits_of("r") == bits
    assert not leftovers_files() and not os.path.exists("r/tmp")
    assert not list(Path("cache").rglob("*.partial")) and not list(Path("r").rglob("*.partial"))


@linux
@pytest.mark.parametrize("cleaner", ["another run", "clean.py"])
@pytest.mark.parametrize("runner", ["inline", "local"])
def test_what_a_killed_driver_leaves_goes_with_the_next_run_or_by_clean(bits, faults, runner, cleaner):
    who = "driver" if runner == "inline" else "mapper"
    faults.add(who, QUERY.format(1), "kill" if who == "driver" else "kill the driver")
    assert faults.run(*DATA, "--run-dir", "r", "-r", runner, "--num-cores", "2").returncode == -signal.SIGKILL
    here = os.path.abspath("r/tmp")
    assert os.listdir("r/tmp") and len(leftovers_files()) == 1
    if cleaner == "another run":
        done = Driver("run_sample")("d.csv", "--columns", "y,x,w", "--rows", "5", "-o", "s.csv", "--no-report")
        assert f"removed what a killed run left: {here}\n" in done.stderr
    else:
        done = Driver("clean")()
        assert done.stdout == f"removed what a killed run left: {here}\n1 thing removed\n"
    assert done.returncode == 0, done.stderr
    assert not os.path.exists("r/tmp") and not leftovers_files()
    assert Path("r/options.json").exists()  # it can still be resumed


@linux
def test_tasks_of_setup_commands_end_with_their_driver(bits, faults):
    faults.add("mapper", QUERY.format(1), "kill the driver")
    assert faults.run(*DATA, "--run-dir", "r", *LOCAL, "--setup", "true").returncode == -signal.SIGKILL
    assert seconds_until(lambda: not processes_with(str(faults.folder)), 20) < 3


@linux
def test_a_variable_that_came_from_elsewhere_ends_nothing():
    """As of a driver that runs in a task of another one: the number is that of a pipe, or a file, of its own."""
    code = """
import os, sys, time
from jobs import lifeline
reading, writing = os.pipe()
os.close(writing)
for value in [f"{reading}", f"{reading}:1", f"{reading}:x", "99:5", "x", "", f"{10**30}:1", f"0:{os.fstat(0).st_ino}"]:
    os.environ[lifeline.VARIABLE] = value
    lifeline.hold_on()
time.sleep(0.2)
print("alive", flush=True)
os.environ[lifeline.VARIABLE] = lifeline.name_of(reading)
lifeline.hold_on()
time.sleep(60)
"""
    with open(os.devnull) as nothing:
        done = subprocess.run([sys.executable, "-c", code], stdin=nothing, capture_output=True, text=True, timeout=30)
    assert (done.stdout, done.stderr, done.returncode) == ("alive\n", "", 1)


# -- folders that are there ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("runner", ["inline", "local"])
def test_a_run_directory_that_holds_something_is_refused_and_stays(bits, runner):
    os.mkdir("r")
    Path("r/mine").write_text("kept")
    done = Driver("run_wols")(*DATA, "--run-dir", "r", "-r", runner)
    one_message(done, "the run directory r is not empty")
    assert os.listdir("r") == ["mine"]


# -- a cluster that does not answer ------------------------------------------------------------------------------------


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def told(monkeypatch):
    """A function that tells the driver a line of the Hadoop client, some seconds after the one before."""
    clock = Clock()
    monkeypatch.setattr(hadoop_news, "time", clock)
    news = hadoop_news.HadoopNews(Meter(Lines(io.StringIO()), "pass 1"))

    def tell(line: str, after: float = 0.0) -> None:
        clock.now += after
        news.handle(logging.LogRecord("mrjob.hadoop", logging.INFO, "", 0, line, (), None))

    return tell


AGAIN = "  Retrying connect to server: host/10.0.0.1:8032. Already tried 0 time(s); retry policy is ..."


@pytest.mark.parametrize(("between", "n_tries"), [(1, 31), (20, 2)])
def test_a_cluster_that_is_gone_when_a_job_begins_is_given_up(told, between, n_tries):
    told("  Connecting to ResourceManager at host/10.0.0.1:8032")
    for _ in range(n_tries - 1):
        told(AGAIN, between)
    message = rf"host/10\.0\.0\.1:8032 has not answered for {n_tries * between} s"
    with pytest.raises(hadoop_news.ClusterGoneError, match=message):
        told(AGAIN, between)


def test_a_cluster_that_is_gone_for_a_moment_is_waited_for(told):
    told("  Connecting to ResourceManager at host/10.0.0.1:8032")
    for _ in range(25):
        told(AGAIN, 1)
    told("  Submitting tokens for job: job_1_2", 3600)  # what is sent takes its time
    for _ in range(5):
        told(AGAIN, 1800)  # while all goes well, there is nothing to say
        for _ in range(25):
            told(AGAIN, 1)
        told("   map 10% reduce 0%", 1)


def test_a_cluster_that_goes_while_a_job_runs_is_given_up(told):
    told("  Submitting tokens for job: job_1_2")
    told(AGAIN, 3600)
    for _ in range(2):
        told(AGAIN, 15)
    with pytest.raises(hadoop_news.ClusterGoneError, match=r"host/10\.0\.0\.1:8032 has not answered for 45 seconds"):
        told(AGAIN, 15)
