"""Scores of a table that streams through this machine: memory does not grow with the rows, and nothing is packed."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from drivers.output_files import ParquetFile, WholeFile
from drivers.packing.formats import open_table
from drivers.packing.formats.chunk_parser import Types
from drivers.packing.kinds import Column, Texts, kind_of, to_arrow
from drivers.packing.manifest import find_column
from drivers.packing.pack import Rejects, parse_ahead
from drivers.packing.sources import find_sources
from drivers.reading import input_options
from drivers.scoring.question import Scoring
from drivers.scoring.written import check_kept, table_lines, written_kind
from jobs.blocks import Block
from jobs.csv_lines import CsvColumn, column_of, header_line
from jobs.design import RowCounts
from jobs.errors import ScanError
from jobs.kernels.scorers import Output, Scorer
from jobs.scoring import counts_of, scored


@dataclass
class Counted:
    """What became of the rows: those that have a line in the output, of which the missing ones have no score, and how many
    are aside."""

    rows: RowCounts
    n_rejected: int
    rejects: str


def stream(scoring: Scoring, options: argparse.Namespace) -> Counted:
    """Writes the scores, a row for each row of the input, in order.

    :raises ScanError: rows or columns that cannot be scored
    """
    sources = find_sources(options.inputs)
    reader = open_table(sources, input_options(options))
    wanted = scoring.columns() or reader.names[:1]  # without a feature rows are only counted
    for name in wanted:
        find_column(reader.names, name, reader.notes)
    types = scoring.types(reader.look(wanted))
    scorer, parser = scoring.scorer(types), reader.parser(types)
    folder = f"{options.out}.rejects"
    if options.max_bad_rows:
        os.makedirs(folder, exist_ok=True)
    rejects = Rejects(folder, options.max_bad_rows)
    counts = RowCounts()
    try:
        with (ParquetFile if options.out.endswith(".parquet") else WholeFile)(options.out) as out:
            for source in sources:
                for parsed, _ in parse_ahead(parser, reader.chunks(source), options.max_bad_rows):
                    rejects.add(parsed.bad)
                    found = dict(zip(wanted, parsed.columns))
                    outputs, rows = _scores(scoring, scorer, found, parsed.n_rows)
                    check_kept(scoring.keep, [output.name for output in outputs])
                    if isinstance(out, ParquetFile):
                        out.write_table(_as_table(scoring.keep, found, types, outputs))
                    else:
                        out.write(_as_csv(scoring.keep, found, types, outputs, reader.delimiter, counts.read == 0))
                    counts += rows
            if counts.read == 0:
                raise ScanError(f"{sources[0].shown} holds no rows of data")
    finally:
        rejects.finish()
        if os.path.isdir(folder) and not os.listdir(folder):
            os.rmdir(folder)
    return Counted(counts, rejects.n, rejects.path)


def _scores(
    scoring: Scoring, scorer: Scorer, found: dict[str, Column], n_rows: int
) -> tuple[list[Output], RowCounts]:  # fmt: skip
    texts = {name: column.values for name, column in found.items() if isinstance(column, Texts)}
    design = scoring.design(texts)
    columns = {name: column.codes if isinstance(column, Texts) else column for name, column in found.items()}
    rows = design.apply(Block(0, 0, n_rows, columns))
    outputs = scored(rows, n_rows, scorer)
    return outputs, counts_of(rows, outputs)


def _as_csv(
    keep: list[str], found: dict[str, Column], types: Types, outputs: list[Output], delimiter: str, is_first: bool
) -> bytes:
    columns = []
    for name in keep:
        column, kind = found[name], written_kind(types[name])
        columns.append(
            CsvColumn(column.codes, kind, column.values) if isinstance(column, Texts) else CsvColumn(column, kind)
        )
    lines = table_lines([*columns, *map(column_of, outputs)], delimiter)
    return header_line([*keep, *(output.name for output in outputs)], delimiter) + lines if is_first else lines


def _as_table(keep: list[str], found: dict[str, Column], types: Types, outputs: list[Output]) -> pa.Table:
    arrays = {name: _as_arrow(found[name], types[name]) for name in keep}
    for output in outputs:
        if output.texts:
            arrays[output.name] = pa.DictionaryArray.from_arrays(
                pa.array(output.values, pa.int32(), mask=output.missing), pa.array(output.texts, pa.string())
            ).cast(pa.string())
        elif output.values.dtype.kind == "f":
            arrays[output.name] = pa.array(output.values, from_pandas=True)
        else:
            arrays[output.name] = pa.array(output.values, mask=output.missing)
    return pa.table(list(arrays.values()), names=list(arrays))


def _as_arrow(column: Column, arrow: pa.DataType) -> pa.Array:
    if pa.types.is_boolean(arrow):
        assert isinstance(column, np.ndarray)
        return pa.array(np.nan_to_num(column) != 0, mask=np.isnan(column))
    values, texts = (column.codes, column.values) if isinstance(column, Texts) else (column, None)
    return to_arrow(values, kind_of(arrow), texts, arrow)
