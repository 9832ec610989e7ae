"""One step of Newton's method for the generalised linear model of each of many groups (jobs/kernels/glm_groups.py).

python jobs/mr_glm_groups.py --query runs/logistic-.../queries/0002.query packed.txt
"""

from jobs.kernels.glm_groups import GLMGroupsStatistics
from jobs.kernels.glm_groups_newton import step_groups
from jobs.mr_keyed import MRKeyed


class MRGLMGroups(MRKeyed):
    """The next point of each group that is not at its end."""

    statistics_class = GLMGroupsStatistics
    solve = staticmethod(step_groups)


if __name__ == "__main__":
    MRGLMGroups.run()
