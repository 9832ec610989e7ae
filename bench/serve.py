"""Requests a second of drivers/serve.py on one core, and how long each of them takes.

    python bench/serve.py                                      # 20 columns of numbers, a row a request
    python bench/serve.py --recipe                             # the same columns through a recipe of 13 steps
    python bench/serve.py --model runs/price/model.json --rows 100 --connections 8 --json

The service has the first core that this process may use, and the client the second. Each connection stays, and sends a
request when it has the answer to the last one, so requests wait for each other: with one connection latency is that of
the service alone. As other processes may take the core, the processor time of the service for each request is told too.
Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
from pyarrow import csv  # noqa: E402

from drivers import run_wols  # noqa: E402

WARM_UP = 1.0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="the model.json of a run; Default: a linear model of --columns numbers")
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--recipe", action="store_true", help="13 steps before the model, which then has 48 features")
    parser.add_argument("--rows", type=int, default=1, help="of a request")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or write_model(folder, options.columns, options.recipe)
        command = [sys.executable, str(ROOT / "drivers" / "serve.py"), model, "--port", "0"]
        with subprocess.Popen(
            command, stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, cores[:1])
        ) as service:
            try:
                assert service.stderr is not None
                line = service.stderr.readline()
                if " at http://" not in line:
                    sys.exit(line)
                url = line.split(" at ")[1].split(",")[0]
                os.sched_setaffinity(0, cores[-1:])
                found = asyncio.run(measure(url, options, service.pid))
            finally:
                service.terminate()
    print(json.dumps(found) if options.json else told(found))
    return 0


def write_model(folder: str, n_columns: int, with_recipe: bool) -> str:
    """A linear model of standardised columns, or of what a recipe of 13 steps makes of some, as a file."""
    names = [f"x{j + 1}" for j in range(n_columns)]
    if with_recipe:
        return fit_with_recipe(folder, n_columns)
    parameters = {"coefficients": [1 / (j + 1) for j in range(n_columns)], "intercept": 0.5}
    path = os.path.join(folder, "model.json")
    model = {"format": "scanlearn-model", "version": 1, "kind": "wols", "features": names, "parameters": parameters}
    Path(path).write_text(json.dumps(model))
    return path


def fit_with_recipe(folder: str, n_columns: int) -> str:
    """A linear model of some numbers, a date and two texts; clipped, flagged, imputed (two ways), logarithms, bins, rare
    texts grouped, one-hot, target encoded, products, scaled."""
    rng = np.random.default_rng(0)
    n, p = 2000, n_columns - 3
    X = rng.gamma(2.0, size=(n, p))
    X[rng.random((n, p)) < 0.02] = np.nan
    columns: dict[str, Any] = {f"x{j + 1}": X[:, j] for j in range(p)}
    columns["city"], columns["shop"] = rng.choice(["Bonn", "Oslo", "Rome"], n), rng.integers(0, 300, n).astype(str)
    columns["day"] = np.datetime64("2024-01-01") + rng.integers(0, 700, n)
    columns["y"] = np.nansum(X, axis=1) + rng.normal(size=n)
    path, run = os.path.join(folder, "t.csv"), os.path.join(folder, "run")
    csv.write_csv(pa.table(columns), path)
    run_wols.fit(
        path, target="y", run_dir=run, cache_dir=folder, report=False, text=["shop"], dates="parts", indicators=True,
        outliers="x1=iqr:clip,x2=z:flag", impute="median,city=most-frequent", transform="x3=log1p,x4=sqrt", bins="x5=4",
        min_frequency=2, encode="one-hot,shop=target", interactions="x1*x2,x3*x4", polynomial="x6=2", scale="standard",
    )  # fmt: skip
    return os.path.join(run, "model.json")


async def measure(url: str, options: argparse.Namespace, pid: int) -> dict[str, float]:
    """Asks for some seconds and gives the figures; times in seconds."""
    with urllib.request.urlopen(f"{url}/model") as answer:
        columns = json.load(answer)["columns"]
    rows = [{c["name"]: cell_of(c, i) for c in columns} for i in range(options.rows)]
    body = json.dumps(rows[0] if options.rows == 1 else {"rows": rows}).encode()
    host, port = url.removeprefix("http://").split(":")
    request = f"POST /predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    end = time.perf_counter() + WARM_UP
    await asyncio.gather(*(ask(host, int(port), request, end) for _ in range(options.connections)))
    start, cpu = time.perf_counter(), processor_seconds(pid)
    end = start + options.seconds
    of_each = await asyncio.gather(*(ask(host, int(port), request, end) for _ in range(options.connections)))
    seconds, cpu = time.perf_counter() - start, processor_seconds(pid) - cpu
    latencies = sorted(latency for latencies in of_each for latency in latencies)
    n = len(latencies)
    return {
        "columns": len(columns),
        "rows": options.rows,
        "connections": options.connections,
        "requests": n,
        "requests_per_second": n / seconds,
        "cpu_per_request": cpu / n,
        "latency_p50": latencies[n // 2],
        "latency_p99": latencies[n * 99 // 100],
        "latency_max": latencies[-1],
    }


def cell_of(column: dict[str, Any], row: int) -> Any:
    """A cell that a column can have."""
    return column["texts"][row % len(column["texts"])] if "texts" in column else 0.1 + row / 7


async def ask(host: str, port: int, request: bytes, end: float) -> list[float]:
    """One connection until the end; the seconds of each of its requests."""
    reader, writer = await asyncio.open_connection(host, port)
    found = []
    while (start := time.perf_counter()) < end:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            sys.exit(head.decode())
        size = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(size.split(b":")[1]))
        found.append(time.perf_counter() - start)
    writer.close()
    return found


def processor_seconds(pid: int) -> float:
    """User and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def told(found: dict[str, float]) -> str:
    return (
        f"{found['requests_per_second']:,.0f} requests a second of {found['rows']} rows of {found['columns']} columns, "
        f"{found['connections']} connections\n"
        f"latency p50 {1e3 * found['latency_p50']:.2f} ms, p99 {1e3 * found['latency_p99']:.2f} ms, "
        f"longest {1e3 * found['latency_max']:.1f} ms; "
        f"{1e6 * found['cpu_per_request']:.0f} us of processor time for each request"
    )


if __name__ == "__main__":
    sys.exit(main())
