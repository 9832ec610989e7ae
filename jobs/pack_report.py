"""What packing on a cluster learns of a table: what each task tells of its part, and the whole that comes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.kernels.sample import SampleStatistics
from jobs.moments import Moments
from jobs.records import Record, array_field

# The line with which the blocks of a part end.
REPORT_LINE = b"scanlearn-report "


@dataclass
class PackQuery(Record):
    """How files are packed where they lie.

    columns: all columns of the files; chosen: those to pack, in their order; texts: for each column of text its texts, by
    code (empty in the pass that gathers them); paths: of the files from their first slash on, whose order is that of the
    table; block_rows: of each block of a part but its last; sample_rows: how many rows are sampled.
    """

    columns: list[str]
    chosen: list[str]
    texts: dict[str, list[str]]
    paths: list[str]
    delimiter: str
    header: str
    missing_tokens: list[str]
    max_bad_rows: int
    max_texts: int
    block_rows: int
    sample_rows: int


@dataclass
class PackReport(Record):
    """What is known of some parts.

    parts: number, rows, blocks and bad rows of each, shape (m, 4); rejects: [file, text, reason] of each bad row; sample:
    the bottom-k of the rows.
    """

    rejects: list
    sample: SampleStatistics
    moments: Moments
    parts: np.ndarray = array_field("<i8", 2)

    def merge(self, other: PackReport) -> PackReport:
        """Of the parts of both, which are to come in their order."""
        return PackReport(
            self.rejects + other.rejects,
            self.sample.merge(other.sample),
            self.moments.merge(other.moments),
            np.concatenate([self.parts, other.parts]),
        )
