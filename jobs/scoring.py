"""The scores of a block, one for each of its rows, in their order."""

from __future__ import annotations

import numpy as np

from jobs.design import Rows
from jobs.kernels.scorers import Output, Scorer


def scored(rows: Rows, n_rows: int, scorer: Scorer) -> list[Output]:
    """The columns of a scorer, each (n_rows,): nothing where the design left a row of the block out, or a feature is
    missing."""
    outputs = scorer.score(rows)
    if len(rows.positions) == n_rows:
        return outputs
    return [Output(output.name, _spread(output.values, rows.positions, n_rows), output.texts) for output in outputs]


def _spread(values: np.ndarray, positions: np.ndarray, n_rows: int) -> np.ndarray:
    found = np.full(n_rows, np.nan if values.dtype.kind == "f" else -1, values.dtype)
    found[positions] = values
    return found
