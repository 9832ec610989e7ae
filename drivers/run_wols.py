"""Weighted least squares of a table of any size: exactly in one pass, or by gradient descent.

python drivers/run_wols.py data.csv --target y --features x1,x2 --weight w
python drivers/run_wols.py data.csv --columns y,x,w --target y --weight w -r hadoop
python drivers/run_wols.py data.csv --columns y,x,w --target y --weight w --solver gd --learning-rate 0.05,0.5
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from drivers.app import (
    NOT_CONVERGED,
    OK,
    UsageError,
    Workspace,
    demonstration_data,
    leaving_nothing_half_done,
    parse_call,
    run_program,
)
from drivers.foresight import Foresight, Phase, look_ahead, wants_foresight
from drivers.linear.descent import Descent, descend
from drivers.linear.exact import fit_exactly
from drivers.model import make_model
from drivers.options import Parser, build_parser, list_of, natural, positive, share
from drivers.packing.cache import Pack
from drivers.roles import add_role_options, contents_for, make_design
from drivers.run import Run, one_blas_thread
from drivers.terminal.tables import print_result
from jobs.kernels.wols_gradient import GRADIENTS
from jobs.mr_wols import MRWOLS
from jobs.records import readable

NAME = "wols"


def make_parser() -> Parser:
    parser = build_parser(MRWOLS, __doc__.splitlines()[0] if __doc__ else None)
    add_role_options(parser)
    group = parser.add_argument_group("weighted least squares")
    group.add_argument("--solver", choices=("exact", "gd"), default="exact", help="one pass, or one pass an iteration")
    group.add_argument(
        "--robust", action=argparse.BooleanOptionalAction, default=None,
        help="HC0 standard errors by one more pass; Default: where the effective sample size is below n/100",
    )  # fmt: skip
    group.add_argument("--confidence", type=share, default=0.95, metavar="LEVEL", help="of the intervals")
    descent = parser.add_argument_group("gradient descent (--solver gd)")
    descent.add_argument("--learning-rate", type=list_of(positive), default=[0.05], metavar="RATES", help="one or several")
    descent.add_argument(
        "--start", action="append", metavar="A,B|random",
        help="intercept and slopes to start from; may be given several times; Default: random, uniform on (-3, 3)",
    )  # fmt: skip
    descent.add_argument("--stop", choices=("gradient", "step"), default="gradient", help="what --tol is compared with")
    descent.add_argument("--tol", type=positive, help="Default: 1e-8 of the first gradient, or 1e-5 for --stop step")
    descent.add_argument("--max-iter", type=natural, default=1000, help="passes at most")
    descent.add_argument("--gradient", choices=GRADIENTS, default="weighted", help="classical: a form taught in error")
    return parser


def foresee(options: argparse.Namespace, pack: Pack) -> Foresight:
    """The design of the run and its passes."""
    design, remarks = make_design(options, pack)
    width = len(design.feature_names) + 2
    if options.solver == "gd":
        descent_of(options).candidates(width - 1)
        phases = [Phase("descent", 1, options.max_iter, "until every candidate has converged")]
        return Foresight(design, phases, remarks)
    # Without weights no row counts more than another.
    surely = options.robust is True
    perhaps = surely or (options.robust is None and options.weight is not None)
    phases = [Phase("exact", 1, 1), Phase("robust", int(surely), int(perhaps), "one if the weights are very uneven")]
    return Foresight(design, [phase for phase in phases if phase.at_most], remarks, 8 * width * width)


def train(options: argparse.Namespace) -> tuple[Workspace, dict[str, Any]]:
    """Packs, fits, and gives the workspace and the model."""
    check_options(options)
    workspace = Workspace(options, NAME, contents_for(options))
    design = workspace.design()
    if options.solver == "exact":
        parts = fit_exactly(workspace.run, design, options.robust, options.confidence)
    else:
        parts = descend(workspace.run, design, descent_of(options))
    return workspace, make_model(NAME, design, *parts)


def check_options(options: argparse.Namespace) -> None:
    """:raises UsageError: options that make no sense whatever the data"""
    if options.target is None:
        raise UsageError("name the column to explain with --target")


def descent_of(options: argparse.Namespace) -> Descent:
    """The gradient descent that the options describe."""
    starts = options.start or ["random"]
    return Descent(
        options.learning_rate, starts, options.stop, options.tol, options.max_iter, options.gradient, options.seed
    )


def fit(inputs: Sequence[str] | str, **arguments: Any) -> tuple[dict[str, Any], Run]:
    """The fit from Python: the options of the command line as keywords; gives the model, as in model.json, and the run.

        model, run = fit("data.csv", target="y", features=["x1", "x2"], weight="w", runner="local")

    :raises ScanError: what the program would end with
    """
    options = parse_call(make_parser(), inputs, {"quiet": True, **arguments})
    with leaving_nothing_half_done(options), one_blas_thread():
        workspace, model = train(options)
        workspace.finish(model, None)
    return readable(model), workspace.run


def run(options: argparse.Namespace) -> int:
    if not options.inputs:
        options.inputs = [demonstration_data(options.cache_dir, "regression", 1_000_000)]
        options.columns, options.target, options.weight = ["y", "x", "w"], "y", "w"
    check_options(options)
    if wants_foresight(options):
        return look_ahead(options, contents_for(options), foresee)
    workspace, model = train(options)
    workspace.finish(model, print_result)
    return OK if model["training"]["converged"] else NOT_CONVERGED


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
