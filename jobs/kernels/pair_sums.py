"""Correlations of all pairs of columns, each over the rows in which both have a number (pairwise complete).

Of z = (x - c) / s, and with u = 1 where z is there and 0 where not (z counts as 0 there), the sums over rows

    N = u'u,    S = z'u,    Q = (z * z)'u,    C = z'z                                                      (1)

N_ij rows have both; S_ij and Q_ij are the sums of z_i and z_i**2 over them. About a centre near the means nothing cancels:

    r_ij = (C_ij - S_ij S_ji / N_ij) / sqrt((Q_ij - S_ij**2 / N_ij) (Q_ji - S_ji**2 / N_ij))               (2)
"""

from __future__ import annotations

import numpy as np

ROWS, SUMS, SQUARES, PRODUCTS = range(4)


def pair_sums(z: np.ndarray, present: np.ndarray | None) -> np.ndarray:
    """(1) of z, (n, q), zero where a cell is absent; `present`: (n, q), or None where all are; shape (4, q, q)."""
    n, q = z.shape
    found = np.empty((4, q, q))
    found[PRODUCTS] = z.T @ z
    if present is None:
        found[ROWS] = n
        found[SUMS] = z.sum(axis=0)[:, None]
        found[SQUARES] = np.diag(found[PRODUCTS])[:, None]
        return found
    u = present.astype(float)
    found[ROWS] = u.T @ u
    found[SUMS] = z.T @ u
    found[SQUARES] = (z * z).T @ u
    return found


def moved(sums: np.ndarray, factor: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """The sums of factor z + shift; factor and shift (q,)."""
    n = sums[ROWS]
    f, t = factor[:, None], shift[:, None]
    scaled = f * sums[SUMS]
    found = np.empty_like(sums)
    found[ROWS] = n
    found[SUMS] = scaled + t * n
    found[SQUARES] = f**2 * sums[SQUARES] + 2 * t * scaled + t**2 * n
    found[PRODUCTS] = f * f.T * sums[PRODUCTS] + t.T * scaled + t * scaled.T + t * t.T * n
    return found


def correlations(sums: np.ndarray) -> np.ndarray:
    """(2), (q, q); NaN where a pair has fewer than two rows, or one of its columns does not vary over them."""
    n, s, q, c = sums
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = q - s**2 / n
        # What rounding leaves of a column that does not vary.
        variance = np.where((variance > 1e-13 * q) & (n > 1), variance, np.nan)
        found = (c - s * s.T / n) / np.sqrt(variance * variance.T)
    found = np.clip(found, -1, 1)
    at = np.arange(len(found))
    found[at, at] = np.where(np.isnan(found[at, at]), np.nan, 1.0)
    return found


def close_sums(a: np.ndarray, b: np.ndarray, rtol: float) -> bool:
    """Whether two sums differ by no more than rounding does."""
    if a.shape != b.shape or not np.array_equal(a[ROWS], b[ROWS]):
        return False
    n, square = a[ROWS], np.maximum(a[SQUARES], b[SQUARES])
    scales = {SUMS: np.sqrt(n * square), SQUARES: square, PRODUCTS: np.sqrt(square * square.T)}
    return all(bool(np.all(np.abs(a[k] - b[k]) <= rtol * scale)) for k, scale in scales.items())
