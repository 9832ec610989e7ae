"""Scores of rows where they lie: map only, block by block.

    mapper         block -> design step -> scores -> lines of CSV
    mapper_final   a report of what the task did

Where the output is a file of the user's own, a line holds the CSV of a block and where it stands, and the driver puts the
blocks into their order. Where it stays on HDFS or S3, the lines are the CSV itself, each row with its file and its number.

python jobs/mr_score.py --query runs/score-.../queries/0001.query packed.txt
"""

import base64
from dataclasses import dataclass, field

import numpy as np

from jobs.block_job import COUNTERS, Answer, BlockJob, ScanQuery, TaskReport
from jobs.blocks import Block
from jobs.csv_lines import CsvColumn, column_of, csv_lines, header_line
from jobs.design import RowCounts
from jobs.errors import BadRecord, ScanError
from jobs.kernels.scorers import Scorer
from jobs.records import Record, array_field
from jobs.scoring import counts_of, scored

SCORES = b"scores"
COUNTED = ("read", "missing", "filled", "unknown")


@dataclass
class ScoreQuery(ScanQuery):
    """The scorer is the question. keep: [[name, kind], ...] of the columns to copy beside, kinds of jobs/csv_lines.py;
    texts: of those of text; files: their names, empty where rows do not say where they come from; first_rows: (m,), of each
    file, from 0 in the order of the data; parts: (k, 2), the number of each part and its first row; block_rows: of a full
    block
    """

    delimiter: str = ","
    keep: list = field(default_factory=list)
    texts: dict = field(default_factory=dict)
    files: list = field(default_factory=list)
    block_rows: int = 0
    first_rows: np.ndarray = field(default_factory=lambda: np.zeros(0), metadata=array_field("<i8", 1).metadata)
    parts: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)), metadata=array_field("<i8", 2).metadata)

    def __post_init__(self):
        super().__post_init__()
        if not isinstance(self.question, Scorer):
            raise BadRecord(f"a {type(self.question).__name__} where a scorer is asked for")
        if self.files and not (len(self.files) == len(self.first_rows) and self.parts.shape[1] == 2):
            raise BadRecord("files and parts that do not say where a row comes from")


@dataclass
class ScoreAnswer(Answer):
    """What all tasks of a pass did; statistics_md5: of the bytes of the scores in their order."""

    statistics_md5: str
    counts: RowCounts
    n_blocks: int
    n_tasks: int
    task_seconds: float
    environments: list

    @property
    def result(self):
        """How many rows were scored."""
        return self.counts.read


class MRScore(BlockJob):
    """Scores of packed rows; map only."""

    query_class = ScoreQuery
    answer_class = ScoreAnswer

    def begin(self):
        self.columns = list(dict.fromkeys([*self.columns, *(name for name, _ in self.query.keep)]))
        self.lines = []
        self.has_header = False

    def mapper(self, _, line):
        """Input: as every job. Output: the lines of a block."""
        super().mapper(_, line)
        yield from self.written()

    def written(self):
        lines, self.lines = self.lines, []
        for line in lines:
            yield None, line

    def add_rows(self, block: Block, rows):
        query = self.query
        outputs = scored(rows, block.n_rows, query.question)
        rows.counts = counts = counts_of(rows, outputs)
        columns = [CsvColumn(block.columns[name], kind, query.texts.get(name)) for name, kind in query.keep]
        columns += [column_of(output) for output in outputs]
        if not query.files:
            text = csv_lines(columns, query.delimiter)
            self.lines.append(b"%s %016x %08x %s" % (SCORES, block.part, block.number, base64.b64encode(text)))
            return
        if not self.has_header:
            names = ["file", "row", *(name for name, _ in query.keep), *(output.name for output in outputs)]
            self.lines.append(header_line(names, query.delimiter)[:-1])
            self.has_header = True
        body = csv_lines([*self.places(block), *columns], query.delimiter)
        self.lines.append(body[:-1])  # its last end is that of the line
        for name in COUNTED:
            self.increment_counter(COUNTERS, name, getattr(counts, name))

    def places(self, block):
        """The file of each row of a block, and its number there, from 1."""
        query = self.query
        known = np.flatnonzero(query.parts[:, 0] == block.part)
        if not len(known):
            raise BadRecord(f"a block of the part {block.part}, of which the query does not know")
        rows = query.parts[known[0], 1] + block.number * query.block_rows + np.arange(block.n_rows)
        file = np.searchsorted(query.first_rows, rows, side="right") - 1
        return [CsvColumn(file, "text", query.files), CsvColumn(rows - query.first_rows[file] + 1, "whole")]

    def emit(self):
        if not self.query.files:
            yield None, self.report().to_line().encode("ascii")
        else:
            self.increment_counter(COUNTERS, "tasks")

    # -- for the driver ------------------------------------------------------------------------------------------------

    @classmethod
    def n_reducers(cls, query):
        return 0


def blocks_of(lines):
    """The blocks of scores among the output of a job, (part, number, bytes), and the reports of its tasks, as they come.

    :raises ScanError: a line that is neither
    """
    for line in lines:
        if line.startswith(SCORES):
            try:
                _, part, number, text = line.split(b" ")
                yield int(part, 16), int(number, 16), base64.b64decode(text, validate=True)
            except ValueError:
                raise ScanError("the job gave a line of scores that is damaged") from None
            continue
        record = Record.from_line(line)
        if not isinstance(record, TaskReport):
            raise ScanError(f"the job gave a {type(record).__name__} where scores were asked for")
        yield record


if __name__ == "__main__":
    MRScore.run()
