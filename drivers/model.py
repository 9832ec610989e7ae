"""The model file: readable JSON that needs nothing but numpy to be used.

{"format": "scanlearn-model", "version": 1, "kind": "wols", "features": [...], "target": "y", "weight": "w",
 "parameters": {"coefficients": [...], "intercept": ...}, "inference": {...}, "design": {...}, "training": {...}}

"features" names the coefficients, one for each text but the first of a feature of text; "design" says which columns they
are made of.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from drivers.json_files import read_json
from drivers.model_kinds import KINDS
from jobs.design import Design
from jobs.errors import ScanError

FORMAT, VERSION = "scanlearn-model", 1


def make_model(
    kind: str, design: Design, parameters: dict[str, Any], inference: dict[str, Any], training: dict[str, Any]
) -> dict[str, Any]:
    """The content of a model file."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": kind,
        "features": design.feature_names,
        "target": design.target,
        "weight": design.weight,
        "parameters": parameters,
        "inference": inference,
        "design": design_json(design),
        "training": training,
    }


def design_json(design: Design) -> dict[str, Any]:
    """What a model says of its design: all that rows to be scored meet."""
    recipe = None if design.recipe is None else design.recipe.for_scoring()
    told = dataclasses.replace(design, recipe=recipe).to_json()
    return {name: value for name, value in told.items() if name not in ("levels", "held_out")}


def class_names(model: dict[str, Any]) -> list[str]:
    """The classes as texts, none where the target is a number: "NaN" may well be the name of one, and is a number among the
    parameters of a model file."""
    return model["design"]["categories"].get(model["target"], []) if model["parameters"].get("classes") else []


def explained(model: dict[str, Any]) -> str:
    """What is explained: the target, and of two classes the one whose odds they are."""
    names = class_names(model)
    return f"{model['target']} = {names[1]}" if len(names) == 2 else model["target"]


def load_model(path: str) -> dict[str, Any]:
    """Reads a model file.

    :raises ScanError: a file that is no model, or one of an unknown version or kind
    """
    model = read_json(path, FORMAT, VERSION, "model", "a model file")
    known = [name for name, kind in KINDS.items() if kind.scores]
    if model.get("kind") not in known:
        raise ScanError(f"{path} holds a model of the kind {model.get('kind')!r}; known are {', '.join(known)}")
    return model


def to_sklearn(model: dict[str, Any]) -> Any:
    """The fitted scikit-learn estimator with the model's parameters, its columns in the order of model["features"].

    :raises ScanError: models by group
    """
    kind = model["kind"]
    if not KINDS[kind].estimator:
        raise ScanError(
            "a model for each group is no one estimator; its coefficients are in groups.csv, and score.py applies them"
        )
    return KINDS[kind].to_sklearn(model)
