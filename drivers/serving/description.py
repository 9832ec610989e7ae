"""What a service says of its model: the answer of GET /model, and what OpenAPI shows of rows and scores."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from drivers.serving import rows as cells
from drivers.serving.predictor import Predictor
from drivers.serving.request import ROWS
from drivers.serving.rows import Column
from drivers.written_dates import ISO

_TYPES = {
    cells.NUMBER: "number", cells.WHOLE: "integer", cells.TEXT: "string", cells.IDENTITY: "string",
    cells.WRITTEN_DATE: "string",
}  # fmt: skip
_SAMPLES: dict[str, Any] = {cells.NUMBER: 1.0, cells.WHOLE: 1, cells.TEXT: "", cells.IDENTITY: "a group"}
_INFINITIES = ["Infinity", "-Infinity"]
MOST_TEXTS = 20  # that the page shows of a column


def about(predictor: Predictor) -> dict[str, Any]:
    """The kind of the model, the columns of its rows with their types and texts, and how it was trained."""
    model = predictor.model
    columns = []
    for column in predictor.columns:
        found: dict[str, Any] = {
            "name": column.name, "role": predictor.roles[column.name], "type": _TYPES[column.kind],
        }  # fmt: skip
        if column.texts:
            found["formats" if column.kind == cells.WRITTEN_DATE else "texts"] = list(column.texts)
        columns.append(found)
    return {
        "kind": model["kind"],
        "target": model.get("target"),
        "columns": columns,
        "scores": predictor.names,
        "training": model.get("training", {}),
    }


def example(predictor: Predictor) -> dict[str, Any]:
    """A row that the model takes."""
    return {column.name: _sample_of(column) for column in predictor.columns}


def _sample_of(column: Column) -> Any:
    if column.kind == cells.WRITTEN_DATE:
        return "2024-03-01" if column.texts[0] == ISO else datetime(2024, 3, 1).strftime(column.texts[0])
    return column.texts[0] if column.texts else _SAMPLES[column.kind]


def openapi(predictor: Predictor) -> dict[str, Any]:
    """How POST /predict is asked and what it answers, as parts of an operation of OpenAPI 3.1."""
    sample = example(predictor)
    row = {
        "type": "object",
        "properties": {column.name: _column(column) for column in predictor.columns},
        "required": [column.name for column in predictor.columns],
    }
    many = {"type": "object", "properties": {ROWS: {"type": "array", "items": row}}, "required": [ROWS]}
    examples = {"some rows": {"value": {ROWS: [sample]}}, "one row": {"value": sample}}
    answered = predictor.answer([sample])
    scores = {"type": "object", "properties": {name: _score(answered.scores[0][name]) for name in predictor.names}}
    answer = {
        "type": "object",
        "properties": {
            "predictions": {"type": "array", "items": scores, "description": "one for each row, in their order"},
            "n_empty": {"type": "integer", "description": "rows without a score"},
            "n_filled": {"type": "integer", "description": "rows of which the recipe has filled a missing cell"},
            "n_unknown": {"type": "integer", "description": "rows with a text that was not there in training"},
        },
    }
    shown = {"predictions": answered.scores, "n_empty": answered.rows.missing, "n_filled": 0, "n_unknown": 0}
    return {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"anyOf": [many, row]}, "examples": examples}},
        },
        "responses": {
            "200": {"description": "Scores", "content": {"application/json": {"schema": answer, "example": shown}}},
            "413": _error("More rows or bytes than the service takes"),
            "422": _error("A body that is not JSON, a row without one of the columns, or a value of another type"),
        },
    }


def _column(column: Column) -> dict[str, Any]:
    found: dict[str, Any] = {"type": [_TYPES[column.kind], "null"]}
    if column.kind == cells.NUMBER:
        found["type"] = ["number", "boolean", "string", "null"]
        found["description"] = "a number; true and false count as 1 and 0, a date is a text: 2024-03-01 12:30:00"
    if column.kind == cells.WRITTEN_DATE:
        found["description"] = "a date, written as " + " or ".join(column.texts)
    elif column.texts:
        more = ", ..." if len(column.texts) > MOST_TEXTS else ""
        found["description"] = "one of " + ", ".join(map(repr, column.texts[:MOST_TEXTS])) + more
    return found


def _score(sample: Any) -> dict[str, Any]:
    if isinstance(sample, int):
        return {"type": ["integer", "null"]}
    if isinstance(sample, str) and sample not in _INFINITIES:
        return {"type": ["string", "null"]}
    return {"anyOf": [{"type": ["number", "null"]}, {"enum": _INFINITIES}]}


def _error(description: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"detail": {"type": "string"}}}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
