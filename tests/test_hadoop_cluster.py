"""The one-machine Hadoop: its pure parts, and a running cluster."""

import importlib.util
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

_spec = importlib.util.spec_from_file_location("cluster", HADOOP / "cluster.py")
cluster = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(cluster)


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
    ports = cluster.load_ports(home)
    cluster.configure(home, ports, "/java", home / "classes.jsa")
    return ports


def properties(path):
    return {item.findtext("name"): item.findtext("value") for item in ElementTree.parse(path).iter("property")}


# -- ports --


def test_ports_are_distinct_and_free():
    ports = cluster.pick_ports()
    assert set(ports) == set(cluster.PORTS)
    assert len(set(ports.values())) == len(ports)
    assert all(cluster.port_is_free(port) for port in ports.values())


def test_port_in_use_is_not_free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert not cluster.port_is_free(taken.getsockname()[1])


def test_ports_are_picked_once(home):
    home.mkdir()
    assert cluster.load_ports(home) == cluster.load_ports(home)


def test_start_names_the_port_in_use(home, monkeypatch):
    monkeypatch.setattr(cluster, "PORT_SECONDS", 0)
    home.mkdir()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(cluster.ClusterError, match="port %d .* is in use: delete" % port):
            cluster.start(home, {"admin_port": port})


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
    cluster.configure(home, ports, "/java", archive)
    assert "-XX:SharedArchiveFile=%s " % archive in env.read_text()


def test_tasks_do_not_see_the_environment_of_the_shell(home, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "/surprise")
    monkeypatch.setenv("PATH", "/surprise")
    environment = cluster.daemon_environment(home)
    assert "/surprise" not in environment.values()
    assert "PYTHONPATH" not in environment


# -- processes --


@pytest.mark.parametrize("text", ["", "no number", "999999999"])
def test_stale_pid_file_is_no_daemon(home, text):
    home.mkdir()
    cluster.pid_file(home, "namenode").write_text(text)
    assert cluster.pid_of(home, "namenode") is None


def test_pid_of_an_unrelated_process_is_no_daemon(home):
    home.mkdir()
    cluster.pid_file(home, "namenode").write_text(str(os.getpid()))
    assert cluster.pid_of(home, "namenode") is None


@pytest.fixture
def fake_daemons(home, monkeypatch):
    """Daemons that do nothing but run, the last with a deaf ear."""

    def wait(home, *args):
        while not all(cluster.pid_of(home, name) for name in cluster.DAEMONS):
            time.sleep(0.01)

    monkeypatch.setattr(cluster, "wait_until_ready", wait)
    monkeypatch.setattr(cluster, "STOP_SECONDS", 0.5)
    write_program(home / "bin" / "hadoop", 'case $1 in *NodeManager) trap "" TERM ;; esac\nwhile :; do sleep 0.1; done\n')
    yield
    cluster.stop(home)


def test_daemons_start_and_stop(home, fake_daemons):
    cluster.start(home, {})
    pids = [cluster.pid_of(home, name) for name in cluster.DAEMONS]
    assert all(pids) and len(set(pids)) == 4
    cluster.stop(home)
    assert not any(cluster.pid_of(home, name) for name in cluster.DAEMONS)
    assert not list(home.glob("*.pid"))


def test_up_on_a_running_cluster_says_so(home, fake_daemons, capsys):
    cluster.start(home, {})
    pids = [cluster.pid_of(home, name) for name in cluster.DAEMONS]
    assert cluster.main(["up", "--home", str(home)]) == 0
    assert "up already" in capsys.readouterr().out
    assert [cluster.pid_of(home, name) for name in cluster.DAEMONS] == pids


def test_dead_daemon_is_told_with_the_end_of_its_log(home):
    write_program(home / "bin" / "hadoop", 'echo "no room for $1"; exit 1\n')
    with pytest.raises(cluster.ClusterError, match=r"the \w+ died; [^\0]*no room for org\.apache"):
        cluster.start(home, dict.fromkeys(cluster.PORTS, 1))


# -- messages --


def test_no_java(tmp_path):
    with pytest.raises(cluster.ClusterError, match="no Java at .*JAVA_HOME"):
        cluster.find_java({"JAVA_HOME": str(tmp_path)})


@pytest.mark.parametrize("version", ["1.8.0_402", "11.0.2", "24"])
def test_wrong_java(tmp_path, version):
    with pytest.raises(cluster.ClusterError, match="is Java " + version):
        cluster.find_java(fake_java(tmp_path, version))


def test_right_java(tmp_path):
    assert cluster.find_java(fake_java(tmp_path, "17.0.15")) == (str(tmp_path), "17.0.15")


def test_no_maven(home, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(cluster.ClusterError, match="no mvn on the PATH"):
        cluster.copy_jars(home)


def test_path_with_a_space_is_refused(tmp_path):
    with pytest.raises(cluster.ClusterError, match="choose another"):
        cluster.check_home(tmp_path / "a b")


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
    assert "cluster.py up" in capsys.readouterr().err
    assert not home.exists()


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
