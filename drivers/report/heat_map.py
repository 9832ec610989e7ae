"""A matrix of correlations as colours, with the numbers in its cells where they can be read."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

# In more columns than these a number does not fit its square.
NUMBERED = 9


def paint_correlations(figure: Figure, matrix: np.ndarray, names: list[str], size: float) -> Any:
    """Paints the matrix (n, n), NaN where there is no correlation, and gives its axes.

    :param size: of the letters, in points
    """
    n = len(matrix)
    axes = figure.subplots()
    axes.set_facecolor("#c3cad3")
    image = axes.imshow(
        np.ma.masked_invalid(matrix), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto", interpolation="nearest"
    )
    axes.set_xticks(range(n), names, rotation=90 if n > 4 else 0, fontsize=size)
    axes.set_yticks(range(n), names, fontsize=size)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    for i, j in np.ndindex(n, n) if n <= NUMBERED else ():
        if np.isfinite(matrix[i, j]):
            color = "white" if abs(matrix[i, j]) > 0.6 else "black"
            axes.text(j, i, _short(float(matrix[i, j])), ha="center", va="center", color=color, fontsize=size)
    figure.colorbar(image, ax=axes, label="correlation", pad=0.02, aspect=30, ticks=[-1, -0.5, 0, 0.5, 1])
    return axes


def _short(value: float) -> str:
    text = f"{value:.2f}"
    return {"-0.00": "0.00"}.get(text, text)
