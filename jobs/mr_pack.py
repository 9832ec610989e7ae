"""Packing where the data lie: text to blocks, map task by map task, with nothing sent but the lines themselves.

    mapper         line -> blocks of full size
    mapper_final   the last block, and a report of the part: its moments, its sample, its bad rows

python jobs/mr_pack.py --query runs/.../pack.query -r hadoop hdfs:///data.csv
"""

from contextlib import contextmanager

import numpy as np

from jobs.blocks import block_line
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.sample import SampleQuery, SampleStatistics
from jobs.moments import Moments
from jobs.mrjob_compat import jobconf_from_env
from jobs.pack_reader import PackReader
from jobs.pack_report import REPORT_LINE, UNKNOWN, PackQuery, PackReport, file_of, part_of
from jobs.query_job import QueryJob, load_query

# With these Hadoop cuts text otherwise than at the ends of its lines, or leaves some out.
OTHER_LINES = ("textinputformat.record.delimiter", "mapreduce.input.linerecordreader.line.maxlength")


class MRPack(QueryJob):
    """Blocks of delimited text, and a report for each part; map only."""

    def mapper_init(self):
        self.query = query = load_query(self.options.query, PackQuery)
        path, start = jobconf_from_env("mapreduce.map.input.file"), jobconf_from_env("mapreduce.map.input.start")
        self.is_begin = int(start or 0) == 0
        self.reader = PackReader(query, part_of(path or "", int(start or 0), query.paths))
        self.path = query.paths[file_of(self.reader.part)]
        self.knows_lines = not any(jobconf_from_env(name) for name in OTHER_LINES)
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
        reader, n_lines = self.reader, self.reader.n_lines if self.knows_lines else UNKNOWN
        parts = [[reader.part, reader.n_rows, reader.number, len(reader.rejects), n_lines]]
        report = PackReport(
            rejects=[[reader.part, *reject] for reject in reader.rejects],
            sample=self.sample,
            moments=self.moments,
            parts=np.array(parts, np.int64),
        )
        yield None, REPORT_LINE + b"%016x " % reader.part + report.to_line().encode("ascii")

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


if __name__ == "__main__":
    MRPack.run()
