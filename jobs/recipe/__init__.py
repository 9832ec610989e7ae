"""The recipe of the design step: what becomes of the columns of a table before they are the columns of X.

    frame.py        the columns of some rows on their way
    step.py         what a step can do                             categories.py   rare texts, one-hot, ordinal, target
    missing.py      missing cells filled                           numeric.py      scaled, transformed, multiplied
    outliers.py     flagged, clipped, their rows left out          bins.py         cut into bins
    dates.py        the parts of dates

One numpy code, row by row: a row has the same bits in the mapper, in the scorer and in the service, alone or among others.
What a step had to learn of the training rows it carries with it (drivers/preparing learns it), so a recipe that has been
learned is applied anywhere.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from jobs.errors import BadRecord, quoted
from jobs.recipe import bins, categories, dates, missing, numeric, outliers  # noqa: F401  (whose steps are then known)
from jobs.recipe.frame import Frame
from jobs.recipe.step import Step
from jobs.records import Record, readable


@dataclass
class Recipe(Record):
    """Steps in their order.

    columns: of the table, those that are numbers; texts: those of text, with the texts of training, whose places are their
    levels; formats: those that are texts in the table and dates here, with the ways in which dates are written (as
    strptime has them). features: the columns that there are in the end, without those that were steps of the way.
    """

    columns: list[str] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)
    formats: dict[str, list[str]] = field(default_factory=dict)
    steps: list = field(default_factory=list)
    features: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__post_init__()
        for step in self.steps:
            if not isinstance(step, Step):
                raise BadRecord(f"a {type(step).__name__} where a step of a recipe should be")
        if len(set(self.inputs)) < len(self.inputs):
            raise BadRecord("a recipe that takes a column for two kinds of it")
        self._check_names()

    def _check_names(self) -> None:
        """:raises BadRecord: a step that makes a column of the name of another"""
        known = set(self.inputs)
        for step in self.steps:
            made = Counter(step.features(list(step.columns))) - Counter(step.columns)
            for name, n in made.items():
                if name in known or n > 1:
                    raise BadRecord(f"the step {step.word} makes a column {quoted(name)}, and there is one of that name")
            known.update(made)

    @property
    def inputs(self) -> list[str]:
        """The columns of the table that it reads."""
        return [*self.columns, *self.texts, *self.formats]

    @property
    def is_learned(self) -> bool:
        """Whether every step knows what it needs."""
        return all(step.is_learned for step in self.steps)

    @cached_property
    def categories(self) -> dict[str, list[str]]:
        """The names of the levels of the columns that have levels in the end."""
        return self._of_no_rows.categories

    @cached_property
    def made(self) -> frozenset[str]:
        """All columns that there are in the end, whether they are features or not."""
        return frozenset(self._of_no_rows.columns)

    @cached_property
    def _of_no_rows(self) -> Frame:
        columns = {name: np.zeros(0, np.int32 if name in self.texts else float) for name in self.inputs}
        return self.apply(columns, 0, lambda: np.zeros(0, np.uint64))

    def apply(self, columns: dict[str, np.ndarray], n_rows: int, fold_keys: Callable[[], np.ndarray]) -> Frame:
        """The columns in the end, and what was done to the rows.

        :param columns: those of the inputs, (n_rows,): numbers, and levels of texts
        :param fold_keys: gives what the fold of each row is drawn from
        """
        frame = Frame(n_rows, dict(columns), dict(self.texts), fold_keys)
        for step in self.steps:
            step.apply(frame)
        return frame

    def with_step(self, step: Step) -> Recipe:
        """With one more step, that has been learned."""
        return dataclasses.replace(self, steps=[*self.steps, step], features=step.features(self.features))

    def settled(self) -> Recipe:
        """As a row meets it that is in no fold."""
        return dataclasses.replace(self, steps=[step.settled() for step in self.steps])

    def for_scoring(self) -> Recipe:
        """As rows meet it that no model is trained on."""
        return dataclasses.replace(self, steps=[s.settled() for s in self.steps if not s.is_of_training_alone])

    def to_json(self) -> dict[str, Any]:
        return {name: readable(getattr(self, name)) for name in ("columns", "texts", "formats", "steps", "features")}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Recipe:
        """Reads the readable form.

        :raises BadRecord: what is no recipe
        """
        try:
            steps = [Step.from_json(step) for step in values["steps"]]
            return super().from_json({**values, "steps": steps})
        except (KeyError, TypeError) as error:
            raise BadRecord(f"a recipe without {quoted(str(error))}") from None
