"""New columns whose rows come in any order, on disk until they are asked for in the order of the table."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from types import TracebackType

import numpy as np

from jobs.errors import ScanError

# So many bytes of rows are in memory at a time.
STRETCH_BYTES = 1 << 26


class Waiting:
    """Rows by their numbers. A stretch of numbers is what memory has room for: rows are written down as they come, with the
    stretch they are of, and read a stretch at a time."""

    def __init__(self, folder: str, dtypes: list[str]) -> None:
        self.dtype = np.dtype([("number", "<i8"), *((str(j), dtype) for j, dtype in enumerate(dtypes))])
        self.n_rows = 0
        self._stretch = max(1, STRETCH_BYTES // self.dtype.itemsize)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by __exit__)
        self._pieces: dict[int, list[tuple[int, int]]] = defaultdict(list)  # the first row in the file, and how many
        self._loaded = -1, np.zeros(0, self.dtype)

    def add(self, numbers: np.ndarray, columns: list[np.ndarray]) -> None:
        """Takes rows in.

        :param numbers: ascending, (n,)
        :param columns: the new cells, (n,) each
        :raises ScanError: a full disk
        """
        rows = np.empty(len(numbers), self.dtype)
        rows["number"] = numbers
        for j, values in enumerate(columns):
            rows[str(j)] = values
        try:
            self._file.write(rows.data)
        except OSError as error:
            raise ScanError(f"the new columns cannot be written: {error.strerror or error}") from None
        stretches = numbers // self._stretch
        begins = np.append(0, np.flatnonzero(stretches[1:] != stretches[:-1]) + 1) if len(rows) else np.zeros(0, int)
        for begin, end in zip(begins.tolist(), [*begins[1:].tolist(), len(rows)]):
            self._pieces[int(stretches[begin])].append((self.n_rows + begin, end - begin))
        self.n_rows += len(rows)

    def between(self, begin: int, end: int) -> np.ndarray:
        """The rows with numbers from `begin` to before `end`, ascending; to be asked for in their order.

        :raises ScanError: a row that came twice
        """
        found = [np.zeros(0, self.dtype)]
        for stretch in range(begin // self._stretch, (end - 1) // self._stretch + 1):
            rows = self._rows_of(stretch)
            first, last = np.searchsorted(rows["number"], [begin, end])
            found.append(rows[first:last])
        return np.concatenate(found)

    def _rows_of(self, stretch: int) -> np.ndarray:
        if self._loaded[0] != stretch:
            pieces = [np.zeros(0, self.dtype)]
            for at, n_rows in self._pieces.pop(stretch, []):
                self._file.seek(at * self.dtype.itemsize)
                pieces.append(np.frombuffer(self._file.read(n_rows * self.dtype.itemsize), self.dtype))
            rows = np.concatenate(pieces)
            rows = rows[np.argsort(rows["number"])]
            if np.any(rows["number"][1:] == rows["number"][:-1]):
                raise ScanError("a row came twice; the output is not to be trusted")
            self._loaded = stretch, rows
        return self._loaded[1]

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._file.close()
