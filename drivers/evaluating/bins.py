"""Where the bins of a pass lie: by a sample of the values, so that about the same number of rows is in each.

Values that the sample holds often have a bin of their own, which loses nothing; a table with few different values has one
for each. The ends, where the rows of a rare class lie, and what lies beyond the sample have bins besides.
"""

from __future__ import annotations

import numpy as np

from jobs.kernels.scores import bin_edges

MOST_BINS, LEAST_BINS = 2048, 64
# Of all bins these shares: at quantiles of all values, of those of the class, at either end, on a fixed scale, and of
# values that are frequent, each of which takes two edges.
ALL, OF_CLASS, ABOVE, BELOW, FIXED, FREQUENT = 0.4, 0.12, 0.12, 0.08, 0.12, 0.06


def score_edges(p: np.ndarray, mine: np.ndarray, n_bins: int) -> np.ndarray:
    """Edges for probabilities (n,) of a class, `mine` (n,) being the rows of it: ascending, at most n_bins - 1. 0, 1 and
    1/2 are among them, where few values are certain and labels change."""
    fixed = bin_edges(max(int(FIXED * n_bins), 2))[1:-1]
    always = np.array([0.0, np.nextafter(0.0, 1.0), 0.5, 1.0, np.nextafter(1.0, 2.0)])
    return _edges(p, p[mine], fixed, always, n_bins)


def error_edges(values: np.ndarray, n_bins: int) -> np.ndarray:
    """Edges for errors (n,), or their sizes: ascending, at most n_bins - 1."""
    steps = (np.abs(values).max(initial=0.0) or 1.0) * 2.0 ** np.arange(1, max(n_bins // 32, 2))
    # There is no class whose quantiles would be wanted besides: all has its share.
    return _edges(values, values, np.concatenate([-steps[::-1], steps]), np.array([0.0]), n_bins)


def _edges(values: np.ndarray, own: np.ndarray, fixed: np.ndarray, always: np.ndarray, n_bins: int) -> np.ndarray:
    different, counts = np.unique(values, return_counts=True)
    most = n_bins - 1
    if len(different) <= (most - len(always)) // 2 and len(different):
        return np.unique(np.concatenate([different, np.nextafter(different, np.inf), always]))
    parts = [fixed, always]
    if len(different):
        n_below, n_above = int(BELOW * n_bins), int(ABOVE * n_bins)
        often = np.argsort(counts, kind="stable")[::-1][: int(FREQUENT * n_bins)]
        often = different[often[counts[often] * n_bins > 0.5 * len(values)]]
        parts += [different[:n_below], different[-n_above:], often, np.nextafter(often, np.inf)]
        n_all, n_own = int(ALL * n_bins), int(OF_CLASS * n_bins)
        parts += (
            [_at_quantiles(values, n_all + n_own)]
            if own is values
            else [_at_quantiles(values, n_all), _at_quantiles(own, n_own)]
        )
    return np.unique(np.concatenate(parts))


def _at_quantiles(values: np.ndarray, n: int) -> np.ndarray:
    if not len(values):
        return values
    return np.sort(values)[(np.linspace(0, 1, n + 2)[1:-1] * len(values)).astype(int)]


def padded(many: list[np.ndarray]) -> np.ndarray:
    """Edges of several histograms as one array (H, bins - 1): beyond its last edge one has more at infinity."""
    width = max((len(edges) for edges in many), default=0)
    found = np.full((len(many), width), np.inf)
    for h, edges in enumerate(many):
        found[h, : len(edges)] = edges
    return found
