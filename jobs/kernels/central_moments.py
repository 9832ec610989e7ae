"""Mean and central sums up to the fourth power of many columns, merged without ever a raw moment.

Of z = (x - c) / s with a centre c and a scale s, a power of two, that all rows of a pass share:

    m = sum z / n,    M_k = sum (z - m)**k,    k = 2, 3, 4                                                 (1)

and with d = m_B - m_A two sets of rows A, B merge by

    m   = m_A + d n_B / n
    M_2 = M_2A + M_2B + d**2 n_A n_B / n
    M_3 = M_3A + M_3B + d**3 n_A n_B (n_A - n_B) / n**2 + 3 d (n_A M_2B - n_B M_2A) / n                    (2)
    M_4 = M_4A + M_4B + d**4 n_A n_B (n_A**2 - n_A n_B + n_B**2) / n**3
          + 6 d**2 (n_A**2 M_2B + n_B**2 M_2A) / n**2 + 4 d (n_A M_3B - n_B M_3A) / n

(T. Chan, G. Golub and R. LeVeque, The American Statistician 37, 1983; P. Pebay, "Formulas for robust, one-pass parallel
computation of covariances and arbitrary-order statistical moments", Sandia report SAND2008-6212, 2008.) The centre keeps
the digits of a narrow column far from zero, the scale keeps fourth powers within the range of doubles.
"""

from __future__ import annotations

import numpy as np


def moments_of(z: np.ndarray) -> np.ndarray:
    """m, M_2, M_3, M_4 of one column, (n,); shape (4,), zeros for no rows."""
    if not len(z):
        return np.zeros(4)
    mean = z.mean()
    d = z - mean
    square = d * d
    # The mean is rounded: what its error adds to M_2 is taken away.
    return np.array([mean, square.sum() - d.sum() ** 2 / len(z), square @ d, square @ square])


def merged_moments(n: np.ndarray, moments: np.ndarray, n_other: np.ndarray, other: np.ndarray) -> np.ndarray:
    """(2) for p columns: rows n and n_other, (p,), moments (p, 4); where one side has no rows the other's bits."""
    a, b = n.astype(float), n_other.astype(float)
    total = np.maximum(a + b, 1.0)
    m_a, m2_a, m3_a, m4_a = moments.T
    m_b, m2_b, m3_b, m4_b = other.T
    d = m_b - m_a
    share_a, share_b = a / total, b / total
    mean = m_a + d * share_b
    m2 = m2_a + m2_b + d**2 * (a * share_b)
    m3 = m3_a + m3_b + d**3 * (a * share_b) * (share_a - share_b) + 3 * d * (share_a * m2_b - share_b * m2_a)
    m4 = (
        m4_a
        + m4_b
        + d**4 * (a * share_b) * (share_a**2 - share_a * share_b + share_b**2)
        + 6 * d**2 * (share_a**2 * m2_b + share_b**2 * m2_a)
        + 4 * d * (share_a * m3_b - share_b * m3_a)
    )
    found = np.column_stack([mean, m2, m3, m4])
    return np.where((b == 0)[:, None], moments, np.where((a == 0)[:, None], other, found))


def moved(moments: np.ndarray, factor: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The moments of factor z + shift; factor and shift (p,)."""
    found = moments * np.column_stack([factor, factor**2, factor**3, factor**4])
    found[:, 0] += shift
    return found


def close_moments(n: np.ndarray, a: np.ndarray, b: np.ndarray, rtol: float) -> bool:
    """Whether two moments of n rows, (p,), differ by no more than rounding does: relative to sums of magnitudes."""
    spread = np.sqrt(np.maximum(a[:, 1], b[:, 1]) / np.maximum(n, 1))
    size = np.maximum(np.abs(a[:, 0]), np.abs(b[:, 0])) + spread  # of a cell
    scale = np.column_stack([size, n * size**2, n * size**3, n * size**4])
    own = np.maximum(np.abs(a), np.abs(b))
    # Of a sum of squares or fourth powers all digits are right; a mean and a sum of cubes may cancel.
    scale[:, 1::2] = np.minimum(scale[:, 1::2], own[:, 1::2] + 1e-3 * scale[:, 1::2])
    return bool(np.all(np.abs(a - b) <= rtol * scale))
