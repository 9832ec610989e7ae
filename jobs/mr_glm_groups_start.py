"""Where the generalised linear model of each of many groups begins (jobs/kernels/glm_groups_newton.py).

python jobs/mr_glm_groups_start.py --query runs/logistic-.../queries/0001.query packed.txt
"""

from jobs.kernels.glm_groups_newton import start_groups
from jobs.kernels.wols_groups import WOLSGroupsStatistics
from jobs.mr_keyed import MRKeyed


class MRGLMGroupsStart(MRKeyed):
    """The first point of each group, from its sums of least squares."""

    statistics_class = WOLSGroupsStatistics
    solve = staticmethod(start_groups)


if __name__ == "__main__":
    MRGLMGroupsStart.run()
