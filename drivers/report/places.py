"""Where a row stands, short enough for a sentence."""

from __future__ import annotations

import os
from typing import Any

from drivers.report.formats import NOTHING


def short_places(rows: list[dict[str, Any]]) -> list[str]:
    """ "FILE, row N" of each row, the file without its folder where that is enough to tell them apart."""
    split = [row["place"].rpartition(", ") if row.get("place") else ("", "", NOTHING) for row in rows]
    files = {file for file, _, _ in split}
    are_told_apart = len({os.path.basename(file) for file in files}) == len(files)
    return [(os.path.basename(file) if are_told_apart else file) + comma + row for file, comma, row in split]
