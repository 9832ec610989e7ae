"""Logistic regression of a table of any size, of two classes or more, by a few passes of Newton's method.

python drivers/run_logistic.py data.csv --target y --features x1,x2
python drivers/run_logistic.py data.csv --target y --penalty ridge --folds 5 -r hadoop
python drivers/run_logistic.py data.csv --target species --class-weight balanced
python drivers/run_logistic.py data.csv --target bought --features price,visits --group-by shop
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from drivers.app import UsageError, run_program
from drivers.demonstration import demonstration_glm
from drivers.foresight import Foresight
from drivers.glm.fit import fit_glm
from drivers.glm.options import Settings, add_options, check_groups, common_settings
from drivers.glm.plan import check_rows, foresight_of_groups, phases_of
from drivers.grouped.glm import KIND, fit_glm_groups
from drivers.option_values import items
from drivers.options import Parser, build_parser
from drivers.packing.cache import Pack
from drivers.roles import add_role_options, make_design
from drivers.run import Run
from drivers.terminal import glm_result, groups_result
from drivers.trainer import fit_from_python, train_and_tell, train_on_rows
from drivers.workspace import Results
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.families import BINOMIAL, LOGIT
from jobs.mr_glm import MRGLM

NAME = "logistic"
MOST_CLASSES = 100


def make_parser() -> Parser:
    parser = build_parser(MRGLM, __doc__.splitlines()[0] if __doc__ else None)
    add_role_options(parser)
    parser.set_defaults(target_is_class=True)
    group = parser.add_argument_group("classes")
    group.add_argument(
        "--class-weight", type=class_weight, metavar="balanced|NAME=W,...",
        help="what rows of a class count besides; balanced: so much that every class counts the same",
    )  # fmt: skip
    add_options(
        parser,
        "log-loss summed over rows + alpha (l1_ratio |b| + (1 - l1_ratio) |b|^2 / 2), alpha is scikit-learn's 1 / C",
    )
    return parser


def class_weight(text: str) -> str | dict[str, float]:
    """balanced, or the weights of classes by their names."""
    if text == "balanced":
        return text
    found = {}
    for item in items(text):
        name, _, weight = item.rpartition("=")
        try:
            found[name] = float(weight)
        except ValueError:
            found[name] = -1.0
        if not name or not 0 <= found[name] < float("inf"):
            raise argparse.ArgumentTypeError(f"{item!r} is no weight of a class; write NAME=WEIGHT, or balanced")
    return found


def settings_of(options: argparse.Namespace) -> Settings:
    """
    :raises UsageError: options that make no sense whatever the data
    """
    if options.target is None:
        raise UsageError("name the column of the classes with --target")
    check_groups(make_parser(), options, ("class_weight",))
    return Settings(BINOMIAL, LOGIT, class_weight=options.class_weight, **common_settings(options))


def classes_of(design: Design) -> list[str]:
    """The classes, by the numbers that the design gives them.

    :raises ScanError: one class alone, or more than a model is made for
    """
    assert design.target is not None
    classes = design.categories[design.target]
    if len(classes) > MOST_CLASSES:
        raise ScanError(
            f"the target {design.target!r} has {len(classes):,} classes, more than {MOST_CLASSES}; a target of numbers is "
            "for drivers/run_glm.py or drivers/run_wols.py"
        )
    return classes


def prepare(options: argparse.Namespace) -> None:
    """A class is a text, whatever it looks like."""
    if options.target is not None and options.target not in options.text:
        options.text = [*options.text, options.target]


def foresee(options: argparse.Namespace, pack: Pack) -> Foresight:
    """The design of the run and its passes."""
    settings = settings_of(options)
    design, remarks = make_design(options, pack)
    check_rows(settings, design, pack)
    classes = classes_of(design)
    if design.group is not None:
        return foresight_of_groups(settings, design, remarks)
    phases, n_bytes = phases_of(settings, design, len(classes))
    return Foresight(design, phases, remarks, n_bytes)


def train(options: argparse.Namespace) -> tuple[Results, dict[str, Any]]:
    """Packs, fits, and gives the workspace and the model."""
    settings = settings_of(options)
    prepare(options)

    def fit(run: Run, design: Design) -> dict[str, Any]:
        check_rows(settings, design, run.pack)
        if design.group is not None:
            return fit_glm_groups(run, design, settings, classes_of(design), options.min_rows)
        return fit_glm(run, design, settings, classes_of(design))

    return train_on_rows(options, NAME, fit)


def print_result(model: dict[str, Any], warnings: list[str]) -> None:
    """Prints what was fitted: one model, or many."""
    (groups_result if model["kind"] == KIND else glm_result).print_result(model, warnings)


def fit(inputs: Sequence[str] | str, **arguments: Any) -> tuple[dict[str, Any], Run | None]:
    """The fit from Python: the options of the command line as keywords; gives the model, as in model.json, and the run.

        model, run = fit("data.csv", target="y", penalty="ridge", alphas=[1.0], runner="local")

    :raises ScanError: what the program would end with
    """
    return fit_from_python(make_parser(), train, inputs, arguments)


def run(options: argparse.Namespace) -> int:
    if not options.inputs:
        options.inputs = [demonstration_glm(options.cache_dir, BINOMIAL)]
        options.target = options.target or "y"
    prepare(options)
    return train_and_tell(options, train, foresee, print_result)


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
