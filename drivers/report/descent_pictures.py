"""Pictures of gradient descent: the line after each pass, and the loss of every candidate."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from drivers.loop import Fit
from drivers.report.comparison import Comparison
from drivers.report.figures import OURS, PALETTE, SAMPLE, Picture, draw, few_ticks, label, legend_above, scatter
from drivers.report.formats import number
from drivers.report.line_pictures import line_grid
from drivers.run_directory import RunDirectory
from drivers.wording import count

# A legend of more lines hides more than it tells: then only the chosen one is named.
NAMED = 8
MANY_PASSES = 20
FAINT = "#c3cad3"


def draw_all(directory: RunDirectory, model: dict[str, Any], comparison: Comparison) -> list[Picture]:
    """The path of the chosen candidate, where there is one feature to draw it over, and the losses."""
    training = model["training"]
    pictures = []
    if training["path"] and len(model["features"]) == 1 and len(comparison.sample.y):
        pictures.append(_draw_path(directory, model, comparison))
    losses = _losses(directory, training)
    if any(np.isfinite(values).sum() > 1 for values in losses.values()):
        pictures.append(_draw_losses(directory, training, losses))
    return pictures


def _draw_path(directory: RunDirectory, model: dict[str, Any], comparison: Comparison) -> Picture:
    training, sample = model["training"], comparison.sample
    path = np.asarray(training["path"], dtype=float)
    start = np.asarray(training["candidates"][training["chosen"]]["start"], dtype=float)
    grid = line_grid(comparison)[[0, -1]]
    n = len(path)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        scatter(axes, sample.X[:, 0], sample.y, sample.w, FAINT)
        norm = LogNorm(1, n) if n > MANY_PASSES else Normalize(1, max(n, 2))
        segments = [np.column_stack([grid, b[0] + b[1] * grid]) for b in path]
        lines = LineCollection(segments, cmap="viridis_r", norm=norm, linewidths=1.5)
        lines.set_array(np.arange(1, n + 1))
        axes.add_collection(lines, autolim=False)
        ends = start[0] + start[1] * grid
        low, high = _room(sample.y, path[-1], start, grid)
        is_seen = bool(ends.min() < high and ends.max() > low)
        name = "start" if is_seen else "start (outside the picture)"
        begun = axes.plot(grid, ends, color=SAMPLE, linestyle=(0, (5, 2)), label=name)
        axes.set_xlim(*grid)
        axes.set_ylim(low, high)
        few_ticks(axes)
        axes.set_xlabel(label(model["features"][0], 48))
        axes.set_ylabel(label(model["target"], 36))
        bar = figure.colorbar(ScalarMappable(norm, "viridis_r"), ax=axes, label="pass", pad=0.02, aspect=30)
        ticks = LogLocator(subs=(1.0, 2.0, 5.0)) if n > MANY_PASSES else MaxNLocator(integer=True)
        bar.ax.yaxis.set_major_locator(ticks)
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        bar.ax.minorticks_off()
        last = Line2D([], [], color=lines.cmap(1.0), label=f"after pass {n:,}")
        legend_above(figure, handles=[*begun, last])

    rate = number(training["candidates"][training["chosen"]]["learning_rate"])
    caption = f"The line after each pass, learning rate {rate}: the later the darker ({count(n, 'pass', 'passes')})."
    first, final = (", ".join(number(float(value)) for value in b) for b in (start, path[-1]))
    alt = f"The fitted line after each pass, from intercept and slope {first} at the start to {final} after pass {n}."
    return draw(directory, "path", 4.2, alt, caption, paint)


def _room(y: np.ndarray, final: np.ndarray, start: np.ndarray, grid: np.ndarray) -> tuple[float, float]:
    """The range of the data and the last line; of a start far away only as much as leaves them readable."""
    near = np.concatenate([y, final[0] + final[1] * grid])
    low, high = float(near.min()), float(near.max())
    height = (high - low) or max(abs(low), 1.0)
    ends = start[0] + start[1] * grid
    low, high = max(min(low, ends.min()), low - 0.6 * height), min(max(high, ends.max()), high + 0.6 * height)
    return low - 0.03 * height, high + 0.03 * height


def _losses(directory: RunDirectory, training: dict[str, Any]) -> dict[int, np.ndarray]:
    """The loss of each candidate in each pass it took part in, from the checkpoint; without it, that of the chosen one."""
    chosen = training["chosen"]
    losses = {chosen: np.asarray(training["losses"], dtype=float)}
    with suppress(Exception):  # an old or a cut checkpoint is no reason to go without the rest of the report
        fit = directory.load_phase("descent", Fit)
        for k, n_passes in enumerate(fit.n_iters if fit is not None else []):
            losses[k] = np.array([entry["objective"][k] for entry in fit.history[:n_passes]], dtype=float)
    return losses


def _draw_losses(directory: RunDirectory, training: dict[str, Any], losses: dict[int, np.ndarray]) -> Picture:
    chosen = training["chosen"]
    least = min(float(np.nanmin(values)) for values in losses.values() if np.isfinite(values).any())
    several_starts = len({tuple(candidate["start"]) for candidate in training["candidates"]}) > 1
    starts = list(dict.fromkeys(tuple(candidate["start"]) for candidate in training["candidates"]))

    def name(k: int) -> str:
        candidate = training["candidates"][k]
        text = f"rate {number(candidate['learning_rate'])}"
        if several_starts:
            text += f", start {starts.index(tuple(candidate['start'])) + 1}"
        return text + (" (chosen)" if k == chosen and len(losses) > 1 else "")

    lengths = [len(values) for k, values in losses.items() if training["candidates"][k]["status"] != "diverged"]
    is_long = bool(lengths) and max(lengths) > MANY_PASSES * max(min(lengths), 1)

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for i, k in enumerate(sorted(losses, key=lambda k: k == chosen)):
            excess = losses[k] - least
            excess[~(excess > 0) | ~np.isfinite(excess)] = np.nan
            is_named = len(losses) <= NAMED or k == chosen
            axes.plot(
                np.arange(1, len(excess) + 1), excess, label=name(k) if is_named else None,
                color=OURS if k == chosen else PALETTE[1 + i % (len(PALETTE) - 1)] if is_named else FAINT,
                linestyle="-" if k == chosen or not is_named else ((0, (5, 2)), (0, (1, 1.2)), "-.")[i % 3],
                marker="o" if len(excess) <= 40 else None, markersize=4,
            )  # fmt: skip
        axes.set_yscale("log")
        if is_long:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("pass")
        axes.set_ylabel("loss \N{MINUS SIGN} least loss")
        legend_above(figure, columns=2)

    told = "; ".join(
        f"{name(k)}: {number(float(v[0]), 3)} to {number(float(v[-1]))} in {count(len(v), 'pass', 'passes')}"
        for k, v in sorted(losses.items())[:NAMED]
        if len(v)
    )
    axes = "both axes are logarithmic" if is_long else "its axis is logarithmic"
    caption = f"The loss of each candidate above {number(least, 8)}, the least that any of them saw; {axes}."
    return draw(directory, "loss", 3.8, f"Loss against pass, on a logarithmic axis. {told}.", caption, paint)
