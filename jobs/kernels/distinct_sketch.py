"""HyperLogLog: how many different values a column has, from a few kilobytes, whatever their number.

The hash of a value names one of m registers by its first bits, and the register keeps the largest number of leading zeros,
plus one, that the other bits of such a hash have had. Registers merge by their maxima, exactly and in any order, and a
value that comes again changes nothing. With m = 8192 the estimate has a relative standard error of 1.04 / sqrt(m) = 1.15 %.

P. Flajolet, E. Fusy, O. Gandouet and F. Meunier, "HyperLogLog: the analysis of a near-optimal cardinality estimation
algorithm", AofA 2007. The estimate is that of O. Ertl, "New cardinality estimation algorithms for HyperLogLog sketches",
arXiv:1702.01284, algorithm 6: without tables of corrections it holds from one value to 2**64.
"""

from __future__ import annotations

import math

import numpy as np

from jobs.keys import mix

INDEX_BITS = 13
N_REGISTERS = 1 << INDEX_BITS
RELATIVE_ERROR = 1.04 / math.sqrt(N_REGISTERS)
_REST_BITS = 64 - INDEX_BITS


def registers_of(keys: np.ndarray) -> np.ndarray:
    """The registers of some values, by their keys, (n,) int64; shape (N_REGISTERS,), uint8."""
    registers = np.zeros(N_REGISTERS, np.uint8)
    bits = mix(keys.view(np.uint64))
    index = (bits >> np.uint64(_REST_BITS)).astype(np.intp)
    # Exact as a double, whose exponent counts the bits; 1/2 stands for none.
    rest = (bits & np.uint64(2**_REST_BITS - 1)).astype(float)
    length = (np.maximum(rest, 0.5).view(np.int64) >> np.int64(52)) - np.int64(1022)
    np.maximum.at(registers, index, (_REST_BITS + 1 - length).astype(np.uint8))
    return registers


def estimate(registers: np.ndarray) -> float:
    """How many different values have been there."""
    m, q = N_REGISTERS, _REST_BITS
    counts = np.bincount(registers, minlength=q + 2).astype(float)
    z = m * _tau(1 - counts[q + 1] / m)
    for k in range(q, 0, -1):
        z = 0.5 * (z + counts[k])
    z += m * _sigma(counts[0] / m)
    return m * m / (2 * math.log(2) * z)


def _sigma(x: float) -> float:
    """x + sum_k x**(2**k) 2**(k - 1)."""
    if x == 1:
        return math.inf
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z, y = z + x * y, 2 * y
    return z


def _tau(x: float) -> float:
    """(1 - x - sum_k (1 - x**(2**-k))**2 2**-k) / 3."""
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x, before, y = math.sqrt(x), z, y / 2
        z -= (1 - x) ** 2 * y
    return z / 3
