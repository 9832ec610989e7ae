"""Texts made into fewer levels, and levels into numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Optional

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels.folds import Folds
from jobs.recipe.frame import UNKNOWN_LEVEL, Frame
from jobs.recipe.step import Step, inserted
from jobs.records import Record

OTHER = "(other)"


@dataclass
class Levels(Step):
    """Texts that are rare in training become one level, "(other)", and with them each text that was not there.

    min_rows: a text of fewer is rare; min_share: likewise of all rows with a text; most: so many levels at most, the other
    one among them, 0 for any number (scikit-learn's min_frequency and max_categories). kept: of each column its levels,
    by name, the other one last where there is one; a column without a rare text has none, and an unknown text of it none
    to go to.
    """

    word = "levels"
    of_levels = True

    min_rows: int = 0
    min_share: float = 0.0
    most: int = 0
    kept: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_rows < 0 or self.most < 0 or not 0 <= self.min_share < 1:
            raise BadRecord("the least rows, the least share and the number of levels are not below zero")

    @property
    def is_learned(self) -> bool:
        return set(self.kept) == set(self.columns)

    def apply(self, frame: Frame) -> None:
        for name in self.columns:
            levels, categories = frame.levels(name)
            frame.put(name, self._table(name, categories)[levels], self.kept[name])

    def _table(self, name: str, categories: list[str]) -> np.ndarray:
        """The new level of each old one, those of an unknown and of a missing text last, where -2 and -1 find them."""
        tables: dict[str, tuple[list[str], np.ndarray]] = self.__dict__.setdefault("_tables", {})
        if name not in tables or tables[name][0] is not categories:
            kept = self.kept[name]
            places = {text: level for level, text in enumerate(kept)}
            other = places.get(OTHER, UNKNOWN_LEVEL)
            tables[name] = categories, np.array([*(places.get(text, other) for text in categories), other, -1], np.int32)
        return tables[name][1]


@dataclass
class OneHot(Step):
    """A column "NAME=text" of 0 and 1 for each level, in place of the column: scikit-learn's OneHotEncoder, which drops
    none. levels: the names of each column's. Where a text is missing or unknown, all of them are missing."""

    word = "one-hot"
    of_levels = True

    levels: dict[str, list[str]] = field(default_factory=dict)

    @property
    def is_learned(self) -> bool:
        return set(self.levels) == set(self.columns)

    def features(self, before: list[str]) -> list[str]:
        for name in self.columns:
            before = inserted(before, name, [level_name(name, text) for text in self.levels.get(name, ())])
        return before

    def apply(self, frame: Frame) -> None:
        for name in self.columns:
            levels, _ = frame.levels(name)
            absent = levels < 0
            any_absent = bool(absent.any())
            for level, text in enumerate(self.levels[name]):
                values = (levels == level).astype(float)
                frame.put(level_name(name, text), np.where(absent, np.nan, values) if any_absent else values)


@dataclass
class Ordinal(Step):
    """The place of each text among the levels, in the order of their names: scikit-learn's OrdinalEncoder."""

    word = "ordinal"
    of_levels = True

    def apply(self, frame: Frame) -> None:
        for name in self.columns:
            levels, _ = frame.levels(name)
            frame.put(name, np.where(levels < 0, np.nan, levels))


@dataclass
class Encoding(Record):
    """What stands for the levels of one column: overall (q,) for any text, known or not; values (L, q) for each level;
    out_of_fold (F, L, q): for each level in the rows of a fold, by the rows of all others; q is 1, or the number of classes
    where there are more than two. F is 0 once it is no longer trained with.
    """

    overall: Any
    values: Any
    out_of_fold: Any

    def __post_init__(self) -> None:
        self.overall, self.values, self.out_of_fold = (
            np.asarray(values, dtype=float) for values in (self.overall, self.values, self.out_of_fold)
        )
        q = len(self.overall)
        if self.out_of_fold.size == 0:
            self.out_of_fold = np.zeros((0, *self.values.shape))
        if self.values.shape[1:] != (q,) or self.out_of_fold.shape[1:] != self.values.shape:
            raise BadRecord("an encoding whose arrays are not of one column")


@dataclass
class TargetEncode(Step):
    """What the target is on average where the column has a text, drawn towards the average of all rows:

        (sum of y over the level's rows + smooth overall) / (rows of the level + smooth)                       (1)

    (D. Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes", SIGKDD Explorations 3(1),
    2001). smooth None: scikit-learn's empirical Bayes, smooth = var_level / var_all, the variance of y in the level over
    that of all rows. A class of two is averaged as 0 and 1, of more each class has a column "NAME target=class". In
    training a row gets what the rows of the other folds say; folds tells them apart. A text that is unknown or missing has
    the average of all rows.
    """

    word = "target"
    of_levels = True

    smooth: Optional[float] = None  # noqa: UP045  (evaluated on Python 3.9)
    n_folds: int = 5
    seed: int = 0
    classes: list[str] = field(default_factory=list)
    encodings: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.smooth is not None and not 0 <= float(self.smooth) < np.inf:
            raise BadRecord(f"smooth is a number of zero or more, not {self.smooth!r}")
        if self.n_folds < 2:
            raise BadRecord(f"a target encoding has 2 folds or more, not {self.n_folds}")
        Folds(self.n_folds, seed=self.seed)
        self.encodings = {
            name: found if isinstance(found, Encoding) else Encoding.from_json(found)
            for name, found in self.encodings.items()
        }

    @property
    def is_learned(self) -> bool:
        return set(self.encodings) == set(self.columns)

    def names(self, column: str) -> list[str]:
        """The columns made of one."""
        more = len(self.classes) > 2
        return [f"{column} target={name}" for name in self.classes] if more else [f"{column} target"]

    def features(self, before: list[str]) -> list[str]:
        for name in self.columns:
            before = inserted(before, name, self.names(name))
        return before

    def apply(self, frame: Frame) -> None:
        folds = None
        for name in self.columns:
            levels, categories = frame.levels(name)
            encoding = self.encodings[name]
            if len(categories) != len(encoding.values):
                raise BadRecord("an encoding of other levels than the column has")
            if len(encoding.out_of_fold):
                if folds is None:
                    folds = Folds(self.n_folds, seed=self.seed).assign(frame.fold_keys())
                found = encoding.out_of_fold[folds, np.maximum(levels, 0)]
            else:
                found = encoding.values[np.maximum(levels, 0)]
            found = np.where((levels < 0)[:, None], encoding.overall, found)
            for q, made in enumerate(self.names(name)):
                frame.put(made, found[:, q])

    def settled(self) -> Step:
        encodings = {
            name: replace(found, out_of_fold=np.zeros((0, *found.values.shape))) for name, found in self.encodings.items()
        }
        return replace(self, encodings=encodings)


def level_name(name: str, text: str) -> str:
    """What the column of 0 and 1 of a level is called."""
    return f"{name}={text}"
