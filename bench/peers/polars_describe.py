"""The profile of a table as one does it with polars: read the whole file, all expressions of all columns in one select.

python bench/peers/polars_describe.py data.csv
"""

from __future__ import annotations

import argparse
import itertools
import json
import time

PROBABILITIES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("data")
    options = parser.parse_args()

    start = time.perf_counter()
    import polars as pl

    table = pl.read_csv(options.data, try_parse_dates=True)
    parsed = time.perf_counter()
    numbers = [name for name, kind in table.schema.items() if kind.is_numeric()]
    expressions = []
    for name in table.columns:
        column = pl.col(name)
        expressions += [column.null_count().alias(f"{name} missing"), column.n_unique().alias(f"{name} distinct")]
        expressions.append(column.drop_nulls().value_counts(sort=True, name="rows").head(10).implode().alias(f"{name} top"))
        if name not in numbers:
            continue
        expressions += [
            column.min().alias(f"{name} min"),
            column.max().alias(f"{name} max"),
            column.mean().alias(f"{name} mean"),
            column.std().alias(f"{name} sd"),
            column.skew().alias(f"{name} skew"),
            column.kurtosis().alias(f"{name} kurtosis"),
            (column == 0).sum().alias(f"{name} zeros"),
            *(column.quantile(p).alias(f"{name} {p}") for p in PROBABILITIES),
        ]
    expressions += [pl.corr(a, b).alias(f"{a} with {b}") for a, b in itertools.combinations(numbers, 2)]
    found = table.select(expressions).row(0, named=True)
    seconds = {"read": parsed - start, "fit": time.perf_counter() - parsed}
    answer = {
        "distinct": {name: found[f"{name} distinct"] - (found[f"{name} missing"] > 0) for name in table.columns},
        "skew": {name: found[f"{name} skew"] for name in numbers},
        "median": {name: found[f"{name} 0.5"] for name in numbers},
        "correlation": {f"{a} with {b}": found[f"{a} with {b}"] for a, b in itertools.combinations(numbers, 2)},
        "seconds": seconds,
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
