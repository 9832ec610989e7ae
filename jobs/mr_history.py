"""What the past of each entity says of its rows: lags, differences and rolling means, by a secondary sort by time.

    mapper         block -> design step -> for each bucket of entities, and slice of time in it, a line with its rows
    reducer        of a bucket: slice after slice, sorts the rows by entity and time, and computes their windows

A slice is a piece of time of a bucket that is too large for the memory of a reducer; lines are sorted by it on their way,
so that of the slices before no more is remembered than the windows reach back. Into how many buckets and slices rows are
dealt is in the query, so what comes out is the same for any number of tasks. Slices lie at the edges, which are moments,
and between them: a moment that many rows share is a slice by itself, whose rows are in the order of the data already.

Where the output is a file of the user's own, a line holds new columns and the numbers of their rows, and the driver puts
them beside the rows. Where it stays on HDFS or S3, the lines are CSV, those of an entity in the order of time.

python jobs/mr_history.py --query runs/history-.../queries/0001.query packed.txt
"""

from dataclasses import dataclass, field
from typing import Optional

import numpy as np

from jobs.block_job import COUNTERS, Answer, BlockJob, ScanQuery, refusing
from jobs.csv_lines import NUMBER, WHOLE, CsvColumn, csv_lines, header_line
from jobs.design import RowCounts
from jobs.errors import BadRecord
from jobs.kernels.days import microseconds_of
from jobs.kernels.ordered_bits import keys_of as ordered
from jobs.kernels.windows import COUNT, LAG, Feature, Past
from jobs.query_job import load_query
from jobs.records import Record, array_field

# A reducer holds a bucket of about so many bytes, or a slice of one.
BUCKET_BYTES, MOST_BUCKETS = 1 << 24, 1 << 12
# About so many bytes travel in one line.
LINE_BYTES = 1 << 22
REPORTS = b"reports"
# How many rows were written, where a runner says nothing of its counters.
NOT_TOLD = -1
# What a column of times holds: dates, other numbers, or whole numbers to their last digit.
TIMES = DATES, NUMBERS, WHOLE_NUMBERS = "dates", "numbers", "whole numbers"


@dataclass
class HistoryQuestion(Record):
    """features: the new columns; times: what the column of times holds; since: the key of the first time whose rows are
    written, None for all."""

    features: list
    times: str
    since: Optional[int] = None  # noqa: UP045

    def __post_init__(self):
        super().__post_init__()
        if not all(isinstance(feature, Feature) for feature in self.features) or self.times not in TIMES:
            raise BadRecord("a question for the past that does not say what of it")


@dataclass
class HistoryQuery(ScanQuery):
    """The group of the design is the entity, its id the time. n_buckets: of entities; edges: (k, 2), a bucket and the key
    of a time at which it is cut, ascending; parts: (m, 2), the number of each part and its first row; block_rows: of a full
    block. For output that stays where it is, is_table, keep: [[name, kind], ...] of the columns to write beside, kinds of
    jobs/csv_lines.py; kinds: likewise of those that features are of; texts: of those of text
    """

    question: HistoryQuestion
    n_buckets: int = 1
    block_rows: int = 1
    is_table: bool = False
    delimiter: str = ","
    keep: list = field(default_factory=list)
    kinds: dict = field(default_factory=dict)
    texts: dict = field(default_factory=dict)
    edges: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)), metadata=array_field("<i8", 2).metadata)
    parts: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)), metadata=array_field("<i8", 2).metadata)

    def __post_init__(self):
        super().__post_init__()
        if not (1 <= self.n_buckets <= MOST_BUCKETS and self.block_rows >= 1):
            raise BadRecord(f"entities cannot be dealt to {self.n_buckets} buckets, nor {self.block_rows} rows to a block")
        if self.edges.shape[1] != 2 or self.parts.shape[1] != 2 or self.design.group is None or self.design.id is None:
            raise BadRecord("a query that does not say where rows stand, of which entity and when")

    def carried(self):
        """The columns that travel with a row, each once."""
        kept = [name for name, _ in self.keep]
        return list(dict.fromkeys([*(f.column for f in self.question.features if f.column), *kept]))


@dataclass
class SliceRows(Record):
    """Some rows of a slice, in the order of the data: entities and times by their keys, the numbers of the rows, and their
    cells by the name of the column."""

    columns: dict
    entities: np.ndarray = array_field("<u8", 1)
    times: np.ndarray = array_field("<i8", 1)
    numbers: np.ndarray = array_field("<i8", 1)

    def __post_init__(self):
        super().__post_init__()
        arrays = [self.times, self.numbers, *self.columns.values()]
        if not len(self.entities) or any(np.shape(array) != self.entities.shape for array in arrays):
            raise BadRecord("rows of a slice of which not each has its cells")


@dataclass
class HistoryRows(Record):
    """New columns, (n,) each, and the numbers of their rows, ascending; n_before: rows that are history only; n_ties: rows
    at the time of the row before."""

    columns: list
    n_before: int
    n_ties: int
    numbers: np.ndarray = array_field("<i8", 1)

    def __post_init__(self):
        super().__post_init__()
        if any(np.shape(array) != self.numbers.shape for array in self.columns):
            raise BadRecord("new columns that are not all of the same rows")


@dataclass
class HistoryAnswer(Answer):
    """What all tasks of a pass did; statistics_md5: of the new columns in the order of the data, "" where they are not
    here; n_written: rows that were written, or NOT_TOLD; n_before: rows that are history only; n_ties: as of HistoryRows.
    """

    statistics_md5: str
    n_written: int
    n_before: int
    n_ties: int
    counts: RowCounts
    n_blocks: int
    n_tasks: int
    task_seconds: float
    environments: list

    @property
    def result(self):
        """How many rows were written."""
        return self.n_written


class MRHistory(BlockJob):
    """New columns of packed rows from the past of their entities."""

    query_class = HistoryQuery  # type: ignore[assignment]  # of one kind of question
    answer_class = HistoryAnswer

    # Slices come in the order of time.
    SORT_VALUES = True

    # -- map ---------------------------------------------------------------------------------------------------------

    def begin(self):
        self.columns = list(dict.fromkeys([*self.columns, *self.query.carried()]))
        self.first_rows = dict(self.query.parts.tolist())
        self.lines = []

    def mapper(self, _, line):
        """Input: a line of a block. Output: "rows BUCKET", and its slice, its first row and its SliceRows."""
        super().mapper(_, line)
        lines, self.lines = self.lines, []
        yield from lines

    def add_rows(self, block, rows):
        query = self.query
        if block.part not in self.first_rows:
            raise BadRecord(f"a block of the part {block.part}, of which the query does not know")
        entities = rows.group_keys
        times = time_keys(rows.ids, query.question.times)
        numbers = self.first_rows[block.part] + block.number * query.block_rows + rows.positions
        cells = {name: block.columns[name][rows.positions] for name in query.carried()}
        buckets = buckets_of(entities, query.n_buckets)
        slices = slices_of(buckets, times, query.edges)
        order = np.lexsort((slices, buckets))
        buckets, slices = buckets[order], slices[order]
        changes = (buckets[1:] != buckets[:-1]) | (slices[1:] != slices[:-1])
        begins = [0, *(np.flatnonzero(changes) + 1).tolist()] if len(order) else []
        for begin, end in zip(begins, [*begins[1:], len(order)]):
            some = order[begin:end]
            line = SliceRows({name: v[some] for name, v in cells.items()}, entities[some], times[some], numbers[some])
            label = b"%08x %016x " % (slices[begin], numbers[some[0]])
            self.lines.append((b"rows %04x" % buckets[begin], label + line.to_line().encode("ascii")))

    def emit(self):
        """Output: "reports" and a TaskReport; of a table, which has no room for one, nothing."""
        if not self.query.is_table:
            yield REPORTS, self.report().to_line().encode("ascii")
            return
        for name, n in (("tasks", 1), ("rows", self.counts.read), ("missing", self.counts.missing)):
            self.increment_counter(COUNTERS, name, n)

    # -- reduce ------------------------------------------------------------------------------------------------------

    def reducer_init(self):
        self.query = load_query(self.options.query, self.query_class)
        self.has_header = False

    def reducer(self, key, values):
        """Input: as map tasks emit, slices in the order of time. Output: lines with HistoryRows, or of CSV; TaskReports as
        they are."""
        if key == REPORTS:
            for value in values:
                yield None, value
            return
        with refusing("the rows that the tasks sent are not those of one pass"):
            past = Past(self.query.question.features)
            for rows in batches(values):
                for line in self.written(past, rows):
                    yield None, line

    def written(self, past, rows):
        """The lines of a batch."""
        self.set_status(f"{len(rows.times)} rows")  # Hadoop ends a task that is silent for ten minutes
        found = past.advance(rows.entities, rows.times, rows.columns)
        order, columns, since = found.order, found.outputs, self.query.question.since
        if since is not None:
            chosen = np.flatnonzero(rows.times[order] >= since)
            order, columns = order[chosen], [values[chosen] for values in columns]
        n_before = len(rows.times) - len(order)
        if not self.query.is_table:
            yield from _pieces(rows.numbers[order], columns, n_before, found.n_ties)
            return
        for name, n in (("written", len(order)), ("before", n_before), ("ties", found.n_ties)):
            self.increment_counter(COUNTERS, name, n)
        if len(order):
            yield from self.table(rows, order, columns)

    def table(self, rows, order, columns):
        """The rows of a batch as lines of CSV; those of a task begin with the names."""
        query = self.query
        if not self.has_header:
            names = [*(name for name, _ in query.keep), *(feature.name for feature in query.question.features)]
            yield header_line(names, query.delimiter)[:-1]  # its end is that of the line
            self.has_header = True
        kept = [CsvColumn(rows.columns[name][order], kind, query.texts.get(name)) for name, kind in query.keep]
        added = feature_columns(query.question.features, columns, query.kinds, query.texts)
        yield csv_lines([*kept, *added], query.delimiter)[:-1]

    # -- for the driver ------------------------------------------------------------------------------------------------

    @classmethod
    def n_reducers(cls, query):
        return query.n_buckets


def time_keys(values, times):
    """Whole numbers in the order of times, (n,), int64: the microseconds of dates, which are days since 1970."""
    if times == DATES:
        return microseconds_of(values)
    return ordered(values) if times == NUMBERS else np.asarray(values, np.int64)


def buckets_of(entities, n_buckets):
    """The bucket of each entity, (n,): keys are hashed, so equal pieces of their range hold about equally many."""
    first = np.array([(b << 64) // n_buckets for b in range(1, n_buckets)], np.uint64)
    return np.searchsorted(first, entities, side="right")


def slices_of(buckets, times, edges):
    """The slice of each row in its bucket, (n,): 2 j between the edges j - 1 and j, 2 j + 1 at the edge j."""
    found = np.zeros(len(times), np.int64)
    for bucket in np.unique(edges[:, 0]).tolist():
        own, cuts = buckets == bucket, edges[edges[:, 0] == bucket, 1]
        found[own] = np.searchsorted(cuts, times[own]) + np.searchsorted(cuts, times[own], side="right")
    return found


def batches(values):
    """The rows of a bucket, SliceRows after SliceRows: of a whole slice, or of a part of one that is at an edge."""
    waiting: list[SliceRows] = []
    at, n_bytes = b"", 0
    for value in values:
        of_slice, _, line = value.split(b" ", 2)
        is_moment = int(of_slice, 16) % 2 == 1
        if waiting and (of_slice != at or (is_moment and n_bytes >= BUCKET_BYTES)):
            yield joined(waiting)
            waiting, n_bytes = [], 0
        waiting.append(SliceRows.from_line(line))
        at, n_bytes = of_slice, n_bytes + len(line)
    if waiting:
        yield joined(waiting)


def joined(many):
    """All rows, one below the other."""
    columns = {name: np.concatenate([one.columns[name] for one in many]) for name in many[0].columns}
    arrays = [np.concatenate([getattr(one, name) for one in many]) for name in ("entities", "times", "numbers")]
    return SliceRows(columns, *arrays)


def feature_columns(features, columns, kinds, texts):
    """New columns as they are written.

    :param kinds: of the columns that they are of; texts: of those of text
    """
    found = []
    for feature, values in zip(features, columns):
        if feature.kind == LAG:
            found.append(CsvColumn(values, kinds[feature.column], texts.get(feature.column)))
        else:
            found.append(CsvColumn(values, WHOLE if feature.kind == COUNT else NUMBER))
    return found


def _pieces(numbers, columns, n_before, n_ties):
    """The lines of new columns, by the numbers of their rows; the counts are in the first."""
    order = np.argsort(numbers)
    step = max(1, LINE_BYTES // (8 * (1 + len(columns))))
    for begin in range(0, max(1, len(order)), step):
        some = order[begin : begin + step]
        line = HistoryRows([values[some] for values in columns], n_before, n_ties, numbers[some]).to_line()
        n_before = n_ties = 0
        yield line.encode("ascii")


if __name__ == "__main__":
    MRHistory.run()
