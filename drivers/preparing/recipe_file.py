"""The file of a recipe: readable JSON, to be looked at and changed by hand.

{"format": "scanlearn-recipe", "version": 1, "roles": {"target": "y"}, "columns": [...], "texts": {...}, "formats": {...},
 "steps": [{"step": "impute", "columns": ["age"], "strategy": "median", "values": {"age": 41.0}}, ...], "features": [...]}
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from drivers.json_files import read_json
from drivers.output_files import write_whole
from drivers.packing.cache import Pack
from jobs.errors import BadRecord, ScanError
from jobs.kernels.folds import Folds
from jobs.recipe import Recipe
from jobs.recipe.frame import MISSING_LEVEL, UNKNOWN_LEVEL
from jobs.records import readable

FORMAT, VERSION = "scanlearn-recipe", 1
# What a recipe says of the columns that are no features, by the names of the options.
ROLES = ("target", "weight", "id")


@dataclass
class RecipeFile:
    """A recipe, and the roles of the table's other columns; one file as long as its path is one. held_out: which rows were
    kept from it, as `held_out_rows` has it, {} for none."""

    path: str
    roles: dict[str, str] = field(compare=False)
    recipe: Recipe = field(compare=False)
    held_out: dict[str, Any] = field(compare=False, default_factory=dict)

    def write(self) -> None:
        """Writes the file, whole or not at all.

        :raises ScanError: where it cannot be written
        """
        told = {"format": FORMAT, "version": VERSION, "roles": self.roles, "held_out": self.held_out}
        told |= self.recipe.to_json()
        text = json.dumps(readable(told), indent=1, allow_nan=False, ensure_ascii=False)
        write_whole(self.path, "recipe", text + "\n")

    @classmethod
    def read(cls, path: str) -> RecipeFile:
        """Reads a file.

        :raises ScanError: where it cannot be read, or is no recipe of this version whose steps are learned
        """
        told = read_json(path, FORMAT, VERSION, "recipe", remedy="prepare.py DATA -o recipe.json makes one")
        roles = told.get("roles", {})
        if not isinstance(roles, dict) or not all(isinstance(name, str) for name in roles.values()):
            raise ScanError(f"{path}: roles are names of columns, by {', '.join(ROLES)}")
        if unknown := sorted(set(roles) - set(ROLES)):
            raise ScanError(f"{path}: {unknown[0]!r} is no role of a recipe; roles are {', '.join(ROLES)}")
        try:
            own = ("format", "version", "roles", "held_out")
            recipe = Recipe.from_json({name: value for name, value in told.items() if name not in own})
            if waiting := [step for step in recipe.steps if not step.is_learned]:
                raise ScanError(
                    f"{path}: the step {waiting[0].word} does not say what it has learned of its columns; prepare.py makes "
                    "a recipe that does"
                )
            _check_features(recipe)
        except (BadRecord, LookupError, TypeError, ValueError) as error:
            raise ScanError(f"{path} is not a recipe that can be followed: {error}") from None
        return cls(path, roles, recipe, told.get("held_out") or {})


def held_out_folds(options: argparse.Namespace) -> Folds | None:
    """The folds whose last part --holdout keeps out, None without one."""
    share = getattr(options, "holdout", None)
    # Whether a row is held out does not depend on how many folds the others are dealt to.
    return Folds(1, share, options.seed) if share else None


def held_out_rows(options: argparse.Namespace, pack: Pack) -> dict[str, Any]:
    """Which rows --holdout keeps out: the same where this is, {} for none. Without a column that says it, that depends on
    where rows stand in a pack, and so on which columns are packed."""
    if not getattr(options, "holdout", None):
        return {}
    by = getattr(options, "fold_by", None) or options.id
    told = {"share": options.holdout, "seed": options.seed, "by": by}
    manifest = pack.manifest
    return told if by else {**told, "n_rows": manifest.n_rows, "block_rows": manifest.block_rows}


def _check_features(recipe: Recipe) -> None:
    """Tries the recipe on a row of usual cells, one of missing cells and one of unknown texts.

    :raises BadRecord: a feature that no step makes
    :raises ValueError: a number where a text is to be, or the other way
    """
    numbers, levels = np.array([1.0, np.nan, np.nan]), np.array([0, MISSING_LEVEL, UNKNOWN_LEVEL], np.int32)
    columns = {name: levels if name in recipe.texts else numbers for name in recipe.inputs}
    recipe.apply(columns, 3, lambda: np.zeros(3, np.uint64))
    for name in recipe.features:
        if name not in recipe.made:
            raise BadRecord(f"there is no column {name!r} after its steps, which is said to be a feature")
