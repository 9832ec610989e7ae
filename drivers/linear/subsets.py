"""The statistic of some of the columns, from the statistic of all of them: no pass over the data.

With A = QR, the columns J of A are Q R_J, so that R of A_J is R of R_J (Golub and Van Loan, *Matrix Computations*, 4th ed.,
6.5). This holds for any choice of columns in any order, and for any of them in the place of the target.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from jobs.kernels.wols import WOLSQuery, WOLSStatistics, r_factor

# What drivers/linear/selection.py can do.
METHODS = ("forward", "backward", "stepwise", "best")
CRITERIA = ("aic", "bic", "cv")
MOST_TERMS = 30  # of an exact search: the time doubles with each, at worst


def subset(
    statistics: WOLSStatistics, query: WOLSQuery, columns: Sequence[int], target: int | None = None
) -> tuple[WOLSStatistics, WOLSQuery]:
    """What a pass over these columns alone would have given, to rounding.

    :param statistics: of p features
    :param columns: the features to keep, numbers from 0, in the order they shall have; p is the old target
    :param target: the column that becomes the target, a number from 0; None: the target stays
    :return: the statistic, R of shape (len(columns) + 2,) twice, and its query
    :raises ValueError: for a number that is no column
    """
    p = len(query.center)
    centers = np.append(query.center, query.target_center)
    target = p if target is None else target
    chosen = [*columns, target]
    if not all(0 <= j <= p for j in chosen):
        raise ValueError(f"columns are numbered from 0 to {p}, the target; these are {chosen}")
    r = r_factor(statistics.r[:, [0, *(j + 1 for j in chosen)]])
    return replace(statistics, r=r), WOLSQuery(centers[list(columns)], float(centers[target]))
