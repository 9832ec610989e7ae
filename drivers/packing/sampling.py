"""The uniform sample that packing draws on the way: the bottom-k of jobs/kernels/sample.py, with next to no work a block.

Once k rows are there, almost no row has a key small enough to enter; the few that do wait, and are merged k at a time.
"""

from __future__ import annotations

from functools import reduce

import numpy as np

from jobs.blocks import Block
from jobs.design import Design
from jobs.kernels.sample import SampleStatistics
from jobs.keys import derive, row_keys


class Sampler:
    """Takes blocks in; `sample()` is what SampleStatistics would have found in them, bit for bit."""

    def __init__(self, k: int, names: list[str], seed: int = 0) -> None:
        self.k, self.seed = k, seed
        self._design = Design(names, missing="keep")
        self._found = SampleStatistics(k, np.zeros(0, np.uint64), np.zeros((0, len(names))), np.zeros((0, 3), np.int64))
        self._waiting: list[SampleStatistics] = []
        self._n_waiting = 0

    def add(self, block: Block) -> None:
        """Takes the rows of a block in."""
        keys = derive(row_keys(block.part, block.number, block.n_rows), self.seed, "sample")
        is_full = len(self._found.keys) == self.k > 0
        enters = np.flatnonzero(keys <= self._found.keys[-1]) if is_full else np.arange(block.n_rows)
        if self.k == 0 or not len(enters):
            return
        columns = {name: values[enters] for name, values in block.columns.items()}
        rows = self._design.apply(Block(block.part, block.number, len(enters), columns)).X
        places = np.empty((len(enters), 3), np.int64)
        places[:, 0], places[:, 1], places[:, 2] = block.part, block.number, enters
        self._waiting.append(SampleStatistics(self.k, keys[enters], rows, places))
        self._n_waiting += len(enters)
        if self._n_waiting >= self.k:
            self._merge()

    def sample(self) -> SampleStatistics:
        """The k rows of smallest key so far."""
        self._merge()
        return self._found

    def _merge(self) -> None:
        if len(self._waiting) > 1:
            joined = {
                name: np.concatenate([getattr(s, name) for s in self._waiting]) for name in ("keys", "rows", "places")
            }
            self._waiting = [SampleStatistics(self.k, **joined)]
        self._found = reduce(SampleStatistics.merge, self._waiting, self._found)
        self._waiting, self._n_waiting = [], 0
