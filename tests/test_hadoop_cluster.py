"""The one-machine Hadoop: its pure parts, its daemons, and a running cluster."""

from __future__ import annotations

import importlib
import json
import os
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
HADOOP = ROOT / "hadoop"

# A program finds the modules beside it by its own folder.
sys.path.insert(0, str(HADOOP))
build, cluster, daemons = map(importlib.import_module, ("build", "cluster", "daemons"))
sys.path.remove(str(HADOOP))


@pytest.fixture
def home(tmp_path):
    return tmp_path.resolve() / "home"


def write_program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def fake_java(java_home, version):
    write_program(
        java_home / "bin" / "java",
        'echo "    java.home = %s" >&2\necho "    java.version = %s" >&2\n' % (java_home, version),
    )
    return {"JAVA_HOME": str(java_home)}


def configured(home):
    home.mkdir()
    ports = daemons.load_ports(home)
    build.configure(home, ports, "/java", home / "classes.jsa")
    return ports


def properties(path):
    return {item.findtext("name"): item.findtext("value") for item in ElementTree.parse(path).iter("property")}


# -- ports --


def test_ports_are_distinct_and_free():
    ports = daemons.pick_ports()
    assert set(ports) == set(daemons.PORTS)
    assert len(set(ports.values())) == len(ports)
    assert all(daemons.port_is_free(port) for port in ports.values())


def test_port_in_use_is_not_free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not daemons.port_is_free(taken.getsockname()[1])


def test_ports_are_picked_once(home):
    home.mkdir()
    assert daemons.load_ports(home) == daemons.load_ports(home)


def test_ports_that_an_older_cluster_does_not_have_are_picked_beside_its_own(home):
    home.mkdir()
    (home / "ports.json").write_text(json.dumps({"namenode_port": 20001}))
    ports = daemons.load_ports(home)
    assert ports["namenode_port"] == 20001
    assert set(ports) == set(daemons.PORTS)
    assert daemons.load_ports(home) == ports


def test_start_names_the_port_in_use(home, monkeypatch):
    monkeypatch.setattr(daemons, "PORT_SECONDS", 0)
    home.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(daemons.ClusterError, match="port %d .* is in use: delete" % port):
            daemons.start(home, {"admin_port": port})


# -- configuration --


def test_configuration_is_rendered(home):
    ports = configured(home)
    core = properties(home / "conf" / "core-site.xml")
    assert core["fs.defaultFS"] == "hdfs://127.0.0.1:%d" % ports["namenode_port"]
    mapred = properties(home / "conf" / "mapred-site.xml")
    assert mapred["mapreduce.jobhistory.jhist.format"] == "json"
    assert ":$CLASSPATH " in mapred["mapreduce.admin.map.child.java.opts"]
    log4j = (home / "conf" / "log4j.properties").read_text()
    assert "log4j.rootLogger=${hadoop.root.logger}\n" in log4j


def test_addresses_are_loopback(home):
    configured(home)
    for path in (home / "conf").glob("*-site.xml"):
        for name, value in properties(path).items():
            if name.endswith("address"):
                assert value.startswith("127.0.0.1:"), name


def test_archive_is_used_only_when_it_exists(home):
    ports = configured(home)
    env = home / "conf" / "hadoop-env.sh"
    assert "SharedArchiveFile" not in env.read_text()
    archive = home / "classes.jsa"
    archive.touch()
    build.configure(home, ports, "/java", archive)
    assert "-XX:SharedArchiveFile=%s " % archive in env.read_text()


def test_tasks_do_not_see_the_environment_of_the_shell(home, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/surprise")
    monkeypatch.setenv("PATH", "/surprise")
    environment = daemons.daemon_environment(home)
    assert "/surprise" not in environment.values()
    assert "PYTHONPATH" not in environment


# -- processes --


@pytest.mark.parametrize("text", ["", "no number", "999999999"])
def test_stale_pid_file_is_no_daemon(home, text):
    home.mkdir()
    daemons.pid_file(home, "namenode").write_text(text)
    assert daemons.pid_of(home, "namenode") is None


def test_pid_of_an_unrelated_process_is_no_daemon(home):
    home.mkdir()
    daemons.pid_file(home, "namenode").write_text(str(os.getpid()))
    assert daemons.pid_of(home, "namenode") is None


@pytest.fixture
def fake_daemons(home, monkeypatch):
    """Daemons that do nothing but run, the last with a deaf ear."""

    def wait(home, *args):
        while not all(daemons.pid_of(home, name) for name in daemons.DAEMONS):
            time.sleep(0.01)

    monkeypatch.setattr(daemons, "wait_until_ready", wait)
    monkeypatch.setattr(daemons, "STOP_SECONDS", 0.5)
    write_program(home / "bin" / "hadoop", 'case $1 in *NodeManager) trap "" TERM ;; esac\nwhile :; do sleep 0.1; done\n')
    yield
    daemons.stop(home)


def test_daemons_start_and_stop(home, fake_daemons):
    daemons.start(home, {})
    pids = [daemons.pid_of(home, name) for name in daemons.DAEMONS]
    assert all(pids) and len(set(pids)) == 4
    daemons.stop(home)
    assert not any(daemons.pid_of(home, name) for name in daemons.DAEMONS)
    assert not list(home.glob("*.pid"))


@pytest.mark.parametrize("name", ["datanode", "nodemanager"])
@pytest.mark.parametrize("how", [[], ["--at-once"]])
def test_one_daemon_stops_and_starts_and_the_others_go_on(home, fake_daemons, name, how, capfd, monkeypatch):
    def run(*arguments):
        status = cluster.main([*arguments, "--home", str(home)])
        return status, "".join(capfd.readouterr())

    daemons.start(home, {})
    pids = {other: daemons.pid_of(home, other) for other in daemons.DAEMONS}
    capfd.readouterr()
    assert run("stop", name, *how) == (0, f"The {name} is gone.\n")
    assert daemons.pid_of(home, name) is None
    assert run("status")[0] == 1
    assert run("stop", name) == (0, f"The {name} does not run.\n")
    log_before = daemons.log_of(home, name).read_text()
    assert run("start", name) == (0, f"The {name} is in service.\n")
    assert run("start", name) == (0, f"The {name} runs already.\n")
    assert daemons.log_of(home, name).read_text().startswith(log_before)
    again = {other: daemons.pid_of(home, other) for other in daemons.DAEMONS}
    assert {other for other in pids if pids[other] != again[other]} == {name}
    daemons.stop(home, [daemons.MASTERS[name], name])
    assert run("start", name) == (1, f"cluster.py: the {daemons.MASTERS[name]} is down: start it before the {name}.\n")


def test_a_daemon_that_crashes_has_no_time_for_a_farewell(home, fake_daemons):
    write_program(home / "bin" / "hadoop", 'trap "touch farewell; exit" TERM\nwhile :; do sleep 0.05; done\n')
    for at_once in (True, False):
        daemons.start(home, {})
        daemons.stop(home, ["datanode"], at_once)
        assert (home / "farewell").exists() == (not at_once)
        daemons.stop(home)
        (home / "farewell").unlink()


def test_up_on_a_running_cluster_says_so(home, fake_daemons, capsys):
    daemons.start(home, {})
    pids = [daemons.pid_of(home, name) for name in daemons.DAEMONS]
    assert cluster.main(["up", "--home", str(home)]) == 0
    assert "up already" in capsys.readouterr().out
    assert [daemons.pid_of(home, name) for name in daemons.DAEMONS] == pids


def test_dead_daemon_is_told_with_the_end_of_its_log(home):
    write_program(home / "bin" / "hadoop", 'echo "no room for $1"; exit 1\n')
    with pytest.raises(daemons.ClusterError, match=r"the \w+ died; [^\0]*no room for org\.apache"):
        daemons.start(home, dict.fromkeys(daemons.PORTS, 1))


# -- messages --


def test_no_java(tmp_path):
    with pytest.raises(daemons.ClusterError, match="no Java at .*JAVA_HOME"):
        build.find_java({"JAVA_HOME": str(tmp_path)})


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.2", "24"])
def test_wrong_java(tmp_path, version):
    with pytest.raises(daemons.ClusterError, match="is Java " + version):
        build.find_java(fake_java(tmp_path, version))


def test_right_java(tmp_path):
    assert build.find_java(fake_java(tmp_path, "17.0.15")) == (str(tmp_path), "17.0.15")


def test_no_maven(home, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(daemons.ClusterError, match="no mvn on the PATH"):
        build.copy_jars(home)


def test_path_with_a_space_is_refused(tmp_path):
    with pytest.raises(daemons.ClusterError, match="choose another"):
        build.check_home(tmp_path / "a b")


def test_purge_refuses_a_directory_that_is_no_cluster(tmp_path, capsys):
    (tmp_path / "precious").touch()
    assert cluster.main(["down", "--purge", "--home", str(tmp_path)]) == 1
    assert "delete it by hand" in capsys.readouterr().err
    assert (tmp_path / "precious").exists()


def test_commands_without_a_cluster(home, capsys):
    assert cluster.main(["down", "--home", str(home)]) == 0
    assert "Nothing runs." in capsys.readouterr().out
    assert cluster.main(["status", "--home", str(home)]) == 1
    assert cluster.main(["env", "--home", str(home)]) == 1
    assert cluster.main(["start", "datanode", "--home", str(home)]) == 1
    assert cluster.main(["stop", "datanode", "--home", str(home)]) == 0
    assert "cluster.py up" in capsys.readouterr().err
    assert not home.exists()


def test_an_unknown_daemon_is_wrong_usage(home, capsys):
    for command in ("start", "stop"):
        with pytest.raises(SystemExit) as ended:
            cluster.main([command, "historyserver", "--home", str(home)])
        assert ended.value.code == 2
        assert "choose from 'namenode', 'datanode'" in capsys.readouterr().err


def test_the_program_runs_from_any_folder(tmp_path):
    done = subprocess.run(
        [sys.executable, HADOOP / "cluster.py", "status", "--home", tmp_path / "none"], cwd=tmp_path, capture_output=True
    )
    assert (done.returncode, done.stdout.count(b"down"), done.stderr) == (1, 4, b"")


def test_env_prints_what_a_shell_evaluates(home):
    configured(home)
    shell = subprocess.run(
        [
            "sh",
            "-c",
            'eval "$(%s %s env --home %s)" '
            '&& echo "$HADOOP_HOME $HADOOP_USER_NAME"' % (sys.executable, HADOOP / "cluster.py", home),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert shell.stdout == "%s hadoop\n" % home


# -- a running cluster --


def hadoop(*args):
    home = Path(os.environ.get("HADOOP_HOME", cluster.DEFAULT_HOME))
    return subprocess.run([str(home / "bin" / "hadoop")] + list(args), capture_output=True)


@pytest.mark.hadoop
def test_version_is_the_line_that_mrjob_parses():
    assert hadoop("version").stdout.startswith(b"Hadoop 3.")


@pytest.mark.hadoop
def test_files_go_to_hdfs_and_come_back(tmp_path):
    local = tmp_path / "rows"
    local.write_bytes(b"1,2\n3,4\n")
    remote = "/tmp/test-hadoop-cluster-%d" % os.getpid()
    assert hadoop("fs", "-mkdir", "-p", remote).returncode == 0
    assert hadoop("fs", "-put", str(local), remote).returncode == 0
    assert hadoop("fs", "-cat", remote + "/rows").stdout == b"1,2\n3,4\n"
    assert hadoop("fs", "-rm", "-R", "-f", "-skipTrash", remote).returncode == 0
    # mrjob reads "no such file" only at the very start of stderr.
    missing = hadoop("fs", "-ls", remote)
    assert missing.returncode == 1
    assert missing.stderr.startswith(b"ls: ")
    assert b"No such file" in missing.stderr


# -- a cluster that fails in parts --


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory):
    """A cluster for these tests alone, since others would not bear its failures."""
    home = tmp_path_factory.mktemp("cluster").resolve() / "home"

    def run(*arguments):
        done = subprocess.run(
            [sys.executable, HADOOP / "cluster.py", *arguments, "--home", home], capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run("up")
    yield home, run
    run("down", "--purge")
    assert not home.exists()


def command(home, *arguments, **options):
    return subprocess.run([home / "bin" / "hadoop", *arguments], capture_output=True, text=True, **options)


@pytest.mark.hadoop
@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.parametrize("how", [[], ["--at-once"]], ids=["stopped", "crashed"])
@pytest.mark.parametrize("name", daemons.DAEMONS)
def test_a_daemon_is_in_service_again(own_cluster, name, how, tmp_path):
    home, run = own_cluster
    (tmp_path / "rows").write_text("1,2\n")
    remote = f"/tmp/{name}-{len(how)}"
    assert command(home, "fs", "-mkdir", "-p", remote).returncode == 0
    assert command(home, "fs", "-put", str(tmp_path / "rows"), f"{remote}/before").returncode == 0
    assert run("stop", name, *how) == f"The {name} is gone.\n"
    assert daemons.pid_of(home, name) is None
    assert run("start", name) == f"The {name} is in service.\n"
    # At once: what was written before can be read, and a job runs.
    assert command(home, "fs", "-cat", f"{remote}/before").stdout == "1,2\n"
    assert command(home, "fs", "-put", str(tmp_path / "rows"), f"{remote}/after").returncode == 0
    if name in ("resourcemanager", "nodemanager"):
        done = command(home, "jar", streaming(home), "-input", remote, "-output", f"{remote}/out", "-mapper", "cat")
        assert done.returncode == 0, done.stderr
        assert command(home, "fs", "-cat", f"{remote}/out/*").stdout.count("1,2") == 2


def streaming(home):
    (jar,) = (home / "share/hadoop/tools/lib").glob("hadoop-streaming-*.jar")
    return str(jar)


@pytest.mark.hadoop
@pytest.mark.alone
@pytest.mark.slow
def test_a_job_outlives_the_crash_of_its_node(own_cluster, tmp_path):
    """The node that starts again is the old one to YARN, which gives its tasks out anew and does not wait for the dead."""
    home, run = own_cluster
    (tmp_path / "rows").write_text("".join(f"{i}\n" for i in range(30)))
    assert command(home, "fs", "-put", "-f", str(tmp_path / "rows"), "/tmp/rows").returncode == 0
    started = tmp_path / "started"
    mapper = f"sh -c 'touch {started}; while read row; do sleep 0.3; echo $row; done'"
    arguments = [home / "bin" / "hadoop", "jar", streaming(home), "-D", "mapreduce.job.maps=2", "-input", "/tmp/rows"]
    job = subprocess.Popen([*arguments, "-output", "/tmp/crash", "-mapper", mapper, "-reducer", "wc -l"])
    deadline = time.monotonic() + 120
    while not started.exists():
        assert time.monotonic() < deadline and job.poll() is None
        time.sleep(0.1)
    run("stop", "nodemanager", "--at-once")
    run("start", "nodemanager")
    assert job.wait(timeout=300) == 0
    assert command(home, "fs", "-cat", "/tmp/crash/*").stdout.split() == ["30"]
