"""Doubles as whole numbers in the same order: what is sorted, counted and compared is then exact, infinities included.

A double that is not negative has bits that rise with it, and the bits of a negative one fall as it rises; so those of the
negative ones are turned over. One column of keys serves doubles and 64-bit whole numbers alike.
"""

from __future__ import annotations

import numpy as np

_ALL_BUT_SIGN = np.int64(2**63 - 1)


def keys_of(values: np.ndarray) -> np.ndarray:
    """The key of each double, none of them NaN; shape (n,), int64. -0 and 0 have one."""
    return _turned((np.asarray(values, dtype=float) + 0.0).view(np.int64))


def values_of(keys: np.ndarray) -> np.ndarray:
    """The doubles of keys: the inverse of `keys_of`; shape (n,)."""
    return _turned(np.asarray(keys, dtype=np.int64)).view(np.float64)


def _turned(bits: np.ndarray) -> np.ndarray:
    return bits ^ ((bits >> np.int64(63)) & _ALL_BUT_SIGN)
