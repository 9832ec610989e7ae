"""Profiles on disk: readable JSON, and with it the statistics themselves, so that profiles of the same columns merge.

{"format": "scanlearn-profile", "version": 1, "kind": "profile", "rows": ..., "columns": [...], ..., "record": "..."}

Everything but "record" is derived from it and is there to be read. In a pass the keys of a column of text are codes of its
pack; here they are hashes of the texts, the same in every file.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from drivers.designs import id_hashes
from drivers.json_files import read_json
from drivers.output_files import write_whole
from drivers.packing.cache import Pack
from drivers.packing.kinds import DATE, DAY_TYPE, TEXT
from drivers.wording import listed
from jobs.errors import BadRecord, ScanError
from jobs.kernels.column_values import changed
from jobs.kernels.distinct_sketch import registers_of
from jobs.kernels.table_profile import TableProfileStatistics
from jobs.records import Record, readable

FORMAT, VERSION = "scanlearn-profile", 1
DAY, BOOLEAN = "day", "boolean"
UNKNOWN = -1


@dataclass
class TableProfile(Record):
    """What is known of the rows of one table, or of several.

    kinds: of each column, as the manifest of its pack says; hints: what the cells were written as, where that is more than
    the kind says; n_texts: how many different texts a column has, UNKNOWN where only the statistics can tell; texts: for
    each column of text the texts of the keys that its statistics hold; left_out: columns that could not be packed, and why.
    """

    columns: list[str]
    kinds: list[str]
    hints: list[str]
    n_texts: list[int]
    texts: dict[str, dict]
    n_rejected: int
    left_out: dict[str, str]
    statistics: TableProfileStatistics

    def __post_init__(self) -> None:
        super().__post_init__()
        p = len(self.columns)
        if not len(self.kinds) == len(self.hints) == len(self.n_texts) == len(self.statistics.kinds) == p:
            raise BadRecord("a profile whose parts are not of the same columns")

    @classmethod
    def of(cls, pack: Pack, statistics: TableProfileStatistics) -> TableProfile:
        """What a pass over a pack has found."""
        manifest = pack.manifest
        types = manifest.types()
        texts: dict[str, dict] = {}
        n_texts = [UNKNOWN] * len(manifest.columns)
        values = []
        registers = statistics.registers.copy()
        extremes = statistics.extremes.copy()
        for j, (name, column) in enumerate(zip(manifest.columns, statistics.column_values())):
            if manifest.kinds[j] == TEXT:
                known = pack.texts[name]
                hashes = id_hashes(known)
                n_texts[j] = len(known)
                registers[j] = registers_of(hashes)
                codes, frequent_codes = column.summary.keys, column.frequent.keys
                texts[name] = {str(hashes[code]): known[code] for code in (*codes.tolist(), *frequent_codes.tolist())}
                column = changed(column, hashes[codes], hashes[frequent_codes])
                extremes[j] = [np.iinfo(np.int64).max, np.iinfo(np.int64).min]  # hashes have no order that tells anything
            values.append(column)
        statistics = dataclasses.replace(statistics.with_values(values), registers=registers, extremes=extremes)
        hints = [_hint(kind, types.get(name)) for name, kind in zip(manifest.columns, manifest.kinds)]
        return cls(
            manifest.columns, manifest.kinds, hints, n_texts, texts, manifest.n_rejected, manifest.left_out, statistics
        )

    def merge(self, other: TableProfile) -> TableProfile:
        """Of the rows of both.

        :raises ScanError: profiles of other columns
        """
        if self.columns != other.columns:
            different = sorted(set(self.columns) ^ set(other.columns))
            what = f"only one has {listed(different)}" if different else "they are in another order"
            raise ScanError(f"they are of other columns: {what}")
        mine, its = self._like(other), other._like(self)
        for name, kind, another in zip(self.columns, mine.kinds, its.kinds):
            if kind != another:
                raise ScanError(f"the column {name!r} is {kind} in one and {another} in the other")
        try:
            statistics = mine.statistics.merge(its.statistics)
        except BadRecord as error:
            raise ScanError(f"{error}; describe both with the same options") from None
        hints = [hint if hint == another else "" for hint, another in zip(mine.hints, its.hints)]
        texts = {name: {**known, **its.texts.get(name, {})} for name, known in mine.texts.items()}
        for name, column in zip(self.columns, statistics.column_values()):
            if name in texts:  # those of keys that the merged statistics still hold
                kept = {str(key) for key in (*column.summary.keys.tolist(), *column.frequent.keys.tolist())}
                texts[name] = {key: text for key, text in texts[name].items() if key in kept}
        return TableProfile(
            self.columns, mine.kinds, hints, [UNKNOWN] * len(self.columns), texts, self.n_rejected + other.n_rejected,
            {**other.left_out, **self.left_out}, statistics,
        )  # fmt: skip

    def _like(self, other: TableProfile) -> TableProfile:
        """The same profile where columns without a cell are of the other one's kind: nothing says what they are."""
        empty = [j for j in np.flatnonzero(self.statistics.n_present == 0).tolist() if other.statistics.n_present[j]]
        kinds, hints, texts = list(self.kinds), list(self.hints), dict(self.texts)
        for j in empty:
            kinds[j], hints[j] = other.kinds[j], other.hints[j]
            texts.pop(self.columns[j], None)
            if kinds[j] == TEXT:
                texts[self.columns[j]] = {}
        statistics = self.statistics.taking(other.statistics, empty)
        return dataclasses.replace(self, kinds=kinds, hints=hints, texts=texts, statistics=statistics)

    def write(self, path: str, told: dict[str, Any]) -> None:
        """Writes the file, whole or not at all, with what is told of the profile.

        :raises ScanError: where it cannot be written
        """
        text = json.dumps(readable({**told, "record": self.to_line()}), indent=1, allow_nan=False)
        write_whole(path, "profile", text + "\n")

    @classmethod
    def read(cls, path: str) -> TableProfile:
        """Reads a file.

        :raises ScanError: where it cannot be read, is damaged, of another version, or no profile
        """
        told = read_json(path, FORMAT, VERSION, "profile", remedy=f"describe.py DATA -o {path} makes one")
        if not isinstance(told.get("record"), str):
            raise ScanError(f"{path} holds no statistics; merge profile.json of a run directory, or what -o has written")
        try:
            return cls.from_line(told["record"])
        except BadRecord as error:
            why, _, _ = str(error).partition(": '")  # without what stands in the file
            raise ScanError(f"{path} is damaged: {why}; copy or make it again") from None


def _hint(kind: str, arrow: pa.DataType | None) -> str:
    if arrow is not None and pa.types.is_boolean(arrow):
        return BOOLEAN
    return DAY if kind == DATE and arrow == DAY_TYPE else ""
