"""The scores of rows and clusters at the end of a fit, for robust covariances (jobs/kernels/glm_scores.py).

python jobs/mr_glm_scores.py --query runs/logistic-.../queries/0005.query packed.txt
"""

from jobs.kernels.glm_scores import GLMScoresStatistics
from jobs.mr_scan import MRScan


class MRGLMScores(MRScan):
    """What the middle of a sandwich is made of."""

    statistics_class = GLMScoresStatistics


if __name__ == "__main__":
    MRGLMScores.run()
