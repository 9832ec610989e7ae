"""What the residuals of a linear fit say against its assumptions, from the sums of the second pass.

All are of the weighted residuals u = sqrt(d) e, n of them, as statsmodels' summary and its `diagnostic` module have them:

    skew, kurtosis       of u about its mean: m3 / m2^1.5 and m4 / m2^2
    Jarque-Bera          n/6 (skew^2 + (kurtosis - 3)^2 / 4), chi-square with 2 (Jarque and Bera, Economics Letters 6, 1980)
    omnibus              D'Agostino and Pearson's K^2 = Z(skew)^2 + Z(kurtosis)^2, chi-square with 2 (Biometrika 60, 1973)
    Durbin-Watson        sum (u_i - u_(i-1))^2 / sum u^2 in the order of the data (Biometrika 37, 1950)
    Breusch-Pagan        u^2 regressed on x, studentised: n R^2, chi-square (Koenker, Journal of Econometrics 17, 1981)
    White                u^2 regressed on x, its squares and its products (Econometrica 48, 1980)
    White, special case  u^2 regressed on yhat and yhat^2 (Wooldridge, *Introductory Econometrics*, 6th ed., 8.3)
    predicted R^2        1 - PRESS / TSS, PRESS = sum d (e / (1 - h))^2 (Allen, Technometrics 16, 1974)
    Cook's distance      u^2 h / (m sigma^2 (1 - h)^2), m coefficients (Technometrics 19, 1977)

The three regressions are on orthonormal coordinates of x, which have the same span; a regressor that is constant or depends
on others, as the square of a 0-1 variable does, adds no degree of freedom.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import special

from drivers.linear.inference import f_p_value
from jobs.kernels.wols_residuals import (
    COOK,
    FITTED,
    FITTED2,
    LEVERAGE,
    ONE,
    RESIDUAL,
    V2,
    WEIGHTED_RESIDUAL,
    WHITE_PRODUCTS,
    WHITE_V2,
    Q,
    V,
    WOLSResidualsQuery,
    WOLSResidualsStatistics,
)

# A variance below this share of the mean square is rounding error: the regressor is constant.
CONSTANT = 1e-12
# Times the number of regressors: an eigenvalue of their correlation matrix below this is rounding error.
DEPENDENT = 1e-12


def diagnostics(residuals: WOLSResidualsStatistics, query: WOLSResidualsQuery, measures: dict[str, Any]) -> dict[str, Any]:
    """The numbers about the residuals, by name; None for a test that the pass was not asked for.

    :param measures: those of measures_of_fit for the same fit and weight type
    """
    gram = residuals.variance_gram
    regressors = np.arange(Q, len(gram))
    deleted = query.sigma**2 * residuals.press if not residuals.n_leverage_one else math.inf
    total = measures["total_square_sum"]
    return {
        **normality(residuals),
        "durbin_watson": durbin_watson(residuals) if query.durbin_watson else None,
        "breusch_pagan": regression_of_squares(gram, V2, regressors),
        "white": _white(residuals.white_gram) if query.white else None,
        "white_special": regression_of_squares(gram, V2, np.array([FITTED, FITTED2])),
        "press": deleted,
        "predicted_r_squared": 1 - deleted / total if total > 0 else math.nan,
        "leverage_sum": residuals.leverage_sum,
        "leverage_mean": residuals.leverage_sum / residuals.n_observations,
        "leverage_max": residuals.leverage_max,
        "n_leverage_one": residuals.n_leverage_one,
        "leverage_one": [_place(place) for place in residuals.leverage_one_places],
        "weighted_residual_min": query.sigma * float(residuals.residual_range[0]),
        "weighted_residual_max": query.sigma * float(residuals.residual_range[1]),
        "influential": influential_rows(residuals, query, measures),
    }


def normality(residuals: WOLSResidualsStatistics) -> dict[str, Any]:
    """Skewness, kurtosis and the two tests made of them."""
    g, n = residuals.variance_gram, residuals.n_observations
    # Of v: sums of the powers 1 to 4, of which the Gram matrix has v, v^2 - 1 and their products.
    s1, s2, s3, s4 = g[ONE, V], g[V, V], g[V, V2] + g[ONE, V], g[V2, V2] + 2 * g[V, V] - n
    mean = s1 / n
    m2 = s2 / n - mean**2
    m3 = s3 / n - 3 * mean * s2 / n + 2 * mean**3
    m4 = s4 / n - 4 * mean * s3 / n + 6 * mean**2 * s2 / n - 3 * mean**4
    skew = float(m3 / m2**1.5) if m2 > 0 else math.nan
    kurtosis = float(m4 / m2**2) if m2 > 0 else math.nan
    omnibus = skewness_score(skew, n) ** 2 + kurtosis_score(kurtosis, n) ** 2
    jarque_bera = n / 6 * (skew**2 + (kurtosis - 3) ** 2 / 4)
    return {
        "omnibus": omnibus,
        "omnibus_p_value": math.exp(-omnibus / 2),
        "skew": skew,
        "kurtosis": kurtosis,
        "jarque_bera": jarque_bera,
        "jarque_bera_p_value": math.exp(-jarque_bera / 2),
    }


def skewness_score(skew: float, n: float) -> float:
    """A standard normal score for the skewness of n normal values (D'Agostino, Biometrika 57, 1970); NaN for n < 8."""
    if n < 8:
        return math.nan
    y = skew * math.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
    beta2 = 3 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3) / ((n - 2) * (n + 5) * (n + 7) * (n + 9))
    w2 = math.sqrt(2 * (beta2 - 1)) - 1
    return math.asinh(y / math.sqrt(2 / (w2 - 1))) / math.sqrt(0.5 * math.log(w2))


def kurtosis_score(kurtosis: float, n: float) -> float:
    """The same for the kurtosis (Anscombe and Glynn, Biometrika 70, 1983); NaN for n < 8."""
    if n < 8:
        return math.nan
    variance = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
    x = (kurtosis - 3 * (n - 1) / (n + 1)) / math.sqrt(variance)
    beta1 = 6 * (n**2 - 5 * n + 2) / ((n + 7) * (n + 9)) * math.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    a = 6 + 8 / beta1 * (2 / beta1 + math.sqrt(1 + 4 / beta1**2))
    cube = (1 - 2 / a) / (1 + x * math.sqrt(2 / (a - 4)))
    return (1 - 2 / (9 * a) - math.copysign(abs(cube) ** (1 / 3), cube)) / math.sqrt(2 / (9 * a))


def durbin_watson(residuals: WOLSResidualsStatistics) -> float:
    """The pieces joined in the order of the data."""
    first, last = residuals.piece_ends.T
    joins = float(np.sum((first[1:] - last[:-1]) ** 2))
    square_sum = float(residuals.variance_gram[V, V])
    return (residuals.successive_square_sum + joins) / square_sum if square_sum else math.nan


def _white(gram: np.ndarray) -> dict[str, float]:
    return regression_of_squares(gram, WHITE_V2, np.arange(WHITE_PRODUCTS, len(gram)))


def regression_of_squares(gram: np.ndarray, target: int, regressors: np.ndarray) -> dict[str, float]:
    """Tests of all slopes in the regression of one column on others, from their Gram matrix with a column of ones first.

    LM = n R^2, chi-square, and F, both with as many degrees of freedom as the regressors have rank about their means.
    """
    n = gram[0, 0]
    about_mean = gram - np.outer(gram[0], gram[0]) / n
    regressors = regressors[np.diag(about_mean)[regressors] > CONSTANT * np.diag(gram)[regressors]]
    total = about_mean[target, target]
    if not len(regressors) or not total > 0:
        return dict.fromkeys(("lm", "lm_p_value", "f", "f_p_value", "df"), math.nan)
    spread = np.sqrt(np.diag(about_mean)[regressors])
    values, vectors = np.linalg.eigh(about_mean[np.ix_(regressors, regressors)] / np.outer(spread, spread))
    kept = values > DEPENDENT * len(values) * values[-1]
    df = int(kept.sum())
    coordinates = vectors[:, kept].T @ (about_mean[regressors, target] / spread)
    r_squared = min(float(np.sum(coordinates**2 / values[kept]) / total), 1.0)
    df_residuals = float(n) - df - 1
    f = r_squared / df / ((1 - r_squared) / df_residuals) if df_residuals > 0 and r_squared < 1 else math.nan
    lm = float(n) * r_squared
    return {
        "lm": lm,
        "lm_p_value": float(special.chdtrc(df, lm)),
        "f": f,
        "f_p_value": f_p_value(f, df, df_residuals),
        "df": df,
    }


def influential_rows(
    residuals: WOLSResidualsStatistics, query: WOLSResidualsQuery, measures: dict[str, Any]
) -> list[dict[str, Any]]:
    """The rows of largest Cook's distance, first the largest; a row's place is (part, block, position), each from 0."""
    sigma = math.sqrt(measures["residual_variance"])
    n_coefficients = measures["df_model"] + 1
    in_sigma = query.sigma / sigma if sigma > 0 else math.nan
    return [
        {
            **_place(place),
            "cooks_distance": float(row[COOK]) * in_sigma**2 / n_coefficients,
            "leverage": float(row[LEVERAGE]),
            "studentized_residual": float(row[WEIGHTED_RESIDUAL]) * in_sigma / math.sqrt(1 - row[LEVERAGE]),
            "residual": float(row[RESIDUAL]),
        }
        for row, place in zip(residuals.influence, residuals.influence_places)
    ]


def remarks(found: dict[str, Any]) -> list[str]:
    """Sentences for the warnings of a run, from what `diagnostics` gives."""
    n = found["n_leverage_one"]
    if not n:
        return []
    rows = "1 row has" if n == 1 else f"{n:,.0f} rows have"
    return [f"{rows} leverage 1, so the fit passes through whatever the target is there: HC2, HC3 and PRESS are infinite"]


def _place(place: np.ndarray) -> dict[str, int]:
    part, block, position = place.tolist()
    return {"part": part, "block": block, "position": position}
