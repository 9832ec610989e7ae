"""One round of k-means||, which draws starting centres from all rows (jobs/kernels/kmeans_parallel.py).

python jobs/mr_kmeans_parallel.py --query runs/kmeans-.../queries/0001.query packed.txt
"""

from jobs.kernels.kmeans_parallel import KMeansParallelStatistics
from jobs.mr_scan import MRScan


class MRKMeansParallel(MRScan):
    """Rows drawn in proportion to the square of their distance from the centres there are."""

    statistics_class = KMeansParallelStatistics


if __name__ == "__main__":
    MRKMeansParallel.run()
