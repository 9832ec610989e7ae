"""The type that each column of a table is packed as: by its first rows, until later ones prove them wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from drivers.packing.contents import PackContents
from drivers.packing.formats import Reader
from drivers.packing.formats.chunk_parser import Reject, Types
from drivers.packing.kinds import (
    DATE,
    HASH,
    INTEGER,
    NUMBER,
    TEXT_TYPE,
    is_finite,
    is_whole,
    kind_of,
)
from drivers.packing.manifest import find_column
from drivers.packing.stores.source import Source
from jobs.errors import ScanError, quoted


class Retype(Exception):
    """A column turned out to be of another type than its first rows said; None: not to be packed at all, and why."""

    def __init__(self, name: str, arrow: pa.DataType | None, why: str = "") -> None:
        super().__init__(name)
        self.name, self.arrow, self.why = name, arrow, why


class ColumnTypes:
    """The columns of a table that are packed: `types` as they are read, `left_out` with the reason why.

    A column that changes its type makes the packing begin again; so it is at most twice a column.

    :raises ScanError: an unknown column among those that were chosen
    """

    def __init__(self, reader: Reader, sources: Sequence[Source], contents: PackContents) -> None:
        self.sources, self.contents = sources, contents
        for name in contents.chosen or ():
            find_column(reader.names, name, reader.notes)
        wanted = [name for name in reader.names if contents.chosen is None or name in contents.chosen]
        self.types: Types = {}
        self.left_out: dict[str, str] = {}
        for name, arrow in reader.look(wanted).items():
            if arrow is None:
                self.left_out[name] = "holds no numbers, texts or dates"
            else:
                self.types[name] = arrow
        self._settled: set[str] = set()  # columns that are numbers, however large
        self._as_hashes: set[str] = set()

    @property
    def kinds(self) -> dict[str, str]:
        """The kind of each column."""
        return {name: HASH if name in self._as_hashes else kind_of(arrow) for name, arrow in self.types.items()}

    @property
    def may_be_whole(self) -> np.ndarray:
        """Which columns of numbers are to become integers where they hold nothing else and some are too large."""
        return np.array([kind == NUMBER and name not in self._settled for name, kind in self.kinds.items()])

    def check(self) -> None:
        """:raises ScanError: a chosen column that cannot be packed; no column that can"""
        why = next(iter(self.left_out.items()), None)
        if self.contents.chosen is not None and why:
            raise ScanError(f"the column {why[0]!r} {why[1]}")
        if not self.types:
            reason = f"; {quoted(why[0])} {why[1]}" if why else ""
            raise ScanError(f"{self.sources[0].shown} has no column that can be packed{reason}")

    def change(self, change: Retype) -> None:
        """Takes another type of a column."""
        if change.name in self.contents.hashed and change.arrow is None:
            self._as_hashes.add(change.name)
        elif change.arrow is None:
            del self.types[change.name]
            self.left_out[change.name] = change.why
        else:
            self.types[change.name] = change.arrow
            if change.arrow == pa.float64():
                self._settled.add(change.name)

    def reconsider(self, bad: list[Reject]) -> None:
        """:raises Retype: among whole numbers one that is not whole, or one beyond 64 bits: an identity in digits"""
        for record in bad:
            if self.types.get(record.column) == pa.int64() and is_finite(record.value):
                raise Retype(record.column, TEXT_TYPE if is_whole(record.value) else pa.float64())


def is_numeric(kinds: Sequence[str]) -> np.ndarray:
    """Which kinds have moments, shape (p,)."""
    return np.array([kind in (NUMBER, INTEGER, DATE) for kind in kinds], dtype=bool)
