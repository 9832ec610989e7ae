"""From the sums of a target by level to what stands for each level: equation (1) of jobs/recipe/categories.py."""

from __future__ import annotations

import numpy as np

from jobs.kernels.target_sums import TargetSumsQuery, TargetSumsStatistics
from jobs.recipe.categories import Encoding


def encodings_of(statistics: TargetSumsStatistics, query: TargetSumsQuery, smooth: float | None) -> list[Encoding]:
    """Of each column, by all rows and by the rows outside of each fold."""
    own = (statistics.weight, statistics.sums, statistics.squares)
    overall, values = _encoded([sums.sum(axis=0)[None] for sums in own], query, smooth)
    # The sums of the others, added up: a difference of nearly equal numbers would keep fewer digits.
    n_folds = query.folds.n_folds
    others = [np.stack([np.delete(sums, f, axis=0).sum(axis=0) for f in range(n_folds)]) for sums in own]
    _, out_of_fold = _encoded(others, query, smooth)
    ends = np.cumsum(query.n_levels)[:-1]
    return [
        Encoding(overall[0], mine, by_others)
        for mine, by_others in zip(np.split(values[0], ends), np.split(out_of_fold, ends, axis=1))
    ]


def _encoded(of_sets: list[np.ndarray], query: TargetSumsQuery, smooth: float | None) -> tuple[np.ndarray, np.ndarray]:
    """The mean of all rows, (g, q), and the encodings of the levels, (g, L, q), of g sets of rows with their weights, sums
    and squares."""
    weight, sums, squares = of_sets
    with np.errstate(invalid="ignore", divide="ignore"):
        total = weight[:, -1, None]
        mean = np.where(total > 0, sums[:, -1] / total, 0.0)
        w, s, q = weight[:, :-1, None], sums[:, :-1], squares[:, :-1]
        own = s / w
        if smooth is None:
            variance = squares[:, -1] / total - mean**2
            within = np.maximum(q / w - own**2, 0.0)
            # lambda of scikit-learn: the share of a level's own mean.
            share = variance[:, None] * w / (variance[:, None] * w + within)
        else:
            share = w / (w + smooth)
        found = share * own + (1 - share) * mean[:, None]
    found = np.where((w > 0) & np.isfinite(found), found, mean[:, None])
    center = query.center if query.width == 1 else 0.0
    return mean + center, found + center
