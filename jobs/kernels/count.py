"""Counting rows: the least that a pass can compute, so its time is the time of a pass itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from jobs.kernels.contract import Statistics
from jobs.records import Record


@dataclass
class CountQuery(Record):
    """Nothing need be known to count."""


@dataclass
class CountStatistics(Statistics):
    """How many rows there are."""

    order_free: ClassVar[bool] = True

    n_rows: int

    @classmethod
    def zero(cls, query: CountQuery) -> CountStatistics:
        return cls(0)

    def add(self, rows: Any, query: CountQuery) -> None:
        self.n_rows += len(rows.w)
