"""Where an evaluation works: a run directory like any other, whose result is evaluation.json and no model."""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

from drivers.run_directory import LOG, OPTIONS
from drivers.workspace import Workspace
from jobs.records import readable

EVALUATION = "evaluation.json"
PROGRAM = os.path.join("drivers", "evaluate.py")


class EvaluationWorkspace(Workspace):
    """A workspace whose result is no model."""

    def finish(self, result: dict[str, Any], print_result: Callable[..., None] | None) -> None:
        """Writes the evaluation and the report, prints the result unless `print_result` is None, says where it all lies."""
        result = {**result, "warnings": self.all_warnings()}
        self.directory.write_json(EVALUATION, result)
        if print_result and self.options.json:
            print(json.dumps(readable(result), allow_nan=False))
        elif print_result:
            print_result(result)
        sys.stdout.flush()
        self.close()
        self.progress.say(f"result  {os.path.relpath(self.directory.file(EVALUATION))}")
        if self.options.report:
            self._write_report(result)
        self._forget_standard_input()
        self.directory.close()

    def _write_report(self, result: dict[str, Any]) -> None:
        """Writes the report; one that fails is told and takes nothing from the result."""
        from drivers.report.evaluation import write_report

        saved = self.directory.read_json(OPTIONS)
        self.directory.write_json(OPTIONS, {**saved, "program": saved.get("program") or PROGRAM})
        try:
            self.progress.say(f"report  {os.path.relpath(write_report(self.directory, self.pack, result))}")
        except Exception as error:
            with open(self.directory.file(LOG), "a", encoding="utf-8") as log:
                traceback.print_exc(file=log)
            print(f"the report could not be made ({error}); the log is {log.name}", file=sys.stderr)
