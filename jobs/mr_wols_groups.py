"""One pass of weighted least squares for each of many groups, solved in the reducers (jobs/kernels/wols_groups.py).

python jobs/mr_wols_groups.py --query runs/wols-.../queries/0001.query packed.txt
"""

from jobs.kernels.wols_groups import WOLSGroupsStatistics, solve_groups
from jobs.mr_keyed import MRKeyed


class MRWOLSGroups(MRKeyed):
    """The fit of each group."""

    statistics_class = WOLSGroupsStatistics
    solve = staticmethod(solve_groups)


if __name__ == "__main__":
    MRWOLSGroups.run()
