"""Gaussian mixtures of a table of any size by EM: every number of components and every restart in the same passes.

python drivers/run_gmm.py                                                  the exercise of three Gaussians
python drivers/run_gmm.py data.csv --n-components 3 --covariance-type diag
python drivers/run_gmm.py data.csv --features x1,x2 --n-components 1..8 --restarts 3 --select bic -r hadoop
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from drivers.app import UsageError, run_program
from drivers.clustering.gmm import CRITERIA, STOPS, Settings, fit_mixture
from drivers.clustering.options import add_candidates, check_candidates
from drivers.clustering.starts import ROUNDS
from drivers.demonstration import demonstration_blobs
from drivers.foresight import Foresight, Phase
from drivers.option_values import not_negative
from drivers.options import Parser, build_parser
from drivers.packing.cache import Pack
from drivers.roles import add_role_options, make_design
from drivers.run import Run
from drivers.terminal.mixture_result import print_result
from drivers.trainer import fit_from_python, train_and_tell, train_on_rows
from drivers.workspace import Results
from jobs.kernels.gmm import COVARIANCE_TYPES
from jobs.mr_gmm import MRGMM

NAME = "gmm"
# The exercise as it is taught: three components from rows by chance, until the means stand still.
EXERCISE = {"n_components": [3], "init": "random", "restarts": 5, "stop": "means", "tol": 0.02, "accelerate": False}


def make_parser() -> Parser:
    parser = build_parser(MRGMM, __doc__.splitlines()[0] if __doc__ else None)
    add_role_options(parser, target=False)
    group = parser.add_argument_group("mixture")
    add_candidates(group, "components", "kmeans: the clusters of all rows; or a model.json")
    parser.set_defaults(tol=None)
    group.add_argument("--covariance-type", choices=COVARIANCE_TYPES, default="full", help="of the components")
    group.add_argument("--reg-covar", type=not_negative, default=1e-6, metavar="R", help="added to every variance")
    group.add_argument(
        "--stop", choices=STOPS, default="log-likelihood",
        help="what --tol is compared with. log-likelihood: how much its mean over rows has risen, Default: 1e-6; means: by "
        "which distances a step moves them, in all, Default: 0.02",
    )  # fmt: skip
    group.add_argument("--select", choices=CRITERIA, default="bic", help="what chooses among several K, the smallest")
    group.add_argument(
        "--no-accelerate", dest="accelerate", action="store_false", help="plain EM: no extrapolated points in the passes"
    )
    return parser


def settings_of(options: argparse.Namespace) -> Settings:
    """
    :raises UsageError: options that make no sense whatever the data
    """
    if options.n_components is None:
        raise UsageError("say how many components with --n-components, as in 3 or 1..8")
    tol = options.tol if options.tol is not None else {"log-likelihood": 1e-6, "means": 0.02}[options.stop]
    settings = Settings(
        options.n_components, options.restarts, options.init, options.covariance_type, options.reg_covar, options.stop, tol,
        options.max_iter, options.select, options.accelerate, options.seed,
    )  # fmt: skip
    check_candidates(settings.candidates(), options.max_iter, "component")
    return settings


def foresee(options: argparse.Namespace, pack: Pack) -> Foresight:
    """The design of the run and its passes."""
    settings = settings_of(options)
    design, remarks = make_design(options, pack)
    start = {"k-means||": ROUNDS + 2, "random": 1, "kmeans": 1}.get(options.init, 0)
    phases = [
        Phase("start", start, 30 if options.init == "kmeans" else start),
        Phase("em", 1, options.max_iter, "until every candidate has converged"),
    ]
    p = len(design.feature_names)
    n_bytes = 8 * sum(k for k, _ in settings.candidates()) * (1 + 2 * settings.accelerate) * (p * p + p + 1)
    return Foresight(design, [phase for phase in phases if phase.at_most], remarks, n_bytes)


def train(options: argparse.Namespace) -> tuple[Results, dict[str, Any]]:
    """Packs, fits, and gives the workspace and the model."""
    settings = settings_of(options)
    return train_on_rows(options, NAME, lambda run, design: fit_mixture(run, design, settings))


def fit(inputs: Sequence[str] | str, **arguments: Any) -> tuple[dict[str, Any], Run | None]:
    """The fit from Python: the options of the command line as keywords; gives the model, as in model.json, and the run.

        model, run = fit("data.csv", n_components="1..8", restarts=3, runner="local")

    :raises ScanError: what the program would end with
    """
    return fit_from_python(make_parser(), train, inputs, arguments)


def run(options: argparse.Namespace) -> int:
    if not options.inputs:
        options.inputs = [demonstration_blobs(options.cache_dir)]
        parser = make_parser()
        for name, value in EXERCISE.items():
            if getattr(options, name) == parser.get_default(name):
                setattr(options, name, value)
    return train_and_tell(options, train, foresee, print_result)


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
