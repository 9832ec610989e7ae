"""How the inputs that a command line names are read."""

from __future__ import annotations

import argparse

from drivers.app import UsageError
from drivers.packing.formats.options import InputOptions


def input_options(options: argparse.Namespace) -> InputOptions:
    """By the options of a driver.

    :raises UsageError: names of columns that are none
    """
    columns = None if options.columns is None else tuple(options.columns)
    if columns is not None and (len(set(columns)) < len(columns) or "" in columns):
        raise UsageError("--columns needs a different name for each column")
    return InputOptions(
        options.format, columns, options.header, options.delimiter, options.encoding, tuple(options.missing_tokens),
        tuple(options.text),
    )  # fmt: skip
