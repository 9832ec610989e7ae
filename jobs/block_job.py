"""BlockJob: what every pass over packed rows does before its statistics differ. The base of MRScan and MRKeyed.

mapper_init    loads the query
mapper         line -> block -> design step -> `add_rows` of the job
mapper_final   the rest of plain text, then `emit` of the job
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

# The group of the counters by which a driver is told what tasks did whose lines stay where they are.
COUNTERS = "scanlearn"


@dataclass
class ScanQuery(Record):
    """The file that `--query` names: the kernel's question, the design step, and how plain text lines are read."""

    question: Record
    design: Design
    text: Optional[TextFormat] = None  # noqa: UP045


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
class Answer(Record):
    """Base of what a pass answers. Besides its own fields each has counts, n_blocks, n_tasks, task_seconds, environments,
    which are [[Environment, number of tasks], ...]."""

    def __post_init__(self):
        super().__post_init__()
        for pair in getattr(self, "environments", []):
            if not (len(pair) == 2 and isinstance(pair[0], Environment) and type(pair[1]) is int):
                raise BadRecord("an answer that does not say where its tasks ran")

    @classmethod
    def of(cls, reports, **fields):
        """The answer with these fields of its own, by tasks with these reports."""
        environments = [report.environment for report in reports]
        distinct = sorted({e.to_line(): e for e in environments}.items())
        work = {
            "counts": sum((report.counts for report in reports), RowCounts()),
            "n_blocks": sum(report.n_blocks for report in reports),
            "n_tasks": len(reports),
            "task_seconds": sum(report.seconds for report in reports),
            "environments": [[e, environments.count(e)] for _, e in distinct],
        }
        return cls(**fields, **work)


class BlockJob(QueryJob):
    """Base of the jobs that read packed blocks; see the module."""

    INTERNAL_PROTOCOL = BytesProtocol

    query_class = ScanQuery
    # Called after each block, where a driver watches a pass in its own process.
    block_done: Any = None

    def configure_args(self):
        super().configure_args()
        self.add_passthru_arg(
            "--blocks", default=None, help="The file of blocks that reference lines point into. Default: %(default)s"
        )

    def mapper_init(self):
        self.started = time.perf_counter()
        self.query = load_query(self.options.query, self.query_class)
        self.columns = self.query.design.columns()
        self.blocks_file = BlocksFile(self.options.blocks) if self.options.blocks else None
        self.text = TextReader(self.query.text, _split_name(), self.columns) if self.query.text else None
        with refusing(f"the query {self.options.query} does not ask what {type(self).__name__} answers"):
            self.begin()
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
        with refusing(f"block {block.number} of part {block.part} does not fit the query"):
            rows = self.query.design.apply(block)
            self.add_rows(block, rows)
        self.counts += rows.counts
        self.n_blocks += 1
        if self.n_blocks % 64 == 0:  # Hadoop ends a task that is silent for ten minutes
            self.set_status(f"{self.n_blocks} blocks")
        if self.block_done is not None:
            self.block_done()

    def mapper_final(self):
        """Output: what the job emits of this task."""
        if self.text:
            for block in self.text.flush():
                self.add_block(block)
            rejected = self.text.n_rejected
            self.counts += RowCounts(read=rejected, rejected=rejected)
        yield from self.emit()

    def report(self, answer=None):
        """What this task did."""
        seconds = time.perf_counter() - self.started
        return TaskReport(self.counts, self.n_blocks, seconds, Environment.here(), answer)

    # -- for the jobs --------------------------------------------------------------------------------------------------

    def begin(self):
        """Makes the statistics of no rows."""
        raise NotImplementedError

    def add_rows(self, block, rows):
        """Takes the rows of a block in."""
        raise NotImplementedError

    def emit(self):
        """The pairs that this task emits."""
        raise NotImplementedError

    # -- for the driver ------------------------------------------------------------------------------------------------

    answer_class: "type[Answer]"

    @classmethod
    def query_for(cls, question, design, text, n_rows, parts):
        """The query of a pass over packed rows, of which the number and the blocks of each part are known, (m, 2)."""
        return ScanQuery(question, design, text)

    @classmethod
    def n_reducers(cls, query):
        """How many reducers there is work for."""
        return 1

    @classmethod
    def answer_from(cls, lines, query):
        """The answer of a pass with this query from the lines that its reducers wrote.

        :raises ScanError: lines that are not those of one pass
        """
        raise NotImplementedError


@contextmanager
def refusing(what):
    """Records that can be read one by one may not fit together: tells of it where numpy stumbles over them."""
    try:
        yield
    except MemoryError as error:
        raise ScanError(f"a task has too little memory: {error}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise BadRecord(f"{what} ({type(error).__name__}: {error})") from error


def _split_name():
    """A name for this task's piece of plain text, the same whenever the same piece is read."""
    path = jobconf_from_env("mapreduce.map.input.file")
    start = jobconf_from_env("mapreduce.map.input.start")
    # Spark names no input: the blocks of its tasks then have fresh numbers, and only the order of merging varies.
    return f"{path}:{start}" if path and start is not None else f"{os.getpid()}:{uuid.uuid4()}"
