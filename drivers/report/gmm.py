"""The report of a mixture: its components, how many and how distinct, how it was found, and the truth where it is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from drivers.clustering.gmm import collapsed, whole_covariances
from drivers.clustering.mixture_file import mixture_from_model
from drivers.loop import CONVERGED
from drivers.packing.cache import Pack
from drivers.report import mixture_pictures
from drivers.report.animation import Animation
from drivers.report.formats import column, number, share
from drivers.report.kmeans import STATUS
from drivers.report.mixture_rows import MixtureRows, rows_of
from drivers.report.mixture_truth import TrueMixture, find_true_mixture
from drivers.report.page import Column, Page
from drivers.report.run_sections import add_rows, names_of, weighing
from drivers.run_directory import RunDirectory
from drivers.wording import count

STARTS = {
    "sample": "from what scikit-learn finds on the sample", "random": "from rows drawn by chance",
    "kmeans": "from the clusters of k-means", "k-means||": "from the clusters of k-means||",
}  # fmt: skip
COVARIANCES = {
    "full": "each with a covariance of its own", "tied": "all with the same covariance",
    "diag": "each with variances of its own and no correlations", "spherical": "each with one variance for all features",
}  # fmt: skip
FEATURES_SHOWN, CORRELATED_SHOWN = 6, 12
# A row that has more than this of itself in one component is as good as in it.
SURE = 0.9
# Starts whose mean log-likelihood is less by more than this ended elsewhere, and not only before they had arrived.
POORER = 1e-3


def title(model: dict[str, Any]) -> str:
    """What the model is of."""
    k = len(model["parameters"]["weights"])
    return f"{'1 Gaussian' if k == 1 else f'A mixture of {k:,} Gaussians'} of {names_of(model['features'])}"


def method(model: dict[str, Any]) -> str:
    """What was done, in a sentence or two."""
    parameters, training = model["parameters"], model["training"]
    k = len(parameters["weights"])
    how = count(k, "Gaussian") + (f", {COVARIANCES[parameters['covariance_type']]}" if k > 1 else "")
    ahead = ", with extrapolated points tried in the same passes" if training["accelerate"] else ""
    return (
        f"The density of {names_of(model['features'])} was taken for that of {how}{weighing(model)}. The method: EM "
        f"(expectation-maximisation), {STARTS.get(training['init'], 'from the mixture of a file')}{ahead}."
    )


def add_sections(page: Page, model: dict[str, Any], directory: RunDirectory, pack: Pack | None) -> None:
    """All that the page says about the mixture."""
    truth = find_true_mixture(pack, model)
    rows = rows_of(pack, model, truth)
    page.heading("Findings")
    for topic, text in findings(model, rows, truth):
        page.paragraph(text[:1].upper() + text[1:], topic=topic)
    page.heading("Pictures")
    for picture in mixture_pictures.draw_all(directory, model, rows, truth):
        if isinstance(picture, Animation):
            page.animation(picture)
        else:
            page.picture(picture)
    page.heading("Components")
    _add_components(page, model)
    _add_correlations(page, model)
    page.heading("Candidates")
    _add_candidates(page, model)
    total = model["training"]["weight_sum"]
    add_rows(page, model, [("sum of the weights", number(total), total)] if model.get("weight") else [])


def findings(model: dict[str, Any], rows: MixtureRows | None, truth: TrueMixture | None = None) -> list[tuple[str, str]]:
    """Topics and sentences."""
    found = [*_how_many(model), *_how_distinct(model, rows), *_way(model)]
    if truth is not None:
        found += _truth(model, rows, truth)
    return found


def _how_many(model: dict[str, Any]) -> list[tuple[str, str]]:
    chosen, by = model["candidates"][model["chosen"]], model["training"]["select"]
    best = mixture_pictures.compared(model)
    if len(best) < 2:
        return []
    numbers = [entry["n_components"] for entry in best]
    text = f"of {numbers[0]} to {numbers[-1]} components, {chosen['n_components']} have the smallest {by.upper()}"
    others = {
        name.upper(): numbers[int(np.argmin([entry[name] for entry in best]))]
        for name in mixture_pictures.NAMES
        if name != by
    }
    same = [name for name, k in others.items() if k == chosen["n_components"]]
    if same:
        text += f", and {' and '.join(same)} {'agree' if len(same) > 1 else 'agrees'}"
    text += "".join(f"; by {name} there would be {k}" for name, k in others.items() if name not in same)
    runner_up = min((entry for entry in best if entry is not chosen), key=lambda entry: entry[by])
    text += (
        f". Next come {runner_up['n_components']} with {number(runner_up[by] - chosen[by], 3)} more; "
        "all were fitted in the same passes."
    )
    return [("How many", text)]


def _how_distinct(model: dict[str, Any], rows: MixtureRows | None) -> list[tuple[str, str]]:
    chosen, weights = model["candidates"][model["chosen"]], model["parameters"]["weights"]
    k = len(weights)
    if k == 1:
        return []
    entropy = max(chosen["entropy"] / model["training"]["weight_sum"], 0.0)
    text = f"the mean entropy of a row's parts is {entropy:.3f} of at most log {k} = {math.log(k):.3f}"
    if rows is not None:
        sure = float(np.average(rows.r.max(axis=1) > SURE, weights=rows.w / rows.w.max()))
        text += f"; {share(sure)} of the sampled rows have more than {SURE:g} of themselves in one component"
    least, largest = share(min(weights)), share(max(weights))
    sizes = f"the components hold from {least} to {largest}" if least != largest else f"each component holds {least}"
    return [("How distinct", f"{text}."), ("How large", f"{sizes} of the rows.")]


def _way(model: dict[str, Any]) -> list[tuple[str, str]]:
    chosen, training = model["candidates"][model["chosen"]], model["training"]
    found = []
    own = [entry for entry in model["candidates"] if entry["n_components"] == chosen["n_components"]]
    if len(own) > 1:
        poor = [entry for entry in own if not entry["mean_log_likelihood"] >= chosen["mean_log_likelihood"] - POORER]
        text = f"{len(poor)} of {len(own)} starts ended in a poorer optimum"
        if poor:
            least = min(entry["mean_log_likelihood"] for entry in poor)
            text += f", the worst with a mean log-likelihood of {least:.4f} in place of {chosen['mean_log_likelihood']:.4f}"
        found.append(("Starts", f"{text}."))
    if training["accelerate"] and chosen["n_components"] > 1:
        found.append((
            "Extrapolation",
            f"in {chosen['passes_won_by_extrapolation']} of {count(chosen['n_passes'], 'pass', 'passes')} the extrapolated "
            "point was better than a plain step of EM.",
        ))  # fmt: skip
    if chosen["status"] != CONVERGED:
        found.append(("Not converged", "the limit of passes came first; --max-iter allows more."))
    if chosen["n_reseeded"]:
        found.append((
            "Begun anew",
            f"{count(chosen['n_reseeded'], 'time')} on the way a component had lost its rows and took the row of least "
            "density for its mean.",
        ))  # fmt: skip
    kind, reg = model["parameters"]["covariance_type"], training["reg_covar"]
    if lost := collapsed(model["components"], len(model["features"]), kind, reg):
        found.append((
            "Collapsed",
            f"{'component' if len(lost) == 1 else 'components'} {', '.join(map(str, lost))} "
            f"{'has' if len(lost) == 1 else 'have'} next to no spread in some direction, or too few rows "
            "for a covariance, so the likelihood says little: take fewer components, another covariance type, or "
            "leave out a column that is constant or follows from others.",
        ))  # fmt: skip
    return found


def _truth(model: dict[str, Any], rows: MixtureRows | None, truth: TrueMixture) -> list[tuple[str, str]]:
    true, fitted = truth.mixture, mixture_from_model(model)
    k, n = len(true.weights), model["training"]["weight_sum"]
    t, f = np.arange(k), truth.partners
    text = f"the rows were made from {count(k, 'component')}"
    if k != len(fitted.weights):
        text += f", not {len(fitted.weights)}"
    if k > len(fitted.weights):
        return [("The truth", f"{text}.")]
    distances = np.sqrt(((fitted.means[f] - true.means[t]) ** 2).sum(axis=1))
    far = int(distances.argmax())
    expected = float(np.sqrt(np.trace(true.covariances[t[far]]) / (n * true.weights[t[far]])))
    text += (
        f". The largest distance of a mean from the true one is {number(float(distances[far]), 3)}, of component {f[far]} "
        f"(the mean of as many rows of that component alone is off by about {number(expected, 3)}); the weights are off by "
        f"at most {number(float(np.abs(fitted.weights[f] - true.weights[t]).max()), 3)}"
    )
    deviations = [np.sqrt(np.diagonal(c, axis1=1, axis2=2)) for c in (whole_covariances(fitted)[f], true.covariances[t])]
    text += f", the standard deviations by at most {share(float(np.abs(deviations[0] / deviations[1] - 1).max()))}."
    found = [("The truth", text)]
    if rows is not None and rows.true_parts is not None:
        known = rows.true_parts >= 0
        if known.any() and k > 1:
            same = truth.partners[rows.true_parts[known]] == rows.parts[known]
            by = "true component" if truth.label else "component by the true densities"
            found.append(("Rows", f"{share(float(same.mean()))} of the sampled rows are in the partner of their {by}."))
    return found


def _add_components(page: Page, model: dict[str, Any]) -> None:
    components, features = model["components"], model["features"]
    columns = [
        Column("component", [str(j) for j in range(len(components))]),
        Column("weight", column([c["weight"] for c in components], 4), [c["weight"] for c in components]),
        Column("rows", column([c["rows"] for c in components], 4), [c["rows"] for c in components]),
    ]
    for i, name in enumerate(features[:FEATURES_SHOWN]):
        means = [mean[i] for mean in model["parameters"]["means"]]
        deviations = [component["standard_deviations"][i] for component in components]
        columns += [Column(name, column(means, 4), means), Column("std dev", column(deviations, 4), deviations)]
    page.table("Means and standard deviations; rows: the sum of the parts that a component has in them", columns)
    if len(features) > FEATURES_SHOWN:
        page.paragraph(f"There are {len(features) - FEATURES_SHOWN:,} more features, in model.json.", "note")


def _add_correlations(page: Page, model: dict[str, Any]) -> None:
    """The correlations within components, for the covariance types that have any."""
    kind, names = model["parameters"]["covariance_type"], model["features"][:CORRELATED_SHOWN]
    if kind not in ("full", "tied") or len(names) < 2:
        return
    covariances = whole_covariances(mixture_from_model(model))[: 1 if kind == "tied" else None]
    deviations = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    correlations = covariances / (deviations[:, :, None] * deviations[:, None])
    first, second = np.triu_indices(len(names), 1)
    columns = [Column("features", [f"{names[i]}, {names[j]}" for i, j in zip(first, second)])]
    for c, matrix in enumerate(correlations):
        values = matrix[first, second].tolist()
        columns.append(Column("all" if kind == "tied" else str(c), [f"{value:.3f}" for value in values], values))
    page.table("Correlations of the features within each component", columns, folded="Correlations within the components")


def _add_candidates(page: Page, model: dict[str, Any]) -> None:
    rows, total = model["candidates"], model["training"]["weight_sum"]
    columns = [
        Column("components", [number(row["n_components"]) for row in rows]),
        Column("start", [number(row["restart"] + 1) for row in rows]),
        Column("passes", [number(row["n_passes"]) for row in rows]),
        Column("status", [STATUS.get(row["status"], row["status"]) for row in rows], is_text=True),
    ]
    for name, heading in (
        ("mean_log_likelihood", "mean log-likelihood"), ("bic", "BIC"), ("icl", "ICL"), ("aic", "AIC"),
    ):  # fmt: skip
        values = [row[name] for row in rows]
        columns.append(Column(heading, column(values, 6), values))
    entropies = [row["entropy"] / total for row in rows]
    columns.append(Column("entropy", column(entropies, 3), entropies))
    columns.append(Column("by extrapolation", [number(row["passes_won_by_extrapolation"]) for row in rows]))
    columns.append(Column("begun anew", [number(row["n_reseeded"]) for row in rows]))
    page.table(
        "All in the same passes; by extrapolation: passes that an extrapolated point won; entropy: of a row's parts",
        columns,
        model["chosen"],
    )
