"""The files of a cluster, by its `hadoop` command."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from drivers.runners.hadoop.command import PRIVATE, SETTINGS, call, client_environment, complaint_of, explained

Advance = Callable[[int], None]  # told the bytes of each piece that is on its way
PRIVATELY = [word for name, value in PRIVATE.items() for word in ("-D", f"{name}={value}")]


class HadoopFileSystem:
    """The file operations of the drivers, one client call each but for `put`, which takes two.

    environment: what of the environment is other than here
    """

    def __init__(self, binary: str, environment: Mapping[str, str] | None = None) -> None:
        self.binary, self.environment = binary, environment or {}

    def present(self, paths: Sequence[str]) -> set[str]:
        """Those of the paths at which there is something.

        :raises ScanError: a cluster that does not answer, or does not let this user look
        """
        done = self._fs([*SETTINGS, "-ls", "-d", "-C", *paths])
        lines = done.stderr.decode("utf-8", "replace").splitlines()
        wrong = [line for line in lines if re.match(r"ls: ", line) and "No such file" not in line]
        found = set(done.stdout.decode("utf-8", "replace").splitlines())
        if wrong or (done.returncode and not found and not any("No such file" in line for line in lines)):
            raise explained(paths[0], complaint_of(done.stderr))
        return {path for path in paths if path in found}

    def inside(self, *folders: str) -> list[str]:
        """The paths of what lies in folders, those that are there.

        :raises ScanError: a cluster that does not answer, or does not let this user look
        """
        there = sorted(self.present(folders))
        listed = self._must([*SETTINGS, "-ls", "-C", *there], there[0]) if there else b""
        return listed.decode("utf-8", "replace").splitlines()

    def make_folders(self, *paths: str) -> None:
        """Makes folders that only this user may look into, and those around them, where they are not there.

        :raises ScanError: one that could not be made
        """
        self._must([*SETTINGS, *PRIVATELY, "-mkdir", "-p", *paths], paths[0])

    def put(self, source: Iterable[bytes], path: str, on_the_way: str, advance: Advance = lambda n_bytes: None) -> None:
        """Streams bytes into a new file that only this user may read; it has its name when it is whole.

        :param path: in a folder that is there
        :param on_the_way: the file that it is until then, in a folder that is there; it stays when something goes wrong
        :raises ScanError: a file that could not be written
        """
        process = subprocess.Popen(
            [self.binary, "fs", *SETTINGS, *PRIVATELY, "-put", "-f", "-", on_the_way],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, env=client_environment(self.environment),
        )  # fmt: skip
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
            raise
        message = process.stderr.read() if process.stderr else b""
        if process.wait() != 0:
            raise explained(path, complaint_of(message))
        moved = self._fs([*SETTINGS, "-mv", on_the_way, path])
        # Another run may have brought the same file meanwhile.
        if moved.returncode != 0 and not self.present([path]):
            raise explained(path, complaint_of(moved.stderr))

    def lines(self, pattern: str) -> Iterator[bytes]:
        """The lines of the files that match a pattern, as they come.

        :raises ScanError: when there is none, or one cannot be read
        """
        command = [self.binary, "fs", *SETTINGS, "-cat", pattern]
        with tempfile.TemporaryFile() as errors:  # a pipe that nobody reads would stop a command that complains much
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
                env=client_environment(self.environment),
            )  # fmt: skip
            assert process.stdout is not None
            try:
                yield from process.stdout
                if process.wait() != 0:
                    errors.seek(0)
                    raise explained(pattern, complaint_of(errors.read()), "read")
            finally:
                process.kill()
                process.wait()
                process.stdout.close()

    def remove(self, *paths: str) -> bool:
        """Removes what is there, and all in it; False where there was nothing.

        :raises ScanError: what could not be removed
        """
        return b"Deleted" in self._must([*SETTINGS, "-rm", "-r", "-f", "-skipTrash", *paths], paths[0])

    def _must(self, arguments: list[str], path: str) -> bytes:
        done = self._fs(arguments)
        if done.returncode != 0:
            raise explained(path, complaint_of(done.stderr))
        return done.stdout

    def _fs(self, arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
        return call(self.binary, ["fs", *arguments], self.environment)
