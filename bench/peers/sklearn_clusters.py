"""k-means or a mixture as one does it with scikit-learn: read the whole file, fit, print the objective.

    python bench/peers/sklearn_clusters.py kmeans data.csv --clusters 10
    python bench/peers/sklearn_clusters.py gmm data.csv --clusters 5

k-means from 4 starts, as ours does on its sample: from one it often ends in a poorer optimum.
"""

from __future__ import annotations

import argparse
import json
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("method", choices=["kmeans", "gmm"])
    parser.add_argument("data")
    parser.add_argument("--clusters", type=int, required=True)
    options = parser.parse_args()

    start = time.perf_counter()
    import pandas

    X = pandas.read_csv(options.data).to_numpy()
    parsed = time.perf_counter()
    from sklearn.cluster import KMeans
    from sklearn.mixture import GaussianMixture

    imported = time.perf_counter()
    if options.method == "kmeans":
        model = KMeans(options.clusters, n_init=4, random_state=0).fit(X)
        objective = float(model.inertia_) / len(X)
    else:
        model = GaussianMixture(options.clusters, tol=1e-6, max_iter=300, random_state=0).fit(X)
        objective = -float(model.lower_bound_)
    seconds = {"read": parsed - start, "fit": time.perf_counter() - imported}
    print(json.dumps({"objective": objective, "n_iter": int(model.n_iter_), "seconds": seconds}))


if __name__ == "__main__":
    main()
