"""What the programs that train a model have in common: a plan or a fit, from the command line or from Python."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from drivers.app import NOT_CONVERGED, OK, leaving_nothing_half_done, parse_call
from drivers.foresight import Foresee, look_ahead, wants_foresight
from drivers.model import make_model
from drivers.options import Parser
from drivers.roles import contents_for, take_recipe
from drivers.run import Run
from drivers.runners.execution import one_blas_thread
from drivers.workspace import Results, Workspace
from jobs.design import Design
from jobs.records import readable

# What gathers, fits, and gives the workspace and the model.
Train = Callable[[argparse.Namespace], tuple[Results, dict[str, Any]]]
Print = Callable[[dict[str, Any], list[str]], None]


def train_on_rows(
    options: argparse.Namespace, name: str, fit: Callable[[Run, Design], dict[str, Any]]
) -> tuple[Workspace, dict[str, Any]]:
    """Packs, fits, and gives the workspace and the model.

    :param fit: gives the parts of the model, among them its parameters and its training
    """
    workspace = Workspace(options, name, contents_for(options))
    design = workspace.design()
    parts = fit(workspace.run, design)
    model = make_model(name, design, parts.pop("parameters"), {}, parts.pop("training"))
    return workspace, {**model, **parts}


def train_and_tell(options: argparse.Namespace, train: Train, foresee: Foresee, print_result: Print) -> int:
    """Tells what would happen, where that was asked for, or trains, writes the model and the report, and prints; gives the
    exit status."""
    take_recipe(options)
    if wants_foresight(options):
        return look_ahead(options, contents_for(options), foresee)
    results, model = train(options)
    results.finish(model, print_result)
    return OK if model["training"]["converged"] else NOT_CONVERGED


def fit_from_python(
    parser: Parser, train: Train, inputs: Sequence[str] | str, arguments: dict[str, Any]
) -> tuple[dict[str, Any], Run | None]:
    """The fit with the options of the command line as keywords: the model, as in model.json, and the run, None where no
    pass was made.

    :raises ScanError: what the program would end with
    """
    options = parse_call(parser, inputs, {"quiet": True, **arguments})
    take_recipe(options)
    with leaving_nothing_half_done(options), one_blas_thread():
        results, model = train(options)
        results.finish(model, None)
    return readable(model), results.run if isinstance(results, Workspace) else None
