"""From a row of a pack back to the line of the file it came from, for messages about single cells."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from drivers.packing.cache import Pack
from drivers.packing.formats import open_table
from drivers.packing.stores.source import Source
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


def cells_at(pack: Pack, columns: list[str], numbers: np.ndarray, positions: np.ndarray) -> dict[str, np.ndarray]:
    """The cells of some rows, given by block and place in it, in this order: one array a column, typed as its blocks."""
    blocks = BlocksFile(pack.blocks)
    order = np.argsort(numbers, kind="stable")
    found: dict[str, list[np.ndarray]] = {name: [] for name in columns}
    try:
        with open(pack.index, "rb") as f:
            for number, line in enumerate(f):
                first, last = np.searchsorted(numbers[order], [number, number + 1])
                rows = positions[order[first:last]]
                if len(rows):
                    block = read_line(line.rstrip(b"\n"), columns, blocks)
                    for name in columns:
                        found[name].append(block.columns[name][rows])
    finally:
        blocks.close()
    back = np.argsort(order, kind="stable")
    return {name: np.concatenate(pieces)[back] if pieces else np.zeros(0) for name, pieces in found.items()}


def name_of_row(pack: Pack, block: int, position: int) -> str:
    """ "FILE, row N" for a row of a block, rows counted from 1 among those of the file that were read: without parsing."""
    which, left = _source_of(pack, block * pack.manifest.block_rows + position)
    return f"{_sources(pack)[which].shown}, row {left + 1:,}"


def place_of_row(pack: Pack, row: int) -> str:
    """ "FILE, line N" for a row of the pack, by parsing its file again up to there."""
    sources = _sources(pack)
    reader = open_table(sources, pack.options)
    parser = reader.parser(pack.manifest.types())
    which, left = _source_of(pack, row)
    for chunk in reader.chunks(sources[which]):
        n_rows = parser.parse(chunk, pack.manifest.n_rejected).n_rows
        if left < n_rows:
            return f"{sources[which].shown}, {reader.unit} {parser.line_of(chunk, left)}"
        left -= n_rows
    return sources[which].shown


def _sources(pack: Pack) -> list[Source]:
    return [Source(e["path"], e["size"], e["version"], e["copy"]) for e in pack.manifest.sources]


def _source_of(pack: Pack, row: int) -> tuple[int, int]:
    """The file a row came from, and its number in it, from 0."""
    return next(
        (i, row - e["first_row"])
        for i, e in enumerate(pack.manifest.sources)
        if e["first_row"] <= row < e["first_row"] + e["n_rows"]
    )
