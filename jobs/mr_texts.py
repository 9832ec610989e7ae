"""The texts of a table's columns of text, each once: what packing on a cluster must know to give them codes.

    mapper         line -> texts that are new to this task
    mapper_final   each text, under the column's name
    reducer        a line a column: its texts in order, or that they are too many

python jobs/mr_texts.py --query runs/.../texts.query -r hadoop hdfs:///data.csv
"""

import json

from jobs.mrjob_compat import BytesProtocol
from jobs.pack_reader import PackReader
from jobs.pack_report import PackQuery
from jobs.query_job import QueryJob, load_query


class MRTexts(QueryJob):
    """Input: lines of text. Output: for each column of text {"column": NAME, "texts": [...]}, null where too many."""

    INTERNAL_PROTOCOL = BytesProtocol
    SORT_VALUES = True

    def mapper_init(self):
        self.reader = PackReader(load_query(self.options.query, PackQuery), 0, grows=True)
        self.n_blocks = 0

    def mapper(self, _, line):
        for _ in self.reader.read(line):
            self.n_blocks += 1
            if self.n_blocks % 16 == 0:
                self.set_status(f"{self.n_blocks} blocks")

    def mapper_final(self):
        for _ in self.reader.flush():
            pass
        for name, texts in self.reader.codes.items():
            key = json.dumps(name).encode("ascii")
            if name in self.reader.full:
                yield key, b"-"
            else:
                for text in texts:
                    yield key, json.dumps(text).encode("ascii")

    def reducer(self, key, values):
        most = load_query(self.options.query, PackQuery).max_texts
        texts: list = []
        too_many = False
        for value in values:  # in order, so equal ones stand together
            too_many = too_many or value == b"-" or len(texts) > most
            if too_many:
                continue
            text = json.loads(value)
            if not texts or texts[-1] != text:
                texts.append(text)
        too_many = too_many or len(texts) > most
        yield None, json.dumps({"column": json.loads(key), "texts": None if too_many else texts}).encode("ascii")


if __name__ == "__main__":
    MRTexts.run()
