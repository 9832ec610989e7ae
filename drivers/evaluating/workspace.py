"""Where an evaluation works: a run directory like any other, whose result is evaluation.json and no model."""

from __future__ import annotations

from typing import Any

from drivers.workspace import Workspace


class EvaluationWorkspace(Workspace):
    """A workspace whose result is no model."""

    result = "evaluation.json"

    def _write_report(self, told: dict[str, Any]) -> str:
        from drivers.report.evaluation import write_report

        return write_report(self.directory, self.pack, told)
