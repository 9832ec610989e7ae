"""Packed blocks: some thousand rows as typed columns, and the two kinds of line that carry one to a mapper.

In bytes, all integers little-endian:

    "SLBLOCK1"  header length (uint32)  CRC32 of the header (uint32)  header (JSON)  columns, one after another

The header names part, number, rows and, for each column, its name, dtype and CRC32; a column's values lie together, so a
reader takes only the columns it needs. A line is either the block itself or a reference into the file of blocks:

    scanlearn-block PART NUMBER ROWS BASE64
    scanlearn-reference PART NUMBER ROWS OFFSET BYTES
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import struct
import zlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from jobs.errors import BadBlock, quoted

MAGIC = b"SLBLOCK1"
BLOCK_LINE = b"scanlearn-block "
REFERENCE_LINE = b"scanlearn-reference "
DTYPES = ("<f8", "<i8", "<i4")
_PREFIX = struct.Struct("<8sII")
_LARGEST_HEADER = 64 << 20
_MOST_LISTED = 30


@dataclass
class Block:
    """Rows of one part of a table: `columns` maps each name to an array of shape (n_rows,)."""

    part: int
    number: int
    n_rows: int
    columns: dict[str, np.ndarray]

    def to_bytes(self) -> bytes:
        """The block as it lies in a file of blocks."""
        entries, pieces = [], []
        for name, values in self.columns.items():
            data = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
            if data.dtype.str not in DTYPES or data.shape != (self.n_rows,):
                raise ValueError(f"column {name!r} has dtype {data.dtype} and shape {data.shape}")
            entries.append([name, data.dtype.str, zlib.crc32(data.data)])
            pieces.append(data.data)
        header = json.dumps(
            {"part": self.part, "number": self.number, "rows": self.n_rows, "columns": entries}, separators=(",", ":")
        ).encode("ascii")
        # Eight-byte columns then lie on eight-byte boundaries of the block.
        header += b" " * (-(_PREFIX.size + len(header)) % 8)
        return b"".join([_PREFIX.pack(MAGIC, len(header), zlib.crc32(header)), header, *pieces])


def block_line(part: int, number: int, n_rows: int, data: bytes) -> bytes:
    """The line that holds a whole block, without the newline."""
    return b"%s%d %d %d %s" % (BLOCK_LINE, part, number, n_rows, base64.b64encode(data))


def reference_line(part: int, number: int, n_rows: int, offset: int, n_bytes: int) -> bytes:
    """The line that says where in the file of blocks a block lies, without the newline."""
    return b"%s%d %d %d %d %d" % (REFERENCE_LINE, part, number, n_rows, offset, n_bytes)


def read_line(line: bytes, columns: Sequence[str], blocks_file: BlocksFile | None) -> Block:
    """The block of a line of either kind, with the given columns only.

    :raises BadBlock: a line that is malformed, cut short, damaged, or refers to what is not there
    """
    shown = repr(line[:70].decode("latin-1"))
    is_reference = line.startswith(REFERENCE_LINE)
    pieces = line.split(b" ")
    if not line.startswith((BLOCK_LINE, REFERENCE_LINE)):
        raise BadBlock(f"a line that holds no block: {shown}")
    if len(pieces) != (6 if is_reference else 5):
        raise BadBlock(f"a block line of {len(pieces)} pieces, so cut short or damaged: {shown}")
    try:
        part, number, n_rows = (_natural(piece) for piece in pieces[1:4])
        if is_reference:
            if blocks_file is None:
                raise BadBlock("a reference to a block, but no --blocks file was given")
            block = blocks_file.read(_natural(pieces[4]), _natural(pieces[5]), columns)
        else:
            data = memoryview(binascii.a2b_base64(pieces[4]))
            block = _parse(lambda offset, size: data[offset : offset + size], len(data), columns)
    except (BadBlock, ValueError, binascii.Error) as error:
        raise BadBlock(f"{error}, in the block line {shown}") from None
    if (block.part, block.number, block.n_rows) != (part, number, n_rows):
        raise BadBlock(f"a block line that names another block than it holds: {shown}")
    return block


class BlocksFile:
    """A file of blocks, read at offsets; a reference outside it is refused."""

    def __init__(self, path: str) -> None:
        try:
            self._file = open(path, "rb")  # noqa: SIM115  (lives as long as the task)
        except OSError as error:
            raise BadBlock(f"the file of blocks {path} cannot be read: {error.strerror}") from None
        self.path = path
        self.size = os.fstat(self._file.fileno()).st_size

    def read(self, offset: int, n_bytes: int, columns: Sequence[str]) -> Block:
        """The block at an offset, with the given columns only."""
        if offset + n_bytes > self.size:
            raise BadBlock(f"a reference to bytes {offset}-{offset + n_bytes} of {self.path}, which has {self.size}")
        return _parse(lambda start, size: os.pread(self._file.fileno(), size, offset + start), n_bytes, columns)

    def read_bytes(self, offset: int, n_bytes: int) -> bytes:
        """The raw bytes of a block."""
        return os.pread(self._file.fileno(), n_bytes, offset)

    def close(self) -> None:
        self._file.close()


def listed(names: Collection[str]) -> str:
    """The names of columns as a message shows them: the first ones, and no more than the beginning of each."""
    shown = [name if name.isprintable() and len(name) <= 40 else quoted(name) for name in islice(names, _MOST_LISTED)]
    return ", ".join([*shown, "..."] if len(names) > _MOST_LISTED else shown)


def _natural(piece: bytes) -> int:
    if not piece.isdigit() or len(piece) > 18:
        raise ValueError(f"{piece[:20].decode('latin-1')!r} is not a count")
    return int(piece)


def _parse(fetch: Callable[[int, int], bytes | memoryview], size: int, columns: Sequence[str]) -> Block:
    """Reads a block of `size` bytes through `fetch(offset, n_bytes)`."""
    prefix = fetch(0, _PREFIX.size)
    if len(prefix) < _PREFIX.size:
        raise BadBlock("a block that is cut short")
    magic, header_size, header_crc = _PREFIX.unpack(prefix)
    if magic != MAGIC:
        raise BadBlock("bytes that are not a block")
    if header_size > min(size, _LARGEST_HEADER):
        raise BadBlock("a block that is cut short or damaged")
    header_bytes = bytes(fetch(_PREFIX.size, header_size))
    if zlib.crc32(header_bytes) != header_crc:
        raise BadBlock("a block whose header is damaged")
    places, offset = {}, _PREFIX.size + header_size
    try:
        header = json.loads(header_bytes)
        part, number, n_rows = header["part"], header["number"], header["rows"]
        if any(type(count) is not int or count < 0 for count in (part, number, n_rows)):
            raise ValueError("counts that are no counts")
        if n_rows > size:  # a block without columns would otherwise have as many rows as it says
            raise BadBlock(f"a block that claims more rows than its {size} bytes")
        for name, dtype_name, crc in header["columns"]:
            if type(name) is not str:
                raise BadBlock("a column whose name is no text")
            if name in places:
                raise BadBlock(f"the column {quoted(name)} twice")
            if dtype_name not in DTYPES:
                raise BadBlock(f"a column of dtype {quoted(str(dtype_name))}")
            n_bytes = n_rows * np.dtype(dtype_name).itemsize
            places[name] = (offset, n_bytes, dtype_name, crc)
            offset += n_bytes
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise BadBlock(f"a block whose header makes no sense ({error})") from None
    if offset != size:
        raise BadBlock(f"a block of {size} bytes whose header says {offset}")
    found = {}
    for name in columns:
        if name not in places:
            raise BadBlock(f"a block without the column {quoted(name)}; it has {listed(places)}")
        start, n_bytes, dtype_name, crc = places[name]
        data = fetch(start, n_bytes)
        if len(data) != n_bytes or zlib.crc32(data) != crc:
            raise BadBlock(f"a block whose column {quoted(name)} is cut short or damaged")
        found[name] = np.frombuffer(data, np.dtype(dtype_name))
    return Block(part, number, n_rows, found)
