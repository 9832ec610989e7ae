"""The options of penalties and folds, the same for every model that has them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from drivers.app import UsageError
from drivers.linear.penalty import KINDS
from drivers.option_values import list_of, natural, unit

# Where penalties are to be chosen among and no folds are asked for.
DEFAULT_FOLDS = 5


def add_fold_options(parser: argparse.ArgumentParser) -> Any:
    """--folds and --fold-by; gives their group."""
    group = parser.add_argument_group("validation, in the same passes")
    group.add_argument("--folds", type=natural, metavar="K", help="K-fold cross-validation")
    group.add_argument("--fold-by", metavar="NAME", help="rows with the same value of this column share a fold")
    return group


def add_penalty_options(
    parser: argparse.ArgumentParser, alpha: Callable[[str], float], n_alphas: int, error: str, scaling: str = ""
) -> Any:
    """--penalty, --alphas, --l1-ratio, --choose, --standardize; gives their group.

    :param alpha: what one of --alphas may be; n_alphas: how many there are without it
    :param error: what a choice makes least; scaling: what is added to the loss, where that must be said
    """
    group = parser.add_argument_group("penalties, all in the same passes")
    group.add_argument(
        "--penalty", choices=KINDS, default="none",
        help=f"on the coefficients, never on the intercept{': ' * bool(scaling)}{scaling}",
    )  # fmt: skip
    group.add_argument(
        "--alphas", type=lambda text: [] if text == "auto" else list_of(alpha)(text), metavar="auto|LIST",
        help="penalties to choose among by cross-validation, or the one to take; "
        f"Default: auto, {n_alphas} that suit the data",
    )  # fmt: skip
    group.add_argument(
        "--l1-ratio", type=list_of(unit), default=[0.5], metavar="RATIOS", help="of the elastic net; one or several"
    )
    group.add_argument(
        "--choose", choices=("min", "1se"), default="min",
        help=f"the penalty of the least {error}, or the largest within one standard error of it",
    )  # fmt: skip
    group.add_argument(
        "--standardize", action="store_true", help="penalise coefficients times the standard deviation of their feature"
    )
    return group


def check_penalty_options(options: argparse.Namespace) -> None:
    """:raises UsageError: options of a penalty without one, or of another one; folds that leave nothing"""
    penalised = options.penalty != "none"
    if options.alphas is not None and not penalised:
        raise UsageError("--alphas needs a --penalty: ridge, lasso or elastic-net")
    if options.l1_ratio != [0.5] and options.penalty != "elastic-net":
        raise UsageError("--l1-ratio is of --penalty elastic-net; leave it out, or take that penalty")
    if options.standardize and not penalised:
        raise UsageError("--standardize needs a --penalty; without one it would change nothing")
    if options.choose != "min" and not penalised:
        raise UsageError(
            f"--choose {options.choose} chooses among penalties; give a --penalty: ridge, lasso or elastic-net"
        )
    if options.folds is not None and options.folds < 2:
        raise UsageError(f"--folds {options.folds} leaves nothing to train on or to judge by; give 2 or more")


def chooses_penalty(options: argparse.Namespace) -> bool:
    """Whether one of several penalties is to be chosen, which takes folds.

    :raises UsageError: a rule for a choice where there is none
    """
    ratios = options.l1_ratio if options.penalty == "elastic-net" else [1.0]
    chooses = options.penalty != "none" and (not options.alphas or len(options.alphas) * len(ratios) > 1)
    if options.choose != "min" and not chooses:
        raise UsageError(
            f"--choose {options.choose} needs several penalties to choose among; give several --alphas, or none"
        )
    return chooses


def n_folds_of(options: argparse.Namespace, needs_folds: bool) -> int:
    """--folds, or so many as a choice takes; 1 where nothing is validated."""
    return options.folds or (DEFAULT_FOLDS if needs_folds or options.fold_by else 1)
