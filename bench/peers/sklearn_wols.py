"""Weighted least squares as one does it with scikit-learn: read the whole file, fit, print the coefficients.

    python bench/peers/sklearn_wols.py data.csv [--features 30] [--reader pandas|pyarrow|arrow|polars]

--reader is who parses the text: pandas with its default engine (pandas 3.1.1: in threads), pandas with
engine="pyarrow", pyarrow without pandas (arrow), or polars (all three in threads). Columns y, x1, ..., xp, w, no header.
"""

from __future__ import annotations

import argparse
import json
import time


def read(path: str, reader: str, columns: list[str]):
    """(X, y, w): the features, the target and the weights, each as the reader has them."""
    target, *features, weight = columns
    if reader == "arrow":
        import numpy
        from pyarrow import csv

        arrow = csv.read_csv(path, read_options=csv.ReadOptions(column_names=columns))
        # One column after another, as pandas and polars have them: LinearRegression is faster on it than on rows.
        return numpy.stack([arrow[name] for name in features]).T, arrow[target].to_numpy(), arrow[weight].to_numpy()
    if reader == "polars":
        import polars

        table = polars.read_csv(path, has_header=False, new_columns=columns)
    else:
        import pandas

        engine = {"engine": "pyarrow"} if reader == "pyarrow" else {}
        table = pandas.read_csv(path, header=None, names=columns, **engine)
    return table[features], table[target], table[weight]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("data")
    parser.add_argument("--features", type=int, default=1, help="Default: %(default)s")
    parser.add_argument("--reader", choices=["pandas", "pyarrow", "arrow", "polars"], default="pandas")
    options = parser.parse_args()

    start = time.perf_counter()
    columns = ["y", *(f"x{j}" for j in range(1, options.features + 1)), "w"]
    X, y, w = read(options.data, options.reader, columns)
    parsed = time.perf_counter()
    from sklearn.linear_model import LinearRegression

    imported = time.perf_counter()
    model = LinearRegression().fit(X, y, sample_weight=w)
    seconds = {"read": parsed - start, "fit": time.perf_counter() - imported}
    result = {"coefficients": model.coef_.tolist(), "intercept": float(model.intercept_), "seconds": seconds}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
