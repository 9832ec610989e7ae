"""The number of rows, by which a runner is checked (jobs/kernels/count.py).

python jobs/mr_count.py --query runs/check-.../queries/0001.query packed.txt
"""

from jobs.kernels.count import CountStatistics
from jobs.mr_scan import MRScan


class MRCount(MRScan):
    """Every row once."""

    statistics_class = CountStatistics


if __name__ == "__main__":
    MRCount.run()
