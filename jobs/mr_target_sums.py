"""What the target sums up to for each level of columns of text, fold by fold, in one pass (jobs/kernels/target_sums.py).

python jobs/mr_target_sums.py --query runs/prepare-.../queries/0002.query packed.txt
"""

from jobs.kernels.target_sums import TargetSumsStatistics
from jobs.mr_scan import MRScan


class MRTargetSums(MRScan):
    """The columns of X are levels."""

    statistics_class = TargetSumsStatistics


if __name__ == "__main__":
    MRTargetSums.run()
