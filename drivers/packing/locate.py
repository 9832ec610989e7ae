"""From a row of a pack back to the line of the file it came from, for messages about single cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivers.packing.cache import Pack
from drivers.packing.pack import data_chunks
from drivers.packing.sources import Source
from drivers.packing.text import TextOptions, TextParser
from jobs.blocks import BlocksFile, read_line


def first_row_where(pack: Pack, column: str, condition: Callable[[np.ndarray], np.ndarray]) -> tuple[int, float] | None:
    """The first row, counted from 0, whose cell meets a condition, and that cell; None without one."""
    blocks = BlocksFile(pack.blocks)
    try:
        with open(pack.index, "rb") as f:
            for line in f:
                block = read_line(line.rstrip(b"\n"), [column], blocks)
                found = np.flatnonzero(condition(block.columns[column]))
                if len(found):
                    row = int(found[0])
                    return block.number * pack.manifest.block_rows + row, float(block.columns[column][row])
    finally:
        blocks.close()
    return None


def place_of_row(pack: Pack, options: TextOptions, row: int) -> str:
    """ "FILE, line N" for a row of the pack, by parsing its file again up to there."""
    entry = next(e for e in pack.manifest.sources if e["first_row"] <= row < e["first_row"] + e["n_rows"])
    source = Source(entry["path"], entry["size"], entry["mtime_ns"])
    parser = TextParser(pack.manifest.text.columns, pack.manifest.columns, options)
    left = row - entry["first_row"]
    for chunk in data_chunks(source, options):
        n_rows = parser.parse(chunk, pack.manifest.n_rejected).n_rows
        if left < n_rows:
            return f"{source.shown}, line {parser.line_of(chunk, left)}"
        left -= n_rows
    return source.shown
