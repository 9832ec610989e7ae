"""A moving picture of the report: a GIF of few frames, which a page holds as it holds any picture."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from drivers.report.figures import WIDTH, styled
from drivers.run_directory import RunDirectory

# Few pixels and colours keep it small.
DPI, COLORS = 80, 128
# How long a frame stands, and the last one, before it begins again; milliseconds.
DURATION, REST = 250, 2500


@dataclass
class Animation:
    """A GIF as the page shows it; width and height in pixels."""

    name: str
    gif: bytes
    width: int
    height: int
    alt: str
    caption: str


def animate(
    directory: RunDirectory,
    name: str,
    height: float,
    alt: str,
    caption: str,
    frames: Sequence[Callable[[Any], None]],
) -> Animation:
    """Makes `name`.gif: each of `frames` paints one on empty axes, `height` is in inches."""
    images = []
    with styled():
        figure = Figure(figsize=(WIDTH, height), dpi=DPI)
        canvas, axes = FigureCanvasAgg(figure), figure.subplots()
        for paint in frames:
            axes.clear()
            paint(axes)
            canvas.draw()
            # The axes stay where the first frame has them.
            figure.set_layout_engine("none")
            images.append(Image.fromarray(np.asarray(canvas.buffer_rgba())[:, :, :3]).quantize(COLORS))
    buffer = io.BytesIO()
    durations = [DURATION] * (len(images) - 1) + [REST]
    images[0].save(buffer, "gif", save_all=True, append_images=images[1:], duration=durations, loop=0)
    gif = buffer.getvalue()
    partial = directory.file(f".{name}.gif.partial")
    with open(partial, "wb") as file:
        file.write(gif)
    os.replace(partial, directory.file(f"{name}.gif"))
    return Animation(f"{name}.gif", gif, *images[0].size, alt, caption)
