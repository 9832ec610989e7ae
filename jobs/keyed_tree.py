"""The tree of jobs/tree.py for each of many keys that are in few blocks each: equal bits at the price of what is there.

A tree for each key would be a dict of objects, and a tree of structs would copy every key at every level. Instead the
entries of all keys lie in one struct, sorted by key, part and number. Two neighbours of one key meet in the tree where
their numbers first differ, so the level of a merge is the highest bit of their exclusive or, and the merges of a level are
one vectorised step. A key that is absent on one side of a node is not looked at there: nothing is the identity of merge.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from jobs.errors import BadBlock, BadRecord
from jobs.kernels.keyed import NEVER, KeyedStatistics, bucket_bounds, fold
from jobs.records import Record, array_field
from jobs.tree import MergeTree, Seen

# So many bytes of entries wait before they are merged.
LEAST_WAITING = 1 << 28


@dataclass
class Entries(Record):
    """Statistics of keys, each of some blocks of one part of which `numbers` names one: rows (N,), keys may repeat."""

    statistics: KeyedStatistics
    parts: np.ndarray = array_field("<u8", 1)
    numbers: np.ndarray = array_field("<u8", 1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self.parts) == len(self.numbers) == len(self.statistics.keys):
            raise BadRecord("entries of keys of which not each has its place")

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def n_bytes(self) -> int:
        """What they take in memory."""
        arrays = (getattr(self.statistics, f.name) for f in dataclasses.fields(self.statistics))
        return self.parts.nbytes + self.numbers.nbytes + sum(array.nbytes for array in arrays)

    def slice(self, begin: int, end: int) -> Entries:
        """The entries from one place to another, not copied."""
        return Entries(self.statistics.take(slice(begin, end)), self.parts[begin:end], self.numbers[begin:end])


class KeyedTree:
    """What MergeTree is for whole results, for each of many keys: equal bits, without looking at a key where it is absent.

    Two neighbours in the order (part, number) of one key merge where their paths meet, at the lowest level first, as soon
    as nothing can come between them. Entries wait in a heap and are merged all together, when they take twice the memory.

    n_blocks: of each part of which it is known, where nothing is to come behind its last block
    """

    def __init__(self, n_buckets: int = 1, n_blocks: dict[int, int] | None = None, least: int = LEAST_WAITING) -> None:
        self.n_buckets, self.n_blocks, self.least = n_buckets, n_blocks or {}, least
        self.blocks: MergeTree[Seen] = MergeTree()
        self._heap: list[Entries] = []
        self._waiting_bytes, self._kept_bytes = 0, 0

    def add(self, part: int, number: int, leaf: KeyedStatistics) -> None:
        """Takes the statistics of a block in.

        :raises BadBlock: when they are here already
        """
        self.blocks.add(part, 0, number, Seen())
        n = len(leaf.keys)
        entries = Entries(leaf, np.full(n, part, np.uint64), np.full(n, number, np.uint64))
        self._heap.append(entries)
        self._waiting_bytes += entries.n_bytes
        if self._waiting_bytes > max(self.least, 2 * self._kept_bytes):
            buckets = [entries for _, entries in self.buckets()]
            self._heap = [joined_entries(buckets)] if buckets else []
            self._waiting_bytes = self._kept_bytes = sum(entries.n_bytes for entries in self._heap)

    def places(self) -> np.ndarray:
        """The complete subtrees of blocks that are here, part, level, index of each in the order of the data: (m, 3)."""
        return np.array([place for place, _ in self.blocks.nodes()], np.uint64).reshape(-1, 3)

    def _complete(self) -> np.ndarray:
        """Likewise the subtrees within which no block is to come: a part ends with its last block, but its tree goes on."""
        filled: MergeTree[Seen] = MergeTree()
        places = self.places()
        for part, level, index in places.tolist():
            filled.add(part, level, index, Seen())
        for part in {part for part in places[:, 0].tolist() if part in self.n_blocks}:
            end = self.n_blocks[part]
            while end & (end - 1):  # up to the next power of two
                level = (end & -end).bit_length() - 1
                filled.add(part, level, end >> level, Seen())
                end += 1 << level
        return np.array([place for place, _ in filled.nodes()], np.uint64).reshape(-1, 3)

    def buckets(self) -> Iterator[tuple[int, Entries]]:
        """Each bucket that has keys and its entries, merged as far as they can be, by key and in the order of the data."""
        bounds = [bucket_bounds(entries.statistics.keys, self.n_buckets) for entries in self._heap]
        places = self._complete()
        for b in range(self.n_buckets):
            some = [e.slice(ends[b], ends[b + 1]) for e, ends in zip(self._heap, bounds) if ends[b] < ends[b + 1]]
            if some:
                yield b, merged_entries(joined_entries(some), places)


def joined_entries(many: list[Entries]) -> Entries:
    """All entries, one below the other."""
    kind = type(many[0].statistics)
    return Entries(
        kind.concatenate([entries.statistics for entries in many]),
        np.concatenate([entries.parts for entries in many]),
        np.concatenate([entries.numbers for entries in many]),
    )


def merged_entries(entries: Entries, complete: np.ndarray | None = None) -> Entries:
    """The entries merged along the tree over (part, number), which are the 128 bits of a path; they are overwritten.

    :param complete: the subtrees (m, 3) within which no block is to come; None when no block is
    :raises BadBlock: two entries of one key and block
    """
    keys, parts, numbers = entries.statistics.keys, entries.parts, entries.numbers
    order = np.lexsort((numbers, parts, keys))
    key, part, number = keys[order], parts[order], numbers[order]
    far = _bit_length(part[1:] ^ part[:-1])
    levels = np.where(far > 0, 64 + far, _bit_length(number[1:] ^ number[:-1]))
    same = key[1:] == key[:-1]
    if np.any(same & (levels == 0)):
        raise BadBlock("a block came twice; give each packed file once")
    if complete is not None:
        ceiling = np.zeros(len(order), np.int64)
        for p, level, index in complete.tolist():
            ceiling[(part == p) & (number >> np.uint64(level) == index)] = level
        same &= levels <= ceiling[1:]
    levels = np.where(same, levels, NEVER)
    left = np.ones(len(order), bool)
    left[1:] = levels == NEVER
    return Entries(fold(entries.statistics, order, levels), part[left], number[left])


def _bit_length(values: np.ndarray) -> np.ndarray:
    """The number of bits of whole numbers, shape (n,), uint64; exact, since halves are floats without rounding."""
    high = np.frexp((values >> np.uint64(32)).astype(float))[1]
    low = np.frexp((values & np.uint64(0xFFFFFFFF)).astype(float))[1]
    return np.where(high > 0, 32 + high, low).astype(np.int64)
