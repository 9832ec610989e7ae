"""How the scores and the columns beside them are written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from drivers.packing.buffers import from_numpy
from drivers.packing.kinds import DATE, DAY_TYPE, INTEGER, TEXT, kind_of
from jobs import csv_lines
from jobs.errors import ScanError


def check_kept(keep: list[str], scores: list[str]) -> None:
    """:raises ScanError: a column to keep that would have the name of one of the scores"""
    for name in keep:
        if name in scores:
            raise ScanError(
                f"--keep {name}: the scores have a column of that name; rename it in the table, or leave it out"
            )


def number_cells(values: np.ndarray) -> list[str]:
    """Doubles (n,) as the function of that name in jobs/csv_lines.py, by Arrow in a quarter of the time.

    Both write the shortest digits that read as the same double: Arrow without an exponent from 1e-6 to 1e10, Python from
    1e-4 to 1e16. What is not in both ranges Python writes.
    """
    texts = from_numpy(values).cast(pa.string()).to_pylist()
    sizes = np.abs(values)
    others = np.flatnonzero(~((sizes >= 1e-4) & (sizes < 1e10) | (sizes == 0)))
    for at, text in zip(others.tolist(), csv_lines.number_cells(values[others])):
        texts[at] = text
    return texts


def written_kind(arrow: pa.DataType) -> str:
    """The kind, of jobs/csv_lines.py, of a column that is read as this type."""
    if pa.types.is_boolean(arrow):
        return csv_lines.TRUTH
    kind = kind_of(arrow)
    if kind == DATE:
        return csv_lines.DAY if arrow == DAY_TYPE else csv_lines.MOMENT
    return {TEXT: csv_lines.TEXT, INTEGER: csv_lines.WHOLE}.get(kind, csv_lines.NUMBER)
