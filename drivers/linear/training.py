"""What a linear model says of its training besides."""

from __future__ import annotations

from typing import Any

from drivers.run import Run
from drivers.training import training_of
from jobs.kernels.wols import WOLSStatistics


def training_with_sums(run: Run, statistics: Any, solver: str, converged: bool) -> dict[str, Any]:
    """What the model file says of its training; `statistics` None where no pass has summed the weights."""
    return {**training_of(run, solver, converged), **(_sums(statistics) if statistics is not None else {})}


def training_of_statistics(statistics: WOLSStatistics) -> dict[str, Any]:
    """The same for a fit of a statistics file, of which only the rows that were used are known."""
    n = statistics.n_rows + statistics.n_zero_weight
    return {
        "solver": "exact",
        "converged": True,
        "n_passes": 0,
        "rows_in": n,
        "rows_used": n,
        "rows_rejected": 0,
        "rows_missing": 0,
        "data_fingerprint": None,
        **_sums(statistics),
    }


def _sums(statistics: Any) -> dict[str, Any]:
    return {name: getattr(statistics, name) for name in ("n_rows", "n_zero_weight", "weight_sum")}
