"""Families and links of generalised linear models: what a row says of its linear predictor.

With the linear predictor eta, the mean mu = g^-1(eta), its slope m = dmu/deta, and the variance function V(mu), of a row y:

    loss        half the unit deviance of mu from y, 0 where mu = y; of it sums are minus log-likelihoods but for a constant
    score       - dloss/deta  = (y - mu) m / V                                                        (1)
    information   E of the second derivative = m^2 / V                                                (2)
    curvature     d^2 loss / deta^2 = m^2 / V - (y - mu) d(m / V)/deta                                (3)

(McCullagh and Nelder, *Generalized Linear Models*, 2nd ed., 1989, ch. 2). For a canonical link m / V is constant, and (3)
is (2). Where (3) may be negative it is of no use to a Newton step, and (2) takes its place (Fisher scoring).

The multinomial family has a predictor eta_c for each class c, and probabilities exp(eta_c) / sum exp(eta).
"""

from __future__ import annotations

import math

import numpy as np

GAUSSIAN, BINOMIAL, POISSON, GAMMA, NEGATIVE_BINOMIAL = "gaussian", "binomial", "poisson", "gamma", "negative-binomial"
MULTINOMIAL = "multinomial"
IDENTITY, LOGIT, LOG, INVERSE, NB_LINK = "identity", "logit", "log", "inverse", "negative-binomial"
# The canonical link of each family, and the others that it has.
CANONICAL = {
    GAUSSIAN: IDENTITY, BINOMIAL: LOGIT, POISSON: LOG, GAMMA: INVERSE, NEGATIVE_BINOMIAL: NB_LINK, MULTINOMIAL: LOGIT,
}  # fmt: skip
LINKS = {
    GAUSSIAN: (IDENTITY, LOG),
    BINOMIAL: (LOGIT, LOG, IDENTITY),
    POISSON: (LOG, IDENTITY),
    GAMMA: (INVERSE, LOG, IDENTITY),
    NEGATIVE_BINOMIAL: (LOG, IDENTITY, NB_LINK),
    MULTINOMIAL: (LOGIT,),
}
# Families whose variance is known but for a factor, the dispersion.
WITH_DISPERSION = (GAUSSIAN, GAMMA)

# A variance below this is no divisor.
LEAST = 1e-200


def softplus(eta: np.ndarray) -> np.ndarray:
    """log(1 + exp(eta)), which never overflows."""
    return np.maximum(eta, 0.0) + np.log1p(np.exp(-np.abs(eta)))


def sigmoid(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """1 / (1 + exp(-eta)) and what it lacks to 1, both to full relative precision: exp is taken of nothing above 0."""
    small = np.exp(-np.abs(eta))
    near, far = 1 / (1 + small), small / (1 + small)
    positive = eta >= 0
    return np.where(positive, near, far), np.where(positive, far, near)


def softmax(eta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The probabilities of classes (n, C), and log sum exp (n,)."""
    top = eta.max(axis=1, keepdims=True)
    p = np.exp(eta - top)
    total = p.sum(axis=1, keepdims=True)
    p /= total
    return p, (top + np.log(total))[:, 0]


def mean_of(link: str, eta: np.ndarray, alpha: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """mu and dmu/deta, shape (n,) each; not a number, or infinite, where eta is out of the link's range.

    :param alpha: of the negative binomial family's own link
    """
    with np.errstate(all="ignore"):
        if link == IDENTITY:
            return eta, np.ones_like(eta)
        if link == LOG:
            mu = np.exp(eta)
            return mu, mu
        if link == LOGIT:
            p, rest = sigmoid(eta)
            return p, p * rest
        if link == INVERSE:
            mu = 1 / eta
            return mu, -mu * mu
        mu = np.where(eta < 0, 1 / (alpha * np.expm1(-eta)), np.nan)
        return mu, mu * (1 + alpha * mu)


def link_of(link: str, mu: float, alpha: float = 0.0) -> float:
    """eta of a mean."""
    if link == IDENTITY:
        return mu
    if link == LOG:
        return math.log(mu)
    if link == LOGIT:
        return math.log(mu / (1 - mu))
    if link == INVERSE:
        return 1 / mu
    return -math.log1p(1 / (alpha * mu))


def variance(family: str, mu: np.ndarray, alpha: float = 0.0) -> np.ndarray:
    """V(mu)."""
    if family == GAUSSIAN:
        return np.ones_like(mu)
    if family == BINOMIAL:
        return mu * (1 - mu)
    if family == POISSON:
        return mu
    return mu * mu if family == GAMMA else mu + alpha * mu * mu


def in_range(family: str, mu: np.ndarray) -> np.ndarray:
    """Which means the family has."""
    if family == GAUSSIAN:
        return np.isfinite(mu)
    if family == BINOMIAL:
        return (mu > 0) & (mu < 1)
    return (mu > 0) & (mu < np.inf)


def saturated(family: str, y: np.ndarray, alpha: float = 0.0) -> np.ndarray:
    """What `loss` has of y alone: loss(y, mu) - saturated(y) is linear in y."""
    if family == GAUSSIAN:
        return y * y / 2
    if family == BINOMIAL:
        return _xlogx(y) + _xlogx(1 - y)
    if family == POISSON:
        return _xlogx(y) - y
    if family == GAMMA:
        return -np.log(y) - 1
    return _xlogx(y) - (y + 1 / alpha) * np.log1p(alpha * y)


def losses_of_one_mean(family: str, mean: float, y_sum: float, total: float, alpha: float = 0.0) -> float:
    """What the losses of rows about one mean add up to, but for `saturated`: sums w y and w are all that it takes."""
    if family == GAUSSIAN:
        return mean * (total * mean / 2 - y_sum)
    if family == BINOMIAL:
        return -sum(part * math.log(share) for part, share in ((y_sum, mean), (total - y_sum, 1 - mean)) if part > 0)
    if not mean > 0:
        return 0.0
    if family == POISSON:
        return total * mean - y_sum * math.log(mean)
    if family == GAMMA:
        return y_sum / mean + total * math.log(mean)
    return (y_sum + total / alpha) * math.log1p(alpha * mean) - y_sum * math.log(mean)


def losses(
    family: str, link: str, y: np.ndarray, eta: np.ndarray, alpha: float = 0.0, of_y: np.ndarray | None = None
) -> np.ndarray:
    """The loss of each row, (n,); infinite where the mean is none of the family.

    :param of_y: what `saturated` gives of y, where it is known
    """
    of_y = saturated(family, y, alpha) if of_y is None else of_y
    if family == BINOMIAL and link == LOGIT:
        # The largest part cancels exactly where y is 0 or 1.
        return np.log1p(np.exp(-np.abs(eta))) + (np.maximum(eta, 0.0) - y * eta) + of_y
    mu = mean_of(link, eta, alpha)[0]
    with np.errstate(all="ignore"):
        found = _losses_of_means(family, link, y, eta, mu, alpha)
    return np.where(in_range(family, mu), found, np.inf)


def _losses_of_means(family: str, link: str, y: np.ndarray, eta: np.ndarray, mu: np.ndarray, alpha: float) -> np.ndarray:
    log_mu = eta if link == LOG else np.log(mu) if family != GAUSSIAN else mu
    if family == GAUSSIAN:
        return (y - mu) ** 2 / 2
    if family == BINOMIAL:
        return _xlogx(y) + _xlogx(1 - y) - np.where(y > 0, y * log_mu, 0.0) - np.where(y < 1, (1 - y) * np.log1p(-mu), 0.0)
    if family == POISSON:
        return mu - y + _xlogx(y) - np.where(y > 0, y * log_mu, 0.0)
    if family == GAMMA:
        return (y - mu) / mu - np.log(y) + log_mu
    rise = np.log1p(alpha * y) - np.log1p(alpha * mu)
    return _xlogx(y) - np.where(y > 0, y * log_mu, 0.0) - (y + 1 / alpha) * rise


def derivatives(
    family: str, link: str, y: np.ndarray, eta: np.ndarray, alpha: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Score, information, curvature, and (y - mu)^2 / V, each (n,); all 0 where the mean is none of the family."""
    if family == BINOMIAL and link == LOGIT:
        p, rest = sigmoid(eta)
        score = y * rest - (1 - y) * p
        information = p * rest
        return score, information, information, score * score / np.maximum(information, LEAST)
    with np.errstate(all="ignore"):
        mu, slope = mean_of(link, eta, alpha)
        V = variance(family, mu, alpha)
        residual, ratio = y - mu, slope / V
        found = residual * ratio, slope * ratio, _curvature(family, link, y, mu, slope * ratio, alpha), residual**2 / V
        inside = in_range(family, mu)
    if inside.all():
        return found
    score, information, curvature, square = (np.where(inside, values, 0.0) for values in found)
    return score, information, curvature, square


def _curvature(family: str, link: str, y: np.ndarray, mu: np.ndarray, information: np.ndarray, alpha: float) -> np.ndarray:
    """(3) where it cannot be negative, else (2)."""
    if (family, link) == (GAMMA, LOG):
        return y / mu
    if (family, link) == (NEGATIVE_BINOMIAL, LOG):
        return mu * (1 + alpha * y) / (1 + alpha * mu) ** 2
    if (family, link) == (POISSON, IDENTITY):
        return y / mu**2
    if (family, link) == (BINOMIAL, LOG):
        return mu * (1 - y) / (1 - mu) ** 2
    if (family, link) == (BINOMIAL, IDENTITY):
        return y / mu**2 + (1 - y) / (1 - mu) ** 2
    return information


def has_own_curvature(family: str, link: str) -> bool:
    """Whether (3) is not (2)."""
    return (family, link) in (
        (GAMMA, LOG), (NEGATIVE_BINOMIAL, LOG), (POISSON, IDENTITY), (BINOMIAL, LOG), (BINOMIAL, IDENTITY),
    )  # fmt: skip


def margins(family: str, link: str, y: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """How far each row is on the side of the boundary between two classes where it should be, (n,); of counts 0 has a side,
    and what has none is as far as it is from the boundary on the wrong one."""
    if family == BINOMIAL:
        inside = (y > 0) & (y < 1)
        return np.where(inside, -np.abs(eta), np.where(y > 0, eta, -eta))
    if family in (POISSON, NEGATIVE_BINOMIAL) and link == LOG:
        return np.where(y > 0, -np.abs(eta), -eta)
    return -np.abs(eta)


def _xlogx(x: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return np.where(x > 0, x * np.log(x), 0.0)
