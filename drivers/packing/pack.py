"""Writes the blocks of a table and gathers its manifest, in one streaming parse with memory flat in the rows."""

from __future__ import annotations

import csv
import json
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TextIO

import numpy as np
import pyarrow as pa

from drivers.packing.formats import Parser, Reader
from drivers.packing.formats.chunk_parser import Parsed, Reject, Types
from drivers.packing.kinds import (
    DATE,
    EXACT,
    HASH,
    INTEGER,
    MOST_TEXTS,
    NUMBER,
    TEXT,
    TEXT_TYPE,
    Column,
    Dictionary,
    Texts,
    hashes,
    is_finite,
    is_whole,
    kind_of,
)
from drivers.packing.manifest import FORMAT_VERSION, Dictionaries, Manifest, find_column, schema_text
from drivers.packing.sampling import Sampler
from drivers.packing.stores.source import Source
from jobs.blocks import Block, reference_line
from jobs.design import missing_cells
from jobs.errors import ScanError, quoted
from jobs.records import Record

BLOCK_BYTES = 1 << 20
SAMPLE_ROWS = 10_000
CHUNKS_AHEAD = 2
BLOCKS_BEHIND = 8  # wait for the disk at most
BLOCKS, INDEX, SAMPLE, MANIFEST, REJECTS = "blocks.bin", "index.txt", "sample.record", "manifest.record", "rejects.csv"
DICTIONARIES = "dictionaries.record"

Progress = Callable[[int], None]  # told the bytes of each chunk as it is packed


def rows_per_block(n_columns: int) -> int:
    """About 1 MiB, and never fewer rows than 8 times the columns: a block is to be taller than wide."""
    return max(BLOCK_BYTES // (8 * n_columns), 8 * n_columns)


class Retype(Exception):
    """A column turned out to be of another type than its first rows said; None: not to be packed at all."""

    def __init__(self, name: str, arrow: pa.DataType | None) -> None:
        super().__init__(name)
        self.name, self.arrow = name, arrow


@dataclass(frozen=True)
class PackContents:
    """What a pack is to hold.

    chosen: the columns, all when None; hashed: columns whose text only tells rows apart, so that their hashes will do where
    there are too many; max_bad_rows: how many bad records may be set aside; sample_rows: how many rows are sampled;
    first_chunk: no more than that, for a look.
    """

    chosen: tuple[str, ...] | None = None
    hashed: tuple[str, ...] = ()
    max_bad_rows: int = 0
    sample_rows: int = SAMPLE_ROWS
    first_chunk: bool = False


class BlockWriter:
    """Takes columns of any length and writes blocks of equal length, with an index line for each."""

    def __init__(self, folder: str, kinds: dict[str, str], sample_rows: int) -> None:
        self.names, self.kinds = list(kinds), list(kinds.values())
        n = len(self.names)
        self.block_rows = rows_per_block(n)
        self.n_rows = self.n_blocks = self.offset = self.fingerprint = 0
        self.blocks = open(os.path.join(folder, BLOCKS), "wb", buffering=0)  # noqa: SIM115
        # A thread of its own waits for the disk.
        self._disk = ThreadPoolExecutor(max_workers=1)
        self._writing: deque[Future[int]] = deque()
        self.index = open(os.path.join(folder, INDEX), "wb")  # noqa: SIM115
        self.sums, self.n_missing = np.zeros(n), np.zeros(n, np.int64)
        self.minima, self.maxima = np.full(n, np.inf), np.full(n, -np.inf)
        self.whole = np.array([kind == NUMBER for kind in self.kinds])  # only whole numbers so far
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
            raise Retype(name, None)
        return codes

    def _write_block(self) -> None:
        columns = [np.concatenate(pieces) for pieces in zip(*self._pending)]
        self._look(columns)
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

    def _look(self, columns: list[np.ndarray]) -> None:
        """Sums, extremes and missing cells of a block's columns.

        :raises Retype: whole numbers too large for float64 in a column that has nothing but whole numbers so far
        """
        for j, values in enumerate(columns):
            total = values.sum(dtype=float)
            # Among floats a missing cell makes the sum NaN, so most columns need not be searched for one.
            absent = None if values.dtype.kind == "f" and not np.isnan(total) else missing_cells(values)
            if absent is not None:
                values = values[~absent]
                total = values.sum(dtype=float)
                self.n_missing[j] += self._n_pending - len(values)
            if self.kinds[j] in (TEXT, HASH) or not len(values):
                continue
            low, high = float(values.min()), float(values.max())
            if self.whole[j]:
                self.whole[j] = bool((np.floor(values) == values).all())
                if self.whole[j] and max(-low, high) >= EXACT:
                    raise Retype(self.names[j], pa.int64())
            self.sums[j] += total
            self.minima[j] = min(self.minima[j], low)
            self.maxima[j] = max(self.maxima[j], high)


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

    A column that is not what its first rows said makes the packing begin again; so it is at most twice a column.

    :raises ScanError: unreadable input, an unknown column, more than `max_bad_rows` bad rows, no rows at all
    """
    for name in contents.chosen or ():
        find_column(reader.names, name, reader.notes)
    wanted = [name for name in reader.names if contents.chosen is None or name in contents.chosen]
    # pyarrow takes its threads from OMP_NUM_THREADS, which is 1 here for the sake of BLAS.
    pa.set_cpu_count(os.cpu_count() or 1)
    types: Types = {}
    left_out: dict[str, str] = {}
    for name, arrow in reader.look(wanted).items():
        if arrow is None:
            left_out[name] = "holds no numbers, texts or dates"
        else:
            types[name] = arrow
    settled: set[str] = set()  # columns that are numbers, however large
    as_hashes: set[str] = set()
    while True:
        if contents.chosen is not None and left_out:
            name, why = next(iter(left_out.items()))
            raise ScanError(f"the column {name!r} {why}")
        if not types:
            why = "".join(f"; {quoted(name)} {reason}" for name, reason in list(left_out.items())[:1])
            raise ScanError(f"{sources[0].shown} has no column that can be packed{why}")
        try:
            return _write(reader, sources, types, left_out, contents, settled, as_hashes, folder, progress)
        except Retype as change:
            if change.name in contents.hashed and change.arrow is None:
                as_hashes.add(change.name)
            elif change.arrow is None:
                del types[change.name]
                left_out[change.name] = f"has more than {MOST_TEXTS:,} different texts"
            else:
                types[change.name] = change.arrow
                if change.arrow == pa.float64():
                    settled.add(change.name)


def _write(
    reader: Reader,
    sources: Sequence[Source],
    types: Types,
    left_out: dict[str, str],
    contents: PackContents,
    settled: set[str],
    as_hashes: set[str],
    folder: str,
    progress: Progress,
) -> Manifest:
    parser = reader.parser(types)
    kinds = {name: HASH if name in as_hashes else kind_of(arrow) for name, arrow in types.items()}
    rejects = Rejects(folder, contents.max_bad_rows)
    entries: list[dict[str, Any]] = []
    writer = None
    try:
        writer = BlockWriter(folder, kinds, contents.sample_rows)
        writer.whole[[j for j, name in enumerate(types) if name in settled]] = False
        for source in sources:
            first_row = writer.n_rows
            for parsed, n_bytes in parse_ahead(parser, reader.chunks(source), contents.max_bad_rows):
                _reconsider(parsed.bad, types)
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
        return _finish(reader, writer, types, left_out, rejects.n, entries, folder)
    except OSError as error:
        raise ScanError(
            f"the pack cannot be written to {folder} ({error.strerror}); make room there, or give another folder by "
            "--cache-dir"
        ) from None
    finally:
        rejects.finish()
        if writer is not None:
            writer.close()


def _reconsider(bad: list[Reject], types: Types) -> None:
    """:raises Retype: among whole numbers one that is not whole, or one beyond 64 bits: an identity written in digits"""
    for record in bad:
        if types.get(record.column) == pa.int64() and is_finite(record.value):
            raise Retype(record.column, TEXT_TYPE if is_whole(record.value) else pa.float64())


def _finish(
    reader: Reader,
    writer: BlockWriter,
    types: Types,
    left_out: dict[str, str],
    n_rejected: int,
    entries: list[dict[str, Any]],
    folder: str,
) -> Manifest:
    """Writes the records that lie beside the blocks; the manifest comes last."""
    texts = {name: list(dictionary.codes) for name, dictionary in writer.dictionaries.items()}
    fingerprint = f"{writer.offset:x}-{writer.fingerprint:08x}"
    if texts:
        fingerprint += f"-{zlib.crc32(json.dumps(texts).encode()):08x}"
    counts = writer.n_rows - writer.n_missing
    moments = np.array([kind in (NUMBER, INTEGER, DATE) for kind in writer.kinds]) & (counts > 0)
    manifest = Manifest(
        format_version=FORMAT_VERSION,
        columns=writer.names,
        kinds=writer.kinds,
        schema=schema_text(types),
        text=reader.text,
        unit=reader.unit,
        delimiter=reader.delimiter,
        notes=list(reader.notes),
        left_out=left_out,
        n_rows=writer.n_rows,
        n_rejected=n_rejected,
        n_blocks=writer.n_blocks,
        block_rows=writer.block_rows,
        fingerprint=fingerprint,
        sources=entries,
        means=np.divide(writer.sums, counts, out=np.full(len(types), np.nan), where=moments),
        minima=np.where(moments, writer.minima, np.nan),
        maxima=np.where(moments, writer.maxima, np.nan),
        n_missing=writer.n_missing,
        n_texts=np.array([len(texts.get(name, ())) for name in writer.names], dtype=np.int64),
    )
    records: list[tuple[str, Record]] = [
        (SAMPLE, writer.sampler.sample()),
        (DICTIONARIES, Dictionaries(texts)),
        (MANIFEST, manifest),
    ]
    for name, record in records:
        with open(os.path.join(folder, name), "w", encoding="ascii") as f:
            f.write(record.to_line() + "\n")
            f.flush()
            os.fsync(f.fileno())
    return manifest


def parse_ahead(parser: Parser, stream: Iterator[Any], max_bad_rows: int) -> Iterator[tuple[Parsed, int]]:
    """Parses the chunks, the next ones while a caller works on one; gives them in order, each with its bytes."""
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
