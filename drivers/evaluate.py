"""Measures of predictions that stand beside the truth, in one pass, for all rows and for every segment.

python drivers/evaluate.py scores.csv --target y
python drivers/evaluate.py scores.csv --target y --prediction ours,theirs --by region -r local
python drivers/evaluate.py scores.csv --target fraud --cost 1,20 --replicates 1000
python drivers/evaluate.py 'clusters/*.csv' --target kind --features x1,x2
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from drivers.app import OK, leaving_nothing_half_done, parse_call, run_program
from drivers.evaluating import passes
from drivers.evaluating.demonstration import demonstration_scores
from drivers.evaluating.options import Asked, add_options, contents_for, prepare
from drivers.evaluating.printing import print_result
from drivers.evaluating.question import Question, ask
from drivers.evaluating.result import needs_clusters
from drivers.evaluating.workspace import EvaluationWorkspace
from drivers.foresight import Foresight, Phase, look_ahead, wants_foresight
from drivers.options import Parser, build_parser
from drivers.packing.cache import Pack
from drivers.run import Run
from drivers.runners.execution import one_blas_thread
from jobs.mr_evaluate import MREvaluate
from jobs.records import readable

NAME = "evaluate"


def make_parser() -> Parser:
    parser = build_parser(MREvaluate, __doc__.splitlines()[0] if __doc__ else None)
    add_options(parser)
    return parser


def run(options: argparse.Namespace) -> int:
    if not options.inputs:
        options.inputs = [demonstration_scores(options.cache_dir)]
        options.target = options.target or "bought"
    asked = prepare(options)
    if wants_foresight(options):
        return look_ahead(options, contents_for(options, asked), lambda options, pack: foresee(options, asked, pack))
    workspace, result = judge(options, asked)
    workspace.finish(told_of(workspace, result), print_result)
    return OK


def foresee(options: argparse.Namespace, asked: Asked, pack: Pack) -> Foresight:
    """The design of the run and its passes."""
    question = ask(options, asked, pack)
    phases = [Phase("evaluation", 1, 1)]
    if needs_clusters(question):
        phases.append(Phase("silhouettes", 1, 1, "once the means of the clusters are known"))
    return Foresight(question.design, phases, list(question.remarks), question.task_bytes)


def judge(options: argparse.Namespace, asked: Asked) -> tuple[EvaluationWorkspace, dict[str, Any]]:
    """Packs, makes the passes, and gives the workspace and the result."""
    workspace = EvaluationWorkspace(options, NAME, contents_for(options, asked))
    question: Question = ask(options, asked, workspace.pack)
    return workspace, passes.evaluate(workspace.run, question, options)


def evaluate(inputs: Sequence[str] | str, **arguments: Any) -> tuple[dict[str, Any], Run]:
    """The evaluation from Python: the options of the command line as keywords; gives the result, as in evaluation.json, and
    the run.

        result, run = evaluate("scores.csv", target="y", by="region")

    :raises ScanError: what the program would end with
    """
    options = parse_call(make_parser(), inputs, {"quiet": True, **arguments})
    with leaving_nothing_half_done(options), one_blas_thread():
        workspace, result = judge(options, prepare(options))
        told = told_of(workspace, result)
        workspace.finish(told, None)
    return readable(told), workspace.run


def told_of(workspace: EvaluationWorkspace, result: dict[str, Any]) -> dict[str, Any]:
    """The result with what the user must know of it, as in evaluation.json."""
    return {**result, "warnings": workspace.all_warnings()}


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
