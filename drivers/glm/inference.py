"""What a generalised linear model says about itself: standard errors, tests, intervals and measures of fit.

With the information I = sum w h z z' at the maximum and the dispersion phi (1, or X^2 / (n - k) for gaussian and gamma),

    Cov(b) = phi I^-1            deviance D = 2 sum w loss             X^2 = sum w (y - mu)^2 / V(mu)
    AIC = 2k - 2 log L           BIC = k log n - 2 log L               R^2 (McFadden) = 1 - log L / log L_0

and the likelihood-ratio test of all slopes, (D_0 - D) / phi, has a chi-square law with as many degrees of freedom as there
are slopes (McCullagh and Nelder, *Generalized Linear Models*, 2nd ed., 1989, 2.3, 4.5; McFadden, "Conditional logit
analysis", 1974). Definitions are those of statsmodels' GLM with var_weights, or with freq_weights for counts of rows. With
a penalty of the second derivative P the estimates have the covariance (I + P)^-1 I (I + P)^-1 about their own mean, and of
those that a penalty has set to 0 nothing is known.

A multinomial model is told by the contrasts of each class with the first: those alone the data determine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from drivers.glm.coordinates import Coordinates
from drivers.glm.penalties import Penalties
from drivers.glm.state import Evaluated
from drivers.glm.steps import DEPENDENT
from drivers.linear.inference import CoefficientTable
from drivers.linear.penalised import GIVEN, SHRUNKEN
from jobs.kernels import families
from jobs.kernels.families import GAMMA, GAUSSIAN, MULTINOMIAL, NEGATIVE_BINOMIAL, POISSON

LABELS = {"none": "", "ridge": SHRUNKEN, "lasso": f"{SHRUNKEN}; {GIVEN}", "elastic-net": f"{SHRUNKEN}; {GIVEN}"}


@dataclass
class Curvature:
    """The second derivatives at a candidate's end, in the directions that it is free to go: directions (D, r), orthonormal;
    information (r, r); inverse: (I + P)^-1, P the second derivative of the penalty; rank: how many coefficients the data
    determine; whole: B for all predictors, (D, D)."""

    directions: np.ndarray
    information: np.ndarray
    inverse: np.ndarray
    rank: int
    whole: np.ndarray

    @classmethod
    def of(
        cls, i: int, coordinates: Coordinates, penalties: Penalties, theta: np.ndarray, found: Evaluated,
        observed: bool = False,
    ) -> Curvature:  # fmt: skip
        """Of candidate i at theta (q, d); a penalty on absolute values leaves the directions of what is not 0.

        :param observed: the second derivative of the loss itself, where the passes have it, in place of what is expected
        """
        q = len(theta)
        slopes = penalties.slopes(i, coordinates, theta)
        free = penalties.free[i] & (slopes != 0).any(axis=0) if penalties.l1[i] else penalties.free[i]
        directions = coordinates.directions(free, q)
        information = directions.T @ (found.second if observed else found.information) @ directions
        values, vectors = np.linalg.eigh(information)
        kept = values > DEPENDENT * max(values[-1], 0.0) * len(values)
        if penalties.l2[i]:
            penalty = penalties.second(i, coordinates, q, found.weight)
            inverse = np.linalg.pinv(information + directions.T @ penalty @ directions, hermitian=True)
        else:
            inverse = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
        return cls(directions, information, inverse, int(kept.sum()), coordinates.whole_basis(q))

    def covariance(self, middle: np.ndarray | None = None) -> np.ndarray:
        """That of the coefficients about the centre, one predictor after another, (D, D): with the information for a
        middle, and a dispersion of 1, or with another middle (D, D)."""
        inner = self.information if middle is None else self.directions.T @ middle @ self.directions
        way = self.whole @ self.directions @ self.inverse
        return way @ inner @ way.T

    def leverage_root(self) -> np.ndarray:
        """L with L L' = (I + P)^-1 in theta, (D, r)."""
        values, vectors = np.linalg.eigh(self.inverse)
        return self.directions @ (vectors * np.sqrt(np.maximum(values, 0.0)))


def as_they_stand(coordinates: Coordinates, q: int) -> np.ndarray:
    """From coefficients about the centre to those of the features as they are, (D, D)."""
    d = len(coordinates.center) + 1
    map_ = np.eye(d)
    map_[0, 1:] = -coordinates.center
    return np.kron(np.eye(q), map_)


def contrasts(q: int, d: int) -> np.ndarray:
    """Each predictor but the first less the first, ((q - 1) d, q d)."""
    return np.kron(np.column_stack([-np.ones(q - 1), np.eye(q - 1)]), np.eye(d))


def tables_of(
    i: int, coordinates: Coordinates, penalties: Penalties, theta: np.ndarray, covariance: np.ndarray, level: float,
    label: str, kind: str = "classical",
) -> list[CoefficientTable]:  # fmt: skip
    """A table of coefficients for each class but the first, or the only one.

    :param covariance: of the coefficients about the centre, (D, D)
    """
    q, d = theta.shape
    map_ = as_they_stand(coordinates, q)
    centred = coordinates.coefficients(theta).copy()
    centred[:, 1:] = penalties.slopes(i, coordinates, theta)
    estimates, about, errors = map_ @ centred.ravel(), covariance, map_ @ covariance @ map_.T
    if q > 1:
        difference = contrasts(q, d)
        estimates = difference @ estimates
        about, errors = (difference @ covariance @ difference.T for covariance in (about, errors))
    parts = [slice(c * d, (c + 1) * d) for c in range(max(q - 1, 1))]
    return [
        CoefficientTable.of(kind, estimates[at], errors[at, at], about[at, at], math.inf, level, label=label)
        for at in parts
    ]


def n_observations(found: Evaluated, n_rows: int, weight_type: str) -> float:
    """Of rows with weight, or of the rows that they stand for."""
    n = found.weight if weight_type == "frequency" else n_rows
    return int(n) if n == int(n) else n


def null_loss(model: tuple[str, str, float], found: Evaluated) -> float:
    """The loss of the model without features, whose mean is that of the target."""
    family, _, alpha = model
    total, y = found.weight, found.y_sum
    if not total > 0:
        return math.nan
    if family == MULTINOMIAL:
        return float(-special.xlogy(y, y / total).sum())
    mean = float(y[0] / total)
    return found.saturated + families.losses_of_one_mean(family, mean, float(y[0]), total, alpha)


def dispersion_of(model: tuple[str, str, float], found: Evaluated, n: float, rank: int) -> float:
    """phi: 1 where the family knows its variance."""
    if model[0] not in families.WITH_DISPERSION:
        return 1.0
    return found.square / (n - rank) if n > rank else math.nan


def log_likelihood(
    model: tuple[str, str, float], loss: float, found: Evaluated, n: float, dispersion: float, weight_log_sum: float,
    weight_type: str, is_weighted: bool,
) -> float:  # fmt: skip
    """That of the rows; of a gamma family with analytic weights it is not a number: the sums do not tell it."""
    family = model[0]
    if family == GAUSSIAN:
        if not loss > 0:
            return math.inf
        logs = 0.0 if weight_type == "frequency" else weight_log_sum / 2
        return -n / 2 * (math.log(2 * math.pi * 2 * loss / n) + 1) + logs
    if family == GAMMA:
        if (is_weighted and weight_type == "analytic") or not dispersion > 0:
            return math.nan
        a, total = 1 / dispersion, found.weight
        log_y = -(found.saturated + total)
        return total * (a * math.log(a) - a - math.lgamma(a)) - a * loss - log_y
    return found.constant - loss


def measures(
    model: tuple[str, str, float], found: Evaluated, rank: int, n: float, weight_type: str,
    is_weighted: bool, null: float | None,
) -> dict[str, Any]:  # fmt: skip
    """The numbers about the whole fit, by name.

    :param null: the loss of the model without features where that is no closed form
    """
    null = null_loss(model, found) if null is None else null
    q = len(found.y_sum)
    n_intercepts = max(q - 1, 1)
    df_model, df_residuals = rank - n_intercepts, n - rank
    phi = dispersion_of(model, found, n, rank)
    arguments = (found, n, phi, found.weight_log_sum, weight_type, is_weighted)
    ll, ll_null = log_likelihood(model, found.loss, *arguments), log_likelihood(model, null, *arguments)
    ratio = 2 * (null - found.loss) / phi if phi else math.nan
    total = found.own_weight
    return {
        "n_observations": n,
        "df_model": df_model,
        "df_residuals": df_residuals,
        "deviance": 2 * found.loss,
        "null_deviance": 2 * null,
        "deviance_explained": 1 - found.loss / null if null else math.nan,
        "pearson_chi2": found.square,
        "dispersion": phi,
        "log_likelihood": ll,
        "null_log_likelihood": ll_null,
        "pseudo_r_squared": 1 - ll / ll_null if ll_null and math.isfinite(ll_null) else math.nan,
        "aic": 2 * rank - 2 * ll,
        "bic": rank * math.log(n) - 2 * ll,
        "lr_statistic": ratio,
        "lr_df": df_model,
        "lr_p_value": float(special.chdtrc(df_model, max(ratio, 0.0))) if df_model > 0 else math.nan,
        "effective_sample_size": n if weight_type == "frequency" else total**2 / found.weight_square_sum,
        "largest_weight_share": found.weight_max / total,
    }


def ratio_word(model: tuple[str, str, float]) -> str:
    """What exp of a coefficient is called, "" where it is nothing."""
    family, link, _ = model
    if link == families.LOGIT:
        return "odds ratio"
    if link != families.LOG:
        return ""
    return "rate ratio" if family in (POISSON, NEGATIVE_BINOMIAL) else "ratio"
