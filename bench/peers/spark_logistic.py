"""Logistic regression as one does it with Spark's MLlib on all cores of one machine: print the log-loss.

    python bench/peers/spark_logistic.py data.csv --features 20
    python bench/peers/spark_logistic.py data.csv --features 20 --alphas 100,1,0.01

With --alphas its CrossValidator over them on five folds. The table is cached, as MLlib's guide advises for what reads it
often; the explicit schema spares a pass.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("data")
    parser.add_argument("--features", type=int, required=True)
    parser.add_argument("--alphas")
    options = parser.parse_args()

    start = time.perf_counter()
    from pyspark.ml.classification import LogisticRegression
    from pyspark.ml.evaluation import MulticlassClassificationEvaluator
    from pyspark.ml.feature import VectorAssembler
    from pyspark.ml.tuning import CrossValidator, ParamGridBuilder
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false").getOrCreate()
    started = time.perf_counter()
    features = [f"x{j}" for j in range(1, options.features + 1)]
    schema = ", ".join(["y double", *(f"{name} double" for name in features)])
    table = spark.read.csv(Path(options.data).resolve().as_uri(), schema=schema, header=True)
    rows = VectorAssembler(inputCols=features, outputCol="features").transform(table).select("y", "features").cache()
    estimator = LogisticRegression(labelCol="y", regParam=0.0, tol=1e-10, maxIter=200)
    evaluator = MulticlassClassificationEvaluator(labelCol="y", metricName="logLoss")
    if options.alphas:
        n = rows.count()
        grid = ParamGridBuilder().addGrid(estimator.regParam, [float(a) / n for a in options.alphas.split(",")]).build()
        search = CrossValidator(
            estimator=estimator, estimatorParamMaps=grid, evaluator=evaluator, numFolds=5, parallelism=2, seed=0
        )
        model = search.fit(rows).bestModel
    else:
        model = estimator.fit(rows)
    fitted = time.perf_counter()
    objective = evaluator.evaluate(model.transform(rows))
    seconds = {"session": started - start, "read and fit": fitted - started}
    result = {"objective": objective, "n_iter": model.summary.totalIterations, "seconds": seconds}
    spark.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
