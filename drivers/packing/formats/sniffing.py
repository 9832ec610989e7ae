"""What a delimited text says about itself: which character stands between cells, whether its first record is a header."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from drivers.packing.chunks import QuotedEnds
from drivers.packing.kinds import is_number

# Where two fit equally well, the one that is rarer inside cells.
DELIMITERS = ("\t", ";", "|", ",")
NAMES = {"\t": "tab", ";": "semicolon", "|": "vertical bar", ",": "comma", " ": "space"}
RECORDS_LOOKED_AT = 200


def delimiter_of(path: str, data: bytes) -> str:
    """The delimiter under which the most records of a text have one number of cells, and more than one."""
    best, best_share = "\t" if re.search(r"\.(tsv|tab)(\.\w+)?$", path) else ",", 0.0
    for delimiter in DELIMITERS:
        if delimiter.encode() in data:
            sizes = [len(cells(record, delimiter)) for record in records(data, delimiter)]
            size, count = Counter(sizes).most_common(1)[0] if sizes else (1, 0)
            share = count / len(sizes) if size > 1 else 0.0
            if share > best_share:
                best, best_share = delimiter, share
    return best


def has_header(first: list[str], later: list[list[str]], missing_tokens: tuple[str, ...]) -> bool:
    """Whether a text's first record names the columns: it holds no number, or a word above a column of numbers."""
    if not any(map(is_number, first)):
        return True
    for j, cell in enumerate(first):
        if not is_number(cell) and cell not in missing_tokens:
            below = [row[j] for row in later if j < len(row) and row[j] not in missing_tokens]
            if below and 2 * sum(map(is_number, below)) > len(below):
                return True
    return False


def records(data: bytes, delimiter: str) -> list[str]:
    """The first records of a text that are not empty."""
    ends = QuotedEnds(delimiter)(data)
    found, start = [], 0
    for end in [*map(int, ends), len(data)]:
        record = data[start:end].decode("utf-8", "replace").strip("\r\n")
        if record:
            found.append(record)
        start = end
        if len(found) == RECORDS_LOOKED_AT:
            break
    return found


def cells(record: str, delimiter: str) -> list[str]:
    """The cells of one record, with its line end or without; of any length, where csv refuses 131,073 characters."""
    found: list[str] = []
    at, match = 0, _cell_pattern(delimiter).match
    while cell := match(record, at):
        inside, behind, plain, more = cell.groups()
        found.append(plain if inside is None else inside.replace('""', '"') + (behind or ""))
        if not more:
            break
        at = cell.end()
    return found if record else []


@cache
def _cell_pattern(delimiter: str) -> re.Pattern[str]:
    d = re.escape(delimiter)
    return re.compile(rf'(?:"((?:[^"]++|"")*+)(?:"([^{d}\r\n]*+)|\Z)|([^{d}\r\n]*+))({d})?')
