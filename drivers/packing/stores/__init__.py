"""Where files lie: one module a kind of place, each with `find(name)`, `open_stream(source)` and `version(source)`.

local.py            paths, directories, patterns          standard_input.py   `-`
s3.py               s3://bucket/key-or-prefix             hdfs.py             hdfs://[host]/path-or-pattern
"""

from __future__ import annotations

import importlib
import re
from types import ModuleType

from jobs.errors import ScanError

SCHEMES = {"s3": "s3", "s3a": "s3", "s3n": "s3", "hdfs": "hdfs"}


def store_of(name: str) -> ModuleType:
    """The module that reads what a path or URL names, imported when the first such name comes.

    :raises ScanError: a URL of a kind that is not known
    """
    if name == "-":
        return importlib.import_module("drivers.packing.stores.standard_input")
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]+)://", name)
    if scheme is None:
        return importlib.import_module("drivers.packing.stores.local")
    if scheme[1].lower() not in SCHEMES:
        raise ScanError(f"{name}: inputs are paths, s3:// and hdfs:// URLs, or - for standard input; not {scheme[1]}://")
    return importlib.import_module(f"drivers.packing.stores.{SCHEMES[scheme[1].lower()]}")
