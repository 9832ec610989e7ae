"""Statistics files: all that a linear fit needs of a table, without its rows.

The file holds R of sqrt(w) [1, X - c, y - c_y] (jobs/kernels/wols.py), by fold where there were folds. Any column can be
the target of a fit and any others its features (gathered.py). Files add up and subtract: statistics_sums.py.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Optional

import numpy as np

from drivers.output_files import write_whole
from jobs.design import Design
from jobs.errors import BadRecord, ScanError
from jobs.kernels.folds import Folds
from jobs.kernels.wols import WOLSQuery, WOLSStatistics
from jobs.kernels.wols_folds import WOLSFoldsStatistics
from jobs.recipe import Recipe
from jobs.records import Record, array_field


@dataclass
class Source(Record):
    """A table that was added to the file, or taken from it (sign -1)."""

    fingerprint: str
    n_rows: int
    sign: int = 1


@dataclass
class LinearStatistics(Record):
    """What a statistics file holds.

    features, target, weight, categories: the columns, as in the design step; R has a column for the constant, then one for
    each of `columns`. center: shape (len(columns),). folds: how rows were dealt to the parts of `statistics`, by the values
    of `fold_by` or else by where they stood. digits: an estimate of how many are right in what is solved from the file.
    recipe: what made the features, None where they are the table's own columns.
    """

    features: list[str]
    target: str
    weight: Optional[str]  # noqa: UP045
    weight_type: str
    categories: dict
    folds: Folds
    fold_by: Optional[str]  # noqa: UP045
    sources: list
    digits: float
    recipe: Optional[Recipe]  # noqa: UP045
    statistics: WOLSFoldsStatistics
    center: np.ndarray = array_field("<f8", 1)

    @classmethod
    def of(
        cls, design: Design, query: WOLSQuery, folds: Folds, parts: list[WOLSStatistics], weight_type: str, fingerprint: str
    ) -> LinearStatistics:
        """What a pass over a table has gathered by this design."""
        assert design.target is not None
        return cls(
            design.features, design.target, design.weight, weight_type, design.categories, folds, design.fold or design.id,
            [Source(fingerprint, sum(part.n_rows for part in parts))], 16.0,
            None if design.recipe is None else design.recipe.for_scoring(), WOLSFoldsStatistics.of_parts(parts),
            np.append(query.center, query.target_center),
        )  # fmt: skip

    @property
    def columns(self) -> list[str]:
        """The columns of R behind the constant: those of X, then the target."""
        return [*Design(self.features, categories=self.categories).feature_names, self.target]

    @property
    def n_rows(self) -> int:
        """Rows of positive weight, in all parts."""
        return int(self.statistics.n_rows.sum())

    @property
    def total(self) -> WOLSStatistics:
        """The statistic of all parts together."""
        return functools.reduce(WOLSStatistics.merge, self.statistics.parts())

    def write(self, path: str) -> None:
        """Writes the file, whole or not at all.

        :raises ScanError: where it cannot be written
        """
        write_whole(path, "statistics file", self.to_line() + "\n")

    @classmethod
    def read(cls, path: str) -> LinearStatistics:
        """Reads a statistics file.

        :raises ScanError: where it cannot be read, is damaged, or is no such file
        """
        try:
            with open(path, "rb") as f:
                return cls.from_line(f.read())
        except OSError as error:
            raise ScanError(f"the statistics file {path or repr(path)} cannot be read: {error.strerror}") from None
        except BadRecord as error:
            why, _, _ = str(error).partition(": '")  # without what stands in the file
            if why.startswith("this is not"):
                raise ScanError(f"{path} is not a statistics file; --save-statistics of run_wols.py makes one") from None
            raise ScanError(f"{path} is not a statistics file that can be used: {why}; copy or save it again") from None
