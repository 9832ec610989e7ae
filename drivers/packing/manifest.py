"""The manifest of a pack: what the blocks hold, and what the drivers know of the table without a pass."""

from __future__ import annotations

import base64
import difflib
import json
import os
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Optional

import numpy as np
import pyarrow as pa

from drivers.packing.kinds import HASH, INTEGER, TEXT
from drivers.wording import listed
from jobs.errors import ScanError
from jobs.kernels.sample import SampleStatistics
from jobs.moments import Moments
from jobs.records import Record, array_field
from jobs.text import TextFormat

if TYPE_CHECKING:
    from drivers.packing.column_types import ColumnTypes
    from drivers.packing.formats import Reader

FORMAT_VERSION = 3
SAMPLE, MANIFEST, DICTIONARIES = "sample.record", "manifest.record", "dictionaries.record"


@dataclass
class Manifest(Record):
    """Columns, counts and first moments of a packed table; arrays have one entry a column, NaN for one of text.

    kinds: of each column, see drivers.packing.kinds; schema: the Arrow types they were read as; text: how tasks read
    the files themselves, None where they cannot; unit: what messages count rows by, "line" or "row"; delimiter: of the
    files, a comma where they have none; notes: what was found and not given; left_out: columns that are not here, and
    why; sources: path, size, version, copy, first_row and n_rows of each file; fingerprint: a checksum of all blocks
    and dictionaries; parts: number and rows of each part, in their order, whose blocks are all full but its last.
    """

    format_version: int
    columns: list[str]
    kinds: list[str]
    schema: str
    text: Optional[TextFormat]  # noqa: UP045  (a record looks at its fields by this name)
    unit: str
    delimiter: str
    notes: list[str]
    left_out: dict[str, str]
    n_rows: int
    n_rejected: int
    n_blocks: int
    block_rows: int
    fingerprint: str
    sources: list[dict]
    means: np.ndarray = array_field("<f8", 1)
    minima: np.ndarray = array_field("<f8", 1)
    maxima: np.ndarray = array_field("<f8", 1)
    n_missing: np.ndarray = array_field("<i8", 1)
    n_texts: np.ndarray = array_field("<i8", 1)  # in a column's dictionary; 0 for one of numbers
    parts: np.ndarray = array_field("<i8", 2)  # (m, 2)

    def index(self, name: str) -> int:
        """The place of a column.

        :raises ScanError: an unknown column, with the closest name there is, or why it was left out
        """
        if name in self.left_out:
            raise ScanError(f"the column {name!r} {self.left_out[name]}")
        return find_column(self.columns, name, self.notes)

    def row(self, part: int, block: int, position: int) -> int:
        """The number of a row, from 0, in the order of the data."""
        before = int(self.parts[self.parts[:, 0] < part, 1].sum())
        return before + block * self.block_rows + position

    def first_rows(self) -> np.ndarray:
        """The number of each part and of its first row, from 0 in the order of the data, (m, 2)."""
        return np.column_stack([self.parts[:, 0], np.cumsum(self.parts[:, 1]) - self.parts[:, 1]])

    def kind(self, name: str) -> str:
        """The kind of a column."""
        return self.kinds[self.index(name)]

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds numbers to calculate with, not texts or identities."""
        return self.kind(name) not in (TEXT, HASH, INTEGER)

    def mean(self, name: str) -> float:
        """The mean of a column's present cells; 0 where there are none."""
        value = float(self.means[self.index(name)])
        return value if np.isfinite(value) else 0.0

    def types(self) -> dict[str, pa.DataType]:
        """The Arrow type that each column was read as."""
        schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(self.schema)))
        return {field.name: field.type for field in schema}


def schema_text(types: dict[str, pa.DataType]) -> str:
    """What `Manifest.types` reads back."""
    return base64.b64encode(pa.schema(list(types.items())).serialize().to_pybytes()).decode("ascii")


@dataclass
class Dictionaries(Record):
    """The texts of each column of text, by code."""

    texts: dict[str, list[str]]


def find_column(columns: list[str], name: str, notes: list[str] | None = None) -> int:
    """The place of a column among others; `notes` are added to the message where they tell how the names were found.

    :raises ScanError: an unknown column, with the closest name there is
    """
    if name in columns:
        return columns.index(name)
    close = difflib.get_close_matches(name, columns, n=1, cutoff=0.5)
    hint = f"; did you mean {close[0]!r}?" if close else ";"
    why = "".join(f"\n  {note}" for note in notes or [])
    raise ScanError(f"there is no column {name!r}{hint} the columns are {listed(columns)}{why}")


def make_manifest(
    reader: Reader, columns: ColumnTypes, moments: Moments, texts: dict[str, list[str]], *, fingerprint: str, **counts: Any
) -> Manifest:
    """The manifest of a table that has been packed; `counts`: the fields that only its packing knows."""
    kinds = columns.kinds
    if texts:
        fingerprint += f"-{zlib.crc32(json.dumps(texts).encode()):08x}"
    n_present = counts["n_rows"] - moments.n_missing
    known = moments.numbers & (n_present > 0)
    return Manifest(
        format_version=FORMAT_VERSION,
        columns=list(kinds),
        kinds=list(kinds.values()),
        schema=schema_text(columns.types),
        text=reader.text,
        unit=reader.unit,
        delimiter=reader.delimiter,
        notes=list(reader.notes),
        left_out=columns.left_out,
        fingerprint=fingerprint,
        means=np.divide(moments.sums, n_present, out=np.full(len(kinds), np.nan), where=known),
        minima=np.where(known, moments.minima, np.nan),
        maxima=np.where(known, moments.maxima, np.nan),
        n_missing=moments.n_missing,
        n_texts=np.array([len(texts.get(name, ())) for name in kinds], dtype=np.int64),
        **counts,
    )


def write_records(folder: str, manifest: Manifest, sample: SampleStatistics, texts: dict[str, list[str]]) -> None:
    """Writes the records that lie beside the blocks; the manifest comes last."""
    records: list[tuple[str, Record]] = [(SAMPLE, sample), (DICTIONARIES, Dictionaries(texts)), (MANIFEST, manifest)]
    for name, record in records:
        with open(os.path.join(folder, name), "w", encoding="ascii") as f:
            f.write(record.to_line() + "\n")
            f.flush()
            os.fsync(f.fileno())
