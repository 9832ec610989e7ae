"""Tables written as CSV: shortest round-trip numbers, empty cells for what is missing, and a file only when it is whole."""

from __future__ import annotations

import os
from types import TracebackType

import pyarrow as pa
from pyarrow import csv as pacsv

from jobs.errors import ScanError


class TableWriter:
    """Writes tables of one schema, one below the other; the file has its name when the `with` block has ended well."""

    def __init__(self, path: str, schema: pa.Schema, delimiter: str = ",", header: bool = True) -> None:
        self.path, self.partial = path, f"{path}.partial"
        options = pacsv.WriteOptions(include_header=header, delimiter=delimiter, quoting_style="needed")
        try:
            self._file = open(self.partial, "wb")  # noqa: SIM115  (closed by __exit__)
        except OSError as error:
            raise ScanError(f"{path} cannot be written: {error.strerror}") from None
        self._writer = pacsv.CSVWriter(self._file, schema, write_options=options)

    def write(self, table: pa.Table) -> None:
        """Writes the rows of a table.

        :raises ScanError: a full disk
        """
        if table.num_columns == 1:
            table = _without_blank_lines(table)
        try:
            self._writer.write_table(table)
        except OSError as error:
            raise ScanError(f"{self.path} cannot be written: {error.strerror or error}") from None

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._writer.close()
        self._file.close()
        if error is None:
            os.replace(self.partial, self.path)
        else:
            os.remove(self.partial)


def _without_blank_lines(table: pa.Table) -> pa.Table:
    """A table of one column, whose empty cells would be empty lines, which readers of CSV pass over."""
    column = table.column(0)
    if pa.types.is_floating(column.type):
        column = column.fill_null(float("nan"))
    elif pa.types.is_string(column.type):
        column = column.fill_null("NA")
    return pa.table([column], names=table.column_names)
