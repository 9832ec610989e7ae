"""The options of generalised linear models, and what they ask for."""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass, field
from typing import Any

from drivers.app import UsageError
from drivers.glm.state import NEWTON, SOLVERS
from drivers.grouped.options import add_group_options, check_group_options
from drivers.linear.options import WEIGHT_TYPES
from drivers.linear.penalty import Penalty
from drivers.linear.penalty_options import (
    add_fold_options,
    add_penalty_options,
    check_penalty_options,
    chooses_penalty,
    n_folds_of,
)
from drivers.option_values import natural, not_negative, positive, share
from jobs.kernels.families import CANONICAL, GAMMA, LOG, NEGATIVE_BINOMIAL
from jobs.kernels.folds import Folds

# Penalties that are tried where none is named.
N_ALPHAS = 10
# What models by group have not.
ONE_MODEL_OPTIONS = (
    "solver", "folds", "fold_by", "l1_ratio", "choose", "standardize", "bounds", "covariance", "cluster", "confidence"
)  # fmt: skip
COVARIANCES = ("classical", "HC0", "HC1", "HC2", "HC3", "cluster")


@dataclass
class Settings:
    """What is asked of a fit.

    alpha: of a negative binomial family; by_mean: see drivers/glm/penalties.py
    alphas: the penalties to choose among, None for those that suit the data; choice: "min" or "1se"
    class_weight: None, "balanced" or the weight of each class; bounds: of every slope
    """

    family: str
    link: str
    alpha: float = 0.0
    by_mean: bool = False
    solver: str = NEWTON
    tol: float = 1e-8
    max_iter: int = 100
    folds: Folds = field(default_factory=Folds)
    penalty: Penalty = field(default_factory=Penalty)
    alphas: list[float] | None = None
    l1_ratios: list[float] = field(default_factory=lambda: [0.5])
    choice: str = "min"
    class_weight: str | dict[str, float] | None = None
    bounds: tuple[float, float] | None = None
    weight_type: str = "analytic"
    level: float = 0.95
    covariance: str = "classical"

    @property
    def is_penalised(self) -> bool:
        """Whether coefficients are shrunk."""
        return self.penalty.kind != "none"


def add_options(parser: argparse.ArgumentParser, scaling: str) -> None:
    """The options that both programs have; scaling: what --alphas is a multiple of."""
    solver = parser.add_argument_group("solver")
    solver.add_argument(
        "--solver", choices=SOLVERS, default=NEWTON,
        help="newton: a few passes; lbfgs, gd: many, for so many features that the square of their number is too large",
    )  # fmt: skip
    solver.add_argument(
        "--tol", type=not_negative, default=1e-8, help="the largest cosine between the residuals and a feature to end with"
    )
    solver.add_argument("--max-iter", type=natural, default=100, help="passes at most")
    penalty = add_penalty_options(parser, positive, N_ALPHAS, "deviance", scaling)
    penalty.add_argument(
        "--bounds", type=_bounds, metavar="LOW,HIGH", help="of every coefficient but the intercept, as in 0,inf"
    )
    add_fold_options(parser)
    add_group_options(parser)
    inference = parser.add_argument_group("inference")
    inference.add_argument(
        "--weight-type", choices=WEIGHT_TYPES, default="analytic", help="weights are inverse variances, or counts of rows"
    )
    inference.add_argument(
        "--covariance",
        choices=COVARIANCES,
        default="classical",
        help="of the coefficients; all but classical by one more pass",
    )
    inference.add_argument("--cluster", metavar="NAME", help="rows with the same value of this column may depend")
    inference.add_argument("--confidence", type=share, default=0.95, metavar="LEVEL", help="of the intervals")


def check_groups(parser: argparse.ArgumentParser, options: argparse.Namespace, others: tuple[str, ...] = ()) -> None:
    """
    :param others: further options that are of one model alone
    :raises UsageError: options that models by group have not
    """
    check_group_options(parser, options, (*ONE_MODEL_OPTIONS, *others))
    if options.group_by is None or options.penalty == "none":
        return
    if options.penalty != "ridge" or len(options.alphas or ()) != 1:
        raise UsageError("--group-by goes with one penalty for all groups: --penalty ridge and one number for --alphas")


def common_settings(options: argparse.Namespace) -> dict[str, Any]:
    """The part of the settings that both programs share.

    :raises UsageError: options that contradict each other
    """
    check_penalty_options(options)
    if options.solver != NEWTON and (options.bounds is not None or options.penalty in ("lasso", "elastic-net")):
        raise UsageError(f"--solver {options.solver} has no bounds and no penalty on absolute values; take --solver newton")
    if options.bounds is not None and options.penalty in ("lasso", "elastic-net") and options.bounds != (0, math.inf):
        raise UsageError("--bounds together with a penalty on absolute values must be 0,inf")
    if options.weight_type == "frequency" and options.weight is None:
        raise UsageError("--weight-type frequency says what weights are; name their column with --weight")
    if (options.covariance == "cluster") != (options.cluster is not None):
        raise UsageError("--covariance cluster and --cluster NAME go together")
    if options.covariance != "classical" and options.solver != NEWTON:
        raise UsageError(f"--solver {options.solver} gives no standard errors; take --solver newton")
    if not options.max_iter:
        raise UsageError("--max-iter 0 leaves no pass; ask for 1 or more")
    n_folds = n_folds_of(options, chooses_penalty(options))
    penalty = Penalty(options.penalty, options.l1_ratio[0], options.standardize)
    return {
        "solver": options.solver, "tol": options.tol, "max_iter": options.max_iter,
        "folds": Folds(n_folds, 0.0, options.seed), "penalty": penalty, "alphas": options.alphas or None,
        "l1_ratios": options.l1_ratio, "choice": options.choose, "bounds": options.bounds,
        "weight_type": options.weight_type, "level": options.confidence, "covariance": options.covariance,
    }  # fmt: skip


def default_link(family: str) -> str:
    """The link where none is asked for: the canonical one, but log where that keeps means positive."""
    return LOG if family in (GAMMA, NEGATIVE_BINOMIAL) else CANONICAL[family]


def _bounds(text: str) -> tuple[float, float]:
    parts = text.split(",")
    try:
        low, high = (float(part) for part in parts)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no pair of bounds; write LOW,HIGH as in 0,inf") from None
    if not (low <= 0 <= high and low < high):
        raise argparse.ArgumentTypeError(f"{text!r}: bounds have 0 between them, and the first is the smaller")
    return low, high
