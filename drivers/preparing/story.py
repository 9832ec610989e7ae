"""What a recipe makes of each column, in words."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jobs.recipe import Recipe
from jobs.recipe.bins import Bins
from jobs.recipe.categories import OTHER, Levels, OneHot, Ordinal, TargetEncode
from jobs.recipe.dates import DateParts
from jobs.recipe.missing import Impute
from jobs.recipe.numeric import Interactions, Scale, Transform
from jobs.recipe.outliers import CLIP, FLAG, Outliers
from jobs.recipe.step import Step


@dataclass
class Chapter:
    """One column of the table: what is done to it, in a few words each, and the features that come of it."""

    name: str
    steps: list[str] = field(default_factory=list)
    features: list[str] = field(default_factory=list)


def story_of(recipe: Recipe, blank: Collection[str]) -> list[Chapter]:
    """A chapter for each input; a product of several columns is one of each.

    :param blank: the inputs with missing cells; of the others it is not told with what they would be filled
    """
    roots: dict[str, list[str]] = {name: [name] for name in recipe.inputs}
    chapters = {name: Chapter(name) for name in recipe.inputs}
    dates = {name for step in recipe.steps if isinstance(step, DateParts) for name in step.columns}
    for name, formats in recipe.formats.items():
        chapters[name].steps.append("dates written " + " or ".join(formats))
    for step in recipe.steps:
        for name in step.columns:
            for root in roots[name]:
                if isinstance(step, Impute) and root not in blank:
                    continue
                is_date = isinstance(step, Impute) and name in dates
                told = _filled_date(step, name) if is_date else _WORDS[type(step)](step, name)
                part = "" if name == root else f"{name.removeprefix(f'{root} ')}: "
                if f"{part}{told}" not in chapters[root].steps:
                    chapters[root].steps.append(f"{part}{told}")
        for made, sources in _made_by(step).items():
            roots[made] = list(dict.fromkeys(root for source in sources for root in roots[source]))
    for feature in recipe.features:
        for root in roots[feature]:
            chapters[root].features.append(feature)
    return list(chapters.values())


def _made_by(step: Step) -> dict[str, list[str]]:
    """The columns that a step adds, and of which columns each is."""
    if isinstance(step, Interactions):
        return dict(zip(step.features([]), step.terms))
    found = {}
    for name in step.columns:
        alone = _of_one(step, name)
        found.update({made: [name] for made in alone.features([name]) if made != name})
    return found


def _of_one(step: Step, name: str) -> Step:
    """The step of one of its columns."""
    if isinstance(step, Impute):
        return dataclasses.replace(step, columns=[name], indicated=[n for n in step.indicated or [] if n == name])
    return dataclasses.replace(step, columns=[name])


def _impute(step: Impute, name: str) -> str:
    return _filled(step, name, _short(step.values[name]))


def _filled_date(step: Impute, name: str) -> str:
    return _filled(step, name, str(np.datetime64(int(step.values[name] // 1), "D")))


def _filled(step: Impute, name: str, shown: str) -> str:
    return f"filled with {shown}" + (" and indicated" if name in (step.indicated or []) else "")


def _outliers(step: Outliers, name: str) -> str:
    reach = f"{_short(step.low[name])} to {_short(step.high[name])}"
    what = {FLAG: "flagged", CLIP: "clipped"}.get(step.action, "rows left out")
    return f"outside of {reach}: {what}"


def _levels(step: Levels, name: str) -> str:
    kept = step.kept[name]
    return f"{len(kept) - 1} texts and the others" if OTHER in kept else f"{len(kept)} texts"


_WORDS: dict[type[Step], Callable[[Any, str], str]] = {
    Impute: _impute,
    Outliers: _outliers,
    Levels: _levels,
    Scale: lambda step, name: f"(x - {_short(step.centers[name])}) / {_short(step.scales[name])}",
    Transform: lambda step, name: step.function,
    Bins: lambda step, name: f"{len(step.edges[name]) + 1} bins",
    DateParts: lambda step, name: "parts: " + ", ".join(step.parts),
    OneHot: lambda step, name: f"one of {len(step.levels[name])}",
    Ordinal: lambda step, name: "place among its texts",
    TargetEncode: lambda step, name: "mean of the target",
    Interactions: lambda step, name: "products",
}


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return repr(value if len(value) <= 20 else value[:17] + "...")
