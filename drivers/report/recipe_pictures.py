"""The picture of a recipe: each column before its steps and after them, as the rows of the sample show it."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from drivers.designs import sample_frame
from drivers.packing.cache import Pack
from drivers.preparing.story import Chapter, story_of
from drivers.report.figures import OURS, POINTS, SAMPLE, Picture, draw, inches, label
from drivers.run_directory import RunDirectory
from drivers.wording import count
from jobs.recipe import Recipe
from jobs.recipe.frame import Frame
from jobs.recipe.missing import indicator_name
from jobs.recipe.outliers import flag_name

ROWS, MOST_PICTURES, BARS, BINS = 12, 8, 14, 24
# In inches: where each part of a line begins, how wide the histograms are, how high a line is.
BEFORE, STEPS, AFTER, BOX, LINE, BAR_HEIGHT = 1.45, 2.62, 4.85, 1.05, 0.72, 0.42
WORDS = 34


def draw_recipe(directory: RunDirectory, recipe: Recipe, pack: Pack) -> list[Picture]:
    """The columns that a step is of, in their order, as many to a picture as stay readable."""
    before, after = sample_frame(pack, recipe, steps=False), sample_frame(pack, recipe)
    blank = {name for name in recipe.inputs if _share_missing(before, name)}
    chapters = [chapter for chapter in story_of(recipe, blank) if chapter.steps]
    pages = [chapters[start : start + ROWS] for start in range(0, len(chapters), ROWS)]
    left = len(chapters) - ROWS * MOST_PICTURES
    pictures = []
    for i, page in enumerate(pages[:MOST_PICTURES]):
        caption = f"What the recipe makes of each column, continued ({i + 1})."
        if i == 0:
            caption = (
                f"Left, the cells of a column in {count(before.n_rows, 'row')} of the sample, or the rows of its most "
                "frequent texts; right, the first feature that comes of it. Orange: the share of missing cells."
            )
        if i == MOST_PICTURES - 1 and left > 0:
            caption += f" {count(left, 'more column')} without a picture."
        pictures.append(_draw_page(directory, f"recipe-{i + 1}", page, before, after, caption))
    return pictures


def _draw_page(
    directory: RunDirectory, name: str, chapters: list[Chapter], before: Frame, after: Frame, caption: str
) -> Picture:
    height = LINE * len(chapters) + 0.1

    def paint(figure: Figure) -> None:
        axes = inches(figure, height)
        for k, chapter in enumerate(chapters):
            _paint_line(axes, -LINE * (k + 1), chapter, before, after)

    alt = "; ".join(f"{chapter.name}: {', '.join(chapter.steps)}" for chapter in chapters)
    return draw(directory, name, height, alt, caption, paint)


def _paint_line(axes: Any, bottom: float, chapter: Chapter, before: Frame, after: Frame) -> None:
    middle = bottom + 0.12 + BAR_HEIGHT / 2
    axes.text(0.05, middle, label(chapter.name, 20), fontsize=9, fontweight="bold", va="center")
    _paint_bars(axes, BEFORE, bottom, _bars(before, [chapter.name]), POINTS)
    _paint_missing(axes, bottom, before, chapter.name)
    told = textwrap.wrap("; ".join(chapter.steps), WORDS)
    shown = [*told[:2], told[2][: WORDS - 3] + "..."] if len(told) > 3 else told
    axes.text(STEPS, middle, "\n".join(label(line, WORDS + 2) for line in shown), fontsize=7.5, va="center")
    axes.annotate(
        "", (AFTER - 0.07, middle), (AFTER - 0.28, middle), arrowprops={"arrowstyle": "->", "color": "#5b6675", "lw": 1.2}
    )
    told_of = {indicator_name(chapter.name), flag_name(chapter.name)}
    features = [name for name in chapter.features if name not in told_of] or chapter.features
    if not features:
        axes.text(AFTER, middle, "no feature", fontsize=7.5, va="center")
        return
    one_hot = [name for name in features if name.startswith(f"{chapter.name}=")]
    _paint_bars(axes, AFTER, bottom, _bars(after, one_hot or features[:1]), OURS)
    more = len(chapter.features) - len(one_hot or features[:1])
    what = f"one of {len(one_hot)}" if one_hot else features[0]
    axes.text(
        AFTER, bottom + 0.09, label(what, 20 if more else 26) + (f" + {more}" if more else ""), fontsize=6.5, va="top"
    )


def _bars(frame: Frame, names: list[str]) -> np.ndarray:
    """The heights of the bars of a column, or of the 0-1 columns of a text, the largest of them 1."""
    if len(names) > 1:
        heights = np.sort([np.nansum(frame.columns[name]) for name in names])[::-1][:BARS]
    elif frame.has_levels(names[0]):
        levels, categories = frame.levels(names[0])
        heights = np.sort(np.bincount(levels[levels >= 0], minlength=len(categories)))[::-1][:BARS]
    else:
        values = frame.columns[names[0]]
        values = values[np.isfinite(values)]
        if not len(values):
            return np.zeros(1)
        low, high = np.quantile(values, [0.005, 0.995])
        if not high > low:
            low, high = values.min(), values.max()
        heights = np.histogram(values, BINS, (low, high) if high > low else None)[0]
    return heights / max(heights.max(initial=0), 1)


def _paint_bars(axes: Any, left: float, bottom: float, heights: np.ndarray, color: str) -> None:
    width = BOX / max(len(heights), 6)
    edges = left + width * np.arange(len(heights))
    boxes = [
        [(x, bottom + 0.12), (x, bottom + 0.12 + BAR_HEIGHT * h), (x + 0.9 * width, bottom + 0.12 + BAR_HEIGHT * h),
         (x + 0.9 * width, bottom + 0.12)]
        for x, h in zip(edges.tolist(), heights.tolist())
    ]  # fmt: skip
    axes.add_collection(PolyCollection(boxes, facecolors=color, linewidths=0))
    axes.plot([left, left + BOX], [bottom + 0.12] * 2, color="#5b6675", lw=0.6)


def _share_missing(frame: Frame, name: str) -> float:
    values = frame.columns[name]
    return float(np.mean(values < 0 if frame.has_levels(name) else np.isnan(values))) if frame.n_rows else 0.0


def _paint_missing(axes: Any, bottom: float, frame: Frame, name: str) -> None:
    if share := _share_missing(frame, name):
        axes.plot([BEFORE, BEFORE + BOX * share], [bottom + 0.08] * 2, color=SAMPLE, lw=2.5, solid_capstyle="butt")
