"""The report of an evaluation: findings in sentences, pictures, the measures with their intervals, and the segments."""

from __future__ import annotations

import time
from typing import Any

from drivers.columns import columns_of
from drivers.evaluating.words import SMALL_IS_GOOD, TITLES, headline, leading, measures_told
from drivers.packing.cache import Pack
from drivers.report import evaluation_pictures, run_sections
from drivers.report.evaluation_findings import findings
from drivers.report.formats import duration, number, share
from drivers.report.page import Column, Page
from drivers.run_directory import RunDirectory
from drivers.wording import count
from jobs.design import Design

REPORT = "report.html"
# Pictures of more models than these would hide those of the first.
MODELS_DRAWN = 3
LONG = 12


def write_report(directory: RunDirectory, pack: Pack, result: dict[str, Any]) -> str:
    """Writes report.html and its pictures into the run directory; returns the page's path."""
    passes = directory.passes()
    page = Page(f"Evaluation: {headline(result)}")
    page.paragraph(_summary(result, passes), "lead")
    run_sections.add_warnings(page, result)
    page.heading("Findings")
    for topic, text in findings(result):
        page.paragraph(text, topic=topic)
    _add_measures(page, result)
    models = result["whole"]["models"]
    for m, model in enumerate(models[:MODELS_DRAWN]):
        _add_model(page, directory, result, model, f"model-{m + 1}-" if len(models) > 1 else "")
    if len(models) > 1:
        _add_comparison(page, result)
    if result["segments"]:
        _add_segments(page, directory, result)
    run_sections.add_rows(page, result, _weights(result))
    _add_columns(page, result, pack)
    run_sections.add_passes(page, passes)
    run_sections.add_again(page, directory)
    directory.write(REPORT, page.render())
    return directory.file(REPORT)


def _summary(result: dict[str, Any], passes: list[dict[str, Any]]) -> str:
    whole, bootstrap = result["whole"], result["bootstrap"]
    what = {
        "regression": f"The predictions {', '.join(result['predictions'])} were held against {result['target']}",
        "classification": f"The predicted classes of {result['target']} were held against the true ones",
        "clustering": f"The clusters {result['label']} were judged"
        + (f" against {result['target']}" if result["target"] else "")
        + (f" by {run_sections.names_of(result['features'])}" if result["features"] else ""),
    }[result["task"]]
    text = f"{what} on {count(whole['n_rows'], 'row')}{run_sections.weighing(result)}"
    text += f", in all and for each {result['by']}." if result["by"] else "."
    if bootstrap["replicates"]:
        level = 100 * bootstrap["confidence"]
        text += (
            f" Intervals hold {level:.3g} % of {bootstrap['replicates']:,} replicates of a Poisson bootstrap, drawn "
            "in the same pass."
        )
    seconds, runner = sum(entry["seconds"] for entry in passes), " and ".join(sorted({e["runner"] for e in passes}))
    finished = time.strftime("%d %B %Y, %H:%M").lstrip("0")
    took = f"{count(len(passes), 'pass', 'passes')} on the {runner} runner, {duration(seconds)}"
    return f"{text} {took}. Finished on {finished}."


def _add_measures(page: Page, result: dict[str, Any]) -> None:
    """The measures of all models with their intervals."""
    page.heading("Measures")
    for model in result["whole"]["models"]:
        measures, intervals = model["measures"], model["intervals"]
        names = measures_told(measures)
        columns = [
            Column("", [TITLES[name] for name in names]),
            Column("all rows", [number(measures[name]) for name in names], [measures[name] for name in names]),
        ]
        if intervals:
            columns.append(Column("interval", [interval_told(intervals.get(name)) for name in names]))
        if any(f"{name}_error" in measures for name in names):
            bounds = [measures.get(f"{name}_error") for name in names]
            columns.append(
                Column(
                    "bins leave open", ["" if b is None else f"\N{PLUS-MINUS SIGN} {number(b, 2)}" for b in bounds], bounds
                )
            )
        page.table(f"Measures of {model['model']}", columns)


def interval_told(ends: list[float] | None) -> str:
    """An interval in words; nothing where there is none."""
    return "" if ends is None else f"{number(ends[0], 5)} to {number(ends[1], 5)}"


def _add_model(page: Page, directory: RunDirectory, result: dict[str, Any], model: dict[str, Any], prefix: str) -> None:
    """What there is of one model besides its measures."""
    page.heading("Pictures" if not prefix else f"Pictures of {model['model']}")
    for picture in evaluation_pictures.draw_model(directory, result, model, prefix):
        page.picture(picture)
    if result["task"] == "regression" and model["error_quantiles"]:
        _add_quantiles(page, model)
    if result["task"] == "classification":
        _add_classes(page, model)
    if "contingency" in model:
        _add_contingency(page, result, model)
    if "clusters" in model:
        rows = model["clusters"]
        names = ("weight", "silhouette", "distance", "sum_of_squares")
        heads = ("weight", "silhouette", "mean distance", "sum of squares")
        columns = [Column("cluster", [row["cluster"] for row in rows])]
        columns += [
            Column(head, [number(row[name], 5) for row in rows], [row[name] for row in rows])
            for head, name in zip(heads, names)
        ]
        page.table("Clusters; the silhouette is that of squared Euclidean distances", columns)


def _add_quantiles(page: Page, model: dict[str, Any]) -> None:
    rows = [("error", row) for row in model["error_quantiles"]] + [("size", row) for row in model["size_quantiles"]]
    page.table(
        f"Quantiles of the errors of {model['model']}, prediction less truth, and of their sizes",
        [
            Column("", [f"{what}, {100 * row['probability']:g} %" for what, row in rows]),
            Column("value", [number(row["value"], 5) for _, row in rows], [row["value"] for _, row in rows]),
            Column("surely from", [number(row["low"], 6) for _, row in rows], [row["low"] for _, row in rows]),
            Column("to", [number(row["high"], 6) for _, row in rows], [row["high"] for _, row in rows]),
        ],
        folded="Quantiles of the errors",
    )


def _add_classes(page: Page, model: dict[str, Any]) -> None:
    curves = {curve["class"]: curve for curve in model["curves"]}
    rows = model["classes"]
    columns = [Column("class", [row["class"] for row in rows])]
    for head, name in (("weight", "weight"), ("precision", "precision"), ("recall", "recall"), ("F1", "f1")):
        columns.append(Column(head, [number(row[name], 4) for row in rows], [row[name] for row in rows]))
    for head, name in (("ROC area", "auc"), ("average precision", "average_precision"), ("KS", "ks")):
        values = [curves[row["class"]][name] if row["class"] in curves else None for row in rows]
        if curves:
            columns.append(Column(head, ["" if value is None else number(value, 4) for value in values], values))
    page.table("Classes", columns, folded="All classes" if len(rows) > LONG else None)
    if len(curves) != 1:
        return
    curve = next(iter(curves.values()))
    best = list(curve["best"].items())
    titles = {"f1": "largest F1", "youden": "largest recall less fall-out", "cost": "least cost of a row"}
    page.table(
        f"Thresholds: rows with a probability at or above are taken for {curve['class']}",
        [
            Column("", [titles[name] for name, _ in best]),
            Column("threshold", [number(row["threshold"], 6) for _, row in best], [row["threshold"] for _, row in best]),
            Column("value", [number(row[name], 5) for name, row in best], [row[name] for name, row in best]),
            Column("precision", [number(row["precision"], 4) for _, row in best]),
            Column("recall", [number(row["recall"], 4) for _, row in best]),
            Column("taken", [share(row["taken"]) for _, row in best]),
        ],
    )
    if curve["gains"]:
        page.table(
            "Gains: what is found in the rows of the highest scores",
            [
                Column("of the rows", [share(row["share"]) for row in curve["gains"]]),
                Column("found", [share(row["found"]) for row in curve["gains"]], [row["found"] for row in curve["gains"]]),
                Column("lift", [number(row["lift"], 4) for row in curve["gains"]], [row["lift"] for row in curve["gains"]]),
            ],
            folded="Gains and lift",
        )


def _add_contingency(page: Page, result: dict[str, Any], model: dict[str, Any]) -> None:
    table, names = model["contingency"], result["clusters"]
    columns = [Column(str(result["target"]), list(result["classes"]))]
    columns += [Column(f"in {name}", [number(float(row[k]), 6) for row in table]) for k, name in enumerate(names[:40])]
    page.table("Rows of each class by cluster", columns, folded="Classes by clusters" if len(names) > LONG else None)


def _add_comparison(page: Page, result: dict[str, Any]) -> None:
    """What each model has more than the first, where replicates were drawn."""
    first, *others = result["whole"]["models"]
    for model in others:
        if not model.get("less_first"):
            continue
        found = {name: row for name, row in model["less_first"].items() if name in measures_told(model["measures"])}
        names = [name for name in TITLES if name in found]
        sure = [name for name in names if found[name]["interval"][0] * found[name]["interval"][1] > 0]
        page.table(
            f"{model['model']} less {first['model']}, on the same rows of each replicate",
            [
                Column("", [TITLES[name] for name in names]),
                Column("difference", [number(found[name]["difference"], 5) for name in names]),
                Column("interval", [interval_told(found[name]["interval"]) for name in names]),
                Column(
                    "better",
                    [_better(name, found[name], model, first) if name in sure else "" for name in names],
                    is_text=True,
                ),
            ],
        )


def _better(name: str, row: dict[str, Any], model: dict[str, Any], first: dict[str, Any]) -> str:
    if name == "bias":
        return ""
    is_larger = row["difference"] > 0
    return str((first if is_larger == (name in SMALL_IS_GOOD) else model)["model"])


def _add_segments(page: Page, directory: RunDirectory, result: dict[str, Any]) -> None:
    page.heading(f"By {result['by']}")
    for picture in evaluation_pictures.draw_segments(directory, result):
        page.picture(picture)
    for m, whole in enumerate(result["whole"]["models"]):
        names = leading(result["task"], whole["measures"], 5)
        segments = result["segments"]
        columns = [
            Column(str(result["by"]), [segment["segment"] for segment in segments]),
            Column("rows", [number(segment["n_rows"]) for segment in segments], [s["n_rows"] for s in segments]),
        ]
        for name in names:
            values = [segment["models"][m]["measures"].get(name) for segment in segments]
            ends = [interval_told(segment["models"][m]["intervals"].get(name)) for segment in segments]
            columns.append(Column(TITLES[name], [number(value, 5) for value in values], values))
            if any(ends) and name == names[0]:
                columns.append(Column("interval", ends))
        page.table(f"Measures of {whole['model']} by {result['by']}", columns)


def _add_columns(page: Page, result: dict[str, Any], pack: Pack) -> None:
    """What each column holds and the part it played."""
    parts = {result["target"]: "truth", result["weight"]: "weight", result["by"]: "segments", result["id"]: "id"}
    parts.update(dict.fromkeys(result["features"], "feature"))
    parts.update(dict.fromkeys([*result["predictions"], *result["probabilities"], result["label"]], "prediction"))
    rows = columns_of(pack, Design([]))
    page.table(
        "Columns",
        [
            Column("", [row["name"] for row in rows]),
            Column("part", [parts.get(row["name"], "") for row in rows], is_text=True),
            Column("kind", [row["kind"] for row in rows], is_text=True),
            Column("missing", [f"{row['missing']:,}" for row in rows], [row["missing"] for row in rows]),
            Column("holds", [row["holds"] for row in rows], is_text=True),
        ],
        folded="All columns" if len(rows) > LONG else None,
    )


def _weights(result: dict[str, Any]) -> list[tuple[str, str, Any]]:
    training = result["training"]
    if not result["weight"]:
        return []
    names = ("weight_sum", "effective_sample_size", "largest_weight_share")
    total, effective, largest = (training[name] for name in names)
    return [
        ("sum of the weights", number(total), total), ("effective sample size", number(effective), effective),
        ("largest share of one row", share(largest), largest),
    ]  # fmt: skip
