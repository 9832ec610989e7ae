"""Into how many buckets the entities of a table are dealt, and at which times a bucket is cut that is too large.

How large it is, and where its times lie, is known from the rows that packing has drawn.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from drivers.packing.cache import Pack
from drivers.packing.kinds import HASH, INTEGER, TEXT
from drivers.packing.locate import cells_at
from jobs.blocks import Block
from jobs.design import MISSING_CODE
from jobs.mr_history import BUCKET_BYTES, MOST_BUCKETS, HistoryQuery, buckets_of, time_keys

# Beside its cells a row has its entity, its time and its number.
BYTES_BESIDE = 24
# A bucket is cut when it is about so many times as large as it should be.
TOO_LARGE = 2.0


def n_buckets_for(n_rows: int, query: HistoryQuery) -> int:
    """How many buckets there are for so many rows."""
    return int(min(max(1, -(-n_rows * _row_bytes(query) // BUCKET_BYTES)), MOST_BUCKETS))


def edges_of(pack: Pack, query: HistoryQuery) -> np.ndarray:
    """The buckets that are cut, and the keys of the times where, ascending; (k, 2)."""
    none = np.zeros((0, 2), np.int64)
    n_bytes = pack.manifest.n_rows * _row_bytes(query)
    sampled = _sampled(pack, query) if n_bytes > TOO_LARGE * BUCKET_BYTES else None
    if sampled is None:
        return none
    rows = dataclasses.replace(query.design, missing="drop").apply(sampled)
    buckets = buckets_of(rows.group_keys, query.n_buckets)
    times = time_keys(rows.ids, query.question.times)
    found = [none]
    for bucket in np.unique(buckets).tolist():
        own = np.sort(times[buckets == bucket])
        times_too_large = n_bytes * len(own) / sampled.n_rows / BUCKET_BYTES
        if times_too_large > TOO_LARGE:
            n_pieces = int(np.ceil(times_too_large))
            cuts = np.unique(own[np.arange(1, n_pieces) * len(own) // n_pieces])
            found.append(np.column_stack([np.full(len(cuts), bucket), cuts]))
    return np.concatenate(found)


def _row_bytes(query: HistoryQuery) -> int:
    return BYTES_BESIDE + 8 * len(query.carried())


def _sampled(pack: Pack, query: HistoryQuery) -> Block | None:
    """The entities and times of the sampled rows; None where they cannot be had."""
    sample, manifest = pack.sample(), pack.manifest
    names = query.design.columns()
    # Which are not exact in a sample, whose rows are of float64, and far away in a pack on a cluster.
    exact = [name for name in names if manifest.kind(name) in (INTEGER, HASH)]
    if not len(sample.rows) or (exact and pack.url is not None):
        return None
    columns = cells_at(pack, exact, sample.places) if exact else {}
    for name in names:
        if name not in columns:
            values = sample.rows[:, manifest.index(name)]
            if manifest.kind(name) == TEXT:
                values = np.where(np.isnan(values), MISSING_CODE, values).astype(np.int32)
            columns[name] = values
    return Block(0, 0, len(sample.rows), columns)
