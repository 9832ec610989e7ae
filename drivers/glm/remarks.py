"""What the user must know of a fit: separation, candidates that have not converged, columns that depend on one another."""

from __future__ import annotations

import numpy as np

from drivers.glm.inference import Curvature
from drivers.glm.problem import Problem
from drivers.glm.state import NEWTON, GLMState
from drivers.loop import CONVERGED, Fit
from drivers.run import Run
from drivers.wording import count


def warn(run: Run, problem: Problem, status: str, separated: bool, fit: Fit, i: int) -> None:
    """Says what the user must know of the chosen candidate i, and of the others."""
    if separated:
        what = "the classes" if problem.classes else "rows of count 0 and the others"
        run.warnings.append(
            f"{what} are separated by the features, at least some rows: their coefficients have no finite maximum and grow "
            "from pass to pass; the passes were ended, and no standard error is to be trusted. --penalty ridge gives "
            "finite ones, or leave the feature out whose coefficient is largest"
        )
    elif status != CONVERGED:
        passes = count(fit.n_iters[i], "pass", "passes")
        run.warnings.append(
            f"not converged within {passes}; --max-iter allows more"
            if np.isfinite(fit.state.gap[i])
            else f"given up after {passes}: the best means lie at the edge of what the {problem.model[1]} link of the "
            f"family {problem.model[0]} gives, or beyond it; take another --link or --family"
        )
    others = [j for j in range(len(fit.status)) if j != i and fit.status[j] != CONVERGED]
    if others:
        run.warnings.append(f"{len(others)} of {len(fit.status)} candidates have not converged")
    rank_lost = problem.settings.solver == NEWTON and not problem.settings.is_penalised
    if rank_lost and not separated:
        _warn_of_dependence(run, problem, fit.state, i)


def _warn_of_dependence(run: Run, problem: Problem, state: GLMState, i: int) -> None:
    q, d = state.base[i].shape
    rank = Curvature.of(i, state.coordinates, state.penalties, state.base[i], state.found[i]).rank
    expected = (q - 1) * d if q > 1 else d
    if rank < expected:
        run.warnings.append(
            f"{expected - rank} of {expected} coefficients depend on the others: columns are sums of one another. The "
            "least ones were taken, as measured by how far they move the rows; predictions do not depend on it, and their "
            "standard errors are of these"
        )
