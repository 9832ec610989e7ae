"""From the coordinates that the passes compute in to coefficients, and back.

With z = B' (1, x - c) a linear predictor theta' z has the coefficients b = B theta: the first is the predictor at the
centre, the others are the slopes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jobs.records import Record, array_field


@dataclass
class Coordinates(Record):
    """center: c (p,); basis: B (d, d), or its diagonal (1, d), with d = p + 1; root: the inverse of B, shaped as it is."""

    center: np.ndarray = array_field("<f8", 1)
    basis: np.ndarray = array_field("<f8", 2)
    root: np.ndarray = array_field("<f8", 2)

    @classmethod
    def of_rows(cls, X: np.ndarray, w: np.ndarray, center: np.ndarray, widths: np.ndarray) -> Coordinates:
        """Coordinates in which the columns (1, x - c) of a sample are orthonormal, as means over its rows.

        A column that the sample knows nothing of, or no more than others tell of it, keeps a length of its own.

        :param X: rows of the sample (n, p), with weights w (n,)
        :param widths: how far each feature may be from its centre, (p,), which stands for it where the sample has one value
        """
        d = len(center) + 1
        columns = np.column_stack([np.ones(len(X)), X - center]) * np.sqrt(w / max(w.sum(), np.finfo(float).tiny))[:, None]
        lengths = np.concatenate([[1.0], np.where(widths > 0, widths, 1.0)])
        norms = np.linalg.norm(columns, axis=0)
        norms = np.where(norms > 1e-8 * lengths, norms, lengths)
        # A little of every column itself: what depends on the others within the sample need not in the whole.
        stacked = np.vstack([columns / norms, 1e-5 * np.eye(d)])
        root = np.asarray(np.linalg.qr(stacked, mode="r")) * norms
        return cls(center, np.linalg.solve(root, np.eye(d)), root)

    @classmethod
    def scaled(cls, X: np.ndarray, w: np.ndarray, center: np.ndarray, widths: np.ndarray) -> Coordinates:
        """Coordinates in which the columns of a sample have the length 1: where a matrix of the features is too large."""
        square = (w @ (X - center) ** 2) / max(w.sum(), np.finfo(float).tiny)
        lengths = np.where(square > (1e-8 * widths) ** 2, np.sqrt(square), np.where(widths > 0, widths, 1.0))
        root = np.concatenate([[1.0], lengths])[None]
        return cls(center, 1 / root, root)

    def coefficients(self, theta: np.ndarray) -> np.ndarray:
        """b (..., d) of theta (..., d)."""
        return theta * self.basis[0] if len(self.basis) == 1 else theta @ self.basis.T

    def sizes(self, theta: np.ndarray) -> np.ndarray:
        """What is added up to make each coefficient, without signs."""
        return np.abs(theta) * self.basis[0] if len(self.basis) == 1 else np.abs(theta) @ np.abs(self.basis).T

    def theta(self, coefficients: np.ndarray) -> np.ndarray:
        """The inverse of `coefficients`."""
        return coefficients * self.root[0] if len(self.root) == 1 else coefficients @ self.root.T

    def gradient_of_theta(self, gradient: np.ndarray) -> np.ndarray:
        """A gradient with respect to b (..., d) as one with respect to theta."""
        return gradient * self.basis[0] if len(self.basis) == 1 else gradient @ self.basis

    def gradient_of_coefficients(self, gradient: np.ndarray) -> np.ndarray:
        """The inverse of `gradient_of_theta`."""
        return gradient * self.root[0] if len(self.root) == 1 else gradient @ self.root

    def whole_basis(self, q: int) -> np.ndarray:
        """B for q predictors one after another, (q d, q d)."""
        return np.kron(np.eye(q), np.diag(self.basis[0]) if len(self.basis) == 1 else self.basis)

    def whole_root(self, q: int) -> np.ndarray:
        """Likewise its inverse."""
        return np.kron(np.eye(q), self.square_root())

    def directions(self, free: np.ndarray, q: int) -> np.ndarray:
        """Orthonormal directions of theta in which the slopes that are not of the mask free (p,) stay 0, (D, r)."""
        columns = np.concatenate([[True], free])
        return np.kron(np.eye(q), np.linalg.qr(self.square_root()[:, columns])[0])

    def square_root(self) -> np.ndarray:
        """The inverse of B as a matrix, (d, d)."""
        return np.diag(self.root[0]) if len(self.root) == 1 else self.root

    def widths_of_second(self, second: np.ndarray, q: int) -> np.ndarray:
        """The roots of the diagonal of a second derivative with respect to b, (q, d), from one with respect to theta,
        (D, D), or its diagonal (D, 1)."""
        d = self.root.shape[1]
        if second.shape[1] == 1:
            return np.sqrt(np.maximum(second[:, 0], 0.0)).reshape(q, d) * self.root[0]
        blocks = second.reshape(q, d, q, d)
        root = self.square_root()
        found = [np.einsum("ij,ij->j", root, blocks[a, :, a] @ root) for a in range(q)]
        return np.sqrt(np.maximum(found, 0.0))
