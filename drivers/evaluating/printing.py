"""An evaluation on the terminal, within 80 columns."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

from drivers.evaluating.words import TITLES, headline, leading, measures_told
from drivers.terminal.tables import number, open_console, pairs_table, plain_table, print_remarks
from drivers.wording import count

# More than these are left to the report and the file of the result.
MODELS_SHOWN, SEGMENTS_SHOWN, CLASSES_SHOWN = 4, 20, 12
BEST = {"f1": "largest F1", "youden": "recall less fall-out", "cost": "least cost"}


def print_result(result: dict[str, Any], warnings: list[str]) -> None:
    """The measures with their intervals, classes, thresholds and segments, and what to know of them."""
    console = open_console()
    console.print(headline(result))
    models = result["whole"]["models"]
    console.print(_one(result, models[0]) if len(models) == 1 else _several(models))
    for model in models[:MODELS_SHOWN]:
        if result["task"] == "regression":
            _print_quantiles(console, model)
        elif result["task"] == "classification":
            _print_classes(console, model, len(models) > 1)
    if result["segments"]:
        console.print(_segments(result))
    training = result["training"]
    pairs = [
        ("rows used", number(training["rows_used"])), ("rows in", number(training["rows_in"])),
        ("rejected", number(training["rows_rejected"])), ("missing", number(training["rows_missing"])),
        ("sum of weights", number(float(training["weight_sum"]), 8)),
        ("passes over the data", number(training["n_passes"])),
    ]  # fmt: skip
    if result["weight"]:
        pairs += [
            ("effective sample size", number(float(training["effective_sample_size"]), 6)),
            ("largest share of one row", f"{100 * training['largest_weight_share']:.3g} %"),
        ]
    console.print(pairs_table(pairs))
    print_remarks(console, warnings)


def _one(result: dict[str, Any], model: dict[str, Any]) -> Table:
    level = 100 * result["bootstrap"]["confidence"]
    measures, intervals = model["measures"], model["intervals"]
    has_bounds = any(f"{name}_error" in measures for name in measures)
    heads = [
        "",
        "all rows",
        *([f"{level:.3g} % from", "to"] if intervals else []),
        *(["\N{PLUS-MINUS SIGN}"] if has_bounds else []),
    ]
    table = plain_table(*heads)
    for name in measures_told(measures):
        low, high = intervals.get(name, (None, None))
        table.add_row(
            TITLES[name], number(measures[name], 6), *([_end(low), _end(high)] if intervals else []),
            *([_bound(measures, name)] if has_bounds else []),
        )  # fmt: skip
    if has_bounds:
        table.caption = "\N{PLUS-MINUS SIGN}: what the bins of the scores leave open"
    return table


def _end(value: float | None) -> str:
    return "" if value is None else number(value, 5)


def _bound(measures: dict[str, Any], name: str) -> str:
    return number(measures[f"{name}_error"], 2) if f"{name}_error" in measures else ""


def _several(models: list[dict[str, Any]]) -> Table:
    table = plain_table("", *(model["model"] for model in models[:MODELS_SHOWN]))
    for name in measures_told(models[0]["measures"]):
        table.add_row(TITLES[name], *(number(model["measures"].get(name), 6) for model in models[:MODELS_SHOWN]))
    if len(models) > MODELS_SHOWN:
        table.caption = f"and {count(len(models) - MODELS_SHOWN, 'more model')}, in the report and evaluation.json"
    return table


def _print_quantiles(console: Console, model: dict[str, Any]) -> None:
    errors, sizes = model["error_quantiles"], model["size_quantiles"]
    if not errors:
        return
    table = plain_table("", *(f"{100 * row['probability']:g} %" for row in errors))
    table.add_row(f"error of {model['model']}", *(number(row["value"], 4) for row in errors))
    table.add_row("its size", *(number(row["value"], 4) for row in sizes))
    console.print(table)


def _print_classes(console: Console, model: dict[str, Any], named: bool) -> None:
    curves = {curve["class"]: curve for curve in model["curves"]}
    heads = ["class", "weight", "precision", "recall", "F1", *(["ROC area", "PR area"] if curves else [])]
    table = plain_table(*heads)
    for row in model["classes"][:CLASSES_SHOWN]:
        curve = curves.get(row["class"])
        areas = [number(curve[name], 5) for name in ("auc", "average_precision")] if curve else ["", ""] if curves else []
        table.add_row(
            row["class"], number(row["weight"], 6), number(row["precision"], 4), number(row["recall"], 4),
            number(row["f1"], 4), *areas,
        )  # fmt: skip
    if named:
        table.title = model["model"]
    if len(model["classes"]) > CLASSES_SHOWN:
        table.caption = f"and {len(model['classes']) - CLASSES_SHOWN} more classes, in the report and evaluation.json"
    console.print(table)
    if len(curves) == 1:
        _print_thresholds(console, next(iter(curves.values())))


def _print_thresholds(console: Console, curve: dict[str, Any]) -> None:
    if not curve["best"]:
        return
    table = plain_table(f"taken for {curve['class'][:24]} where", "p >=", "", "precision", "recall", "taken")
    for name, row in curve["best"].items():
        table.add_row(
            BEST[name], number(row["threshold"], 5), number(row[name], 5), number(row["precision"], 4),
            number(row["recall"], 4), f"{100 * row['taken']:.3g} %",
        )  # fmt: skip
    console.print(table)


def _segments(result: dict[str, Any]) -> Table:
    several = len(result["models"]) > 1
    names = leading(result["task"], result["whole"]["models"][0]["measures"], 3 if several else 4)
    table = plain_table(result["by"], *(["model"] if several else []), "rows", *(TITLES[name] for name in names))
    for segment in result["segments"][:SEGMENTS_SHOWN]:
        for m, model in enumerate(segment["models"][:MODELS_SHOWN]):
            cells = [number(model["measures"].get(name), 5) for name in names]
            first = [segment["segment"] if m == 0 else "", *([model["model"]] if several else [])]
            table.add_row(*first, number(segment["n_rows"]) if m == 0 else "", *cells)
    if len(result["segments"]) > SEGMENTS_SHOWN:
        more = count(len(result["segments"]) - SEGMENTS_SHOWN, "more segment")
        table.caption = f"and {more}, in the report and evaluation.json"
    return table
