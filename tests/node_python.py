"""The Python of the nodes: 3.9 with numpy and nothing else, as on EMR 7, so that what is not shipped is missed.

    node = find_node_python()
    node.path       build/node-python-3.9/bin/python3
    str(node)       "Python 3.9.18, made from /usr/bin/python3.9"

It is a virtual environment, made once and kept in build/. Its interpreter is the first of these that runs:
$SCANLEARN_NODE_PYTHON, `python3.9` on the PATH, pyenv's versions. Where there is no 3.9 the running interpreter stands in.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WANTED = (3, 9)
ASK = "import json, sys; print(json.dumps([list(sys.version_info[:3]), sys.executable]))"
# A node has numpy; an mrjob of its own would hide that none was shipped.
CHECK = (
    "import importlib.util, json, numpy, sys;"
    "importlib.util.find_spec('mrjob') and sys.exit(1);"
    "print(json.dumps(sys.version_info[:3]))"
)


@dataclass(frozen=True)
class NodePython:
    """An interpreter for tasks: `path` to run, `version` as (3, 9, 18), and the interpreter it was made from."""

    path: Path
    version: tuple[int, ...]
    source: str

    def __str__(self) -> str:
        return f"Python {'.'.join(map(str, self.version))}, made from {self.source}"


@cache
def find_node_python() -> NodePython:
    """The interpreter of the nodes, made at the first call on this machine; of several processes one makes it.

    :raises RuntimeError: numpy cannot be installed for it
    """
    version, source = _interpreter()
    folder = ROOT / "build" / "node-python-{}.{}".format(*version)
    folder.parent.mkdir(exist_ok=True)
    with open(f"{folder}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = folder / "bin" / "python3"
        if _run(str(python), CHECK) is None:
            _make(folder, source)
        made = _run(str(python), CHECK)
        if made is None:
            raise RuntimeError(f"{python} has no numpy, or has an mrjob of its own; delete {folder}")
        return NodePython(python, tuple(made), source)


def _make(folder: Path, source: str) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    for command in (
        [source, "-m", "venv", str(folder)],
        [str(folder / "bin" / "python3"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "numpy"],
    ):
        outside = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON") and k != "VIRTUAL_ENV"}
        made = subprocess.run(command, capture_output=True, text=True, env=outside)
        if made.returncode != 0:
            raise RuntimeError(f"{' '.join(command)} failed: {made.stderr.strip()[-1000:]}")


def _interpreter() -> tuple[tuple[int, ...], str]:
    """Version and path of the first interpreter of the wanted version that runs, else of this one."""
    given = os.environ.get("SCANLEARN_NODE_PYTHON")
    if given:
        answer = _ask(given)
        if answer is None:
            raise RuntimeError(f"$SCANLEARN_NODE_PYTHON is {given}, which does not run")
        return answer
    return _first_that_runs(WANTED) or (tuple(sys.version_info[:3]), sys.executable)


def find_interpreter(version: tuple[int, int]) -> str | None:
    """An interpreter of a version, None where none runs here."""
    answer = _first_that_runs(version)
    return answer and answer[1]


def _first_that_runs(version: tuple[int, int]) -> tuple[tuple[int, ...], str] | None:
    for candidate in _candidates(version):
        answer = _ask(candidate)
        if answer is not None and answer[0][:2] == version:
            return answer
    return None


def _candidates(version: tuple[int, int]) -> Iterator[str]:
    name = "python{}.{}".format(*version)
    yield name
    # A shim of pyenv on the PATH fails where that version is not chosen; the version itself runs.
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    found = (root / "versions").glob("{}.{}.*/bin/{}".format(*version, name))
    yield from map(str, sorted(found, key=lambda path: [int(n) for n in re.findall(r"\d+", path.parts[-3])], reverse=True))


def _ask(python: str) -> tuple[tuple[int, ...], str] | None:
    """Version and path of an interpreter, None where it does not run."""
    answer = _run(python, ASK)
    return (tuple(answer[0]), answer[1]) if answer else None


def _run(python: str, program: str) -> Any:
    """The JSON that a program prints, None where it or the interpreter fails."""
    try:
        answer = subprocess.run([python, "-I", "-c", program], capture_output=True, text=True, timeout=60)
    except OSError:
        return None
    return json.loads(answer.stdout) if answer.returncode == 0 else None


if __name__ == "__main__":
    print(find_node_python().path, find_node_python(), sep="\n")
