"""Loss, gradient and second derivatives of many generalised linear models at once (jobs/kernels/glm.py).

python jobs/mr_glm.py --query runs/logistic-.../queries/0001.query packed.txt
"""

from jobs.kernels.glm import GLMStatistics
from jobs.mr_scan import MRScan


class MRGLM(MRScan):
    """What Newton's method, or another, asks of every candidate."""

    statistics_class = GLMStatistics


if __name__ == "__main__":
    MRGLM.run()
