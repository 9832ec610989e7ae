"""A page of the documentation as its tests need it: commands run in order, Python run as one, links, files and options.

page = Page("docs/score.md")
page.run_commands()
page.run_python()
page.assert_links_lead_somewhere()
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence

from tests.conftest import ROOT, run_here

COMMAND = re.compile(r"^ *(python (?:drivers|data_gen)/.*)$", re.MULTILINE)
ON_A_CLUSTER = re.compile(r" -r (hadoop|spark|emr)\b")
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)\)")
FILE = re.compile(r"`((?:tests|jobs|drivers|data_gen|bench)/[\w/]+\.py|Dockerfile)`")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]+")
QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
FOR_A_SHELL = re.compile(r"[^\w\s.,:=/+-]")


class Page:
    """A page by its path in the project, or what stands before some heading of it."""

    def __init__(self, path: str, before: str | None = None) -> None:
        self.path = ROOT / path
        self.text = self.path.read_text(encoding="utf-8")
        if before is not None:
            self.text = self.text[: self.text.index(before)]

    @property
    def commands(self) -> list[str]:
        """The lines that start a driver or a generator, without a cluster."""
        return [line for line in COMMAND.findall(self.text) if not ON_A_CLUSTER.search(line)]

    @property
    def code(self) -> str:
        """Its Python."""
        return "\n".join(CODE.findall(self.text))

    def run_commands(self) -> list[subprocess.CompletedProcess]:
        """Runs its commands one after another, in the folder where the test stands."""
        return run_commands(self.commands)

    def run_python(self) -> None:
        """Runs its Python from top to bottom."""
        exec(compile(self.code, str(self.path), "exec"), {})

    def assert_links_lead_somewhere(self) -> None:
        for target in LINK.findall(self.text):
            assert (self.path.parent / target).exists(), target

    def assert_files_are_there(self) -> None:
        for path in FILE.findall(self.text):
            assert (ROOT / path).exists(), path

    def assert_options_are_known(self, known: str) -> None:
        """:param known: what the programs say of themselves with --help"""
        for option in set(OPTION.findall(self.text)):
            assert re.search(rf"{option}\b(?!-)", known), option


def run_commands(lines: Sequence[str]) -> list[subprocess.CompletedProcess]:
    """Runs commands one after another, as a user types them; each is to end well.

    A program is one of its own the first time, which shows that it starts; once more, it runs in this process.
    """
    started, results = set(), []
    for line in lines:
        _, program, *words = shlex.split(line)
        if program in started and not FOR_A_SHELL.search(QUOTED.sub("", line)):
            done = run_here(ROOT / program, words)
        else:
            script = re.sub(r"\b(drivers|data_gen)/", rf"{ROOT}/\1/", line)
            done = subprocess.run(script, shell=True, capture_output=True, text=True, env=with_this_python())
        assert done.returncode == 0, (line, done.stderr)
        started.add(program)
        results.append(done)
    return results


def with_this_python() -> dict[str, str]:
    """The environment, in which `python` is the one that runs the tests."""
    return {**os.environ, "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])}
