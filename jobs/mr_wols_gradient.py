"""One gradient of weighted least squares for many candidates at once (jobs/kernels/wols_gradient.py).

python jobs/mr_wols_gradient.py --query runs/wols-.../queries/0001.query packed.txt
"""

from jobs.kernels.wols_gradient import WOLSGradientStatistics
from jobs.mr_scan import MRScan


class MRWOLSGradient(MRScan):
    """Loss and gradient of every candidate."""

    statistics_class = WOLSGradientStatistics


if __name__ == "__main__":
    MRWOLSGradient.run()
