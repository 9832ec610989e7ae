"""Files of JSON that say what they are: {"format": ..., "version": ..., ...}."""

from __future__ import annotations

import json
from typing import Any

from jobs.errors import ScanError


def read_json(path: str, format_name: str, version: int, what: str, is_a: str = "", remedy: str = "") -> dict[str, Any]:
    """The content of a file of this format and version.

    :param what: the file is called in messages
    :param is_a: what it is not, where it is none; "a WHAT" if not told
    :param remedy: what makes one
    :raises ScanError: one that cannot be read, or is of another format or version
    """
    remedy = f"; {remedy}" if remedy else ""
    try:
        with open(path, encoding="utf-8") as file:
            told: Any = json.load(file)
    except OSError as error:
        raise ScanError(f"the {what} {path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise ScanError(f"{path} is not {is_a or f'a {what}'}: it is not JSON{remedy}") from None
    if not isinstance(told, dict) or told.get("format") != format_name:
        raise ScanError(f"{path} is not a {format_name} file{remedy}")
    if told.get("version") != version:
        raise ScanError(f"{path} has the version {told.get('version')!r}; this program reads version {version}")
    return told
