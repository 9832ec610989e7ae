"""What a linear model says of its training: passes, and what became of the rows."""

from __future__ import annotations

from typing import Any

from drivers.run import Run
from jobs.kernels.wols import WOLSStatistics


def training_of(run: Run, statistics: Any, solver: str, converged: bool) -> dict[str, Any]:
    """What the model file says of its training; `statistics` None where no pass has summed the weights."""
    training = {
        "solver": solver,
        "converged": converged,
        "n_passes": run.n_passes,
        "rows_in": run.counts.read + run.pack.manifest.n_rejected,
        "rows_used": run.counts.used,
        "rows_rejected": run.counts.rejected + run.pack.manifest.n_rejected,
        "rows_missing": run.counts.missing,
        "data_fingerprint": run.pack.manifest.fingerprint,
    }
    if statistics is not None:
        training.update(_sums(statistics))
    return training


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
