"""What a pack is to hold."""

from __future__ import annotations

from dataclasses import dataclass

SAMPLE_ROWS = 10_000


@dataclass(frozen=True)
class PackContents:
    """What a pack is to hold.

    chosen: the columns, all when None; hashed: columns whose text only tells rows apart, so that their hashes will do where
    there are too many; max_bad_rows: how many bad records may be set aside; sample_rows: how many rows are sampled;
    first_chunk: no more than that, for a look.
    """

    chosen: tuple[str, ...] | None = None
    hashed: tuple[str, ...] = ()
    max_bad_rows: int = 0
    sample_rows: int = SAMPLE_ROWS
    first_chunk: bool = False
