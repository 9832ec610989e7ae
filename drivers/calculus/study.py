"""Where a program that reads no data works: its run directory, the result there, and how it is told."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import sys
import traceback
from collections.abc import Callable
from typing import Any, Protocol

from drivers.options import without_directory
from drivers.run_directory import LOG, RunDirectory
from drivers.terminal.display import open_display
from jobs.records import readable

RESULT, REPORT = "result.json", "report.html"


class Result(Protocol):
    """What there is to tell."""

    def to_json(self) -> dict[str, Any]:
        """What result.json holds."""


class Study:
    """The run directory of a result that took no pass; there is nothing to resume."""

    def __init__(self, options: argparse.Namespace, name: str) -> None:
        self.options = options
        program = ["python", os.path.join("drivers", f"run_{name}.py")]
        self.command = shlex.join([*program, *without_directory(options.argv)])
        self.display = open_display(options.quiet, sys.stderr)
        self.directory = RunDirectory.create(options.run_dir, name)
        self.has_result = False
        options.workspace = self

    def finish(
        self,
        result: Result,
        print_result: Callable[[Any], None],
        render: Callable[[Any, RunDirectory, str], str],
    ) -> None:
        """Writes result.json, prints the result, and writes the report with its pictures.

        :param render: (result, directory, command) -> the page, the pictures beside it
        """
        told = readable(result.to_json())
        self.directory.write_json(RESULT, told)
        self.has_result = True
        if self.options.json:
            print(json.dumps(told, allow_nan=False))
        else:
            print_result(result)
        sys.stdout.flush()
        self.display.say(f"result  {os.path.relpath(self.directory.file(RESULT))}")
        if self.options.report:
            self._report(result, render)

    def _report(self, result: Result, render: Callable[[Any, RunDirectory, str], str]) -> None:
        """Writes the report; one that fails is told and takes nothing from the result."""
        try:
            self.directory.write(REPORT, render(result, self.directory, self.command))
            self.display.say(f"report  {os.path.relpath(self.directory.file(REPORT))}")
        except Exception as error:
            with open(self.directory.file(LOG), "a", encoding="utf-8") as log:
                traceback.print_exc(file=log)
            print(f"the report could not be made ({error}); the log is {log.name}", file=sys.stderr)

    def abandon(self) -> None:
        """As `close`, which knows whether there is a result."""

    def close(self) -> None:
        """Lets go of the directory, and removes that of a run which ended before it had a result."""
        self.directory.close()
        if not self.has_result:
            shutil.rmtree(self.directory.path, ignore_errors=True)
            if not self.options.run_dir:
                with contextlib.suppress(OSError):  # other runs lie there
                    os.rmdir(os.path.dirname(self.directory.path))
