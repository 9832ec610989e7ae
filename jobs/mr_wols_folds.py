"""One pass of weighted least squares with a statistic for each fold (jobs/kernels/wols_folds.py).

python jobs/mr_wols_folds.py --query runs/wols-.../queries/0001.query packed.txt
"""

from jobs.kernels.wols_folds import WOLSFoldsStatistics
from jobs.mr_scan import MRScan


class MRWOLSFolds(MRScan):
    """The R factor and the weight sums of the rows of each fold."""

    statistics_class = WOLSFoldsStatistics


if __name__ == "__main__":
    MRWOLSFolds.run()
