"""What a linear fit says about itself: standard errors, tests, intervals and measures of fit, from the pass statistics.

Definitions are those of statsmodels' WLS, whose weights are *analytic*: Var(e_i) = sigma^2 / w_i. With n rows of positive
weight, k = p + 1 coefficients, RSS = sum w e^2 and TSS = sum w (y - weighted mean)^2:

    sigma^2 = RSS / (n - k)         Cov(b) = sigma^2 (X'WX)^-1              R^2 = 1 - RSS / TSS
    F = ((TSS - RSS) / p) / sigma^2     log L = -n/2 (log(2 pi RSS / n) + 1) + sum log(w) / 2
    AIC = 2k - 2 log L              BIC = k log n - 2 log L

(Greene, *Econometric Analysis*, 7th ed., ch. 4, 9 and 14). Mean squared error and its root are weighted means over the
rows, RSS / sum w, as scikit-learn's mean_squared_error with sample_weight.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from jobs.kernels.wols import WOLSSolution, WOLSStatistics
from jobs.kernels.wols_robust import WOLSRobustStatistics


@dataclass
class CoefficientTable:
    """One row a coefficient, the intercept first; arrays of shape (p + 1,), intervals (p + 1, 2).

    covariance_type: "classical", "HC0" (White's sandwich) or "equal-variance" (the sandwich of rows with one variance
    whatever their weight). The first refers to Student's t, the sandwiches to the normal law, as statsmodels does.
    """

    covariance_type: str
    estimates: np.ndarray
    standard_errors: np.ndarray
    statistics: np.ndarray
    p_values: np.ndarray
    intervals: np.ndarray
    covariance: np.ndarray

    @classmethod
    def of(cls, kind: str, estimates: np.ndarray, covariance: np.ndarray, df: float, level: float) -> CoefficientTable:
        """The table of a covariance; df infinite for the normal law."""
        errors = np.sqrt(np.diag(covariance))
        with np.errstate(divide="ignore", invalid="ignore"):
            statistics = estimates / errors
        if math.isinf(df):
            p_values, quantile = 2 * special.ndtr(-np.abs(statistics)), special.ndtri(0.5 + level / 2)
        else:
            p_values, quantile = 2 * special.stdtr(df, -np.abs(statistics)), special.stdtrit(df, 0.5 + level / 2)
        intervals = np.column_stack([estimates - quantile * errors, estimates + quantile * errors])
        return cls(kind, estimates, errors, statistics, p_values, intervals, covariance)

    def to_json(self) -> dict[str, Any]:
        return dict(vars(self))


def measures_of_fit(statistics: WOLSStatistics, solution: WOLSSolution) -> dict[str, Any]:
    """The numbers about the whole fit, by name."""
    n, k = statistics.n_rows, solution.rank + 1
    rss, ess = solution.residual_square_sum, solution.explained_square_sum
    tss, df = rss + ess, n - k
    sigma2 = rss / df if df > 0 else math.nan
    f_statistic = _ratio(ess / (k - 1), sigma2) if k > 1 else math.nan
    log_rss = math.log(2 * math.pi * rss / n) if rss > 0 else -math.inf
    log_likelihood = -n / 2 * (log_rss + 1) + statistics.weight_log_sum / 2
    r_squared = 1 - _ratio(rss, tss)
    return {
        "n_observations": n,
        "df_model": k - 1,
        "df_residuals": df,
        "residual_square_sum": rss,
        "residual_variance": sigma2,
        "r_squared": r_squared,
        "r_squared_adjusted": 1 - (1 - r_squared) * (n - 1) / df if df > 0 else math.nan,
        "f_statistic": f_statistic,
        "f_p_value": float(special.fdtrc(k - 1, df, f_statistic)) if k > 1 and df > 0 else math.nan,
        "log_likelihood": log_likelihood,
        "aic": 2 * k - 2 * log_likelihood,
        "bic": k * math.log(n) - 2 * log_likelihood,
        "mse": rss / statistics.weight_sum,
        "rmse": math.sqrt(rss / statistics.weight_sum),
        "condition_number": solution.condition_number,
        "effective_sample_size": statistics.weight_sum**2 / statistics.weight_square_sum,
        "largest_weight_share": statistics.weight_max / statistics.weight_sum,
    }


def classical_table(solution: WOLSSolution, measures: dict[str, Any], level: float) -> CoefficientTable:
    """Standard errors that take the weights for inverse variances."""
    covariance = measures["residual_variance"] * solution.covariance_root @ solution.covariance_root.T
    return CoefficientTable.of("classical", _estimates(solution), covariance, measures["df_residuals"], level)


def sandwich_tables(
    solution: WOLSSolution, robust: WOLSRobustStatistics, center: np.ndarray, level: float
) -> list[CoefficientTable]:
    """The HC0 and the equal-variance table from the second pass, whose middles are about the centre."""
    root = solution.covariance_root
    # The middles are in (1, x - c): the root's rows are turned to these coordinates, and the result back.
    shift = np.eye(len(root))
    shift[0, 1:] = center
    bread_root = shift @ root
    back = np.linalg.solve(shift, np.eye(len(root)))
    bread = bread_root @ bread_root.T
    df = robust.n_rows - solution.rank - 1
    sigma2 = robust.residual_square_sum / df if df > 0 else math.nan
    tables = []
    for kind, middle in (("HC0", robust.hc0_gram), ("equal-variance", sigma2 * robust.square_gram)):
        covariance = back @ (bread @ middle @ bread) @ back.T
        tables.append(CoefficientTable.of(kind, _estimates(solution), covariance, math.inf, level))
    return tables


def _estimates(solution: WOLSSolution) -> np.ndarray:
    return np.concatenate([[solution.intercept], solution.coefficients])


def _ratio(a: float, b: float) -> float:
    if b:
        return a / b
    return math.inf if a > 0 else math.nan
