"""What validation, the penalty, the choice of features and the residuals of a linear fit say, in sentences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from drivers.linear.words import PENALTY_NAMES
from drivers.report.formats import names_told, number, p_value, share
from drivers.report.places import short_places
from drivers.wording import count

# Below this p a test is taken to have found something.
SMALL_P = 0.01
# A root mean square this much larger on new rows is worth no word of warning.
LITTLE = 0.05
HIGH_INFLATION = 10.0
# Cook and Weisberg, "Residuals and influence in regression", 1982, 5.3.
COOK_HIGH, COOK_WORTH_A_LOOK = 1.0, 0.5
# Of the residuals' skewness, of kurtosis - 3, and of the R^2 of a regression of their squares: no matter in practice.
SKEW, KURTOSIS, DEPENDENCE = 0.5, 1.0, 0.01
WATSON = (1.5, 2.5)
SQUARED = "R\N{SUPERSCRIPT TWO}"


def check_findings(model: dict[str, Any]) -> list[tuple[str, str]]:
    """Topic and paragraph for each part of the model that there is."""
    inference = model["inference"]
    found = inference.get("diagnostics")
    paragraphs = [
        ("Selection", _selection(model)),
        ("Penalty", _penalty(model)),
        ("Validation", _validation(model)),
        ("Residuals", f"{_normality(found)} {_variance(model, found)}".strip() if found else ""),
        ("Influence", _influence(found) if found else ""),
        ("Collinearity", _inflation(model)),
    ]
    return [(topic, paragraph) for topic, paragraph in paragraphs if paragraph]


def _validation(model: dict[str, Any]) -> str:
    validation = model.get("validation", {})
    training = model["inference"].get("mse")
    parts = []
    if "mse" in validation:
        mse, rmse = validation["mse"], validation["rmse"]
        text = (
            f"Predicting each of {validation['n_folds']} folds by a fit of the others is off by {number(rmse['mean'], 4)} "
            f"\N{PLUS-MINUS SIGN} {number(rmse['standard_error'], 2)} (root mean square and its standard error), against "
            f"{number(math.sqrt(training), 4)} on the rows of the fit itself: "
        )
        parts.append(text + _overfitting(mse["mean"], mse["standard_error"], training))
        r_squared = validation["r_squared"]
        if r_squared["mean"] + r_squared["standard_error"] < 0:
            parts.append("On new rows the fit is worse than the mean of the target would be.")
    if holdout := validation.get("holdout"):
        parts.append(
            f"On the {count(holdout['n_rows'], 'row')} held out of everything it is off by {number(holdout['rmse'], 4)} "
            f"({SQUARED} {number(holdout['r_squared'], 3)})."
        )
    return " ".join(parts)


def _overfitting(mse: float, error: float, training: float) -> str:
    if mse <= training + error:
        return "no sign of overfitting."
    if training <= 0:
        return "the fit passes through its own rows, and says little about others: overfitting."
    more = math.sqrt(mse / training) - 1
    if more < LITTLE:
        return f"{share(more, 2)} more on new rows, which is little overfitting."
    return f"{share(more, 2)} more on new rows, so the fit follows its own rows too closely: overfitting."


def _penalty(model: dict[str, Any]) -> str:
    penalty, path = model.get("penalty"), model.get("path")
    if not penalty:
        return ""
    n, n_nonzero = len(model["features"]), penalty["n_nonzero"]
    if penalty["kind"] == "none":
        text = "No coefficient was allowed to be below zero"
        return text + (
            "; none wanted to be." if n_nonzero == n else f"; {n - n_nonzero:,} of {n:,} ended at zero: {_zero(model)}."
        )
    alpha, kind = f"alpha {number(float(penalty['alpha']), 4)}", PENALTY_NAMES[penalty["kind"]].lower()
    if path is None:
        text = f"The {kind} penalty was given as {alpha}"
    else:
        how = (
            "the largest within one standard error of the least error of cross-validation"
            if penalty["choice"] == "1se"
            else "which has the least error of cross-validation"
        )
        text = f"Of {count(len(path['alphas']), 'penalty', 'penalties')} the {kind} took {alpha}, {how}"
    if penalty["l1_ratio"] is not None:
        text += f", with l1 ratio {number(float(penalty['l1_ratio']), 3)}"
    text += f". The fit has {number(float(penalty['df']), 3)} effective degrees of freedom, where least squares has {n:,}"
    if penalty["kind"] == "ridge" and n_nonzero == n:
        text += "."
    elif n_nonzero == 0:
        text += "; no feature is kept."
    else:
        text += f"; {n_nonzero:,} of {n:,} coefficients are not zero: {_kept(model)}."
    if penalty["alpha"] > 0:
        text += " Penalised coefficients are too near to zero on purpose."
    return text + (_worth(path) if path is not None else "")


def _kept(model: dict[str, Any]) -> str:
    values = np.array(model["parameters"]["coefficients"], dtype=float)
    return names_told([name for name, value in zip(model["features"], values) if value != 0])


def _zero(model: dict[str, Any]) -> str:
    values = np.array(model["parameters"]["coefficients"], dtype=float)
    return names_told([name for name, value in zip(model["features"], values) if value == 0])


def _worth(path: dict[str, Any]) -> str:
    """Whether the best penalty does better than hardly any."""
    same = [k for k, ratio in enumerate(path["l1_ratios"]) if ratio == path["l1_ratios"][path["best"]]]
    smallest = min(same, key=lambda k: path["alphas"][k])
    if smallest == path["best"]:
        return ""
    more, error = float(path["difference"][smallest]), float(path["difference_standard_error"][smallest])
    name = "no penalty" if path["alphas"][smallest] == 0 else "the smallest penalty tried"
    relative = more / float(path["mse"][path["best"]])
    if not more > 2 * error or relative < 0.001:
        return f" Against {name} the best one gains nothing beyond chance."
    return f" With {name} the mean square error of cross-validation is {share(relative, 2)} larger than with the best one."


def _selection(model: dict[str, Any]) -> str:
    selection = model.get("selection")
    if not selection:
        return ""
    kept, n = selection["features"], len(selection["candidates"])
    by = {"cv": "the error of cross-validation"}.get(selection["criterion"], selection["criterion"].upper())
    text = f"Of {count(n, 'feature')}, {selection['method']} selection by {by} keeps {len(kept):,}"
    if not kept:
        return f"{text}: what is left is the mean."
    text += f": {names_told(kept)}."
    if len(kept) < n:
        text += f" It leaves out {names_told([name for name in selection['candidates'] if name not in kept])}."
    if n == len(kept):
        return text + " Nothing was left out, so that the choice has changed nothing."
    return text + " Standard errors and p-values know nothing of this choice, and are too small."


def _normality(found: dict[str, Any]) -> str:
    p_values = [found[key] for key in ("omnibus_p_value", "jarque_bera_p_value") if math.isfinite(found[key])]
    if not p_values:
        return ""
    p, skew, kurtosis = min(p_values), found["skew"], found["kurtosis"]
    shape = f"skew {number(skew, 2)}, kurtosis {number(kurtosis, 3)}, where normal ones have 0 and 3"
    if p >= SMALL_P:
        return f"The residuals look normal ({shape}; p {p_value(p)})."
    if abs(skew) < SKEW and abs(kurtosis - 3) < KURTOSIS:
        return (
            f"The residuals are not quite normal (p {_small(p)}), but so little ({shape}) that only so many rows can tell: "
            "it matters to nothing here."
        )
    what = []
    if abs(skew) >= SKEW:
        what.append(f"skewed to the {'right' if skew > 0 else 'left'}")
    if kurtosis - 3 >= KURTOSIS:
        what.append("of heavier tails, with more extreme rows")
    elif kurtosis - 3 <= -KURTOSIS:
        what.append("of lighter tails")
    told = " and ".join(what)
    return (
        f"The residuals are not normal but {told} ({shape}; p {_small(p)}). With many rows the coefficients and "
        "their errors bear that; intervals for single new rows do not."
    )


def _variance(model: dict[str, Any], found: dict[str, Any]) -> str:
    tests = [
        (name, found[key])
        for name, key in (("Breusch-Pagan", "breusch_pagan"), ("White", "white"), ("White, special case", "white_special"))
        if found[key] and math.isfinite(found[key]["lm_p_value"])
    ]
    text = ""
    if tests:
        # The smallest of three p-values.
        name, test = min(tests, key=lambda one: one[1]["lm_p_value"])
        p, n = test["lm_p_value"], model["inference"]["n_observations"]
        explained = test["lm"] / n
        if p * len(tests) >= SMALL_P:
            text = (
                "Their variance does not depend on the features, as far as the tests can see "
                f"(least p {p_value(p)}, {name})."
            )
        else:
            size = f"the features explain {share(explained, 2)} of the squared residuals"
            text = f"Their variance is not the same everywhere ({name}: p {_small(p)}; {size}): "
            text += (
                "so little that it may not matter; compare the standard errors." if explained < DEPENDENCE
                else "believe HC3 standard errors rather than classical ones."
            )  # fmt: skip
    watson = found["durbin_watson"]
    if watson is not None and math.isfinite(watson) and not WATSON[0] <= watson <= WATSON[1]:
        like = "like each other" if watson < 2 else "of opposite sign"
        text += (
            f" Successive rows have residuals {like} (Durbin-Watson {number(watson, 3)}): where the order of the rows is "
            "one of time, standard errors are wrong; --cluster may help."
        )
    return text.strip()


def _small(p: float) -> str:
    return "below 0.001" if p < 0.001 else p_value(p)


def _influence(found: dict[str, Any]) -> str:
    text = ""
    rows = [row for row in found["influential"] if math.isfinite(row["cooks_distance"])]
    if rows:
        first, place = rows[0], short_places(rows)[0]
        told = f"Cook's distance {number(first['cooks_distance'], 3)}"
        if first["cooks_distance"] >= COOK_HIGH:
            n = sum(row["cooks_distance"] >= COOK_HIGH for row in rows)
            many = f"; so do {count(n - 1, 'other row')}" if n > 1 else ""
            text = f"{place} moves the fit by itself ({told}){many}: look whether it is right."
        elif first["cooks_distance"] >= COOK_WORTH_A_LOOK:
            text = f"{place} is worth a look ({told})."
        else:
            text = f"No single row rules the fit: the largest {told} is that of {place}."
    if found["n_leverage_one"]:
        n = found["n_leverage_one"]
        has, it = ("has", "it") if n == 1 else ("have", "them")
        text += f" {count(int(n), 'row')} {has} leverage 1, and the fit passes through {it}."
    if math.isfinite(found["predicted_r_squared"]):
        predicted = number(found["predicted_r_squared"], 4)
        text += f" Each row predicted by a fit without it gives {SQUARED} {predicted}."
    return text.strip()


def _inflation(model: dict[str, Any]) -> str:
    values = np.array(model["inference"].get("variance_inflation") or [], dtype=float)
    if len(values) < 2:
        return ""
    worst = int(np.argmax(values))
    name, largest = model["features"][worst], float(values[worst])
    if not math.isfinite(largest):
        n = int(np.isinf(values).sum())
        are = "is" if n == 1 else "are"
        return f"{count(n, 'feature')} {are} determined by the others: their effects cannot be told apart."
    if largest <= HIGH_INFLATION:
        return (
            "The features do not explain each other much: no variance inflation above 10, the largest "
            f"{number(largest, 3)} ({name})."
        )
    n = int((values > HIGH_INFLATION).sum())
    text = (
        f"{count(n, 'feature')} of {len(values):,} {'is' if n == 1 else 'are'} nearly explained by the others (variance "
        f"inflation above 10, the largest {number(largest, 3)} for {name}"
    )
    if model.get("penalty") and model["penalty"]["kind"] != "none":
        return text + "): least squares could hardly tell their effects apart, and the penalty shares them out."
    return text + f"): the standard error of {name} is {number(math.sqrt(largest), 2)} times what it would be otherwise."
