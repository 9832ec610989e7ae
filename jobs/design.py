"""The design step: from a block's columns to the arrays that a kernel computes with.

The same numpy code runs in the mapper and wherever a model is applied, so training and prediction see the same numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Optional

import numpy as np

from jobs import keys
from jobs.blocks import Block
from jobs.errors import BadRecord, BadRow
from jobs.records import Record

MISSING_POLICIES = ("error", "drop", "keep")


@dataclass
class RowCounts(Record):
    """What became of the rows of a pass: read = used + rejected + missing."""

    read: int = 0
    used: int = 0
    rejected: int = 0
    missing: int = 0

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(
            self.read + other.read, self.used + other.used, self.rejected + other.rejected, self.missing + other.missing
        )


@dataclass
class Rows:
    """Rows ready for a kernel: X (n, p) with contiguous columns, y (n,) or None, w (n,)."""

    X: np.ndarray
    y: np.ndarray | None
    w: np.ndarray
    part: int
    number: int
    positions: np.ndarray  # (n,) int64: where in the block each row stands
    ids: np.ndarray | None
    counts: RowCounts

    @cached_property
    def keys(self) -> np.ndarray:
        """The row keys, shape (n,), uint64."""
        if self.ids is not None:
            return keys.id_keys(self.ids)
        n_rows = int(self.positions[-1]) + 1 if len(self.positions) else 0
        return keys.row_keys(self.part, self.number, n_rows)[self.positions]


@dataclass
class Design(Record):
    """Which columns play which role, and what happens to rows with a missing cell in one of them.

    missing: "error" stops, "drop" leaves the row out and counts it, "keep" leaves NaN in X (never in y, w or id).
    """

    features: list[str]
    target: Optional[str] = None  # noqa: UP045  (evaluated on Python 3.9)
    weight: Optional[str] = None  # noqa: UP045
    id: Optional[str] = None  # noqa: UP045
    missing: str = "error"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.missing not in MISSING_POLICIES:
            raise BadRecord(f"missing is one of {', '.join(MISSING_POLICIES)}, not {self.missing!r}")

    def columns(self) -> list[str]:
        """The columns the design reads, each once."""
        roles = [*self.features, self.target, self.weight, self.id]
        return list(dict.fromkeys(name for name in roles if name is not None))

    def apply(self, block: Block) -> Rows:
        """The arrays of a block.

        :raises BadRow: a weight that is negative or infinite; a missing cell where `missing` is "error"
        """
        n_rows, complete = block.n_rows, self._complete(block)
        positions = np.arange(n_rows) if complete is None else np.flatnonzero(complete)

        def column(name: str) -> np.ndarray:
            values = block.columns[name]
            return values if complete is None else values[complete]

        X = np.empty((len(positions), len(self.features)), order="F")
        for j, name in enumerate(self.features):
            X[:, j] = column(name)
        w = np.ones(len(positions)) if self.weight is None else np.asarray(column(self.weight), dtype=float)
        if len(w) and not (w.min() >= 0 and w.max() < np.inf):
            bad = int(np.flatnonzero(~((w >= 0) & (w < np.inf)))[0])
            raise BadRow(
                f"the weight {self.weight!r} is {w[bad]:g} in row {positions[bad] + 1} of block {block.number}; "
                "weights must be finite and not negative"
            )
        return Rows(
            X=X,
            y=None if self.target is None else np.asarray(column(self.target), dtype=float),
            w=w,
            part=block.part,
            number=block.number,
            positions=positions,
            ids=None if self.id is None else column(self.id),
            counts=RowCounts(read=n_rows, used=len(positions), missing=n_rows - len(positions)),
        )

    def _complete(self, block: Block) -> np.ndarray | None:
        """Which rows have every cell that is needed; None when all have."""
        complete = None
        for name in self.columns():
            if self.missing == "keep" and name in self.features:
                continue
            values = block.columns[name]
            # A sum is NaN when a cell is: one cheap look at each column, the mask only when there is something to mask.
            if values.dtype.kind != "f" or not np.isnan(values.sum()):
                continue
            present = ~np.isnan(values)
            if self.missing == "error" and not present.all():
                row = int(np.flatnonzero(~present)[0]) + 1
                raise BadRow(
                    f"column {name!r} has a missing cell in row {row} of block {block.number}; "
                    "--missing drop leaves such rows out"
                )
            complete = present if complete is None else complete & present
        return complete
