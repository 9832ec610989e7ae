"""What the one-machine Hadoop is made of: the jars, the configuration, the file system and the archive of classes."""

from __future__ import annotations

import os
import re
import shutil
import socket
import string
import subprocess
from collections.abc import Mapping
from pathlib import Path

from daemons import DAEMONS, USER, ClusterError, hadoop, run, say, tail, task_path

SOURCE = Path(__file__).resolve().parent

# Java 23 removed what Hadoop 3.4 uses to find the current user.
JAVA_VERSIONS = range(17, 23)
JAVA_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.net.preferIPv4Stack=true",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
)


def check_home(home: Path) -> None:
    """:raises ClusterError: a directory whose path Hadoop cannot take; a machine whose name is unknown"""
    if re.search(r'[\s:,*&<$"\'\\]', str(home)):
        raise ClusterError(f"the path {home} holds a character that Hadoop splits paths at: choose another with --home.")
    try:
        socket.gethostbyname(socket.gethostname())
    except OSError:
        raise ClusterError(
            f"the name of this machine, {socket.gethostname()}, does not resolve: add it to the "
            "127.0.0.1 line of /etc/hosts."
        ) from None


def find_java(environ: Mapping[str, str] = os.environ) -> tuple[str, str]:
    """The home and the full version of the Java to use.

    :raises ClusterError: when there is none, or none that Hadoop runs on
    """
    java = "java"
    if environ.get("JAVA_HOME"):
        java = str(Path(environ["JAVA_HOME"], "bin", "java"))
    try:
        shown = subprocess.run([java, "-XshowSettings:properties", "-version"], stderr=subprocess.PIPE, text=True).stderr
        settings = dict(re.findall(r"^ +(java\.\S+) = (.*)$", shown, re.M))
        home, version = settings["java.home"], settings["java.version"]
    except (OSError, KeyError):
        raise ClusterError(f"no Java at {java}: install Java 17, or set JAVA_HOME.") from None
    major = int(re.split(r"\D", version.removeprefix("1."))[0])
    if major not in JAVA_VERSIONS:
        raise ClusterError(
            f"Hadoop 3.4 runs here on Java {JAVA_VERSIONS[0]} to {JAVA_VERSIONS[-1]}, and {java} is Java {version}: set "
            "JAVA_HOME to a supported one."
        )
    return home, version


def copy_jars(home: Path) -> None:
    """Copies the jars that pom.xml names, once for each content of it.

    :raises ClusterError: without Maven, or when it cannot fetch them
    """
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
        f"-DoutputDirectory={share / 'lib'}",
    ]
    # Without the network first: the local repository is faster and enough from the second time on.
    if run([*command, "--offline"]).returncode:
        done = run(command)
        if done.returncode:
            raise ClusterError(f"Maven could not fetch the jars of Hadoop:\n{tail(done.stdout)}")
    # Where mrjob and other tools look for it.
    (streaming,) = (share / "lib").glob("hadoop-streaming-*.jar")
    tools = share / "tools" / "lib"
    tools.mkdir(parents=True)
    (tools / streaming.name).symlink_to(Path("..", "..", "lib", streaming.name))
    stamp.write_text(pom)


def configure(home: Path, ports: Mapping[str, int], java_home: str, archive: Path) -> None:
    """Writes the configuration and the command."""
    conf = home / "conf"
    options = list(JAVA_OPTIONS)
    if archive.exists():
        # A rejected archive must not be reported on stdout, which is data.
        options += [f"-XX:SharedArchiveFile={archive}", "-Xlog:disable"]
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
        (conf / template.name).write_text(string.Template(template.read_text()).substitute(values))
    (home / "bin").mkdir(exist_ok=True)
    shutil.copy(SOURCE / "bin" / "hadoop", home / "bin" / "hadoop")


def format_hdfs(home: Path) -> None:
    """Makes an empty file system, where there is none.

    :raises ClusterError: when Hadoop cannot
    """
    if (home / "dfs" / "name" / "current" / "VERSION").exists():
        return
    say("Formatting HDFS ...")
    # Data blocks of another file system would be refused by the new one.
    shutil.rmtree(home / "dfs", ignore_errors=True)
    done = hadoop(home, DAEMONS["namenode"], "-format", "-nonInteractive")
    if done.returncode:
        raise ClusterError(f"HDFS could not be formatted:\n{tail(done.stdout)}")


def make_archive(home: Path, archive: Path) -> None:
    """Archives the loaded classes of every kind of process of a job.

    A JVM then maps them instead of reading and verifying them from the jars, which is most of the time of a tiny job.

    :raises ClusterError: when the job that loads them fails
    """
    lists = home / "tmp" / "classes"
    shutil.rmtree(lists, ignore_errors=True)
    lists.mkdir(parents=True)
    record = f"-XX:DumpLoadedClassList={lists}/%p"
    work = "/tmp/class-data-archive"
    (streaming,) = (home / "share/hadoop/tools/lib").glob("*.jar")
    sample = lists.parent / "sample"
    sample.write_text("one line\n")
    jobconf = {
        "mapreduce.job.reduces": "1",
        "yarn.app.mapreduce.am.command-opts": f"-Xmx256m {record}",
        "mapreduce.map.java.opts": f"-Xmx256m {record}",
        "mapreduce.reduce.java.opts": f"-Xmx256m {record}",
    }
    switches = [word for name, value in jobconf.items() for word in ("-D", f"{name}={value}")]
    streams = ["-input", f"{work}/in", "-output", f"{work}/out", "-mapper", "cat", "-reducer", "cat"]
    for arguments in (
        ("fs", "-mkdir", "-p", work),
        ("fs", "-put", "-f", str(sample), f"{work}/in"),
        ("jar", str(streaming), *switches, "-files", str(sample), *streams),
        ("fs", "-ls", "-R", work),
        ("fs", "-cat", f"{work}/out/*"),
        ("fs", "-rm", "-R", "-f", "-skipTrash", work),
    ):
        done = hadoop(home, *arguments, HADOOP_OPTS=record)
        if done.returncode:
            raise ClusterError(f"the first job failed (its logs are in {home / 'logs'}):\n{tail(done.stdout)}")
    names = {name for path in lists.iterdir() for name in path.read_text().splitlines()}
    merged = lists.parent / "classes.lst"
    merged.write_text("\n".join(sorted(names)) + "\n")
    done = hadoop(
        home,
        "org.apache.hadoop.util.RunJar",
        HADOOP_OPTS=f"-Xshare:dump -XX:SharedClassListFile={merged} -XX:SharedArchiveFile={archive}",
    )
    (home / "logs" / "archive.log").write_text(done.stdout)
    shutil.rmtree(lists)
    if not archive.exists():
        say("This Java makes no class-data archive: jobs start slower.")
