"""Weighted least squares of a table of any size: exactly in one pass, or by gradient descent.

python drivers/run_wols.py data.csv --target y --features x1,x2 --weight w
python drivers/run_wols.py data.csv --target y --penalty lasso --folds 5 -r hadoop
python drivers/run_wols.py data.csv --target y --diagnostics --cluster customer
python drivers/run_wols.py data.csv --target y --features x1,x2 --group-by shop
python drivers/run_wols.py data.csv --columns y,x,w --target y --weight w --solver gd --learning-rate 0.05,0.5
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from drivers.app import (
    UsageError,
    run_program,
)
from drivers.demonstration import demonstration_regression
from drivers.foresight import Foresight, Phase, wants_foresight
from drivers.grouped.linear import KIND, fit_linear_groups
from drivers.grouped.options import GROUP_OPTIONS, add_group_options, check_group_options
from drivers.linear.descent import Descent, descend
from drivers.linear.exact import fit_exactly
from drivers.linear.gathered import Gathered, from_file, gather
from drivers.linear.options import Settings, add_options, settings_of
from drivers.linear.statistics_file import LinearStatistics
from drivers.linear.subsets import MOST_TERMS
from drivers.model import make_model
from drivers.option_values import list_of, natural, positive
from drivers.options import Parser, build_parser, option_given
from drivers.output_files import check_place
from drivers.packing.cache import Pack
from drivers.role_checks import check_clusters, check_counts, check_folds
from drivers.roles import add_role_options, contents_for, make_design, take_recipe
from drivers.run import Run
from drivers.terminal import groups_result, linear_result
from drivers.trainer import fit_from_python, train_and_tell
from drivers.workspace import Results, Workspace
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.wols_gradient import GRADIENTS
from jobs.mr_wols import MRWOLS

NAME = "wols"
DESCENT_OPTIONS = ("learning_rate", "start", "stop", "tol", "max_iter", "gradient")
ONE_MODEL_OPTIONS = (
    "solver", "folds", "fold_by", "holdout", "penalty", "alphas", "l1_ratio", "choose", "standardize", "positive", "select",
    "criterion", "covariance", "cluster", "diagnostics", "confidence", "refine", "save_statistics", "from_statistics",
)  # fmt: skip
EXACT_OPTIONS = (*ONE_MODEL_OPTIONS[1:], "weight_type", *GROUP_OPTIONS)
# What needs rows, and the place of these options is where the statistics are gathered.
ROW_OPTIONS = (
    "format", "columns", "header", "delimiter", "encoding", "text", "missing_tokens", "max_bad_rows", "missing",
    "sample_rows", "seed", "weight", "id", "folds", "fold_by", "holdout", "cluster", "diagnostics", "refine",
    "weight_type", "save_statistics", "plan", "dry_run", "runner", *GROUP_OPTIONS,
)  # fmt: skip


def make_parser() -> Parser:
    parser = build_parser(MRWOLS, __doc__.splitlines()[0] if __doc__ else None)
    add_role_options(parser)
    group = parser.add_argument_group("solver")
    group.add_argument("--solver", choices=("exact", "gd"), default="exact", help="one pass, or one pass an iteration")
    add_options(parser)
    add_group_options(parser)
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
    settings = settings_of(options)
    check_settings(settings, design, pack)
    if options.group_by is not None:
        # A group's triangle, two rows and five numbers.
        entry_bytes = 8 * (width * (width - 1) // 2 + 2 * (width - 1) + 5)
        return Foresight(design, [Phase("groups", 1, 1)], remarks, bytes_a_key=entry_bytes)
    # Without weights no row counts more than another, and of rows that are counted each copy counts one.
    surely = settings.diagnostics is True
    may_be_uneven = options.weight is not None and settings.weight_type == "analytic"
    perhaps = surely or (settings.diagnostics is None and may_be_uneven)
    phases = [
        Phase("exact", 1, 1),
        Phase("refine", int(settings.refine), 5 * settings.refine, "one, unless the columns are nearly dependent"),
        Phase("residuals", int(surely), int(perhaps), "one if the weights are very uneven"),
    ]
    phases = [phase for phase in phases if phase.at_most]
    return Foresight(design, phases, remarks, 8 * width * width * settings.folds.n_parts)


def train(options: argparse.Namespace) -> tuple[Results, dict[str, Any]]:
    """Gathers, fits, and gives the workspace and the model."""
    check_options(options)
    if options.solver == "gd":
        workspace = Workspace(options, NAME, contents_for(options))
        design = workspace.design()
        return workspace, make_model(NAME, design, *descend(workspace.run, design, descent_of(options)))
    settings = settings_of(options)
    if options.from_statistics is not None:
        results = Results(options, NAME)
        file = LinearStatistics.read(options.from_statistics)
        settings.weight_type = file.weight_type
        gathered = from_file(file, options.target, options.features, options.exclude)
        return results, fit_exactly(gathered, settings, results.warnings, None)
    workspace = Workspace(options, NAME, contents_for(options))
    design = workspace.design()
    check_settings(settings, design, workspace.pack)
    if options.group_by is not None:
        return workspace, fit_linear_groups(workspace.run, design, options.min_rows, settings.weight_type)
    gathered = gather(workspace.run, design, settings.folds)
    if settings.save:
        save_statistics(settings.save, gathered, settings.weight_type, workspace)
    return workspace, fit_exactly(gathered, settings, workspace.warnings, workspace.run)


def check_settings(settings: Settings, design: Design, pack: Pack) -> None:
    """:raises ScanError: what the columns cannot be asked for, told before a pass is spent"""
    if settings.weight_type == "frequency":
        check_counts(design, pack)
    if settings.select == "best" and len(design.features) > MOST_TERMS:
        raise ScanError(
            f"--select best looks through up to {MOST_TERMS} features, and there are {len(design.features)}; name fewer "
            "with --features, or take --select forward"
        )
    if not pack.is_partial:
        check_folds(settings.folds.n_folds, design, pack)
        check_clusters(design, pack)


def save_statistics(path: str, gathered: Gathered, weight_type: str, workspace: Workspace) -> None:
    """Writes what the pass has gathered."""
    fingerprint = workspace.pack.manifest.fingerprint
    LinearStatistics.of(
        gathered.design, gathered.query, gathered.folds, gathered.parts, weight_type, fingerprint
    ).write(path)  # fmt: skip
    workspace.progress.say(f"statistics of the pass  {path}")


def check_options(options: argparse.Namespace) -> None:
    """:raises UsageError: options that make no sense whatever the data"""
    parser = make_parser()
    strange = DESCENT_OPTIONS if options.solver == "exact" else EXACT_OPTIONS
    if given := option_given(parser, options, strange):
        other = "gd" if options.solver == "exact" else "exact"
        raise UsageError(f"{given} belongs to --solver {other}; leave it out, or take that solver")
    check_group_options(parser, options, ONE_MODEL_OPTIONS)
    if options.from_statistics is not None:
        if options.inputs:
            raise UsageError("--from-statistics takes the place of the data; leave one of them out")
        given = option_given(parser, options, ROW_OPTIONS)
        if given is None and options.covariance not in (None, "classical"):
            given = f"--covariance {options.covariance}"
        if given:
            raise UsageError(f"--from-statistics has no rows for {given}; leave one of them out")
    elif options.target is None:
        raise UsageError("name the column to explain with --target")
    if options.save_statistics is not None:
        check_place(options.save_statistics, "the statistics file", options.inputs)


def print_result(model: dict[str, Any], warnings: list[str]) -> None:
    """Prints what was fitted: one model, or many."""
    (groups_result if model["kind"] == KIND else linear_result).print_result(model, warnings)


def descent_of(options: argparse.Namespace) -> Descent:
    """The gradient descent that the options describe."""
    starts = options.start or ["random"]
    return Descent(
        options.learning_rate, starts, options.stop, options.tol, options.max_iter, options.gradient, options.seed
    )


def fit(inputs: Sequence[str] | str = (), **arguments: Any) -> tuple[dict[str, Any], Run | None]:
    """The fit from Python: the options of the command line as keywords; gives the model, as in model.json, and the run.

        model, run = fit("data.csv", target="y", features=["x1", "x2"], weight="w", runner="local")

    The run is None where no pass was made, with from_statistics.

    :raises ScanError: what the program would end with
    """
    return fit_from_python(make_parser(), train, inputs, arguments)


def run(options: argparse.Namespace) -> int:
    if not options.inputs and options.from_statistics is None:
        options.inputs = [demonstration_regression(options.cache_dir, "regression.csv", 1_000_000)]
        options.columns, options.target, options.weight = ["y", "x", "w"], "y", "w"
    take_recipe(options)
    if wants_foresight(options):  # else training checks them
        check_options(options)
    return train_and_tell(options, train, foresee, print_result)


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
