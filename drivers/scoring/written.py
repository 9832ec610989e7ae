"""How the scores and the columns beside them are written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from drivers.packing.buffers import from_mask, from_numpy, from_texts
from drivers.packing.kinds import DATE, DAY_TYPE, INTEGER, TEXT, kind_of
from jobs import csv_lines
from jobs.design import MISSING_INTEGER
from jobs.errors import ScanError


def check_kept(keep: list[str], scores: list[str]) -> None:
    """:raises ScanError: a column to keep that would have the name of one of the scores"""
    for name in keep:
        if name in scores:
            raise ScanError(
                f"--keep {name}: the scores have a column of that name; rename it in the table, or leave it out"
            )


def table_lines(columns: list[csv_lines.CsvColumn], delimiter: str = ",") -> bytes:
    """The same bytes as jobs/csv_lines.py, by Arrow in less time; map tasks have numpy alone."""
    n_rows = len(columns[0].values)
    if not n_rows:
        return b""
    cells = [_cells(column, delimiter) for column in columns]
    comma, newline, nothing, alone = from_texts([delimiter, "\n", "", csv_lines.missing_alone(columns[0])])
    if len(cells) > 1:
        rows = pc.binary_join_element_wise(*cells, comma)
    else:
        rows = pc.if_else(pc.equal(cells[0], nothing), alone, cells[0])
    whole = pa.ListArray.from_arrays(from_numpy(np.array([0, n_rows], np.int32)), rows)
    return b"".join([pc.binary_join(whole, newline)[0].as_buffer(), b"\n"])


def _cells(column: csv_lines.CsvColumn, delimiter: str) -> pa.LargeStringArray:
    if column.kind not in (csv_lines.NUMBER, csv_lines.WHOLE):
        return from_texts(csv_lines.cells_of(column, delimiter))
    if column.values.dtype.kind == "f":
        return _number_cells(column.values)
    missing = column.values == MISSING_INTEGER
    return _with(from_numpy(column.values).cast(pa.large_string()), missing, [""] * np.count_nonzero(missing))


def _number_cells(values: np.ndarray) -> pa.LargeStringArray:
    """Doubles (n,) in the shortest digits that read as the same double. Arrow writes them without an exponent from 1e-6 to
    1e10, Python from 1e-4 to 1e16; what is not in both ranges Python writes."""
    sizes = np.abs(values)
    others = ~((sizes >= 1e-4) & (sizes < 1e10) | (sizes == 0))
    return _with(from_numpy(values).cast(pa.large_string()), others, csv_lines.number_cells(values[others]))


def _with(cells: pa.LargeStringArray, others: np.ndarray, texts: list[str]) -> pa.LargeStringArray:
    """The cells, these texts where the mask `others` (n,) says so."""
    return pc.replace_with_mask(cells, from_mask(others), from_texts(texts)) if texts else cells


def written_kind(arrow: pa.DataType) -> str:
    """The kind, of jobs/csv_lines.py, of a column that is read as this type."""
    if pa.types.is_boolean(arrow):
        return csv_lines.TRUTH
    kind = kind_of(arrow)
    if kind == DATE:
        return csv_lines.DAY if arrow == DAY_TYPE else csv_lines.MOMENT
    return {TEXT: csv_lines.TEXT, INTEGER: csv_lines.WHOLE}.get(kind, csv_lines.NUMBER)
