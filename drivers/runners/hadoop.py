"""Hadoop as the drivers need it: where its parts are, and the pack's lines on its file system, sent once."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable

from jobs.blocks import BlocksFile, block_line
from jobs.errors import ScanError

Advance = Callable[[int], None]  # told the bytes of each piece that is on its way


def hadoop_binary() -> str:
    """$HADOOP_HOME/bin/hadoop, or hadoop on the PATH.

    :raises ScanError: when there is neither
    """
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


class HadoopFileSystem:
    """The few file operations of the drivers, each one client call."""

    def __init__(self, binary: str) -> None:
        self.binary = binary

    def exists(self, path: str) -> bool:
        """Whether a path is there."""
        return subprocess.run([self.binary, "fs", "-test", "-e", path], capture_output=True).returncode == 0

    def stage(self, path: str, source: Iterable[bytes], advance: Advance = lambda n_bytes: None) -> str:
        """Puts a file where it is not there yet, and gives its path."""
        if not self.exists(path):
            self.put(source, path, advance)
        return path

    def put(self, source: Iterable[bytes], path: str, advance: Advance = lambda n_bytes: None) -> None:
        """Streams bytes into a new file that only this user may read; it has its name when it is whole."""
        partial = f"{path}.{os.getpid()}.partial"
        private = ["-D", "fs.permissions.umask-mode=077"]
        self._run([*private, "-mkdir", "-p", os.path.dirname(path)])
        process = subprocess.Popen(
            [self.binary, "fs", *private, "-put", "-f", "-", partial], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdin is not None
        try:
            for piece in source:
                process.stdin.write(piece)
                advance(len(piece))
            process.stdin.close()
        except BrokenPipeError:
            pass  # its exit status and message say why
        except BaseException:
            process.kill()
            process.wait()
            self._run(["-rm", "-f", "-skipTrash", partial], check=False)
            raise
        message = process.stderr.read() if process.stderr else b""
        if process.wait() != 0:
            raise ScanError(f"{path} could not be written: {_last_line(message)}")
        self._run(["-mv", partial, path])

    def _run(self, arguments: list[str], check: bool = True) -> None:
        done = subprocess.run([self.binary, "fs", *arguments], capture_output=True)
        if check and done.returncode != 0:
            raise ScanError(f"hadoop fs {' '.join(arguments)} failed: {_last_line(done.stderr)}")


def kill_application(binary: str, application: str) -> None:
    """Ends a job on YARN; one that has ended already stays as it is."""
    # The yarn command need not be there. In a session of its own, Ctrl-C does not reach it.
    command = [binary, "org.apache.hadoop.yarn.client.cli.ApplicationCLI", "application", "-kill", application]
    subprocess.run(command, capture_output=True, start_new_session=True)


def block_lines(blocks: str, index: str) -> Iterable[bytes]:
    """The lines that hold a pack's blocks themselves, made from its references."""
    file = BlocksFile(blocks)
    try:
        with open(index, "rb") as f:
            for line in f:
                part, number, n_rows, offset, n_bytes = (int(piece) for piece in line.split()[1:])
                yield block_line(part, number, n_rows, file.read_bytes(offset, n_bytes)) + b"\n"
    finally:
        file.close()


def _last_line(message: bytes) -> str:
    lines = message.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "it gave no reason"
