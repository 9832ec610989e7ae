"""Every number of clusters and every start by a run of its own, as one has to where they share no scan.

    python bench/many_fits.py kmeans data.csv 2..10 3 -r local --cache-dir cache --run-dir runs

The table is packed by the first run and found by the others. The last model is that of the largest number.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main(argv: list[str]) -> int:
    method, data, numbers, restarts, *others = argv
    option = {"kmeans": "--n-clusters", "gmm": "--n-components"}[method]
    low, high = map(int, numbers.split(".."))
    runs = Path(others.pop(others.index("--run-dir") + 1))
    others.remove("--run-dir")
    script = str(ROOT / "drivers" / f"run_{method}.py")
    for k in range(low, high + 1):
        for seed in range(int(restarts)):
            last = (k, seed) == (high, int(restarts) - 1)
            run_dir = runs if last else runs.with_name(f"{runs.name}-{k}-{seed}")
            words = [option, str(k), "--seed", str(seed), "--quiet", "--no-report", "--no-conf", "--run-dir", str(run_dir)]
            done = subprocess.run([sys.executable, script, data, *words, *others])
            if done.returncode not in (0, 3):
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
