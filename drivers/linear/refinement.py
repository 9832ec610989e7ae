"""Iterative refinement of a weighted least-squares fit: as a rule one more pass, after which a double holds what is right.

The first pass leaves errors of EPS times the condition number. A pass of jobs/kernels/wols_refine.py at that solution
gives sums from which, with gram = L L',

    b <- b + S L^-T (L^-1 qwe),      S <- S L^-T,      RSS = rss - |L^-1 qwe|^2,      (Z'WZ)^-1 = S S'

are right but for the rounding of the sums themselves: a relative error of the step of EPS cond(gram), where cond(gram) is
near 1 whatever the condition of the data. So what a further pass would change can be told beforehand, and none is spent on
seeing that nothing changes. b is kept as a sum of two doubles (Dekker 1971), and the intercept a = c_y + b_0 - c'b, where
large terms may cancel, is summed exactly before its single rounding (Bjorck, *Numerical Methods for Least Squares
Problems*, 1996, 2.9; Demmel, Hida, Riedy and Li, "Extra-precise iterative refinement for overdetermined least squares
problems", ACM TOMS 35, 2009).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from drivers.loop import CONVERGED, DIVERGED, Fit
from drivers.run import Run
from jobs.design import Design
from jobs.kernels.exact_products import exact_sum
from jobs.kernels.wols import EPS, WOLSQuery, WOLSSolution, WOLSStatistics
from jobs.kernels.wols_refine import WOLSRefineQuery, WOLSRefineStatistics, correct
from jobs.mr_wols_refine import MRWOLSRefine
from jobs.records import Record, array_field

MAX_PASSES = 5
# The predicted relative error of the coefficients at which no further pass is made.
TOL = 1e-16


@dataclass
class RefinementState(Record):
    """Where refinement stands: the query of the next pass, and what the last pass has said of the one before.

    intercept, coefficients (p,), covariance_root (p + 1, p + 1): about the origin; distance: of the last pass.
    """

    point: WOLSRefineQuery
    intercept: float
    residual_square_sum: float
    df_residuals: int
    distance: float
    coefficients: np.ndarray = array_field("<f8", 1)
    covariance_root: np.ndarray = array_field("<f8", 2)
    alive: np.ndarray = array_field("|b1", 1)

    @classmethod
    def start(cls, statistics: WOLSStatistics, query: WOLSQuery, solution: WOLSSolution) -> RefinementState:
        """The state before the first pass, at the solution of full rank."""
        point = WOLSRefineQuery.at(statistics.r, query.center, query.target_center)
        return cls(
            point=point,
            intercept=solution.intercept,
            residual_square_sum=solution.residual_square_sum,
            df_residuals=max(statistics.n_rows - len(point.basis), 1),
            distance=math.nan,
            coefficients=solution.coefficients,
            covariance_root=solution.covariance_root,
            alive=np.ones(1, bool),
        )

    def query(self) -> WOLSRefineQuery:
        """What the next pass needs."""
        return self.point

    def retire(self, done: np.ndarray) -> RefinementState:
        """The state without passes to come, where `done` (1,) says so."""
        return RefinementState(**{**vars(self), "alive": self.alive & ~done})


def update(state: RefinementState, statistics: WOLSRefineStatistics) -> RefinementState:
    """The corrected solution; the state as it was, at distance infinity, where the sums admit none."""
    point = state.point
    try:
        correction = correct(point, statistics)
    except np.linalg.LinAlgError:
        return RefinementState(**{**vars(state), "distance": math.inf})
    # The row of the intercept about the origin, from the basis of this pass: that of the next has other roundings.
    origin = np.array([exact_sum([first], -point.center, s) for first, s in zip(point.basis[0], point.basis[1:].T)])
    high, low = point.coefficients.T
    intercept = exact_sum(
        [point.target_center, high[0], low[0], float(origin @ correction.step)],
        -np.concatenate([point.center, point.center]),
        np.concatenate([high[1:], low[1:]]),
    )
    root = np.vstack([np.linalg.solve(correction.lower, origin), correction.basis[1:]])
    following = WOLSRefineQuery(**{**vars(point), "basis": correction.basis, "coefficients": correction.coefficients})
    following.n_slices = max(point.n_slices, following.slices_needed(math.sqrt(correction.residual_square_sum)))
    coefficients = correction.coefficients[1:, 0]
    # The error of the step, relative to a coefficient or to its standard error, whichever is larger; in a perfect fit, to
    # the rounding errors of y.
    norms = np.linalg.norm(root, axis=1)
    sigma = math.sqrt(correction.residual_square_sum / state.df_residuals)
    size = np.maximum(np.abs(np.append(intercept, coefficients)), norms * max(sigma, EPS * point.scale[-1]))
    contraction = 16 * EPS * correction.condition
    distance = contraction * float(np.max(norms * np.linalg.norm(correction.step) / size))
    complete = correction.complete and following.n_slices == point.n_slices
    return RefinementState(
        point=following,
        intercept=intercept,
        residual_square_sum=correction.residual_square_sum,
        df_residuals=state.df_residuals,
        distance=distance if complete else max(distance, 1.0),
        coefficients=coefficients,
        covariance_root=root,
        alive=state.alive,
    )


LOOP: dict[str, Any] = {
    "update": update,
    "distance": lambda old, new, statistics: np.array([new.distance]),
    "tol": TOL,
    "max_iter": MAX_PASSES,
}


def refine(run: Run, design: Design, statistics: WOLSStatistics, query: WOLSQuery, solution: WOLSSolution) -> WOLSSolution:
    """The solution with its rounding errors removed, by passes of the phase "refine"; with a warning where that fails."""
    if solution.rank < len(query.center):
        run.warnings.append("--refine does nothing here: the matrix is singular, so there is no one solution to refine")
        return solution
    fit = run.iterate("refine", MRWOLSRefine, design, lambda: RefinementState.start(statistics, query, solution), **LOOP)
    return refined(fit, solution, run.warnings)


def refined(fit: Fit, solution: WOLSSolution, warnings: list[str]) -> WOLSSolution:
    """The solution that the passes have ended at."""
    if fit.status[0] == DIVERGED:
        warnings.append(
            "the passes of --refine were given up: the data are singular within the precision of doubles, so the first "
            "pass is no solution to start from; its digits are not to be trusted"
        )
        return solution
    state = fit.state
    if fit.status[0] != CONVERGED:
        warnings.append(
            f"after {fit.n_iter} passes of --refine about {state.distance:.1g} of the coefficients may still be wrong"
        )
    total = solution.residual_square_sum + solution.explained_square_sum
    return WOLSSolution(
        intercept=state.intercept,
        residual_square_sum=state.residual_square_sum,
        explained_square_sum=max(total - state.residual_square_sum, 0.0),
        rank=solution.rank,
        condition_number=solution.condition_number,
        dependent=solution.dependent,
        coefficients=state.coefficients,
        covariance_root=state.covariance_root,
    )
