"""Where the candidates start: from what scikit-learn finds on the sample, from rows drawn by chance, from rows far apart
(k-means||), or from a file.

Every choice derives from the seed, so the same run starts from the same centres on every runner.
"""

from __future__ import annotations

import csv
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from drivers.app import UsageError
from drivers.designs import weighted_sample
from drivers.model import load_model
from drivers.run import Run
from drivers.wording import count
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.kmeans import KMeansQuery, points
from jobs.kernels.kmeans_parallel import KMeansParallelQuery
from jobs.kernels.sample import SampleQuery
from jobs.mr_kmeans import MRKMeans
from jobs.mr_kmeans_parallel import MRKMeansParallel
from jobs.mr_sample import MRSample

# Bahmani et al., sections 4 and 6: five rounds of 2 k draws are about as good as any more.
ROUNDS, DRAWS_A_CLUSTER = 5, 2
# What scikit-learn finds from several starts is worth a second of the driver's, a poor optimum of all rows many passes.
SAMPLE_STARTS = 4

Centers = list[np.ndarray]


def centers_from(
    init: str, run: Run, design: Design, origin: np.ndarray, metric: str, candidates: Sequence[tuple[int, int]], seed: int,
    n_rounds: int = ROUNDS,
) -> Centers:  # fmt: skip
    """The starting centres of each candidate, a number of clusters and a number of its restart: (k, p) each.

    :param n_rounds: of k-means||
    :raises ScanError: more clusters than different rows; a file that does not hold such centres
    """
    n_rows = run.pack.manifest.n_rows
    most = max(k for k, _ in candidates)
    if most > n_rows:
        raise ScanError(f"{most} clusters are more than the {n_rows:,} rows of the table; ask for fewer")
    if init == "sample":
        return _from_sample(run, design, origin, metric, candidates, seed)
    if init == "random":
        check_enough(weighted_sample(run.pack, design).X, most, run)
        return rows_at_random(run, design, candidates, seed)
    if init == "k-means||":
        return _far_apart(run, design, origin, metric, candidates, seed, n_rounds)
    return _from_file(init, design, candidates)


def _from_sample(
    run: Run, design: Design, origin: np.ndarray, metric: str, candidates: Sequence[tuple[int, int]], seed: int
) -> Centers:
    sample = weighted_sample(run.pack, design)
    x = points(sample.X, KMeansQuery(metric, origin[None], np.array([0, 1]), origin))
    found = []
    for k, restart in candidates:
        check_enough(x, k, run)
        n_starts = SAMPLE_STARTS if restart == 0 else 1
        found.append(_sklearn(x, sample.w, k, n_starts, number_from(seed, "sample", k, restart)) + origin)
    return found


def rows_at_random(run: Run, design: Design, candidates: Sequence[tuple[int, int]], seed: int) -> Centers:
    """Rows of the table by their keys, k for each candidate: of any k rows each is as likely as another, in one pass.

    Restarts have other rows; different numbers of clusters share them.
    """
    most, n_restarts = max(k for k, _ in candidates), 1 + max(restart for _, restart in candidates)
    question = SampleQuery(most * n_restarts, len(design.feature_names), seed)
    drawn = run.scan("start", MRSample, question, design).rows
    found = []
    for k, restart in candidates:
        own = drawn[restart * most : restart * most + k]
        # A table with fewer rows than all restarts want together.
        found.append(own if len(own) == k else drawn[-k:])
    return found


def _far_apart(
    run: Run, design: Design, origin: np.ndarray, metric: str, candidates: Sequence[tuple[int, int]], seed: int,
    n_rounds: int,
) -> Centers:  # fmt: skip
    """k-means||: rounds of draws, a pass each; a pass that weighs what was drawn; and k-means++ on that."""
    most = max(k for k, _ in candidates)
    sample = weighted_sample(run.pack, design)
    check_enough(sample.X, 1, run)
    first = np.random.default_rng([seed, 0x70]).integers(len(sample.X))
    query = KMeansQuery(metric, origin[None], np.array([0, 1]), origin)
    drawn = points(sample.X[[first]], query) + origin
    for number in range(n_rounds):
        question = KMeansParallelQuery(metric, DRAWS_A_CLUSTER * most, seed, number, drawn, origin)
        more = run.scan(f"start {number + 1}", MRKMeansParallel, question, design).rows
        drawn = np.concatenate([drawn, points(more, query) + origin])
    everything = KMeansQuery(metric, drawn, np.array([0, len(drawn)]), origin)
    weights = run.scan("start weights", MRKMeans, everything, design).w_sum
    drawn, weights = drawn[weights > 0], weights[weights > 0]
    found = []
    for k, restart in candidates:
        check_enough(drawn, k, run)
        found.append(_sklearn(drawn - origin, weights, k, 1, number_from(seed, "k-means||", k, restart)) + origin)
    return found


def _from_file(path: str, design: Design, candidates: Sequence[tuple[int, int]]) -> Centers:
    if not os.path.exists(path):
        raise UsageError(f"--init {path} is neither sample, random nor k-means||, and there is no such file")
    centers = _of_model(path, design) if path.endswith(".json") else _of_csv(path, design)
    for k, restart in candidates:
        if k != len(centers) or restart:
            raise UsageError(f"--init {path} holds {len(centers)} centres, which is one start for as many clusters")
    return [centers]


def _of_model(path: str, design: Design) -> np.ndarray:
    model = load_model(path)
    if "centers" not in model["parameters"]:
        raise ScanError(f"{path} is a model of the kind {model['kind']!r}, which has no centres")
    if model["features"] != design.feature_names:
        raise ScanError(f"{path} has the features {', '.join(model['features'])}; name the same with --features")
    return np.array(model["parameters"]["centers"], dtype=float)


def _of_csv(path: str, design: Design) -> np.ndarray:
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise ScanError(f"the centres {path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    for name in design.feature_names:
        if not rows or name not in rows[0]:
            raise ScanError(f"the centres {path} have no column {name!r}; the first line names the features")
    centers = np.empty((len(rows), len(design.feature_names)))
    for i, row in enumerate(rows):
        for j, name in enumerate(design.feature_names):
            try:
                centers[i, j] = float(row[name])
            except (TypeError, ValueError):
                centers[i, j] = np.nan
            if not np.isfinite(centers[i, j]):
                raise ScanError(f"{path}, centre {i + 1}, column {name!r}: {row[name]!r} is not a finite number")
    return centers


def check_enough(x: np.ndarray, k: int, run: Run, noun: str = "cluster") -> None:
    """:raises ScanError: fewer different rows than clusters"""
    if not len(x):
        raise ScanError(
            "no row of the sample is left that has a positive weight and every cell it needs; draw more with "
            "--sample-rows, or leave fewer rows out"
        )
    # Looked through only as far as it takes.
    different = 0
    for size in (10 * k, len(x)):
        different = len(np.unique(x[:size], axis=0))
        if different >= k:
            return
    rows = count(different, "different row")
    if len(x) >= run.pack.manifest.n_rows:
        raise ScanError(f"{k} {noun}s are more than the {rows} of the table; ask for fewer")
    raise ScanError(
        f"{k} {noun}s are more than the {rows} among the {len(x):,} that were drawn; ask for fewer, "
        "or draw more with --sample-rows"
    )


def number_from(*words: Any) -> int:
    """A seed for scikit-learn."""
    seed, purpose, k, restart = words
    return int(np.random.default_rng([seed, *purpose.encode(), k, restart]).integers(2**31))


def _sklearn(x: np.ndarray, w: np.ndarray, k: int, n_starts: int, seed: int) -> np.ndarray:
    """scikit-learn's centres of some rows, (k, p)."""
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # full passes follow
        # Only ratios of weights matter.
        return KMeans(k, n_init=n_starts, random_state=seed).fit(x, sample_weight=w / w.max()).cluster_centers_
