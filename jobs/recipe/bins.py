"""Numbers cut into bins, which are levels with names like "[18, 25)"."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from jobs.errors import BadRecord
from jobs.recipe.frame import MISSING_LEVEL, Frame
from jobs.recipe.step import Step, one_of

QUANTILE, UNIFORM = "quantile", "uniform"
STRATEGIES = (QUANTILE, UNIFORM)
MOST_BINS = 1000


@dataclass
class Bins(Step):
    """n_bins bins of each column, of about as many rows each or of one width; of equal edges one is kept. edges: of each
    column the inner edges, ascending: a bin has its lower one, and the first and the last one have no end."""

    word = "bins"
    of_levels = False

    n_bins: int = 5
    strategy: str = QUANTILE
    edges: dict = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("the strategy of bins", self.strategy, STRATEGIES)
        if not 2 <= self.n_bins <= MOST_BINS:
            raise BadRecord(f"there are 2 to {MOST_BINS:,} bins, not {self.n_bins}")
        self.edges = {name: np.asarray(values, dtype=float) for name, values in self.edges.items()}
        for values in self.edges.values():
            if values.ndim != 1 or len(values) >= MOST_BINS or not np.all(np.diff(values) > 0) or np.isnan(values).any():
                raise BadRecord("the edges of bins are numbers that ascend")

    @property
    def is_learned(self) -> bool:
        return set(self.edges) == set(self.columns)

    def apply(self, frame: Frame) -> None:
        for name in self.columns:
            values, edges = frame.numbers(name), self.edges[name]
            levels = np.searchsorted(edges, values, side="right")
            frame.put(name, np.where(np.isnan(values), MISSING_LEVEL, levels), self._names[name])

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """The names of the bins of each column, made once and not for each block."""
        return {name: bin_names(edges) for name, edges in self.edges.items()}


def bin_names(edges: np.ndarray) -> list[str]:
    """The names of bins with these inner edges, with as many digits as tell them apart."""
    written = next(
        texts for digits in range(4, 18) if len(set(texts := [f"{edge:.{digits}g}" for edge in edges])) == len(edges)
    )
    ends = ["", *written, ""]
    return [
        f"[{low}, {high})" if low and high else f"below {high}" if high else f"from {low}" if low else "all"
        for low, high in zip(ends, ends[1:])
    ]
