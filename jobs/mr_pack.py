"""Packing where the data lie: text to blocks, map task by map task, with nothing sent but the lines themselves.

    mapper         line -> blocks of full size
    mapper_final   the last block, and a report of the part: its moments, its sample, its bad rows

python jobs/mr_pack.py --query runs/.../pack.query -r hadoop hdfs:///data.csv
"""

from contextlib import contextmanager

import numpy as np

from jobs.blocks import block_line
from jobs.design import Design
from jobs.errors import ScanError, quoted
from jobs.kernels.sample import SampleQuery, SampleStatistics
from jobs.moments import Moments
from jobs.mrjob_compat import jobconf_from_env
from jobs.pack_reader import PackReader
from jobs.pack_report import REPORT_LINE, PackQuery, PackReport
from jobs.query_job import QueryJob, load_query

# A part is a file's place in the table and where the piece begins; no file has more bytes.
BYTES_BITS = 40


class MRPack(QueryJob):
    """Blocks of delimited text, and a report for each part; map only."""

    def mapper_init(self):
        self.query = query = load_query(self.options.query, PackQuery)
        path, start = jobconf_from_env("mapreduce.map.input.file"), jobconf_from_env("mapreduce.map.input.start")
        self.path, self.is_begin = path or "", int(start or 0) == 0
        self.reader = PackReader(query, part_of(self.path, int(start or 0), query.paths))
        numbers = np.array([name not in query.texts for name in query.chosen])
        self.moments = Moments.zero(numbers, numbers)
        self.design = Design(query.chosen, missing="keep")
        self.sample_query = SampleQuery(query.sample_rows, len(query.chosen))
        self.sample = SampleStatistics.zero(self.sample_query)
        self.n_blocks = 0

    def mapper(self, _, line):
        """Input: a line of text. Output: block lines."""
        if self.is_begin:
            line, self.is_begin = line.removeprefix(b"\xef\xbb\xbf"), False
        with self.naming_the_file():
            for block in self.reader.read(line):
                yield None, self.packed(block)

    def mapper_final(self):
        """Output: the last block line, and the line of the report."""
        with self.naming_the_file():
            for block in self.reader.flush():
                yield None, self.packed(block)
        parts = [[self.reader.part, self.reader.n_rows, self.reader.number, len(self.reader.rejects)]]
        report = PackReport(
            rejects=[[self.path, text, reason] for text, reason in self.reader.rejects],
            sample=self.sample,
            moments=self.moments,
            parts=np.array(parts, np.int64),
        )
        yield None, REPORT_LINE + b"%016x " % self.reader.part + report.to_line().encode("ascii")

    @contextmanager
    def naming_the_file(self):
        try:
            yield
        except ScanError as error:
            raise type(error)(f"{self.path}: {error}") from None

    def packed(self, block):
        """The line of a block, which goes into the report."""
        self.moments.add(list(block.columns.values()))
        self.sample.add(self.design.apply(block), self.sample_query)
        self.n_blocks += 1
        if self.n_blocks % 16 == 0:
            self.set_status(f"{self.n_blocks} blocks")
        return block_line(block.part, block.number, block.n_rows, block.to_bytes())


def part_of(path, start, paths):
    """The number of the part that begins at a byte of a file: parts are ordered as the files and their pieces are."""
    path = "/" + path.partition("://")[2].partition("/")[2] if "://" in path else path
    if path not in paths:
        raise ScanError(f"a task was given the file {quoted(path, 200)}, which is not one of the table")
    return (paths.index(path) << BYTES_BITS) + start


if __name__ == "__main__":
    MRPack.run()
