"""Weighted least squares as one does it with scikit-learn: read the whole file, fit, print the coefficients.

    python bench/peers/sklearn_wols.py data.csv [--reader pandas|pyarrow|polars]

--reader is who parses the text: pandas with its default engine (pandas 3.1.1: in threads), pandas with
engine="pyarrow", or polars (both in threads). Columns y, x, w, no header.
"""

from __future__ import annotations

import argparse
import json
import time

COLUMNS = ["y", "x", "w"]


def read(path: str, reader: str):
    """The columns as a mapping from name to values."""
    if reader == "polars":
        import polars

        return polars.read_csv(path, has_header=False, new_columns=COLUMNS)
    import pandas

    if reader == "pyarrow":
        return pandas.read_csv(path, header=None, names=COLUMNS, engine="pyarrow")
    return pandas.read_csv(path, header=None, names=COLUMNS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("data")
    parser.add_argument("--reader", choices=["pandas", "pyarrow", "polars"], default="pandas")
    options = parser.parse_args()

    start = time.perf_counter()
    table = read(options.data, options.reader)
    parsed = time.perf_counter()
    from sklearn.linear_model import LinearRegression

    imported = time.perf_counter()
    model = LinearRegression().fit(table[["x"]], table["y"], sample_weight=table["w"])
    seconds = {"read": parsed - start, "fit": time.perf_counter() - imported}
    result = {"coefficients": model.coef_.tolist(), "intercept": float(model.intercept_), "seconds": seconds}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
