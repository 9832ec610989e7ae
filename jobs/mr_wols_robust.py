"""The second pass of weighted least squares: the middles of its sandwich covariances (jobs/kernels/wols_robust.py).

python jobs/mr_wols_robust.py --query runs/wols-.../queries/0002.query packed.txt
"""

from jobs.kernels.wols_robust import WOLSRobustStatistics
from jobs.mr_scan import MRScan


class MRWOLSRobust(MRScan):
    """sum w^2 e^2 z z', sum w^2 z z' and sum e^2 at a given fit."""

    statistics_class = WOLSRobustStatistics


if __name__ == "__main__":
    MRWOLSRobust.run()
