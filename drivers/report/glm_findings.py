"""What the numbers of a generalised linear model say, in sentences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from drivers.loop import CONVERGED
from drivers.packing.cache import Pack
from drivers.report.classifier_pictures import area_told, calibration_error, known_curves, leading, rows_told
from drivers.report.formats import number, p_value, share
from drivers.report.glm_pictures import choice_told, sample_of, scales_of
from drivers.wording import count
from jobs.kernels.families import BINOMIAL, NEGATIVE_BINOMIAL, POISSON, WITH_DISPERSION

# Areas under the ROC curve as they are commonly told apart (Hosmer and Lemeshow, *Applied Logistic Regression*, 2nd ed.,
# 2000, 5.2.4).
WORTH = [(0.9, "outstanding"), (0.8, "excellent"), (0.7, "acceptable"), (0.5, "poor")]
# X^2 / df of counts beyond which their spread is not that of the family.
FAR, NEAR = 1.5, 1.1
# Mean differences of probabilities and shares.
CALIBRATED, OFF = 0.02, 0.1


def findings(model: dict[str, Any], pack: Pack | None) -> list[tuple[str, str]]:
    """Topic and paragraph for each question."""
    found = [
        ("Fit", _fit(model)),
        ("Largest effect", _effect(model, pack)),
        ("Separated", _separated(model)),
        ("Classes told apart", _discrimination(model)),
        ("Calibration", _calibration(model)),
        ("New rows", _new_rows(model)),
        ("Penalty", _penalty(model)),
        ("Dispersion", _dispersion(model, pack)),
        ("Convergence", _convergence(model)),
    ]
    return [(topic, text) for topic, text in found if text]


def _is_penalised(model: dict[str, Any]) -> bool:
    return bool(model["training"]["penalty"]["kind"] != "none")


def _fit(model: dict[str, Any]) -> str:
    inference = model["inference"]
    if not inference:
        return (
            "Without second derivatives there are neither standard errors nor tests: --solver newton gives them, where the "
            "square of the number of features fits in memory."
        )
    explained, df = inference["deviance_explained"], inference["lr_df"]
    if not math.isfinite(explained):
        return "The target does not vary, so there is nothing to explain."
    of = "log-likelihood" if model["parameters"]["classes"] else "deviance"
    text = f"The features take {share(explained)} off the {of} of a model without them"
    if model["parameters"]["classes"]:
        text += " (McFadden's pseudo R\N{SUPERSCRIPT TWO})"
    if model["training"]["status"] == "separated":
        return text + ". Where it has no finite maximum no test holds."
    if model["training"]["class_weights"]:
        return text + ". With weights of classes no test of them all holds."
    if _is_penalised(model):
        return text + ". Of a penalised fit no test of them all is known."
    statistic, p = inference["lr_statistic"], inference["lr_p_value"]
    if not math.isfinite(p):
        return text + "."
    verdict = "more than chance" if p < 0.05 else "no more than chance may"
    return (
        f"{text}, {verdict}: the likelihood-ratio statistic is {number(statistic)} with {count(df, 'degree')} of freedom "
        f"(P {'< 0.001' if p < 0.001 else '= ' + p_value(p)})."
    )


def _effect(model: dict[str, Any], pack: Pack | None) -> str:
    """The coefficient that is surest not to be zero."""
    tables = model["inference"].get("coefficients", [])
    if not tables or not model["features"] or model["training"]["status"] == "separated":
        return ""
    z = np.abs(np.array([table["statistics"][1:] for table in tables], dtype=float))
    if not np.isfinite(z).any():
        return ""
    c, j = np.unravel_index(int(np.nanargmax(z)), z.shape)
    table, name = tables[c], model["features"][j]
    word, level = model["inference"]["ratio"], 100 * model["inference"]["confidence_level"]
    scale = float(scales_of(model, pack)[j])
    values = [scale * value for value in (table["estimates"][j + 1], *table["intervals"][j + 1])]
    value, low, high = (number(math.exp(min(v, 700.0)) if word else v, 4) for v in values)
    interval = f"({level:g} % interval {low} to {high})"
    step = "one unit more" if scale == 1 else f"one standard deviation more, {number(scale, 3)},"
    whom = f", of {table['contrast']}," if table["contrast"] else ""
    if word:
        means = {"odds ratio": "the odds", "rate ratio": "the expected count"}.get(word, "the mean")
        text = f"{name} is surest to matter: {step} multiplies {means}{whom} by {value} {interval}"
    else:
        text = f"{name} is surest to matter: {step} adds {value} {interval} to the linear predictor"
    return text + ("; that knows nothing of the bias of the penalty." if _is_penalised(model) else ".")


def _separated(model: dict[str, Any]) -> str:
    if model["training"]["status"] != "separated":
        return ""
    what = "The classes" if model["parameters"]["classes"] else "Rows of count 0"
    return (
        f"{what} are told apart by the features without an error, at least for some rows: the larger the coefficients, the "
        "likelier the data, without end. Predictions on which side a row lies hold; coefficients, standard errors and "
        "probabilities do not. Take --penalty ridge, or leave out the feature that gives the answer away."
    )


def _discrimination(model: dict[str, Any]) -> str:
    figures = leading(model)
    if not figures:
        return ""
    weights = {row["class"]: float(row["weight"]) for row in figures["classes"]}
    total = sum(weights.values())
    commonest = max(weights, key=lambda name: weights[name])
    base = weights[commonest] / total
    text = (
        f"Of {rows_told(model)} {share(figures['accuracy'])} are put in their class; always saying {commonest[:40]} would "
        f"be right for {share(base)}."
    )
    curves = known_curves(figures)
    if not curves:
        return text
    areas = np.array([float(curve["auc"]) for curve in curves])
    if len(figures["curves"]) == 1:
        worth = next((word for least, word in WORTH if areas[0] >= least), "worse than chance")
        return (
            f"{text} Of a row of the class {curves[0]['class'][:40]} and one of the other, the former has the higher "
            f"probability in {share(areas[0])} of the cases, chance being 50 %: an area under the ROC curve of "
            f"{area_told(curves[0])}, commonly called {worth}."
        )
    worst, best = curves[int(areas.argmin())], curves[int(areas.argmax())]
    return (
        f"{text} Each class against all others has an area under the ROC curve, 0.5 by chance, from {area_told(worst)} "
        f"({worst['class'][:40]}) to {area_told(best)} ({best['class'][:40]})."
    )


def _calibration(model: dict[str, Any]) -> str:
    figures = leading(model)
    curves = known_curves(figures) if figures else []
    if not curves or model["training"]["status"] == "separated":
        return ""
    worst = max(curves, key=calibration_error)
    error = calibration_error(worst)
    verdict = (
        "can be taken at their word"
        if error < CALIBRATED
        else "are somewhat off"
        if error < OFF
        else "are not to be trusted"
    )
    of = f" (of {worst['class'][:40]}, the worst)" if len(curves) > 1 else ""
    text = (
        f"The probabilities {verdict}: in ten groups of rows by their probability it differs from the share of the class "
        f"by {share(error, 2)}{of} on the mean row."
    )
    if model["training"]["class_weights"] and error >= CALIBRATED:
        text += " With weights of classes they are those of rows so weighted, not of the rows as they come."
    elif _is_penalised(model) and error >= CALIBRATED:
        text += " A large penalty draws them to the shares of all rows."
    return text


def _new_rows(model: dict[str, Any]) -> str:
    evaluation = model["evaluation"]
    if not evaluation.get("out_of_fold"):
        row = model["candidates"][model["chosen"]] if model["candidates"] else None
        if model["validation"] and row:
            return (
                f"On rows that a fit has not seen, the deviance is {number(row['deviance'], 5)} a row \N{PLUS-MINUS SIGN} "
                f"{number(row['standard_error'], 2)}, from {count(model['validation']['n_folds'], 'fold')}."
            )
        return ""
    own, new = evaluation["in_sample"], evaluation["out_of_fold"]
    return (
        f"On rows that a fit has not seen (from {count(model['validation']['n_folds'], 'fold')}) the log-loss is "
        f"{number(float(new['log_loss']), 4)}, where it is {number(float(own['log_loss']), 4)} on those it has; the share "
        f"of right classes is {share(new['accuracy'])} and {share(own['accuracy'])}."
    )


def _penalty(model: dict[str, Any]) -> str:
    rows = model["candidates"]
    if not _is_penalised(model) or not rows:
        return ""
    chosen = rows[model["chosen"]]
    n = len(model["features"])
    text = (
        f"Of {count(n, 'feature')} {chosen['n_nonzero']:,} {'has' if chosen['n_nonzero'] == 1 else 'have'} a coefficient "
        "that is not zero."
    )
    if model["validation"] and len(rows) > 1:
        text += f" {choice_told(model)}"
        alphas = [row["alpha"] for row in rows if row["l1_ratio"] == chosen["l1_ratio"]]
        if len(alphas) > 1 and chosen["alpha"] == min(alphas):
            text += " It is the smallest that was tried: the features hardly need a penalty, or --alphas should go lower."
        elif len(alphas) > 1 and chosen["alpha"] == max(alphas):
            text += " It is the largest that was tried: the features hardly help."
    return text


def _dispersion(model: dict[str, Any], pack: Pack | None) -> str:
    inference, family = model["inference"], model["parameters"]["family"]
    if not inference:
        return ""
    if model["parameters"]["classes"]:
        return ""  # of single rows with two outcomes it says nothing
    if family in WITH_DISPERSION:
        phi = inference["dispersion"]
        told = f"The dispersion, X\N{SUPERSCRIPT TWO} / df, is {number(phi, 4)}; standard errors have its root as a factor."
        return told if math.isfinite(phi) else ""
    df = inference["df_residuals"]
    if not df > 0:
        return ""
    ratio = inference["pearson_chi2"] / df
    what = "shares" if family == BINOMIAL else "counts"
    text = f"X\N{SUPERSCRIPT TWO} / df is {number(ratio, 4)}, where {family} {what} would have 1"
    kind = inference["covariance_type"]
    if kind != "classical" and not NEAR >= ratio >= 1 / FAR:
        return f"{text}; the standard errors shown, {kind}, do not rest on that, but the likelihood and its test do."
    if ratio > FAR:
        text += (
            f": the target varies more than the family allows, and standard errors are about {number(math.sqrt(ratio), 3)} "
            "times too small. --covariance HC1 gives errors that do not rest on the family"
        )
        if family == POISSON:
            alpha = _alpha_by_moments(model, pack)
            told = f", by the moments about --alpha {number(alpha, 2)}," if alpha else " and an --alpha"
            return f"{text}; --family negative-binomial{told} has a variance that grows with the square of the mean."
        return text + ("; a larger --alpha fits better." if family == NEGATIVE_BINOMIAL else ".")
    if ratio > NEAR:
        return text + "; somewhat more than the family allows, so standard errors are a little too small."
    if ratio < 1 / FAR:
        return text + ": the target varies less than the family expects, and standard errors are too large."
    return text + "; the spread is that of the family."


def _alpha_by_moments(model: dict[str, Any], pack: Pack | None) -> float | None:
    """alpha from sum w (y - mu)^2 / mu = df + alpha sum w mu (Cameron and Trivedi, *Regression Analysis of Count Data*, 2nd
    ed., 2013, 3.3), the mean of the target being that of the sample."""
    if pack is None:
        return None
    rows = sample_of(model, pack)
    if rows.y is None or not rows.w.sum() > 0:
        return None
    mean = float(np.average(rows.y, weights=rows.w))
    inference = model["inference"]
    total = model["training"]["weight_sum"] * mean
    return (inference["pearson_chi2"] - inference["df_residuals"]) / total if total > 0 else None


def _convergence(model: dict[str, Any]) -> str:
    training = model["training"]
    if training["status"] == "separated":
        return ""
    gap = float(training["gap"])
    passes = count(training["n_iter"], "pass", "passes")
    shortened = (
        f" {count(training['n_shortened'], 'step was', 'steps were')} too long and made shorter, a pass each."
        if training["n_shortened"]
        else ""
    )
    if training["status"] == CONVERGED:
        return (
            f"After {passes} the largest cosine between the residuals and a feature is {number(gap, 2)}, within --tol "
            f"{training['tol']:g}.{shortened}"
        )
    far = f"the largest cosine between the residuals and a feature is {number(gap, 2)}" if math.isfinite(gap) else (
        "no shorter step was better"
    )  # fmt: skip
    return f"Not converged after {passes}: {far}.{shortened}"
