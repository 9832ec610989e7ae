"""Which bytes a map task reads, and which lines these are: Hadoop's TextInputFormat and NLineInputFormat.

A split is cut by bytes, not at line ends. The task of a split reads the lines that begin after its first byte (in the
first split: from its first byte) and up to the byte after its last, so that every line is read once.
"""

from __future__ import annotations

import bz2
import gzip
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.emr.files import InputFile

SLOP = 1.1  # a rest of a file that is no longer than this many splits is not cut again
BLOCK_BYTES = 64 << 20
# None of these is cut: a task reads the whole file.
DECOMPRESS = {".gz": gzip.decompress, ".bz2": bz2.decompress, ".deflate": zlib.decompress}


@dataclass(frozen=True)
class Split:
    """`length` bytes from `start` of a file; with `lines` those lines themselves, as "offset tab line"."""

    file: InputFile
    start: int
    length: int
    lines: tuple[bytes, ...] | None = None


def is_compressed(uri: str) -> bool:
    return uri.endswith(tuple(DECOMPRESS))


def decompressed(uri: str, data: bytes) -> bytes:
    for ending, decompress in DECOMPRESS.items():
        if uri.endswith(ending):
            return decompress(data)
    return data


def cut(files: Sequence[InputFile], n_maps: int | None, min_bytes: int = 1) -> list[Split]:
    """The splits of the files.

    n_maps: the number asked for, which Hadoop spreads over all files by their bytes; None cuts each file in two, so that
        no job gets by that is only right with one task a file
    """
    total = sum(file.size for file in files)
    splits = []
    for file in files:
        goal = total // max(n_maps, 1) if n_maps is not None else -(-file.size // 2)
        size = max(min_bytes, min(goal, BLOCK_BYTES), 1)
        start = 0
        while not is_compressed(file.uri) and (file.size - start) / size > SLOP:
            splits.append(Split(file, start, size))
            start += size
        if file.size > start or file.size == 0:  # an empty file is a task, too
            splits.append(Split(file, start, file.size - start))
    return largest_first(splits)


def cut_by_lines(file: InputFile, data: bytes, n_lines: int) -> list[Split]:
    """NLineInputFormat: each task has so many lines, and gets each with its offset before it."""
    numbered, offset = [], 0
    for line in data.splitlines(keepends=True):
        numbered.append((offset, b"%d\t%s" % (offset, line.rstrip(b"\r\n"))))
        offset += len(line)
    groups = [numbered[i : i + n_lines] for i in range(0, len(numbered), n_lines)]
    starts = [group[0][0] for group in groups] + [offset]
    # Hadoop says that each begins a byte early, with the end of the line before.
    return [
        Split(file, max(start - 1, 0), end - start - (start == 0), tuple(line for _, line in group))
        for group, start, end in zip(groups, starts, starts[1:])
    ]


def largest_first(splits: list[Split]) -> list[Split]:
    """The order in which tasks are numbered: so the order of their outputs is not that of the input."""
    return sorted(splits, key=lambda split: -split.length)


def lines_of(split: Split, data: bytes) -> Iterator[bytes]:
    """The lines of a split, without their ends: \\n, \\r and \\r\\n all end a line."""
    if split.lines is not None:
        yield from split.lines
        return
    if is_compressed(split.file.uri):
        first, last = 0, len(data)
    else:
        end = split.start + split.length
        first = _line_end(data, split.start) if split.start else 0
        last = _line_end(data, end) if end < len(data) else len(data)
    if first == 0 and data.startswith(b"\xef\xbb\xbf"):
        first = 3
    yield from data[first:last].splitlines()


def _line_end(data: bytes, start: int) -> int:
    """Where the line ends that has the byte at `start`: the place after its end."""
    places = [place for place in (data.find(b"\n", start), data.find(b"\r", start)) if place >= 0]
    if not places:
        return len(data)
    end = min(places)
    return end + 2 if data[end : end + 2] == b"\r\n" else end + 1
