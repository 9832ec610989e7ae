"""Which column plays which role, checked against the manifest before a pass is spent."""

from __future__ import annotations

import argparse

import numpy as np

from drivers.packing.cache import Pack
from drivers.packing.locate import first_row_where, place_of_row
from drivers.packing.text import TextOptions
from jobs.design import Design
from jobs.errors import ScanError


def add_role_options(parser: argparse.ArgumentParser) -> None:
    """--target, --features, --weight and --id."""
    from drivers.options import names

    roles = parser.add_argument_group("roles of the columns")
    roles.add_argument("--target", metavar="NAME", help="the column to explain")
    roles.add_argument("--features", type=names, metavar="NAMES", help="what explains it; Default: all other columns")
    roles.add_argument("--weight", metavar="NAME", help="the column of row weights; Default: every row weighs the same")
    roles.add_argument("--id", metavar="NAME", help="a column from which random choices about a row are drawn")


def wanted_columns(options: argparse.Namespace) -> list[str] | None:
    """The columns to pack: those with a role where the features are named, else all."""
    if options.features is None:
        return None
    named = [*options.features, options.target, options.weight, options.id]
    return sorted({name for name in named if name})


def make_design(options: argparse.Namespace, pack: Pack, text: TextOptions) -> Design:
    """The design step of a run.

    :raises ScanError: a role given twice, a missing cell that is not to be dropped, weights that cannot be used
    """
    others = {options.target, options.weight, options.id}
    features = options.features
    if features is None:
        features = [name for name in pack.manifest.columns if name not in others]
    twice = sorted({name for name in features if features.count(name) > 1})
    if twice:
        raise ScanError(f"the feature {twice[0]!r} is named twice")
    for role in ("target", "weight", "id"):
        name = getattr(options, role)
        if name is not None:
            pack.manifest.index(name)
            if name in features and role == "target":
                raise ScanError(f"the target {name!r} is among the features")
    if options.weight is not None and options.weight == options.target:
        raise ScanError(f"the column {options.target!r} is both target and weight")
    design = Design(features, options.target, options.weight, options.id, options.missing)
    _check_missing(design, pack, text)
    _check_weights(design, pack, text)
    return design


def _check_missing(design: Design, pack: Pack, text: TextOptions) -> None:
    for name in design.columns():
        n_missing = int(pack.manifest.n_missing[pack.manifest.index(name)])
        if n_missing == pack.manifest.n_rows:
            raise ScanError(f"column {name!r} has no value in any row")
        if n_missing and design.missing == "error":
            found = first_row_where(pack, name, np.isnan)
            place = place_of_row(pack, text, found[0]) if found else "a row"
            raise ScanError(
                f"{place}, column {name!r}: the cell is missing ({n_missing} such rows); "
                "--missing drop leaves these rows out"
            )


def _check_weights(design: Design, pack: Pack, text: TextOptions) -> None:
    if design.weight is None:
        return
    j = pack.manifest.index(design.weight)
    if pack.manifest.minima[j] < 0:
        found = first_row_where(pack, design.weight, lambda values: values < 0)
        assert found is not None
        place = place_of_row(pack, text, found[0])
        raise ScanError(f"{place}, column {design.weight!r}: the weight {found[1]:g} is negative; weights are 0 or more")
    if pack.manifest.maxima[j] == 0:
        raise ScanError(f"all weights in column {design.weight!r} are zero")
