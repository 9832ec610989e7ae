"""What can be wrong with the columns of a score file, told before a pass is spent."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivers.evaluating.options import Asked
from drivers.packing.cache import Pack
from drivers.packing.kinds import DATE, HASH
from drivers.packing.locate import first_row_where, place_of_row
from jobs.design import Design, missing_cells
from jobs.errors import ScanError
from jobs.kernels.evaluation import REGRESSION


def check_numbers(asked: Asked, pack: Pack) -> None:
    """:raises ScanError: a column of predictions that holds no finite numbers, or probabilities that are none"""
    manifest = pack.manifest
    for name in asked.numbers:
        if not manifest.is_numeric(name) or manifest.kind(name) == DATE:
            kind = "identities" if manifest.kind(name) == HASH else manifest.kind(name)
            hint = "; say --task classification if these are classes" if asked.task == REGRESSION else ""
            raise ScanError(f"the column {name!r} holds no numbers to calculate with, but {kind}{hint}")
        j = manifest.index(name)
        if name in asked.probabilities and (manifest.minima[j] < 0 or manifest.maxima[j] > 1):
            _refuse(pack, name, lambda values: (values < 0) | (values > 1), "is no probability, which is from 0 to 1")


def check_weights(name: str | None, pack: Pack) -> None:
    """:raises ScanError: weights that are no numbers, negative, or all zero"""
    if name is None:
        return
    manifest = pack.manifest
    if not manifest.is_numeric(name) or manifest.kind(name) == DATE:
        raise ScanError(f"the weight {name!r} is a column of {manifest.kind(name)}; weights are numbers")
    j = manifest.index(name)
    if manifest.minima[j] < 0:
        _refuse(pack, name, lambda values: values < 0, "is no weight, which is 0 or more")
    if manifest.maxima[j] == 0 and not pack.is_partial:
        raise ScanError(f"all weights in column {name!r} are zero, so no row counts")


def _refuse(pack: Pack, name: str, is_bad: Callable[[np.ndarray], np.ndarray], why: str) -> None:
    found = first_row_where(pack, name, is_bad)
    place, cell = (place_of_row(pack, found[0]), f"{found[1]:g} ") if found else ("a row", "a cell ")
    raise ScanError(f"{place}, column {name!r}: {cell}{why}")


def check_cells(design: Design, pack: Pack) -> None:
    """:raises ScanError: a column of a role without a value in any row, or a missing cell that is not to be dropped"""
    manifest = pack.manifest
    for name in design.columns():
        if manifest.n_missing[manifest.index(name)] == manifest.n_rows:
            raise ScanError(f"column {name!r} has no value in any row")
        if design.missing == "error" and manifest.n_missing[manifest.index(name)]:
            found = first_row_where(pack, name, _absent)
            place = place_of_row(pack, found[0]) if found else "a row"
            raise ScanError(f"{place}, column {name!r}: the cell is missing; --missing drop leaves such rows out")


def _absent(values: np.ndarray) -> np.ndarray:
    found = missing_cells(values)
    return np.zeros(len(values), bool) if found is None else found
