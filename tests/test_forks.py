"""The tasks of a run on this machine are forks of one Python: each is what a process of its own would be."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from drivers.runners.local.forks import SERVER, ForkServer
from tests.conftest import Driver, read_model, read_passes
from tests.faulty import DATA, make_table, processes_with, seconds_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each task is a process like any other")


@pytest.fixture
def server():
    pipe = os.pipe()
    made = ForkServer(pipe[0])
    yield made
    made.close()
    for end in pipe:
        os.close(end)


def begin(server, *arguments: str, module: str = "tests.forked", out: str = "out"):
    """Begins a task of tests/forked.py; its input is a file, and so are its output and its errors."""
    Path("in").write_text("some rows\n")
    for name in (out, "err"):
        Path(name).write_text("")
    return server.start(
        {
            "module": module, "job": "Task", "arguments": ["task.py", *arguments], "folder": os.path.realpath(os.curdir),
            "stdin": os.path.abspath("in"), "stdout": os.path.abspath(out), "stderr": os.path.abspath("err"),
            "environment": {"PATH": "/bin", "SOME": "é"},
        }
    )  # fmt: skip


def test_a_task_has_its_own_files_variables_and_group_and_nothing_of_the_server(server):
    first = begin(server, "tell", "--a", "b c")
    assert first.wait() == 0 == first.poll()
    told = json.loads(Path("out").read_text())
    assert told["argv"] == ["tell", "--a", "b c"]
    assert told["input"] == "some rows\n"
    assert told["folder"] == os.getcwd()
    assert told["variables"] == {"PATH": "/bin", "SOME": "é"}
    assert told["leads"] and told["child"] and told["blocked"] == []
    # Input, output, errors, the lifeline, and the folder that is being listed.
    assert told["handles"] == 5
    assert Path("err").read_text() == ""
    second = begin(server, "tell")
    assert second.wait() == 0 and second.pid != first.pid
    # Python has started once.
    assert json.loads(Path("out").read_text())["parent"] == told["parent"]


def test_a_task_ends_as_a_python_would(server):
    assert begin(server, "fail").wait() == 1
    lines = Path("err").read_text().splitlines()
    assert lines[0] == "Traceback (most recent call last):" and lines[-1] == "ValueError: gone wrong"
    assert not any("fork_server.py" in line for line in lines)
    assert begin(server, "leave").wait() == 1
    assert Path("err").read_text() == "no more\n"
    assert begin(server, "number").wait() == 7
    assert begin(server, "kill").wait() == -signal.SIGKILL
    assert begin(server, "fill", out="/dev/full").wait() == 1
    assert "No space left on device" in Path("err").read_text()


def test_several_tasks_at_once(server):
    sleeping = [begin(server, "sleep") for _ in range(3)]
    short = begin(server, "number")
    assert short.wait() == 7
    assert [task.poll() for task in sleeping] == [None] * 3
    for task in sleeping:
        os.killpg(task.pid, signal.SIGKILL)
    assert [task.wait() for task in sleeping] == [-signal.SIGKILL] * 3


def test_a_task_that_cannot_be_forked_is_left_to_others(server):
    assert begin(server, "tell", module="tests.no_such_module") is None
    assert begin(server, "tell").wait() == 0


def test_when_the_server_is_killed_so_are_its_tasks_and_another_takes_its_place(server):
    task = begin(server, "sleep")
    seconds_until(lambda: Path("err").read_text())
    parent = int(Path(f"/proc/{task.pid}/stat").read_text().split()[3])
    os.kill(parent, signal.SIGKILL)
    assert task.wait() == -signal.SIGKILL
    seconds_until(lambda: not os.path.exists(f"/proc/{task.pid}"))
    assert begin(server, "tell").wait() == 0


def test_a_server_that_is_closed_leaves_nothing(server):
    task = begin(server, "sleep")
    server.close()
    assert task.poll() == -signal.SIGKILL
    seconds_until(lambda: not os.path.exists(f"/proc/{task.pid}"))
    server.close()


def test_a_run_starts_python_once_and_its_bits_are_those_of_tasks_that_start_their_own(tmp_path, monkeypatch):
    make_table(tmp_path, rows=20_000)
    run = Driver("run_wols")
    local = ("-r", "local", "--num-cores", "2")
    told = []
    start = ForkServer.start

    def listening(self, task):
        found = start(self, task)
        told.append((self, found))
        return found

    monkeypatch.setattr(ForkServer, "start", listening)
    assert run(*DATA, "--run-dir", "forked", *local).returncode == 0
    assert len(told) > 3 and len({server for server, _ in told}) == 1 and all(found is not None for _, found in told)
    assert not [pid for pid in processes_with(SERVER) if str(tmp_path) in os.readlink(f"/proc/{pid}/cwd")]
    # What numpy reads as it starts cannot be told to a process that has it already.
    told.clear()
    assert run(*DATA, "--run-dir", "begun", *local, "--cmdenv", "NPY_DISABLE_CPU_FEATURES=").returncode == 0
    assert told == []
    found = [[entry["statistics_md5"] for entry in read_passes(name)] for name in ("forked", "begun")]
    assert found[0] == found[1]
    assert read_model("forked")["parameters"] == read_model("begun")["parameters"]
