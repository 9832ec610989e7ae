"""Gaussian mixtures over all rows: every number of components and restart in the same passes; the best, the choice."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.clustering.mixture_starts import mixtures_from
from drivers.clustering.options import candidates_of
from drivers.designs import feature_centers, weighted_sample
from drivers.loop import CONVERGED, Fit
from drivers.run import Run
from drivers.training import training_of
from drivers.wording import count
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.gmm_state import GMMState, Mixture, update
from jobs.mr_gmm import MRGMM

CRITERIA = ("bic", "aic", "icl")
STOPS = ("log-likelihood", "means")
# What a picture of the way shows: of so many components in all, the first two features.
MOST_DRAWN = 64
# A variance so much smaller than another is rounding.
FLAT = 1e-12


@dataclass
class Settings:
    """The options of a mixture."""

    n_components: list[int]
    restarts: int = 1
    init: str = "sample"
    covariance_type: str = "full"
    reg_covar: float = 1e-6
    stop: str = "log-likelihood"
    tol: float = 1e-6
    max_iter: int = 300
    select: str = "bic"
    accelerate: bool = True
    seed: int = 0

    def candidates(self) -> list[tuple[int, int]]:
        """A number of components and a number of its restart each."""
        return candidates_of(self.n_components, self.restarts)


def n_parameters(mixture: Mixture) -> int:
    """The numbers that a mixture is free to choose."""
    k, p = mixture.means.shape
    of_covariances = {"full": k * p * (p + 1) // 2, "tied": p * (p + 1) // 2, "diag": k * p, "spherical": k}
    return k - 1 + k * p + of_covariances[mixture.covariance_type]


def criteria(log_likelihood: float, entropy: float, n: float, mixture: Mixture) -> dict[str, float]:
    """AIC (Akaike, 1974), BIC (Schwarz, 1978), and ICL, the BIC with twice the entropy of the parts added (Biernacki,
    Celeux and Govaert, IEEE PAMI 22, 2000), for n rows; each the smaller the better."""
    free = n_parameters(mixture)
    bic = -2 * log_likelihood + free * math.log(n)
    return {"aic": -2 * log_likelihood + 2 * free, "bic": bic, "icl": bic + 2 * entropy}


def fit_mixture(run: Run, design: Design, settings: Settings) -> dict[str, Any]:
    """The parts of the model: parameters, components, candidates, training.

    :raises ScanError: more components than there are different rows; a covariance that is not positive definite
    """
    candidates = settings.candidates()

    def start() -> GMMState:
        mixtures = mixtures_from(
            settings.init, run, design, settings.covariance_type, candidates, settings.reg_covar, settings.seed
        )
        scale = weighted_sample(run.pack, design).X.std(axis=0)
        origin = feature_centers(run.pack, design)
        return GMMState.start(mixtures, origin, np.where(scale > 0, scale, 1.0), settings.reg_covar, settings.accelerate)

    draws = sum(k for k, _ in candidates) <= MOST_DRAWN
    try:
        fit = run.iterate(
            "em",
            MRGMM,
            design,
            start,
            rises=True,
            update=update,
            distance=_change if settings.stop == "log-likelihood" else _move,
            tol=settings.tol,
            max_iter=settings.max_iter,
            objective=lambda state: state.log_likelihood,
            monotone="rises",
            bound=lambda state: state.floor,
            trace=_trace if draws else None,
        )
    except np.linalg.LinAlgError:
        raise ScanError(
            "a covariance is not positive definite: the rows of a component lie in a plane, or are all the same; "
            "--reg-covar 1e-6 adds that to every variance"
        ) from None
    return _parts(run, fit, settings, candidates)


def _change(old: GMMState, new: GMMState, _: Any) -> np.ndarray:
    """How much the mean log-likelihood has risen."""
    first = np.isnan(old.log_likelihood)
    # Before the first pass there is none, and one that is not a number has diverged.
    with np.errstate(invalid="ignore"):
        change = np.abs(np.where(first, 1 + np.abs(new.log_likelihood), new.log_likelihood - old.log_likelihood))
    return np.where(np.isfinite(new.log_likelihood), change, np.inf)


def _move(old: GMMState, new: GMMState, _: Any) -> np.ndarray:
    return np.where(np.isfinite(new.log_likelihood), new.move, np.inf)


def _trace(state: GMMState) -> dict[str, Any]:
    """The way of each candidate, for pictures: weights, and means and covariances of the first two features."""
    points = [steps[-1].point for steps in state.steps]
    return {
        "weights": [point.weights.tolist() for point in points],
        "means": [point.means[:, :2].tolist() for point in points],
        "covariances": [whole_covariances(point)[:, :2, :2].tolist() for point in points],
    }


def whole_covariances(mixture: Mixture) -> np.ndarray:
    """The covariance of each component, (k, p, p), whatever the type."""
    k, p = mixture.means.shape
    if mixture.covariance_type in ("full", "tied"):
        return np.broadcast_to(mixture.covariances, (k, p, p))
    return np.broadcast_to(mixture.covariances, (k, 1, p)) * np.eye(p)


def _parts(run: Run, fit: Fit, settings: Settings, candidates: list[tuple[int, int]]) -> dict[str, Any]:
    state = fit.state
    n = state.weight_sum
    table = []
    for i, (k, restart) in enumerate(candidates):
        mixture, total = state.best(i), float(state.log_likelihood[i]) * n
        table.append({
            "n_components": k,
            "restart": restart,
            "status": fit.status[i],
            "n_passes": fit.n_iters[i],
            "log_likelihood": total,
            "mean_log_likelihood": float(state.log_likelihood[i]),
            "entropy": max(float(state.entropy[i]), 0.0),
            "n_parameters": n_parameters(mixture),
            **criteria(total, float(state.entropy[i]), n, mixture),
            "n_reseeded": int(state.n_reseeded[i]),
            "passes_won_by_extrapolation": int(state.by_extrapolation[i]),
            "log_likelihood_of_passes": [entry["objective"][i] for entry in fit.history[: fit.n_iters[i]]],
        })  # fmt: skip
    best = [_best_restart(table, k) for k in settings.n_components]
    for i, entry in enumerate(table):
        entry["is_best"] = i in best
    chosen = min(best, key=lambda i: (table[i][settings.select], i))
    mixture = state.best(chosen)
    components = _components(mixture, state, chosen)
    _warn(run, table[chosen], components, mixture, settings)
    history = [entry for entry in fit.history[: fit.n_iters[chosen]] if "means" in entry]
    covariances = mixture.covariances
    shape = {"tied": covariances.shape[1:], "diag": mixture.means.shape, "spherical": (len(mixture.weights),)}
    return {
        "parameters": {
            "covariance_type": settings.covariance_type,
            "weights": mixture.weights,
            "means": mixture.means,
            "covariances": covariances.reshape(shape.get(settings.covariance_type, covariances.shape)),
        },
        "components": components,
        "candidates": table,
        "chosen": chosen,
        "way": [{name: entry[name][chosen] for name in ("weights", "means", "covariances")} for entry in history],
        "training": {
            **training_of(run, "em", fit.status[chosen] == CONVERGED),
            "weight_sum": n,
            "n_rows": int(run.counts.used),
            "init": settings.init,
            "stop": settings.stop,
            "tol": settings.tol,
            "reg_covar": settings.reg_covar,
            "accelerate": settings.accelerate,
            "select": settings.select,
            "n_iter": fit.n_iters[chosen],
        },
    }


def _components(mixture: Mixture, state: GMMState, chosen: int) -> list[dict[str, Any]]:
    whole = whole_covariances(mixture)
    return [
        {
            "weight": float(mixture.weights[j]),
            "rows": float(state.r_sum[chosen][j]),
            "standard_deviations": np.sqrt(np.diagonal(whole[j])),
            "least_spread": float(np.sqrt(max(np.linalg.eigvalsh(whole[j])[0], 0.0))),
        }
        for j in range(len(mixture.weights))
    ]


def _best_restart(table: list[dict[str, Any]], k: int) -> int:
    """The candidate of so many components with the largest log-likelihood, of equals the first."""
    own = [i for i, entry in enumerate(table) if entry["n_components"] == k]
    return max(own, key=lambda i: (np.nan_to_num(table[i]["log_likelihood"], nan=-np.inf), -i))


def _warn(run: Run, entry: dict[str, Any], components: list, mixture: Mixture, settings: Settings) -> None:
    if entry["status"] != CONVERGED:
        run.warnings.append(f"not converged within {entry['n_passes']} passes; --max-iter allows more")
    if entry["n_reseeded"]:
        run.warnings.append(
            f"{count(entry['n_reseeded'], 'time')} on the way a component had lost its rows and was begun anew at the "
            "row of least density"
        )
    for j in collapsed(components, mixture.means.shape[1], settings.covariance_type, settings.reg_covar):
        component = components[j]
        if has_few_rows(component, mixture.means.shape[1], settings.covariance_type):
            run.warnings.append(f"component {j} has collapsed: it holds the weight of {component['rows']:.3g} rows")
        else:
            run.warnings.append(
                f"component {j} has collapsed: in one direction its rows spread no more than --reg-covar "
                f"{settings.reg_covar:g} and rounding make them, so they lie in a plane or repeat one another"
            )


def collapsed(components: list[dict[str, Any]], p: int, covariance_type: str, reg_covar: float) -> list[int]:
    """The components whose covariance is made by --reg-covar or by rounding, or by no more rows than features."""
    return [
        j
        for j, component in enumerate(components)
        if has_few_rows(component, p, covariance_type)
        or component["least_spread"] ** 2 <= max(2 * reg_covar, FLAT * max(component["standard_deviations"]) ** 2)
    ]


def has_few_rows(component: dict[str, Any], p: int, covariance_type: str) -> bool:
    """Whether a component has too few rows for a covariance of its own."""
    return component["rows"] < p + 1 and covariance_type != "tied"
