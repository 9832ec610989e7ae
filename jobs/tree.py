"""Merging along a fixed binary tree, which makes a pass give the same bits however the data were split.

Block n of a part is leaf n of a binary tree. Results merge only with their sibling, left with right, so the order of
floating-point operations is a property of the data and not of the tasks. A task that holds blocks 3 to 9 is left with the
O(log n) complete subtrees among them; the reducer completes the rest, whatever the order in which they arrive.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from jobs.errors import BadBlock, BadRecord

T = TypeVar("T")


class MergeTree(Generic[T]):
    """Complete subtrees of results that have a method `merge(other)`; siblings merge as soon as both are here.

    Subtree (part, level, index) covers the blocks index * 2**level ... (index + 1) * 2**level - 1.
    """

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, int, int], T] = {}

    def add(self, part: int, level: int, index: int, result: T) -> None:
        """Takes the result of a subtree in.

        :raises BadBlock: when a result for the same blocks is here already
        """
        while (part, level, index ^ 1) in self._nodes:
            sibling = self._nodes.pop((part, level, index ^ 1))
            result = result.merge(sibling) if index % 2 == 0 else sibling.merge(result)  # type: ignore[attr-defined]
            level, index = level + 1, index // 2
        if (part, level, index) in self._nodes:
            raise BadBlock(f"block {index << level} of part {part} came twice; give each packed file once")
        self._nodes[part, level, index] = result

    def nodes(self) -> Iterator[tuple[tuple[int, int, int], T]]:
        """The subtrees that have no sibling here, in the order of the data."""
        yield from sorted(self._nodes.items(), key=lambda item: (item[0][0], item[0][2] << item[0][1]))

    def total(self) -> T | None:
        """All results as one: the open right edge of each part from right to left, then the parts from left to right.

        None without any result.

        :raises BadBlock: when a block is missing or came twice
        """
        parts: dict[int, list[T]] = {}
        following: dict[int, int] = {}
        for (part, level, index), result in self.nodes():
            start, expected = index << level, following.get(part, 0)
            if start != expected:
                problem = "is missing" if start > expected else "came twice"
                raise BadBlock(
                    f"block {min(start, expected)} of part {part} {problem}; the pass did not see every row once"
                )
            parts.setdefault(part, []).append(result)
            following[part] = start + (1 << level)
        joined: T | None = None
        for part in sorted(parts):
            edge = parts[part]
            result = edge.pop()
            while edge:
                result = edge.pop().merge(result)  # type: ignore[attr-defined]
            joined = result if joined is None else joined.merge(result)  # type: ignore[attr-defined]
        return joined


@dataclass
class Seen:
    """Blocks that are here, of which nothing else is to be known."""

    def merge(self, other: Seen) -> Seen:
        return self


def check_place(part: int, level: int, index: int) -> None:
    """:raises BadRecord: a subtree at a place where no block can be"""
    if not (0 <= part < 2**64 and 0 <= level < 64 and 0 <= index < 2 ** (64 - level)):
        raise BadRecord("a subtree at a place where no block can be")
