"""k-means of a table of any size: every number of clusters and every restart in the same passes.

python drivers/run_kmeans.py data.csv --n-clusters 5
python drivers/run_kmeans.py data.csv --features x1,x2 --n-clusters 2..10 --restarts 3 -r hadoop
python drivers/run_kmeans.py data.csv --n-clusters 8 --init 'k-means||' --weight w --metric cosine
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any

from drivers.app import UsageError, run_program
from drivers.clustering.kmeans import CRITERIA, STOPS, Settings, fit_kmeans
from drivers.clustering.options import add_candidates, check_candidates
from drivers.clustering.starts import ROUNDS
from drivers.demonstration import demonstration_blobs
from drivers.foresight import Foresight, Phase
from drivers.option_values import at_least_one
from drivers.options import Parser, build_parser
from drivers.packing.cache import Pack
from drivers.roles import add_role_options, make_design
from drivers.run import Run
from drivers.terminal.clusters_result import print_result
from drivers.trainer import fit_from_python, train_and_tell, train_on_rows
from drivers.workspace import Results
from jobs.kernels.kmeans import METRICS
from jobs.mr_kmeans import MRKMeans

NAME = "kmeans"


def make_parser() -> Parser:
    parser = build_parser(MRKMeans, __doc__.splitlines()[0] if __doc__ else None)
    add_role_options(parser, target=False)
    group = parser.add_argument_group("k-means")
    add_candidates(group, "clusters", "or a file of centres, CSV with the names of the features or a model.json")
    group.add_argument(
        "--init-steps", type=at_least_one, default=ROUNDS, metavar="N", help="rounds of k-means||, a pass each"
    )
    group.add_argument("--metric", choices=METRICS, default="euclidean", help="cosine: a row counts by its direction")
    group.add_argument(
        "--stop", choices=STOPS, default="sse",
        help="what --tol is compared with. sse: what a step gains, relative to the sum of squares; centers: the squares of "
        "the moves, relative to the features' mean variance, as scikit-learn does",
    )  # fmt: skip
    group.add_argument("--select", choices=CRITERIA, default="silhouette", help="the index that chooses among several K")
    return parser


def settings_of(options: argparse.Namespace) -> Settings:
    """
    :raises UsageError: options that make no sense whatever the data
    """
    if options.n_clusters is None:
        raise UsageError("say how many clusters with --n-clusters, as in 5 or 2..10")
    settings = Settings(
        options.n_clusters, options.restarts, options.init, options.init_steps, options.metric, options.stop, options.tol,
        options.max_iter, options.select, options.seed,
    )  # fmt: skip
    check_candidates(settings.candidates(), options.max_iter, "cluster")
    return settings


def foresee(options: argparse.Namespace, pack: Pack) -> Foresight:
    """The design of the run and its passes."""
    settings = settings_of(options)
    design, remarks = make_design(options, pack)
    start = {"k-means||": options.init_steps + 1, "random": 1}.get(options.init, 0)
    phases = [Phase("start", start, start), Phase("k-means", 1, options.max_iter, "until every candidate has converged")]
    n_bytes = 8 * sum(k for k, _ in settings.candidates()) * 2 * (len(design.feature_names) + 5)
    return Foresight(design, [phase for phase in phases if phase.at_most], remarks, n_bytes)


def train(options: argparse.Namespace) -> tuple[Results, dict[str, Any]]:
    """Packs, fits, and gives the workspace and the model."""
    settings = settings_of(options)
    return train_on_rows(options, NAME, lambda run, design: fit_kmeans(run, design, settings))


def fit(inputs: Sequence[str] | str, **arguments: Any) -> tuple[dict[str, Any], Run | None]:
    """The fit from Python: the options of the command line as keywords; gives the model, as in model.json, and the run.

        model, run = fit("data.csv", n_clusters="2..10", restarts=3, runner="local")

    :raises ScanError: what the program would end with
    """
    return fit_from_python(make_parser(), train, inputs, arguments)


def run(options: argparse.Namespace) -> int:
    if not options.inputs:
        options.inputs = [demonstration_blobs(options.cache_dir)]
        options.n_clusters = options.n_clusters or list(range(2, 7))
    return train_and_tell(options, train, foresee, print_result)


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
