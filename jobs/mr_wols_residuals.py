"""The second pass of weighted least squares: everything that needs residuals (jobs/kernels/wols_residuals.py).

python jobs/mr_wols_residuals.py --query runs/wols-.../queries/0002.query packed.txt
"""

from jobs.kernels.wols_residuals import WOLSResidualsStatistics
from jobs.mr_scan import MRScan


class MRWOLSResiduals(MRScan):
    """Sandwich middles, moments, regressions of squared residuals, influence and succession at a given fit."""

    statistics_class = WOLSResidualsStatistics


if __name__ == "__main__":
    MRWOLSResiduals.run()
