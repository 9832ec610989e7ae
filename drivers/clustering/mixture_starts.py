"""Where mixtures start: from what scikit-learn finds on the sample, from rows drawn by chance, from k-means, a model."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence

import numpy as np

from drivers.app import UsageError
from drivers.clustering import kmeans
from drivers.clustering.mixture_file import mixture_from_model
from drivers.clustering.starts import centers_from, check_enough, number_from, rows_at_random
from drivers.designs import feature_centers, weighted_sample
from drivers.model import load_model
from drivers.run import Run
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.gmm_state import Mixture
from jobs.kernels.kmeans_state import KMeansState, update
from jobs.mr_kmeans import MRKMeans

STARTS = ("sample", "random", "kmeans", "k-means||")
Candidates = Sequence[tuple[int, int]]


def mixtures_from(
    init: str, run: Run, design: Design, covariance_type: str, candidates: Candidates, reg_covar: float, seed: int
) -> list[Mixture]:
    """The starting mixture of each candidate, a number of components and a number of its restart.

    :raises ScanError: more components than different rows; a file that does not hold such a mixture
    """
    most, n_rows = max(k for k, _ in candidates), run.pack.manifest.n_rows
    if most > n_rows:
        raise ScanError(f"{most} components are more than the {n_rows:,} rows of the table; ask for fewer")
    if init == "sample":
        return _from_sample(run, design, covariance_type, candidates, reg_covar, seed)
    if init == "random":
        check_enough(weighted_sample(run.pack, design).X, most, run, "component")
        return [_of_rows(rows, covariance_type, reg_covar) for rows in rows_at_random(run, design, candidates, seed)]
    if init in ("kmeans", "k-means||"):
        return _from_kmeans(init, run, design, covariance_type, candidates, reg_covar, seed)
    return _from_model(init, design, covariance_type, candidates)


def mixture_of(covariance_type: str, weights: np.ndarray, means: np.ndarray, variances: np.ndarray) -> Mixture:
    """A mixture of these variances (k, p), without covariances."""
    k, p = means.shape
    if covariance_type == "full":
        covariances = variances[:, None] * np.eye(p)
    elif covariance_type == "tied":
        covariances = (weights @ variances)[None, None] * np.eye(p)
    elif covariance_type == "diag":
        covariances = variances[:, None]
    else:
        covariances = variances.mean(axis=1)[:, None, None]
    return Mixture(covariance_type, weights, means, np.ascontiguousarray(covariances))


def _of_rows(rows: np.ndarray, covariance_type: str, reg_covar: float) -> Mixture:
    """Rows as means, all with the variances of these rows and the same weight."""
    k, p = rows.shape
    variances = rows.var(axis=0) if k > 1 else np.ones(p)
    variances = np.where(variances > 0, variances, 1.0) + reg_covar
    return mixture_of(covariance_type, np.full(k, 1 / k), rows, np.tile(variances, (k, 1)))


def _from_sample(
    run: Run, design: Design, covariance_type: str, candidates: Candidates, reg_covar: float, seed: int
) -> list[Mixture]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    sample = weighted_sample(run.pack, design)
    X = sample.X
    if len(set(sample.w.tolist())) > 1:  # scikit-learn's mixtures know no weights
        drawn = np.random.default_rng([seed, 0x77]).choice(len(X), len(X), p=sample.w / sample.w.sum())
        X = X[np.sort(drawn)]
    center, found = X.mean(axis=0), []
    for k, restart in candidates:
        check_enough(X, k, run, "component")
        if len(X) < 2:
            found.append(_of_rows(X, covariance_type, reg_covar))
            continue
        estimator = GaussianMixture(
            k, covariance_type=covariance_type, reg_covar=reg_covar or 1e-6, n_init=1, max_iter=200,
            random_state=number_from(seed, "mixture", k, restart),
        )  # fmt: skip
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # full passes follow
            try:
                # About their mean: scikit-learn takes squares as they come.
                estimator.fit(X - center)
            except ValueError as error:
                raise ScanError(f"scikit-learn finds no {k} components in the sample: {error}") from None
        covariances = np.asarray(estimator.covariances_)
        shape = {"full": covariances.shape, "tied": (1, *covariances.shape), "diag": (k, 1, X.shape[1])}
        covariances = covariances.reshape(shape.get(covariance_type, (k, 1, 1)))
        found.append(Mixture(covariance_type, estimator.weights_, estimator.means_ + center, covariances))
    return found


def _from_kmeans(
    init: str, run: Run, design: Design, covariance_type: str, candidates: Candidates, reg_covar: float, seed: int
) -> list[Mixture]:
    """Clusters of all rows as components, each with the spread of its rows about the centre; for k-means|| of one step."""
    origin = feature_centers(run.pack, design)

    def start() -> KMeansState:
        kind = "k-means||" if init == "k-means||" else "sample"
        return KMeansState.start(centers_from(kind, run, design, origin, "euclidean", candidates, seed), origin)

    fit = run.iterate(
        "k-means", MRKMeans, design, start, update=update, distance=kmeans.gain, tol=1e-3,
        max_iter=1 if init == "k-means||" else 30, objective=lambda state: state.total_sse,
    )  # fmt: skip
    state, p, found = fit.state, len(origin), []
    for i in range(len(candidates)):
        at = state.clusters(i)
        w_sum, sse = state.w_sum[at], state.sse[at]
        spread = max(float(sse.sum() / max(w_sum.sum(), np.finfo(float).tiny)) / p, reg_covar, np.finfo(float).tiny)
        variances = np.where((w_sum > 0) & (sse > 0), sse / np.maximum(w_sum, np.finfo(float).tiny) / p, spread) + reg_covar
        weights = np.maximum(w_sum, w_sum.sum() * 1e-6)
        found.append(
            mixture_of(covariance_type, weights / weights.sum(), state.evaluated[at], np.tile(variances[:, None], (1, p)))
        )
    return found


def _from_model(path: str, design: Design, covariance_type: str, candidates: Candidates) -> list[Mixture]:
    if not os.path.exists(path):
        raise UsageError(f"--init {path} is none of {', '.join(STARTS)}, and there is no such file")
    model = load_model(path)
    if model["kind"] != "gmm":
        raise ScanError(f"{path} is a model of the kind {model['kind']!r}, and no mixture")
    if model["features"] != design.feature_names:
        raise ScanError(f"{path} has the features {', '.join(model['features'])}; name the same with --features")
    mixture = mixture_from_model(model)
    if mixture.covariance_type != covariance_type:
        raise UsageError(f"{path} has covariances of the type {mixture.covariance_type}; ask for the same")
    for k, restart in candidates:
        if k != len(mixture.weights) or restart:
            raise UsageError(f"--init {path} holds {len(mixture.weights)} components, which is one start for as many")
    return [mixture]
