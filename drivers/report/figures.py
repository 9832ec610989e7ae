"""One look for all pictures, drawn without pyplot and its global state, each saved as PNG in the run directory."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from drivers.run_directory import RunDirectory

# Okabe and Ito's palette, which colour-blind readers can tell apart; every line has a dash pattern of its own as well.
OURS, SAMPLE, TRUTH, POINTS, EXTRA = "#0072b2", "#d55e00", "#000000", "#7a8794", "#009e73"
PALETTE = (OURS, SAMPLE, EXTRA, "#cc79a7", "#e69f00", "#56b4e9", "#8c6d00", "#000000")
# Narrow, so that on a phone the letters are still nine pixels high.
WIDTH, DPI = 6.0, 160
NAME_LENGTH = 24
# More points than these only darken each other.
POINTS_SHOWN = 2000
OUR_LABEL, TRAINING_LABEL = "scanlearn, all rows", "scanlearn, training rows"
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e9ed",
    "axes.edgecolor": "#5b6675",
    "axes.axisbelow": True,
    "axes.formatter.limits": (-4, 6),
    "axes.formatter.useoffset": False,
    "legend.frameon": False,
    "legend.fontsize": 10.5,
    "lines.linewidth": 2,
    "figure.constrained_layout.use": True,
}


@dataclass
class Picture:
    """A picture as the page shows it; width and height in pixels."""

    name: str
    png: bytes
    width: int
    height: int
    alt: str
    caption: str


@contextmanager
def styled() -> Iterator[None]:
    """Our look: a reader's own matplotlibrc is not to change the report, nor a column name that the font has no letters for
    to print a warning."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        yield


def draw(
    directory: RunDirectory, name: str, height: float, alt: str, caption: str, paint: Callable[[Figure], None]
) -> Picture:
    """Makes the picture `name`.png: `paint` puts it on an empty figure, `height` is in inches."""
    with styled():
        figure = Figure(figsize=(WIDTH, height))
        paint(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    png = buffer.getvalue()
    partial = directory.file(f".{name}.png.partial")
    with open(partial, "wb") as f:
        f.write(png)
    os.replace(partial, directory.file(f"{name}.png"))
    return Picture(f"{name}.png", png, round(WIDTH * DPI), round(height * DPI), alt, caption)


def inches(figure: Figure, height: float) -> Any:
    """One pair of axes for a whole picture, in inches from its upper left corner, without lines or marks: dozens of axes,
    and a layout for them, would take seconds."""
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(-height, 0)
    return axes


def label(text: str, length: int = NAME_LENGTH) -> str:
    """A text of the user's in a picture: on one line, not too long, and not read as a formula. Of a long one the middle is
    left out, for names that begin alike end differently."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    if len(text) > length:
        end = (length - 1) // 3
        text = f"{text[: length - 1 - end]}\N{HORIZONTAL ELLIPSIS}{text[-end:]}"
    return text.replace("$", r"\$")


def scatter(axes: Any, x: np.ndarray, y: np.ndarray, w: np.ndarray, color: str = POINTS) -> None:
    """The first rows as points, the heavier the larger and the darker.

    The sizes end at the 5th and the 99th percentile of the weights: a heavy tail would leave every other point invisible.
    """
    x, y, w = x[:POINTS_SHOWN], y[:POINTS_SHOWN], w[:POINTS_SHOWN]
    few = len(x) < 100
    low, high = np.quantile(w, [0.05, 0.99])
    if high > low:
        relative = np.clip(w, low, high) / high
        sizes, alphas = (30 if few else 8) + 40 * relative, (0.5 if few else 0.15) + 0.4 * np.sqrt(relative)
    else:
        sizes, alphas = np.full(len(x), 45 if few else 14), np.full(len(x), 0.8 if few else 0.4)
    axes.scatter(x, y, s=sizes, alpha=alphas, color=color, linewidths=0)


def few_ticks(axes: Any) -> None:
    """So few marks on the horizontal axis that their numbers keep apart."""
    largest = max(abs(end) for end in axes.get_xlim())
    axes.locator_params(axis="x", nbins=8 if 1 <= largest < 10_000 else 6)


def legend_above(figure: Figure, handles: Any = None, columns: int = 3) -> None:
    """The legend outside the axes, where no data lie under it."""
    keywords: dict[str, Any] = {"loc": "outside upper left", "ncols": columns, "columnspacing": 1.4, "handlelength": 2.4}
    if handles is not None:
        keywords["handles"] = handles
    figure.legend(**keywords)
