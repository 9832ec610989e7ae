"""The report of k-means: what the clusters are, how many, and how the objective came down."""

from __future__ import annotations

from typing import Any

from drivers.loop import CONVERGED, MAX_ITER
from drivers.packing.cache import Pack
from drivers.report import cluster_pictures
from drivers.report.formats import column, number, share
from drivers.report.page import Column, Page
from drivers.report.run_sections import add_rows, names_of, weighing
from drivers.run_directory import RunDirectory
from drivers.wording import count

STARTS = {"sample": "what scikit-learn finds on the sample", "random": "rows drawn by chance", "k-means||": "k-means||"}
STATUS = {MAX_ITER: "limit of passes"}
FEATURES_SHOWN = 12
# Kaufman and Rousseeuw, *Finding Groups in Data*, 1990, table 2.
WORTH = [
    (0.71, "a strong structure"),
    (0.51, "a reasonable structure"),
    (0.26, "a weak structure, which may be artificial"),
]


def title(model: dict[str, Any]) -> str:
    """What the model is of."""
    return f"{count(len(model['clusters']), 'cluster')} by {names_of(model['design']['features'])}"


def method(model: dict[str, Any]) -> str:
    """What was done, in a sentence or two."""
    by = "by direction" if model["parameters"]["metric"] == "cosine" else "by distance"
    start = STARTS.get(model["training"]["init"], "the centres of a file")
    return (
        f"Rows were put into {count(len(model['clusters']), 'cluster')} {by} of {names_of(model['design']['features'])}"
        f"{weighing(model)}. The method: k-means, from {start}."
    )


def add_sections(page: Page, model: dict[str, Any], directory: RunDirectory, pack: Pack | None) -> None:
    """All that the page says about the clusters."""
    page.heading("Findings")
    for topic, text in findings(model):
        page.paragraph(text[:1].upper() + text[1:], topic=topic)
    page.heading("Pictures")
    for picture in cluster_pictures.draw_all(directory, model, pack):
        page.picture(picture)
    page.heading("Clusters")
    _add_clusters(page, model)
    page.heading("Candidates")
    _add_candidates(page, model)
    total = model["training"]["weight_sum"]
    add_rows(page, model, [("sum of the weights", number(total), total)] if model.get("weight") else [])


def findings(model: dict[str, Any]) -> list[tuple[str, str]]:
    """Topics and sentences."""
    chosen, clusters = model["candidates"][model["chosen"]], model["clusters"]
    found = []
    numbers = sorted({entry["n_clusters"] for entry in model["candidates"]})
    if len(numbers) > 1:
        found.append((
            "How many",
            f"of {numbers[0]} to {numbers[-1]} clusters, {chosen['n_clusters']} have the best "
            f"{model['training']['select']} index; all were fitted in the same passes.",
        ))  # fmt: skip
    silhouette = chosen["silhouette"]
    if silhouette == silhouette:
        worth = next((words for least, words in WORTH if silhouette >= least), "no substantial structure")
        found.append((
            "How distinct",
            f"the simplified silhouette is {silhouette:.3f} of at most 1, {worth}: so much nearer is the mean row to its "
            "own centre than to the next.",
        ))  # fmt: skip
    total = sum(cluster["weight"] for cluster in clusters) or 1.0
    sizes = [cluster["weight"] / total for cluster in clusters]
    if len(clusters) > 1:
        found.append(("How large", f"the clusters hold from {share(min(sizes))} to {share(max(sizes))} of the rows."))
    others = [entry["sse"] for entry in model["candidates"] if entry["n_clusters"] == chosen["n_clusters"]]
    if len(others) > 1:
        poor = sum(value > chosen["sse"] * 1.001 for value in others)
        found.append(("Starts", f"{poor} of {len(others)} starts ended in an optimum more than 0.1 % worse."))
    if chosen["status"] != CONVERGED:
        found.append(("Not converged", "the limit of passes came first; --max-iter allows more."))
    return found


def _add_clusters(page: Page, model: dict[str, Any]) -> None:
    clusters, features = model["clusters"], model["features"]
    total = sum(cluster["weight"] for cluster in clusters) or 1.0
    columns = [
        Column("cluster", [str(j) for j in range(len(clusters))]),
        Column("rows", [number(c["n_rows"]) for c in clusters], [c["n_rows"] for c in clusters]),
        Column("share", [share(c["weight"] / total) for c in clusters], [c["weight"] / total for c in clusters]),
    ]
    for j, name in enumerate(features[:FEATURES_SHOWN]):
        values = [center[j] for center in model["parameters"]["centers"]]
        columns.append(Column(name, column(values, 5), values))
    for name, heading in (("mean_distance", "mean distance"), ("radius", "radius"), ("sse", "sum of squares")):
        values = [cluster[name] for cluster in clusters]
        columns.append(Column(heading, column(values, 4), values))
    page.table("Centres, and the distances of their rows", columns)
    if len(features) > FEATURES_SHOWN:
        page.paragraph(f"The centres have {len(features) - FEATURES_SHOWN:,} more features, in model.json.", "note")


def _add_candidates(page: Page, model: dict[str, Any]) -> None:
    rows = model["candidates"]
    columns = [
        Column("clusters", [number(row["n_clusters"]) for row in rows]),
        Column("start", [number(row["restart"] + 1) for row in rows]),
        Column("passes", [number(row["n_passes"]) for row in rows]),
        Column("status", [STATUS.get(row["status"], row["status"]) for row in rows], is_text=True),
    ]
    for name, heading in (
        ("sse", "sum of squares"), ("silhouette", "silhouette"), ("calinski_harabasz", "Calinski-Harabasz"),
        ("davies_bouldin", "Davies-Bouldin"),
    ):  # fmt: skip
        values = [row[name] for row in rows]
        columns.append(Column(heading, column(values, 5), values))
    columns.append(Column("moved", [number(row["n_moved"]) for row in rows]))
    page.table(
        "All in the same passes; moved: centres of empty clusters that took the farthest row", columns, model["chosen"]
    )
