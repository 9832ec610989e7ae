"""Requests a second of drivers/serve.py on one core, and how long each of them takes.

    python bench/serve.py                                      # 20 columns of numbers, a row a request
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

ROOT = Path(__file__).resolve().parent.parent
WARM_UP = 1.0


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", help="the model.json of a run; Default: a linear model of --columns numbers")
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--rows", type=int, default=1, help="of a request")
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or write_model(folder, options.columns)
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


def write_model(folder: str, n_columns: int) -> str:
    """A linear model of standardised columns, as a file."""
    names = [f"x{j + 1}" for j in range(n_columns)]
    parameters = {"coefficients": [1 / (j + 1) for j in range(n_columns)], "intercept": 0.5}
    path = os.path.join(folder, "model.json")
    model = {"format": "scanlearn-model", "version": 1, "kind": "wols", "features": names, "parameters": parameters}
    Path(path).write_text(json.dumps(model))
    return path


async def measure(url: str, options: argparse.Namespace, pid: int) -> dict[str, float]:
    """Asks for some seconds and gives the figures; times in seconds."""
    with urllib.request.urlopen(f"{url}/model") as answer:
        columns = json.load(answer)["columns"]
    rows = [{c["name"]: c["texts"][0] if "texts" in c else 0.1 + i / 7 for c in columns} for i in range(options.rows)]
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
