"""One step of k-means for many candidates at once (jobs/kernels/kmeans.py).

python jobs/mr_kmeans.py --query runs/kmeans-.../queries/0001.query packed.txt
"""

from jobs.kernels.kmeans import KMeansStatistics
from jobs.mr_scan import MRScan


class MRKMeans(MRScan):
    """Sizes, sums and quality of every cluster of every candidate."""

    statistics_class = KMeansStatistics


if __name__ == "__main__":
    MRKMeans.run()
