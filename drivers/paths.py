"""Folders that mrjob is given: it takes some characters of a path for more than letters.

A "#" ends a path and begins the name to upload it under, "$" begins a variable, and "*", "?" and "[" make a pattern, by
which it finds its own output and our blocks.
"""

from __future__ import annotations

import os

from jobs.errors import ScanError

MEANT_OTHERWISE = "#$*?["


def check_folder(path: str, what: str, option: str) -> None:
    """:raises ScanError: a folder whose path mrjob would not take as it stands"""
    absolute = os.path.abspath(path)
    try:
        absolute.encode("utf-8")
    except UnicodeEncodeError:
        raise ScanError(f"the {what} {absolute!r} has no name in UTF-8; give another with {option}") from None
    for character in MEANT_OTHERWISE:
        if character in absolute:
            raise ScanError(
                f"the path of the {what} {absolute!r} holds {character!r}, which mrjob does not take as it stands; "
                f"give another with {option}"
            )
