"""groups.csv: one row a group, by the value of its column, and the same table read again."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import csv as pacsv

from drivers.output_files import CsvFile
from drivers.packing.cache import Pack
from drivers.packing.kinds import INTEGER, TEXT, to_arrow
from jobs.design import Design
from jobs.errors import ScanError
from jobs.kernels.keyed import values_of

if TYPE_CHECKING:
    from drivers.grouped.fits import GroupFits

TABLE = "groups.csv"
# The columns behind that of the group, and three measures of the kind of model; each of the second kind is there for the
# intercept and for every feature.
FIRST, N_MEASURES = ("n_rows", "weight_sum", "status"), 3
EACH = ("coefficient", "standard_error", "p_value")
N_FIRST = 1 + len(FIRST) + N_MEASURES


def write_table(path: str, fits: GroupFits, design: Design, pack: Pack) -> None:
    """Writes the table, ordered by group, delimited as the data are.

    :raises ScanError: a full disk
    """
    assert design.group is not None
    names, order = _names_of(fits.keys, design.group, pack)
    status = pa.DictionaryArray.from_arrays(fits.status[order].astype(np.int32), pa.array(fits.statuses))
    columns: list[Any] = [fits.n_rows[order], fits.weight_sum[order], status.cast(pa.string())]
    columns += [values[order] for values in fits.measures.values()]
    each = fits.coefficients[order], fits.standard_errors[order], fits.p_values[order]
    columns += [values[:, j] for j in range(each[0].shape[1]) for values in each]
    arrays = [names, *(c if isinstance(c, pa.Array) else pa.array(c, from_pandas=True) for c in columns)]
    headings = [design.group, *FIRST, *fits.measures]
    headings += [f"{what} {name}" for name in ("intercept", *design.feature_names) for what in EACH]
    schema = pa.schema([(name, array.type) for name, array in zip(headings, arrays)])
    with CsvFile(path, schema, pack.manifest.delimiter) as out:
        out.write_table(pa.Table.from_arrays(arrays, schema=schema))


def _names_of(keys: np.ndarray, column: str, pack: Pack) -> tuple[pa.Array, np.ndarray]:
    """The groups as they were written, in their order, and that order of the keys."""
    kind = pack.manifest.kind(column)
    if kind == TEXT:
        codes, texts = values_of(keys, np.int32), pack.texts[column]
        order = np.array(sorted(range(len(codes)), key=lambda i: texts[codes[i]]), dtype=np.intp)
        return to_arrow(codes[order], kind, texts), order
    values = values_of(keys, np.int64 if kind == INTEGER else np.float64)
    order = np.argsort(values, kind="stable")
    return to_arrow(values[order], kind, arrow=pack.manifest.types()[column]), order


@dataclass
class GroupTable:
    """The table as it was written. groups: (G,) as Arrow reads them; measure: the first of the kind of model's, how well a
    group is explained; coefficients (G, p + 1), NaN where not fitted."""

    groups: pa.Array
    n_rows: np.ndarray
    statuses: list[str]
    measure: np.ndarray
    coefficients: np.ndarray
    standard_errors: np.ndarray

    @classmethod
    def read(cls, folder: str, model: dict[str, Any]) -> GroupTable:
        """The table of a model whose file lies in this folder.

        :raises ScanError: a table that is not there, or not that of the model
        """
        path = os.path.join(folder, model["parameters"]["table"])
        n_columns = N_FIRST + len(EACH) * (len(model["features"]) + 1)
        try:
            headings = [str(j) for j in range(n_columns)]
            # By their places: a feature may have any name.
            types = {name: pa.float64() for name in headings[1:]}
            types["0"], types["3"] = pa.string(), pa.string()
            table = pacsv.read_csv(
                path,
                read_options=pacsv.ReadOptions(column_names=headings, skip_rows_after_names=1),
                parse_options=pacsv.ParseOptions(delimiter=model["parameters"]["delimiter"], newlines_in_values=True),
                convert_options=pacsv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=False),
            )
        except (OSError, LookupError, pa.ArrowInvalid) as error:
            raise ScanError(f"{path}, the table of the groups, cannot be read: {str(error).splitlines()[0]}") from None
        numbers = [np.empty(0) if types[name] == pa.string() else table[name].to_numpy() for name in headings]
        return cls(
            table["0"].combine_chunks(),
            numbers[1],
            table["3"].to_pylist(),
            numbers[4],
            np.column_stack(numbers[N_FIRST :: len(EACH)]),
            np.column_stack(numbers[N_FIRST + 1 :: len(EACH)]),
        )
