"""Scores of a table by a job: the rows are packed, tasks score the blocks, and the lines of each block come to their place.

Where the output is a file here, its rows are in the order of the input, whatever the tasks; where it is a folder on HDFS or
S3, it holds the lines as the tasks wrote them, each with its file and its row.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from drivers.output_files import WholeFile
from drivers.packing.cache import Pack
from drivers.packing.kinds import HASH, TEXT
from drivers.runners.execution import counted_by, lines_of
from drivers.scoring.question import Scoring
from drivers.scoring.written import check_kept, written_kind
from drivers.workspace import Workspace
from jobs.block_job import TaskReport
from jobs.blocks import Block
from jobs.csv_lines import header_line
from jobs.design import RowCounts
from jobs.errors import ScanError
from jobs.kernels.scorers import Scorer
from jobs.mr_score import MRScore, ScoreAnswer, ScoreQuery, blocks_of

# Hadoop takes a line for a key and a value with a tab between, and ends it with one, but where a line is a key alone.
MAP_ONLY = ("-D", "mapreduce.job.reduces=0", "-D", "stream.map.output=keyonlytext")


def query_of(scoring: Scoring, pack: Pack) -> ScoreQuery:
    """The query of the pass.

    :raises ScanError: columns that the model cannot take, or whose cells are not kept
    """
    manifest, types = pack.manifest, scoring.types(pack.manifest.types())
    for name in scoring.columns():
        kind = manifest.kind(name)
        if kind == HASH:
            raise ScanError(f"the column {name!r} has too many different texts to be kept beside the scores by a job")
        if types[name] != manifest.types()[name]:
            raise ScanError(f"the column {name!r} holds {kind}, and the model was trained on another kind of it")
    design = scoring.design({name: pack.texts[name] for name in scoring.columns() if manifest.kind(name) == TEXT})
    design.missing = "keep"
    query = ScoreQuery(
        scoring.scorer(types), design, None, manifest.delimiter,
        [[name, written_kind(types[name])] for name in scoring.keep],
        {name: pack.texts[name] for name in scoring.keep if manifest.kind(name) == TEXT},
    )  # fmt: skip
    check_kept(scoring.keep, _names_of(query))
    return query


def score_here(scoring: Scoring, workspace: Workspace, out: str) -> ScoreAnswer:
    """Writes the scores into a file of this machine, a row for each row of the input, in order.

    :raises ScanError: a job that failed, or a disk that is full
    """
    query = query_of(scoring, workspace.pack)
    delimiter = query.delimiter
    names = [*scoring.keep, *_names_of(query)]

    def finish(running: Any) -> ScoreAnswer:
        with tempfile.TemporaryFile(dir=workspace.directory.path) as waiting:
            reports, places = _gather(lines_of(running), waiting)
            digest = hashlib.md5(usedforsecurity=False)
            with WholeFile(out) as file:
                for some in (header_line(names, delimiter), *_in_order(waiting, places)):
                    file.write(some)
                    digest.update(some)
        return ScoreAnswer.of(reports, statistics_md5=digest.hexdigest())

    return workspace.run.stream("scores", MRScore, query, finish, MAP_ONLY)


def score_there(scoring: Scoring, workspace: Workspace, out: str) -> ScoreAnswer:
    """Writes the scores into a new folder of the runner's file system: the lines as the tasks write them, each with its
    file and its row there, from 1, among those that could be read.

    :raises ScanError: a job that failed, or did not score every row
    """
    query, manifest = query_of(scoring, workspace.pack), workspace.pack.manifest
    query.files = [source["path"] for source in manifest.sources]
    query.first_rows = np.array([source["first_row"] for source in manifest.sources])
    query.parts = manifest.first_rows()
    query.block_rows = manifest.block_rows

    def finish(running: Any) -> ScoreAnswer:
        counted = counted_by(running.counters())
        # EMR tells them in logs that come minutes later: there a step that has ended well is believed.
        n_rows, n_without = counted.get("read", manifest.n_rows), counted.get("missing", 0)
        filled, unknown = counted.get("filled", 0), counted.get("unknown", 0)
        counts = RowCounts(n_rows, n_rows - n_without, 0, n_without, filled, unknown)
        return ScoreAnswer("", counts, manifest.n_blocks, counted.get("tasks", 0), 0.0, [])

    return workspace.run.stream("scores", MRScore, query, finish, [f"--output-dir={out}", *MAP_ONLY])


def _names_of(query: ScoreQuery) -> list[str]:
    """What the columns of a scorer are called: asked of it with no rows."""
    assert isinstance(query.question, Scorer)
    columns: dict[str, Any] = {}
    for name in query.design.columns():
        is_text = name in query.design.categories or name in query.design.levels
        columns[name] = np.zeros(0, np.int32 if is_text else float)
    rows = query.design.apply(Block(0, 0, 0, columns))
    return [output.name for output in query.question.score(rows)]


def _gather(lines: Iterator[bytes], waiting: Any) -> tuple[list[TaskReport], list[tuple[int, int, int, int]]]:
    """Writes the blocks as they come; gives the reports, and part, number, place and size of each block in its order.

    :raises ScanError: a block that came twice
    """
    reports, places, at = [], [], 0
    for found in blocks_of(lines):
        if isinstance(found, TaskReport):
            reports.append(found)
            continue
        part, number, text = found
        try:
            waiting.write(text)
        except OSError as error:
            raise ScanError(f"the scores cannot be written: {error.strerror or error}") from None
        places.append((part, number, at, len(text)))
        at += len(text)
    places.sort()
    if len({place[:2] for place in places}) < len(places):
        raise ScanError("a block was scored twice; the output is not to be trusted")
    return reports, places


def _in_order(waiting: Any, places: list[tuple[int, int, int, int]]) -> Iterator[bytes]:
    for _, _, at, size in places:
        waiting.seek(at)
        yield waiting.read(size)
