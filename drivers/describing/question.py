"""The pass of a profile: all columns of a pack, their kinds for the kernel, and where their moments are taken about."""

from __future__ import annotations

import math

import numpy as np

from drivers.packing.cache import Pack
from drivers.packing.kinds import HASH, INTEGER, TEXT
from jobs.design import Design
from jobs.kernels.distinct_sketch import N_REGISTERS
from jobs.kernels.table_profile import CODE, NUMBER, WHOLE, TableProfileQuery

# Values of a column that are counted one by one, where there are at most so many columns.
EXACT_VALUES = {32: 16384, 128: 8192}
EXACT_VALUES_OF_MANY = 4096
VALUES_A_COUNTER = 16
# A matrix of more columns is of no use to a reader, and its sums grow with their square.
MOST_CORRELATED = 500


def profile_design(pack: Pack) -> Design:
    """All columns, with their missing cells."""
    return Design(pack.manifest.columns, missing="keep")


def profile_query(pack: Pack, correlations: bool | None) -> TableProfileQuery:
    """The question about all columns of a pack.

    :param correlations: None: where there are not too many columns
    """
    manifest = pack.manifest
    kinds = np.array([_kernel_kind(kind) for kind in manifest.kinds], np.uint8)
    ranges = np.column_stack([manifest.means, manifest.minima, manifest.maxima])
    pairs = int(np.sum(kinds != CODE)) <= MOST_CORRELATED if correlations is None else correlations
    return query_about(kinds, ranges, pairs)


def query_about(kinds: np.ndarray, ranges: np.ndarray, pairs: bool = False, n_exact: int = 0) -> TableProfileQuery:
    """The question about columns of these kinds of the kernel, (p,).

    :param ranges: about the mean, the least and the largest cell of each, (p, 3), NaN where there is none
    :param n_exact: so many different values of a column, or more, are counted one by one
    """
    n_exact = max(next((n for most, n in EXACT_VALUES.items() if len(kinds) <= most), EXACT_VALUES_OF_MANY), n_exact)
    center, scale = _centers(kinds, ranges)
    return TableProfileQuery(n_exact, n_exact // VALUES_A_COUNTER, pairs, kinds, center, scale)


def bytes_of_answer(query: TableProfileQuery) -> int:
    """How large the answer of a task can become."""
    p, q = len(query.kinds), int(np.sum(query.kinds != CODE)) if query.pairs else 0
    return p * (N_REGISTERS + 16 * (query.n_exact + query.n_frequent)) + 32 * q * q


def _kernel_kind(kind: str) -> int:
    return {TEXT: CODE, INTEGER: WHOLE, HASH: WHOLE}.get(kind, NUMBER)


def _centers(kinds: np.ndarray, ranges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Near the middle of each column, and a power of two about as large as its cells are far from there."""
    center, scale = np.zeros(len(kinds)), np.ones(len(kinds))
    for j in np.flatnonzero(kinds != CODE):
        middle, *ends = ranges[j].tolist()
        if not (math.isfinite(ends[0]) and math.isfinite(ends[1])):  # without any value
            continue
        center[j] = middle if math.isfinite(middle) else ends[0] / 2 + ends[1] / 2  # of a sum that no double holds
        far = max(abs(end / 2 - center[j] / 2) for end in ends)
        if far:
            scale[j] = math.ldexp(1.0, min(max(math.frexp(far)[1] + 1, -1000), 1000))
    return center, scale
