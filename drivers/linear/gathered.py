"""What one pass has gathered for a linear fit, or a statistics file holds: the same thing to all that follows."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from drivers.designs import feature_centers, target_center
from drivers.linear.statistics_file import LinearStatistics
from drivers.linear.subsets import subset
from drivers.run import Run
from jobs.design import Design
from jobs.errors import ScanError, quoted
from jobs.kernels.folds import Folds
from jobs.kernels.wols import WOLSQuery, WOLSStatistics
from jobs.kernels.wols_folds import WOLSFoldsQuery
from jobs.mr_wols import MRWOLS
from jobs.mr_wols_folds import MRWOLSFolds


@dataclass
class Gathered:
    """Statistics by part: one for each fold, then one for the holdout where there is one."""

    design: Design
    query: WOLSQuery
    folds: Folds
    parts: list[WOLSStatistics]
    fold_by: str | None = None  # the column by whose values rows were dealt to the parts, None where by their place

    @property
    def training(self) -> list[WOLSStatistics]:
        """The statistic of each fold."""
        return self.parts[: self.folds.n_folds]

    @property
    def holdout(self) -> WOLSStatistics | None:
        """The statistic of the rows that are held out."""
        return self.parts[-1] if self.folds.holdout else None

    @functools.cached_property
    def whole(self) -> WOLSStatistics:
        """The statistic of all rows that the fit is of."""
        return functools.reduce(WOLSStatistics.merge, self.training)

    def design_of_training(self) -> Design:
        """The design step of a further pass, over the rows that the fit is of."""
        return dataclasses.replace(self.design, held_out=self.folds) if self.folds.holdout else self.design

    def narrowed(self, features: list[str]) -> Gathered:
        """The same rows with some of the features."""
        kept = [name for name in self.design.features if name in features]
        design = dataclasses.replace(self.design, features=kept)
        places = {name: j for j, name in enumerate(self.design.feature_names)}
        columns = [places[name] for name in design.feature_names]
        narrowed = [subset(part, self.query, columns) for part in self.parts]
        return Gathered(design, narrowed[0][1], self.folds, [part for part, _ in narrowed], self.fold_by)


def gather(run: Run, design: Design, folds: Folds) -> Gathered:
    """One pass over the data."""
    manifest = run.pack.manifest
    query = WOLSQuery(feature_centers(run.pack, design), target_center(manifest, design))
    if folds.n_parts == 1:
        return Gathered(design, query, folds, [run.scan("exact", MRWOLS, query, design)])
    statistics = run.scan("exact", MRWOLSFolds, WOLSFoldsQuery(query, folds), design)
    return Gathered(design, query, folds, statistics.parts(), design.fold or design.id)


def from_file(
    file: LinearStatistics, target: str | None, features: list[str] | None, exclude: Sequence[str] = ()
) -> Gathered:
    """What a statistics file holds, with any of its columns as target and as features.

    :raises ScanError: a column that the file does not have
    """
    known = [*file.features, file.target]
    target = target or file.target
    for name in [target, *(features or []), *exclude]:
        if name not in known:
            shown = ", ".join(map(quoted, known[:8])) + (", ..." if len(known) > 8 else "")
            raise ScanError(f"the statistics file has no column {name!r}; it has {shown}")
    if target in file.categories and target != file.target:
        raise ScanError(
            f"the column {target!r} is text, and can be a feature of this file but not the target; name another --target"
        )
    if features is not None:
        _check_features(features, exclude, target)
    kept = [name for name in features or known if name != target and name not in exclude]
    if file.target in kept and file.target in file.categories:
        raise ScanError(
            f"the column {file.target!r} is text that was the target, and can be no feature; leave it out with --exclude"
        )
    categories = {name: texts for name, texts in file.categories.items() if name in [*kept, target]}
    design = Design(kept, target, file.weight, categories=categories, recipe=file.recipe)
    places = {name: j for j, name in enumerate(file.columns)}
    columns = [places[name] for name in design.feature_names]
    query = WOLSQuery(np.asarray(file.center[:-1]), float(file.center[-1]))
    chosen = [subset(part, query, columns, places[target]) for part in file.statistics.parts()]
    return Gathered(design, chosen[0][1], file.folds, [part for part, _ in chosen], file.fold_by)


def _check_features(features: list[str], exclude: Sequence[str], target: str) -> None:
    if target in features:
        raise ScanError(f"the target {target!r} is among the features; leave it out of --features")
    if twice := sorted({name for name in features if features.count(name) > 1}):
        raise ScanError(f"the feature {twice[0]!r} is named twice in --features")
    for name in exclude:
        if name not in features:
            raise ScanError(f"--exclude {name}: there is no such name among --features")
