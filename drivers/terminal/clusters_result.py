"""The result of k-means on the terminal, within 80 columns."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from drivers.terminal.candidates import candidates_table
from drivers.terminal.tables import number, open_console, pairs_table, plain_table, print_remarks
from drivers.wording import count

# More than these are left to the report.
CLUSTERS_SHOWN, FEATURES_SHOWN = 30, 4

COLUMNS = {
    "sum of squares": ("sse", 7), "silhouette": ("silhouette", 4), "Calinski-H.": ("calinski_harabasz", 6),
    "Davies-B.": ("davies_bouldin", 4),
}  # fmt: skip


def print_result(model: dict[str, Any], warnings: list[str]) -> None:
    """The chosen centres, the candidates and the warnings of a k-means model."""
    console = open_console()
    centers, training = model["parameters"]["centers"], model["training"]
    cosine = " by direction" if model["parameters"]["metric"] == "cosine" else ""
    console.print(f"k-means{cosine}: {count(len(centers), 'cluster')} of {count(training['rows_used'], 'row')}")
    console.print(_clusters(model))
    if len(model["candidates"]) > 1:
        index = f"its {training['select']} index"
        console.print(candidates_table(model, lambda entry: entry["n_clusters"], COLUMNS, index))
    chosen = model["candidates"][model["chosen"]]
    console.print(
        pairs_table(
            [
                ("rows used", number(training["rows_used"])), ("sum of squares", number(chosen["sse"], 8)),
                ("rows in", number(training["rows_in"])), ("simplified silhouette", number(chosen["silhouette"], 6)),
                ("rejected", number(training["rows_rejected"])),
                ("Calinski-Harabasz", number(chosen["calinski_harabasz"], 8)),
                ("missing", number(training["rows_missing"])), ("Davies-Bouldin", number(chosen["davies_bouldin"], 6)),
                ("sum of weights", number(training["weight_sum"], 8)),
                ("passes over the data", number(training["n_passes"])),
            ]
        )
    )  # fmt: skip
    print_remarks(console, warnings)


def _clusters(model: dict[str, Any]) -> Table:
    features, clusters = model["features"], model["clusters"]
    shown = features[:FEATURES_SHOWN]
    table = plain_table("cluster", "rows", "share", *shown, "distance", "radius")
    total = sum(cluster["weight"] for cluster in clusters) or 1.0
    for j, cluster in enumerate(clusters[:CLUSTERS_SHOWN]):
        center = model["parameters"]["centers"][j]
        table.add_row(
            str(j), number(cluster["n_rows"]), f"{100 * cluster['weight'] / total:.1f} %",
            *(number(float(center[i]), 4) for i in range(len(shown))),
            number(cluster["mean_distance"], 4), number(cluster["radius"], 4),
        )  # fmt: skip
    left = [(len(clusters) - CLUSTERS_SHOWN, "clusters"), (len(features) - len(shown), "features")]
    more = " and ".join(f"{n:,} more {what}" for n, what in left if n > 0)
    if more:
        table.caption = f"and {more}, in the report and the model file"
    return table
