"""Row keys: 64 random-looking bits for each row, which depend on nothing but where the row stands in its pack.

Every random choice about rows (sample, fold, start, bootstrap) is a function of (seed, purpose, key), so it comes out the
same on every runner and for every split of the data. The mixer is the finaliser of SplitMix64 (Steele, Lea and Flood,
"Fast splittable pseudorandom number generators", OOPSLA 2014), a bijection on 64-bit integers.
"""

from __future__ import annotations

import hashlib

import numpy as np

_GAMMA = np.uint64(0x9E3779B97F4A7C15)


def mix(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser, elementwise; uint64 in, uint64 of the same shape out."""
    z = np.asarray(values, dtype=np.uint64) + _GAMMA
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def row_keys(part: int, number: int, n_rows: int) -> np.ndarray:
    """The keys of the rows of block `number` of part `part`; shape (n_rows,), uint64."""
    base = mix(mix(np.array([part], dtype=np.uint64)) + np.uint64(number))
    return mix(base + np.arange(n_rows, dtype=np.uint64))


def id_keys(ids: np.ndarray) -> np.ndarray:
    """Keys from an id column, so that a row keeps its key wherever it is packed; shape (n_rows,), uint64."""
    values = np.ascontiguousarray(ids)
    if values.dtype.kind != "f":
        return mix(values.astype(np.int64).view(np.uint64))
    # 5 and 5.0 are one id, in whichever type it was packed; beyond 2**53 a float is no longer one whole number.
    whole = (np.abs(values) <= 2.0**53) & (np.floor(values) == values)
    bits = np.where(whole, values, 0.0).astype(np.int64).view(np.uint64)
    return mix(np.where(whole, bits, values.view(np.uint64)))


def derive(keys: np.ndarray, seed: int, purpose: str) -> np.ndarray:
    """Fresh random bits for one purpose: independent of those of every other purpose and seed."""
    digest = hashlib.sha256(f"{purpose}:{seed}".encode()).digest()
    return mix(keys ^ np.uint64(int.from_bytes(digest[:8], "little")))
