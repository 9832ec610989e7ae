"""One place that sets a runner up: its defaults, where its input lies, and what its errors mean.

Every default here gives way to the user's own switch or mrjob.conf.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import re
import sys
from dataclasses import dataclass
from typing import Any

from drivers.packing.cache import Pack
from drivers.run_directory import RunDirectory
from drivers.runners.hadoop import HadoopFileSystem, block_lines, hadoop_binary, streaming_jar
from drivers.runners.shipping import build_zip
from drivers.terminal.progress import Progress
from jobs.errors import ScanError
from jobs.mrjob_compat import load_opts_from_mrjob_confs

LOCAL_RUNNERS = ("inline", "local")
RUNNERS = ("inline", "local", "hadoop", "spark", "emr")
# What a map task reads: long enough to be worth the seconds that its start takes.
HADOOP_SPLIT_BYTES = 64 << 20
# What chooses numpy's and BLAS' kernels, and with them the last bits.
KERNEL_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE", "MKL_CBWR", "NPY_DISABLE_CPU_FEATURES")
# Java tells of its errors only, unless the user wants more; a task that fails says why in a warning, without which mrjob
# does not show the task's own error. The lines of the Hadoop client are not among these: mrjob reads the application, the
# percent and the counters in them, and only the log of the run gets them.
QUIET_JAVA = {
    "hadoop": {
        "mapreduce.map.log.level": "WARN",
        "mapreduce.reduce.log.level": "WARN",
        "yarn.app.mapreduce.am.log.level": "ERROR",
    },
    "spark": {"spark.log.level": "ERROR"},
}
# What to try, by what the log says.
HINTS = {
    r"No module named 'numpy'": "the Python of the nodes has no numpy; name one that has with --python-bin",
    r"python3?: (?:command )?not found|code 127": "the nodes have no such Python; name one with --python-bin",
    r"Connection refused": "the cluster does not answer; is it up?",
}


@dataclass
class Runner:
    """A runner ready for passes: the arguments every job of the run gets, and the input they read."""

    alias: str
    arguments: list[str]
    inputs: list[str]
    hadoop_binary: str | None = None


def set_up(alias: str, mrjob_args: list[str], pack: Pack, directory: RunDirectory, progress: Progress) -> Runner:
    """Makes a runner ready: private temp space, the code and the blocks where its tasks can reach them."""
    user = Switches(alias, mrjob_args)
    tmp = directory.file("tmp")
    os.makedirs(tmp, mode=0o700, exist_ok=True)
    # A failed job's temp folder holds full copies of its input.
    defaults: dict[str, str | None] = {"--local-tmp-dir": tmp, "--cleanup-on-failure": "TMP"}
    if alias in LOCAL_RUNNERS:
        # The tasks are this Python, where jobs and mrjob are installed and compiled: nothing to ship.
        arguments = user.with_defaults({**defaults, "--no-bootstrap-mrjob": None})
        # Tasks have working folders of their own.
        return Runner(alias, [*arguments, f"--blocks={os.path.abspath(pack.blocks)}"], [os.path.abspath(pack.index)])
    code = directory.file("jobs.zip")
    build_zip(code)
    if alias == "hadoop":
        return _set_up_hadoop(user, defaults, code, pack, progress)
    lines = directory.file("tmp", "blocks.txt")
    with open(lines, "wb") as f:
        f.writelines(block_lines(pack.blocks, pack.index))
    spark = {"--python-bin": sys.executable, "--spark-tmp-dir": tmp} if alias == "spark" else {}
    arguments = user.with_defaults({**defaults, **spark, "--no-bootstrap-mrjob": None})
    jobconf = user.jobconf({"mapreduce.job.reduces": "1", **QUIET_JAVA.get(alias, {})})
    return Runner(alias, [*jobconf, *_kernel_choice(), *arguments, f"--py-files={code}"], [lines])


def _set_up_hadoop(user: Switches, defaults: dict[str, str | None], code: str, pack: Pack, progress: Progress) -> Runner:
    # In mrjob.conf hadoop_bin may be a list of words, whose first is the program.
    given = user.value("--hadoop-bin", "hadoop_bin")
    binary = (given if isinstance(given, str) else given[0]) if given else hadoop_binary()
    files = HadoopFileSystem(binary)
    # Not under /user/<name>, which need not be there, and with its scheme: the default file system may be another.
    home = f"hdfs:///tmp/scanlearn-{os.environ.get('HADOOP_USER_NAME') or getpass.getuser()}"
    pack_name = f"{os.path.basename(pack.folder)}-{pack.manifest.fingerprint}"
    # Sent once and found again by later passes and runs; a pass itself ships only its query and its script.
    n_bytes = os.path.getsize(pack.blocks) * 4 // 3
    with progress.bytes("to HDFS", n_bytes) as advance:
        lines = files.stage(f"{home}/packs/{pack_name}/blocks.txt", block_lines(pack.blocks, pack.index), advance)
    with open(code, "rb") as f:
        content = f.read()
    code_on_hdfs = files.stage(f"{home}/code/{hashlib.sha256(content).hexdigest()[:16]}/jobs.zip", [content])
    arguments = user.with_defaults(
        {
            **defaults,
            "--hadoop-bin": binary,
            "--hadoop-streaming-jar": streaming_jar(binary),
            "--hadoop-tmp-dir": f"{home}/tmp",
            "--no-bootstrap-mrjob": None,
            "--no-check-input-paths": None,
        }
    )
    # Streaming's input format cuts by the number of map tasks asked for, and at HDFS blocks.
    n_maps = -(-n_bytes // HADOOP_SPLIT_BYTES)
    jobconf = user.jobconf({"mapreduce.job.reduces": "1", "mapreduce.job.maps": str(n_maps), **QUIET_JAVA["hadoop"]})
    return Runner("hadoop", [*jobconf, *_kernel_choice(), *arguments, f"--py-files={code_on_hdfs}"], [lines], binary)


class Switches:
    """What the user has set already, by switch or in mrjob.conf."""

    def __init__(self, alias: str, arguments: list[str]) -> None:
        self.alias = alias
        self.arguments = arguments
        self.given = {argument.split("=")[0] for argument in arguments if argument.startswith("-")}
        self.conf = _conf_options(alias, arguments)

    def value(self, switch: str, option: str) -> Any:
        """The user's value of an option, None when there is none."""
        for argument in self.arguments:
            if argument.startswith(switch + "="):
                return argument.partition("=")[2]
        return self.conf.get(option)

    def with_defaults(self, defaults: dict[str, str | None]) -> list[str]:
        """The user's arguments after those of the defaults that the user has not set; a value of None is a flag."""
        chosen = []
        for switch, value in defaults.items():
            is_flag = switch.startswith("--no-") and value is None
            option = switch.removeprefix("--").removeprefix("no-").replace("-", "_")
            positive = "--" + option.replace("_", "-")
            if {switch, positive, f"--no-{positive[2:]}"} & self.given or option in self.conf:
                continue
            if is_flag or value is not None:
                chosen.append(switch if is_flag else f"{switch}={value}")
        return [*chosen, *self.arguments]

    def jobconf(self, defaults: dict[str, str]) -> list[str]:
        """The switches for the defaults that mrjob.conf does not set; a switch of the user's comes later, and wins."""
        names = [name for name in defaults if name not in self.conf.get("jobconf", {})]
        return [word for name in names for word in ("-D", f"{name}={defaults[name]}")]


def _conf_options(alias: str, arguments: list[str]) -> dict:
    """The options that mrjob.conf sets for a runner."""
    if "--no-conf" in arguments:
        return {}
    paths = [a.partition("=")[2] for a in arguments if a.startswith("--conf-path=")]
    paths += [arguments[i + 1] for i, a in enumerate(arguments) if a == "-c"]
    merged: dict = {}
    try:
        for _, options in load_opts_from_mrjob_confs(alias, paths or None):
            merged.update(options)
    except OSError:
        raise
    except Exception as error:  # what a file that is no configuration makes of mrjob and its parser
        named = ", ".join(paths) or os.environ.get("MRJOB_CONF") or "mrjob.conf"
        reason = " ".join(str(error).split())
        raise ScanError(f"{named} is not a configuration of mrjob: {reason[:200]}") from None
    return merged


def _kernel_choice() -> list[str]:
    """What chooses the numeric kernels here is given to the tasks, whose environment is clean: else other bits."""
    return [f"--cmdenv={name}={value}" for name, value in sorted(os.environ.items()) if name.startswith(KERNEL_VARIABLES)]


def explain_failure(error: BaseException, alias: str, log_text: str, log_path: str) -> str:
    """One message for a failed job: the task's own error where the log has it, and where the log is."""
    told = re.findall(r"^(?:[\w.]*\.)?(?:ScanError|BadRecord|BadBlock|BadRow): (.+)$", log_text, re.MULTILINE)
    if told:
        return told[-1]
    raised = re.findall(r"^([A-Z]\w*(?:Error|Exception)(?:: .+)?)$", log_text, re.MULTILINE)
    reason = raised[-1] if raised else _shift_status(str(error))
    hints = [hint for pattern, hint in HINTS.items() if re.search(pattern, log_text)]
    return "\n  ".join([f"the job failed on the runner {alias}: {reason}", *hints, f"the whole story is in {log_path}"])


def _shift_status(message: str) -> str:
    """mrjob shows the whole command, and the raw wait status: 256 is exit status 1."""
    message = re.sub(r"Command '.*' returned", "the command returned", message, flags=re.DOTALL)

    def shifted(match: re.Match[str]) -> str:
        status = int(match.group(2))
        return f"{match.group(1)}{status >> 8 if status >= 256 else status}"

    return re.sub(r"((?:exit status|return code) )(\d+)", shifted, message)


def check_runner(alias: str | None) -> None:
    """:raises ScanError: an unknown runner"""
    if alias is not None and alias not in RUNNERS:
        raise ScanError(f"-r {alias}: the runners are {', '.join(RUNNERS)}")
