"""The `hadoop` command: where its parts are, and the few things that are asked of it, each the start of a Java machine."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from typing import Any

from jobs.errors import ScanError

# A host that drops packets is otherwise waited for 45 times 20 seconds.
SETTINGS = ["-D", "ipc.client.connect.max.retries.on.timeouts=2", "-D", "ipc.client.connect.timeout=10000"]
# To end a job: a ResourceManager that is gone is otherwise waited for a quarter of an hour, and a history server that there
# need not be for half a minute.
BRIEFLY = [
    *("-D", "ipc.client.connect.max.retries=1"),
    *("-D", "ipc.client.connect.max.retries.on.timeouts=0"),
    *("-D", "ipc.client.connect.timeout=10000"),
    *("-D", "yarn.resourcemanager.connect.max-wait.ms=5000"),
    *("-D", "yarn.resourcemanager.connect.retry-interval.ms=2500"),
    *("-D", "yarn.app.mapreduce.client.job.max-retries=0"),
    *("-D", "yarn.app.mapreduce.client.max-retries=1"),
]
# What is written is for this user alone.
PRIVATE = {"fs.permissions.umask-mode": "077"}
# What Hadoop says, as one sentence each; the first that fits.
REASONS = {
    r"GSSException|[Cc]lient cannot authenticate|[Nn]o valid credentials|SIMPLE authentication is not enabled": (
        "{url}: the cluster wants a Kerberos ticket; get one by kinit"
    ),
    r"Permission denied|AccessControlException": "{url} may not be {done} by this user of Hadoop ({reason})",
    r"UnknownHostException": "{url}: there is no host of that name; hdfs:///path is a path on your own cluster",
    r"RPC response|Protocol message|Invalid RPC": "{url}: what answers there is no NameNode; fs.defaultFS names its port",
    r"Incomplete HDFS URI, no host": (
        "{url} names no host, and Hadoop is set up for no cluster; write hdfs://host:port/path, or set HADOOP_CONF_DIR"
    ),
    r"JAVA_HOME|java: (?:command )?not found": (
        "{url}: the hadoop command finds no Java; install Java, or set JAVA_HOME ({reason})"
    ),
    r"ConnectException|Connection refused|Timeout|NoRouteToHost|Failed on local exception|StandbyException|^Interrupted$": (
        "{url}: the cluster does not answer; is it up? ({reason})"
    ),
    r"NameNode is in safe mode|SafeModeException": (
        "{url}: the NameNode is in safe mode; wait until the DataNodes have come"
    ),
    r"could only be (?:written|replicated) to 0|quota of .* exceeded|QuotaExceeded|No space left": (
        "{url}: HDFS has no room for it, or no DataNode ({reason})"
    ),
}

_given: list[str] = []  # by the user


def use_binary(path: str | None) -> None:
    """Makes all that asks Hadoop use this command, the user's own; None: the one that is found."""
    _given[:] = [path] if path else []


def hadoop_binary() -> str:
    """The user's own, $HADOOP_HOME/bin/hadoop, or hadoop on the PATH.

    :raises ScanError: when there is none
    """
    if _given:
        return _given[0]
    for variable in ("HADOOP_PREFIX", "HADOOP_HOME", "HADOOP_INSTALL"):
        path = os.path.join(os.environ.get(variable, ""), "bin", "hadoop")
        if os.environ.get(variable) and os.access(path, os.X_OK):
            return path
    found = shutil.which("hadoop")
    if found is None:
        raise ScanError("-r hadoop needs the hadoop command: set HADOOP_HOME, or give --hadoop-bin")
    return found


def streaming_jar(binary: str) -> str | None:
    """The streaming jar at its usual place beside the binary; None leaves the search to mrjob."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(binary)))
    homes = dict.fromkeys(
        [os.environ.get("HADOOP_HOME", home), home, os.path.dirname(os.path.dirname(os.path.realpath(binary)))]
    )
    for folder in homes:
        found = sorted(glob.glob(os.path.join(folder, "share", "hadoop", "tools", "lib", "hadoop-streaming-*.jar")))
        if found:
            return found[-1]
    return None


def hadoop_version(binary: str) -> str:
    """The version, as in 3.4.2.

    :raises ScanError: a command that does not start, or has no Java
    """
    done = call(binary, ["version"])
    found = re.search(rb"^Hadoop (\S+)", done.stdout, re.MULTILINE)
    if done.returncode or not found:
        raise explained(binary, complaint_of(done.stderr or done.stdout))
    return found[1].decode("ascii", "replace")


def kill_application(binary: str, application: str, environment: Mapping[str, str] | None = None) -> bool:
    """Ends a job on YARN; False where it had ended already, or was never there.

    :raises ScanError: a cluster that does not answer
    """
    # By the way of MapReduce, so that the job removes its own files; the mapred and yarn commands need not be there.
    job = application.replace("application", "job", 1)
    done = call(binary, ["org.apache.hadoop.mapred.JobClient", *BRIEFLY, "-kill", job], environment)
    if done.returncode == 0:
        return True
    # Of a job that has ended, the client asks the history server. It is for YARN to say whether that is so.
    command = ["org.apache.hadoop.yarn.client.cli.ApplicationCLI", "application", *BRIEFLY, "-kill", application]
    done = call(binary, command, environment)
    told = (done.stdout + done.stderr).decode("utf-8", "replace")
    if done.returncode != 0 and "doesn't exist" not in told:
        raise explained(application, exception_in(told), "ended")
    return "Killing" in told


def client_environment(others: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a client, with others than here where there are such; empty ones are not set.

    Under a locale of ASCII, Java would neither take nor give other letters.
    """
    wanted = {**os.environ, "LC_ALL": "C.UTF-8", **(others or {})}
    return {name: value for name, value in wanted.items() if value or name not in (others or {})}


def exception_in(told: str) -> str:
    """The last exception that Java tells of, without where it was thrown; the last line where there is none."""
    lines = [line for line in told.splitlines() if line.strip()] or ["the hadoop command gave no reason"]
    raised = [line for line in lines if re.match(r"(?!\s+at ).*\b[A-Z]\w*(?:Exception|Error)\b", line)]
    return (raised or lines)[-1].removeprefix("Caused by: ").strip()


def complaint_of(errors: bytes) -> str:
    """The line in which a command says why it failed, among warnings and a usage text."""
    lines = [line for line in errors.decode("utf-8", "replace").split("\n") if line] or [
        "the hadoop command gave no reason"
    ]
    own = [match[1] for match in (re.match(r"-?[a-z]+: (.*)", line) for line in lines) if match]
    return next((line for line in own if "No such file" not in line), own[0] if own else lines[-1])


def explained(url: str, complaint: str, done: str = "used") -> ScanError:
    """What a command complained about, as one sentence; `done` says what was tried."""
    if "No such file" in complaint:
        return ScanError(f"no such file: {url}")
    for pattern, sentence in REASONS.items():
        if re.search(pattern, complaint):
            return ScanError(sentence.format(url=url, done=done, reason=complaint.partition("; For more details")[0]))
    return ScanError(f"{url} cannot be {done}: {complaint}")


def call(
    binary: str, arguments: list[str], environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """What a client call gives.

    :raises ScanError: a command that cannot be started
    """
    try:
        # In a session of its own, Ctrl-C does not reach it.
        return subprocess.run(
            [binary, *arguments],
            capture_output=True,
            start_new_session=True,
            env=client_environment(environment),
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        raise ScanError(f"{binary} cannot be started: {error.strerror}") from None


def first_word(command: Any) -> str:
    """The program of a command, which in mrjob.conf may be a list of words."""
    return command if isinstance(command, str) else command[0]
