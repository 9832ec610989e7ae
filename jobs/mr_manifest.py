"""The reports of a packed table, merged to one: what a driver needs to know of blocks that stay where they are.

python jobs/mr_manifest.py --query runs/.../pack.query -r hadoop hdfs:///tmp/scanlearn-USER/packs/NAME
"""

from jobs.blocks import BLOCK_LINE
from jobs.errors import BadRecord, ScanError
from jobs.mrjob_compat import BytesProtocol
from jobs.pack_report import REPORT_LINE, PackQuery, PackReport, file_of
from jobs.query_job import QueryJob, load_query

KEY = b"report"


class MRManifest(QueryJob):
    """Input: the lines of MRPack. Output: one line, the PackReport of all parts."""

    INTERNAL_PROTOCOL = BytesProtocol
    # Parts in their order: the rounding of sums then depends on nothing else.
    SORT_VALUES = True

    def mapper(self, _, line):
        if line.startswith(REPORT_LINE):
            yield KEY, line[len(REPORT_LINE) :].rstrip(b"\t")
        elif not line.startswith(BLOCK_LINE):
            raise BadRecord(f"a line that is neither a block nor a report: {line[:60]!r}")

    def reducer(self, _, values):
        query = load_query(self.options.query, PackQuery)
        merged, last = None, None
        for value in values:
            part, _, record = value.partition(b" ")
            if part == last:
                raise BadRecord(f"part {int(part, 16)} came twice; remove the packed table and pack it again")
            last, report = part, PackReport.from_line(record)
            merged = report if merged is None else merged.merge(report)
            if len(merged.rejects) > query.max_bad_rows:
                part, _, _, reason = merged.rejects[0]
                path = query.paths[file_of(part)]
                raise ScanError(f"more than --max-bad-rows {query.max_bad_rows} bad rows; the first: {path}: {reason}")
        if merged is not None:
            yield None, merged.to_line().encode("ascii")


if __name__ == "__main__":
    MRManifest.run()
