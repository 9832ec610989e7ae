"""The scores of a block, one for each of its rows, in their order."""

from __future__ import annotations

import numpy as np

from jobs.design import RowCounts, Rows
from jobs.kernels.scorers import Output, Scorer


def scored(rows: Rows, n_rows: int, scorer: Scorer) -> list[Output]:
    """The columns of a scorer, each (n_rows,): nothing where the design left a row of the block out, or a feature is
    missing."""
    outputs = scorer.score(rows)
    if len(rows.positions) == n_rows:
        return outputs
    return [Output(output.name, _spread(output.values, rows.positions, n_rows), output.texts) for output in outputs]


def counts_of(rows: Rows, outputs: list[Output]) -> RowCounts:
    """What became of the rows of a block that were scored so: those without a score count as missing."""
    n_without, found = int(outputs[0].missing.sum()), rows.counts
    return RowCounts(found.read, found.read - n_without, 0, n_without, found.filled, found.unknown)


def _spread(values: np.ndarray, positions: np.ndarray, n_rows: int) -> np.ndarray:
    found = np.full(n_rows, np.nan if values.dtype.kind == "f" else -1, values.dtype)
    found[positions] = values
    return found
