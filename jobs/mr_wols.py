"""One pass of weighted ordinary least squares: R of sqrt(w) [1, X - c, y - c_y] (jobs/kernels/wols.py).

python jobs/mr_wols.py --query runs/wols-.../queries/0001.query packed.txt
"""

from jobs.kernels.wols import WOLSStatistics
from jobs.mr_scan import MRScan


class MRWOLS(MRScan):
    """The R factor and the weight sums of all rows."""

    statistics_class = WOLSStatistics


if __name__ == "__main__":
    MRWOLS.run()
