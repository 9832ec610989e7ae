"""Ctrl-C and its like at any moment: one message, an exit status, no process left, a run that goes on to the same end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from data_gen.gen_regression import generate
from drivers.run_directory import RunDirectory
from tests.conftest import Driver, read_model, read_passes
from tests.terminal import run_on_terminal, screen, wait_for

N_ROWS, N_PASSES = 100_000, 12
DATA = ("d.csv", "--columns", "y,x,w", "--target", "y", "--weight", "w")
DESCENT = (
    *DATA, "--solver", "gd", "--start", "0.636,0.2105", "--learning-rate", "0.3", "--tol", "1e-300",
    "--max-iter", str(N_PASSES),
)  # fmt: skip
MAX_ITER = 3  # the exit status of a descent that was not disturbed

linux = pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs /proc")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The table, the parameters of a run that nothing disturbs, and the seconds it takes."""
    folder = tmp_path_factory.mktemp("undisturbed")
    generate(folder / "d.csv", rows=N_ROWS)
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), "MRJOB_CONF": os.devnull}
    started = time.perf_counter()
    done = Driver("run_wols")(*DESCENT, "--no-report", "--run-dir", "r", cwd=folder, env=environment)
    assert done.returncode == MAX_ITER, done.stderr
    return folder / "d.csv", read_model(folder / "r")["parameters"], time.perf_counter() - started


@pytest.fixture
def table(tmp_path, undisturbed):
    (tmp_path / "d.csv").symlink_to(undisturbed[0])


def begin(*arguments: object) -> subprocess.Popen:
    """Starts a program in a session of its own, and returns when it has got as far as our first line."""
    process = subprocess.Popen(
        Driver("run_wols").command(*arguments),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    wait_for(lambda: catches_sigterm(process.pid), process)
    return process


def catches_sigterm(pid: int) -> bool:
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(status.get("SigCgt", "0"), 16) >> (signal.SIGTERM - 1) & 1)


def processes_of_session(session: int) -> list[str]:
    """The command lines of what lives in a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, *fields = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(fields[2]) == session and state != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it has just ended
            continue
    return found


def end(process: subprocess.Popen, number: int, whole_group: bool = True) -> tuple[int, str]:
    """Sends a signal, as a terminal does to the whole group, and checks how the program ends."""
    if process.poll() is None:
        (os.killpg if whole_group else os.kill)(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    assert processes_of_session(process.pid) == []
    assert "Traceback" not in stderr and "Exception" not in stderr, stderr
    assert process.returncode in (128 + number, MAX_ITER), stderr
    assert stderr.count("\ninterrupted") + stderr.count("\nterminated") == (process.returncode != MAX_ITER), stderr
    return process.returncode, stderr


def goes_on_to(parameters: dict, run_wols: Driver, stderr: str, status: int) -> None:
    """The run directory `r`, where there is one, ends with the parameters of the undisturbed run."""
    begun = os.path.exists("r/options.json")
    assert ("go on with\n  python " in stderr and stderr.endswith("run_wols.py --resume r\n")) == (begun and status > 127)
    assert not list(Path("r").glob("tmp/*")) and not list(Path("cache").rglob("*.partial"))
    arguments = ("--resume", "r", "-r", "inline") if begun else (*DESCENT, "--no-report", "--run-dir", "r")
    done = run_wols(*arguments)
    assert done.returncode == MAX_ITER, done.stderr
    assert read_model("r")["parameters"] == parameters
    assert [entry["pass"] for entry in read_passes("r")] == list(range(1, N_PASSES + 1))


MOMENTS = [*[("inline", signal.SIGINT, True)] * 3, *[("local", signal.SIGINT, True)] * 2, ("local", signal.SIGTERM, False)]


@linux
@pytest.mark.parametrize(("runner", "number", "whole_group"), MOMENTS)
def test_an_interrupted_run_goes_on_to_the_same_end(table, undisturbed, run_wols, runner, number, whole_group):
    _, parameters, seconds = undisturbed
    process = begin(*DESCENT, "--no-report", "--run-dir", "r", "-r", runner, "--num-cores", 2)
    # Passes are slower on local, so that the most of its moments are in one.
    delay = random.uniform(0, seconds if runner == "inline" else 2 * seconds + 1)
    print(f"after {delay:.3f} s")
    time.sleep(delay)
    status, stderr = end(process, number, whole_group)
    goes_on_to(parameters, run_wols, stderr, status)


@linux
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0.0, 0.05, 0.1])
def test_an_interrupt_during_the_imports_is_one_line(number, delay):
    process = begin("--help")
    time.sleep(delay)
    if process.poll() is None:
        os.killpg(process.pid, number)
    _, stderr = process.communicate(timeout=60)
    word = "interrupted" if number == signal.SIGINT else "terminated"
    assert (process.returncode, stderr) in ((128 + number, f"\n{word}\n"), (0, ""))


@linux
def test_an_interrupted_packing_leaves_nothing_half_packed(tmp_path, undisturbed, run_wols):
    (tmp_path / "parts").mkdir()
    for i in range(12):
        shutil.copy(undisturbed[0], tmp_path / "parts" / f"{i}.csv")
    arguments = ("parts", *DATA[1:], "--no-report", "--no-diagnostics", "--run-dir", "r")
    process = begin(*arguments)
    wait_for(lambda: any(path.stat().st_size for path in Path("cache").rglob("*.partial/blocks.bin")), process)
    status, stderr = end(process, signal.SIGINT)
    assert (status, stderr) == (130, "\ninterrupted; go on with\n  python " + stderr.split("python ")[-1])
    assert not list(Path("cache").rglob("*.partial"))
    assert run_wols("--resume", "r").returncode == 0
    assert read_model("r")["training"]["rows_used"] == 12 * N_ROWS


@linux
def test_an_interrupted_report_is_written_by_the_resumed_run(table, undisturbed, run_wols):
    process = begin(*DESCENT, "--run-dir", "r")
    wait_for(lambda: os.path.exists("r/model.json"), process)
    time.sleep(0.3)
    status, stderr = end(process, signal.SIGINT)
    assert status == 130 and not os.path.exists("r/report.html")
    goes_on_to(undisturbed[1], run_wols, stderr, status)
    assert os.path.getsize("r/report.html") > 10_000


def test_ctrl_c_on_a_terminal_leaves_it_in_order(table, run_wols):
    command = run_wols.command(*DESCENT, "--no-report", "--run-dir", "r", "-r", "local")
    status, written = run_on_terminal(command, when=lambda written: "map task" in written, typed=b"\x03")
    assert status == 130
    assert "Traceback" not in written
    assert written.rfind("\x1b[?25h") > written.rfind("\x1b[?25l")
    shown = [line.rstrip() for line in screen(written) if line.strip()]
    assert shown[-2] == "interrupted; go on with"
    assert shown[-1].endswith("run_wols.py --resume r")
    assert not [line for line in shown if "━" in line]


def test_a_run_directory_without_options_is_as_good_as_new(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / ".lock").touch()
    RunDirectory.create("r", "wols").close()


# -- what the signals do, in small programs --------------------------------------------------------------------------------

PROLOGUE = """
import signal, sys, time
from drivers import interruption
def main():
    "Where it is there, the imports are over."
interruption.install()
interruption.begin(lambda: "; go on")
"""


def small_program(text: str) -> subprocess.Popen:
    # The tests may themselves run under nohup.
    heard = (
        "import signal\nfor name in ('SIGINT', 'SIGTERM', 'SIGHUP'): signal.signal(getattr(signal, name), signal.SIG_DFL)\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", heard + PROLOGUE + text], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.parametrize(
    ("number", "word"), [("SIGINT", "interrupted"), ("SIGTERM", "terminated"), ("SIGHUP", "the terminal has gone")]
)
def test_each_signal_has_its_word_and_status(number, word):
    text = f"""
try:
    signal.raise_signal(signal.{number})
except KeyboardInterrupt as error:
    status = interruption.tell(error)
    interruption.end()
    signal.raise_signal(signal.SIGINT)
    sys.exit(status)
"""
    process = small_program(text)
    assert process.communicate(timeout=60) == ("", f"\n{word}; go on\n")
    assert process.returncode == 128 + getattr(signal, number)


def test_a_signal_that_is_swallowed_comes_again():
    text = """
class Careless:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
try:
    thing = Careless()
    del thing
    time.sleep(30)
except KeyboardInterrupt as error:
    sys.exit(interruption.tell(error))
"""
    process = small_program(text)
    assert process.communicate(timeout=20) == ("", "\ninterrupted; go on\n")
    assert process.returncode == 130


@pytest.mark.parametrize("what_comes_of_it", ["raise RuntimeError('an import failed')", "pass"])
def test_a_signal_that_was_taken_for_an_error_is_noticed(what_comes_of_it):
    text = f"""
try:
    with interruption.noticed():
        try:
            signal.raise_signal(signal.SIGINT)
        except BaseException:
            {what_comes_of_it}
except KeyboardInterrupt as error:
    sys.exit(interruption.tell(error))
"""
    process = small_program(text)
    assert process.communicate(timeout=60) == ("", "\ninterrupted; go on\n")
    assert process.returncode == 130


def test_a_signal_waits_for_what_must_be_whole():
    text = """
try:
    with interruption.held():
        signal.raise_signal(signal.SIGTERM)
        print("whole")
    print("not reached")
except KeyboardInterrupt as error:
    sys.exit(interruption.tell(error))
"""
    process = small_program(text)
    assert process.communicate(timeout=60) == ("whole\n", "\nterminated; go on\n")
    assert process.returncode == 143


def test_a_second_interrupt_ends_at_once_but_not_one_that_came_with_the_first():
    text = """
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt as error:
    signal.raise_signal(signal.SIGINT)
    time.sleep(interruption.SECONDS_BETWEEN_SIGNALS)
    print("putting things in order")
    signal.raise_signal(signal.SIGINT)
    print("not reached")
"""
    process = small_program(text)
    assert process.communicate(timeout=60) == ("putting things in order\n", "\ninterrupted; go on\n")
    assert process.returncode == 130


def test_an_interrupt_that_nothing_catches_is_one_line():
    process = small_program("signal.raise_signal(signal.SIGINT)")
    assert process.communicate(timeout=60) == ("", "\ninterrupted; go on\n")
    assert process.returncode == 130


def test_elsewhere_an_interrupt_is_what_it_always_is():
    code = """
import signal, sys
before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)], sys.excepthook
from drivers.run_wols import main
try:
    main(["--help"])
except SystemExit:
    pass
assert before == ([signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)], sys.excepthook)
"""
    assert subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL).returncode == 0


def test_what_runs_in_the_background_goes_on(table, run_wols):
    """Under nohup, or in the background of a script, signals are ignored when the program starts."""
    code = "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    command = run_wols.command(*DESCENT, "--no-report", "--run-dir", "r")
    process = subprocess.Popen([sys.executable, "-c", code, *command], stderr=subprocess.PIPE, text=True)
    wait_for(lambda: os.path.exists("r/passes.jsonl"), process)
    process.send_signal(signal.SIGHUP)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == MAX_ITER, stderr


@pytest.mark.hadoop
@pytest.mark.alone
@linux
def test_on_hadoop_the_application_is_killed(table, undisturbed, run_wols):
    process = begin(*DESCENT, "--no-report", "--run-dir", "r", "-r", "hadoop", "--max-iter", "1")
    log = Path("r/run.log")
    wait_for(lambda: log.exists() and "Running job" in log.read_text(), process)
    status, stderr = end(process, signal.SIGINT)
    assert status == 130
    (line,) = [line for line in stderr.splitlines() if "killing" in line]
    application = line.split()[-1]
    binary = os.path.join(os.environ["HADOOP_HOME"], "bin", "hadoop")
    command = [binary, "org.apache.hadoop.yarn.client.cli.ApplicationCLI", "application", "-status", application]
    assert "State : KILLED" in subprocess.run(command, capture_output=True, text=True).stdout
    assert run_wols("--resume", "r", "-r", "inline").returncode == MAX_ITER
