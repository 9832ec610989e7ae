"""Pictures of a classifier: what its probabilities are worth at every threshold, how true they are, and what is mistaken
for what. They are drawn from the figures of drivers/evaluating/classifier.py, be they of a model or of a score file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drivers.report.figures import OURS, PALETTE, SAMPLE, TRUTH, Picture, draw, label, legend_above
from drivers.report.formats import number, share
from drivers.run_directory import RunDirectory

# With more classes than these only the best and the worst separated are told apart by colour.
CLASSES_NAMED = 5
# With more than these the cells of a confusion matrix have no room for a number.
CELLS_NUMBERED = 8
FAINT = "#c3cad3"
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1, 1.2)), "-.", (0, (8, 2, 1, 2, 1, 2)))
MARKERS = "osv^D"
SEEN = {"in_sample": "the rows it was fitted to", "out_of_fold": "rows of other folds"}


@dataclass
class Seen:
    """What is drawn: figures over some rows, what rows these are in words, whether they have weights; figures over others
    to stand beside, None without; and what the names of the pictures begin with."""

    figures: dict[str, Any]
    rows: str
    is_weighted: bool = False
    beside: dict[str, Any] | None = None
    prefix: str = ""


def draw_all(directory: RunDirectory, model: dict[str, Any]) -> list[Picture]:
    """The pictures of a model that there are figures for."""
    if not leading(model):
        return []
    evaluation = model["evaluation"]
    beside = evaluation.get("in_sample") if evaluation.get("out_of_fold") else None
    return draw_figures(directory, Seen(leading(model), rows_told(model), bool(model.get("weight")), beside))


def draw_figures(directory: RunDirectory, seen: Seen) -> list[Picture]:
    """Curves, calibration and confusion, as far as there are figures for them."""
    pictures = (_curves(directory, seen), _calibration(directory, seen), _confusion(directory, seen))
    return [picture for picture in pictures if picture]


def leading(model: dict[str, Any]) -> dict[str, Any]:
    """The figures on rows that the model has not seen, where there are such, else on its own; {} without any."""
    evaluation = model["evaluation"]
    return evaluation.get("out_of_fold") or evaluation.get("in_sample") or {}


def rows_told(model: dict[str, Any]) -> str:
    """Which rows those are."""
    return SEEN["out_of_fold" if model["evaluation"].get("out_of_fold") else "in_sample"]


def known_curves(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """The curves of classes that some row is of, and some is not: without both there is no area."""
    return [curve for curve in figures["curves"] if np.isfinite(float(curve["auc"]))]


def area_told(curve: dict[str, Any]) -> str:
    """The area under the ROC curve to as many digits as are known of it."""
    area, error = float(curve["auc"]), float(curve["auc_error"])
    return f"{area:.4f} \N{PLUS-MINUS SIGN} {error:.2g}" if error > 0 else f"{area:.4f}"


def _curves(directory: RunDirectory, seen: Seen) -> Picture | None:
    figures = seen.figures
    curves = known_curves(figures)
    if not curves:
        return None
    is_binary = len(figures["curves"]) == 1
    drawn = _styled(curves, is_binary)
    in_sample = seen.beside if is_binary else None

    def paint(figure: Figure) -> None:
        roc, pr = figure.subplots(1, 2)
        handles: list[Any] = []
        for own in known_curves(in_sample) if in_sample else ():
            line = roc.plot(*_roc(own), color=SAMPLE, linestyle=(0, (4, 2)), linewidth=1.5, label=SEEN["in_sample"])
            pr.plot(*_precision_recall(own), color=SAMPLE, linestyle=(0, (4, 2)), linewidth=1.5)
            handles += line
        for curve, color, dashes, name in drawn:
            line = roc.plot(*_roc(curve), color=color, linestyle=dashes, label=name, linewidth=2 if name else 1)
            pr.plot(*_precision_recall(curve), color=color, linestyle=dashes, linewidth=2 if name else 1)
            handles += line if name else []
        handles += roc.plot([0, 1], [0, 1], color=TRUTH, linewidth=1, linestyle=":", label="by chance")
        if is_binary:
            pr.axhline(_share_of(figures, curves[0]["class"]), color=TRUTH, linewidth=1, linestyle=":")
        roc.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
        pr.set(xlabel="recall", ylabel="precision", aspect="equal")
        for axes in (roc, pr):
            axes.set_xlim(-0.02, 1.02)
            axes.set_ylim(-0.02, 1.02)
        legend_above(figure, handles, columns=3)

    told = "; ".join(
        f"{'The' if is_binary else curve['class'][:40] + ':'} area under ROC {area_told(curve)}, average precision "
        f"{number(float(curve['average_precision']), 4)}"
        for curve, _, _, name in drawn
        if name is not None
    )
    n_named = sum(name is not None for *_, name in drawn) + bool(in_sample)
    each = "" if is_binary else " Each class is held against all others."
    caption = (
        f"What is found (left: ROC; right: precision and recall) as the threshold falls, on {seen.rows}. {told}. "
        "What follows \N{PLUS-MINUS SIGN} is what the bins that the scores are counted in leave open, not the error of a "
        f"sample.{each}"
    )
    alt = f"ROC curve, and precision against recall. {told}."
    return draw(directory, f"{seen.prefix}curves", 3.3 + 0.22 * (n_named // 3), alt, caption, paint)


def _styled(curves: list[dict[str, Any]], is_binary: bool) -> list[tuple[dict[str, Any], str, Any, str | None]]:
    """Curves with a colour, a dash pattern and a name, None for those that are not named."""
    if is_binary:
        return [(curves[0], OURS, "-", f"class {label(curves[0]['class'])}")]
    if len(curves) <= CLASSES_NAMED:
        return [(curve, PALETTE[j], DASHES[j % len(DASHES)], label(curve["class"])) for j, curve in enumerate(curves)]
    order = sorted(range(len(curves)), key=lambda j: float(curves[j]["auc"]))
    worst, best = order[0], order[-1]
    others = [(curves[j], FAINT, "-", None) for j in order if j not in (worst, best)]
    return [
        *others,
        (curves[worst], SAMPLE, (0, (5, 2)), f"least separated: {label(curves[worst]['class'])}"),
        (curves[best], OURS, "-", f"best: {label(curves[best]['class'])}"),
    ]


def _roc(curve: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    rates = (np.array(curve[name], dtype=float) for name in ("false_positive_rate", "true_positive_rate"))
    x, y = (np.concatenate([[0.0], values]) for values in rates)
    return x, y


def _precision_recall(curve: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    recall, precision = (np.array(curve[name], dtype=float) for name in ("true_positive_rate", "precision"))
    found = recall > 0  # before the first find there is no precision
    return recall[found], precision[found]


def _share_of(figures: dict[str, Any], name: str) -> float:
    weights = {row["class"]: float(row["weight"]) for row in figures["classes"]}
    return weights[name] / (sum(weights.values()) or 1.0)


def calibration_error(curve: dict[str, Any]) -> float:
    """The expected calibration error."""
    return float(curve["calibration"]["expected_calibration_error"])


def _calibration(directory: RunDirectory, seen: Seen) -> Picture | None:
    figures = seen.figures
    curves = known_curves(figures)
    if not curves:
        return None
    is_binary = len(figures["curves"]) == 1
    named = curves
    if len(curves) > CLASSES_NAMED:
        named = [max(curves, key=calibration_error)]
    tops = [max(np.max(curve["calibration"][key]) for key in ("predicted", "observed")) for curve in curves]
    top = min(1.0, 1.08 * float(max(tops)))
    bands = is_binary and not seen.is_weighted

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=TRUTH, linewidth=1, linestyle=":", label="as it should be")
        for curve in curves:
            if all(curve is not one for one in named):
                found = curve["calibration"]
                axes.plot(found["predicted"], found["observed"], "o-", color=FAINT, markersize=3, linewidth=1)
        for j, curve in enumerate(named):
            found = {key: np.array(curve["calibration"][key], dtype=float) for key in ("predicted", "observed", "weight")}
            color = PALETTE[j]
            name = label(curve["class"]) if not is_binary else f"class {label(curve['class'])}"
            name = f"furthest off: {name}" if len(named) < len(curves) else name
            if bands:
                p = found["observed"]
                errors = 1.96 * np.sqrt(p * (1 - p) / found["weight"])
                axes.errorbar(found["predicted"], p, errors, color=color, fmt="none", linewidth=1.2, capsize=2)
            axes.plot(
                found["predicted"], found["observed"], marker=MARKERS[j], color=color, linestyle=DASHES[j], markersize=5,
                linewidth=1.4, label=name,
            )  # fmt: skip
        axes.set(xlabel="predicted probability, mean of a group", ylabel="share that is of the class", aspect="equal")
        axes.set_xlim(-0.01, top)
        axes.set_ylim(-0.01, top)
        legend_above(figure, columns=3)

    worst = max(curves, key=calibration_error)
    lines = " The bars are 95 % intervals of the share." if bands else ""
    told = f"The probability and the share differ by {share(calibration_error(worst), 2)} on the mean row" + (
        "." if is_binary else f" for the class {worst['class'][:40]}, which is furthest off."
    )
    caption = f"Rows in ten groups by their predicted probability, on {seen.rows}.{lines} {told}"
    return draw(
        directory,
        f"{seen.prefix}calibration",
        4.4,
        f"Observed shares against predicted probabilities. {told}",
        caption,
        paint,
    )


def _confusion(directory: RunDirectory, seen: Seen) -> Picture:
    figures = seen.figures
    counts = np.array(figures["confusion"], dtype=float)
    true = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, true, out=np.zeros_like(counts), where=true > 0)
    classes = [row["class"] for row in figures["classes"]]
    C = len(classes)
    size = 11 if C <= CELLS_NUMBERED else max(4.5, 11 - 0.22 * C)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        if C <= CELLS_NUMBERED:
            for i in range(C):
                for j in range(C):
                    text = f"{100 * shares[i, j]:.3g} %"
                    axes.text(
                        j, i, text, ha="center", va="center", fontsize=10 if C <= 5 else 8,
                        color="white" if shares[i, j] > 0.55 else "#1c2430",
                    )  # fmt: skip
        step = max(1, -(-C // 40))
        places = range(0, C, step)
        names = [label(classes[j], 14) for j in places]
        axes.set_xticks(list(places), names, rotation=90 if C > CELLS_NUMBERED or max(map(len, names)) > 6 else 0)
        axes.set_yticks(list(places), names)
        axes.tick_params(labelsize=size, length=0)
        axes.set(xlabel="predicted class", ylabel="true class")
        axes.grid(visible=False)
        figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.85)

    wrong = counts - np.diag(np.diag(counts))
    i, j = np.unravel_index(int(wrong.argmax()), wrong.shape)
    told = "No row is mistaken."
    if wrong[i, j] > 0:
        told = f"The commonest mistake: {share(float(shares[i, j]))} of {classes[i][:40]} are taken for {classes[j][:40]}."
    caption = f"Where the rows of each class go, on {seen.rows}. {told}"
    return draw(
        directory, f"{seen.prefix}confusion", 3.6 if C <= 3 else 4.6 if C <= CELLS_NUMBERED else 5.4,
        f"Confusion matrix of {C} classes. {told}", caption, paint,
    )  # fmt: skip
