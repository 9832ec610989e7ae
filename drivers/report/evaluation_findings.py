"""What an evaluation shows, in sentences."""

from __future__ import annotations

import math
from typing import Any

from drivers.evaluating.words import SMALL_IS_GOOD, TITLES, leading
from drivers.report.formats import number, share
from drivers.wording import count

# An area below this is hardly better than chance, above that the classes are told apart well.
WEAK, STRONG = 0.6, 0.8
# Of the sizes of a class: from here on a classifier is right often without knowing anything.
LOPSIDED = 0.9
# Homogeneity and completeness that differ less say the same.
ALIKE = 0.05


def findings(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Topics and sentences."""
    of_task = {"regression": _regression, "classification": _classification, "clustering": _clustering}[result["task"]]
    first = result["whole"]["models"][0]
    found = of_task(result, first)
    if len(result["whole"]["models"]) > 1:
        found += _models(result)
    if len(result["segments"]) > 1:
        found += _segments(result)
    return found


def _told(model: dict[str, Any], name: str) -> str:
    """A measure and its interval."""
    ends = model["intervals"].get(name)
    text = number(model["measures"][name], 4)
    return text if ends is None else f"{text} ({number(ends[0], 4)} to {number(ends[1], 4)})"


def _regression(result: dict[str, Any], model: dict[str, Any]) -> list[tuple[str, str]]:
    measures = model["measures"]
    found = [
        ("How far off", f"The mean error of {model['model']} is {_told(model, 'mae')}, its RMSE {_told(model, 'rmse')}.")
    ]
    sizes = {row["probability"]: row["value"] for row in model["size_quantiles"]}
    if sizes:
        found.append(
            ("How often", f"Half of the rows are within {number(sizes[0.5], 4)}, and 95 % within {number(sizes[0.95], 4)}.")
        )
    ends = model["intervals"].get("bias")
    text = f"Predictions are {number(abs(measures['bias']), 4)} too {'high' if measures['bias'] > 0 else 'low'} on the mean"
    if ends is not None:
        within = ends[0] <= 0 <= ends[1]
        text += (
            ", which may be chance"
            if within
            else f", surely so: the interval is {number(ends[0], 4)} to {number(ends[1], 4)}"
        )
    found.append(("Bias", text + "."))
    r_squared = measures["r_squared"]
    if math.isfinite(r_squared):
        text = f"{share(r_squared)} of the variance of {result['target']} is explained."
        if r_squared < 0:
            text = f"R squared is {number(r_squared, 4)}: the mean of {result['target']} alone would predict better."
        found.append(("Explained", text))
    return found


def _classification(result: dict[str, Any], model: dict[str, Any]) -> list[tuple[str, str]]:
    measures, classes = model["measures"], model["classes"]
    if not measures:
        return []
    largest = max(classes, key=lambda row: row["weight"])
    commonest = largest["weight"] / sum(row["weight"] for row in classes)
    text = (
        f"{share(measures['accuracy'])} of the rows are put in their class; always saying {largest['class'][:40]} would be "
    )
    text += f"right for {share(commonest)}."
    if commonest > LOPSIDED:
        text += " With classes of such sizes the accuracy says little; precision and recall of the rare class say more."
    found = [("Right", text)]
    if math.isfinite(measures.get("auc", math.nan)):
        area = measures["auc"]
        words = "hardly better than chance" if area < WEAK else "well" if area >= STRONG else "somewhat"
        told = "The area under the ROC curve is" if len(model["curves"]) == 1 else "The mean area under the ROC curves is"
        found.append(("Told apart", f"{told} {_told(model, 'auc')}: the classes are told apart {words}."))
    if len(model["curves"]) == 1:
        found += _binary(result, model, model["curves"][0])
    if "calibration_error" in measures:
        found.append(
            (
                "Calibration",
                f"Predicted probabilities and observed shares differ by {share(measures['calibration_error'], 2)} on "
                "the mean row.",
            )
        )
    return found


def _binary(result: dict[str, Any], model: dict[str, Any], curve: dict[str, Any]) -> list[tuple[str, str]]:
    found = []
    best = curve["best"].get("cost")
    if best is not None:
        where = f"p >= {number(best['threshold'], 4)}" if math.isfinite(best["threshold"]) else "no p at all"
        found.append(
            (
                "Cost",
                f"A row costs least, {number(best['cost'], 4)}, where {curve['class'][:40]} is said for {where}; with "
                f"the classes as they were predicted it costs {number(model['measures']['cost'], 4)}. The threshold was "
                "chosen on these rows, so new ones will cost a little more.",
            )
        )
    tenth = next((row for row in curve["gains"] if row["share"] == 0.1), None)
    if tenth is not None:
        found.append(
            (
                "Lift",
                f"The tenth of the rows with the highest scores holds {share(tenth['found'])} of {curve['class'][:40]}, "
                f"{number(tenth['lift'], 3)} times what a tenth at random would.",
            )
        )
    return found


def _clustering(result: dict[str, Any], model: dict[str, Any]) -> list[tuple[str, str]]:
    measures, found = model["measures"], []
    if "adjusted_rand" in measures:
        found.append(
            (
                "Agreement",
                f"The adjusted Rand index of clusters and {result['target']} is {_told(model, 'adjusted_rand')}; 0 is "
                f"chance, 1 the same partition. Homogeneity is {number(measures['homogeneity'], 3)}, completeness "
                f"{number(measures['completeness'], 3)}{_purity(measures)}.",
            )
        )
    if "silhouette" in measures:
        found.append(
            (
                "Separation",
                f"The mean silhouette is {_told(model, 'silhouette')}, by squared Euclidean distances to all rows.",
            )
        )
    return found


def _purity(measures: dict[str, float]) -> str:
    more = measures["homogeneity"] - measures["completeness"]
    if abs(more) < ALIKE:
        return ""
    return (
        ": clusters are purer than classes are whole"
        if more > 0
        else ": classes are kept together more than clusters are pure"
    )


def _models(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Which model is better by the leading measure, and whether that is sure."""
    models = result["whole"]["models"]
    name = leading(result["task"], models[0]["measures"], 1)[0]
    if result["task"] == "classification" and math.isfinite(models[0]["measures"].get("auc", math.nan)):
        name = "auc"
    is_small = name in SMALL_IS_GOOD
    best = (min if is_small else max)(
        models, key=lambda model: model["measures"].get(name, math.inf if is_small else -math.inf)
    )
    text = f"Of {count(len(models), 'model')} {best['model']} has the best {TITLES[name]}, "
    text += f"{number(best['measures'][name], 5)}."
    unsure = []
    for model in models[1:]:
        row = model.get("less_first", {}).get(name)
        if row and row["interval"][0] <= 0 <= row["interval"][1]:
            unsure.append(model["model"])
    if unsure:
        text += f" That {', '.join(unsure[:3])} and {models[0]['model']} differ may be chance."
    return [("Models", text)]


def _segments(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Where the first model is best and worst, and which segments surely differ from all rows."""
    whole = result["whole"]["models"][0]
    names = [name for name in leading(result["task"], whole["measures"]) if math.isfinite(whole["measures"][name])]
    if not names:
        return []
    name = "auc" if "auc" in names else names[0]
    known = [s for s in result["segments"] if math.isfinite(s["models"][0]["measures"].get(name, math.nan))]
    if len(known) < 2:
        return []
    order = sorted(known, key=lambda segment: segment["models"][0]["measures"][name], reverse=name not in SMALL_IS_GOOD)
    best, worst = order[0], order[-1]
    text = f"{TITLES[name][:1].upper()}{TITLES[name][1:]} is best for {result['by']} = {best['segment'][:40]}, "
    text += f"{number(best['models'][0]['measures'][name], 4)}, and worst for {worst['segment'][:40]}, "
    text += f"{number(worst['models'][0]['measures'][name], 4)}; over all rows it is {number(whole['measures'][name], 4)}."
    ends = worst["models"][0]["intervals"].get(name)
    value = whole["measures"][name]
    if ends is not None and ends[0] <= value <= ends[1]:
        text += " That even the worst is worse than the whole may be chance."
    return [("Segments", text)]
