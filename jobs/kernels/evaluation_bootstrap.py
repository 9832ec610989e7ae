"""The Poisson bootstrap: how often each row is drawn in each replicate, a function of its key alone.

To draw n rows of n with replacement is, for many rows, to draw each of them Poisson(1) times, apart from all others
(Chamandy, Muralidharan, Najmi and Naidu, "Estimating uncertainty for massive data streams", Google, 2012). A count needs 16
random bits: the probabilities of 0, 1, 2, ... are those of Poisson(1) rounded to multiples of 2^-16, which leaves the mean
within 5e-5 and the variance within 3e-4 of 1.
"""

from __future__ import annotations

import math

import numpy as np

from jobs.keys import derive

# Counts that 64 bits give.
COUNTS = 4
# How many of the 65,536 patterns of 16 bits mean 0, 1, 2, ...
_PATTERNS = [round(2**16 * math.exp(-1) / math.factorial(k)) for k in range(9)]
_TABLE = np.repeat(np.arange(9, dtype=np.uint8), [2**16 - sum(_PATTERNS[1:]), *_PATTERNS[1:]])


def poisson_counts(keys: np.ndarray, seed: int, n_replicates: int) -> np.ndarray:
    """How often rows of these keys, (n,) uint64, are drawn in each replicate: shape (n, n_replicates), uint8.

    A replicate's counts do not depend on how many replicates there are.
    """
    n_words = -(-n_replicates // COUNTS)
    bits = np.empty((len(keys), n_words), "<u8")
    for j in range(n_words):
        bits[:, j] = derive(keys, seed, f"bootstrap {j}")
    return _TABLE[bits.view("<u2")][:, :n_replicates]
