"""Writes the blocks of a table and gathers its manifest, in one streaming parse with memory flat in the rows."""

from __future__ import annotations

import csv
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TextIO

import numpy as np
import pyarrow as pa

from drivers.packing.chunks import Chunk, chunks, count_lines, record_ends
from drivers.packing.manifest import FORMAT_VERSION, Manifest, find_column
from drivers.packing.sources import Source
from drivers.packing.text import Parsed, Reject, TextOptions, TextParser, first_record, read_header
from jobs.blocks import Block, reference_line
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.sample import SampleQuery, SampleStatistics
from jobs.text import TextFormat

BLOCK_BYTES = 1 << 20
SAMPLE_ROWS = 10_000
CHUNKS_AHEAD = 2
BLOCKS, INDEX, SAMPLE, MANIFEST, REJECTS = "blocks.bin", "index.txt", "sample.record", "manifest.record", "rejects.csv"

Progress = Callable[[int], None]  # told the bytes of each chunk as it is packed


def rows_per_block(n_columns: int) -> int:
    """About 1 MiB, and never fewer rows than 8 times the columns: a block is to be taller than wide."""
    return max(BLOCK_BYTES // (8 * n_columns), 8 * n_columns)


class BlockWriter:
    """Takes columns of any length and writes blocks of equal length, with an index line for each."""

    def __init__(self, folder: str, names: list[str], sample_rows: int) -> None:
        self.names = names
        self.block_rows = rows_per_block(len(names))
        self.n_rows = self.n_blocks = self.offset = self.fingerprint = 0
        self.blocks = open(os.path.join(folder, BLOCKS), "wb", buffering=0)  # noqa: SIM115
        self.index = open(os.path.join(folder, INDEX), "wb")  # noqa: SIM115
        self.sums, self.n_missing = np.zeros(len(names)), np.zeros(len(names), np.int64)
        self.minima, self.maxima = np.full(len(names), np.inf), np.full(len(names), -np.inf)
        self.sample_query = SampleQuery(sample_rows, len(names))
        self.sample = SampleStatistics.zero(self.sample_query)
        self._design = Design(names, missing="keep")
        self._pending: list[list[np.ndarray]] = []
        self._n_pending = 0

    def append(self, columns: list[np.ndarray]) -> None:
        """Takes rows in: one array a column."""
        start, n_rows = 0, len(columns[0])
        self.n_rows += n_rows
        while start < n_rows:
            stop = min(n_rows, start + self.block_rows - self._n_pending)
            self._pending.append([values[start:stop] for values in columns])
            self._n_pending += stop - start
            start = stop
            if self._n_pending == self.block_rows:
                self._write_block()

    def finish(self) -> None:
        """Writes the last block and makes the files safe on disk."""
        if self._n_pending:
            self._write_block()
        for f in (self.blocks, self.index):
            f.flush()
            os.fsync(f.fileno())
            f.close()

    def _write_block(self) -> None:
        columns = [np.concatenate(pieces) for pieces in zip(*self._pending)]
        block = Block(0, self.n_blocks, self._n_pending, dict(zip(self.names, columns)))
        data = block.to_bytes()
        self.blocks.write(data)
        self.index.write(reference_line(0, self.n_blocks, block.n_rows, self.offset, len(data)) + b"\n")
        self._look(columns)
        self.sample.add(self._design.apply(block), self.sample_query)
        self.fingerprint = zlib.crc32(data[:16], self.fingerprint)  # holds the checksum of the checksums
        self.offset += len(data)
        self.n_blocks += 1
        self._pending, self._n_pending = [], 0

    def _look(self, columns: list[np.ndarray]) -> None:
        """Sums, extremes and missing cells of a block's columns."""
        for j, values in enumerate(columns):
            total = values.sum()
            if np.isnan(total):
                values = values[~np.isnan(values)]
                self.n_missing[j] += self._n_pending - len(values)
                total = values.sum()
            self.sums[j] += total
            if len(values):
                self.minima[j] = min(self.minima[j], values.min())
                self.maxima[j] = max(self.maxima[j], values.max())


class Rejects:
    """Counts bad records, writes them to rejects.csv, and stops the packing when there are too many."""

    def __init__(self, folder: str, allowed: int) -> None:
        self.path = os.path.join(folder, REJECTS)
        self.allowed = allowed
        self.n = 0
        self.first: list[Reject] = []
        self._file: TextIO | None = None

    def add(self, bad: list[Reject]) -> None:
        """Takes the bad records of a chunk.

        :raises ScanError: when there are now more than allowed
        """
        for record in bad:
            self.n += 1
            self.first = [*self.first, record][:3]
            if self.n > self.allowed:
                shown = "\n  ".join(str(record) for record in self.first)
                hint = "correct the file, or let up to N such rows be left out with --max-bad-rows N"
                if self.allowed:
                    raise ScanError(f"more than --max-bad-rows {self.allowed} bad rows; the first:\n  {shown}\n  {hint}")
                raise ScanError(f"{shown}\n  {hint}")
            if self._file is None:
                self._file = open(self.path, "w", newline="", encoding="utf-8")  # noqa: SIM115
                csv.writer(self._file).writerow(["file", "line", "column", "value", "reason"])
            csv.writer(self._file).writerow([record.path, record.line, record.column, record.value, record.reason])

    def finish(self) -> None:
        if self._file is not None:
            self._file.close()


def file_columns(sources: list[Source], options: TextOptions) -> list[str]:
    """The columns of all files, which must agree.

    :raises ScanError: a file with another header than the first
    """
    if options.columns is not None:
        return list(options.columns)
    names = read_header(sources[0], options)
    for source in sources[1:]:
        others = read_header(source, options)
        if others != names:
            raise ScanError(
                f"{source.shown} has the columns {', '.join(others)}, but {sources[0].shown} has {', '.join(names)}"
            )
    return names


def write_pack(
    sources: list[Source],
    options: TextOptions,
    chosen: list[str] | None,
    max_bad_rows: int,
    sample_rows: int,
    folder: str,
    progress: Progress = lambda n_bytes: None,
) -> Manifest:
    """Packs the chosen columns (all when None) of all sources, in order and as one stream, into a folder.

    :raises ScanError: unreadable input, an unknown column, more than `max_bad_rows` bad rows, no rows at all
    """
    names = file_columns(sources, options)
    header = first_record(sources[0]) if options.columns is None else ""
    kept = names if chosen is None else [names[find_column(names, name)] for name in chosen]
    # pyarrow takes its threads from OMP_NUM_THREADS, which is 1 here for the sake of BLAS.
    pa.set_cpu_count(os.cpu_count() or 1)
    parser = TextParser(names, kept, options)
    writer = BlockWriter(folder, kept, sample_rows)
    rejects = Rejects(folder, max_bad_rows)
    entries = []
    try:
        for source in sources:
            first_row = writer.n_rows
            for parsed, n_bytes in parse_ahead(parser, data_chunks(source, options), max_bad_rows):
                rejects.add(parsed.bad)
                writer.append(parsed.columns)
                progress(n_bytes)
            entries.append({**vars(source), "first_row": first_row, "n_rows": writer.n_rows - first_row})
        writer.finish()
    except OSError as error:
        raise ScanError(f"the pack cannot be written to {folder}: {error.strerror}") from None
    finally:
        rejects.finish()
    if writer.n_rows == 0:
        raise ScanError(f"{sources[0].shown} holds no rows" + (" that can be used" if rejects.n else " of data"))
    counts = writer.n_rows - writer.n_missing
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        columns=kept,
        text=TextFormat(names, options.delimiter, header, list(options.missing_tokens)),
        n_rows=writer.n_rows,
        n_rejected=rejects.n,
        n_blocks=writer.n_blocks,
        block_rows=writer.block_rows,
        fingerprint=f"{writer.offset:x}-{writer.fingerprint:08x}",
        sources=entries,
        means=np.divide(writer.sums, counts, out=np.full(len(kept), np.nan), where=counts > 0),
        minima=writer.minima,
        maxima=writer.maxima,
        n_missing=writer.n_missing,
    )
    for name, record in ((SAMPLE, writer.sample), (MANIFEST, manifest)):
        with open(os.path.join(folder, name), "w", encoding="ascii") as f:
            f.write(record.to_line() + "\n")
            f.flush()
            os.fsync(f.fileno())
    return manifest


def data_chunks(source: Source, options: TextOptions) -> Iterator[Chunk]:
    """The chunks of a file without its header record."""
    header = options.columns is None
    for chunk in chunks(source):
        if header:
            ends = record_ends(chunk.data)
            end = int(ends[0]) if len(ends) else len(chunk.data)
            chunk = Chunk(chunk.source, chunk.line + count_lines(chunk.data[:end]), chunk.data[end:])
            header = False
        yield chunk


def parse_ahead(parser: TextParser, stream: Iterator[Chunk], max_bad_rows: int) -> Iterator[tuple[Parsed, int]]:
    """Parses the chunks, the next ones while a caller works on one; gives them in order, each with its bytes."""
    with ThreadPoolExecutor(max_workers=CHUNKS_AHEAD) as pool:
        waiting: deque[tuple[Future[Parsed], int]] = deque()
        try:
            for chunk in stream:
                waiting.append((pool.submit(parser.parse, chunk, max_bad_rows), len(chunk.data)))
                if len(waiting) > CHUNKS_AHEAD:
                    future, n_bytes = waiting.popleft()
                    yield future.result(), n_bytes
            while waiting:
                future, n_bytes = waiting.popleft()
                yield future.result(), n_bytes
        finally:
            for future, _ in waiting:
                future.cancel()
