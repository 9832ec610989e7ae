"""The daemons of the one-machine Hadoop: their ports, starting and stopping them, and when they are in service."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

USER = "hadoop"

# In the order in which they are started.
DAEMONS = {
    "namenode": "org.apache.hadoop.hdfs.server.namenode.NameNode",
    "datanode": "org.apache.hadoop.hdfs.server.datanode.DataNode",
    "resourcemanager": "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager",
    "nodemanager": "org.apache.hadoop.yarn.server.nodemanager.NodeManager",
}
# Those with which another one registers.
MASTERS = {"datanode": "namenode", "nodemanager": "resourcemanager"}
PORTS_OF: dict[str, tuple[str, ...]] = {
    "namenode": ("namenode_port", "namenode_http_port"),
    "datanode": (),
    "resourcemanager": (
        "resourcemanager_port", "scheduler_port", "tracker_port", "admin_port", "resourcemanager_http_port",
    ),
    # At another port it would be another node to the ResourceManager, which would go on sending tasks to the dead one.
    "nodemanager": ("nodemanager_port",),
}  # fmt: skip
PORTS = tuple(port for ports in PORTS_OF.values() for port in ports)
# Below the range from which outgoing connections get their ports.
PORT_RANGE = range(20000, 30000)

PORT_SECONDS = 3
READY_SECONDS = 90
STOP_SECONDS = 15
COMMAND_SECONDS = 180


class ClusterError(Exception):
    """A failure that the user can act on, told in one sentence."""


def say(text: str) -> None:
    """Tells the user what happens."""
    print(text, flush=True)


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    """One program at a time works on a cluster.

    :raises ClusterError: when another one does
    """
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ClusterError(f"another cluster.py works on {home}: wait for it.") from None
        yield


# -- ports ------------------------------------------------------------------


def load_ports(home: Path) -> dict[str, int]:
    """The ports of this cluster, picked once."""
    path = home / "ports.json"
    ports = json.loads(path.read_text()) if path.exists() else {}
    if missing := [name for name in PORTS if name not in ports]:
        ports.update(pick_ports(missing))
        path.write_text(json.dumps(ports, indent=1))
    return ports


def pick_ports(names: Collection[str] = PORTS) -> dict[str, int]:
    """A free port for each name."""
    free = (port for port in random.sample(PORT_RANGE, len(PORT_RANGE)) if port_is_free(port))
    return dict(zip(names, free))


def port_is_free(port: int) -> bool:
    """Whether nobody listens at a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def port_answers(port: int) -> bool:
    """Whether somebody takes a call at a port of this machine."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


# -- start ------------------------------------------------------------------


def task_path() -> str:
    """Tasks do not inherit a PATH: bash gives the container its own. Their python3 is the Python that starts the cluster,
    with what is installed there."""
    return os.pathsep.join([os.path.dirname(sys.executable), "/usr/local/bin", "/usr/bin", "/bin"])


def daemon_environment(home: Path) -> dict[str, str]:
    """The whole environment of the daemons, which must not depend on the shell from which the cluster was started."""
    return {
        "PATH": task_path(),
        "LANG": "C.UTF-8",
        "HADOOP_HOME": str(home),
        "HADOOP_CONF_DIR": str(home / "conf"),
        "HADOOP_USER_NAME": USER,
        "HADOOP_OPTS": f"-Djava.io.tmpdir={home / 'tmp'}",
    }


def start(home: Path, ports: Mapping[str, int], names: Collection[str] = tuple(DAEMONS)) -> None:
    """Starts daemons, by default all, and waits until they are in service.

    :raises ClusterError: a port in use, a daemon that dies or is never ready
    """
    for folder in "logs", "tmp":
        (home / folder).mkdir(exist_ok=True)
    own = {port for name in names for port in PORTS_OF[name]}
    wait_for_ports({name: port for name, port in ports.items() if name in own}, home)
    started = {}
    for name in names:
        with open(log_of(home, name), "a" if len(names) < len(DAEMONS) else "w") as log:
            started[name] = subprocess.Popen(
                [str(home / "bin" / "hadoop"), DAEMONS[name]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=daemon_environment(home),
                cwd=str(home),
            )
        pid_file(home, name).write_text(f"{started[name].pid}\n")
    wait_until_ready(home, ports, started)


def wait_for_ports(ports: Mapping[str, int], home: Path) -> None:
    """Waits a moment for ports: the sockets of a daemon close a little after it has ended.

    :raises ClusterError: for the first one that stays in use
    """
    deadline = time.monotonic() + PORT_SECONDS
    for name, port in ports.items():
        while not port_is_free(port):
            if time.monotonic() > deadline:
                raise ClusterError(f"port {port} ({name}) is in use: delete {home / 'ports.json'} to pick other ports.")
            time.sleep(0.1)


def wait_until_ready(home: Path, ports: Mapping[str, int], started: Mapping[str, subprocess.Popen]) -> None:
    """Waits until the daemons are in service that were started now.

    :raises ClusterError: when one dies, or is not ready after READY_SECONDS
    """
    since, deadline = time.time(), time.monotonic() + READY_SECONDS
    while not all(in_service(home, ports, name, since) for name in started):
        for name, process in started.items():
            if process.poll() is not None:
                raise ClusterError(f"the {name} died; the end of its log:\n{tail(log_of(home, name).read_text())}")
        if time.monotonic() > deadline:
            raise ClusterError(
                f"the cluster is not ready after {READY_SECONDS} s: look at the logs in {home / 'logs'}, "
                "then run down and up again."
            )
        time.sleep(0.2)


def in_service(home: Path, ports: Mapping[str, int], name: str, since: float) -> bool:
    """Whether a daemon that was started at a time (s, of the epoch) does its work: with another one where it needs one."""
    if name in ("namenode", "datanode"):
        return hdfs_is_ready(ports, name == "datanode" or pid_of(home, "datanode") is not None)
    if name == "resourcemanager":
        return yarn_is_ready(ports, pid_of(home, "nodemanager") is not None)
    return yarn_is_ready(ports, since=since)


def hdfs_is_ready(ports: Mapping[str, int], with_datanode: bool = True) -> bool:
    """The NameNode answers and, with a DataNode, has one registered that answers and has left safe mode."""
    beans = get_json(ports["namenode_http_port"], "/jmx?qry=Hadoop:service=NameNode,name=*").get("beans", ())
    values: dict[str, Any] = {}
    for bean in beans:
        values.update(bean)
    if not with_datanode:
        return bool(values)
    # A dead one stays in the list for ten minutes; one that is started again has another port.
    nodes = json.loads(values.get("LiveNodes") or "{}").values()
    return values.get("Safemode") == "" and any(port_answers(_port_of(node["xferaddr"])) for node in nodes)


def yarn_is_ready(ports: Mapping[str, int], with_nodemanager: bool = True, since: float = 0.0) -> bool:
    """The ResourceManager answers and, with a NodeManager, has one registered that answers and began after a time."""
    if not with_nodemanager:
        return bool(get_json(ports["resourcemanager_http_port"], "/ws/v1/cluster/metrics"))
    found = get_json(ports["resourcemanager_http_port"], "/ws/v1/cluster/nodes?states=RUNNING").get("nodes") or {}
    # A node looks at its health when it begins, and here never again; one that is dead stays in the list for ten minutes.
    begun = [node for node in found.get("node", ()) if node["lastHealthUpdate"] >= 1000 * since]
    return any(port_answers(_port_of(node["id"])) for node in begun)


def _port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


def get_json(port: int, path: str) -> dict[str, Any]:
    """What a web server on this machine says; {} where it says nothing."""
    # Loopback is never reached through a proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return {}


# -- stop -------------------------------------------------------------------


def stop(home: Path, names: Collection[str] = tuple(DAEMONS), at_once: bool = False) -> None:
    """Stops daemons, by default all, and waits until they are gone. `at_once`: as a crash would, without a farewell.

    :raises ClusterError: a daemon that does not stop
    """
    pids = {name: pid_of(home, name) for name in DAEMONS if name in names}
    for sent in (signal.SIGKILL,) if at_once else (signal.SIGTERM, signal.SIGKILL):
        for name in reversed(pids):
            pid = pid_of(home, name)
            if pid:
                os.kill(pid, sent)
        deadline = time.monotonic() + STOP_SECONDS
        while any(pid_of(home, name) for name in pids) and time.monotonic() < deadline:
            time.sleep(0.1)
    for name, pid in pids.items():
        if pid_of(home, name):
            raise ClusterError(f"the {name} (pid {pid}) does not stop.")
        with contextlib.suppress(FileNotFoundError):
            pid_file(home, name).unlink()


def pid_of(home: Path, name: str) -> int | None:
    """The process id of a running daemon of this cluster, or None."""
    try:
        pid = int(pid_file(home, name).read_text())
    except (FileNotFoundError, ValueError):
        return None
    # The number may belong to an unrelated process by now.
    command = command_of(pid)
    mine = f"{home}/" in command and DAEMONS[name] in command
    return pid if mine else None


def command_of(pid: int) -> str:
    """The command line of a live process, "" if there is none."""
    proc = Path("/proc")
    if (proc / "self" / "cmdline").exists():
        try:
            data = (proc / str(pid) / "cmdline").read_bytes()
        except OSError:
            return ""
        return data.replace(b"\0", b" ").decode(errors="replace")
    return subprocess.run(["ps", "-ww", "-p", str(pid), "-o", "args="], stdout=subprocess.PIPE, text=True).stdout


def pid_file(home: Path, name: str) -> Path:
    return home / f"{name}.pid"


def log_of(home: Path, name: str) -> Path:
    return home / "logs" / f"{name}.log"


# -- commands ---------------------------------------------------------------


def hadoop(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of Hadoop in the environment of the daemons.

    :raises ClusterError: when it does not end
    """
    command = [str(home / "bin" / "hadoop"), *arguments]
    try:
        return run(command, timeout=COMMAND_SECONDS, env={**daemon_environment(home), **environment})
    except subprocess.TimeoutExpired:
        raise ClusterError(
            f'"hadoop {" ".join(arguments[:2])}" did not end in {COMMAND_SECONDS} s: look at the logs in {home / "logs"}.'
        ) from None


def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs a command and gathers all that it says."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


def tail(text: str, lines: int = 15) -> str:
    """The last lines of a text."""
    return "\n".join(text.rstrip().splitlines()[-lines:])
