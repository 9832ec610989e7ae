"""What a model says of its training: passes, and what became of the rows."""

from __future__ import annotations

from typing import Any

from drivers.run import Run


def training_of(run: Run, solver: str, converged: bool) -> dict[str, Any]:
    """What the model file of any kind says of its training."""
    return {
        "solver": solver,
        "converged": converged,
        "n_passes": run.n_passes,
        "rows_in": run.counts.read + run.pack.manifest.n_rejected,
        "rows_used": run.counts.used,
        "rows_rejected": run.counts.rejected + run.pack.manifest.n_rejected,
        "rows_missing": run.counts.missing,
        "data_fingerprint": run.pack.manifest.fingerprint,
    }
