"""What the measures of predictions beside the truth are made of (jobs/kernels/evaluation.py).

python jobs/mr_evaluate.py --query runs/evaluate-.../queries/0001.query packed.txt
"""

from jobs.kernels.evaluation import EvaluationStatistics
from jobs.mr_scan import MRScan


class MREvaluate(MRScan):
    """Sums, tables and histograms, for segments and replicates."""

    statistics_class = EvaluationStatistics


if __name__ == "__main__":
    MREvaluate.run()
