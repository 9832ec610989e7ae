"""One pass of iterative refinement of weighted least squares (jobs/kernels/wols_refine.py).

python jobs/mr_wols_refine.py --query runs/wols-.../queries/0002.query packed.txt
"""

from jobs.kernels.wols_refine import WOLSRefineStatistics
from jobs.mr_scan import MRScan


class MRWOLSRefine(MRScan):
    """sum w q q', sum w q e and sum w e^2 in the basis of a given solution, from products without rounding errors."""

    statistics_class = WOLSRefineStatistics


if __name__ == "__main__":
    MRWOLSRefine.run()
