"""A model file that answers rows: the design step and the scorer of drivers/score.py, made once and kept."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from drivers.packing.kinds import DATE, INTEGER, NUMBER, TEXT, TEXT_TYPE
from drivers.scoring.question import Scoring
from drivers.serving import rows as cells
from drivers.serving.request import RequestError
from drivers.serving.rows import Column, RowReader
from jobs.blocks import Block
from jobs.design import RowCounts
from jobs.errors import BadRow
from jobs.kernels.scorers import Output
from jobs.scoring import counts_of, scored

# What the column of the groups is read as, by what it was in training.
_GROUP_TYPES = {NUMBER: pa.float64(), INTEGER: pa.int64(), TEXT: TEXT_TYPE, DATE: pa.timestamp("us")}
# No file holds it, so it is unknown to any model.
NO_TEXT = "\ud800"
_GROUP_KINDS = {TEXT: cells.IDENTITY, INTEGER: cells.WHOLE}


@dataclass
class Answer:
    """scores: an object for each row, the columns of score.py; rows: what became of them, those without a score missing."""

    scores: list[dict[str, Any]]
    rows: RowCounts


class Predictor:
    """A model and all that is made of it before the first row."""

    def __init__(self, scoring: Scoring) -> None:
        """
        :raises ScanError: a model whose table of groups is not there
        """
        self.model = scoring.model
        group = scoring.group
        kind = scoring.model["parameters"]["group_kind"] if group is not None else NUMBER
        self._scorer = scoring.scorer({} if group is None else {group: _GROUP_TYPES[kind]})
        features = scoring.design({})
        texts, dates = features.texts, {} if features.recipe is None else features.recipe.formats
        # The codes of a column of text are then the places among its categories, and one more of all other texts.
        self._design = scoring.design({name: [*known, NO_TEXT] for name, known in texts.items()})
        self.roles = dict.fromkeys(features.sources(), "feature")
        self.roles |= {name: role for name, role in ((features.offset, "offset"), (group, "group")) if name is not None}
        kinds = {name: cells.TEXT if name in texts else cells.NUMBER for name in scoring.columns()}
        kinds |= dict.fromkeys(dates, cells.WRITTEN_DATE)
        if group is not None:
            kinds[group] = _GROUP_KINDS.get(kind, cells.NUMBER)
        known = {**texts, **dates}
        self._reader = RowReader([Column(name, kind, known.get(name, ())) for name, kind in kinds.items()])
        self.names = [output.name for output in self._outputs(self._reader.block([]))[0]]

    @property
    def columns(self) -> list[Column]:
        """What a row must have."""
        return self._reader.columns

    def answer(self, rows: list[dict[str, Any]]) -> Answer:
        """The scores of some rows, in their order.

        :raises RequestError: rows that do not have the columns of the model, or that it can say nothing of
        """
        block = self._reader.block(rows)
        try:
            outputs, counts = self._outputs(block)
        except BadRow as error:
            raise self._bad_row(rows, error) from None
        columns = [as_json(output) for output in outputs]
        scores = [dict(zip(self.names, row)) for row in zip(*columns)]
        return Answer(scores, counts)

    def _outputs(self, block: Block) -> tuple[list[Output], RowCounts]:
        with np.errstate(all="ignore"):
            rows = self._design.apply(block)
            outputs = scored(rows, block.n_rows, self._scorer)
        return outputs, counts_of(rows, outputs)

    def _bad_row(self, rows: list[dict[str, Any]], error: BadRow) -> RequestError:
        """The error with the number of the row."""
        for i, row in enumerate(rows):
            try:
                self._outputs(self._reader.block([row]))
            except BadRow as alone:
                return RequestError(f"row {i + 1}: {alone}")
        return RequestError(str(error))


def as_json(output: Output) -> list[Any]:
    """A column of scores in JSON: null where there is none, and texts for infinities, for which JSON has no number."""
    values = output.values.tolist()
    if output.texts is not None:
        return [None if code < 0 else output.texts[code] for code in values]
    if output.values.dtype.kind != "f":
        return [None if value < 0 else value for value in values]
    return [value if math.isfinite(value) else _not_finite(value) for value in values]


def _not_finite(value: float) -> str | None:
    return None if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
