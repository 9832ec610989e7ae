"""The options of an exact linear fit, and what they ask for."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

from drivers.app import UsageError
from drivers.linear.inference import COVARIANCES
from drivers.linear.penalty import N_ALPHAS, Penalty
from drivers.linear.penalty_options import (
    add_fold_options,
    add_penalty_options,
    check_penalty_options,
    chooses_penalty,
    n_folds_of,
)
from drivers.linear.subsets import CRITERIA, METHODS
from drivers.option_values import not_negative, share
from jobs.kernels.folds import Folds

WEIGHT_TYPES = ("analytic", "frequency")


@dataclass
class Settings:
    """What is asked of an exact fit.

    alphas: the penalties to choose among, None for those that suit the data; choice: "min" or "1se"
    select: how columns are chosen, None to take all
    diagnostics: the second pass, None where the weights ask for it; covariance: whose errors lead, None by the weights
    """

    folds: Folds
    penalty: Penalty
    alphas: list[float] | None
    l1_ratios: list[float]
    choice: str
    select: str | None
    criterion: str
    covariance: str | None
    diagnostics: bool | None
    refine: bool
    weight_type: str
    level: float
    save: str | None

    @property
    def is_penalised(self) -> bool:
        """Whether coefficients are shrunk or bound."""
        return self.penalty.kind != "none" or self.penalty.positive

    @property
    def chooses_penalty(self) -> bool:
        """Whether one of several penalties is to be chosen, which takes folds."""
        return self.penalty.kind != "none" and (self.alphas is None or len(self.alphas) * len(self.l1_ratios) > 1)


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of the exact solver."""
    checking = add_fold_options(parser)
    checking.add_argument("--holdout", type=share, metavar="SHARE", help="of the rows, kept out of the fit and predicted")
    penalty = add_penalty_options(parser, not_negative, N_ALPHAS, "error")
    penalty.add_argument("--positive", action="store_true", help="no coefficient below zero")
    choosing = parser.add_argument_group("choice of features, without a pass")
    choosing.add_argument("--select", choices=METHODS, help="keep the features that the criterion is best with")
    choosing.add_argument("--criterion", choices=CRITERIA, default="bic", help="what decides")
    inference = parser.add_argument_group("inference")
    inference.add_argument(
        "--covariance", choices=COVARIANCES, help="of the coefficients; all but classical by a second pass"
    )
    inference.add_argument("--cluster", metavar="NAME", help="errors of rows with the same value of this column may depend")
    inference.add_argument(
        "--diagnostics", action=argparse.BooleanOptionalAction, default=None,
        help="a second pass: HC0 to HC3 errors, tests of the residuals, influence; "
        "Default: where the effective sample size is below n/100",
    )  # fmt: skip
    inference.add_argument(
        "--weight-type", choices=WEIGHT_TYPES, default="analytic", help="weights are inverse variances, or counts of rows"
    )
    inference.add_argument("--confidence", type=share, default=0.95, metavar="LEVEL", help="of the intervals")
    inference.add_argument("--refine", action="store_true", help="a further pass that corrects the last digits")
    files = parser.add_argument_group("statistics files (see drivers/merge.py)")
    files.add_argument("--save-statistics", metavar="FILE", help="keep what a fit needs of the table, without its rows")
    files.add_argument("--from-statistics", metavar="FILE", help="fit what such a file holds, without data")


def settings_of(options: argparse.Namespace) -> Settings:
    """What the options ask for.

    :raises UsageError: options that contradict each other
    """
    penalised = options.penalty != "none"
    check_penalty_options(options)
    if options.select and (penalised or options.positive):
        raise UsageError(f"--select and {'--penalty' if penalised else '--positive'} do not go together; give one of them")
    if options.criterion != "bic" and not options.select:
        raise UsageError(f"--criterion {options.criterion} is of a choice of features; name the way of it with --select")
    if options.criterion == "cv" and options.folds == 2:
        raise UsageError("--criterion cv needs --folds 3 or more: the choice is judged by a fold that it has not seen")
    if options.refine and (penalised or options.positive):
        raise UsageError(
            f"--refine corrects the digits of least squares; leave it out, or {'--penalty' if penalised else '--positive'}"
        )
    if options.covariance == "cluster" and options.cluster is None:
        raise UsageError("--covariance cluster needs the column of the clusters: --cluster NAME")
    if options.weight_type == "frequency" and options.weight is None and options.from_statistics is None:
        raise UsageError("--weight-type frequency needs the column of the counts: --weight NAME")
    second = options.covariance not in (None, "classical") or options.cluster is not None
    if options.diagnostics is False and second:
        asked = f"--covariance {options.covariance}" if options.cluster is None else "--cluster"
        raise UsageError(f"{asked} takes the pass that --no-diagnostics leaves out; leave one of them out")
    settings = Settings(
        folds=Folds(options.folds or 1, options.holdout or 0.0, options.seed),
        penalty=Penalty(options.penalty, standardize=options.standardize, positive=options.positive),
        alphas=options.alphas or None,
        l1_ratios=options.l1_ratio if options.penalty == "elastic-net" else [1.0],
        choice=options.choose,
        select=options.select,
        criterion=options.criterion,
        covariance=options.covariance or ("cluster" if options.cluster else None),
        diagnostics=True if second else options.diagnostics,
        refine=options.refine,
        weight_type=options.weight_type,
        level=options.confidence,
        save=options.save_statistics,
    )
    needs_folds = chooses_penalty(options) or bool(settings.select and settings.criterion == "cv")
    settings.folds.n_folds = n_folds_of(options, needs_folds)
    return settings
