"""Pictures of clusters: the sampled rows in a plane that shows them, the objective by number of clusters and by pass."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from drivers.clustering.scorers import cluster_scorer
from drivers.designs import sample_rows
from drivers.packing.cache import Pack
from drivers.report.figures import PALETTE, TRUTH, Picture, draw, label, legend_above
from drivers.run_directory import RunDirectory

POINTS_SHOWN = 4000
MARKERS = "osv^D<>P"
CLUSTERS_NAMED = 8


def draw_all(directory: RunDirectory, model: dict[str, Any], pack: Pack | None) -> list[Picture]:
    """The pictures that there are something for."""
    pictures = []
    if pack is not None and (plane := _plane(directory, model, pack)):
        pictures.append(plane)
    if len({entry["n_clusters"] for entry in model["candidates"]}) > 1:
        pictures.append(_elbow(directory, model))
    if max(len(entry["sse_of_passes"]) for entry in model["candidates"]) > 1:
        pictures.append(_passes(directory, model))
    return pictures


def _plane(directory: RunDirectory, model: dict[str, Any], pack: Pack) -> Picture | None:
    """The rows of the sample by cluster: by two features as they stand, of more by the two directions that spread the
    centres most."""
    rows = sample_rows(pack, model)
    X = rows.X[rows.w > 0][:POINTS_SHOWN]
    if not len(X):
        return None
    clusters, _ = cluster_scorer(model).nearest(X)
    centers, features = np.array(model["parameters"]["centers"]), model["features"]
    if model["parameters"]["metric"] == "cosine":
        X = X / np.linalg.norm(X, axis=1)[:, None]
    if len(features) > 2:
        middle, scale = X.mean(axis=0), X.std(axis=0)
        scale = np.where(scale > 0, scale, 1.0)
        spread = (centers - middle) / scale if len(centers) > 2 else (X - middle) / scale
        directions = np.linalg.svd(spread - spread.mean(axis=0), full_matrices=False)[2][:2].T
        X, centers = (X - middle) / scale @ directions, (centers - middle) / scale @ directions
        names = ["first direction between the centres", "second direction"]
    else:
        names = [label(name) for name in features]
        if len(features) == 1:  # apart from one another, so that they do not hide each other
            X, centers = (np.column_stack([v, np.zeros(len(v))]) for v in (X[:, 0], centers[:, 0]))
            X[:, 1] = np.random.default_rng(0).uniform(-0.4, 0.4, len(X))
            names.append("")

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for j in range(len(centers)):
            own = X[clusters == j]
            named = f"cluster {j}" if len(centers) <= CLUSTERS_NAMED else None
            axes.scatter(
                own[:, 0], own[:, 1], s=12, alpha=0.5, linewidths=0, color=PALETTE[j % 7], marker=MARKERS[j // 7 % 8],
                label=named,
            )  # fmt: skip
        axes.scatter(centers[:, 0], centers[:, 1], s=90, marker="X", color=TRUTH, edgecolors="white", label="centres")
        axes.set_xlabel(names[0])
        axes.set_ylabel(names[1])
        if len(features) == 1:
            axes.set_yticks([])
        legend_above(figure, columns=4)

    how = "" if len(features) <= 2 else ", in the plane in which the centres lie farthest apart"
    caption = f"{len(X):,} rows of the sample by cluster, and the centres{how}."
    return draw(directory, "clusters", 4.6, "Points coloured by cluster, with a cross at each centre", caption, paint)


def _elbow(directory: RunDirectory, model: dict[str, Any]) -> Picture:
    best = [entry for entry in model["candidates"] if entry["is_best"]]
    n = [entry["n_clusters"] for entry in best]
    chosen = model["candidates"][model["chosen"]]["n_clusters"]
    index = model["training"]["select"]

    def paint(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True)
        upper.plot(n, [entry["sse"] for entry in best], "o-", color=PALETTE[0])
        upper.set_ylabel("sum of squares")
        upper.set_ylim(bottom=0)
        lower.plot(n, [entry[index.replace("-", "_")] for entry in best], "s--", color=PALETTE[1])
        lower.set_ylabel(index)
        lower.set_xlabel("number of clusters")
        for axes in (upper, lower):
            axes.axvline(chosen, color=TRUTH, linewidth=1, linestyle=":")
        lower.xaxis.set_major_locator(MaxNLocator(integer=True))

    caption = (
        f"The sum of squares falls with every further cluster; where it falls no more than a little, there is an elbow. "
        f"The {index} index chose {chosen}."
    )
    return draw(directory, "elbow", 4.6, "Two curves over the number of clusters", caption, paint)


def _passes(directory: RunDirectory, model: dict[str, Any]) -> Picture:
    number = model["candidates"][model["chosen"]]["n_clusters"]
    own = [entry for entry in model["candidates"] if entry["n_clusters"] == number]
    chosen = model["candidates"][model["chosen"]]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for entry in own:
            is_chosen = entry is chosen
            passes = np.arange(1, len(entry["sse_of_passes"]) + 1)
            axes.plot(
                passes, entry["sse_of_passes"], "o-", color=PALETTE[0] if is_chosen else "#aab4bf",
                linewidth=2 if is_chosen else 1, zorder=3 if is_chosen else 2,
            )  # fmt: skip
        axes.set_xlabel("pass")
        axes.set_ylabel("sum of squares")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    starts = f", of {len(own)} starts; the one that was taken is blue" if len(own) > 1 else ""
    caption = f"The sum of squares of {number} clusters by pass{starts}."
    return draw(directory, "passes", 3.4, "The sum of squares falling from pass to pass", caption, paint)
