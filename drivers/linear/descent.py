"""Weighted least squares by gradient descent: one pass an iteration, for all learning rates and starts together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.designs import feature_centers, target_center
from drivers.linear.training import training_with_sums
from drivers.loop import CONVERGED, DIVERGED, Fit
from drivers.run import Run
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.wols_gradient import WOLSGradientState, update
from jobs.mr_wols_gradient import MRWOLSGradient

# A coefficient that is still further than this from where it is heading is not a converged one.
EARLY = 1e-3
STOPPED_EARLY = "stopped early"

# Of a model: parameters, inference, training.
Parts = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]


@dataclass
class Descent:
    """The options of gradient descent; every rate is tried from every start, all in the same passes."""

    learning_rates: list[float]
    starts: list[str]
    stop: str = "gradient"
    tol: float | None = None
    max_iter: int = 1000
    gradient: str = "weighted"
    seed: int = 0

    def candidates(self, n_coefficients: int) -> tuple[np.ndarray, np.ndarray]:
        """Rates (m,) and starting coefficients (p + 1, m).

        :raises ScanError: a start with another number of coefficients
        """
        generator = np.random.default_rng([self.seed, 0x60])
        columns = []
        for start in self.starts:
            if start == "random":
                columns.append(generator.uniform(-3, 3, n_coefficients))
                continue
            try:
                values = np.array([float(value) for value in start.split(",")])
            except ValueError:
                raise ScanError(f"--start {start} is neither random nor a list of numbers") from None
            if len(values) != n_coefficients or not np.isfinite(values).all():
                raise ScanError(f"--start {start} needs {n_coefficients} numbers: the intercept and a slope a feature")
            columns.append(values)
        starts = np.column_stack(columns)
        return np.repeat(self.learning_rates, starts.shape[1]), np.tile(starts, len(self.learning_rates))


def descend(run: Run, design: Design, descent: Descent) -> Parts:
    """Gradient descent, one pass an iteration for all rates and starts together; the best candidate is the model.

    :raises ScanError: when every candidate diverges
    """
    manifest = run.pack.manifest
    assert design.target is not None
    center = feature_centers(run.pack, design)
    rates, starts = descent.candidates(len(center) + 1)
    state = WOLSGradientState.start(rates, starts, center, target_center(manifest, design), descent.gradient)
    tol = descent.tol or (1e-8 if descent.stop == "gradient" else 1e-5)
    fit = run.iterate(
        "descent",
        MRWOLSGradient,
        design,
        lambda: state,
        update=update,
        distance=_gradient_distance if descent.stop == "gradient" else _step_distance,
        tol=tol,
        max_iter=descent.max_iter,
        objective=lambda state: state.loss,
        trace=lambda state: {"coefficients": state.coefficients.T.tolist()},
    )
    best = _best(fit)
    candidates = _candidates(fit, starts)
    chosen = candidates[best]
    _warn(run, fit, candidates, best, descent)
    history = fit.history[: fit.n_iters[best]]
    parameters = {"coefficients": chosen["coefficients"][1:], "intercept": float(chosen["coefficients"][0])}
    training = {
        **training_with_sums(run, None, solver="gd", converged=fit.status[best] == CONVERGED),
        **{name: chosen[name] for name in ("status", "remaining_distance", "loss")},
        "stop": descent.stop,
        "tol": tol,
        "gradient": descent.gradient,
        "chosen": best,
        "candidates": candidates,
        "path": [entry["coefficients"][best] for entry in history],
        "losses": [entry["objective"][best] for entry in history],
    }
    return parameters, {}, training


def _candidates(fit: Fit, starts: np.ndarray) -> list[dict[str, Any]]:
    """What became of each candidate; small steps far from where they lead are named for what they are."""
    state = fit.state
    remaining = state.remaining_distance()
    early = [status == CONVERGED and distance > EARLY for status, distance in zip(fit.status, remaining)]
    return [
        {
            "learning_rate": float(state.rates[k]),
            "start": starts[:, k],
            "status": STOPPED_EARLY if early[k] else fit.status[k],
            "n_passes": fit.n_iters[k],
            "coefficients": state.coefficients[:, k],
            "loss": float(state.loss[k]),
            "remaining_distance": float(remaining[k]),
        }
        for k in range(len(fit.status))
    ]


def _warn(run: Run, fit: Fit, candidates: list[dict[str, Any]], best: int, descent: Descent) -> None:
    chosen = candidates[best]
    for rate in sorted({candidate["learning_rate"] for candidate in candidates if candidate["status"] == DIVERGED}):
        run.warnings.append(f"the learning rate {rate:g} diverged; take a smaller one")
    if chosen["status"] == STOPPED_EARLY:
        run.warnings.append(
            f"stopped early: the steps are small, but about {chosen['remaining_distance']:.2g} of the way to the solution "
            "is left; take a smaller --tol, a larger --learning-rate, or --solver exact"
        )
    if fit.status[best] != CONVERGED:
        run.warnings.append(f"not converged within --max-iter {descent.max_iter} passes")
    if descent.gradient == "classical":
        run.warnings.append(
            "--gradient classical weighs one component only and descends no function: its root is the "
            "instrumental-variable estimate with instruments (1, w x), not least squares"
        )


def _gradient_distance(old: WOLSGradientState, new: WOLSGradientState, _: Any) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(new.gradient_norm == 0, 0.0, new.gradient_norm / new.first_gradient_norm)
    return np.where(new.diverged, np.inf, relative)


def _step_distance(old: WOLSGradientState, new: WOLSGradientState, _: Any) -> np.ndarray:
    return np.where(new.diverged, np.inf, new.step_norm**2)


def _best(fit: Fit) -> int:
    """The converged candidate of least loss; without one, the one of least loss that did not diverge."""
    loss = np.where(np.isfinite(fit.state.loss), fit.state.loss, np.inf)
    for allowed in ([s == CONVERGED for s in fit.status], [s != DIVERGED for s in fit.status]):
        if any(allowed):
            return int(np.argmin(np.where(allowed, loss, np.inf)))
    rates = ", ".join(f"{rate:g}" for rate in sorted(set(fit.state.rates.tolist())))
    raise ScanError(f"gradient descent diverged at every learning rate ({rates}); take a smaller --learning-rate")
