"""Rows of arrays as lines of CSV, the same bytes wherever they are written.

Numbers are the shortest that read as the same double, whole ones without a point; a missing cell is empty; a text is quoted
where it must be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from jobs.design import MISSING_INTEGER
from jobs.kernels.days import MICROSECONDS_A_DAY, microseconds_of
from jobs.kernels.scorers import Output

NUMBER, WHOLE, TRUTH, DAY, MOMENT, TEXT = "number", "whole", "truth", "day", "moment", "text"


@dataclass
class CsvColumn:
    """Values (n,) and what they are: numbers, whole numbers, true and false as 1 and 0, days since 1970 with or without a
    time of day, or the places of `texts`."""

    values: np.ndarray
    kind: str = NUMBER
    texts: list[str] | None = None


def column_of(output: Output) -> CsvColumn:
    """A column of scores."""
    if output.values.dtype.kind == "f" or output.texts:
        return CsvColumn(output.values, TEXT if output.texts else NUMBER, output.texts)
    return CsvColumn(np.where(output.values < 0, MISSING_INTEGER, output.values), WHOLE)


def number_cells(values: np.ndarray) -> list[str]:
    """Each of the doubles (n,) as it is written."""
    if not len(values):
        return []
    text = "\n".join(map(repr, values.tolist())) + "\n"
    return text.replace(".0\n", "\n").replace("nan\n", "\n")[:-1].split("\n")


def csv_lines(columns: list[CsvColumn], delimiter: str = ",") -> bytes:
    """The lines of the rows, one after another, each with its end."""
    if not len(columns[0].values):
        return b""
    cells = [cells_of(column, delimiter) for column in columns]
    if len(cells) > 1:
        return ("\n".join(map(delimiter.join, zip(*cells))) + "\n").encode()
    alone = missing_alone(columns[0])
    return ("\n".join(cell or alone for cell in cells[0]) + "\n").encode()


def missing_alone(column: CsvColumn) -> str:
    """What stands for a missing cell of a table with this column alone: an empty line is no row to those who read."""
    return "NA" if column.kind == TEXT else "nan"


def header_line(names: list[str], delimiter: str = ",") -> bytes:
    """The line of the names."""
    return (delimiter.join(_quoted(name, delimiter) for name in names) + "\n").encode()


def cells_of(column: CsvColumn, delimiter: str) -> list[str]:
    """Each cell of a column as it is written, "" for a missing one."""
    values = column.values
    if column.kind == TEXT:
        texts = [*(_quoted(text, delimiter) for text in column.texts or []), ""]
        return [texts[code] for code in values.tolist()]
    if column.kind == TRUTH:
        return ["" if value != value else "true" if value else "false" for value in values.tolist()]
    if column.kind in (DAY, MOMENT):
        return _moments(values, column.kind)
    if values.dtype.kind == "f":
        return number_cells(values)
    return ["" if value == MISSING_INTEGER else str(value) for value in values.tolist()]


def _moments(values: np.ndarray, kind: str) -> list[str]:
    absent = np.isnan(values)
    microseconds = microseconds_of(np.where(absent, 0.0, values))
    moments = microseconds.astype("datetime64[us]")
    if kind == DAY and not (microseconds % MICROSECONDS_A_DAY).any():
        texts = np.datetime_as_string(moments, unit="D").tolist()
    else:
        written = np.datetime_as_string(moments, unit="us").tolist()
        texts = [text.replace("T", " ").rstrip("0").rstrip(".") for text in written]
    return ["" if none else text for none, text in zip(absent.tolist(), texts)]


def _quoted(text: str, delimiter: str) -> str:
    if text == "" or re.search(r'["\r\n]', text) or delimiter in text or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text
