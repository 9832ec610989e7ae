"""k-means over all rows: every number of clusters and restart in the same passes; the best of each, and the choice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.clustering.options import candidates_of
from drivers.clustering.starts import ROUNDS, centers_from
from drivers.designs import feature_centers, weighted_sample
from drivers.loop import CONVERGED, Fit
from drivers.run import Run
from drivers.training import training_of
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.kmeans_state import KMeansState, update
from jobs.mr_kmeans import MRKMeans

# Which is better: the larger one, or the smaller.
CRITERIA = {"silhouette": max, "calinski-harabasz": max, "davies-bouldin": min}
STOPS = ("sse", "centers")


@dataclass
class Settings:
    """The options of k-means."""

    n_clusters: list[int]
    restarts: int = 1
    init: str = "sample"
    init_steps: int = ROUNDS
    metric: str = "euclidean"
    stop: str = "sse"
    tol: float = 1e-4
    max_iter: int = 300
    select: str = "silhouette"
    seed: int = 0

    def candidates(self) -> list[tuple[int, int]]:
        """A number of clusters and a number of its restart each."""
        return candidates_of(self.n_clusters, self.restarts)


def fit_kmeans(run: Run, design: Design, settings: Settings) -> dict[str, Any]:
    """The parts of the model: parameters, clusters, candidates, training.

    :raises ScanError: more clusters than there are different rows
    """
    candidates = settings.candidates()
    p = len(design.feature_names)
    origin = feature_centers(run.pack, design) if settings.metric == "euclidean" else np.zeros(p)

    def start() -> KMeansState:
        centers = centers_from(
            settings.init, run, design, origin, settings.metric, candidates, settings.seed, settings.init_steps
        )
        return KMeansState.start(centers, origin, settings.metric)

    tol = settings.tol
    if settings.stop == "centers":
        tol *= _mean_variance(run, design)
    fit = run.iterate(
        "k-means",
        MRKMeans,
        design,
        start,
        update=update,
        distance=gain if settings.stop == "sse" else _shift,
        tol=tol,
        max_iter=settings.max_iter,
        objective=lambda state: state.total_sse,
        monotone="falls",
    )
    return _parts(run, fit, settings, candidates)


def gain(old: KMeansState, new: KMeansState, _: Any) -> np.ndarray:
    """What the next step gains at least, relative to the objective."""
    return np.where(new.gain == 0, 0.0, new.gain / np.where(new.total_sse > 0, new.total_sse, 1.0))


def _shift(old: KMeansState, new: KMeansState, _: Any) -> np.ndarray:
    return new.shift


def _mean_variance(run: Run, design: Design) -> float:
    """The mean of the features' variances in the sample, which scikit-learn's tolerance is relative to."""
    return float(weighted_sample(run.pack, design).X.var(axis=0).mean())


def _parts(run: Run, fit: Fit, settings: Settings, candidates: list[tuple[int, int]]) -> dict[str, Any]:
    state = fit.state
    best = [_best_restart(state, candidates, k) for k in settings.n_clusters]
    chosen = best[_choose(state, best, settings)]
    at = state.clusters(chosen)
    training_sums = {"weight_sum": float(state.w_sum[at].sum()), "n_rows": int(state.n_cluster[at].sum())}
    table = [
        {
            "n_clusters": candidates[i][0],
            "restart": candidates[i][1],
            "is_best": i in best,
            "status": fit.status[i],
            "n_passes": fit.n_iters[i],
            "sse": float(state.total_sse[i]),
            "silhouette": float(state.silhouette[i]),
            "calinski_harabasz": float(state.calinski_harabasz[i]),
            "davies_bouldin": float(state.davies_bouldin[i]),
            "n_moved": int(state.n_moved[i]),
            "n_empty": int(state.n_empty[i]),
            "sse_of_passes": [entry["objective"][i] for entry in fit.history[: fit.n_iters[i]]],
        }
        for i in range(len(candidates))
    ]
    _warn(run, table, chosen)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_distance = state.distance_sum[at] / state.w_sum[at]
    clusters = [
        {
            "n_rows": int(state.n_cluster[j]),
            "weight": float(state.w_sum[j]),
            "sse": float(state.sse[j]),
            "mean_distance": float(mean_distance[j - at.start]),
            "radius": float(np.sqrt(max(state.radius[j], 0.0))),
        }
        for j in range(at.start, at.stop)
    ]
    return {
        "parameters": {"centers": state.evaluated[at], "metric": settings.metric},
        "clusters": clusters,
        "candidates": table,
        "chosen": chosen,
        "training": {
            **training_of(run, "lloyd", fit.status[chosen] == CONVERGED),
            **training_sums,
            "init": settings.init,
            "stop": settings.stop,
            "tol": settings.tol,
            "select": settings.select,
            "n_iter": fit.n_iters[chosen],
        },
    }


def _best_restart(state: KMeansState, candidates: list[tuple[int, int]], k: int) -> int:
    """The candidate of so many clusters with the least objective, of equals the first."""
    own = [i for i, (n, _) in enumerate(candidates) if n == k]
    return own[int(np.argmin(state.total_sse[own]))]


def _choose(state: KMeansState, best: list[int], settings: Settings) -> int:
    """Which number of clusters, as a place in `best`.

    :raises ScanError: a criterion that knows none of them
    """
    if len(best) == 1:
        return 0
    values = getattr(state, settings.select.replace("-", "_"))[best]
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        raise ScanError(f"the {settings.select} index is defined for none of these numbers of clusters; ask for 2 or more")
    return int(CRITERIA[settings.select](known, key=lambda i: values[i]))


def _warn(run: Run, table: list[dict[str, Any]], chosen: int) -> None:
    entry = table[chosen]
    if entry["status"] != CONVERGED:
        run.warnings.append(f"not converged within {entry['n_passes']} passes; --max-iter allows more")
    if entry["n_empty"]:
        run.warnings.append(f"{entry['n_empty']} of {entry['n_clusters']} clusters have no rows: too few rows differ")
    if entry["n_moved"]:
        run.warnings.append(f"{entry['n_moved']} empty clusters on the way were moved to the farthest rows")
