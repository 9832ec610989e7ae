"""A uniform sample of k rows without replacement, the same on every runner (jobs/kernels/sample.py).

python jobs/mr_sample.py --query runs/sample-.../queries/0001.query packed.txt
"""

from jobs.kernels.sample import SampleStatistics
from jobs.mr_scan import MRScan


class MRSample(MRScan):
    """The k rows of smallest key."""

    statistics_class = SampleStatistics


if __name__ == "__main__":
    MRSample.run()
