"""Which fold a row is in: a function of its key and the seed, never of the task or the order that rows come in.

A share of the rows can be held out of all folds. Whether a row is held out and which fold it is in are drawn apart, so the
folds of the rest do not depend on what is held out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs import keys
from jobs.errors import BadRecord
from jobs.records import Record

# Each has a statistic of its own, in every task.
MOST_FOLDS = 10_000


@dataclass
class Folds(Record):
    """n_folds parts of about the same size, numbered from 0; the rows held out are part n_folds."""

    n_folds: int = 1
    holdout: float = 0.0  # the share of the rows, 0 <= holdout < 1
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.n_folds <= MOST_FOLDS:
            raise BadRecord(f"there are 1 to {MOST_FOLDS:,} folds, not {self.n_folds}")
        if not 0 <= self.holdout < 1:
            raise BadRecord(f"the share of rows held out is from 0 to below 1, not {self.holdout}")

    @property
    def n_parts(self) -> int:
        """The folds, and the rows held out where there are some."""
        return self.n_folds + (self.holdout > 0)

    def assign(self, row_keys: np.ndarray) -> np.ndarray:
        """The part of each row, shape (n,), int64, from its key, (n,) uint64."""
        parts = (keys.derive(row_keys, self.seed, "fold") % np.uint64(self.n_folds)).astype(np.int64)
        if self.holdout > 0:
            below = np.uint64(min(int(self.holdout * 2**64), 2**64 - 1))
            parts[keys.derive(row_keys, self.seed, "holdout") < below] = self.n_folds
        return parts
