"""The new columns of a table by a job, and where they go.

Where the output is a file here, the job gives the new columns alone, which come to their rows when the input is read once
more: its rows are in their order, and its columns need not have travelled. Where it is a folder on HDFS or S3, the job
writes whole rows, those of an entity in the order of time.
"""

from __future__ import annotations

import argparse
import hashlib
from typing import Any

import numpy as np
import pyarrow as pa

from drivers.histories.question import History
from drivers.histories.tables import Cells, CsvTable, ParquetTable
from drivers.histories.waiting import Waiting
from drivers.packing.cache import Pack, same_as_before
from drivers.packing.contents import PackContents
from drivers.packing.formats import open_table
from drivers.packing.pack import parse_ahead
from drivers.packing.stores.source import Source
from drivers.runners.execution import counted_by, lines_of
from drivers.workspace import Workspace
from jobs import csv_lines
from jobs.block_job import TaskReport
from jobs.design import RowCounts
from jobs.errors import ScanError
from jobs.kernels.windows import COUNT, LAG, Feature
from jobs.mr_history import NOT_TOLD, HistoryAnswer, HistoryQuery, HistoryRows, MRHistory
from jobs.records import Record

# Hadoop ends a line without a tab with one, but where a line is a key alone.
WHOLE_LINES = ("-D", "stream.reduce.output=keyonlytext")
DTYPES = {csv_lines.TEXT: "<i4", csv_lines.WHOLE: "<i8"}


class HistoryWorkspace(Workspace):
    """A workspace whose pack has hashes of the texts that are only copied, where these are too many."""

    def __init__(self, options: argparse.Namespace, history: History) -> None:
        self.history = history
        super().__init__(options, "history", history.contents(options))

    def _pack(self, sources: list[Source], contents: PackContents) -> Pack:
        return super()._pack(sources, self.history.contents(self.options, open_table(sources, self.reading).names))


def history_here(history: History, workspace: HistoryWorkspace, out: str) -> HistoryAnswer:
    """Writes the table with its new columns into a file of this machine, in the order of the input.

    :raises ScanError: a job that failed, input that has changed, or a disk that is full
    """
    kept, query = history.kept(workspace.pack), history.query(workspace.pack)

    def finish(running: Any) -> HistoryAnswer:
        features = query.question.features
        with Waiting(workspace.directory.path, [_dtype(feature, query) for feature in features]) as waiting:
            reports, n_before, n_ties = _gather(running, waiting)
            answer = _checked(
                HistoryAnswer.of(reports, statistics_md5="", n_written=waiting.n_rows, n_before=n_before, n_ties=n_ties)
            )
            answer.statistics_md5 = _write(workspace, query, kept, waiting, out)
        return answer

    return workspace.run.stream("history", MRHistory, query, finish)


def history_there(history: History, workspace: HistoryWorkspace, out: str) -> HistoryAnswer:
    """Writes it into a new folder of the runner's file system, as the tasks write it.

    :raises ScanError: a job that failed, or did not write every row
    """
    query, manifest = history.query_of_table(workspace.pack), workspace.pack.manifest

    def finish(running: Any) -> HistoryAnswer:
        return counted(running.counters(), manifest.n_rows, manifest.n_blocks)

    return workspace.run.stream("history", MRHistory, query, finish, [f"--output-dir={out}", *WHOLE_LINES])


def counted(counters: list[dict[str, dict[str, int]]], n_rows: int, n_blocks: int) -> HistoryAnswer:
    """What the counters of a job say of a table of so many rows.

    EMR tells them in logs that come minutes later: there a step that has ended well is believed, and no number is told.

    :raises ScanError: rows that were read and went nowhere
    """
    found = counted_by(counters)
    if not found:
        return HistoryAnswer("", NOT_TOLD, 0, 0, RowCounts(read=n_rows, used=n_rows), n_blocks, 0, 0.0, [])
    told = {name: found.get(name, 0) for name in ("rows", "missing", "written", "before", "ties", "tasks")}
    counts = RowCounts(read=told["rows"], used=told["rows"] - told["missing"], missing=told["missing"])
    return _checked(
        HistoryAnswer("", told["written"], told["before"], told["ties"], counts, n_blocks, told["tasks"], 0.0, [])
    )


def _checked(answer: HistoryAnswer) -> HistoryAnswer:
    """:raises ScanError: rows that were read and went nowhere"""
    if answer.n_written + answer.n_before != answer.counts.used:
        raise ScanError(
            f"the job wrote {answer.n_written} rows, left {answer.n_before} as history, and read {answer.counts.used}; "
            "the output is not to be trusted"
        )
    return answer


def _dtype(feature: Feature, query: HistoryQuery) -> str:
    if feature.kind == COUNT:
        return "<i8"
    return DTYPES.get(query.kinds[feature.column], "<f8") if feature.kind == LAG else "<f8"


def _gather(running: Any, waiting: Waiting) -> tuple[list[TaskReport], int, int]:
    """Writes the new columns down as they come; gives the reports, how many rows are history only, and how many ties.

    :raises ScanError: a line that is neither
    """
    reports, n_before, n_ties = [], 0, 0
    for line in lines_of(running):
        record = Record.from_line(line)
        if isinstance(record, TaskReport):
            reports.append(record)
        elif isinstance(record, HistoryRows) and len(record.columns) == len(waiting.dtype.names or ()) - 1:
            waiting.add(record.numbers, record.columns)
            n_before += record.n_before
            n_ties += record.n_ties
        else:
            raise ScanError(f"the job gave a {type(record).__name__} where new columns were asked for")
    return reports, n_before, n_ties


def _write(workspace: Workspace, query: HistoryQuery, kept: list[str], waiting: Waiting, out: str) -> str:
    """Reads the input again and writes its rows with their new columns; gives the md5 of these.

    :raises ScanError: input that is not what was packed
    """
    manifest, digest = workspace.pack.manifest, hashlib.md5(usedforsecurity=False)
    reader, types = open_table(workspace.sources, workspace.reading), manifest.types()
    parser, n_rows = reader.parser(types), 0
    with ParquetTable(out) if out.endswith(".parquet") else CsvTable(out, query.delimiter) as table:
        table.begin([*kept, *(feature.name for feature in query.question.features)])
        for source, packed in zip(workspace.sources, manifest.sources):
            for parsed, _ in parse_ahead(parser, reader.chunks(source), manifest.n_rejected):
                rows = waiting.between(n_rows, n_rows + parsed.n_rows)
                digest.update(rows.tobytes())
                at = rows["number"] - n_rows
                found = dict(zip(types, parsed.columns))
                old = {name: Cells.of(found[name], types[name], at) for name in kept}
                table.write_cells({**old, **_new_cells(rows, query, types)})
                n_rows += parsed.n_rows
            if n_rows != packed["first_row"] + packed["n_rows"]:
                raise ScanError(f"{source.shown} has other rows than when it was packed; run again when it is complete")
        same_as_before(workspace.sources)
    return digest.hexdigest()


def _new_cells(rows: np.ndarray, query: HistoryQuery, types: dict[str, pa.DataType]) -> dict[str, Cells]:
    found = {}
    for j, feature in enumerate(query.question.features):
        arrow = {LAG: types.get(feature.column), COUNT: pa.int64()}.get(feature.kind, pa.float64())
        found[feature.name] = Cells(rows[str(j)], query.texts.get(feature.column) if feature.kind == LAG else None, arrow)
    return found
