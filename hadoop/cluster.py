"""A one-machine Hadoop: HDFS, YARN and MapReduce with one daemon of each kind.

    python hadoop/cluster.py up
    eval "$(python hadoop/cluster.py env)"
    python hadoop/cluster.py down

Everything lies in one directory, by default .hadoop at the repository root,
which is laid out as a Hadoop installation and is its HADOOP_HOME.
"""

import argparse
import contextlib
import fcntl
import json
import os
import random
import re
import shlex
import shutil
import signal
import socket
import string
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

SOURCE = Path(__file__).resolve().parent
DEFAULT_HOME = SOURCE.parent / ".hadoop"
USER = "hadoop"

DAEMONS = {
    "namenode": "org.apache.hadoop.hdfs.server.namenode.NameNode",
    "datanode": "org.apache.hadoop.hdfs.server.datanode.DataNode",
    "resourcemanager": "org.apache.hadoop.yarn.server.resourcemanager.ResourceManager",
    "nodemanager": "org.apache.hadoop.yarn.server.nodemanager.NodeManager",
}
PORTS = (
    "namenode_port",
    "namenode_http_port",
    "resourcemanager_port",
    "scheduler_port",
    "tracker_port",
    "admin_port",
    "resourcemanager_http_port",
)
# Below the range from which outgoing connections get their ports.
PORT_RANGE = range(20000, 30000)

# Java 23 removed what Hadoop 3.4 uses to find the current user.
JAVA_VERSIONS = range(17, 23)
JAVA_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.net.preferIPv4Stack=true",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
)

PORT_SECONDS = 3
READY_SECONDS = 90
STOP_SECONDS = 15
COMMAND_SECONDS = 180


class ClusterError(Exception):
    """A failure that the user can act on, told in one sentence."""


def main(argv=None):
    args = parser().parse_args(argv)
    home = Path(args.home).resolve()
    try:
        if args.command == "up":
            up(home)
        elif args.command == "down":
            down(home, purge=args.purge)
        elif args.command == "status":
            return status(home)
        else:
            print(exports(home))
    except ClusterError as error:
        print("cluster.py: %s" % error, file=sys.stderr)
        return 1
    return 0


def parser():
    result = argparse.ArgumentParser(prog="cluster.py", description="A one-machine Hadoop.")
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("up", "build what is missing, start the daemons and wait"),
        ("down", "stop the daemons and keep the data"),
        ("status", "say which daemons run"),
        ("env", "print the export lines for a shell"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--home", metavar="DIR", default=DEFAULT_HOME, help="state directory. Default: %(default)s")
        if name == "down":
            command.add_argument("--purge", action="store_true", help="also delete the state directory")
    return result


# -- commands ---------------------------------------------------------------


def up(home):
    if all(pid_of(home, name) for name in DAEMONS):
        say("The cluster is up already.\n" + usage(home))
        return
    check_home(home)
    java_home, java_version = find_java()
    started = time.monotonic()
    with locked(home):
        copy_jars(home)
        ports = load_ports(home)
        archive = home / ("classes-%s.jsa" % java_version)
        configure(home, ports, java_home, archive)
        # A ResourceManager goes on sending tasks to a dead NodeManager for ten
        # minutes, so a cluster without one of its daemons starts anew.
        stop(home)
        format_hdfs(home)
        start(home, ports)
        if not archive.exists():
            say("Making the class-data archive from a first tiny job ...")
            make_archive(home, archive)
            configure(home, ports, java_home, archive)
    say("Up after %.0f s.\n%s" % (time.monotonic() - started, usage(home)))


def down(home, purge=False):
    running = [name for name in DAEMONS if pid_of(home, name)]
    if running:
        with locked(home):
            stop(home)
        say("Stopped %s." % ", ".join(running))
    else:
        say("Nothing runs.")
    if purge and home.exists():
        if not (home / "conf").is_dir():
            raise ClusterError("%s does not look like the directory of a cluster: delete it by hand." % home)
        shutil.rmtree(home)
        say("Deleted %s." % home)


def status(home):
    pids = {name: pid_of(home, name) for name in DAEMONS}
    for name, pid in pids.items():
        print("%-16s %s" % (name, "pid %d" % pid if pid else "down"))
    if not all(pids.values()):
        return 1
    ports = load_ports(home)
    print("HDFS             hdfs://127.0.0.1:%d" % ports["namenode_port"])
    print("NameNode page    http://127.0.0.1:%d" % ports["namenode_http_port"])
    print("Jobs page        http://127.0.0.1:%d" % ports["resourcemanager_http_port"])
    return 0


def exports(home):
    if not (home / "bin" / "hadoop").exists():
        raise ClusterError('there is no Hadoop in %s: run "python hadoop/cluster.py up" first.' % home)
    return "export HADOOP_HOME=%s\nexport HADOOP_USER_NAME=%s" % (shlex.quote(str(home)), USER)


def usage(home):
    return "To use it from a shell:\n\n%s\n" % exports(home)


def say(text):
    print(text, flush=True)


# -- building ---------------------------------------------------------------


def check_home(home):
    if re.search(r'[\s:,*&<$"\'\\]', str(home)):
        raise ClusterError("the path %s holds a character that Hadoop splits paths at: choose another with --home." % home)
    try:
        socket.gethostbyname(socket.gethostname())
    except OSError:
        raise ClusterError(
            "the name of this machine, %s, does not resolve: add it to the "
            "127.0.0.1 line of /etc/hosts." % socket.gethostname()
        ) from None


@contextlib.contextmanager
def locked(home):
    home.mkdir(parents=True, exist_ok=True)
    with open(home / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ClusterError("another cluster.py works on %s: wait for it." % home) from None
        yield


def find_java(environ=os.environ):
    """Return the home and the full version of the Java to use."""
    java = "java"
    if environ.get("JAVA_HOME"):
        java = str(Path(environ["JAVA_HOME"], "bin", "java"))
    try:
        shown = subprocess.run([java, "-XshowSettings:properties", "-version"], stderr=subprocess.PIPE, text=True).stderr
        settings = dict(re.findall(r"^ +(java\.\S+) = (.*)$", shown, re.M))
        home, version = settings["java.home"], settings["java.version"]
    except (OSError, KeyError):
        raise ClusterError("no Java at %s: install Java 17, or set JAVA_HOME." % java) from None
    major = int(re.split(r"\D", version.removeprefix("1."))[0])
    if major not in JAVA_VERSIONS:
        raise ClusterError(
            "Hadoop 3.4 runs here on Java %d to %d, and %s is Java %s: set "
            "JAVA_HOME to a supported one." % (JAVA_VERSIONS[0], JAVA_VERSIONS[-1], java, version)
        )
    return home, version


def copy_jars(home):
    """Copy the jars that pom.xml names, once for each content of it."""
    share = home / "share" / "hadoop"
    pom = (SOURCE / "pom.xml").read_text()
    stamp = share / "pom.xml"
    if stamp.exists() and stamp.read_text() == pom:
        return
    if not shutil.which("mvn"):
        raise ClusterError("no mvn on the PATH: install Maven, which fetches the jars of Hadoop.")
    say("Copying the jars of Hadoop with Maven ...")
    shutil.rmtree(share, ignore_errors=True)
    for archive in home.glob("*.jsa"):
        archive.unlink()
    command = [
        "mvn",
        "--batch-mode",
        "--quiet",
        "--no-transfer-progress",
        "-f",
        str(SOURCE / "pom.xml"),
        "dependency:copy-dependencies",
        "-DoutputDirectory=%s" % (share / "lib"),
    ]
    # Without the network first: the local repository is faster and enough
    # from the second time on.
    if run(command + ["--offline"]).returncode:
        done = run(command)
        if done.returncode:
            raise ClusterError("Maven could not fetch the jars of Hadoop:\n%s" % tail(done.stdout))
    # Where mrjob and other tools look for it.
    (streaming,) = (share / "lib").glob("hadoop-streaming-*.jar")
    tools = share / "tools" / "lib"
    tools.mkdir(parents=True)
    (tools / streaming.name).symlink_to(Path("..", "..", "lib", streaming.name))
    stamp.write_text(pom)


def load_ports(home):
    """Return the ports of this cluster, picked once."""
    path = home / "ports.json"
    if not path.exists():
        path.write_text(json.dumps(pick_ports(), indent=1))
    return json.loads(path.read_text())


def pick_ports():
    free = (port for port in random.sample(PORT_RANGE, len(PORT_RANGE)) if port_is_free(port))
    return dict(zip(PORTS, free))


def port_is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def configure(home, ports, java_home, archive):
    conf = home / "conf"
    options = list(JAVA_OPTIONS)
    if archive.exists():
        # A rejected archive must not be reported on stdout, which is data.
        options += ["-XX:SharedArchiveFile=%s" % archive, "-Xlog:disable"]
    values = dict(
        ports,
        home=home,
        conf=conf,
        user=USER,
        lib=home / "share" / "hadoop" / "lib",
        java_home=java_home,
        java_options=" ".join(options),
        task_path=task_path(),
    )
    # The daemons refuse to start without the pages of their web servers.
    for name in "hdfs", "datanode":
        (conf / "webapps" / name).mkdir(parents=True, exist_ok=True)
    for template in (SOURCE / "conf").iterdir():
        (conf / template.name).write_text(render(template.read_text(), values))
    (home / "bin").mkdir(exist_ok=True)
    shutil.copy(SOURCE / "bin" / "hadoop", home / "bin" / "hadoop")


def render(template, values):
    return string.Template(template).substitute(values)


def format_hdfs(home):
    if (home / "dfs" / "name" / "current" / "VERSION").exists():
        return
    say("Formatting HDFS ...")
    # Data blocks of another file system would be refused by the new one.
    shutil.rmtree(home / "dfs", ignore_errors=True)
    done = hadoop(home, DAEMONS["namenode"], "-format", "-nonInteractive")
    if done.returncode:
        raise ClusterError("HDFS could not be formatted:\n%s" % tail(done.stdout))


def make_archive(home, archive):
    """Archive the loaded classes of every kind of process of a job.

    A JVM then maps them instead of reading and verifying them from the jars,
    which is most of the time of a tiny job.
    """
    lists = home / "tmp" / "classes"
    shutil.rmtree(lists, ignore_errors=True)
    lists.mkdir(parents=True)
    record = "-XX:DumpLoadedClassList=%s/%%p" % lists
    work = "/tmp/class-data-archive"
    (streaming,) = (home / "share/hadoop/tools/lib").glob("*.jar")
    sample = lists.parent / "sample"
    sample.write_text("one line\n")
    for args in (
        ("fs", "-mkdir", "-p", work),
        ("fs", "-put", "-f", str(sample), work + "/in"),
        (
            "jar",
            str(streaming),
            "-D",
            "mapreduce.job.reduces=1",
            "-D",
            "yarn.app.mapreduce.am.command-opts=-Xmx256m " + record,
            "-D",
            "mapreduce.map.java.opts=-Xmx256m " + record,
            "-D",
            "mapreduce.reduce.java.opts=-Xmx256m " + record,
            "-files",
            str(sample),
            "-input",
            work + "/in",
            "-output",
            work + "/out",
            "-mapper",
            "cat",
            "-reducer",
            "cat",
        ),
        ("fs", "-ls", "-R", work),
        ("fs", "-cat", work + "/out/*"),
        ("fs", "-rm", "-R", "-f", "-skipTrash", work),
    ):
        done = hadoop(home, *args, HADOOP_OPTS=record)
        if done.returncode:
            raise ClusterError("the first job failed (its logs are in %s):\n%s" % (home / "logs", tail(done.stdout)))
    names = {name for path in lists.iterdir() for name in path.read_text().splitlines()}
    merged = lists.parent / "classes.lst"
    merged.write_text("\n".join(sorted(names)) + "\n")
    done = hadoop(
        home,
        "org.apache.hadoop.util.RunJar",
        HADOOP_OPTS=("-Xshare:dump -XX:SharedClassListFile=%s -XX:SharedArchiveFile=%s" % (merged, archive)),
    )
    (home / "logs" / "archive.log").write_text(done.stdout)
    shutil.rmtree(lists)
    if not archive.exists():
        say("This Java makes no class-data archive: jobs start slower.")


# -- daemons ----------------------------------------------------------------


def task_path():
    """Tasks do not inherit a PATH: bash gives the container its own. Their
    python3 is the Python that starts the cluster, with what is installed there."""
    return os.pathsep.join([os.path.dirname(sys.executable), "/usr/local/bin", "/usr/bin", "/bin"])


def daemon_environment(home):
    """The whole environment of the daemons, which must not depend on the shell
    from which the cluster was started."""
    return {
        "PATH": task_path(),
        "LANG": "C.UTF-8",
        "HADOOP_HOME": str(home),
        "HADOOP_CONF_DIR": str(home / "conf"),
        "HADOOP_USER_NAME": USER,
        "HADOOP_OPTS": "-Djava.io.tmpdir=%s" % (home / "tmp"),
    }


def start(home, ports):
    for name in "logs", "tmp":
        (home / name).mkdir(exist_ok=True)
    # The sockets of a daemon close a moment after the daemon has ended.
    deadline = time.monotonic() + PORT_SECONDS
    for name, port in ports.items():
        while not port_is_free(port):
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            raise ClusterError("port %d (%s) is in use: delete %s to pick other ports." % (port, name, home / "ports.json"))
    say("Starting HDFS and YARN ...")
    started = {}
    for name, main_class in DAEMONS.items():
        with open(log_of(home, name), "w") as log:
            started[name] = subprocess.Popen(
                [str(home / "bin" / "hadoop"), main_class],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=daemon_environment(home),
                cwd=str(home),
            )
        pid_file(home, name).write_text("%d\n" % started[name].pid)
    wait_until_ready(home, ports, started)


def wait_until_ready(home, ports, started):
    deadline = time.monotonic() + READY_SECONDS
    while not (hdfs_is_ready(ports) and yarn_is_ready(ports)):
        for name, process in started.items():
            if process.poll() is not None:
                raise ClusterError("the %s died; the end of its log:\n%s" % (name, tail(log_of(home, name).read_text())))
        if time.monotonic() > deadline:
            raise ClusterError(
                "the cluster is not ready after %d s: look at the logs in %s, "
                "then run down and up again." % (READY_SECONDS, home / "logs")
            )
        time.sleep(0.2)


def hdfs_is_ready(ports):
    """A DataNode has registered and the NameNode has left safe mode."""
    beans = get_json(ports["namenode_http_port"], "/jmx?qry=Hadoop:service=NameNode,name=*")
    values = {}
    for bean in beans.get("beans", ()):
        values.update(bean)
    return values.get("NumLiveDataNodes", 0) >= 1 and values.get("Safemode") == ""


def yarn_is_ready(ports):
    """A NodeManager has registered."""
    metrics = get_json(ports["resourcemanager_http_port"], "/ws/v1/cluster/metrics")
    return metrics.get("clusterMetrics", {}).get("activeNodes", 0) >= 1


def get_json(port, path):
    # Loopback is never reached through a proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open("http://127.0.0.1:%d%s" % (port, path), timeout=5) as answer:
            return json.load(answer)
    except (OSError, ValueError):
        return {}


def stop(home):
    pids = {name: pid_of(home, name) for name in reversed(list(DAEMONS))}
    for sent in signal.SIGTERM, signal.SIGKILL:
        for name, pid in pids.items():
            if pid_of(home, name):
                os.kill(pid, sent)
        deadline = time.monotonic() + STOP_SECONDS
        while any(pid_of(home, name) for name in pids):
            if time.monotonic() > deadline:
                break
            time.sleep(0.1)
    for name in pids:
        if pid_of(home, name):
            raise ClusterError("the %s (pid %d) does not stop." % (name, pids[name]))
        with contextlib.suppress(FileNotFoundError):
            pid_file(home, name).unlink()


def pid_of(home, name):
    """Return the process id of a running daemon of this cluster, or None."""
    try:
        pid = int(pid_file(home, name).read_text())
    except (FileNotFoundError, ValueError):
        return None
    # The number may belong to an unrelated process by now.
    command = command_of(pid)
    mine = "%s/" % home in command and DAEMONS[name] in command
    return pid if mine else None


def command_of(pid):
    """Return the command line of a live process, '' if there is none."""
    proc = Path("/proc")
    if (proc / "self" / "cmdline").exists():
        try:
            data = (proc / str(pid) / "cmdline").read_bytes()
        except OSError:
            return ""
        return data.replace(b"\0", b" ").decode(errors="replace")
    return subprocess.run(["ps", "-ww", "-p", str(pid), "-o", "args="], stdout=subprocess.PIPE, text=True).stdout


def pid_file(home, name):
    return home / ("%s.pid" % name)


def log_of(home, name):
    return home / "logs" / ("%s.log" % name)


# -- commands of others -----------------------------------------------------


def hadoop(home, *args, **environ):
    command = [str(home / "bin" / "hadoop"), *args]
    try:
        return run(command, timeout=COMMAND_SECONDS, env=dict(daemon_environment(home), **environ))
    except subprocess.TimeoutExpired:
        raise ClusterError(
            '"hadoop %s" did not end in %d s: look at the logs in %s.'
            % (" ".join(args[:2]), COMMAND_SECONDS, home / "logs")
        ) from None


def run(command, **options):
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
    )


def tail(text, lines=15):
    return "\n".join(text.rstrip().splitlines()[-lines:])


if __name__ == "__main__":
    sys.exit(main())
