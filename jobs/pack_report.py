"""What packing on a cluster learns of a table: what each task tells of its part, and the whole that comes of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.errors import ScanError, quoted
from jobs.kernels.sample import SampleStatistics
from jobs.moments import Moments
from jobs.records import Record, array_field

# The line with which the blocks of a part end.
REPORT_LINE = b"scanlearn-report "
# A part is a file's place in the table and where the piece begins; no file has more bytes.
BYTES_BITS = 40
UNKNOWN = -1  # number of lines


@dataclass
class PackQuery(Record):
    """How files are packed where they lie.

    columns: all columns of the files; chosen: those to pack, in their order; texts: for each column of text its texts, by
    code (empty in the pass that gathers them); paths: the files' URLs, whose order is that of the table; block_rows: of
    each block of a part but its last; sample_rows: how many rows are sampled.
    """

    columns: list[str]
    chosen: list[str]
    texts: dict[str, list[str]]
    paths: list[str]
    delimiter: str
    header: str
    missing_tokens: list[str]
    max_bad_rows: int
    max_texts: int
    block_rows: int
    sample_rows: int


@dataclass
class PackReport(Record):
    """What is known of some parts.

    parts: number, rows, blocks, bad rows and lines (or UNKNOWN) of each, shape (m, 5); rejects: [part, line, text, reason]
    of each bad row, its line counted from 1 in its part; sample: the bottom-k of the rows.
    """

    rejects: list
    sample: SampleStatistics
    moments: Moments
    parts: np.ndarray = array_field("<i8", 2)

    def merge(self, other: PackReport) -> PackReport:
        """Of the parts of both, which are to come in their order."""
        return PackReport(
            self.rejects + other.rejects,
            self.sample.merge(other.sample),
            self.moments.merge(other.moments),
            np.concatenate([self.parts, other.parts]),
        )

    def rejects_by_file(self) -> list[tuple[int, int | None, str, str]]:
        """Of each bad row its file's place in the table, its line there, counted from 1, or None where that cannot be told,
        its text, and the reason."""
        before: dict[int, int | None] = {}  # the lines of its file before a part
        file, n_before = -1, None
        for part, _, _, _, n_lines in self.parts.tolist():
            if file_of(part) != file:
                file, n_before = file_of(part), 0
            if n_lines == UNKNOWN:
                n_before = None
            before[part] = n_before
            if n_before is not None:
                n_before += n_lines
        return [
            (file_of(part), None if before[part] is None else before[part] + line, text, reason)
            for part, line, text, reason in self.rejects
        ]


def part_of(url: str, start: int, paths: list[str]) -> int:
    """The number of the part that begins at a byte of a file: parts are ordered as the files and their pieces are.

    :param url: as a task is told it
    :param paths: the files of the table
    :raises ScanError: a file that is not among them
    """
    places = [place_of(path) for path in paths]
    if place_of(url) not in places:
        raise ScanError(f"a task was given the file {quoted(url, 200)}, which is not one of the table")
    return (places.index(place_of(url)) << BYTES_BITS) + start


def file_of(part: int) -> int:
    """The place in the table of the file that a part is of."""
    return part >> BYTES_BITS


def place_of(url: str) -> str:
    """What of a file's URL is the same for whoever names it: not the scheme, of which S3 has several; nor the NameNode,
    which a URL need not name."""
    scheme, is_url, rest = url.partition("://")
    if not is_url:
        return url
    host, _, path = rest.partition("/")
    return f"/{host}/{path}" if scheme.startswith("s3") else f"/{path}"
