"""Pictures of an evaluation: what the models of a task have to show, and the measures of segments."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from drivers.evaluating.words import TITLES, leading
from drivers.report.classifier_pictures import Seen, draw_figures
from drivers.report.figures import OURS, POINTS, SAMPLE, TRUTH, Picture, draw, few_ticks, label, legend_above
from drivers.report.formats import number, share
from drivers.run_directory import RunDirectory

# With more segments their names have no room.
SEGMENTS_DRAWN = 40
ROWS = "the rows of the score files"


def draw_model(directory: RunDirectory, result: dict[str, Any], model: dict[str, Any], prefix: str) -> list[Picture]:
    """The pictures of one model."""
    if result["task"] == "regression":
        return [_errors(directory, model, prefix)] if model["percentiles"]["error"] else []
    if result["task"] == "clustering":
        return [_contingency(directory, result, model, prefix)] if "contingency" in model else []
    if not model["classes"]:
        return []
    pictures = draw_figures(directory, Seen(model, ROWS, bool(result["weight"]), prefix=prefix))
    if len(model["curves"]) == 1 and model["curves"][0]["gains"]:
        pictures.append(_gains(directory, model["curves"][0], prefix))
        if "costs" in model["curves"][0]:
            pictures.append(_costs(directory, model, model["curves"][0], prefix))
    return pictures


def _errors(directory: RunDirectory, model: dict[str, Any], prefix: str) -> Picture:
    error, size = (np.array(model["percentiles"][name]) for name in ("error", "size"))
    shares = np.arange(1, len(error) + 1) / 100

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        left.plot(error, shares, color=OURS)
        left.axvline(0, color=TRUTH, linewidth=1, linestyle=":")
        left.set(xlabel="error, prediction less truth", ylabel="share of the rows at or below")
        right.plot(size, shares, color=OURS)
        right.set(xlabel="size of the error", xlim=(0, None))
        for axes in (left, right):
            few_ticks(axes)
            axes.locator_params(axis="x", nbins=4)
            axes.set_ylim(0, 1)

    told = f"Half of the rows are within {number(float(size[49]), 4)}, 90 % within {number(float(size[89]), 4)}"
    caption = f"The errors of {model['model']} (left) and their sizes (right), from the 1st to the 99th percentile. {told}."
    return draw(directory, f"{prefix}errors", 3.4, f"Distribution of the errors. {told}.", caption, paint)


def _gains(directory: RunDirectory, curve: dict[str, Any], prefix: str) -> Picture:
    shares = np.array([0.0, *(row["share"] for row in curve["gains"])])
    found = np.array([0.0, *(row["found"] for row in curve["gains"])])

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot(shares, found, "o-", color=OURS, markersize=4, label=f"class {label(curve['class'])}")
        axes.plot([0, 1], [0, 1], color=TRUTH, linewidth=1, linestyle=":", label="at random")
        axes.set(xlabel="share of the rows, highest scores first", ylabel="share of the class that is found")
        axes.set_xlim(0, 1.01)
        axes.set_ylim(0, 1.01)
        legend_above(figure)

    tenth = next(row for row in curve["gains"] if row["share"] == 0.1)
    told = f"A tenth of the rows holds {share(tenth['found'])} of the class, a lift of {number(tenth['lift'], 3)}"
    return draw(
        directory,
        f"{prefix}gains",
        3.6,
        f"Gains. {told}.",
        f"What is found in the rows of the highest scores. {told}.",
        paint,
    )


def _costs(directory: RunDirectory, model: dict[str, Any], curve: dict[str, Any], prefix: str) -> Picture:
    best = curve["best"]["cost"]
    threshold, cost = np.array(curve["costs"]["threshold"]), np.array(curve["costs"]["cost"])

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.step(threshold, cost, where="post", color=OURS)
        if math.isfinite(best["threshold"]):
            axes.plot(
                [best["threshold"]], [best["cost"]], "o", color=SAMPLE, label=f"least: p >= {number(best['threshold'], 4)}"
            )
            legend_above(figure)
        axes.set(xlabel="threshold", ylabel="cost of a row", xlim=(-0.02, 1.02))
        axes.set_ylim(0, None)

    told = f"It is least, {number(best['cost'], 4)}, at {number(best['threshold'], 4)}"
    return draw(
        directory, f"{prefix}costs", 3.4, f"Cost by threshold. {told}.",
        f"The cost of a row by the threshold from which it is taken for {curve['class'][:40]}. {told}.", paint,
    )  # fmt: skip


def _contingency(directory: RunDirectory, result: dict[str, Any], model: dict[str, Any], prefix: str) -> Picture:
    counts = np.array(model["contingency"], dtype=float)
    true = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, true, out=np.zeros_like(counts), where=true > 0)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest", aspect="auto")
        for ticks, names in ((axes.set_xticks, result["clusters"]), (axes.set_yticks, result["classes"])):
            places = range(0, len(names), max(1, -(-len(names) // 30)))
            ticks(list(places), [label(names[j], 14) for j in places])
        axes.tick_params(length=0)
        axes.set(xlabel="cluster", ylabel=str(label(str(result["target"]))))
        axes.grid(visible=False)
        figure.colorbar(image, ax=axes, label="share of the class", shrink=0.85)

    told = f"{len(result['classes'])} classes by {len(result['clusters'])} clusters"
    caption = f"Where the rows of each class lie: {told}. A class that is whole has one dark cell."
    return draw(directory, f"{prefix}contingency", 4.0, f"Table of {told}.", caption, paint)


def draw_segments(directory: RunDirectory, result: dict[str, Any]) -> list[Picture]:
    """The leading measure of each segment with its interval, for the first model."""
    whole = result["whole"]["models"][0]
    names = leading(result["task"], whole["measures"], 2)
    segments = result["segments"][:SEGMENTS_DRAWN]
    if not names or len(segments) < 2:
        return []
    height = 1.4 + 0.24 * len(segments)

    def paint(figure: Figure) -> None:
        panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
        places = np.arange(len(segments))
        for axes, name in zip(panels, names):
            values = np.array([segment["models"][0]["measures"].get(name, np.nan) for segment in segments], dtype=float)
            ends = [segment["models"][0]["intervals"].get(name) for segment in segments]
            for place, pair in zip(places, ends):
                if pair is not None:
                    axes.plot(pair, [place, place], color=POINTS, linewidth=1.5)
            axes.plot(values, places, "o", color=OURS, markersize=5)
            axes.axvline(whole["measures"][name], color=TRUTH, linewidth=1, linestyle=":")
            axes.set_xlabel(TITLES[name])
            axes.locator_params(axis="x", nbins=4)
        panels[0].set_yticks(places, [label(segment["segment"], 18) for segment in segments])
        panels[0].invert_yaxis()

    some = "" if len(segments) == len(result["segments"]) else f" The first {len(segments)} of {len(result['segments']):,}."
    has_intervals = bool(segments[0]["models"][0]["intervals"])
    lines = " with their intervals" if has_intervals else ""
    titles = " and ".join(TITLES[name] for name in names)
    caption = f"{titles} by {result['by']}{lines}; the dotted line is all rows.{some}"
    return [draw(directory, "segments", height, f"{titles} by {result['by']}.", caption, paint)]
