"""Numbers and texts between Arrow and numpy or Python, by their buffers.

Arrow's own ways, to_numpy(), array() and scalar(), import pandas first wherever it is installed, which takes longer than a
fit of 100,000 rows.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa


def to_numpy(column: pa.Array | pa.ChunkedArray, missing: float = np.nan) -> np.ndarray:
    """The numbers of a column, (n,), where it is one piece without a copy, and so not to be written to.

    :param missing: stands for a cell without a number
    """
    pieces = [_of_piece(piece, missing) for piece in (column.chunks if isinstance(column, pa.ChunkedArray) else [column])]
    if len(pieces) == 1:
        return pieces[0]
    return np.concatenate(pieces) if pieces else np.empty(0, column.type.to_pandas_dtype())


def from_numpy(values: np.ndarray) -> pa.Array:
    """The numbers (n,) as Arrow has them, all of them present."""
    buffer = pa.py_buffer(np.ascontiguousarray(values))
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, buffer])


def from_mask(chosen: np.ndarray) -> pa.BooleanArray:
    """True and false, (n,), as Arrow has them."""
    buffer = pa.py_buffer(np.packbits(chosen, bitorder="little"))
    return pa.Array.from_buffers(pa.bool_(), len(chosen), [None, buffer])


def from_texts(texts: list[str]) -> pa.LargeStringArray:
    """Texts as Arrow has them, all of them present; more than 2 GiB together if need be."""
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def _of_piece(piece: pa.Array, missing: float) -> np.ndarray:
    dtype, seen = piece.type.to_pandas_dtype(), slice(piece.offset, piece.offset + len(piece))
    if not len(piece):
        return np.empty(0, dtype)
    validity, buffer = piece.buffers()
    if buffer is None:  # of missing cells alone
        return np.full(len(piece), missing, dtype)
    values = np.frombuffer(buffer, dtype)[seen]
    if not piece.null_count:
        return values
    present = np.unpackbits(np.frombuffer(validity, np.uint8), bitorder="little")[seen]
    return np.where(present, values, np.array(missing, dtype))
