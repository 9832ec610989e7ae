"""A step of a recipe: what it does to the columns it names, and what it had to learn for that from the training rows.

In JSON a step is {"step": "scale", "columns": ["age"], "method": "standard", "centers": {"age": 41.2}, ...}: its word, and
its fields, of which those with a default may be absent. What is learned is absent until it has been.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Optional

from jobs.errors import BadRecord, quoted
from jobs.recipe.frame import Frame
from jobs.records import Record

_SPECIAL = ("NaN", "Infinity", "-Infinity")
_steps: dict[str, type[Step]] = {}


@dataclass
class Step(Record):
    """Base of all steps. of_levels: whether its columns are of levels, or of numbers; None for either."""

    word: ClassVar[str] = ""
    of_levels: ClassVar[Optional[bool]] = None  # noqa: UP045  (evaluated on Python 3.9)

    columns: list[str]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _steps[cls.word] = cls

    @property
    def is_learned(self) -> bool:
        """Whether all is there that the step has to know of the training rows."""
        return True

    def apply(self, frame: Frame) -> None:
        """Changes the columns of a frame, or adds some."""
        raise NotImplementedError

    def features(self, before: list[str]) -> list[str]:
        """The features after the step, from those before it."""
        return before

    @property
    def is_of_training_alone(self) -> bool:
        """Whether rows that are scored do not meet the step."""
        return False

    def settled(self) -> Step:
        """The step without what is of single folds."""
        return self

    def to_json(self) -> dict[str, Any]:
        return {"step": self.word, **super().to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Any:
        """Reads a step of any kind.

        :raises BadRecord: an unknown step, or fields that it does not have
        """
        if not isinstance(values, dict) or values.get("step") not in _steps:
            what = values.get("step") if isinstance(values, dict) else values
            raise BadRecord(
                f"{quoted(str(what))} is no step of a recipe; known are {', '.join(sorted(filter(None, _steps)))}"
            )
        found = _steps[values["step"]]
        own = {name: _restored(value) for name, value in values.items() if name != "step"}
        for f in dataclasses.fields(found):
            if f.name in own:
                continue
            if f.default is not dataclasses.MISSING:
                own[f.name] = f.default
            elif f.default_factory is not dataclasses.MISSING:
                own[f.name] = f.default_factory()
        return super(Step, found).from_json(own)


def _restored(value: Any) -> Any:
    """Numbers that JSON has no word for."""
    if isinstance(value, dict):
        return {key: _restored(item) for key, item in value.items()}
    return float(value) if isinstance(value, str) and value in _SPECIAL else value


def one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    """:raises BadRecord: a word that is none of those known"""
    if value not in known:
        raise BadRecord(f"{what} is one of {', '.join(known)}, not {quoted(str(value))}")


def floats(values: dict[str, Any]) -> dict[str, float]:
    """A number for each column.

    :raises BadRecord: something else
    """
    for value in values.values():
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise BadRecord(f"a step has {quoted(str(value))} where it needs a number")
    return {name: float(value) for name, value in values.items()}


def inserted(before: list[str], name: str, by: list[str]) -> list[str]:
    """The names with one of them replaced by others, in its place."""
    found: list[str] = []
    for other in before:
        found += by if other == name else [other]
    return found
