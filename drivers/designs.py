"""From the manifest of a pack to the design step over it: centres for a kernel, and a model's design for another table."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from drivers.packing.cache import Pack
from drivers.packing.kinds import TEXT, Texts, hashes
from drivers.packing.manifest import Manifest
from jobs.blocks import Block
from jobs.design import MISSING_CODE, Design, Rows


def feature_centers(manifest: Manifest, design: Design) -> np.ndarray:
    """Where sums about the columns of X are taken from, shape (p,): the mean of a number; the 0-1 columns of a text have
    no digits to lose."""
    bases = [name for name, term in zip(design.features, design.terms) for _ in term]
    return np.array([0.0 if name in design.categories else manifest.mean(name) for name in bases], dtype=float)


def target_center(manifest: Manifest, design: Design) -> float:
    """Where sums about the target are taken from."""
    assert design.target is not None
    return 0.0 if design.target in design.categories else manifest.mean(design.target)


def level_of_codes(texts: list[str], categories: list[str]) -> np.ndarray:
    """The level of each code of a dictionary, -1 for a text that is no category; shape (len(texts),)."""
    place = {text: level for level, text in enumerate(categories)}
    return np.array([place.get(text, MISSING_CODE) for text in texts], dtype=np.int64)


def id_hashes(texts: list[str]) -> np.ndarray:
    """What keys are made of where the id column is text: equal ids have equal keys, whatever their codes."""
    return hashes(Texts(np.arange(len(texts)), texts))


def design_of(model: dict[str, Any], texts: dict[str, list[str]], missing: str = "keep") -> Design:
    """The design of a model, for blocks whose columns of text have these dictionaries."""
    made = model.get("design", {"features": model["features"]})
    categories = made.get("categories", {})
    levels = {name: level_of_codes(texts[name], known) for name, known in categories.items() if name in texts}
    return Design(
        made["features"], model.get("target"), model.get("weight"), None, missing, categories, levels,
        offset=made.get("offset"),
    )  # fmt: skip


def sample_rows(pack: Pack, model: dict[str, Any]) -> Rows:
    """The rows that packing drew, as the model's design makes them, without those that have a missing cell."""
    return rows_of_sample(pack, design_of(model, pack.texts))


def weighted_sample(pack: Pack, design: Design) -> Rows:
    """Of the rows that packing drew those with weight, as a design makes them, without those that have a missing cell."""
    rows = rows_of_sample(pack, design)
    return rows.at(np.flatnonzero(rows.w > 0))


def rows_of_sample(pack: Pack, design: Design) -> Rows:
    """The rows that packing drew, as a design makes them, without those that have a missing cell; what only tells rows
    apart is not kept of a sample."""
    design = dataclasses.replace(design, id=None, fold=None, cluster=None, group=None, missing="drop")
    rows = pack.sample().rows
    columns = {}
    for name in design.columns():
        values = rows[:, pack.manifest.index(name)]
        if pack.manifest.kind(name) == TEXT:
            values = np.where(np.isnan(values), MISSING_CODE, values).astype(np.int32)
        columns[name] = values
    return design.apply(Block(0, 0, len(rows), columns))
