"""MRScan: one pass over the data, one small record back. The base of every job that a driver solves.

    mapper_init    loads the query and makes a zero statistic
    mapper         block -> design step -> statistics.add          (in-mapper combining: nothing is emitted a row)
    mapper_final   emits the few merged records of this task
    reducer        merges along the fixed tree of jobs/tree.py and emits the one PassAnswer

A job of its own is a file with a subclass that names its statistic:

    class MRWOLS(MRScan):
        statistics_class = WOLSStatistics
"""

from dataclasses import dataclass

from jobs.block_job import Answer, BlockJob, ScanQuery, TaskReport, refusing
from jobs.design import RowCounts
from jobs.errors import BadRecord, ScanError
from jobs.kernels.contract import Statistics
from jobs.query_job import load_query
from jobs.records import Record
from jobs.tree import MergeTree, check_place


@dataclass
class Subtree(Record):
    """The statistic of blocks index * 2**level ... of one part, as it travels to the reducer."""

    part: int
    level: int
    index: int
    statistics: Statistics

    def __post_init__(self):
        super().__post_init__()
        check_place(self.part, self.level, self.index)


@dataclass
class PassAnswer(Answer):
    """The answer of a whole pass."""

    statistics: Statistics
    counts: RowCounts
    n_blocks: int
    n_tasks: int
    task_seconds: float
    environments: list

    @property
    def result(self):
        """What the driver goes on with."""
        return self.statistics

    @property
    def statistics_md5(self):
        """The fingerprint of the merged statistics."""
        return self.statistics.md5()


KEY = b"scan"


class MRScan(BlockJob):
    """Base of the jobs with one record back; see the module."""

    statistics_class: "type[Statistics]"
    answer_class = PassAnswer

    # Values come in the order of the data, so that siblings meet early and the reducer holds few of them.
    SORT_VALUES = True

    # -- map ---------------------------------------------------------------------------------------------------------

    def begin(self):
        self.tree: MergeTree[Statistics] = MergeTree()
        self.answer = self.statistics_class.zero(self.query.question)

    def add_rows(self, block, rows):
        if self.statistics_class.order_free:
            self.answer.add(rows, self.query.question)
        else:
            leaf = self.statistics_class.zero(self.query.question)
            leaf.add(rows, self.query.question)
            self.tree.add(block.part, 0, block.number, leaf)

    def emit(self):
        """Output: for each open subtree "node PART START LEVEL" and a Subtree; then "task" and a TaskReport. All have
        one key, so they meet in one reducer on every runner."""
        for (part, level, index), statistics in self.tree.nodes():
            place = "node %016x %016x %02x" % (part, index << level, level)
            yield KEY, _labelled(place, Subtree(part, level, index, statistics))
        yield KEY, _labelled("task", self.report(self.answer if self.statistics_class.order_free else None))

    # -- reduce ------------------------------------------------------------------------------------------------------

    def reducer(self, _, values):
        """Input: as mapper_final emits, in the order of the data. Output: one line, the PassAnswer."""
        with refusing("the results of the tasks are not those of one pass"):
            line = self._join(values).to_line()
        yield None, line.encode("ascii")

    def _join(self, values):
        """The answer of the pass from what its tasks emitted."""
        tree: MergeTree[Statistics] = MergeTree()
        answer, reports = None, []
        for value in values:
            label, _, record = value.partition(b"|")
            if label != b"task":
                node = Subtree.from_line(record)
                self._check_kind(node.statistics, order_free=False)
                tree.add(node.part, node.level, node.index, node.statistics)
                continue
            report = TaskReport.from_line(record)
            if report.answer is not None:
                self._check_kind(report.answer, order_free=True)
                answer = report.answer if answer is None else answer.merge(report.answer)
                report.answer = None
            reports.append(report)
        statistics = answer if self.statistics_class.order_free else tree.total()
        if statistics is None:
            statistics = self.statistics_class.zero(load_query(self.options.query, ScanQuery).question)
        return PassAnswer.of(reports, statistics=statistics)

    def _check_kind(self, statistics, order_free):
        """Another job's result would be merged field by field with those of this one."""
        if not isinstance(statistics, self.statistics_class) or self.statistics_class.order_free != order_free:
            raise BadRecord(f"a task's result is a {type(statistics).__name__}, and none of {type(self).__name__}")

    # -- for the driver ------------------------------------------------------------------------------------------------

    @classmethod
    def answer_from(cls, lines, query):
        if len(lines) != 1:
            raise ScanError(f"the job gave {len(lines)} answers where one is expected")
        return PassAnswer.from_line(lines[0])


def _labelled(label, record):
    """A value that sorts by its label."""
    return f"{label}|{record.to_line()}".encode("ascii")
