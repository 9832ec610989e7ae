"""What a fit will take, before it is begun: what its columns must be, its passes, and what a task holds."""

from __future__ import annotations

from drivers.foresight import Foresight, Phase
from drivers.glm.candidates import MOST_BYTES
from drivers.glm.fit import MOST_SCORED
from drivers.glm.options import N_ALPHAS, Settings
from drivers.glm.state import NEWTON
from drivers.packing.cache import Pack
from drivers.role_checks import check_clusters, check_counts, check_folds
from jobs.design import Design
from jobs.kernels.families import has_own_curvature
from jobs.kernels.scores import N_BINS


def check_rows(settings: Settings, design: Design, pack: Pack) -> None:
    """:raises ScanError: what the columns cannot be asked for, told before a pass is spent"""
    if settings.weight_type == "frequency":
        check_counts(design, pack)
    check_folds(settings.folds.n_folds, design, pack)
    if design.cluster is not None and not pack.is_partial:
        check_clusters(design, pack)


def foresight_of_groups(settings: Settings, design: Design, remarks: list[str]) -> Foresight:
    """The passes of a model for each group, and what a group takes in a task."""
    d = len(design.feature_names) + 1
    triangle = d * (d + 1) // 2
    n_numbers = d + 9 + triangle * (2 if has_own_curvature(settings.family, settings.link) else 1)
    phases = [Phase("start", 1, 1), Phase("fit", 1, settings.max_iter, "until every group has converged")]
    return Foresight(design, phases, remarks, bytes_a_key=8 * n_numbers)


def phases_of(settings: Settings, design: Design, n_classes: int) -> tuple[list[Phase], int]:
    """The phases, and the bytes of the statistics of a task."""
    d = len(design.feature_names) + 1
    q = n_classes if n_classes > 2 else 1
    n_ratios = len(settings.l1_ratios) if settings.penalty.kind == "elastic-net" else 1
    n_points = (
        1 if not settings.is_penalised else n_ratios * (N_ALPHAS if settings.alphas is None else len(settings.alphas))
    )
    n_folds = settings.folds.n_folds
    m = n_points * (1 + n_folds if n_folds > 1 else 1)
    bytes_each = 8 * (q * d) ** 2 if settings.solver == NEWTON else 16 * q * d
    n_chunks = max(1, -(-m * bytes_each // MOST_BYTES)) if settings.solver == NEWTON else 1
    counts = settings.class_weight == "balanced"
    extra = bool(n_classes) and m > MOST_SCORED
    phases = [
        Phase("classes", int(counts), int(counts)),
        Phase("spreads", int(settings.penalty.standardize), int(settings.penalty.standardize)),
        Phase("fit", 2 * n_chunks, settings.max_iter * n_chunks, "until every candidate has converged"),
        Phase("evaluation", int(extra), int(bool(n_classes)), "where the last passes have not gathered the scores"),
    ]
    if settings.covariance != "classical":
        phases.append(Phase("scores", 1, 1))
    scores = 24 * N_BINS * (1 if n_classes == 2 else n_classes) * min(m, MOST_SCORED) if n_classes else 0
    return [phase for phase in phases if phase.at_most], min(m * bytes_each, MOST_BYTES) + scores
