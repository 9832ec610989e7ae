"""The most frequent values of a column that has too many to count them all, with a proven error.

At most k counters. Where there would be more, the (k + 1)-th largest count is taken from all, and those that have nothing
left are dropped; so each count is too small by at most the sum e of what was taken, and as taking t removes t from at least
k + 1 counters, e <= N / (k + 1). Every value with more rows than e has a counter. Counters merge by adding, then likewise.

J. Misra and D. Gries, "Finding repeated elements", Science of Computer Programming 2, 1982; P. Agarwal et al., "Mergeable
summaries", PODS 2012, section 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.kernels.quantile_sketch import merge_counts


@dataclass
class FrequentValues:
    """Ascending `keys` and `counts`, both (m,) int64, m <= k; each value has between its count and its count + `error`
    rows, one without a counter at most `error`."""

    keys: np.ndarray
    counts: np.ndarray
    error: int = 0

    @classmethod
    def empty(cls) -> FrequentValues:
        """Of no rows."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64))

    def merge(self, other: FrequentValues, k: int) -> FrequentValues:
        """Of the rows of both, with at most k counters."""
        keys, counts = merge_counts(self.keys, self.counts, other.keys, other.counts)
        return FrequentValues(keys, counts, self.error + other.error).pruned(k)

    def pruned(self, k: int) -> FrequentValues:
        """With at most k counters."""
        n = len(self.counts)
        if n <= k:
            return self
        taken = np.partition(self.counts, n - k - 1)[n - k - 1]
        kept = self.counts > taken
        return FrequentValues(self.keys[kept], self.counts[kept] - taken, self.error + int(taken))

    def close(self, other: FrequentValues) -> bool:
        """Whether both can be of the same rows."""
        keys = np.union1d(self.keys, other.keys)
        mine, others = self.of(keys), other.of(keys)
        return bool(np.all((mine <= others + other.error) & (others <= mine + self.error)))

    def of(self, keys: np.ndarray) -> np.ndarray:
        """The counts of some keys, 0 of those without a counter; shape (m,)."""
        if not len(self.keys):
            return np.zeros(len(keys), np.int64)
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.where(self.keys[place] == keys, self.counts[place], 0)
