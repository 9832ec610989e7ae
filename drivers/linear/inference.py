"""What a linear fit says about itself: standard errors, tests, intervals and measures of fit, from the pass statistics.

Definitions are those of statsmodels' WLS, whose weights are *analytic*: Var(e_i) = sigma^2 / w_i. With n rows of positive
weight, k = p + 1 coefficients, RSS = sum w e^2 and TSS = sum w (y - weighted mean)^2:

    sigma^2 = RSS / (n - k)         Cov(b) = sigma^2 (X'WX)^-1              R^2 = 1 - RSS / TSS
    F = ((TSS - RSS) / p) / sigma^2     log L = -n/2 (log(2 pi RSS / n) + 1) + sum log(w) / 2
    AIC = 2k - 2 log L              BIC = k log n - 2 log L

(Greene, *Econometric Analysis*, 7th ed., ch. 4, 9 and 14). With *frequency* weights a row of weight w stands for w rows: n
is sum w, the likelihood has no term in log(w), and every number is that of the rows written out. Mean squared error and
its root are weighted means over the rows, RSS / sum w, as scikit-learn's mean_squared_error with sample_weight.

A sandwich covariance is L M L' with L L' = (X'WX)^-1 and a middle M from the second pass (jobs/kernels/wols_residuals.py),
here times sigma^2, the unit of its residuals:

    HC0             sum a d v^2 q q'                            any variance in any row          normal law
    HC1             n / (n - k) HC0                             the same, for few rows           normal law
    HC2, HC3        divided by 1 - h, by (1 - h)^2              the same, where leverage is uneven    normal law
    cluster         G/(G-1) (n-1)/(n-k) sum_g s_g s_g'          any dependence within G clusters      t with G - 1
    equal-variance  s^2 sum a d^2 q q', s^2 = sum e^2 / (n-k)   one variance whatever the weights     normal law

(MacKinnon and White, Journal of Econometrics 29, 1985; Cameron and Miller, Journal of Human Resources 50, 2015). The F
statistic of a table is Wald's, b' Cov(b)^-1 b / p over the slopes; the classical one is that of the variance table.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from jobs.errors import ScanError
from jobs.kernels.wols import EPS, WOLSSolution, WOLSStatistics
from jobs.kernels.wols_residuals import WOLSResidualsQuery, WOLSResidualsStatistics, centred_root

HETEROSCEDASTIC = ("HC0", "HC1", "HC2", "HC3")
COVARIANCES = ("classical", *HETEROSCEDASTIC, "cluster", "equal-variance")


@dataclass
class CoefficientTable:
    """One row a coefficient, the intercept first; arrays of shape (p + 1,), intervals (p + 1, 2).

    covariance_type: "classical", "HC0" to "HC3", "cluster" or "equal-variance"
    law, df: "t" with its degrees of freedom, or "normal" (df infinite), of the statistics, p-values and intervals
    f_statistic, f_df, f_p_value: of all slopes at once, by F with these two degrees of freedom
    label: what the reader must know of such errors, "" for least squares; a table with one has no F, whose law is not known
    centred_covariance: that of the intercept and slopes on x - c, which keeps the digits of features far from zero
    """

    covariance_type: str
    estimates: np.ndarray
    standard_errors: np.ndarray
    statistics: np.ndarray
    p_values: np.ndarray
    intervals: np.ndarray
    covariance: np.ndarray
    law: str
    df: float
    f_statistic: float
    f_df: tuple[float, float]
    f_p_value: float
    centred_covariance: np.ndarray
    label: str = ""

    @classmethod
    def of(
        cls,
        kind: str,
        estimates: np.ndarray,
        covariance: np.ndarray,
        centred_covariance: np.ndarray,
        df: float,
        level: float,
        f: tuple[float, float, float] = (math.nan, math.nan, math.nan),
        label: str = "",
    ) -> CoefficientTable:
        """The table of a covariance; df infinite for the normal law; f: the F statistic and its degrees of freedom."""
        errors = np.sqrt(np.diag(covariance))
        if label:  # a coefficient that was left at zero has no error that means anything
            errors = np.where((errors == 0) & (estimates == 0), math.nan, errors)
        with np.errstate(divide="ignore", invalid="ignore"):
            statistics = estimates / errors
        if math.isinf(df):
            p_values, quantile = 2 * special.ndtr(-np.abs(statistics)), special.ndtri(0.5 + level / 2)
        else:
            p_values, quantile = 2 * special.stdtr(df, -np.abs(statistics)), special.stdtrit(df, 0.5 + level / 2)
        return cls(
            covariance_type=kind,
            estimates=estimates,
            standard_errors=errors,
            statistics=statistics,
            p_values=p_values,
            intervals=np.column_stack([estimates - quantile * errors, estimates + quantile * errors]),
            covariance=covariance,
            law="normal" if math.isinf(df) else "t",
            df=df,
            f_statistic=float(f[0]),
            f_df=(f[1], f[2]),
            f_p_value=f_p_value(*f),
            centred_covariance=centred_covariance,
            label=label,
        )

    def to_json(self) -> dict[str, Any]:
        """All but the centred covariance, which is for predictions."""
        return {name: value for name, value in vars(self).items() if name != "centred_covariance"}


def measures_of_fit(
    statistics: WOLSStatistics,
    solution: WOLSSolution,
    weight_type: str = "analytic",
    df_model: float | None = None,
    center: np.ndarray | None = None,
) -> dict[str, Any]:
    """The numbers about the whole fit, by name.

    :param df_model: the effective degrees of freedom of a penalised fit without the intercept, whose F has no known law
    :param center: of the features, shape (p,), for the condition number of the features as they stand
    """
    frequency = weight_type == "frequency"
    n = statistics.weight_sum if frequency else statistics.n_rows
    n = int(n) if n == int(n) else n
    k = solution.rank + 1 if df_model is None else df_model + 1
    rss, ess = solution.residual_square_sum, solution.explained_square_sum
    tss, df = rss + ess, n - k
    sigma2 = rss / df if df > 0 else math.nan
    f_statistic = _ratio(ess / (k - 1), sigma2) if k > 1 and df_model is None else math.nan
    log_rss = math.log(2 * math.pi * rss / n) if rss > 0 else -math.inf
    log_likelihood = -n / 2 * (log_rss + 1) + (0.0 if frequency else statistics.weight_log_sum / 2)
    r_squared = 1 - _ratio(rss, tss)
    return {
        "n_observations": n,
        "df_model": k - 1,
        "df_residuals": df,
        "residual_square_sum": rss,
        "total_square_sum": tss,
        "residual_variance": sigma2,
        "r_squared": r_squared,
        "r_squared_adjusted": 1 - (1 - r_squared) * (n - 1) / df if df > 0 else math.nan,
        "f_statistic": f_statistic,
        "f_p_value": f_p_value(f_statistic, k - 1, df),
        "log_likelihood": log_likelihood,
        "aic": 2 * k - 2 * log_likelihood,
        "bic": k * math.log(n) - 2 * log_likelihood,
        "mse": rss / statistics.weight_sum,
        "rmse": math.sqrt(rss / statistics.weight_sum),
        "condition_number": solution.condition_number,
        **({} if center is None else {"condition_number_raw": raw_condition_number(statistics, solution, center)}),
        "effective_sample_size": n if frequency else statistics.weight_sum**2 / statistics.weight_square_sum,
        "largest_weight_share": 1 / n if frequency else statistics.weight_max / statistics.weight_sum,
    }


def raw_condition_number(statistics: WOLSStatistics, solution: WOLSSolution, center: np.ndarray) -> float:
    """That of sqrt(w) (1, X), neither centred nor scaled: the "Cond. No." of statsmodels' summary.

    The two norms come from the triangle and from its inverse: of a far-off column the smallest singular value itself would
    be rounding error.
    """
    r = statistics.r[:-1, :-1]
    # A penalised solution may have a finite one of its own where the features are dependent.
    if math.isinf(solution.condition_number) or not np.diag(r).all():
        return math.inf
    about_zero = r.copy()
    about_zero[0, 1:] += center * r[0, 0]
    slopes = np.linalg.solve(r[1:, 1:], np.eye(len(center)))
    inverse = np.zeros_like(r)
    inverse[0, 0], inverse[1:, 1:] = 1 / r[0, 0], slopes
    inverse[0, 1:] = -(about_zero[0, 1:] / r[0, 0]) @ slopes
    return float(np.linalg.norm(about_zero, 2) * np.linalg.norm(inverse, 2))


def classical_table(
    statistics: WOLSStatistics, solution: WOLSSolution, measures: dict[str, Any], level: float, label: str = ""
) -> CoefficientTable:
    """Standard errors that take the weights for inverse variances, or for numbers of rows."""
    root, centred = solution.covariance_root, centred_root(statistics, solution.covariance_root)
    sigma2 = measures["residual_variance"]
    df = measures["df_residuals"]
    f = (measures["f_statistic"], measures["df_model"], df)
    covariances = sigma2 * root @ root.T, sigma2 * centred @ centred.T
    return CoefficientTable.of("classical", estimates_of(solution), *covariances, df, level, f, label)


def sandwich_tables(
    estimates: np.ndarray,
    query: WOLSResidualsQuery,
    residuals: WOLSResidualsStatistics,
    measures: dict[str, Any],
    level: float,
    kinds: Sequence[str] | None = None,
    label: str = "",
) -> list[CoefficientTable]:
    """The tables of the second pass.

    :param estimates: intercept and slopes, shape (p + 1,)
    :param kinds: in this order; None for every one there is: HC2 and HC3 where the pass was asked for tests, cluster where
        it had clusters
    :raises ScanError: cluster-robust errors of a single cluster
    """
    if kinds is None:
        first = HETEROSCEDASTIC if query.tests else HETEROSCEDASTIC[:2]
        kinds = (*first, "equal-variance", *(("cluster",) if len(residuals.cluster_keys) else ()))
    root = query.root.copy()
    root[0] -= query.center @ query.root[1:]
    df_residuals = measures["df_residuals"]
    tables = []
    for kind in kinds:
        middle = _middle(kind, query, residuals, df_residuals)
        n_clusters = len(residuals.cluster_keys)
        df, df_f = (n_clusters - 1, n_clusters - 1) if kind == "cluster" else (math.inf, df_residuals)
        if np.isfinite(middle).all():
            covariances = root @ middle @ root.T, query.root @ middle @ query.root.T
        else:
            covariances = (np.full((len(root), len(root)), middle.flat[0]),) * 2
        f = (math.nan,) * 3 if label else (*wald(estimates[1:], query.root[1:], middle), df_f)
        tables.append(CoefficientTable.of(kind, estimates, *covariances, df, level, f, label))
    return tables


def _middle(kind: str, query: WOLSResidualsQuery, residuals: WOLSResidualsStatistics, df: float) -> np.ndarray:
    """The middle of a sandwich, shape (r, r); all NaN without degrees of freedom, all infinite where it has no bound."""
    unit, n = query.sigma**2, residuals.n_observations
    n_clusters = len(residuals.cluster_keys)
    over_df = 1 / df if df > 0 else math.nan
    if kind == "HC0":
        return unit * residuals.hc0_gram
    if kind == "HC1":
        return unit * n * over_df * residuals.hc0_gram
    if kind in ("HC2", "HC3"):
        gram = residuals.hc2_gram if kind == "HC2" else residuals.hc3_gram
        return np.full_like(gram, math.inf) if residuals.n_leverage_one else unit * gram
    if kind == "equal-variance":
        return unit * residuals.residual_square_sum * over_df * residuals.square_gram
    if kind != "cluster":
        raise ValueError(f"no such covariance: {kind}")
    if n_clusters < 2:
        raise ScanError(
            "cluster-robust standard errors need two clusters or more, and every row is in the same; name another column "
            "with --cluster"
        )
    correction = n_clusters / (n_clusters - 1) * (n - 1) * over_df
    return unit * correction * (residuals.cluster_scores.T @ residuals.cluster_scores)


def wald(slopes: np.ndarray, root: np.ndarray, middle: np.ndarray) -> tuple[float, float]:
    """F = b' (G M G')^-1 b / rank and the rank, for slopes b (p,), the rows G (p, r) of the root that are theirs, and the
    middle M. (Wald, Transactions of the American Mathematical Society 54, 1943.)

    In the directions of G: M is well conditioned where the covariance G M G' has squared the condition of the features.
    """
    if not len(slopes) or not np.isfinite(middle).all():
        return math.nan, len(slopes)
    norms = np.linalg.norm(root, axis=1)
    scale = np.where(norms > 0, norms, 1.0)
    u, s, vt = np.linalg.svd(root / scale[:, None], full_matrices=False)
    kept = s > 16 * EPS * math.sqrt(len(s)) * s[0]
    direction = (u[:, kept].T @ (slopes / scale)) / s[kept]
    inner = vt[kept] @ middle @ vt[kept].T
    spread = np.sqrt(np.diag(inner))
    if not spread.all():
        return math.nan, int(kept.sum())
    values, vectors = np.linalg.eigh(inner / np.outer(spread, spread))
    positive = values > 64 * EPS * len(values) * values[-1]
    rank = int(positive.sum())
    return float(np.sum((vectors[:, positive].T @ (direction / spread)) ** 2 / values[positive])) / rank, rank


def prediction_errors(
    covariance: np.ndarray,
    sigma2: float,
    X: np.ndarray,
    w: np.ndarray | None = None,
    center: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The standard errors of the mean at the rows of X (n, p), and of a new observation there with weight w; (n,) each.

    Var(mean) = z'Cz and Var(new) = sigma^2 / w + z'Cz, z = (1, x) (Greene, 7th ed., 4.6); w None for one row more.

    :param covariance: C, the intercept first; with `center` that of the fit on x - center, which keeps the digits of
        features far from zero
    """
    z = np.column_stack([np.ones(len(X)), X if center is None else X - center])
    mean = np.maximum(np.einsum("ij,ij->i", z @ covariance, z), 0.0)
    return np.sqrt(mean), np.sqrt(mean + sigma2 / (1.0 if w is None else w))


def f_p_value(f: float, df_model: float, df: float) -> float:
    """P(F > f); NaN without degrees of freedom."""
    return float(special.fdtrc(df_model, df, f)) if df_model > 0 and df > 0 else math.nan


def estimates_of(solution: WOLSSolution) -> np.ndarray:
    """Intercept and slopes, shape (p + 1,)."""
    return np.concatenate([[solution.intercept], solution.coefficients])


def _ratio(a: float, b: float) -> float:
    if b:
        return a / b
    return math.inf if a > 0 else math.nan
