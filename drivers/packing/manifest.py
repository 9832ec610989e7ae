"""The manifest of a pack: what the blocks hold, and what the drivers know of the table without a pass."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

import numpy as np

from jobs.errors import ScanError
from jobs.records import Record, array_field
from jobs.text import TextFormat

FORMAT_VERSION = 1


@dataclass
class Manifest(Record):
    """Columns, counts and first moments of a packed table; arrays have one entry a column.

    `text` says how the files are read; `sources` hold path, size, mtime_ns, first_row and n_rows of each file;
    `fingerprint` is a checksum of all blocks.
    """

    format_version: int
    columns: list[str]
    text: TextFormat
    n_rows: int
    n_rejected: int
    n_blocks: int
    block_rows: int
    fingerprint: str
    sources: list[dict]
    means: np.ndarray = array_field("<f8", 1)
    minima: np.ndarray = array_field("<f8", 1)
    maxima: np.ndarray = array_field("<f8", 1)
    n_missing: np.ndarray = array_field("<i8", 1)

    def index(self, name: str) -> int:
        """The place of a column.

        :raises ScanError: an unknown column, with the closest name there is
        """
        return find_column(self.columns, name)

    def mean(self, name: str) -> float:
        """The mean of a column's present cells; 0 where there are none."""
        value = float(self.means[self.index(name)])
        return value if np.isfinite(value) else 0.0


def find_column(columns: list[str], name: str) -> int:
    """The place of a column among others.

    :raises ScanError: an unknown column, with the closest name there is
    """
    if name in columns:
        return columns.index(name)
    close = difflib.get_close_matches(name, columns, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ";"
    shown = ", ".join(columns[:8]) + (", ..." if len(columns) > 8 else "")
    raise ScanError(f"there is no column {name!r}{hint} the columns are {shown}")
