"""The two ways to a weighted least-squares fit, each a sequence of phases on a run.

Both give (parameters, inference, training): the three parts of the model that differ between algorithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.linear_inference import classical_table, measures_of_fit, sandwich_tables
from drivers.loop import CONVERGED, DIVERGED, Fit
from drivers.run import Run
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels import wols_gradient
from jobs.kernels.wols import WOLSQuery, exact_sum, solve
from jobs.kernels.wols_gradient import WOLSGradientState
from jobs.kernels.wols_robust import WOLSRobustQuery
from jobs.mr_wols import MRWOLS
from jobs.mr_wols_gradient import MRWOLSGradient
from jobs.mr_wols_robust import MRWOLSRobust

Parts = tuple[dict[str, Any], dict[str, Any], dict[str, Any]]

# Below this share of the rows the weights are so uneven that classical standard errors cannot be believed.
UNEVEN = 0.01
# A coefficient that is still further than this from where it is heading is not a converged one.
EARLY = 1e-3


def fit_exactly(run: Run, design: Design, robust: bool | None = None, level: float = 0.95) -> Parts:
    """One pass for the coefficients and classical inference; one more for sandwich standard errors.

    :param robust: None: where the effective sample size is below a hundredth of the rows
    """
    manifest = run.pack.manifest
    assert design.target is not None
    center = np.array([manifest.mean(name) for name in design.features])
    query = WOLSQuery(center, manifest.mean(design.target))
    statistics = run.once("exact", MRWOLS, query, design)
    if statistics.n_rows == 0:
        raise ScanError("no row is left that has a positive weight and every cell it needs")
    solution = solve(statistics, query)
    measures = measures_of_fit(statistics, solution)
    tables = [classical_table(solution, measures, level)]
    uneven = measures["effective_sample_size"] < UNEVEN * statistics.n_rows
    if robust or (robust is None and uneven):
        centred_intercept = exact_sum([solution.intercept, -query.target_center], center, solution.coefficients)
        robust_query = WOLSRobustQuery(centred_intercept, query.target_center, solution.coefficients, center)
        sandwich = run.once("robust", MRWOLSRobust, robust_query, design)
        tables += sandwich_tables(solution, sandwich, center, level)
    _warn(run, design, statistics, solution, measures, tables)
    parameters = {"coefficients": solution.coefficients, "intercept": solution.intercept}
    inference = {
        **measures,
        "confidence_level": level,
        "weight_type": "analytic",
        "dependent_features": [design.features[j] for j in solution.dependent],
        "coefficients": [table.to_json() for table in tables],
    }
    return parameters, inference, _training(run, statistics, solver="exact", converged=True)


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
    center = np.array([manifest.mean(name) for name in design.features])
    rates, starts = descent.candidates(len(center) + 1)
    state = WOLSGradientState.start(rates, starts, center, manifest.mean(design.target), descent.gradient)
    tol = descent.tol or (1e-8 if descent.stop == "gradient" else 1e-5)
    fit = run.iterate(
        "descent",
        MRWOLSGradient,
        design,
        state,
        update=wols_gradient.update,
        distance=_gradient_distance if descent.stop == "gradient" else _step_distance,
        tol=tol,
        max_iter=descent.max_iter,
        objective=lambda state: state.loss,
        trace=lambda state: {"coefficients": state.coefficients.T.tolist()},
    )
    best = _best(fit)
    state = fit.state
    remaining = float(state.remaining_distance()[best])
    converged = fit.status[best] == CONVERGED
    candidates = [
        {
            "learning_rate": float(state.rates[k]),
            "start": starts[:, k],
            "status": fit.status[k],
            "n_passes": fit.n_iters[k],
            "coefficients": state.coefficients[:, k],
            "loss": float(state.loss[k]),
        }
        for k in range(len(rates))
    ]
    for k in np.flatnonzero(state.diverged):
        run.warnings.append(
            f"the learning rate {state.rates[k]:g} diverged after {fit.n_iters[k]} passes; take a smaller one"
        )
    stopped_early = bool(converged and remaining > EARLY)
    if stopped_early:
        run.warnings.append(
            f"stopped early: the steps are small, but about {remaining:.2g} of the way to the solution is left; "
            "take a smaller --tol, a larger --learning-rate, or --solver exact"
        )
    if not converged:
        run.warnings.append(f"not converged after {fit.n_iters[best]} passes (--max-iter)")
    if descent.gradient == "classical":
        run.warnings.append(
            "--gradient classical weighs one component only and descends no function: its root is the "
            "instrumental-variable estimate with instruments (1, w x), not least squares"
        )
    chosen = state.coefficients[:, best]
    parameters = {"coefficients": chosen[1:], "intercept": float(chosen[0])}
    training = {
        **_training(run, None, solver="gd", converged=converged),
        "status": "stopped early" if stopped_early else fit.status[best],
        "stop": descent.stop,
        "tol": tol,
        "remaining_distance": remaining,
        "gradient": descent.gradient,
        "loss": float(state.loss[best]),
        "chosen": best,
        "candidates": candidates,
        "path": [entry["coefficients"][best] for entry in fit.history[: fit.n_iters[best]]],
        "losses": [entry["objective"][best] for entry in fit.history[: fit.n_iters[best]]],
    }
    return parameters, {}, training


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


def _training(run: Run, statistics: Any, solver: str, converged: bool) -> dict[str, Any]:
    training = {
        "solver": solver,
        "converged": converged,
        "n_passes": run.n_passes,
        "rows_in": run.counts.read + run.pack.manifest.n_rejected,
        "rows_used": run.counts.used,
        "rows_rejected": run.counts.rejected + run.pack.manifest.n_rejected,
        "rows_missing": run.counts.missing,
        "seed_of_keys": run.pack.manifest.fingerprint,
    }
    if statistics is not None:
        training.update(n_rows=statistics.n_rows, n_zero_weight=statistics.n_zero_weight, weight_sum=statistics.weight_sum)
    return training


def _warn(run: Run, design: Design, statistics: Any, solution: Any, measures: dict[str, Any], tables: list) -> None:
    if solution.dependent:
        names = ", ".join(repr(design.features[j]) for j in solution.dependent)
        run.warnings.append(
            f"the matrix is singular (rank {solution.rank} of {len(design.features)}): {names} depend on the intercept "
            "and the features before them; these are the coefficients of least norm"
        )
    if measures["df_residuals"] <= 0:
        run.warnings.append("there are no more rows than coefficients: nothing is left to estimate errors from")
    if statistics.n_zero_weight:
        run.warnings.append(f"rows of weight zero, which do not count: {statistics.n_zero_weight}")
    effective, n = measures["effective_sample_size"], statistics.n_rows
    if effective < UNEVEN * n:
        text = (
            f"the weights are so uneven that {n:,} rows are worth {effective:,.0f} of equal weight, and one row carries "
            f"{measures['largest_weight_share']:.0%} of it all; do not believe the classical standard errors"
        )
        if len(tables) == 3:
            ratio = tables[2].standard_errors / tables[0].standard_errors
            text += f" ({np.nanmax(ratio):.0f} times too small if all rows are equally noisy)"
        run.warnings.append(text)
