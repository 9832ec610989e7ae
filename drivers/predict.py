"""Predictions of a model for the rows of a table, streaming: memory does not grow with the rows.

python drivers/predict.py runs/wols-.../model.json new.csv -o predictions.csv
python drivers/predict.py model.json new.csv --columns x,customer --keep customer -o predictions.csv
python drivers/predict.py runs/wols-.../model.json new.csv --keep shop -o predictions.csv        (--group-by shop)
python drivers/predict.py runs/logistic-.../model.json new.csv --keep customer -o classes.csv
python drivers/predict.py runs/kmeans-.../model.json new.csv --keep customer -o clusters.csv
python drivers/predict.py model.json new.csv --intervals --confidence 0.9 -o predictions.csv
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from drivers.app import OK, run_program
from drivers.clustering.assign import assign
from drivers.clustering.responsibilities import responsibilities
from drivers.csv_output import TableWriter
from drivers.designs import design_of
from drivers.foresight import Foresight, look_ahead, wants_foresight
from drivers.glm.predictions import means, probabilities
from drivers.grouped.table import GroupTable
from drivers.linear.intervals import COLUMNS, check_intervals, intervals
from drivers.model import load_model, predict
from drivers.options import add_foresight_options, add_input_options, names, share
from drivers.packing.cache import Pack
from drivers.packing.contents import PackContents
from drivers.packing.formats import open_table
from drivers.packing.formats.chunk_parser import Types
from drivers.packing.kinds import INTEGER, NUMBER, TEXT, TEXT_TYPE, WRITTEN, Column, Texts, kind_of, to_arrow
from drivers.packing.manifest import find_column
from drivers.packing.pack import Rejects, parse_ahead
from drivers.packing.sources import find_sources
from drivers.workspace import input_options
from jobs.blocks import Block
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels import families

GROUPED = ("wols-groups", "glm-groups")


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None, allow_abbrev=False)
    parser.add_argument("model", help="the model.json of a run")
    add_input_options(parser, nargs="+")
    parser.add_argument(
        "-o", "--out", required=True, metavar="FILE", help="a row for each input row, in order; bad rows go to FILE.rejects"
    )
    parser.add_argument("--keep", type=names, default=[], metavar="NAMES", help="columns to copy beside")
    parser.add_argument(
        "--intervals", action="store_true", help="the standard error, and intervals of the mean and of one more row"
    )
    parser.add_argument("--confidence", type=share, default=0.95, metavar="LEVEL", help="of the intervals; Default: 0.95")
    add_foresight_options(parser)
    parser.add_argument("--json", action="store_true", help="print the plan as JSON instead of a table")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(resume=None, runner=None, cache_dir=None)
    return parser


def run(options: argparse.Namespace) -> int:
    model = load_model(options.model)
    if options.intervals:
        if model["kind"] in GROUPED:
            raise ScanError("--intervals is of one model; groups.csv has the standard errors of each group")
        check_intervals(model)
    design = design_of(model, {})
    table = GroupTable.read(os.path.dirname(options.model), model) if model["kind"] in GROUPED else None
    group = model["design"]["group"] if table else None
    wanted = list(dict.fromkeys([*options.keep, *design.features, *filter(None, (group, design.offset))]))
    if wants_foresight(options):
        contents = PackContents(tuple(wanted))
        return look_ahead(options, contents, lambda options, pack: foresee(model, pack))
    sources = find_sources(options.inputs)
    reader = open_table(sources, input_options(options))
    for name in wanted:
        find_column(reader.names, name, reader.notes)
    types = _types(reader.look(wanted), design)
    if group is not None:
        known = {TEXT: TEXT_TYPE, NUMBER: pa.float64(), INTEGER: pa.int64()}
        types[group] = known.get(model["parameters"]["group_kind"], types[group])
    parser = reader.parser(types)
    folder = f"{options.out}.rejects"
    if options.max_bad_rows:
        os.makedirs(folder, exist_ok=True)
    rejects = Rejects(folder, options.max_bad_rows)
    n_rows = n_missing = 0
    kept = [(name, WRITTEN[kind_of(types[name])]) for name in options.keep]
    more = COLUMNS if options.intervals else ()
    schema = pa.schema([*kept, *_outputs(model), *((name, pa.float64()) for name in more)])
    try:
        with TableWriter(options.out, schema, reader.delimiter) as out:
            for source in sources:
                for parsed, _ in parse_ahead(parser, reader.chunks(source), options.max_bad_rows):
                    rejects.add(parsed.bad)
                    found = dict(zip(wanted, parsed.columns))
                    X = _design_matrix(model, found, parsed.n_rows)
                    if table is not None and group is not None:
                        offset = _offset(found, design)
                        eta = table.predictors(_as_arrow(found[group], types[group]), X)
                        predictions = _of_groups(model, eta if offset is None else eta + offset)
                    else:
                        predictions = _predictions(model, X, _offset(found, design))
                    bounds = intervals(model, X, options.confidence).values() if options.intervals else ()
                    cells = [_as_arrow(found[name], types[name]) for name in options.keep]
                    arrays = [*cells, *predictions, *(pa.array(values, from_pandas=True) for values in bounds)]
                    out.write(pa.Table.from_arrays(arrays, schema=schema))
                    n_rows += parsed.n_rows
                    n_missing += predictions[0].null_count
            if n_rows == 0:
                raise ScanError(f"{sources[0].shown} holds no rows of data")
    finally:
        rejects.finish()
        if os.path.isdir(folder) and not os.listdir(folder):
            os.rmdir(folder)
    why = "a missing cell or an unknown text" + (", or a group without a model" if table else "")
    print(
        f"{n_rows:,} predictions in {options.out}"
        + (f", {n_missing:,} of them empty for {why}" if n_missing else "")
        + (f"; {rejects.n} bad rows in {rejects.path}" if rejects.n else ""),
        file=sys.stderr,
    )
    return OK


def foresee(model: dict[str, Any], pack: Pack) -> Foresight:
    """No pass by a job: the rows stream through this program once."""
    design = design_of(model, pack.texts)
    design.target = design.weight = None
    return Foresight(design, [])


def _outputs(model: dict[str, Any]) -> list[tuple[str, pa.DataType]]:
    """What a model says of a row."""
    if model["kind"] == "kmeans":
        return [("cluster", pa.int64()), ("distance", pa.float64())]
    if model["kind"] == "gmm":
        parts = [(f"responsibility {j}", pa.float64()) for j in range(len(model["parameters"]["weights"]))]
        return [("component", pa.int64()), ("log_density", pa.float64()), *parts]
    if model["parameters"].get("classes"):
        return [("class", pa.string()), *((f"probability {name}", pa.float64()) for name in model["parameters"]["classes"])]
    return [("prediction", pa.float64())]


def _predictions(model: dict[str, Any], X: np.ndarray, offset: np.ndarray | None) -> list[pa.Array]:
    """The columns of `_outputs`, without a value where a cell is missing."""
    if model["kind"] == "kmeans":
        clusters, distances = assign(model, X)
        return [pa.array(clusters, mask=clusters < 0), pa.array(distances, from_pandas=True)]
    if model["kind"] == "gmm":
        parts, log_density = responsibilities(model, X)
        component = pa.array(np.nan_to_num(parts).argmax(axis=1), mask=np.isnan(log_density))
        return [component, *(pa.array(column, from_pandas=True) for column in (log_density, *parts.T))]
    if model["kind"] == "logistic":
        return _classes(model["parameters"]["classes"], probabilities(model, X))
    values = means(model, X, offset) if model["kind"] == "glm" else predict(model, X)
    return [pa.array(values, from_pandas=True)]


def _of_groups(model: dict[str, Any], eta: np.ndarray) -> list[pa.Array]:
    """The columns of `_outputs` by the linear predictors (n,) of rows of groups."""
    if model["kind"] == "wols-groups":
        return [pa.array(eta, from_pandas=True)]
    parameters = model["parameters"]
    if parameters["classes"]:
        p, rest = families.sigmoid(eta)
        return _classes(parameters["classes"], np.column_stack([rest, p]))
    return [pa.array(families.mean_of(parameters["link"], eta, parameters["alpha"])[0], from_pandas=True)]


def _classes(classes: list[str], p: np.ndarray) -> list[pa.Array]:
    labels = np.array(classes)[np.nan_to_num(p).argmax(axis=1)]
    return [pa.array(labels, pa.string(), mask=np.isnan(p[:, 0])), *(pa.array(column, from_pandas=True) for column in p.T)]


def _offset(found: dict[str, Column], design: Design) -> np.ndarray | None:
    return None if design.offset is None else np.asarray(found[design.offset], dtype=float)


def _types(found: Types, design: Design) -> Types:
    """How the columns are read: those of the model as it was trained on them."""
    types = {}
    for name, arrow in found.items():
        if arrow is None:
            raise ScanError(f"the column {name!r} holds no numbers, texts or dates")
        wrong = name in design.features and (arrow == TEXT_TYPE) != (name in design.categories)
        types[name] = (TEXT_TYPE if name in design.categories else pa.float64()) if wrong else arrow
    return types


def _design_matrix(model: dict[str, Any], found: dict[str, Column], n_rows: int) -> np.ndarray:
    """X of the rows, by the design that the model was trained with."""
    texts = {name: column.values for name, column in found.items() if isinstance(column, Texts)}
    design = design_of(model, texts)
    design.target = design.weight = design.offset = None
    columns = {n: c.codes if isinstance(c, Texts) else c for n, c in found.items() if n in design.features}
    return design.apply(Block(0, 0, n_rows, columns)).X


def _as_arrow(column: Column, arrow: pa.DataType) -> pa.Array:
    values, texts = (column.codes, column.values) if isinstance(column, Texts) else (column, None)
    return to_arrow(values, kind_of(arrow), texts, arrow)


def main(argv: Sequence[str] | None = None) -> int:
    return run_program(make_parser(), argv, run)


if __name__ == "__main__":
    sys.exit(main())
