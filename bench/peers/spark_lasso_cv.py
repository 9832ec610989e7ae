"""The lasso with its penalty by cross-validation, as one does it with Spark's MLlib on all cores of one machine.

    python bench/peers/spark_lasso_cv.py data.csv --features 20 [--penalties 10]

CrossValidator with 5 folds over a grid of penalties that spans three decades. Columns y, x1, ..., xp, w, no header.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("data")
    parser.add_argument("--features", type=int, default=20, help="Default: %(default)s")
    parser.add_argument("--penalties", type=int, default=10, help="Default: %(default)s")
    parser.add_argument("--largest", type=float, default=5.0, help="penalty. Default: %(default)s")
    options = parser.parse_args()

    start = time.perf_counter()
    from pyspark.ml.evaluation import RegressionEvaluator
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.regression import LinearRegression
    from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false").config("spark.driver.memory", "4g")
    session = spark.getOrCreate()
    started = time.perf_counter()
    features = [f"x{j}" for j in range(1, options.features + 1)]
    schema = ", ".join(f"{name} double" for name in ["y", *features, "w"])
    table = session.read.csv(Path(options.data).resolve().as_uri(), schema=schema)
    rows = VectorAssembler(inputCols=features, outputCol="features").transform(table).select("features", "y", "w").cache()
    regression = LinearRegression(labelCol="y", weightCol="w", elasticNetParam=1.0, standardization=False)
    m = options.penalties
    alphas = [options.largest * 10 ** (-3 * j / max(m - 1, 1)) for j in range(m)]
    grid = ParamGridBuilder().addGrid(regression.regParam, alphas).build()
    judge = RegressionEvaluator(labelCol="y", metricName="mse", weightCol="w")
    search = CrossValidator(
        estimator=regression, estimatorParamMaps=grid, evaluator=judge, numFolds=5, seed=0, parallelism=os.cpu_count() or 1
    )
    model = search.fit(rows).bestModel
    seconds = {"session": started - start, "read and fit": time.perf_counter() - started}
    result = {
        "coefficients": model.coefficients.tolist(), "intercept": model.intercept, "alpha": model.getRegParam(),
        "penalties": m, "seconds": seconds,
    }  # fmt: skip
    session.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
