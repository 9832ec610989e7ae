"""Weighted least squares as one does it with Spark's MLlib on all cores of one machine: print the coefficients.

    python bench/peers/spark_wols.py data.csv [--features 30]

Columns y, x1, ..., xp, w, no header. The explicit schema spares Spark a pass that guesses the types. Prints its own split
of the seconds, so that the fit can be told with and without the start of a session.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("data")
    parser.add_argument("--features", type=int, default=1, help="Default: %(default)s")
    options = parser.parse_args()

    start = time.perf_counter()
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.regression import LinearRegression
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false").getOrCreate()
    started = time.perf_counter()
    features = [f"x{j}" for j in range(1, options.features + 1)]
    schema = ", ".join(f"{name} double" for name in ["y", *features, "w"])
    table = spark.read.csv(Path(options.data).resolve().as_uri(), schema=schema)
    rows = VectorAssembler(inputCols=features, outputCol="features").transform(table)
    regression = LinearRegression(labelCol="y", weightCol="w", solver="normal", regParam=0.0)
    model = regression.fit(rows)
    fitted = time.perf_counter()
    seconds = {"session": started - start, "read and fit": fitted - started}
    result = {"coefficients": model.coefficients.tolist(), "intercept": model.intercept, "seconds": seconds}
    spark.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
