"""MRKeyed: one pass over the data, one result for each of many keys. The base of every job whose reducers solve.

    mapper_init    loads the query and makes an empty KeyedTree
    mapper         block -> design step -> statistics of the keys in the block    (in-mapper combining along the tree)
    mapper_final   emits, for each bucket of keys, the entries of this task; and a report
    reducer        of a bucket: completes the trees of its keys, solves, and emits their results
                   of the reports: sees that every block came once, and emits what the tasks did

Into how many buckets the keys are dealt, by their hash, is in the query, so it is the same on every runner; how many
reducers share the buckets is the runner's. A job of its own is a file with a subclass that names its statistics and solver:

    class MRWOLSGroups(MRKeyed):
        statistics_class = WOLSGroupsStatistics
        solve = staticmethod(solve_groups)
"""

import hashlib
from dataclasses import dataclass, field

import numpy as np

from jobs.block_job import Answer, BlockJob, ScanQuery, TaskReport, refusing
from jobs.design import RowCounts
from jobs.errors import BadRecord, ScanError
from jobs.kernels.keyed import Keyed, KeyedStatistics
from jobs.keyed_tree import Entries, KeyedTree, joined_entries, merged_entries
from jobs.query_job import load_query
from jobs.records import Record, array_field
from jobs.tree import MergeTree, Seen, check_place

# A bucket is solved in the memory of one reducer, and may have a key a row.
ROWS_A_BUCKET, MOST_BUCKETS = 1 << 16, 1 << 10
# About so many bytes of entries travel in one line.
LINE_BYTES = 1 << 22
REPORTS = b"reports"


@dataclass
class KeyedQuery(ScanQuery):
    """The query of a pass; into how many buckets its keys are dealt; and the number and the blocks of each part of the
    packed rows, (m, 2), none where they are not known."""

    n_buckets: int = 1
    parts: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)), metadata=array_field("<u8", 2).metadata)

    def __post_init__(self):
        super().__post_init__()
        if not 1 <= self.n_buckets <= MOST_BUCKETS:
            raise BadRecord(f"keys cannot be dealt to {self.n_buckets} buckets")


@dataclass
class KeyedReport(Record):
    """What a map task did, which subtrees of blocks it read, (m, 3), and how many entries it emitted."""

    report: TaskReport
    n_entries: int
    places: np.ndarray = array_field("<u8", 2)

    def __post_init__(self):
        super().__post_init__()
        if self.places.shape[1] != 3 or self.n_entries < 0:
            raise BadRecord("a report of a task that does not say what it read and emitted")
        for _, level, index in self.places.tolist():
            check_place(0, level, index)


@dataclass
class KeyedWork(Answer):
    """What all tasks of a pass did."""

    n_entries: int
    counts: RowCounts
    n_blocks: int
    n_tasks: int
    task_seconds: float
    environments: list


@dataclass
class BucketAnswer(Record):
    """The results of a bucket of keys, and what they were solved from."""

    bucket: int
    n_entries: int
    statistics_md5: str
    result: Keyed


@dataclass
class KeyedAnswer(Answer):
    """The answer of a whole pass: the results of all keys, ascending."""

    result: Keyed
    statistics_md5: str
    counts: RowCounts
    n_blocks: int
    n_tasks: int
    task_seconds: float
    environments: list


def buckets_for(n_rows):
    """Into how many buckets the keys of a table of so many rows are dealt."""
    return min(max(1, -(-n_rows // ROWS_A_BUCKET)), MOST_BUCKETS)


class MRKeyed(BlockJob):
    """Base of the jobs with a result for each key; see the module."""

    statistics_class: "type[KeyedStatistics]"
    answer_class = KeyedAnswer
    query_class = KeyedQuery
    # In a reducer, from its first bucket on: reports do without.
    question: "Record | None" = None

    @staticmethod
    def solve(statistics, question):
        """The results of keys, a Keyed, from their statistics."""
        raise NotImplementedError

    # -- map ---------------------------------------------------------------------------------------------------------

    def begin(self):
        self.statistics_class.zero(self.query.question)
        self.tree = KeyedTree(self.query.n_buckets, dict(self.query.parts.tolist()))

    def add_rows(self, block, rows):
        self.tree.add(block.part, block.number, self.statistics_class.leaf(rows, self.query.question))

    def emit(self):
        """Output: "bucket NUMBER" and Entries, as many lines as they take; "reports" and a KeyedReport."""
        n_entries = 0
        for bucket, entries in self.tree.buckets():
            step = max(1, LINE_BYTES * len(entries) // entries.n_bytes)
            for begin in range(0, len(entries), step):
                some = entries.slice(begin, begin + step)
                n_entries += len(some)
                yield b"bucket %04x" % bucket, some.to_line().encode("ascii")
        yield REPORTS, KeyedReport(self.report(), n_entries, self.tree.places()).to_line().encode("ascii")

    # -- reduce ------------------------------------------------------------------------------------------------------

    def reducer(self, key, values):
        """Input: as `emit` emits, in any order. Output: a line with the BucketAnswer, or the KeyedWork."""
        with refusing("the results of the tasks are not those of one pass"):
            answer = self.join_reports(values) if key == REPORTS else self.join_bucket(key, values)
        yield None, answer.to_line().encode("ascii")

    def join_reports(self, values):
        """What the tasks did, which have read every block once."""
        tree: MergeTree[Seen] = MergeTree()
        reports, n_entries = [], 0
        for value in values:
            task = KeyedReport.from_line(value)
            for part, level, index in task.places.tolist():
                tree.add(part, level, index, Seen())
            reports.append(task.report)
            n_entries += task.n_entries
        tree.total()
        return KeyedWork.of(reports, n_entries=n_entries)

    def join_bucket(self, key, values):
        """The results of the keys of a bucket."""
        if self.question is None:
            self.question = load_query(self.options.query, KeyedQuery).question
        many = [Entries.from_line(value) for value in values]
        for entries in many:
            if type(entries.statistics) is not self.statistics_class:
                raise BadRecord(
                    f"a task's result is a {type(entries.statistics).__name__}, and none of {type(self).__name__}"
                )
        entries = joined_entries(many)
        n_entries = len(entries)
        statistics = merged_entries(entries).statistics
        result = self.solve(statistics, self.question)
        return BucketAnswer(int(key.split()[1], 16), n_entries, statistics.md5(), result)

    # -- for the driver ------------------------------------------------------------------------------------------------

    @classmethod
    def query_for(cls, question, design, text, n_rows, parts):
        return KeyedQuery(question, design, text, buckets_for(n_rows), parts)

    @classmethod
    def n_reducers(cls, query):
        return query.n_buckets

    @classmethod
    def answer_from(cls, lines, query):
        records = [Record.from_line(line) for line in lines]
        work = [record for record in records if isinstance(record, KeyedWork)]
        buckets = sorted((r for r in records if isinstance(r, BucketAnswer)), key=lambda r: r.bucket)
        if len(work) != 1 or len(records) != 1 + len({bucket.bucket for bucket in buckets}):
            raise ScanError(f"the job gave {len(records)} lines that are not the answer of one pass")
        n_entries = sum(bucket.n_entries for bucket in buckets)
        if n_entries != work[0].n_entries:
            raise ScanError(f"the reducers read {n_entries} entries of the {work[0].n_entries} that the mappers emitted")
        digest = hashlib.md5("".join(b.statistics_md5 for b in buckets).encode("ascii"), usedforsecurity=False)
        nothing = cls.solve(cls.statistics_class.zero(query.question), query.question)
        result = type(nothing).concatenate([nothing, *(bucket.result for bucket in buckets)])
        fields = {name: value for name, value in vars(work[0]).items() if name != "n_entries"}
        return KeyedAnswer(result=result, statistics_md5=digest.hexdigest(), **fields)
