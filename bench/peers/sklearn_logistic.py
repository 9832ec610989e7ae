"""Logistic regression as one does it with scikit-learn: read the whole file, fit, print the log-loss.

    python bench/peers/sklearn_logistic.py data.csv
    python bench/peers/sklearn_logistic.py data.csv --alphas 100,1,0.01

With --alphas a grid search over them on five folds, on all cores. The solver is the one that its guide advises for many
more rows than columns.
"""

from __future__ import annotations

import argparse
import json
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("data")
    parser.add_argument("--alphas")
    options = parser.parse_args()

    start = time.perf_counter()
    import pandas

    table = pandas.read_csv(options.data)
    y, X = table["y"].to_numpy(), table.drop(columns="y").to_numpy()
    parsed = time.perf_counter()
    import numpy as np
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss
    from sklearn.model_selection import GridSearchCV

    imported = time.perf_counter()
    model = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-8)
    if options.alphas:
        grid = {"C": [1 / float(alpha) for alpha in options.alphas.split(",")]}
        model = GridSearchCV(model, grid, scoring="neg_log_loss", n_jobs=-1).fit(X, y).best_estimator_
    else:
        model.fit(X, y)
    fitted = time.perf_counter()
    objective = float(log_loss(y, model.predict_proba(X)))
    seconds = {"read": parsed - start, "fit": fitted - imported}
    print(json.dumps({"objective": objective, "n_iter": int(model.n_iter_[0]), "seconds": seconds}))


if __name__ == "__main__":
    main()
