"""Files that the user has named for a result: they have their names when they are whole. CSV, Parquet, and any bytes.

In tables written as CSV numbers are the shortest that read as the same, and cells empty for what is missing.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

import pyarrow as pa
from pyarrow import csv as pacsv

from jobs.errors import ScanError


def check_place(path: str, what: str, inputs: Sequence[str] = ()) -> None:
    """
    :param what: is to be written there
    :param inputs: what is read, as the user has named it
    :raises ScanError: a path that no file can be written to, or that is one of the inputs, told before a pass is spent
    """
    folder = os.path.dirname(path) or "."
    why = None
    if not path or os.path.isdir(path):
        why = "it is a directory" if path else "its name is empty"
    elif not os.path.isdir(folder):
        why = f"there is no directory {folder}"
    elif not os.access(folder, os.W_OK):
        why = f"the directory {folder} may not be written to"
    elif os.path.realpath(path) in _files_of(inputs):
        why = "it is one of the inputs"
    if why:
        raise ScanError(f"{what} {path or repr(path)} cannot be written: {why}")


def _files_of(inputs: Sequence[str]) -> set[str]:
    """The files of this machine that inputs name: files, directories and patterns."""
    found = [path for word in inputs for path in (glob.glob(word) if glob.has_magic(word) else [word])]
    inside = [os.path.join(path, name) for path in found if os.path.isdir(path) for name in os.listdir(path)]
    return {os.path.realpath(path) for path in [*found, *inside] if os.path.exists(path)}


def write_whole(path: str, what: str, text: str) -> None:
    """Writes a text file, whole or not at all.

    :param what: the file is called in a message
    :raises ScanError: where it cannot be written
    """
    partial = f"{path}.partial"
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(partial, path)
    except OSError as error:
        raise ScanError(f"the {what} {path} cannot be written: {error.strerror}") from None


class WholeFile:
    """A file that grows under another name, and has its own when the `with` block has ended well."""

    def __init__(self, path: str) -> None:
        self.path, self.partial = path, f"{path}.partial"
        try:
            self._file = open(self.partial, "wb")  # noqa: SIM115  (closed by __exit__)
        except OSError as error:
            raise self._told(error) from None

    def write(self, some: bytes) -> None:
        """
        :raises ScanError: a full disk
        """
        try:
            self._file.write(some)
        except OSError as error:
            raise self._told(error) from None

    def finish(self) -> None:
        """Writes what a file ends with."""

    def _told(self, error: OSError) -> ScanError:
        return ScanError(f"{self.path} cannot be written: {error.strerror or error}")

    def __enter__(self) -> Any:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        try:
            if error is None:
                self.finish()
            self._file.close()
        except OSError as full:
            self._give_up()
            raise self._told(full) from None
        if error is None:
            os.replace(self.partial, self.path)
        else:
            self._give_up()

    def _give_up(self) -> None:
        with suppress(OSError):
            self._file.close()
        os.remove(self.partial)


class CsvFile(WholeFile):
    """Tables of one schema, one below the other."""

    def __init__(self, path: str, schema: pa.Schema, delimiter: str = ",", header: bool = True) -> None:
        super().__init__(path)
        options = pacsv.WriteOptions(include_header=header, delimiter=delimiter, quoting_style="needed")
        self._writer = pacsv.CSVWriter(self._file, schema, write_options=options)

    def write_table(self, table: pa.Table) -> None:
        """Writes the rows of a table.

        :raises ScanError: a full disk
        """
        if table.num_columns == 1:
            table = _without_blank_lines(table)
        try:
            self._writer.write_table(table)
        except OSError as error:
            raise self._told(error) from None

    def finish(self) -> None:
        self._writer.close()


class ParquetFile(WholeFile):
    """The same as Parquet."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._writer: Any = None

    def write_table(self, table: pa.Table) -> None:
        """Writes the rows of a table, whose schema is that of the first one.

        :raises ScanError: a full disk
        """
        try:
            if self._writer is None:
                from pyarrow import parquet  # here, for CSV needs none of the file systems that it imports

                self._writer = parquet.ParquetWriter(self._file, table.schema)
            self._writer.write_table(table)
        except OSError as error:
            raise self._told(error) from None

    def finish(self) -> None:
        if self._writer is not None:
            self._writer.close()


def _without_blank_lines(table: pa.Table) -> pa.Table:
    """A table of one column, whose empty cells would be empty lines, which readers of CSV pass over."""
    column = table.column(0)
    if pa.types.is_floating(column.type):
        column = column.fill_null(float("nan"))
    elif pa.types.is_string(column.type):
        column = column.fill_null("NA")
    return pa.table([column], names=table.column_names)
