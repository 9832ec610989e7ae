"""Anderson's acceleration of a fixed-point iteration x <- F(x), by points where F is known.

With g_i = F(x_i) - x_i at the last points, a_1 + ... + a_h = 1 that make |sum a_i g_i| least, the next point is

    sum a_i F(x_i)                                                                                     (1)

which is where F would be at rest if it were linear (Anderson, "Iterative procedures for nonlinear integral equations",
J. ACM 12, 1965; for EM: Henderson and Varadhan, "Damped Anderson acceleration with restarts and monotonicity control",
J. Computational and Graphical Statistics 28, 2019). The system is damped, so that differences of g that are nearly
dependent do not send the point far away.
"""

from __future__ import annotations

import numpy as np

DAMPING = 1e-10  # relative to the largest of the differences


def extrapolate(points: np.ndarray, images: np.ndarray) -> np.ndarray:
    """(1), shape (D,): points x_i (h, D) with h of 2 or more, the last of them the one to go on from; images F(x_i)."""
    g = images - points
    steps = g[-1] - g[:-1]  # (h - 1, D)
    gram = steps @ steps.T
    gram[np.diag_indices_from(gram)] += DAMPING * gram.diagonal().max() + np.finfo(float).tiny
    b = np.linalg.lstsq(gram, steps @ g[-1], rcond=None)[0]
    return images[-1] - b @ (images[-1] - images[:-1])
