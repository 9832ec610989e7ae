"""The lasso with its penalty by cross-validation, as one does it with scikit-learn: read the whole file, fit, print.

    python bench/peers/sklearn_lasso_cv.py data.csv --features 20 [--reader arrow] [--jobs 2]

100 penalties, 5 folds of a random split. Columns y, x1, ..., xp, w, no header.
"""

from __future__ import annotations

import argparse
import json
import time

from sklearn_wols import read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0], allow_abbrev=False)
    parser.add_argument("data")
    parser.add_argument("--features", type=int, default=20, help="Default: %(default)s")
    parser.add_argument("--reader", choices=["pandas", "pyarrow", "arrow", "polars"], default="pandas")
    parser.add_argument("--jobs", type=int, default=1, help="threads over the folds. Default: %(default)s")
    options = parser.parse_args()

    start = time.perf_counter()
    columns = ["y", *(f"x{j}" for j in range(1, options.features + 1)), "w"]
    X, y, w = read(options.data, options.reader, columns)
    parsed = time.perf_counter()
    from sklearn.linear_model import LassoCV
    from sklearn.model_selection import KFold

    imported = time.perf_counter()
    folds = KFold(5, shuffle=True, random_state=0)
    model = LassoCV(cv=folds, n_jobs=options.jobs).fit(X, y, sample_weight=w)
    seconds = {"read": parsed - start, "fit": time.perf_counter() - imported}
    result = {
        "coefficients": model.coef_.tolist(), "intercept": float(model.intercept_), "alpha": float(model.alpha_),
        "penalties": len(model.alphas_), "seconds": seconds,
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main()
