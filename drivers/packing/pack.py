"""Writes the blocks of a table and gathers its manifest, in one streaming parse with memory flat in the rows."""

from __future__ import annotations

import csv
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TextIO

import numpy as np
import pyarrow as pa

from drivers.packing.column_types import ColumnTypes, Retype, is_numeric
from drivers.packing.contents import PackContents
from drivers.packing.formats import Parser, Reader
from drivers.packing.formats.chunk_parser import Parsed, Reject
from drivers.packing.kinds import EXACT, MOST_TEXTS, TEXT, Column, Dictionary, Texts, hashes
from drivers.packing.manifest import Manifest, make_manifest, write_records
from drivers.packing.sampling import Sampler
from drivers.packing.stores.source import Source
from jobs.blocks import Block, reference_line
from jobs.errors import ScanError
from jobs.moments import Moments

BLOCK_BYTES = 1 << 20
CHUNKS_AHEAD = 2
BLOCKS_BEHIND = 8  # wait for the disk at most
BLOCKS, INDEX, REJECTS = "blocks.bin", "index.txt", "rejects.csv"

Progress = Callable[[int], None]  # told the bytes of each chunk as it is packed


def rows_per_block(n_columns: int) -> int:
    """About 1 MiB, and never fewer rows than 8 times the columns: a block is to be taller than wide."""
    return max(BLOCK_BYTES // (8 * n_columns), 8 * n_columns)


class BlockWriter:
    """Takes columns of any length and writes blocks of equal length, with an index line for each."""

    def __init__(self, folder: str, columns: ColumnTypes, sample_rows: int) -> None:
        kinds = columns.kinds
        self.names, self.kinds = list(kinds), list(kinds.values())
        n = len(self.names)
        self.block_rows = rows_per_block(n)
        self.n_rows = self.n_blocks = self.offset = self.fingerprint = 0
        self.blocks = open(os.path.join(folder, BLOCKS), "wb", buffering=0)  # noqa: SIM115
        # A thread of its own waits for the disk.
        self._disk = ThreadPoolExecutor(max_workers=1)
        self._writing: deque[Future[int]] = deque()
        self.index = open(os.path.join(folder, INDEX), "wb")  # noqa: SIM115
        self.moments = Moments.zero(is_numeric(self.kinds), columns.may_be_whole)
        self.dictionaries = {name: Dictionary() for name, kind in kinds.items() if kind == TEXT}
        self.sampler = Sampler(sample_rows, self.names)
        self._pending: list[list[np.ndarray]] = []
        self._n_pending = 0

    def append(self, columns: list[Column]) -> None:
        """Takes rows in: one column for each name.

        :raises Retype: a column that is not what it seemed
        """
        arrays = [self._encode(name, values) for name, values in zip(self.names, columns)]
        start, n_rows = 0, len(arrays[0])
        self.n_rows += n_rows
        while start < n_rows:
            stop = min(n_rows, start + self.block_rows - self._n_pending)
            self._pending.append([values[start:stop] for values in arrays])
            self._n_pending += stop - start
            start = stop
            if self._n_pending == self.block_rows:
                self._write_block()

    def finish(self) -> None:
        """Writes the last block and makes the files safe on disk."""
        if self._n_pending:
            self._write_block()
        for written in self._writing:
            written.result()
        for f in (self.blocks, self.index):
            f.flush()
            os.fsync(f.fileno())
        self.close()

    def close(self) -> None:
        """Lets go of the files; what a full disk still holds back has been told, or is of no use."""
        self._disk.shutdown(cancel_futures=True)
        for f in (self.blocks, self.index):
            with suppress(OSError):
                f.close()

    def _encode(self, name: str, values: Column) -> np.ndarray:
        if not isinstance(values, Texts):
            return values
        if name not in self.dictionaries:
            return hashes(values)
        dictionary = self.dictionaries[name]
        codes = dictionary.encode(values)
        if len(dictionary.codes) > MOST_TEXTS:
            raise Retype(name, None, f"has more than {MOST_TEXTS:,} different texts")
        return codes

    def _write_block(self) -> None:
        """:raises Retype: whole numbers too large for float64 in a column that has nothing but whole numbers so far"""
        columns = [np.concatenate(pieces) for pieces in zip(*self._pending)]
        self.moments.add(columns)
        too_large = np.flatnonzero(self.moments.whole & (self.moments.largest() >= EXACT))
        if len(too_large):
            raise Retype(self.names[too_large[0]], pa.int64())
        block = Block(0, self.n_blocks, self._n_pending, dict(zip(self.names, columns)))
        data = block.to_bytes()
        self._writing.append(self._disk.submit(self.blocks.write, data))
        if len(self._writing) > BLOCKS_BEHIND:
            self._writing.popleft().result()
        self.index.write(reference_line(0, self.n_blocks, block.n_rows, self.offset, len(data)) + b"\n")
        self.sampler.add(block)
        self.fingerprint = zlib.crc32(data[:16], self.fingerprint)  # holds the checksum of the checksums
        self.offset += len(data)
        self.n_blocks += 1
        self._pending, self._n_pending = [], 0


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
                csv.writer(self._file).writerow(["file", record.unit, "column", "value", "reason"])
            csv.writer(self._file).writerow([record.path, record.line, record.column, record.value, record.reason])

    def finish(self) -> None:
        if self._file is not None:
            self._file.close()


def write_pack(
    reader: Reader,
    sources: Sequence[Source],
    contents: PackContents,
    folder: str,
    progress: Progress = lambda n_bytes: None,
) -> Manifest:
    """Packs the wanted columns of all sources, in order and as one stream, into a folder.

    :raises ScanError: unreadable input, an unknown column, more than `max_bad_rows` bad rows, no rows at all
    """
    columns = ColumnTypes(reader, sources, contents)
    while True:
        columns.check()
        try:
            return _write(reader, columns, folder, progress)
        except Retype as change:
            columns.change(change)


def _write(reader: Reader, columns: ColumnTypes, folder: str, progress: Progress) -> Manifest:
    contents, sources = columns.contents, columns.sources
    parser = reader.parser(columns.types)
    rejects = Rejects(folder, contents.max_bad_rows)
    entries: list[dict[str, Any]] = []
    writer = None
    try:
        writer = BlockWriter(folder, columns, contents.sample_rows)
        for source in sources:
            first_row = writer.n_rows
            for parsed, n_bytes in parse_ahead(parser, reader.chunks(source), contents.max_bad_rows):
                columns.reconsider(parsed.bad)
                rejects.add(parsed.bad)
                writer.append(parsed.columns)
                progress(n_bytes)
                if contents.first_chunk:
                    break
            entries.append({**vars(source), "first_row": first_row, "n_rows": writer.n_rows - first_row})
            if contents.first_chunk and writer.n_rows:
                break
        writer.finish()
        if writer.n_rows == 0:
            raise ScanError(f"{sources[0].shown} holds no rows" + (" that can be used" if rejects.n else " of data"))
        texts = {name: list(dictionary.codes) for name, dictionary in writer.dictionaries.items()}
        manifest = make_manifest(
            reader, columns, writer.moments, texts,
            n_rows=writer.n_rows, n_rejected=rejects.n, n_blocks=writer.n_blocks, block_rows=writer.block_rows,
            fingerprint=f"{writer.offset:x}-{writer.fingerprint:08x}", sources=entries,
            parts=np.array([[0, writer.n_rows]], np.int64),
        )  # fmt: skip
        write_records(folder, manifest, writer.sampler.sample(), texts)
        return manifest
    except OSError as error:
        raise ScanError(
            f"the pack cannot be written to {folder} ({error.strerror}); make room there, or give another folder by "
            "--cache-dir"
        ) from None
    finally:
        rejects.finish()
        if writer is not None:
            writer.close()


def parse_ahead(parser: Parser, stream: Iterator[Any], max_bad_rows: int) -> Iterator[tuple[Parsed, int]]:
    """Parses the chunks, the next ones while a caller works on one; gives them in order, each with its bytes."""
    # pyarrow takes its threads from OMP_NUM_THREADS, which is 1 here for the sake of BLAS.
    pa.set_cpu_count(os.cpu_count() or 1)
    with ThreadPoolExecutor(max_workers=CHUNKS_AHEAD) as pool:
        waiting: deque[tuple[Future[Parsed], int]] = deque()
        try:
            for chunk in stream:
                waiting.append((pool.submit(parser.parse, chunk, max_bad_rows), chunk.n_bytes))
                if len(waiting) > CHUNKS_AHEAD:
                    future, n_bytes = waiting.popleft()
                    yield future.result(), n_bytes
            while waiting:
                future, n_bytes = waiting.popleft()
                yield future.result(), n_bytes
        finally:
            for future, _ in waiting:
                future.cancel()
