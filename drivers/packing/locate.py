"""From a row of a pack back to the line of the file it came from, for messages about single cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from drivers.packing.cache import Pack
from drivers.packing.formats import open_table
from drivers.packing.stores.source import Source


def first_row_where(pack: Pack, column: str, condition: Callable[[np.ndarray], np.ndarray]) -> tuple[int, float] | None:
    """The first row, counted from 0, whose cell meets a condition, and that cell; None without one."""
    found: list[tuple[int, float]] = []
    for block in pack.read([column]):
        rows = np.flatnonzero(condition(block.columns[column]))
        if len(rows):
            row = int(rows[0])
            found.append((pack.manifest.row(block.part, block.number, row), float(block.columns[column][row])))
            if pack.url is None:  # else parts lie as the cluster put them
                break
    return min(found, default=None)


def cells_at(pack: Pack, columns: list[str], places: np.ndarray) -> dict[str, np.ndarray]:
    """The cells of some rows, given by part, block and place in it, shape (m, 3): one array a column, as in its blocks."""
    order = np.lexsort(places.T[::-1])
    wanted: dict[tuple[int, int], list[int]] = {}
    for i in order:
        wanted.setdefault((int(places[i, 0]), int(places[i, 1])), []).append(int(i))
    found: dict[str, dict[int, Any]] = {name: {} for name in columns}
    for block in pack.read(columns, wanted):
        for i in wanted[block.part, block.number]:
            for name in columns:
                found[name][i] = block.columns[name][places[i, 2]]
    return {name: np.array([cells[i] for i in range(len(places))]) for name, cells in found.items()}


def name_of_row(pack: Pack, part: int, block: int, position: int) -> str:
    """ "FILE, row N" for a row of a block, rows counted from 1 among those of the file that were read: without parsing."""
    which, left = _source_of(pack, pack.manifest.row(part, block, position))
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
