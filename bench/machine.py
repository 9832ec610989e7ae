"""The machine that figures were taken on, and the libraries they depend on; no names of hosts, users or folders."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "pandas", "pyarrow", "polars", "scikit-learn", "pyspark", "mrjob")


def machine() -> dict[str, Any]:
    """Cores, bytes of memory, model of the processor, operating system."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "processor": _processor(),
        "system": _system(),
    }


def versions() -> dict[str, str]:
    """Of Python and the libraries that the figures depend on most; a reader of CSV may change its speed threefold."""
    found = {"Python": platform.python_version()}
    for name in LIBRARIES:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    if java := _java_version():
        found["Java"] = java
    return found


def java() -> str | None:
    """The program that PySpark would start."""
    home = os.environ.get("JAVA_HOME")
    return shutil.which("java", path=os.path.join(home, "bin") if home else None)


def busy_seconds() -> float:
    """Seconds that the cores of the machine have worked since it started, for whomever; also what a host took away."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle, waiting = fields[3], fields[4]
    return (sum(fields) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return " ".join(value.split())
    return platform.machine()


def _system() -> str:
    kernel = ".".join(platform.release().split(".")[:2])
    told = f"Linux {kernel}, {platform.machine()}"
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']} ({told})"
    except (OSError, KeyError):
        return told


def _java_version() -> str | None:
    program = java()
    if program is None:
        return None
    told = subprocess.run([program, "-version"], capture_output=True, text=True).stderr
    found = re.search(r'version "([^"]+)"', told)
    return found[1] if found else None
