"""Pictures of a mixture: the sampled rows under its components, at the end and on the way; likelihoods and criteria."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from drivers.clustering.gmm import whole_covariances
from drivers.clustering.mixture_file import mixture_from_model
from drivers.clustering.scorers import scorer_of_mixture
from drivers.designs import design_of
from drivers.report.animation import Animation, animate
from drivers.report.cluster_pictures import CLUSTERS_NAMED, MARKERS
from drivers.report.figures import PALETTE, TRUTH, Picture, draw, label, legend_above
from drivers.report.mixture_rows import MixtureRows
from drivers.report.mixture_truth import TrueMixture
from drivers.run_directory import RunDirectory
from jobs.kernels.gmm_state import Mixture

# As many features a picture of rows has, and the trace of a run.
DRAWN = 2
NAMES = ("bic", "icl", "aic")
STEPS_SHOWN, FRAMES = 6, 36
SEVERAL = 5  # passes after the first
POINTS_SHOWN, POINTS_OF_A_SMALL_ONE = 3000, 600
# A row that lies beyond all but so many by most of their spread is left out: it would take the room of all others.
TAILS, REACH, MARGIN = 0.005, 0.75, 0.06
FAR = 1e3  # spreads from 0
QUIET = "#aab4bf"
# Differences of likelihoods that are smaller say nothing.
ROUNDING = 1e-13


@dataclass
class Scene:
    """What a picture of rows shows: components in the first one or two features, and the component of each row.

    x: (n, 1 or 2); w: (n,); parts: (n,), -1 of none; mixture: in these features; colors: (k,), the colour of each
    component, a number; limits: (1 or 2, 2), the ends of the axes
    """

    names: list[str]
    x: np.ndarray
    w: np.ndarray
    parts: np.ndarray
    mixture: Mixture
    colors: np.ndarray
    limits: np.ndarray


def draw_all(
    directory: RunDirectory, model: dict[str, Any], rows: MixtureRows | None, truth: TrueMixture | None
) -> list[Picture | Animation]:
    """The pictures that there are something for."""
    found: list[Picture | Animation] = []
    if rows is not None:
        found += _of_rows(directory, model, rows, truth)
    if model["candidates"][model["chosen"]]["n_passes"] > 1:
        found.append(_likelihoods(directory, model))
    if len(compared(model)) > 1:
        found.append(_criteria(directory, model))
    return found


def _of_rows(
    directory: RunDirectory, model: dict[str, Any], rows: MixtureRows, truth: TrueMixture | None
) -> list[Picture | Animation]:
    drawn, few = drawn_columns(model), slice(POINTS_SHOWN)
    names, x, w = [model["features"][j] for j in drawn], rows.X[few, drawn], rows.w[few]
    fitted, limits = _drawn(mixture_from_model(model), drawn), _limits(x)
    k = len(fitted.weights)
    of = (
        "" if len(model["features"]) == len(drawn) else f", in {' and '.join(names)} of {len(model['features']):,} features"
    )
    found: list[Picture | Animation] = []
    if truth is not None and rows.true_parts is not None:
        # The colour of a true component is that of its partner; one that is left over has one of its own.
        own = truth.partners.copy()
        own[own < 0] = k + np.arange((own < 0).sum())
        scene = Scene(names, x, w, rows.true_parts[few], _drawn(truth.mixture, drawn), own, limits)
        found.append(_truth(directory, scene, truth, of))
    end = Scene(names, x, w, rows.parts[few], fitted, np.arange(k), limits)
    how = "ellipses at 1 and 2 standard deviations" if x.shape[1] > 1 else "the densities"
    caption = f"{len(x):,} rows of the sample by the component of greatest part in them, the means, and {how}{of}."
    if x.shape[1] == 1:
        caption = f"{len(x):,} rows of the sample as a histogram, and the densities of the components{of}."
    alt = "The rows coloured by component, with the means and the shapes of all components"
    caption += _left_out(x, limits)
    found.append(draw(directory, "components", 4.6, alt, caption, lambda figure: _alone(figure, end, "component")))
    # A run keeps the way of the first columns; one component is where it belongs after a step.
    if len(model["way"]) > 1 and k > 1 and drawn == list(range(len(drawn))):
        scenes = _scenes_of_way(model, end)
        found += [_way(directory, scenes, of), _moving(directory, model, scenes, of)]
    return found


def _truth(directory: RunDirectory, scene: Scene, truth: TrueMixture, of: str) -> Picture:
    by = f"the column {truth.label!r}" if truth.label else "the true component of greatest part in them"
    caption = (
        f"The truth: {len(scene.x):,} rows of the sample by {by}, with the means and the shapes they were made from{of}; "
        "each in the colour of the component that belongs to it."
    )
    alt = "The rows coloured by true component, with the true means and shapes"
    return draw(directory, "truth", 4.6, alt, caption, lambda figure: _alone(figure, scene, "true"))


def _alone(figure: Figure, scene: Scene, what: str) -> None:
    """One scene, with a legend where the components are few."""
    axes = figure.subplots()
    _paint(axes, scene, size=12, what=what if len(scene.colors) <= CLUSTERS_NAMED else None)
    _name_axes(axes, scene)
    if len(scene.colors) <= CLUSTERS_NAMED:
        # The names of a line are longer than those of points.
        legend_above(figure, columns=3 if scene.x.shape[1] == 1 else 4)


def _paint(axes: Any, scene: Scene, size: float, what: str | None = None) -> None:
    if scene.x.shape[1] == 1:
        _paint_line(axes, scene, what)
        return
    mixture, circle = scene.mixture, _circle()
    for j, color in enumerate(scene.colors):
        own = scene.x[scene.parts == j]
        named = f"{what} {j}" if what else None
        axes.scatter(
            own[:, 0], own[:, 1], s=size, alpha=0.45, linewidths=0, color=_color(color), marker=MARKERS[color // 7 % 8],
            label=named,
        )  # fmt: skip
    for j, color in enumerate(scene.colors):
        root = _root(mixture.covariances[j])
        for deviations in (1, 2):
            line = mixture.means[j][:, None] + deviations * root @ circle
            axes.plot(line[0], line[1], color="white", linewidth=2.6)
            axes.plot(line[0], line[1], color=_color(color), linewidth=1.3)
    axes.scatter(
        mixture.means[:, 0], mixture.means[:, 1], s=5 * size, marker="X", color=TRUTH, edgecolors="white", zorder=5,
        label="means" if what else None,
    )  # fmt: skip
    axes.set_xlim(scene.limits[0])
    axes.set_ylim(scene.limits[1])
    _shorten(axes.xaxis, scene.limits[0])
    _shorten(axes.yaxis, scene.limits[1])


def _paint_line(axes: Any, scene: Scene, what: str | None) -> None:
    """Rows of one feature as a histogram, and the densities of the components, which add up to the mixture's."""
    low, high = scene.limits[0]
    is_inside = (scene.x[:, 0] >= low) & (scene.x[:, 0] <= high)
    n_bins = min(60, max(10, len(scene.x) // 20))
    # Of all rows, so that those farther out are missing here as they are under the curve.
    heights = scene.w[is_inside] / scene.w.sum() * n_bins / (high - low)
    axes.hist(
        scene.x[is_inside, 0], n_bins, range=(low, high), color="#d9dee5", weights=heights, label="rows" if what else None
    )
    at, total = np.linspace(low, high, 400), np.zeros(400)
    for j, color in enumerate(scene.colors):
        deviation = float(np.sqrt(scene.mixture.covariances[j, 0, 0]))
        z = (at - scene.mixture.means[j, 0]) / deviation
        density = scene.mixture.weights[j] * np.exp(-(z**2) / 2) / (deviation * np.sqrt(2 * np.pi))
        total += density
        axes.plot(
            at, density, color=_color(color), linestyle="-" if color < 7 else "--", label=f"{what} {j}" if what else None
        )
    axes.plot(at, total, color=TRUTH, linewidth=1.2, linestyle=":", label="mixture" if what else None)
    axes.set_xlim(low, high)
    _shorten(axes.xaxis, scene.limits[0])


def _shorten(axis: Any, ends: np.ndarray) -> None:
    """Numbers that differ in their last digits only are told from one that stands aside."""
    if np.abs(ends).max() > FAR * (ends[1] - ends[0]):
        axis.get_major_formatter().set_useOffset(True)


def _name_axes(axes: Any, scene: Scene) -> None:
    axes.set_xlabel(label(scene.names[0]))
    axes.set_ylabel(label(scene.names[1]) if len(scene.names) > 1 else "density")


def _scenes_of_way(model: dict[str, Any], end: Scene) -> list[Scene]:
    """What each pass saw; the rows by the component of greatest part in them, by the features that are drawn."""
    found = []
    for step in model["way"]:
        weights = np.array(step["weights"], dtype=float)
        mixture = Mixture("full", weights, np.array(step["means"]), np.array(step["covariances"]))
        parts = scorer_of_mixture(mixture).parts(end.x)[0].argmax(axis=1)
        found.append(replace(end, parts=parts, mixture=mixture))
    return found


def _way(directory: RunDirectory, scenes: list[Scene], of: str) -> Picture:
    steps = _some(len(scenes), STEPS_SHOWN)
    n_rows = -(-len(steps) // 3)

    def paint(figure: Figure) -> None:
        grid = figure.subplots(n_rows, min(3, len(steps)), sharex=True, sharey=True, squeeze=False)
        for axes, step in zip(grid.ravel(), steps):
            few = scenes[step]
            _paint(axes, _thinned(few), size=5)
            axes.set_title("the start" if step == 0 else f"pass {step + 1}", fontsize=11)
        for axes in grid.ravel()[len(steps) :]:
            axes.set_visible(False)
        figure.supxlabel(label(scenes[0].names[0]), fontsize=11)
        figure.supylabel(label(scenes[0].names[1]) if len(scenes[0].names) > 1 else "density", fontsize=11)

    caption = f"The components on their way{of}: those that a pass evaluated, of {len(scenes)} passes."
    return draw(
        directory, "way", 2.4 + 2.1 * (n_rows - 1), "Small pictures of the components, pass by pass", caption, paint
    )


def _moving(directory: RunDirectory, model: dict[str, Any], scenes: list[Scene], of: str) -> Animation:
    steps = _some(len(scenes), FRAMES)
    values = model["candidates"][model["chosen"]]["log_likelihood_of_passes"]

    def frame(step: int) -> Callable[[Any], None]:
        def paint(axes: Any) -> None:
            _paint(axes, _thinned(scenes[step]), size=10)
            _name_axes(axes, scenes[step])
            axes.set_title(f"pass {step + 1}: mean log-likelihood {values[step]:.4f}", fontsize=11)

        return paint

    which = "Every pass" if len(steps) == len(scenes) else f"{len(steps)} of {len(scenes)} passes"
    return animate(
        directory, "way", 4.2, "The components moving to where they end", f"{which}, one after another{of}.",
        [frame(step) for step in steps],
    )  # fmt: skip


def _likelihoods(directory: RunDirectory, model: dict[str, Any]) -> Picture:
    chosen = model["candidates"][model["chosen"]]
    own = [entry for entry in model["candidates"] if entry["n_components"] == chosen["n_components"]]
    best = chosen["mean_log_likelihood"]

    def paint(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True)
        for entry in [*(entry for entry in own if entry is not chosen), chosen]:
            values = np.array(entry["log_likelihood_of_passes"], dtype=float)
            passes = np.arange(1, len(values) + 1)
            style: dict[str, Any] = {"marker": "o", "markersize": 4, "color": QUIET, "linewidth": 1}
            if entry is chosen:
                style |= {"color": PALETTE[0], "linewidth": 2}
            upper.plot(passes, values, **style)
            gap = best - values
            lower.plot(passes, np.where(gap > ROUNDING * max(abs(best), 1.0), gap, np.nan), **style)
        later = [value for entry in own for value in entry["log_likelihood_of_passes"][1:] if np.isfinite(value)]
        room = 0.1 * (max(later) - min(later)) if len(later) > SEVERAL else 0.0
        if room > 0:  # a start may be so poor that all later passes would lie on one line
            upper.set_ylim(min(later) - room, max(later) + room)
        upper.set_ylabel("mean log-\nlikelihood")
        lower.set_yscale("log")
        lower.set_ylabel("below the\nbest by")
        lower.set_xlabel("pass")
        lower.xaxis.set_major_locator(MaxNLocator(integer=True))

    starts = f", of {len(own)} starts; the one that was taken is blue" if len(own) > 1 else ""
    caption = f"The log-likelihood of {chosen['n_components']} components by pass, a mean over rows{starts}."
    return draw(directory, "likelihoods", 4.4, "The log-likelihood rising from pass to pass", caption, paint)


def compared(model: dict[str, Any]) -> list[dict[str, Any]]:
    """The best candidate of each number of components, but for those that have diverged."""
    return [entry for entry in model["candidates"] if entry["is_best"] and np.isfinite(entry["log_likelihood"])]


def _criteria(directory: RunDirectory, model: dict[str, Any]) -> Picture:
    best = compared(model)
    n = [entry["n_components"] for entry in best]
    chosen = model["candidates"][model["chosen"]]["n_components"]
    by = model["training"]["select"]

    gaps = {name: np.array([entry[name] for entry in best]) - min(entry[name] for entry in best) for name in NAMES}
    # From the least on, where the differences are small.
    near = max(float(gap[gap.argmin() :].max()) or float(np.sort(gap)[1]) for gap in gaps.values())

    def paint(figure: Figure) -> None:
        upper, lower = figure.subplots(2, 1, sharex=True)
        for (name, gap), style, color in zip(gaps.items(), ("o-", "^:", "s--"), (0, 2, 1)):
            upper.plot(n, [entry[name] for entry in best], style, color=PALETTE[color], label=name.upper())
            lower.plot(n, gap, style, color=PALETTE[color])
        for axes in (upper, lower):
            axes.axvline(chosen, color=TRUTH, linewidth=1, linestyle=":")
        if near > 0:
            lower.set_ylim(-0.06 * near, 1.2 * near)
        upper.set_ylabel("criterion")
        lower.set_ylabel("above its least")
        lower.set_xlabel("number of components")
        lower.xaxis.set_major_locator(MaxNLocator(integer=True))
        legend_above(figure)

    caption = (
        "Likelihood less a price for free parameters, each number with its best start, the smaller the better; below, how "
        f"far each is above its least value. {by.upper()} chose {chosen}."
    )
    return draw(directory, "criteria", 4.6, "AIC, BIC and ICL over the number of components", caption, paint)


def drawn_columns(model: dict[str, Any]) -> list[int]:
    """The columns of X that pictures show: the first two numbers, or the only one; of texts alone the first two."""
    design = design_of(model)
    numbers = [columns[0] for name, columns in zip(design.features, design.terms) if name not in design.categories]
    return (numbers or list(range(len(model["features"]))))[:DRAWN]


def _drawn(mixture: Mixture, drawn: list[int]) -> Mixture:
    """The same in the features that are drawn."""
    covariances = whole_covariances(mixture)[:, drawn][:, :, drawn]
    return Mixture("full", mixture.weights, mixture.means[:, drawn], covariances)


def _limits(x: np.ndarray) -> np.ndarray:
    """The ends of the axes, (1 or 2, 2): of all rows but those far beyond nearly all."""
    found = []
    for values in x.T:
        low, high = np.quantile(values, TAILS, method="higher"), np.quantile(values, 1 - TAILS, method="lower")
        beyond = REACH * (high - low)
        near = values[(values >= low - beyond) & (values <= high + beyond)] if high > low else values
        spread = np.ptp(near) or max(abs(near[0]), 1.0)
        found.append([near.min() - MARGIN * spread, near.max() + MARGIN * spread])
    return np.array(found)


def _left_out(x: np.ndarray, limits: np.ndarray) -> str:
    n = int(((x < limits[:, 0]) | (x > limits[:, 1])).any(axis=1).sum())
    return f" Farther out {'lies one row' if n == 1 else f'lie {n:,} rows'} more." if n else ""


def _some(n: int, most: int) -> np.ndarray:
    """Steps from the first to the last, closer together where more happens; ascending, at most so many."""
    if n <= most:
        return np.arange(n)
    return np.unique(np.round((n - 1) * np.linspace(0, 1, most) ** 1.5).astype(int))


def _thinned(scene: Scene) -> Scene:
    few = slice(POINTS_OF_A_SMALL_ONE)
    return replace(scene, x=scene.x[few], w=scene.w[few], parts=scene.parts[few])


def _circle() -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, 100)
    return np.array([np.cos(angle), np.sin(angle)])


def _root(covariance: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(values, 0.0))


def _color(number: int) -> str:
    return PALETTE[number % 7]
