"""Generalised linear models of a table of any size: counts, times, shares, by a few passes of Newton's method.

python drivers/run_glm.py data.csv --target claims --family poisson --offset log_exposure
python drivers/run_glm.py data.csv --target cost --family gamma --link log --weight claims -r hadoop
python drivers/run_glm.py data.csv --target visits --family negative-binomial --alpha 0.5
python drivers/run_glm.py data.csv --target claims --family poisson --offset log_exposure --group-by region
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
from drivers.glm.options import Settings, add_options, check_groups, common_settings, default_link
from drivers.glm.plan import check_rows, foresight_of_groups, phases_of
from drivers.grouped.glm import KIND, fit_glm_groups
from drivers.option_values import positive
from drivers.options import Parser, build_parser
from drivers.packing.cache import Pack
from drivers.packing.locate import first_row_where, place_of_row
from drivers.roles import add_role_options, make_design
from drivers.run import Run
from drivers.terminal import glm_result, groups_result
from drivers.trainer import fit_from_python, train_and_tell, train_on_rows
from drivers.workspace import Results
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.families import BINOMIAL, GAMMA, GAUSSIAN, INVERSE, LINKS, MULTINOMIAL, NEGATIVE_BINOMIAL, POISSON
from jobs.mr_glm import MRGLM

NAME = "glm"
FAMILIES = [family for family in LINKS if family != MULTINOMIAL]
# What a target of each family may be: a bound, whether it may be reached, and the words.
RANGES = {
    BINOMIAL: "0 to 1; two classes are for drivers/run_logistic.py",
    POISSON: "0 or more",
    NEGATIVE_BINOMIAL: "0 or more",
    GAMMA: "above 0",
}


def make_parser() -> Parser:
    parser = build_parser(MRGLM, __doc__.splitlines()[0] if __doc__ else None)
    add_role_options(parser)
    group = parser.add_argument_group("family")
    group.add_argument("--family", choices=FAMILIES, help="of the target about its mean")
    group.add_argument(
        "--link", choices=sorted({link for family in FAMILIES for link in LINKS[family]}),
        help="what of the mean is linear; Default: the canonical one, and log for gamma and negative-binomial",
    )  # fmt: skip
    group.add_argument("--alpha", type=positive, help="of a negative binomial family, whose variance is mu + alpha mu^2")
    group.add_argument(
        "--offset", metavar="NAME", help="a column that is added to the linear predictor, as log exposure is"
    )
    add_options(
        parser,
        "half the deviance as a mean over rows + alpha (l1_ratio |b| + (1 - l1_ratio) |b|^2 / 2), as scikit-learn's "
        "PoissonRegressor has it",
    )
    return parser


def settings_of(options: argparse.Namespace) -> Settings:
    """
    :raises UsageError: options that make no sense whatever the data
    """
    if options.target is None:
        raise UsageError("name the column to explain with --target")
    check_groups(make_parser(), options)
    if options.family is None:
        raise UsageError(f"name the family of the target with --family: {', '.join(FAMILIES)}")
    link = options.link or default_link(options.family)
    if link not in LINKS[options.family]:
        raise UsageError(f"the family {options.family} has the links {', '.join(LINKS[options.family])}, not {link}")
    if (options.alpha is not None) != (options.family == NEGATIVE_BINOMIAL):
        raise UsageError("--alpha is of --family negative-binomial, which needs it, and of no other")
    return Settings(options.family, link, options.alpha or 0.0, by_mean=True, **common_settings(options))


def check_target(settings: Settings, design: Design, pack: Pack) -> None:
    """:raises ScanError: a value of the target that the family has not"""
    name, family = design.target, settings.family
    assert name is not None
    if name in design.categories:
        raise ScanError(f"the target {name!r} is text; classes are for drivers/run_logistic.py")
    if family == GAUSSIAN:
        return
    j = pack.manifest.index(name)
    low, high = pack.manifest.minima[j], pack.manifest.maxima[j]
    wrong = low <= 0 if family == GAMMA else low < 0 or (family == BINOMIAL and high > 1)
    if wrong:
        found = first_row_where(
            pack,
            name,
            lambda values: (values <= 0) if family == GAMMA else (values < 0) | ((values > 1) & (family == BINOMIAL)),
        )
        assert found is not None
        raise ScanError(
            f"{place_of_row(pack, found[0])}, column {name!r}: {found[1]:g} is out of the range of the family {family}, "
            f"{RANGES[family]}"
        )


def foresee(options: argparse.Namespace, pack: Pack) -> Foresight:
    """The design of the run and its passes."""
    settings = settings_of(options)
    design, remarks = make_design(options, pack)
    check_target(settings, design, pack)
    check_rows(settings, design, pack)
    if design.group is not None:
        return foresight_of_groups(settings, design, remarks)
    phases, n_bytes = phases_of(settings, design, 0)
    return Foresight(design, phases, remarks, n_bytes)


def train(options: argparse.Namespace) -> tuple[Results, dict[str, Any]]:
    """Packs, fits, and gives the workspace and the model."""
    settings = settings_of(options)

    def fit(run: Run, design: Design) -> dict[str, Any]:
        check_target(settings, design, run.pack)
        check_rows(settings, design, run.pack)
        if design.group is not None:
            return fit_glm_groups(run, design, settings, [], options.min_rows)
        return fit_glm(run, design, settings, [])

    return train_on_rows(options, NAME, fit)


def print_result(model: dict[str, Any], warnings: list[str]) -> None:
    """Prints what was fitted: one model, or many."""
    (groups_result if model["kind"] == KIND else glm_result).print_result(model, warnings)


def fit(inputs: Sequence[str] | str, **arguments: Any) -> tuple[dict[str, Any], Run | None]:
    """The fit from Python: the options of the command line as keywords; gives the model, as in model.json, and the run.

        model, run = fit("data.csv", target="claims", family="poisson", offset="log_exposure")

    :raises ScanError: what the program would end with
    """
    return fit_from_python(make_parser(), train, inputs, arguments)


def run(options: argparse.Namespace) -> int:
    if not options.inputs:
        options.family = options.family or POISSON
        if options.family in (GAUSSIAN, BINOMIAL) or options.link == INVERSE:
            raise UsageError(
                "without input there are rows of the families poisson, gamma and negative-binomial, with a log link"
            )
        options.inputs = [demonstration_glm(options.cache_dir, options.family)]
        options.target = options.target or "y"
        if options.family == NEGATIVE_BINOMIAL:
            options.alpha = options.alpha or 0.5
    return train_and_tell(options, train, foresee, print_result)


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
