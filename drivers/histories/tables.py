"""Tables that grow by columns of cells as they were read: CSV, and Parquet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from drivers.output_files import ParquetFile, WholeFile
from drivers.packing.kinds import Column, Texts, kind_of, to_arrow
from drivers.scoring.written import table_lines, written_kind
from jobs.csv_lines import CsvColumn, header_line


@dataclass
class Cells:
    """Cells of a column: values (n,) as in a block, their texts where they are codes, and the type they were read as."""

    values: np.ndarray
    texts: list[str] | None
    arrow: pa.DataType

    @classmethod
    def of(cls, column: Column, arrow: pa.DataType, at: np.ndarray) -> Cells:
        """Those at some places, (n,), of a column that was read."""
        if isinstance(column, Texts):
            return cls(column.codes[at], column.values, arrow)
        return cls(column[at], None, arrow)


class CsvTable(WholeFile):
    """A table as CSV."""

    def __init__(self, path: str, delimiter: str) -> None:
        super().__init__(path)
        self.delimiter = delimiter

    def begin(self, names: list[str]) -> None:
        """Writes the line of the names.

        :raises ScanError: a full disk
        """
        self.write(header_line(names, self.delimiter))

    def write_cells(self, columns: dict[str, Cells]) -> None:
        """Writes rows.

        :raises ScanError: a full disk
        """
        found = [CsvColumn(cells.values, written_kind(cells.arrow), cells.texts) for cells in columns.values()]
        self.write(table_lines(found, self.delimiter))


class ParquetTable(ParquetFile):
    """The same as Parquet, which has the names with each column."""

    def begin(self, names: list[str]) -> None:
        """Nothing is to be written yet."""

    def write_cells(self, columns: dict[str, Cells]) -> None:
        """Writes rows.

        :raises ScanError: a full disk
        """
        found = [to_arrow(cells.values, kind_of(cells.arrow), cells.texts, cells.arrow) for cells in columns.values()]
        self.write_table(pa.table(found, names=list(columns)))
