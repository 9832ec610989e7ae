"""k-means or a mixture as one does it with Spark's MLlib on all cores of one machine: print the objective.

    python bench/peers/spark_clusters.py kmeans data.csv --clusters 10 --features 10
    python bench/peers/spark_clusters.py gmm data.csv --clusters 5 --features 5

The table is cached, as MLlib's guide advises for what reads it often. The explicit schema spares a pass.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("method", choices=["kmeans", "gmm"])
    parser.add_argument("data")
    parser.add_argument("--clusters", type=int, required=True)
    parser.add_argument("--features", type=int, required=True)
    options = parser.parse_args()

    start = time.perf_counter()
    from pyspark.ml.clustering import GaussianMixture, KMeans
    from pyspark.ml.feature import VectorAssembler
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[*]").config("spark.ui.enabled", "false").getOrCreate()
    started = time.perf_counter()
    features = [f"x{j}" for j in range(1, options.features + 1)]
    schema = ", ".join(f"{name} double" for name in features)
    table = spark.read.csv(Path(options.data).resolve().as_uri(), schema=schema, header=True)
    rows = VectorAssembler(inputCols=features, outputCol="features").transform(table).select("features").cache()
    if options.method == "kmeans":
        model = KMeans(k=options.clusters, seed=0, maxIter=300).fit(rows)
        objective = model.summary.trainingCost / rows.count()
    else:
        model = GaussianMixture(k=options.clusters, seed=0, tol=1e-6, maxIter=300).fit(rows)
        objective = -model.summary.logLikelihood / rows.count()
    fitted = time.perf_counter()
    seconds = {"session": started - start, "read and fit": fitted - started}
    result = {"objective": objective, "n_iter": model.summary.numIter, "seconds": seconds}
    spark.stop()
    print(json.dumps(result))


if __name__ == "__main__":
    main()
