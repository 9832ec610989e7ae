"""What a model file asks of a table that it scores: its columns, its design step, its scorer."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from drivers.designs import design_of, id_hashes, reading
from drivers.model import load_model
from drivers.model_kinds import GROUPED, KINDS
from drivers.packing.contents import PackContents
from drivers.packing.formats.chunk_parser import Types
from drivers.packing.kinds import INTEGER, NUMBER, TEXT, TEXT_TYPE
from drivers.scoring.scorers import group_scorer, interval_scorer
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.scorers import Scorer
from jobs.recipe.dates import DateParts


@dataclass
class Scoring:
    """A model and what is asked of it. level: of intervals, None without; keep: columns to copy beside the scores."""

    model: dict[str, Any]
    folder: str
    level: float | None
    keep: list[str]

    @classmethod
    def of(cls, path: str, level: float | None, keep: list[str]) -> Scoring:
        """Of a model file.

        :raises ScanError: a file that is no model, or a model that has no intervals
        """
        found = cls(load_model(path), os.path.dirname(path), level, keep)
        if level is not None and found.group is not None:
            raise ScanError("--intervals is of one model; groups.csv has the standard errors of each group")
        if level is not None:
            interval_scorer(found.model, level)
        return found

    @property
    def group(self) -> str | None:
        """The column whose values have a model each."""
        return self.model["design"]["group"] if self.model["kind"] in GROUPED else None

    def contents(self, options: argparse.Namespace) -> PackContents:
        """What a pack must hold."""
        chosen = tuple(sorted(self.columns())) or None  # without a feature rows are only counted
        return PackContents(chosen, (), options.max_bad_rows, options.sample_rows)

    def columns(self) -> list[str]:
        """The columns that the table must have, each once."""
        return list(dict.fromkeys([*self.keep, *self._design.columns()]))

    def texts(self) -> list[str]:
        """The columns that are read as text, whatever they look like."""
        recipe = self._design.recipe
        return [*self._design.texts, *(recipe.formats if recipe is not None else [])]

    @cached_property
    def _design(self) -> Design:
        """The design step of rows to be scored; a row's id is its group."""
        design = design_of(self.model)
        design.target = design.weight = None
        design.id = self.group
        return design

    def types(self, found: Types) -> Types:
        """How the columns are read: those of the model as it was trained on them.

        :param found: what their first cells look like
        """
        sources, texts, types = self._design.sources(), self.texts(), {}
        recipe = self._design.recipe
        dates = set() if recipe is None else {n for s in recipe.steps if isinstance(s, DateParts) for n in s.columns}
        for name, arrow in found.items():
            if arrow is None:
                raise ScanError(f"the column {name!r} holds no numbers, texts or dates")
            wrong = name in sources and (arrow == TEXT_TYPE) != (name in texts)
            own = TEXT_TYPE if name in texts else pa.timestamp("us") if name in dates else pa.float64()
            types[name] = own if wrong else arrow
        if self.group is not None:
            known = {TEXT: TEXT_TYPE, NUMBER: pa.float64(), INTEGER: pa.int64()}
            types[self.group] = known.get(self.model["parameters"]["group_kind"], types[self.group])
        return types

    def design(self, texts: dict[str, list[str]]) -> Design:
        """The design step over blocks whose columns of text have these dictionaries; a row's id is its group."""
        design = reading(self._design, texts)
        if self.group in texts:
            design.levels[self.group] = id_hashes(texts[self.group])
        return design

    def scorer(self, types: Types) -> Scorer:
        """The scorer of a table read so."""
        if self.group is not None:
            return group_scorer(self.model, self.folder, types[self.group])
        if self.level is not None:
            return interval_scorer(self.model, self.level)
        return KINDS[self.model["kind"]].scorer(self.model)
