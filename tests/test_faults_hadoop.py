"""Faults on the Hadoop of `make hadoop-up`: of tasks, of daemons, of drivers, of what the user has set. The bits are those
of an undisturbed inline run, or there is one message; what was left on the cluster goes with the next run."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from drivers.runners.hadoop.files import HadoopFileSystem
from tests.conftest import ROOT, Driver, read_model, read_passes
from tests.faulty import (
    DATA,
    DESCENT,
    MAX_ITER,
    QUERY,
    Faults,
    bits_of,
    leftovers_files,
    make_table,
    processes_with,
    seconds_until,
)
from tests.test_faults import one_message

pytestmark = [pytest.mark.hadoop, pytest.mark.alone]

HADOOP = ("-r", "hadoop", "-D", "mapreduce.job.maps=3")
USER = "hadoop"


@pytest.fixture(scope="module")
def home():
    """HADOOP_HOME of the running cluster, all of whose daemons are up again in the end."""
    path = os.environ.get("HADOOP_HOME")
    if path is None:
        pytest.fail('HADOOP_HOME is not set; make hadoop-up, then eval "$(python hadoop/cluster.py env)"')
    yield Path(path)
    for name in ("datanode", "nodemanager"):
        cluster(Path(path), "start", name)


@pytest.fixture
def faults(tmp_path):
    make_table(tmp_path)
    made = Faults(tmp_path / "faults")
    yield made
    made.end()


def cluster(home: Path, *arguments: str) -> None:
    command = [sys.executable, str(ROOT / "hadoop" / "cluster.py"), *arguments, "--home", str(home)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def fs(home: Path, *arguments: str) -> str:
    return subprocess.run([f"{home}/bin/hadoop", "fs", *arguments], capture_output=True, text=True).stdout


def on_hdfs(home: Path) -> set[str]:
    """The folders of runs and of jobs that there are on HDFS."""
    listed = fs(home, "-ls", "-C", f"/tmp/scanlearn-{USER}/tmp", f"/tmp/hadoop-yarn/staging/{USER}/.staging")
    return set(listed.split())


@pytest.fixture
def left(home):
    """A function that gives what is on HDFS of the runs of this test."""
    before = on_hdfs(home)
    return lambda: on_hdfs(home) - before


def state_of(home: Path, application: str) -> tuple[str, str]:
    """What the ResourceManager says of an application: its state, and how it ended."""
    port = json.loads((home / "ports.json").read_text())["resourcemanager_http_port"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}/ws/v1/cluster/apps/{application}") as answer:
        found = json.load(answer)["app"]
    return found["state"], found["finalStatus"]


def application_of(run_dir: str = "r") -> str:
    return re.findall(r"application_\d+_\d+", Path(run_dir, "run.log").read_text())[-1]


# -- tasks and daemons ---------------------------------------------------------------------------------------------------


def test_faults_of_tasks_and_daemons_change_no_bit(home, faults, left):
    """In one run of three passes: a task is killed and another fails twice; the DataNode is restarted between passes, and a
    task hangs; the NodeManager is lost with all its tasks."""
    options = (*DESCENT, "--max-iter", "3")
    assert Driver("run_wols")(*options, "--run-dir", "inline").returncode == MAX_ITER
    killed = faults.add("mapper", QUERY.format(1), "kill", task=0)
    failed = faults.add("mapper", QUERY.format(1), "raise", task=1, times=2)
    between = faults.add("driver", QUERY.format(2), "wait", mode="w")
    hung = faults.add("mapper", QUERY.format(2), "hang", task=0)
    lost = faults.add("mapper", QUERY.format(3), "wait", times=3)
    switches = ("-D", "mapreduce.task.timeout=12000", "-D", "mapreduce.task.timeout.check-interval-ms=500")
    process = faults.begin(*options, "--run-dir", "r", *HADOOP, *switches, *faults.switches)
    seconds_until(lambda: between.times, 120, process)
    cluster(home, "stop", "datanode")
    cluster(home, "start", "datanode")
    between.go()
    # Before one of them has ended: for the result of a map task that is lost, a reduce task asks for minutes.
    seconds_until(lambda: lost.times == 3, 120, process)
    cluster(home, "stop", "nodemanager", "--at-once")
    cluster(home, "start", "nodemanager")
    lost.go()
    _, stderr = process.communicate(timeout=180)
    assert process.returncode == MAX_ITER, stderr
    assert (killed.times, failed.times, hung.times, lost.times) == (1, 2, 1, 3)
    assert bits_of("r") == bits_of("inline")
    assert min(entry["n_tasks"] for entry in read_passes("r")) >= 3
    assert processes_with(str(faults.folder)) == []
    assert not left() and not leftovers_files()
    for job in re.findall(r"Creating temp directory \S+/(\S+)", Path("r/run.log").read_text()):
        assert not os.path.exists(f"/tmp/wrapper.lock.{job}")


# -- drivers -----------------------------------------------------------------------------------------------------------


def test_a_killed_driver_goes_on_to_the_same_bits_and_nothing_is_left_on_the_cluster(home, faults, left):
    assert Driver("run_wols")(*DESCENT, "--run-dir", "inline").returncode == MAX_ITER
    in_pass = faults.add("mapper", QUERY.format(2), "kill the driver", task=0)
    done = faults.run(*DESCENT, "--run-dir", "r", *HADOOP, *faults.switches)
    assert (done.returncode, in_pass.times) == (-signal.SIGKILL, 1)
    application = application_of()
    assert state_of(home, application) == ("RUNNING", "UNDEFINED")
    assert len(left()) == 2 and len(leftovers_files()) == 1
    done = Driver("run_wols")("--resume", "r")
    assert done.returncode == MAX_ITER, done.stderr
    assert f"removed what a killed run left: {application}\n" in done.stderr
    assert state_of(home, application)[1] == "KILLED"
    assert bits_of("r") == bits_of("inline")
    assert processes_with(str(faults.folder)) == []
    assert not left() and not leftovers_files()


def test_what_a_killed_driver_has_on_its_way_to_hdfs_goes_by_clean(home, faults):
    faults.add("driver", r"/index\.txt$", "kill", mode="r")  # what is sent to HDFS is made of it
    folder = f"hdfs:///tmp/{os.path.basename(os.getcwd())}-{os.getpid()}"
    arguments = ("--run-dir", "r", *HADOOP, "--hadoop-tmp-dir", folder)
    assert faults.run(*DATA, *arguments).returncode == -signal.SIGKILL
    seconds_until(lambda: not processes_with(folder), 20)  # the client ends with its input
    (own,) = fs(home, "-ls", "-C", f"{folder}/tmp").split()
    assert "blocks.txt" in fs(home, "-ls", "-C", own)
    assert "blocks.txt" not in fs(home, "-ls", "-R", f"{folder}/packs")
    assert "drwx------" in fs(home, "-ls", "-d", own)
    listed = Driver("clean")("--dry-run").stdout
    assert listed == f"is there: {os.path.abspath('r/tmp')}\nis there: {own}\n2 things to remove\n"
    done = Driver("clean")("--packs", "--hadoop-tmp-dir", folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"removed what a killed run left: {own}\n" in done.stdout
    assert f"removed {folder}/code/" in done.stdout
    assert fs(home, "-ls", "-C", f"{folder}/tmp", f"{folder}/code", f"{folder}/packs") == ""
    fs(home, "-rm", "-r", "-skipTrash", folder)


def test_a_job_whose_client_dies_is_ended(home, faults, left, monkeypatch):
    os.mkdir("temporary")
    monkeypatch.setenv("TMPDIR", os.path.abspath("temporary"))
    run = "a run, of {é}"  # which Hadoop would take for other paths
    waiting = faults.add("mapper", QUERY.format(1), "wait", task=0)
    process = faults.begin(*DATA, "--run-dir", run, *HADOOP, *faults.switches)
    seconds_until(lambda: waiting.times, 120, process)
    (client,) = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
    os.kill(client, signal.SIGKILL)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1 and "Traceback" not in stderr
    application = application_of(run)
    assert f"pass 1: killing {application}\n" in stderr
    assert re.search(r"error: the job failed on the runner hadoop: .*\n  .*the whole story is in /.*/run\.log\n", stderr)
    assert state_of(home, application)[1] == "KILLED"
    assert not left() and not leftovers_files() and not os.path.exists(f"{run}/tmp")
    assert not list(Path("temporary").glob("scanlearn-*"))


def test_a_file_that_another_run_brings_meanwhile_is_as_good(home, tmp_path):
    files = HadoopFileSystem(f"{home}/bin/hadoop")
    folder = f"/tmp/{tmp_path.name}-{os.getpid()}"
    files.make_folders(f"{folder}/code", f"{folder}/tmp/r-0123abcd")
    for _ in range(2):
        files.put([b"the ", b"same"], f"{folder}/code/jobs.zip", f"{folder}/tmp/r-0123abcd/jobs.zip")
        assert b"".join(files.lines(f"{folder}/code/jobs.zip")) == b"the same"
    assert files.remove(folder)
    assert not files.remove(folder)


# -- what is set wrongly, or not there ---------------------------------------------------------------------------------


def another(home: Path, to: Path, **values: object) -> dict[str, str]:
    """The environment for the same Hadoop with another configuration: ports by name, `java_home`."""
    shutil.copytree(home / "conf", to / "conf")
    shutil.copytree(home / "bin", to / "bin")
    (to / "share").symlink_to(home / "share")
    ports = json.loads((home / "ports.json").read_text())
    for path in (to / "conf").glob("*.*"):
        text = path.read_text()
        for name, value in values.items():
            text = text.replace(f":{ports[name]}<", f":{value}<") if name in ports else text
        if "java_home" in values:
            text = re.sub(r'JAVA_HOME=".*"', f'JAVA_HOME="{values["java_home"]}"', text)
        path.write_text(text)
    return {**os.environ, "HADOOP_HOME": str(to)}


def test_no_java_is_one_message(home, faults, tmp_path):
    environment = another(home, tmp_path / "other", java_home="/nowhere")
    done = Driver("run_wols")(*DATA, *HADOOP, env=environment)
    one_message(done, r"the hadoop command finds no Java; install Java, or set JAVA_HOME \(.*\)\n$")
    assert not leftovers_files()


def test_a_cluster_that_is_gone_is_one_message(home, faults, tmp_path):
    environment = another(home, tmp_path / "other", namenode_port=1)
    done = Driver("run_wols")(*DATA, "--run-dir", "r", *HADOOP, env=environment)
    one_message(done, r"error: hdfs:\S+: the cluster does not answer; is it up\? \(.*Connection refused\)\n$")
    assert not leftovers_files() and not os.path.exists("r/tmp")
    assert Driver("run_wols")("--resume", "r", "-r", "inline").returncode == 0


IMPATIENT = """
import sys
from drivers.runners.hadoop import news as hadoop_news
hadoop_news.SECONDS_WITHOUT_CLUSTER = 4
from drivers.run_wols import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_resource_manager_that_is_gone_is_one_message(home, faults, tmp_path, left):
    environment = another(home, tmp_path / "other", resourcemanager_port=1)
    command = [sys.executable, "-c", IMPATIENT, *DATA, "--run-dir", "r", *HADOOP]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    failed = r"the job failed on the runner hadoop: \S+:1 has not answered for \d+ seconds\n"
    one_message(done, failed + r"  the cluster does not answer; is it up\?")
    assert not left() and not leftovers_files() and not os.path.exists("r/tmp")


def test_a_wrong_streaming_jar_is_one_message(home, faults, left):
    done = Driver("run_wols")(*DATA, *HADOOP, "--hadoop-streaming-jar", "gone.jar")
    one_message(done, r"error: there is no streaming jar gone\.jar; correct --hadoop-streaming-jar\n$")
    (jar,) = (home / "share" / "hadoop" / "lib").glob("hadoop-common-[0-9]*.jar")
    done = Driver("run_wols")(*DATA, *HADOOP, "--hadoop-streaming-jar", jar)
    one_message(done, "--hadoop-streaming-jar does not name the streaming jar of this Hadoop", r"run\.log\n$")
    assert not left() and not leftovers_files()


def test_an_hdfs_that_is_full_is_one_message_and_the_run_goes_on_later(home, faults):
    folder = f"hdfs:///tmp/{os.path.basename(os.getcwd())}-{os.getpid()}"
    admin = [f"{home}/bin/hadoop", "org.apache.hadoop.hdfs.tools.DFSAdmin"]
    fs(home, "-mkdir", "-p", folder)
    subprocess.run([*admin, "-setSpaceQuota", "1m", folder], check=True, capture_output=True)
    done = Driver("run_wols")(*DATA, "--run-dir", "r", *HADOOP, "--hadoop-tmp-dir", folder, "--no-diagnostics")
    one_message(done, r"HDFS has no room for it, or no DataNode \(.*[Qq]uota.*\)\n$")
    assert fs(home, "-ls", "-C", f"{folder}/tmp") == "" and not leftovers_files()
    assert Driver("run_wols")("--resume", "r", "-r", "inline").returncode == 0
    assert read_model("r")["training"]["rows_used"] == 150_000
    fs(home, "-rm", "-r", "-skipTrash", folder)


def test_a_folder_that_is_there_is_refused_and_stays(home, faults):
    os.mkdir("r")
    Path("r/mine").write_text("kept")
    done = Driver("run_wols")(*DATA, "--run-dir", "r", *HADOOP)
    one_message(done, "the run directory r is not empty")
    assert os.listdir("r") == ["mine"]
