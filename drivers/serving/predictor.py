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
from jobs.errors import BadRow
from jobs.kernels.scorers import Output
from jobs.scoring import scored

# What the column of the groups is read as, by what it was in training.
_GROUP_TYPES = {NUMBER: pa.float64(), INTEGER: pa.int64(), TEXT: TEXT_TYPE, DATE: pa.timestamp("us")}
_GROUP_KINDS = {TEXT: cells.IDENTITY, INTEGER: cells.WHOLE}


@dataclass
class Answer:
    """scores: an object for each row, the columns of score.py; n_empty: how many rows have none."""

    scores: list[dict[str, Any]]
    n_empty: int


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
        texts = {name: known for name, known in features.categories.items() if name in features.features}
        # The codes of a column of text are then the places among its categories.
        self._design = scoring.design(texts)
        self.roles = dict.fromkeys(features.features, "feature")
        self.roles |= {name: role for name, role in ((features.offset, "offset"), (group, "group")) if name is not None}
        kinds = {name: cells.TEXT if name in texts else cells.NUMBER for name in scoring.columns()}
        if group is not None:
            kinds[group] = _GROUP_KINDS.get(kind, cells.NUMBER)
        self._reader = RowReader([Column(name, kind, texts.get(name, ())) for name, kind in kinds.items()])
        self.names = [output.name for output in self._outputs(self._reader.block([]))]

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
            outputs = self._outputs(block)
        except BadRow as error:
            raise self._bad_row(rows, error) from None
        columns = [as_json(output) for output in outputs]
        scores = [dict(zip(self.names, row)) for row in zip(*columns)]
        return Answer(scores, int(outputs[0].missing.sum()))

    def _outputs(self, block: Block) -> list[Output]:
        with np.errstate(all="ignore"):
            return scored(self._design.apply(block), block.n_rows, self._scorer)

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
