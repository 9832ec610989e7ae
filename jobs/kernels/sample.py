"""Bottom-k sampling: the k rows of smallest key are a uniform sample without replacement, and they merge exactly.

(Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007.) The order of merging cannot matter, so the
sample is the same on every runner and for every split of the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from jobs.kernels.contract import Statistics, close_arrays
from jobs.keys import derive
from jobs.records import Record, array_field


@dataclass
class SampleQuery(Record):
    """How many rows, of how many columns, and the seed."""

    k: int
    n_columns: int
    seed: int = 0


@dataclass
class SampleStatistics(Statistics):
    """The s <= k rows of smallest key: keys (s,) ascending, rows (s, n_columns), places (s, 3) as part, block, row."""

    order_free: ClassVar[bool] = True

    k: int
    keys: np.ndarray = array_field("<u8", 1)
    rows: np.ndarray = array_field("<f8", 2)
    places: np.ndarray = array_field("<i8", 2)

    @classmethod
    def zero(cls, query: SampleQuery) -> SampleStatistics:
        return cls(query.k, np.zeros(0, np.uint64), np.zeros((0, query.n_columns)), np.zeros((0, 3), np.int64))

    def add(self, rows: Any, query: SampleQuery) -> None:
        keys = derive(rows.keys, query.seed, "sample")
        # Once k rows are here, almost no row of a block can enter: the cheap comparison spares the sort.
        enters = np.flatnonzero(keys <= self.keys[-1]) if len(self.keys) == self.k > 0 else np.arange(len(keys))
        if self.k == 0 or not len(enters):
            return
        merged = self.merge(SampleStatistics(self.k, keys[enters], rows.X[enters], rows.places(enters)))
        self.keys, self.rows, self.places = merged.keys, merged.rows, merged.places

    def merge(self, other: SampleStatistics) -> SampleStatistics:
        keys = np.concatenate([self.keys, other.keys])
        places = np.concatenate([self.places, other.places])
        chosen = np.argsort(keys, kind="stable")
        if np.any(keys[chosen[1:]] == keys[chosen[:-1]]):  # equal ids: the place decides
            chosen = np.lexsort((places[:, 2], places[:, 1], places[:, 0], keys))
        chosen = chosen[: self.k]
        return SampleStatistics(self.k, keys[chosen], np.concatenate([self.rows, other.rows])[chosen], places[chosen])

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        """Equal, bit for bit: there is no rounding in a choice."""
        if not isinstance(other, SampleStatistics):
            return False
        return (
            self.k == other.k
            and all(close_arrays(getattr(self, name), getattr(other, name), 0.0) for name in ("keys", "places"))
            and np.array_equal(self.rows, other.rows, equal_nan=True)
        )

    def in_file_order(self) -> np.ndarray:
        """The rows in the order in which they stand in the data, shape (s, n_columns)."""
        return self.rows[np.lexsort((self.places[:, 2], self.places[:, 1], self.places[:, 0]))]
