"""MRScan: one pass over the data, one small record back. The base of every job that a driver solves.

    mapper_init    loads the query and makes a zero statistic
    mapper         block -> design step -> statistics.add          (in-mapper combining: nothing is emitted a row)
    mapper_final   emits the few merged records of this task
    reducer        merges along the fixed tree of jobs/tree.py and emits the one PassAnswer

A job of its own is a file with a subclass that names its statistic:

    class MRWOLS(MRScan):
        statistics_class = WOLSStatistics
"""

import math
import os
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Optional

from jobs.blocks import BLOCK_LINE, REFERENCE_LINE, BlocksFile, read_line
from jobs.design import Design, RowCounts
from jobs.environment import Environment
from jobs.errors import BadRecord, ScanError
from jobs.kernels.contract import Statistics
from jobs.mrjob_compat import BytesProtocol, jobconf_from_env
from jobs.pack_report import REPORT_LINE
from jobs.query_job import QueryJob, load_query
from jobs.records import Record
from jobs.text import TextFormat, TextReader
from jobs.tree import MergeTree


@dataclass
class ScanQuery(Record):
    """The file that `--query` names: the kernel's question, the design step, and how plain text lines are read."""

    question: Record
    design: Design
    text: Optional[TextFormat] = None  # noqa: UP045


@dataclass
class Subtree(Record):
    """The statistic of blocks index * 2**level ... of one part, as it travels to the reducer."""

    part: int
    level: int
    index: int
    statistics: Statistics

    def __post_init__(self):
        super().__post_init__()
        if not (0 <= self.part < 2**64 and 0 <= self.level < 64 and 0 <= self.index < 2 ** (64 - self.level)):
            raise BadRecord("a subtree at a place where no block can be")


@dataclass
class TaskReport(Record):
    """What a map task did; `answer` holds the statistic itself where merging is exact in any order."""

    counts: RowCounts
    n_blocks: int
    seconds: float
    environment: Environment
    answer: Optional[Statistics] = None  # noqa: UP045

    def __post_init__(self):
        super().__post_init__()
        counts = self.counts
        if not all(0 <= n < 2**63 for n in (self.n_blocks, counts.read, counts.used, counts.rejected, counts.missing)):
            raise BadRecord("a report of a task whose counts are no counts")
        if not 0 <= self.seconds < math.inf:
            raise BadRecord(f"a report of a task that took {self.seconds} seconds")


@dataclass
class PassAnswer(Record):
    """The answer of a whole pass."""

    statistics: Statistics
    counts: RowCounts
    n_blocks: int
    n_tasks: int
    task_seconds: float
    environments: list  # [(Environment, number of tasks)]

    def __post_init__(self):
        super().__post_init__()
        for pair in self.environments:
            if not (len(pair) == 2 and isinstance(pair[0], Environment) and type(pair[1]) is int):
                raise BadRecord("an answer that does not say where its tasks ran")


KEY = b"scan"


class MRScan(QueryJob):
    """Base of the jobs with one record back; see the module."""

    statistics_class: "type[Statistics]"

    INTERNAL_PROTOCOL = BytesProtocol
    # Values come in the order of the data, so that siblings meet early and the reducer holds few of them.
    SORT_VALUES = True

    # Called after each block, where a driver watches a pass in its own process.
    block_done: Any = None

    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg(
            "--blocks", default=None, help="The file of blocks that reference lines point into. Default: %(default)s"
        )

    # -- map ---------------------------------------------------------------------------------------------------------

    def mapper_init(self):
        self.started = time.perf_counter()
        self.query = load_query(self.options.query, ScanQuery)
        self.columns = self.query.design.columns()
        self.blocks_file = BlocksFile(self.options.blocks) if self.options.blocks else None
        self.text = TextReader(self.query.text, _split_name(), self.columns) if self.query.text else None
        self.tree: MergeTree[Statistics] = MergeTree()
        with _refusing(f"the query {self.options.query} does not ask what {type(self).__name__} answers"):
            self.answer = self.statistics_class.zero(self.query.question)
        self.counts = RowCounts()
        self.n_blocks = 0

    def mapper(self, _, line):
        """Input: a block line, a reference line, or, where the query says how to read it, a line of delimited text.
        Output: none yet."""
        if line.startswith((BLOCK_LINE, REFERENCE_LINE)):
            self.add_block(read_line(line, self.columns, self.blocks_file))
        elif line.startswith(REPORT_LINE):
            pass  # MRPack's, of what the blocks before it hold
        elif self.text:
            for block in self.text.read(line):
                self.add_block(block)
        elif line.strip():
            raise BadRecord(f"this line is no packed block, and the query does not say how to read text: {line[:60]!r}")

    def add_block(self, block):
        with _refusing(f"block {block.number} of part {block.part} does not fit the query"):
            rows = self.query.design.apply(block)
            if self.statistics_class.order_free:
                self.answer.add(rows, self.query.question)
            else:
                leaf = self.statistics_class.zero(self.query.question)
                leaf.add(rows, self.query.question)
                self.tree.add(block.part, 0, block.number, leaf)
        self.counts += rows.counts
        self.n_blocks += 1
        if self.n_blocks % 64 == 0:  # Hadoop ends a task that is silent for ten minutes
            self.set_status(f"{self.n_blocks} blocks")
        if self.block_done is not None:
            self.block_done()

    def mapper_final(self):
        """Output: for each open subtree "node PART START LEVEL" and a Subtree; then "task" and a TaskReport. All have
        one key, so they meet in one reducer on every runner."""
        if self.text:
            for block in self.text.flush():
                self.add_block(block)
            rejected = self.text.n_rejected
            self.counts += RowCounts(read=rejected, rejected=rejected)
        for (part, level, index), statistics in self.tree.nodes():
            place = "node %016x %016x %02x" % (part, index << level, level)
            yield KEY, _labelled(place, Subtree(part, level, index, statistics))
        answer = self.answer if self.statistics_class.order_free else None
        seconds = time.perf_counter() - self.started
        yield KEY, _labelled("task", TaskReport(self.counts, self.n_blocks, seconds, Environment.here(), answer))

    # -- reduce ------------------------------------------------------------------------------------------------------

    def reducer(self, _, values):
        """Input: as mapper_final emits, in the order of the data. Output: one line, the PassAnswer."""
        with _refusing("the results of the tasks are not those of one pass"):
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
        environments = [report.environment for report in reports]
        distinct = sorted({e.to_line(): e for e in environments}.items())
        return PassAnswer(
            statistics=statistics,
            counts=sum((report.counts for report in reports), RowCounts()),
            n_blocks=sum(report.n_blocks for report in reports),
            n_tasks=len(reports),
            task_seconds=sum(report.seconds for report in reports),
            environments=[[e, environments.count(e)] for _, e in distinct],
        )

    def _check_kind(self, statistics, order_free):
        """Another job's result would be merged field by field with those of this one."""
        if not isinstance(statistics, self.statistics_class) or self.statistics_class.order_free != order_free:
            raise BadRecord(f"a task's result is a {type(statistics).__name__}, and none of {type(self).__name__}")


@contextmanager
def _refusing(what):
    """Records that can be read one by one may not fit together: tells of it where numpy stumbles over them."""
    try:
        yield
    except MemoryError as error:
        raise ScanError(f"a task has too little memory: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise BadRecord(f"{what} ({type(error).__name__}: {error})") from error


def _labelled(label, record):
    """A value that sorts by its label."""
    return f"{label}|{record.to_line()}".encode("ascii")


def _split_name():
    """A name for this task's piece of plain text, the same whenever the same piece is read."""
    path = jobconf_from_env("mapreduce.map.input.file")
    start = jobconf_from_env("mapreduce.map.input.start")
    # Spark names no input: the blocks of its tasks then have fresh numbers, and only the order of merging varies.
    return f"{path}:{start}" if path and start is not None else f"{os.getpid()}:{uuid.uuid4()}"
