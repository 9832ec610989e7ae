"""One step of EM for Gaussian mixtures, for many candidates at once (jobs/kernels/gmm.py).

python jobs/mr_gmm.py --query runs/gmm-.../queries/0001.query packed.txt
"""

from jobs.kernels.gmm import GMMStatistics
from jobs.mr_scan import MRScan


class MRGMM(MRScan):
    """The E step over all rows, and the sums from which the M step is made."""

    statistics_class = GMMStatistics


if __name__ == "__main__":
    MRGMM.run()
