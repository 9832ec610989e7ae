"""Files on HDFS: hdfs://[host[:port]]/path, a directory, or a pattern, by the `hadoop` command.

Without a host it is the cluster that Hadoop is set up for. Each call of the command starts a Java machine, a second or two,
so one call lists, one streams, and the first bytes of a file, which are looked at several times, are kept.
"""

from __future__ import annotations

import functools
import io
import re
import subprocess
import tempfile
from typing import Any, BinaryIO, NamedTuple

from drivers.packing.stores.source import Source
from drivers.runners.hadoop.command import SETTINGS, client_environment, complaint_of, explained, hadoop_binary
from jobs.errors import ScanError

HEAD_BYTES = 1 << 17  # kept of each file: what tells its kind and its columns is read several times
HEADS = 512
BUFFER_BYTES = 1 << 20
WILD = re.compile(r"[*?\[{]")  # Hadoop's own patterns: braces are alternatives
HIDDEN = (".", "_")
# Times in milliseconds, so that a file written anew within a minute is another one; `-ls` gives minutes.
FORMAT = "%F\t%b\t%Y\t%n"
LINE = re.compile(r"(regular file|directory|symlink)\t(\d+)\t(\d+)\t(.*)")


class Entry(NamedTuple):
    """A line of a listing; `version` is the time of change in milliseconds."""

    is_file: bool
    size: int
    version: str
    name: str


def find(name: str) -> list[Source]:
    """The files behind a path, a directory or a pattern.

    In a directory, and where a pattern's last part begins with a wildcard, names that begin with "." or "_" are left out,
    as Hadoop does.

    :raises ScanError: when there is none, or one that cannot be read
    """
    cluster, path = _split(name)
    url = cluster + path
    if WILD.search(path):
        found = _matching(cluster, f"{path}*" if path.endswith("/") else path)
        none = f"no file matches {url}"
    else:
        path = path.rstrip("/")
        own, inside = _look(cluster, path)
        shown = [(f"{path}/{entry.name}", entry) for entry in inside if not entry.name.startswith(HIDDEN)]
        found = [(path, own)] if own.is_file else shown
        none = f"the directory {url} holds no files"
    sources = [Source(cluster + path, entry.size, entry.version) for path, entry in found if entry.is_file]
    if not sources:
        raise ScanError(none)
    return sources


def open_stream(source: Source) -> BinaryIO:
    """The bytes of a file, from its beginning.

    :raises ScanError: a file that cannot be read
    """
    return io.BufferedReader(FileStream(source, _head(source)), BUFFER_BYTES)


def version(source: Source) -> str:
    """The file's time of change now, and its size when that is another one."""
    cluster, path = _split(source.path)
    entries, complaint = _stat(cluster + _literal(path))
    if not entries:
        if "No such file" in complaint:
            return "gone"
        raise explained(source.path, complaint, "read")
    return entries[0].version if entries[0].size == source.size else "other size"


class FileStream(io.RawIOBase):
    """The bytes of a file, of which the first ones may be at hand; the command that gives the rest is started when they are
    asked for, and is killed when the stream is closed before its end."""

    def __init__(self, source: Source, head: bytes = b"") -> None:
        self._source, self._head = source, head
        self._position = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: Any = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._head[self._position : self._position + len(buffer)]
        if piece:
            buffer[: len(piece)] = piece
            n_bytes = len(piece)
        elif self._position == self._source.size == len(self._head):
            n_bytes = 0  # all of it was at hand
        else:
            n_bytes = self._receive(buffer)
        self._position += n_bytes
        return n_bytes

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process.stdout.close()  # type: ignore[union-attr]
            self._errors.close()
            self._process = None
        super().close()

    def _receive(self, buffer: Any) -> int:
        """Takes the next bytes from the command; 0 at the end of the file.

        :raises ScanError: a file that cannot be read to its end, or is another one by now
        """
        output = self._output()
        n_bytes = output.readinto(buffer)
        if n_bytes == 0 and len(buffer):
            assert self._process is not None
            if self._process.wait() != 0:
                self._errors.seek(0)
                raise explained(self._source.path, complaint_of(self._errors.read()), "read")
            if self._position != self._source.size:
                raise ScanError(f"{self._source.shown} changed while it was being read; run again when it is complete")
        return n_bytes

    def _output(self) -> Any:
        if self._process is None:
            cluster, path = _split(self._source.path)
            # Into a file: a pipe that nobody reads would stop a command that has much to complain about.
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115
            self._process = _start(self._source.path, ["-cat", cluster + _literal(path)], self._errors)
            self._skip(len(self._head))
        return self._process.stdout

    def _skip(self, n_bytes: int) -> None:
        while n_bytes and (piece := self._process.stdout.read(n_bytes)):  # type: ignore[union-attr]
            n_bytes -= len(piece)


@functools.lru_cache(maxsize=HEADS)
def _head(source: Source) -> bytes:
    # Not -head: it gives 1 KB for the same start of Java, too little to tell delimiter and header by.
    with io.BufferedReader(FileStream(source), HEAD_BYTES) as stream:
        return stream.read(HEAD_BYTES)


def _look(cluster: str, path: str) -> tuple[Entry, list[Entry]]:
    """What lies at a path, and what in it."""
    url = cluster + _literal(path)
    entries, complaint = _stat(url if path else f"{cluster}/", f"{url}/*")
    # Nothing in it, because it is empty or no directory, is a complaint too.
    if not entries or not (entries[0].is_file or "No such file" in complaint or not complaint):
        raise explained(cluster + path, complaint, "read")
    return entries[0], entries[1:]


def _matching(cluster: str, pattern: str) -> list[tuple[str, Entry]]:
    """The paths that match a pattern."""
    entries, complaint = _stat(cluster + pattern)
    if complaint and "No such file" not in complaint:
        raise explained(cluster + pattern, complaint, "read")
    folder, _, last = pattern.rpartition("/")
    paths = [f"{folder}/{entry.name}" for entry in entries]
    if entries and WILD.search(folder):  # a listing with sizes and times to the millisecond names no folders
        done = _run(cluster + pattern, ["-ls", "-d", "-C", cluster + pattern])
        paths = [_split(line)[1] for line in _lines(done.stdout)]
    if [path.rpartition("/")[2] for path in paths] != [entry.name for entry in entries]:
        raise ScanError(f"{cluster}{pattern}: files came or went while they were listed; run again when they are complete")
    hidden = HIDDEN if last[0] in "*?[" else ()
    return [(path, entry) for path, entry in zip(paths, entries) if not entry.name.startswith(hidden)]


def _stat(*urls: str) -> tuple[list[Entry], str]:
    """What is at some URLs or patterns, in their order, and what Hadoop complained about."""
    done = _run(urls[0], ["-stat", FORMAT, *urls])
    found = filter(None, map(LINE.fullmatch, _lines(done.stdout)))
    entries = [Entry(match[1] == "regular file", int(match[2]), match[3], match[4]) for match in found]
    return entries, complaint_of(done.stderr) if done.returncode else ""


def _lines(output: bytes) -> list[str]:
    return [line for line in output.decode("utf-8", "replace").split("\n") if line]


def _split(name: str) -> tuple[str, str]:
    """Scheme and host, and the path from its slash on, of a URL."""
    match = re.match(r"hdfs://([^/]*)/*(.*)\Z", name, re.IGNORECASE | re.DOTALL)
    assert match is not None, name
    return f"hdfs://{match[1]}", f"/{match[2]}"


def _literal(path: str) -> str:
    """A path as the pattern that nothing else matches."""
    return re.sub(r"([*?\[\]{}\\])", r"\\\1", path)


# -- the hadoop command --------------------------------------------------------------------------------------------------


def _start(url: str, arguments: list[str], errors: Any) -> subprocess.Popen[bytes]:
    """Starts `hadoop fs` with these arguments.

    :raises ScanError: when there is no such command
    """
    try:
        binary = hadoop_binary()
    except ScanError:
        raise ScanError(f"{url} needs the hadoop command: set HADOOP_HOME, or put hadoop on the PATH") from None
    command = [binary, "fs", *SETTINGS, *arguments]
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=client_environment(), bufsize=0
        )
    except OSError as error:
        raise ScanError(f"{url}: {binary} cannot be started: {error.strerror}") from None


def _run(url: str, arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
    with _start(url, arguments, subprocess.PIPE) as process:
        try:
            output, errors = process.communicate()
        except BaseException:
            process.kill()
            raise
    return subprocess.CompletedProcess(arguments, process.returncode, output, errors)
