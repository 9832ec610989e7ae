"""What a linear fit and its standard errors are called, on the terminal and in the report alike."""

from __future__ import annotations

from typing import Any

COVARIANCE_TITLES = {
    "classical": "standard errors: classical",
    "HC0": "standard errors: HC0 sandwich, any variance in any row",
    "HC1": "standard errors: HC1 sandwich, any variance in any row",
    "HC2": "standard errors: HC2 sandwich, any variance in any row",
    "HC3": "standard errors: HC3 sandwich, any variance in any row",
    "cluster": "standard errors: sandwich, any dependence within a cluster",
    "equal-variance": "standard errors: sandwich for rows that are equally noisy",
}
PENALTY_NAMES = {"ridge": "Ridge", "lasso": "Lasso", "elastic-net": "Elastic net"}


def describe(model: dict[str, Any]) -> str:
    """What the fit is, in words: "Weighted ridge, alpha 0.1"."""
    penalty = model.get("penalty")
    weighted = bool(model.get("weight"))
    if not penalty or penalty["kind"] == "none":
        text = "Weighted least squares" if weighted else "Least squares"
    else:
        name = PENALTY_NAMES[penalty["kind"]]
        text = f"Weighted {name.lower()}" if weighted else name
        text += f", alpha {penalty['alpha']:.4g}"
        if penalty["l1_ratio"] is not None:
            text += f", l1 ratio {penalty['l1_ratio']:.3g}"
        if penalty["standardize"]:
            text += ", standardised"
    if penalty and penalty["positive"]:
        text += ", no coefficient below zero"
    return text


def letter(table: dict[str, Any]) -> str:
    """The name of the statistic of a table."""
    return "t" if table["law"] == "t" else "z"


def title_of(model: dict[str, Any], table: dict[str, Any]) -> str:
    """What the standard errors of a table take for granted."""
    title = COVARIANCE_TITLES[table["covariance_type"]]
    if model["weight"] and model["inference"]["weight_type"] == "frequency":
        return f"{title}, weights as numbers of rows"
    if model["weight"] and table["covariance_type"] == "classical":
        return f"{title}, weights as inverse variances"
    return title
