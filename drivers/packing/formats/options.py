"""What a user may say of how the inputs are to be read; what is not said is found in the files."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.text import MISSING_TOKENS

AUTO = "auto"
FORMATS = (AUTO, "csv", "json", "libsvm", "parquet")
HEADERS = (AUTO, "yes", "no")


@dataclass(frozen=True)
class InputOptions:
    """How files are read.

    columns: the names of the columns, where the files do not name them or others are wanted; delimiter None: found in the
    first file; text: columns to take as text though they look like numbers.
    """

    format: str = AUTO
    columns: tuple[str, ...] | None = None
    header: str = AUTO
    delimiter: str | None = None
    encoding: str = "utf-8"
    missing_tokens: tuple[str, ...] = MISSING_TOKENS
    text: tuple[str, ...] = ()
