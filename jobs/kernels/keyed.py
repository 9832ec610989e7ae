"""Statistics of many keys at once: a struct of arrays, one row a key, never a dict of objects.

A key is 64 bits, and the keys of a struct are hashed and ascending, so the keys of a bucket lie together. Two structs merge
by one sort of their keys; `pair` merges what they have of the same key. A key of one struct alone is left as it is, and so
an absent key is the identity of merge, bit for bit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from jobs.errors import BadRecord
from jobs.kernels.contract import Statistics, close_arrays
from jobs.keys import mix
from jobs.records import Record, array_field

KeyedT = TypeVar("KeyedT", bound="Keyed")
KeyedStatisticsT = TypeVar("KeyedStatisticsT", bound="KeyedStatistics")
# The level of neighbours that never merge.
NEVER = 255
_GAMMA = np.uint64(0x9E3779B97F4A7C15)


@dataclass
class Keyed(Record):
    """A struct of arrays: `keys` (G,), and every other field with the leading axis G."""

    keys: np.ndarray = array_field("<u8", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        for f in dataclasses.fields(self):
            if len(getattr(self, f.name)) != len(self.keys):
                raise BadRecord(f"{type(self).__name__}.{f.name} is not of {len(self.keys)} keys")

    def take(self: KeyedT, indices: Any) -> KeyedT:
        """Some of the rows: indices (m,) or a slice."""
        return type(self)(*(getattr(self, f.name)[indices] for f in dataclasses.fields(self)))

    @classmethod
    def concatenate(cls: type[KeyedT], many: Sequence[KeyedT]) -> KeyedT:
        """The rows of all, one below the other.

        :raises BadRecord: structs of another kind, or of another number of columns
        """
        for one in many:
            if type(one) is not cls:
                raise BadRecord(f"a {type(one).__name__} among those of {cls.__name__}")
        try:
            return cls(*(np.concatenate([getattr(one, f.name) for one in many]) for f in dataclasses.fields(cls)))
        except ValueError as error:
            raise BadRecord(f"{cls.__name__} of different queries ({error})") from None


@dataclass
class KeyedStatistics(Keyed, Statistics):
    """Base of the statistics of many keys, of which a subclass has to say `zero`, `leaf` and `pair`; keys ascend."""

    @classmethod
    def leaf(cls: type[KeyedStatisticsT], rows: Any, query: Any) -> KeyedStatisticsT:
        """The statistics of the keys of some rows."""
        raise NotImplementedError

    def pair(self: KeyedStatisticsT, other: KeyedStatisticsT) -> KeyedStatisticsT:
        """What two structs of the same keys, row by row, are together; this one's rows come first in the data."""
        fields = (f.name for f in dataclasses.fields(self) if f.name != "keys")
        return type(self)(self.keys, *(getattr(self, name) + getattr(other, name) for name in fields))

    def add(self, rows: Any, query: Any) -> None:
        merged = self.merge(self.leaf(rows, query))
        for f in dataclasses.fields(self):
            setattr(self, f.name, getattr(merged, f.name))

    def merge(self: KeyedStatisticsT, other: Statistics) -> KeyedStatisticsT:
        both = type(self).concatenate([self, other])  # type: ignore[list-item]
        order = np.argsort(both.keys, kind="stable")
        keys = both.keys[order]
        return fold(both, order, np.where(keys[1:] == keys[:-1], 0, NEVER))

    def close(self, other: Statistics, rtol: float = 1e-12) -> bool:
        if not isinstance(other, KeyedStatistics) or not np.array_equal(self.keys, other.keys):
            return False
        names = [f.name for f in dataclasses.fields(self) if f.name != "keys"]
        return all(close_arrays(getattr(self, name), getattr(other, name), rtol) for name in names)


def fold(statistics: KeyedStatisticsT, order: np.ndarray, levels: np.ndarray) -> KeyedStatisticsT:
    """Merges neighbours, those of the lowest level first; `statistics` is overwritten.

    :param order: the rows in the order in which they are neighbours, shape (n,)
    :param levels: the level at which row i and row i + 1 of this order merge, or NEVER, shape (n - 1,); no row has a
        neighbour of the same level on either side
    """
    alive = np.asarray(order)
    for level in np.unique(levels):
        if level == NEVER:
            break
        at = np.flatnonzero(levels == level)
        left, right = alive[at], alive[at + 1]
        merged = statistics.take(left).pair(statistics.take(right))
        for f in dataclasses.fields(statistics):
            getattr(statistics, f.name)[left] = getattr(merged, f.name)
        alive, levels = np.delete(alive, at + 1), np.delete(levels, at)
    return statistics.take(alive)


def grouped(keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The order that brings equal keys together and keeps that of the rows within, shape (n,), and where in it each of the
    G keys begins, shape (G,)."""
    order = np.argsort(keys, kind="stable")
    ascending = keys[order]
    begins = np.ones(len(keys), bool)
    begins[1:] = ascending[1:] != ascending[:-1]
    return order, np.flatnonzero(begins)


# -- keys -----------------------------------------------------------------------------------------------------------------


def keys_of(values: np.ndarray) -> np.ndarray:
    """The key of each value of a column, codes and whole numbers by value, other numbers by their bits; (n,), uint64."""
    if values.dtype.kind == "f":
        return mix((np.asarray(values, float) + 0.0).view(np.uint64))  # -0 is 0
    return mix(values.astype(np.int64).view(np.uint64))


def values_of(keys: np.ndarray, dtype: Any) -> np.ndarray:
    """The values of keys, of a column of this dtype, float64 or whole numbers: the inverse of `keys_of`."""
    bits = _unmix(keys)
    return bits.view(np.float64) if np.dtype(dtype).kind == "f" else bits.view(np.int64).astype(dtype)


def bucket_bounds(keys: np.ndarray, n_buckets: int) -> np.ndarray:
    """Where each bucket of ascending keys begins, and the end; shape (n_buckets + 1,).

    Keys are hashed, so equal pieces of their range hold about equally many.
    """
    first = np.array([(b << 64) // n_buckets for b in range(1, n_buckets)], np.uint64)
    return np.concatenate([[0], np.searchsorted(keys, first), [len(keys)]])


def _unmix(values: np.ndarray) -> np.ndarray:
    """The inverse of jobs.keys.mix: each step of SplitMix64's finaliser is one to one."""
    z = np.asarray(values, dtype=np.uint64)
    z = _unshift(z, 31) * np.uint64(pow(0x94D049BB133111EB, -1, 2**64))
    z = _unshift(z, 27) * np.uint64(pow(0xBF58476D1CE4E5B9, -1, 2**64))
    return _unshift(z, 30) - _GAMMA


def _unshift(z: np.ndarray, n_bits: int) -> np.ndarray:
    """The x of z = x ^ (x >> n_bits), for n_bits above 21."""
    return z ^ (z >> np.uint64(n_bits)) ^ (z >> np.uint64(2 * n_bits))
