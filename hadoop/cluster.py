"""A one-machine Hadoop: HDFS, YARN and MapReduce with one daemon of each kind.

    python hadoop/cluster.py up
    eval "$(python hadoop/cluster.py env)"
    python hadoop/cluster.py down

Everything lies in one directory, by default .hadoop at the repository root, which is laid out as a Hadoop installation and
is its HADOOP_HOME. To see what becomes of a job when a part of the cluster fails:

    python hadoop/cluster.py stop datanode --at-once
    python hadoop/cluster.py start datanode
"""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import daemons
from daemons import DAEMONS, MASTERS, USER, ClusterError, load_ports, locked, pid_of, say

# isort: split
from build import SOURCE, check_home, configure, copy_jars, find_java, format_hdfs, make_archive

DEFAULT_HOME = SOURCE.parent / ".hadoop"


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    home = Path(args.home).resolve()
    try:
        if args.command == "up":
            up(home)
        elif args.command == "down":
            down(home, purge=args.purge)
        elif args.command == "status":
            return status(home)
        elif args.command == "start":
            start(home, args.daemon)
        elif args.command == "stop":
            stop(home, args.daemon, at_once=args.at_once)
        else:
            print(exports(home))
    except ClusterError as error:
        print(f"cluster.py: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(prog="cluster.py", description="A one-machine Hadoop.")
    commands = result.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in (
        ("up", "build what is missing, start the daemons and wait"),
        ("down", "stop the daemons and keep the data"),
        ("status", "say which daemons run"),
        ("env", "print the export lines for a shell"),
        ("start", "start one daemon and wait until it is in service"),
        ("stop", "stop one daemon and wait until it is gone"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--home", metavar="DIR", default=DEFAULT_HOME, help="state directory. Default: %(default)s")
        if name == "down":
            command.add_argument("--purge", action="store_true", help="also delete the state directory")
        if name in ("start", "stop"):
            command.add_argument("daemon", choices=DAEMONS, metavar="NAME", help=", ".join(DAEMONS))
        if name == "stop":
            command.add_argument("--at-once", action="store_true", help="as a crash would, by SIGKILL")
    return result


def up(home: Path) -> None:
    """Builds what is missing and starts all daemons.

    :raises ClusterError: what the user must mend first; a daemon that does not start
    """
    if all(pid_of(home, name) for name in DAEMONS):
        say("The cluster is up already.\n" + usage(home))
        return
    check_home(home)
    java_home, java_version = find_java()
    started = time.monotonic()
    with locked(home):
        copy_jars(home)
        ports = load_ports(home)
        archive = home / f"classes-{java_version}.jsa"
        configure(home, ports, java_home, archive)
        # A cluster without one of its daemons starts anew: the others would count on it for ten minutes.
        daemons.stop(home)
        format_hdfs(home)
        say("Starting HDFS and YARN ...")
        daemons.start(home, ports)
        if not archive.exists():
            say("Making the class-data archive from a first tiny job ...")
            make_archive(home, archive)
            configure(home, ports, java_home, archive)
    say(f"Up after {time.monotonic() - started:.0f} s.\n{usage(home)}")


def down(home: Path, purge: bool = False) -> None:
    """Stops all daemons; `purge` deletes their directory too.

    :raises ClusterError: a daemon that does not stop; a directory that is none of a cluster
    """
    running = [name for name in DAEMONS if pid_of(home, name)]
    if running:
        with locked(home):
            daemons.stop(home)
        say(f"Stopped {', '.join(running)}.")
    else:
        say("Nothing runs.")
    if purge and home.exists():
        if not (home / "conf").is_dir():
            raise ClusterError(f"{home} does not look like the directory of a cluster: delete it by hand.")
        shutil.rmtree(home)
        say(f"Deleted {home}.")


def start(home: Path, name: str) -> None:
    """Starts one daemon of a cluster that has been up.

    :raises ClusterError: one that does not start, or whose master is down
    """
    check_built(home)
    if pid_of(home, name):
        say(f"The {name} runs already.")
        return
    master = MASTERS.get(name)
    if master and not pid_of(home, master):
        raise ClusterError(f"the {master} is down: start it before the {name}.")
    with locked(home):
        daemons.start(home, load_ports(home), [name])
    say(f"The {name} is in service.")


def stop(home: Path, name: str, at_once: bool = False) -> None:
    """Stops one daemon; the others stay, and go on as they would after its failure.

    :raises ClusterError: one that does not stop
    """
    if not pid_of(home, name):
        say(f"The {name} does not run.")
        return
    with locked(home):
        daemons.stop(home, [name], at_once)
    say(f"The {name} is gone.")


def status(home: Path) -> int:
    """Says what runs, and where; the exit status is 1 unless everything does."""
    pids = {name: pid_of(home, name) for name in DAEMONS}
    for name, pid in pids.items():
        print(f"{name:<16} {f'pid {pid}' if pid else 'down'}")
    if not all(pids.values()):
        return 1
    ports = load_ports(home)
    print(f"HDFS             hdfs://127.0.0.1:{ports['namenode_port']}")
    print(f"NameNode page    http://127.0.0.1:{ports['namenode_http_port']}")
    print(f"Jobs page        http://127.0.0.1:{ports['resourcemanager_http_port']}")
    return 0


def check_built(home: Path) -> None:
    """:raises ClusterError: a directory in which no cluster has been up"""
    if not (home / "bin" / "hadoop").exists():
        raise ClusterError(f'there is no Hadoop in {home}: run "python hadoop/cluster.py up" first.')


def exports(home: Path) -> str:
    """The lines that give a shell this Hadoop."""
    check_built(home)
    return f"export HADOOP_HOME={shlex.quote(str(home))}\nexport HADOOP_USER_NAME={USER}"


def usage(home: Path) -> str:
    return f"To use it from a shell:\n\n{exports(home)}\n"


if __name__ == "__main__":
    sys.exit(main())
