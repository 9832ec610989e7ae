"""The profile of a table: of every column its cells, extremes, moments, ranks, different and frequent values, and the
correlations of all pairs, in one pass (jobs/kernels/table_profile.py).

python jobs/mr_profile.py --query runs/describe-.../queries/0001.query packed.txt
"""

from dataclasses import dataclass, field, fields

from jobs.design import Rows
from jobs.kernels.table_profile import TableProfileStatistics
from jobs.mr_scan import MRScan


@dataclass
class ExactRows(Rows):
    """Rows with the exact whole numbers of some columns of X, which holds doubles: those beyond 2**53 would be rounded."""

    whole: dict = field(default_factory=dict)


class MRProfile(MRScan):
    """All columns of X, with their missing cells."""

    statistics_class = TableProfileStatistics

    def add_rows(self, block, rows):
        design = self.query.design
        own = {j: block.columns[name] for j, name in enumerate(design.features) if name not in design.made}
        whole = {j: values for j, values in own.items() if values.dtype.kind == "i" and values.dtype.itemsize == 8}
        if whole and rows.counts.used == block.n_rows:
            rows = ExactRows(**{f.name: getattr(rows, f.name) for f in fields(Rows)}, whole=whole)
        super().add_rows(block, rows)


if __name__ == "__main__":
    MRProfile.run()
