"""Tables written as CSV: shortest round-trip numbers, empty cells for NaN, and a file that is there only when whole."""

from __future__ import annotations

import os
from types import TracebackType

import numpy as np
import pyarrow as pa
from pyarrow import csv as pacsv

from jobs.errors import ScanError


class TableWriter:
    """Writes float columns piece by piece; the file has its name when the `with` block ends without an error."""

    def __init__(self, path: str, names: list[str], delimiter: str = ",", header: bool = True) -> None:
        self.path, self.partial = path, f"{path}.partial"
        self.schema = pa.schema([(name, pa.float64()) for name in names])
        options = pacsv.WriteOptions(include_header=header, delimiter=delimiter, quoting_style="needed")
        try:
            self._file = open(self.partial, "wb")  # noqa: SIM115  (closed by __exit__)
        except OSError as error:
            raise ScanError(f"{path} cannot be written: {error.strerror}") from None
        self._writer = pacsv.CSVWriter(self._file, self.schema, write_options=options)

    def write(self, columns: list[np.ndarray]) -> None:
        """Writes rows: one array a column."""
        arrays = [pa.array(values, pa.float64(), from_pandas=True) for values in columns]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self.schema))

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._writer.close()
        self._file.close()
        if error is None:
            os.replace(self.partial, self.path)
        else:
            os.remove(self.partial)
